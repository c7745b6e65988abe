import re
import subprocess
import sys

import pytest

from helpers.params import load_params
from support.project import ROOT

BENCHMARK = ROOT / "benchmarks" / "classifier_throughput.py"


def run(*words):
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--threads", "1", "--weights", "none", "--image-size", "32", *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_the_three_ways_are_measured():
    lines = run("--images", "128", "--rounds", "1", "--workers", "0", "--bank", "2").splitlines()
    assert re.fullmatch(r"bank ratio \d+\.\d\d", lines[-2]) and re.fullmatch(r"ratio \d+\.\d\d", lines[-1])
    table = {line[:32].strip(): line[32:].split() for line in lines[2:6]}
    assert list(table) == [
        "the textbooks' loop",
        "this project",
        "this project with the bank",
        "and building it",
    ]
    speeds = [float(row[0]) for row in table.values()]
    assert all(speed > 0 for speed in speeds) and speeds[3] <= speeds[2]
    assert "2 variations per image" in lines[-3]
    assert all(0 < float(row[-1].rstrip("%")) < 150 for name, row in table.items() if "bank" not in name)


def test_multiplications_of_frozen_stages_are_counted_once(script, monkeypatch):
    """Trained stages are run forward and twice backward, frozen ones forward alone."""
    import machine_speed

    monkeypatch.setattr(machine_speed, "product_rate", lambda *_: 1.0)
    throughput, params = script("classifier_throughput"), load_params("paper")

    def work(frozen):
        changed = {"image_size": 64, "frozen_stages": frozen}
        classifier = params.classifier.model_copy(update=changed)
        given = params.model_copy(update={"classifier": classifier})
        return throughput.seconds_an_image(given, "cpu", ["mel", "nv"])

    whole, none = work(0), work(5)
    assert 2.9 < whole / none < 3.01  # the first layer needs no gradient by its images
    at_224 = none * (224 / 64) ** 2
    assert 7.5e9 < at_224 < 8.5e9  # ResNet50 has 4.1e9 multiplications and as many additions


def test_images_on_disk_are_not_read_into_memory():
    told = run("--memory-check", "400000", "--steps", "2", "--held-out", "64")
    assert "400,000 images of 32 px on disk: 1.23 GB" in told
    own = float(re.search(r"own memory (\d+\.\d\d) GB", told)[1])
    assert 0.1 < own < 0.9


@pytest.mark.long
def test_the_bank_is_compared_with_fresh_augmentation():
    script = BENCHMARK.with_name("bank_effect.py")
    done = subprocess.run(
        [sys.executable, script, "--params", "smoke.yaml", "--replicates", "3", "--bank", "2"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()[-5:]
    assert [row.split()[0] for row in rows] == [
        "accuracy",
        "macro_recall",
        "target_recall",
        "target_roc_auc",
        "calibration_error",
    ]
    assert all(re.fullmatch(r"\w+ +[\d.]+ +[\d.]+ +[+-][\d.]+ +\S+ to \S+", row) for row in rows)
