"""The page as a text: what stands in it, in which order, escaped and numbered."""

import json
import re
import urllib.parse
from dataclasses import replace

import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from helpers import paths as places
from helpers.errors import MissingStageError
from helpers.evaluation.verdicts import verdict, verdict_of
from helpers.params import departures, load_params, own_paths, validate
from helpers.paths import ROOT, RunPaths
from helpers.report import words
from helpers.report.page import (
    answer,
    article,
    assets,
    cell_html,
    cells,
    contrast_chart,
    control_sentences,
    facts,
    headline,
    pictures,
    provenance,
    sliders,
    tables,
)
from helpers.report.page.records import read_params, read_records
from helpers.report.page.render import render_report
from helpers.report.page.reproduction import reproduction_command
from helpers.report.page.results import read_results
from helpers.report.page.shown import SECTIONS, shown_jobs
from support.page_checks import check_text
from support.report_run import (
    DEVICE,
    EVIL,
    build_run,
    cell_code,
    cell_text,
    display,
    fake_params,
    figure,
    table,
)

STEMS = (
    "01_eda",
    "02_gan_training",
    "03_generation_filtering",
    "04_classifier_training",
    "05_evaluation",
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A rendered run with a script in every text that comes from data."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("a place with a space")
        build_run(folder, patch, lesion_class=EVIL)
        page = render_report("fake")
        assert page == folder / "reports" / "fake" / "report.html"
        yield folder


@pytest.fixture(scope="module")
def page(base):
    return (base / "reports" / "fake" / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def soup(page):
    return BeautifulSoup(page, "html.parser")


def test_what_can_be_read_off_the_file(page):
    check_text(page, limit=5_000_000)
    assert "default-src 'none'" in page


def test_only_the_pages_own_script_is_in_it(page, soup):
    scripts = soup.find_all("script")
    assert len(scripts) == 1
    policy = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert assets.script_hash(scripts[0].string) in policy
    # the class of that name is shown, as a text
    assert EVIL in soup.find("main").get_text()
    assert EVIL not in page and "&lt;script&gt;document.title" in page


def test_every_picture_has_words(soup):
    images = soup.find("main").find_all("img")
    assert len(images) == 10
    assert all(image["alt"] == "Bars of different heights" for image in images)


def test_figures_wear_the_papers_numbers_and_ours_follow(soup):
    numbers = [int(tag["id"].split("-")[1]) for tag in soup.find_all("figure", id=re.compile("^figure-"))]
    assert numbers == [1, 2, 3, 9, 4, 8, 5, 6, 7, 10]
    tables = [int(tag["id"].split("-")[1]) for tag in soup.find_all("figure", id=re.compile("^table-"))]
    assert tables == list(range(1, len(tables) + 1))
    assert soup.find(id="figure-3").figcaption.get_text() == "Figure 3 The bars of gan_training differ."


def test_prose_is_todays_and_outputs_are_the_runs(soup):
    text = soup.find("main").get_text()
    assert "Old prose" not in text
    for stem in STEMS:
        assert text.count(f"New prose of {stem}.") == 1
    assert "a warning of no interest" not in text and "A caption that the page sets itself" not in text
    assert "A sentence written from numbers." in text
    assert 'run = "fake"' in text  # the injected parameters, folded


def test_code_is_folded(soup):
    blocks = soup.find_all("pre", class_="code")
    assert blocks and all(
        block.find_parent("details") and not block.find_parent("details").has_attr("open") for block in blocks
    )
    first = soup.find("details", class_="source")
    assert first.pre.get_text().count("run =") == 2 and "import numpy" in first.pre.get_text()


def test_order_of_the_page(soup):
    assert [tag["id"] for tag in soup.find_all("h2")] == [
        "answer",
        "data",
        "gan",
        "synthesis",
        "classifier",
        "evaluation",
        "controls",
        "open",
        "supplement",
        "provenance",
    ]
    assert [tag["id"] for tag in soup.select(".supplement > h3")] == [
        f"notebook-{anchor}" for anchor in ("data", "gan", "synthesis", "classifier", "evaluation")
    ]
    assert [link["href"] for link in soup.select(".contents > details > ol > li > a")] == [
        f"#{tag['id']}" for tag in soup.find_all("h2")
    ]
    assert soup.find(class_="banner").get_text().startswith("Drawn lesions: a demonstration.")


def test_what_is_tagged_is_the_article_and_the_rest_is_folded(soup):
    article = soup.select("section.article")
    assert [len(section.find_all("img")) for section in article] == [2, 2, 1, 1, 4, 0, 0]
    assert not soup.select("section.article details") and "show(1)" not in article[0].get_text()
    folds = soup.select("section.supplement details.part")
    assert all(not fold.has_attr("open") and fold.summary.b.get_text() for fold in folds)
    for section, stem in zip(article, STEMS, strict=False):
        link = section.select_one(".more a")
        fold = soup.find(id=link["href"][1:])
        assert fold.name == "details" and "A sentence written from numbers." in fold.get_text(), stem
        assert "What is left to see" in link.get_text() and "show(1)" not in fold.get_text()
    assert soup.select_one(".supplement").get_text().count("show(1)") == len(STEMS)


def test_the_first_screen_has_the_answer_and_the_contrasts(soup, base):
    assert soup.select_one(".done").get_text().startswith("On drawn lesions")
    answer = soup.select_one(".abstract b").get_text()
    assert answer.endswith("? Undecided: this run cannot say whether more or fewer are found.")
    tables = soup.select("#contrasts table")
    assert [table["data-metric"] for table in tables][:2] == ["target_recall", "accuracy"]
    assert [table.has_attr("hidden") for table in tables] == [False] + [True] * (len(tables) - 1)
    recall, accuracy = (table.tbody.find_all("tr") for table in tables[:2])
    assert [row.th.get_text() for row in recall] == ["filtered \u2212 baseline", "all \u2212 baseline"]
    assert recall[0].select_one(".theirs").get_text() == "+5.4" and recall[0].select_one(".paper")
    assert [row["class"] for row in accuracy] == [["up", "exploratory"]] * 2
    assert {row.select_one(".said").get_text() for row in accuracy} == {"higher"}
    assert {row.select_one(".said").get_text() for row in recall} == {"undecided"}


def test_the_legend_names_what_is_drawn_of_its_metric(tmp_path, monkeypatch):
    """The paper has no area under a curve, so that no diamond may be promised beside it."""
    build_run(tmp_path, monkeypatch)
    results = read_results(RunPaths("fake"), fake_params())
    area = results.comparisons[results.comparisons["metric"] == "accuracy"].assign(metric="target_roc_auc")
    results = replace(results, comparisons=pd.concat([results.comparisons, area]))
    chart = BeautifulSoup(contrast_chart.contrast_chart(results), "html.parser")
    legends = {legend["data-metric"]: legend for legend in chart.figcaption.find_all("span")}
    assert list(legends) == [table["data-metric"] for table in chart.find_all("table")]
    for metric, legend in legends.items():
        table = chart.select_one(f"table[data-metric={metric}]")
        assert legend.has_attr("hidden") == table.has_attr("hidden")
        assert (
            ("diamond" in legend.get_text()) == bool(table.select(".paper")) == (metric != "target_roc_auc")
        )


@pytest.mark.parametrize(
    ("low", "high", "replicates", "kind"),
    [
        (0.01, 0.05, 3, "up"),
        (0.001, 0.01, 3, "small"),
        (-0.05, -0.01, 3, "down"),
        (-0.05, 0.01, 3, "none"),
        (-0.05, 0.05, 3, "undecided"),
        (None, None, 1, "untested"),
    ],
)
def test_what_can_be_said_of_a_contrast(low, high, replicates, kind):
    row = {"difference": 0, "low": low, "high": high, "replicates": replicates}
    assert contrast_chart.said(verdict_of(row, 0.02), 0.02)[0] == kind


def test_the_picture_of_single_trainings_says_that_there_is_no_interval(tmp_path, monkeypatch):
    names = ["baseline", *(f"arm-{n}" for n in range(16))]
    arms = {name: {} if name == "baseline" else {"synthetic": {"select": "all"}} for name in names}
    build_run(tmp_path, monkeypatch, params=fake_params(arms=arms, replicates=1))
    soup = BeautifulSoup(render_report("fake").read_text(), "html.parser")
    chart = soup.find(id="contrasts")
    assert len(chart.table.tbody.find_all("tr")) == contrast_chart.MOST_ROWS
    assert not chart.select(".interval") and not chart.select(".theirs")
    caption = chart.figcaption.span.get_text()
    assert "Each arm was trained once, so there are no intervals" in caption
    assert "Not drawn: arm-14 and arm-15." in caption
    assert "? Not tested: " in soup.select_one(".abstract b").get_text()


def test_a_contrast_is_drawn_as_named_beforehand_in_the_metrics_that_it_was_named_in(tmp_path, monkeypatch):
    build_run(tmp_path, monkeypatch)
    results = read_results(RunPaths("fake"), fake_params())
    named = results.comparisons.copy()  # the run that stands in has no table of contrasts
    named["role"] = named["metric"].eq("accuracy").map({True: "primary", False: "exploratory"})
    chart = BeautifulSoup(contrast_chart.contrast_chart(replace(results, contrasts=named)), "html.parser")
    for metric, hollow in (("accuracy", False), ("target_recall", True)):
        rows = chart.select_one(f"table[data-metric={metric}]").tbody.find_all("tr")
        drawn = [row for row in rows if row.th.get_text() == "filtered \u2212 baseline"]
        assert ["exploratory" in row["class"] for row in drawn] == [hollow]


def test_the_picture_says_what_holm_s_rule_holds_back(tmp_path, monkeypatch):
    build_run(tmp_path, monkeypatch)
    results = read_results(RunPaths("fake"), fake_params())
    named = results.comparisons.query("arm == 'filtered' and metric == 'target_recall'").copy()
    named = named.assign(role="primary", difference=0.01, low=0.002, high=0.018, replicates=5, p_holm=0.13)
    told = contrast_chart.contrast_chart(replace(results, contrasts=named))
    row = BeautifulSoup(told, "html.parser").table.tbody.tr
    said = row.select_one(".said").get_text()
    assert said == "no gain of 2 points or more; p = 0.13 by Holm's rule"
    assert "a p value stands where an interval alone excludes 0" in told
    told = contrast_chart.contrast_chart(replace(results, contrasts=named.assign(p_holm=0.03)))
    assert "Holm" not in told


@pytest.mark.parametrize(
    ("tag", "changed", "shown"),
    [
        ("with:gan", {}, True),
        ("with:folder", {}, False),
        ("with:external", {}, False),
        ("with:external", {"data": {"external_root": "elsewhere"}}, True),
        ("article", {}, True),
    ],
)
def test_a_cell_is_on_the_pages_of_the_runs_that_its_tag_names(tag, changed, shown):
    cell = nbformat.v4.new_markdown_cell("words", metadata={"tags": [tag]})
    assert article.suits(cell, validate(changed)) is shown


def test_one_arm_has_no_picture(tmp_path, monkeypatch):
    build_run(tmp_path, monkeypatch, params=fake_params(arms={"baseline": {}}))
    page = BeautifulSoup(render_report("fake").read_text(), "html.parser")
    assert page.find(id="contrasts") is None and not page.select(".abstract b")


def test_the_article_says_what_is_not_known_and_what_would_narrow_it(soup):
    text = soup.select_one("section.article:has(> #controls)").get_text()
    assert "No arm of this run has real melanoma images taken away" in text
    text = soup.select_one("section.article:has(> #open)").get_text()
    assert "more trainings of each arm than 3 (replicates)" in text and "more than one GAN" in text
    assert "more test images of melanoma than 13." in text and "Only photographs" in text


def test_a_long_table_stands_in_the_supplement_and_is_linked(tmp_path, monkeypatch):
    folder = build_run(tmp_path, monkeypatch)
    executed = folder / "notebooks" / "01_eda.ipynb"
    made = nbformat.read(executed, 4)
    show = next(cell for cell in made.cells if cell.id == "show")
    long = table("long")
    for column in long.metadata["report"]["table"]["columns"]:
        column["texts"], column["values"] = list(column["texts"]) * 6, list(column["values"]) * 6
    show.outputs.append(long)
    nbformat.write(made, executed)
    soup = BeautifulSoup(render_report("fake").read_text(), "html.parser")
    found = soup.find("figure", attrs={"data-name": "long"})
    note = next(tag for tag in soup.select("#data ~ .note") if "more than 15 rows" in tag.get_text())
    assert found.find_parent("details")["id"] == note.a["href"][1:]
    assert all(len(t.select("tbody tr")) <= 15 for t in soup.select("section.article figure.table"))


def test_a_threshold_can_be_moved_where_the_run_knows_it(tmp_path, monkeypatch):
    folder = build_run(tmp_path, monkeypatch)
    rows = [
        {
            "arm": arm,
            "threshold": t,
            "mean": t / 10,
            "act_on_all": 0.1,
            "recall": 1 - t,
            "false_alarms": t / 2,
        }
        for arm in ("baseline", "filtered", "all")
        for t in (0.05, 0.1, 0.2)
    ]
    pd.DataFrame(rows).to_csv(folder / "evaluation" / "decision_curve.csv", index=False)
    soup = BeautifulSoup(render_report("fake").read_text(), "html.parser")
    moved = soup.find("figure", attrs={"data-name": "thresholds"})
    assert moved.find_previous(["h2", "h3"]).get_text() == "At other thresholds"
    assert [cell.get_text() for cell in moved.tbody.tr.find_all(["th", "td"])] == [
        "baseline",
        "90",
        "5.0",
        "+1.0",
    ]
    assert moved.tbody.find_all("tr")[-1].th.get_text() == "every image called so"
    steps = json.loads(moved["data-steps"])
    assert steps["places"] == ["5 %", "10 %", "20 %"] and steps["rows"][0][2] == ["80", "10.0", "+2.0"]
    assert moved.find("input").has_attr("hidden") and moved.output.get_text() == "10 %"


def test_every_training_is_listed(soup):
    rows = soup.find("figure", attrs={"data-name": "trainings"}).find("tbody").find_all("tr")
    assert [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in rows][4] == [
        "filtered",
        "1",
        "1001",
        "7,010",
        "300",
        "13",
        "7",
        "81.2",
        "1\u00a0min\u00a002\u00a0s",
    ]
    assert len(rows) == 9


def test_headline_table_holds_paper_run_and_difference(soup, base):
    table = soup.find("figure", attrs={"data-name": "headline"})
    metrics = pd.read_csv(base / "artifacts" / "fake" / "evaluation" / "metrics.csv")
    head = [cell.get_text() for cell in table.find("thead").find_all("th")]
    rows = [
        dict(zip(head, (cell.get_text() for cell in row.find_all(["th", "td"])), strict=True))
        for row in table.find("tbody").find_all("tr")
    ]
    assert len(rows) == 6 * 3 and rows[0]["Metric"] == "Recall of melanoma, n\u00a0=\u00a013"
    filtered = next(
        row for row in rows if row["Metric"] == "Accuracy, n\u00a0=\u00a033" and row["Arm"] == "filtered"
    )
    means = metrics.groupby("arm")["accuracy"].mean()
    assert (
        filtered["Paper, %"] == "90.55" and filtered["This run, %"] == f"{100 * means['filtered']:.0f}"
    )  # 33 images support no decimal
    assert (
        filtered["Its 95 % interval"]
        == f"{100 * means['filtered'] - 3:.0f} to {100 * means['filtered'] + 3:.0f}"
    )
    assert filtered["Change in the paper"] == "+3.1" and filtered["Change in this run"] == words.points(
        means["filtered"] - means["baseline"], 0
    )
    assert filtered["A gain is"] == "supported"
    assert {row["A gain is"] for row in rows if row["Metric"].startswith("Recall of melanoma")} == {
        "",
        "undecided",
    }
    assert "*" not in table.figcaption.get_text() and "below 2 points" in table.figcaption.get_text()


def test_headline_of_many_arms_keeps_to_the_first_metrics(tmp_path, monkeypatch):
    """And every arm says what it trains on."""
    arms = {
        **{name: {} for name in ("baseline", "again", "third")},
        "weighted": {"loss": "balanced"},
        "filtered": {"synthetic": {"select": "all"}},
    }
    build_run(tmp_path, monkeypatch, params=fake_params(arms=arms))
    run = RunPaths("fake")
    table = headline.headline(read_results(run, read_params(run)))
    assert len(table) == 3 * 5 and not table["Metric"].str.startswith("BMA").any()
    meant = (
        BeautifulSoup(render_report("fake").read_text(), "html.parser")
        .find("figure", attrs={"data-name": "arms"})
        .tbody.find_all("tr")
    )
    assert [row.td.get_text() for row in meant][1:4:2] == [
        "the real training images and nothing else, with other seeds",
        "the real training images, with rare classes weighing more in the loss",
    ]


def test_a_metric_that_hardly_moves_is_named_beside_its_verdicts(tmp_path, monkeypatch):
    folder = build_run(tmp_path, monkeypatch)
    path, results = (
        folder / "evaluation/comparisons.csv",
        lambda: read_results(RunPaths("fake"), fake_params()),
    )
    assert "says little" not in headline.headline_caption(results())
    table = pd.read_csv(path)
    table.loc[table["metric"] == "macro_specificity", "difference"] /= 10
    table.to_csv(path, index=False)
    assert (
        "In macro specificity no arm's mean moves by 2 points: there *excluded* says little."
        in headline.headline_caption(results())
    )


def test_two_replicates_give_no_verdict(tmp_path, monkeypatch):
    build_run(tmp_path, monkeypatch, params=fake_params(replicates=2))
    run = RunPaths("fake")
    table = headline.headline(read_results(run, read_params(run)))
    assert set(table["A gain is"]) == {"", "not tested"} and not any("interval" in column for column in table)


def test_the_devices_of_adapted_trunks_are_told(tmp_path, monkeypatch):
    params = fake_params(classifier={"adapt": {"epochs": 2}})
    build_run(tmp_path, monkeypatch, params=params)
    run = RunPaths("fake")
    run.trunk("part-0").mkdir(parents=True)
    (run.trunk("part-0") / "timing.json").write_text(
        json.dumps({"device": "a card", "precision": "bfloat16"})
    )
    assert provenance.devices(run, params) == [DEVICE, "a card, bfloat16"]


def test_jobs_that_the_run_no_longer_has_are_in_no_account(tmp_path, monkeypatch):
    params = fake_params(replicates=2)
    folder = build_run(tmp_path, monkeypatch, params=params) / "logs"
    before = read_records(RunPaths("fake"), params)
    gone = [
        ("classifier", {"arm": "taken-out", "replicate": 0}),
        ("classifier", {"arm": "baseline", "replicate": 2}),
        ("synthesis", {"seed": 7}),
        ("trunk", {"trunk": "part-0"}),
    ]
    for place, (stage, wildcards) in enumerate(gone):
        record = {"job": f"gone-{place}", "stage": stage, "wildcards": wildcards}
        (folder / f"gone-{place}.record.json").write_text(json.dumps(record))
    (folder / "damaged.record.json").write_text("{")
    assert read_records(RunPaths("fake"), params) == before
    kept = {"job": "kept", "stage": "classifier", "wildcards": {"arm": "baseline", "replicate": 1}}
    (folder / "kept.record.json").write_text(json.dumps(kept))
    assert read_records(RunPaths("fake"), params) == [*before, kept]


def test_provenance_file(base):
    found = json.loads((base / "artifacts" / "fake" / "provenance.json").read_text())
    assert found["seeds"] == {
        "split": 42,
        "drawing": 1,
        "gan": [0],
        "synthesis": 0,
        "classifier": [1000, 1001, 1002],
        "bootstrap": 0,
    }
    twins = provenance.seeds(validate({"arms": {"baseline": {}, "again": {}}, "replicates": 2}))
    assert twins["classifier"] == [1000, 1001] and twins["classifier, arm again"] == [1_001_000, 1_001_001]
    assert found["data"]["checksum"] == "sha256:0123abcd" and found["versions"] == {
        "python": "3.13.1",
        "torch": "2.15.0",
    }
    assert found["device"] == [DEVICE] and found["threads"] == {"gan": 2, "classifier": 2}
    assert (
        found["kept_over_code_changes"] == ["evaluation"]
        and len(found["code"]["digests"]["evaluation"]) == 16
    )
    assert (
        found["command"] == "python run_all.py --params params/paper.yaml --run fake "
        "--set 'data.source=\"phantom\"' --set replicates=3"
    )


def test_kept_results_are_named(soup):
    assert "declared harmless: evaluation." in soup.find(class_="warn").get_text()


def test_index_lists_runs(base):
    with pytest.MonkeyPatch.context() as patch:
        build_run(base, patch, run="second", params=fake_params(replicates=1, report={"title": EVIL}))
        render_report("second")
    index = (base / "reports" / "index.html").read_text()
    soup = BeautifulSoup(index, "html.parser")
    assert [link["href"] for link in soup.select(".runs a")] == ["fake/report.html", "second/report.html"]
    assert len(soup.find("tbody").find_all("tr")) == 6 and EVIL not in index
    assert EVIL not in (base / "reports" / "second" / "report.html").read_text()


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("params.json", "eda"),
        ("evaluation/metrics.csv", "evaluation"),
        ("notebooks/01_eda.ipynb", "eda"),
        ("notebooks/02_gan_training-seed-0.ipynb", "gan"),
        ("notebooks/04_classifier_training-baseline-replicate-0.ipynb", "classifier"),
        ("classifier/all/replicate-2/summary.json", "classifier"),
    ],
)
def test_missing_file_names_its_stage(tmp_path, monkeypatch, name, stage):
    folder = build_run(tmp_path, monkeypatch)
    (folder / name).unlink()
    with pytest.raises(MissingStageError, match=f"does not exist yet: run the stage '{stage}' first"):
        render_report("fake")
    assert not (tmp_path / "reports" / "fake" / "report.html").exists()


