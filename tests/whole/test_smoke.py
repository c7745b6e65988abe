"""The whole report at tiny sizes, by the front door, in a folder with a space and a brace in its name."""

import re
import shutil

import pandas as pd
import pytest

from support.page_checks import (
    ARGUMENTS,
    AXE,
    CHROMIUM,
    article_screens,
    axe_violations,
    check_text,
    on_paper,
    open_page,
)

SMOKE = ("--params", "params/smoke.yaml")


@pytest.fixture(scope="module")
def smoke(project_copy):
    """A copied project after one whole run, with what it printed."""
    project = project_copy()
    project.first = project.run(*SMOKE).stdout
    return project


def test_one_command_makes_the_report(smoke):
    page = (smoke.folder / "reports/smoke/report.html").read_text(encoding="utf-8")
    assert "Drawn lesions" in page and page.rstrip().endswith("</html>")
    for number in range(1, 9):
        assert f"Figure {number}" in page
    assert len(page) < 5_000_000
    assert str(smoke.folder) not in page  # the page is shared, this machine's folders are not
    assert all(
        re.search(rf"^{arm} +\d+\.\d% +\d+\.\d% +\d+\.\d%$", smoke.first, re.MULTILINE)
        for arm in ("baseline", "filtered", "all")
    )
    assert "Report: reports/smoke/report.html" in smoke.first
    names = {path.name for path in (smoke.folder / "reports/smoke/figures").iterdir()}
    assert len(names) >= 16 and all(
        (smoke.folder / "reports/smoke/figures" / name).stat().st_size > 500 for name in names
    )


def test_its_page_is_sound(smoke):
    page = (smoke.folder / "reports/smoke/report.html").read_text(encoding="utf-8")
    soup = check_text(page, limit=5_000_000)
    rows = [len(table.select("tbody tr")) for table in soup.select("section.article figure.table")]
    assert len(rows) >= 6 and max(rows) <= 15
    numbers = [tag["id"] for tag in soup.select("section.article figure.figure")]
    assert sorted(numbers) == [f"figure-{number}" for number in range(1, 9)]


@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")
def test_its_page_in_a_browser(smoke):
    """It asks for nothing, prints without loss, its article is short, and axe-core finds no violation."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    address = (smoke.folder / "reports/smoke/report.html").as_uri()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = open_page(browser, address, width=390)
        assert [url for url in page.asked if not url.startswith("data:")] == [
            address
        ] and page.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        found = on_paper(browser, address)
        assert found["outside"] == [] and found["tools"] == 0
        assert article_screens(browser, address) <= 12
        if AXE.exists():  # .ci/run fetches it
            assert axe_violations(browser, address) == []
        browser.close()


def test_its_files_are_as_designed(smoke):
    run = smoke.folder / "artifacts/smoke"
    split = pd.read_csv(run / "data/split.csv")
    assert len(split) == 160 and set(split["split"]) == {"train", "validation", "test"}
    scores = pd.read_csv(run / "synthetic/seed-0/scores.csv")
    assert list(scores["rank"].sort_values()) == list(range(1, 21)) and scores["selected"].sum() == 6
    predictions = pd.read_csv(run / "classifier/filtered/replicate-0/predictions.csv")
    held_out = split[split["split"] != "train"]
    assert set(predictions["image_id"]) == set(held_out["image_id"]) and len(predictions) == len(held_out)
    probabilities = predictions[[f"p_{name}" for name in sorted(split["dx"].unique())]]
    assert ((probabilities.sum(axis=1) - 1).abs() < 1e-5).all()
    metrics = pd.read_csv(run / "evaluation/metrics.csv")
    assert list(metrics["arm"]) == ["baseline", "filtered", "all"]
    hits = predictions[predictions["split"] == "test"]
    accuracy = (probabilities.loc[hits.index].idxmax(axis=1).str[2:] == hits["label"]).mean()
    assert metrics.set_index("arm")["accuracy"]["filtered"] == pytest.approx(accuracy)


def test_a_second_run_executes_nothing(smoke):
    before = smoke.executed("smoke")
    told = smoke.run(*SMOKE).stdout
    assert "every job is fresh" in told and smoke.executed("smoke") == before


WITHOUT_ENGINE = """
from helpers.params import load_params
from helpers.paths import RunPaths
from helpers.stages import classifier, eda, gan, synthesis

run, params = RunPaths("again"), load_params("smoke")
eda.prepare(run, params)
gan.train(run, params, 0)
classifier.train(run, params, "baseline", 0)
synthesis.generate(run, params, 0)
"""


def test_the_same_seeds_give_the_same_bytes(smoke):
    """Of every kind of job that trains or draws, also where no engine calls it.

    The evaluation's seeds have tests of their own.
    """
    smoke.python(WITHOUT_ENGINE)
    names = (
        "data/split.csv",
        "gan/seed-0/history.csv",
        "synthetic/seed-0/images.npy",
        "synthetic/seed-0/scores.csv",
        "classifier/baseline/replicate-0/predictions.csv",
    )
    for name in names:
        assert (smoke.folder / "artifacts/again" / name).read_bytes() == (
            smoke.folder / "artifacts/smoke" / name
        ).read_bytes(), name


def test_a_classifier_parameter_costs_no_gan(smoke):
    """Which jobs behind them then run, tests/engine tries on the toy."""
    told = smoke.run(*SMOKE, "--set", "classifier.dropout=0.2", "--dry-run").stdout
    stale = {line[9:].split("  ")[0] for line in told.splitlines() if line.startswith("  stale")}
    arms = {f"classifier {arm}, replicate 0" for arm in ("baseline", "filtered", "all")}
    # in the notebook of the synthesis stands the baseline's opinion
    assert stale == {"synthesis seed 0", *arms, "evaluation", "report"}
    assert "parameters changed: classifier.dropout 0.5 -> 0.2" in told


@pytest.mark.long
def test_a_page_is_made_of_finished_jobs_from_another_machine(smoke):
    """It has the same numbers, trains nothing, and says where its pictures are."""
    metrics = smoke.folder / "artifacts/smoke/evaluation/metrics.csv"
    before = pd.read_csv(metrics)
    smoke.run("--pack", "smoke", "--to", "smoke.tar.xz")
    shutil.rmtree(smoke.folder / "artifacts")
    shutil.rmtree(smoke.folder / "reports")
    smoke.run("--unpack", "smoke.tar.xz")
    told = smoke.run(*SMOKE).stdout
    assert "7 of 13 jobs and notebooks to do" in told  # evaluation, page and all notebooks
    pd.testing.assert_frame_equal(pd.read_csv(metrics), before, rtol=1e-5)
    figures = {path.stem: path.read_text() for path in (smoke.folder / "reports/smoke/figures").glob("*.svg")}
    for name in ("synthetic-samples-seed-0", "closest-pairs-seed-0"):
        assert "The synthetic images stayed on the machine that made them." in figures[name]
    assert "No samples of this training are on this machine." in figures["film-strip-seed-0"]
    assert not list((smoke.folder / "artifacts/smoke").rglob("*.safetensors"))
