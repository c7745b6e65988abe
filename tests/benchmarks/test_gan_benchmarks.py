"""The scripts that measure the GAN: each runs, and says what it promises to say."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from support.project import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
TINY = ("gan.resolution=32", "gan.channel_scale=0.02", "gan.threads=1")


def test_the_course_of_both_loops_becomes_a_figure(tmp_path, monkeypatch, capsys):
    import gan_same_course

    monkeypatch.setattr(
        gan_same_course, "draw_photograph", lambda dx, seed, lesion, photo: IMAGES[lesion % 40]
    )
    gan_same_course.main(["--steps", "3", "--output", str(tmp_path / "course.png")])
    losses = re.findall(r"^(.+): last losses (\S+) and (\S+)$", capsys.readouterr().out, re.MULTILINE)
    assert [name for name, *_ in losses] == list(gan_same_course.LOOPS)
    exact, ours, _ = np.array([pair for _, *pair in losses], dtype=float)
    np.testing.assert_allclose(ours, exact, atol=2e-3)
    assert Image.open(tmp_path / "course.png").size == (1600, 560)


def test_the_placements_train_in_turn_and_are_drawn(tmp_path, capsys):
    import spectral_norm_placement as script

    config = script.load_params("paper", [*TINY, "gan.batch_size=4"]).gan
    table = tmp_path / "placement.csv"
    script.measure(IMAGES, config, 2, table, tmp_path / "samples")
    rows = pd.read_csv(table, keep_default_na=False)
    assert rows.groupby("placement").size().to_dict() == {"none": 1, "blocks": 1, "all": 1}
    spread = rows.set_index("placement")["score_spread"]
    assert spread["none"] > spread["blocks"] > spread["all"] > 0
    script.main(["--draw", "--table", str(table), "--figure", str(tmp_path / "placement.png")])
    assert (
        "largest_generator_loss" in capsys.readouterr().out
        and Image.open(tmp_path / "placement.png").size[0] > 1000
    )
    assert len(list((tmp_path / "samples").rglob("*.png"))) == 3


@pytest.mark.long
def test_the_throughput_of_both_loops_ends_in_their_ratio(capfd):
    import gan_throughput

    words = [word for setting in (*TINY, "gan.batch_size=4") for word in ("--set", setting)]
    gan_throughput.main([*words, "--device", "cpu", "--rounds", "2", "--workers", "0"])
    lines = capfd.readouterr().out.strip().splitlines()
    assert re.fullmatch(r"ratio \d+\.\d\d", lines[-1])
    header = next(line for line in lines if "images/s" in line)
    assert all(column in header for column in ("s/step", "s/kimg", "peak GiB", "of floor", "whole training"))
    with pytest.raises(SystemExit):
        gan_throughput.main(["--set", "gan.recipe=stylegan2"])
    assert "textbook" in capfd.readouterr().err


@pytest.mark.long
def test_two_settings_are_compared_by_their_images_and_drawn(tmp_path, capsys):
    import gan_settings

    gan_settings.main(["--params", "smoke", "--seeds", "3", "--figure", str(tmp_path / "samples.png")])
    lines = capsys.readouterr().out.strip().splitlines()
    rows = [line.split() for line in lines if line.split()[:2] in (["first", "3"], ["second", "3"])]
    assert len(rows) == 4, "each as it is ready, and once more in the table"
    assert rows[0][3:] == rows[1][3:], "the same settings and seed: the same images"
    assert all(0 < float(share) < 1 for share in rows[0][-2:]) and "real class auc" in lines[0]
    assert Image.open(tmp_path / "samples.png").size[0] > 500