def test_the_page_needs_no_notebook_but_those_it_shows(tmp_path, monkeypatch):
    """Every GAN's, of which figures or tables are shown, and one training's of the classifier."""
    params = fake_params(gan={"seeds": [4, 7]})
    folder = build_run(tmp_path, monkeypatch, params=params)
    needed = {name for _, name in shown_jobs(params)}
    assert needed == {
        "01_eda.ipynb",
        *(f"{stem}-seed-{seed}.ipynb" for stem in STEMS[1:3] for seed in (4, 7)),
        "04_classifier_training-baseline-replicate-0.ipynb",
        "05_evaluation.ipynb",
    }
    assert [stem for stem in dict(shown_jobs(params))] == list(STEMS)
    for path in (folder / "notebooks").iterdir():
        if path.name not in needed:
            path.unlink()
    page = render_report("fake").read_text(encoding="utf-8")
    assert "Shown here: arm baseline, replicate 0, one of 9 jobs that this notebook can show." in page


def test_several_gans_are_folded(tmp_path, monkeypatch):
    build_run(tmp_path, monkeypatch, params=fake_params(gan={"seeds": [4, 7]}, replicates=1))
    soup = BeautifulSoup(render_report("fake").read_text(), "html.parser")
    assert [block.summary.get_text() for block in soup.find_all("details", class_="others")] == [
        "GAN seed 7"
    ] * 2
    assert "Shown here: GAN seed 4, one of 2 jobs" in soup.get_text()
    assert len(soup.find_all(id="figure-3")) == 1
    assert "AdaIN and WGAN-GP as in the paper, 128 \u00d7 128 pixels, 2 seeds" in soup.get_text()


def test_the_pictures_of_many_gans_do_not_swell_the_page(tmp_path, monkeypatch):
    build_run(tmp_path, monkeypatch, params=fake_params(gan={"seeds": list(range(7))}, replicates=1))
    for executed in (tmp_path / "artifacts/fake/notebooks").glob("03*.ipynb"):
        made = nbformat.read(executed, 4)
        made.cells[5].outputs += [table("same"), table("own", executed.stem)]
        nbformat.write(made, executed)
    soup = BeautifulSoup(render_report("fake").read_text(), "html.parser")
    blocks = [
        block for block in soup.find_all("details", class_="others") if "GAN" in block.summary.get_text()
    ]
    assert [len(block.find_all("img")) for block in blocks] == 2 * [2] + 2 * [1] + 4 * [0]
    assert [len(block.find_all("table")) for block in blocks] == 2 * [0] + 6 * [1]
    assert soup.get_text().count("the figures of the last 4 are left out") == 2


# --- parts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "replicates", "word", "gain"),
    [
        (0.01, 0.05, 3, "higher", "supported"),
        (0.001, 0.015, 3, "higher", "real but negligible"),
        (-0.05, -0.01, 3, "lower", "excluded"),
        (-0.01, 0.015, 3, "unclear", "excluded"),
        (-0.01, 0.05, 3, "unclear", "undecided"),
        (0.0, 0.05, 3, "unclear", "undecided"),
        (None, None, 1, "unclear", "not tested"),
        (None, None, 2, "unclear", "not tested"),
        (None, None, 3, "unclear", "not tested"),
    ],
)
def test_a_sentence_is_as_strong_as_its_interval(low, high, replicates, word, gain):
    row = {
        "difference": -0.03 if word == "lower" else 0.03,
        "low": low,
        "high": high,
        "replicates": replicates,
    }
    found = verdict_of(row, 0.02)
    assert (found.direction if found.excludes_zero else "unclear") == word and found.gain.short == gain
    sentence = answer.change_sentence("Adding images", "recall", row, fake_params())
    assert ("improves" in sentence) == (word == "higher") and ("lowers" in sentence) == (word == "lower")
    assert ("chance" in sentence) == (word == "unclear") and ("less than the 2 points" in sentence) == (
        gain == "real but negligible"
    )
    if replicates < 3:
        assert "cannot tell from chance" in sentence and "interval" not in sentence
        assert "with them" in sentence
        assert "them" not in answer.change_sentence("The arm again", "recall", row, fake_params())


@pytest.mark.parametrize(
    "chosen, told",
    [
        ({"select": "top", "count": 300}, "the critic's best 300 synthetic images"),
        ({"select": "bottom", "count": 30}, "the critic's worst 30 synthetic images"),
        ({"select": "top", "count": 30, "rank": "diverse"}, "the best 30 synthetic images by variety"),
        ({"select": "random", "fraction": 0.5}, "500 randomly chosen synthetic images"),
        ({"select": "all"}, "all 1,000 synthetic images"),
    ],
)
def test_an_arm_is_told_by_what_ranked_its_images(chosen, told):
    params = fake_params(arms={"baseline": {}, "filtered": {"synthetic": chosen}})
    assert answer._subject("filtered", params) == f"For this one GAN, adding {told} (arm filtered)"


@pytest.mark.parametrize(("recipe", "called"), [("paper", "GANs"), ("diffusion", "generative networks")])
def test_what_painted_the_images_is_told_by_its_kind(tmp_path, monkeypatch, recipe, called):
    gan = {"recipe": recipe, "seeds": [0, 1], "equalised": False}
    arms = {"baseline": {}, "all": {"synthetic": {"select": "all"}}}
    selector = "critic" if recipe == "paper" else "distance"
    params = fake_params(gan=gan, arms=arms, synthesis={"filter": selector})
    build_run(tmp_path, monkeypatch, params=params)
    told = answer._what_was_done(read_results(RunPaths("fake"), params))
    assert f"with the images of 2 {called}, and judged" in told


def test_verdicts_are_those_of_the_documentation(tmp_path, monkeypatch):
    """The headline table and docs/statistics.md use the same words for the same intervals."""
    build_run(tmp_path, monkeypatch)
    path = RunPaths("fake").evaluation / "comparisons.csv"
    compared = pd.read_csv(path)
    rows = (compared["arm"] == "all") & (compared["metric"] == "accuracy")
    told = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    for low, high in ((0.01, 0.05), (-0.05, 0.01), (0.001, 0.01), (-0.01, 0.05)):
        compared.loc[rows, ["low", "high", "replicates"]] = low, high, 5
        compared.to_csv(path, index=False)
        table = headline.headline(read_results(RunPaths("fake"), fake_params()))
        shown = table[table["Metric"].str.startswith("Accuracy") & (table["Arm"] == "all")]["A gain is"]
        word = verdict(low, high, 5, 0.02).gain
        assert list(shown) == [word] and f"| {word} |" in told


@pytest.mark.parametrize("arms", [1, 2, 3, 6])
@pytest.mark.parametrize("replicates", [1, 3])
def test_abstract_has_three_sentences(tmp_path, monkeypatch, arms, replicates):
    names = ["baseline", "filtered", "all", "random", "again", "weighted"][:arms]
    made = {"again": {}, "baseline": {}, "weighted": {"loss": "balanced"}}
    chosen = {name: made.get(name, {"synthetic": {"select": "all"}}) for name in names}
    build_run(tmp_path, monkeypatch, params=fake_params(arms=chosen, replicates=replicates))
    run = RunPaths("fake")
    results = read_results(run, read_params(run))
    sentences = answer.abstract(results)
    assert len(sentences) == 3 and all(
        sentence.endswith(".") and ".." not in sentence for sentence in sentences
    )
    assert "drawn lesions, which say nothing about patients" in sentences[0]
    # with intervals of 8 points to either side no made-up arm's recall is told from the baseline's but the
    # sixth's
    assert "improves" not in sentences[1] and "lowers" not in sentences[1]
    assert (
        "one differs from baseline in melanoma recall, with an interval that excludes zero: arm weighted"
        in sentences[2]
    ) == (arms == 6 and replicates == 3)
    assert "52\u00a0%" in control_sentences.leak(results)  # test images whose lesion is in training: 17 of 33


def test_an_adapted_trunk_is_named_where_the_classifier_is(tmp_path, monkeypatch):
    for epochs, said in ((0, "EfficientNet-Lite0 was trained"), (2, "adapted to the training photographs")):
        params = fake_params(classifier={"backbone": "efficientnet_lite0", "adapt": {"epochs": epochs}})
        folder = tmp_path / str(epochs)
        folder.mkdir()
        build_run(folder, monkeypatch, params=params)
        results = read_results(RunPaths("fake"), params)
        assert said in answer.abstract(results)[0]
        classifier = dict(facts.facts(results))["Classifier"]
        assert ("adapted to" in classifier) == (epochs > 0)
        assert classifier.startswith("EfficientNet-Lite0 in place of the paper's ResNet50, ")


def test_arms_that_are_not_named_are_counted(tmp_path, monkeypatch):
    arms = {"baseline": {}, **{f"more{count}": {"oversample": {"count": count}} for count in range(1, 9)}}
    build_run(tmp_path, monkeypatch, params=fake_params(arms=arms))
    results = read_results(RunPaths("fake"), fake_params(arms=arms))
    table = results.comparisons.copy()
    apart = table["arm"].isin(list(arms)[2:8]) & (table["metric"] == "target_recall")
    table.loc[apart, ["difference", "low", "high"]] = 0.1, 0.05, 0.15
    table.loc[table["arm"] == "more8", ["low", "high"]] = -0.1, 0.1
    said = answer.abstract(replace(results, comparisons=table))[2]
    assert "arm more5 by +10 points; 2 more arms do so too" in said and "more6" not in said
    assert said.endswith("; 2 more arms do so too; for more8 no difference is shown.")


def test_where_only_copies_are_known_the_leak_is_called_unknown(tmp_path, monkeypatch):
    build_run(tmp_path, monkeypatch)
    run = RunPaths("fake")
    results = read_results(run, read_params(run))
    results.split["lesion_id"] = None
    assert "unknown: the data do not name lesions" in control_sentences.leak(results)
    for part in ("train", "test"):  # one photograph of each is a copy of the other
        results.split.loc[results.split.index[results.split["split"] == part][0], "lesion_id"] = "copy"
    assert " 1 are copies of one that was trained on. How many more" in control_sentences.leak(results)


def test_the_answer_warns_of_trainings_that_were_cut_off(tmp_path, monkeypatch):
    build_run(tmp_path, monkeypatch, params=fake_params(classifier={"max_epochs": 12}))
    run = RunPaths("fake")
    history = pd.DataFrame({"epoch": range(1, 13), "validation_accuracy": [i / 24 for i in range(12)]})
    for file in run.folder.glob("classifier/*/*/summary.json"):
        history.to_csv(file.parent / "history.csv", index=False)
        content = json.loads(file.read_text()) | {"epochs": 12, "best_epoch": 12}
        file.write_text(json.dumps(content))
    warning = answer.abstract(read_results(run, read_params(run)))[-1]
    assert "had not converged" in warning and "+8.3 points of validation accuracy" in warning


def test_numbers_in_words():
    assert [words.points(value) for value in (0.0123, -0.0123, 0.0001, -0.0001, None)] == [
        "+1.2",
        "\u22121.2",
        "0.0",
        "0.0",
        "",
    ]
    assert [words.duration(value) for value in (41, 552, 11100, None)] == [
        "41 s",
        "9 min 12 s",
        "3 h 05 min",
        "",
    ]
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_sanitised_html_keeps_tables_and_shows_the_rest_as_text():
    foreign = (
        '<style>b{}</style><table border="1" onclick="x()"><tr><th>a</th></tr>'
        f'<tr><td style="x">{EVIL}<img src=x onerror=alert(1)></td></tr></table>'
    )
    shown = cell_html.output_html(display({"text/html": foreign}))
    assert (
        "<script" not in shown
        and "onerror=" not in re.sub(r"&lt;.*?&gt;", "", shown)
        and "onclick" not in shown
        and "<style" not in shown
    )
    assert "&lt;script&gt;" in shown and "<th>a</th>" in shown


def test_prose_pictures_from_elsewhere_become_words():
    shown = cell_html.markdown_html("![a plot](https://example.org/x.png) and [a link](javascript:alert(1))")
    assert "<img" not in shown and "a plot" in shown and "javascript" not in shown


def test_what_a_users_own_cell_displays_is_shown_without_a_table_of_ours():
    frame = pd.DataFrame({"class": [EVIL], "n": [3]})
    shown = cell_html.output_html(display({"text/html": frame.to_html(), "text/plain": "x"}))
    soup = BeautifulSoup(shown, "html.parser")
    assert [cell.get_text() for cell in soup.find("tbody").find_all("td")] == [EVIL, "3"]
    assert soup.find(class_="scroll")["tabindex"] == "0" and EVIL not in shown
    assert all(heading.get_text() for heading in soup.find_all("th"))


def test_markdown_tables_scroll_and_keep_their_alignment():
    shown = cell_html.markdown_html("| a | n |\n|---|--:|\n| *x* | 1 |\n")
    soup = BeautifulSoup(shown, "html.parser")
    assert soup.find(class_="scroll").table.find("td", class_="number").get_text() == "1"
    assert soup.find("em").get_text() == "x" and "style=" not in shown


def test_dollars_stay_dollars():
    assert "It costs $5 and $6." in cell_html.markdown_html("It costs $5 and $6.")


def test_cells_are_matched_by_id():
    source = nbformat.v4.new_notebook(
        cells=[
            cell_text("new", "New"),
            cell_code("a", "old code"),
            cell_text("b", "Today"),
            cell_code("unrun", "1"),
        ]
    )
    executed = nbformat.v4.new_notebook(
        cells=[
            cell_code("a", "ran"),
            cell_code("injected", "x = 1"),
            cell_text("b", "Then"),
            cell_text("gone", "Gone"),
        ]
    )
    assert [cell.source for cell in cells.combine(source, executed)] == ["New", "ran", "x = 1", "Today"]


def test_drawings_cannot_share_ids_and_large_pictures_shrink():
    source = pictures.image_source(figure("x").data)
    kind, drawing = source.split(",", 1)
    assert kind == "data:image/svg+xml" and not set("\n\"<>#'") & set(drawing)
    assert 'xmlns="http://www.w3.org/2000/svg"' in urllib.parse.unquote(drawing)
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.effect_noise((700, 700), 60).convert("RGB").save(buffer, "PNG")
    kind, small = pictures.shrink(buffer.getvalue())
    assert kind == "image/webp" and len(small) < 0.8 * len(buffer.getvalue())


def test_figures_far_taller_than_wide_scroll_in_their_box():
    tall = figure("x")
    tall.metadata["image/png"] = {"width": 600, "height": 2400}
    assert 'class="figure tall"' in cell_html.output_html(tall)


def test_broad_figures_pan_and_empty_outputs_are_left_out():
    broad = figure("x")
    broad.metadata["image/png"] = {"width": 900, "height": 300}
    assert 'class="figure broad"' in cell_html.output_html(
        broad
    ) and 'class="figure"' in cell_html.output_html(figure("x"))
    assert not cells.is_shown(
        nbformat.v4.new_output("display_data", data={"text/plain": "", "text/markdown": " "})
    )


def test_very_wide_tables_are_marked():
    def kinds(columns):
        frame = pd.DataFrame([[1] * columns], columns=[f"c{n}" for n in range(columns)])
        return tables.table_html(tables.text_table(frame)).split('"', 2)[1]

    assert [kinds(columns) for columns in (4, 5, 11)] == ["table", "table wide", "table wide widest"]


def test_command_that_reproduces():
    assert (
        reproduction_command("quick", load_params("quick")) == "python run_all.py --params params/quick.yaml"
    )
    values = load_params("quick").as_dict()
    changed = validate(values | {"replicates": 7, "gan": values["gan"] | {"steps": 11}})
    assert (
        reproduction_command("quick", changed)
        == "python run_all.py --params params/quick.yaml --set gan.steps=11 --set replicates=7"
    )
    external = validate(values | {"data": values["data"] | {"external_root": "/home/someone/skin of others"}})
    assert reproduction_command("quick", external) == (
        "python run_all.py --params params/quick.yaml "
        "--set data.external_root=FOLDER_OF_THE_EXTERNAL_TEST_SET"
    )
    # arms are taken away by all of them anew
    fewer = {"baseline": {}, "some": {"synthetic": {"select": "random", "count": 9}}}
    assert reproduction_command("quick", validate(values | {"arms": fewer})) == (
        "python run_all.py --params params/quick.yaml --set "
        """'arms={"baseline": {}, "some": {"synthetic": """
        """{"select": "random", "count": 9}}}'"""
    )


HOME = "/home/someone"
PAPER_ARMS = load_params("paper").as_dict()["arms"]
PLACES = {
    "data": {"root": f"{HOME}/skin", "external_root": f"{HOME}/skin of others"},
    "classifier": {"weights": f"{HOME}/trunk.pth"},
    "synthesis": {"feature_weights": f"{HOME}/features.pth"},
    "arms": {"baseline": {}, "theirs": {"synthetic": {"folder": f"{HOME}/images"}}},
}


@pytest.mark.parametrize(
    "more",
    [
        {"gan": {"initial_weights": "~/someone.pth"}, "arms": PAPER_ARMS | PLACES["arms"]},
        {"synthesis": {"folder": f"{HOME}/given", "filter": "classifier"}},
    ],
    ids=["a GAN", "given images"],
)
def test_no_place_on_this_machine_is_published(tmp_path, monkeypatch, more):
    more = {**PLACES, **more, "synthesis": PLACES["synthesis"] | more.get("synthesis", {})}
    params = fake_params(**more)
    folder = build_run(tmp_path, monkeypatch, params=params)
    shown = folder / "notebooks" / "05_evaluation.ipynb"
    notebook = nbformat.read(shown, 4)
    told = "".join(
        f"print('{path.value}')  # {places.from_project(path.value)}\n" for path in own_paths(params)
    )
    notebook.cells[5].source += f"\n{told}"
    notebook.cells[7].outputs[-1]["data"]["text/markdown"] += told
    nbformat.write(notebook, shown)
    page = render_report("fake").read_text()
    assert len(own_paths(params)) == 6 and "FOLDER_OF_IMAGES_FOR_ARM_THEIRS" in page
    command = reproduction_command("mine", params) or ""
    assert 'classifier.weights="FILE_OF_WEIGHTS_FOR_THE_CLASSIFIER"' in command
    for text in (page, RunPaths("fake").provenance.read_text(), command, str(departures(params))):
        assert "someone" not in text


def test_the_filters_row_of_images_is_of_one_class(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((6, 32, 32, 3), np.uint8))
    scores = {"class": ["mel"] * 3 + ["df"] * 3, "index": range(6), "rank": [2, 1, 3] * 2}
    pd.DataFrame(scores).to_csv(tmp_path / "scores.csv", index=False)
    assert "3 of the 3 images" in sliders._strip(tmp_path, "df", 0.3)
    pd.DataFrame(scores).drop(columns="class").to_csv(tmp_path / "scores.csv", index=False)
    assert "6 of the 6 images" in sliders._strip(tmp_path, "mel", 0.3)


def test_a_fold_is_named_in_words_wherever_a_reader_meets_it():
    folds = {"folds": 5, "repeats": 2, "by": "lesion"}
    data = {"source": "phantom", "split": folds}
    params = fake_params(replicates=10, data=data, gan={"seeds": [*range(10)]})
    assert [words.part_words(params.data.split, part) for part in (0, 6)] == [
        "fold 1 of 5, first deal",
        "fold 2 of 5, second deal",
    ]
    assert words.part_words(fake_params().data.split, 0) == ""
    names = [name for name, _ in SECTIONS[1].shown(params)]
    assert names[6] == "GAN seed 6: fold 2 of 5, second deal"
