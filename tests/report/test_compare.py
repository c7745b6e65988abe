"""Two runs on one page.

The differences that may be told, the parameters that differ, and every mistake as a sentence.
"""

import json
import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from helpers.engine import cli
from helpers.errors import UserError
from helpers.report.page import pair, pair_tables
from helpers.report.page.compare import render_comparison
from helpers.report.page.render import render_report
from support.page_checks import check_text
from support.report_run import EVIL, build_run, fake_params

PAGE = "compare-image-split-lesion-split"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Two runs, one of which has an arm more and lower accuracy, and their page."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("two runs")
        build_run(
            folder,
            patch,
            run="image-split",
            params=fake_params(arms={"baseline": {}, "all": {"synthetic": {"select": "all"}}, "again": {}}),
        )
        lesions = fake_params(
            data={"split": {"by": "lesion"}},
            arms={"baseline": {}, "all": {"synthetic": {"select": "all"}}},
            report={"title": EVIL},
        )
        build_run(folder, patch, run="lesion-split", params=lesions)
        table = folder / "artifacts" / "lesion-split" / "evaluation" / "arms.csv"
        arms = pd.read_csv(table)
        lower = arms["metric"] == "accuracy"
        arms.loc[lower, ["mean", "low", "high"]] -= 0.3
        arms.to_csv(table, index=False)
        for run in ("image-split", "lesion-split"):
            render_report(run)
        assert cli.main(["--compare", "image-split", "lesion-split"]) == 0
        yield folder


@pytest.fixture(scope="module")
def soup(base):
    return BeautifulSoup((base / "reports" / PAGE / "report.html").read_text(encoding="utf-8"), "html.parser")


def rows_of(soup, name):
    table = soup.find("figure", attrs={"data-name": name}).table
    head = [cell.get_text() for cell in table.thead.find_all(["th", "td"])]
    return [
        dict(zip(head, (cell.get_text() for cell in row.find_all(["th", "td"])), strict=True))
        for row in table.tbody.find_all("tr")
    ]


def test_headline_has_both_runs_and_the_difference(base, soup):
    rows = rows_of(soup, "headline")
    assert [row["Arm"] for row in rows] == ["baseline", "all"] * 4
    accuracy = [row for row in rows if row["Metric"] == "Accuracy, n\u00a0=\u00a033 and 33"]
    table = pd.read_csv(base / "reports" / PAGE / "comparison.csv")
    found = table[(table["arm"] == "baseline") & (table["metric"] == "accuracy")].iloc[0]
    assert accuracy[0]["image-split less lesion-split"] == f"{100 * found['difference']:+.0f}" == "+30"
    assert {row["image-split is"] for row in accuracy} == {"higher"}
    assert {row["image-split is"] for row in rows if row["Metric"].startswith("Recall of melanoma")} == {
        "not told apart"
    }


def test_words_are_as_strong_as_the_intervals(soup):
    said = [sentence.get_text() for sentence in soup.select(".abstract p")]
    assert "the runs cannot be told apart" in said[0] and "image-split is higher" in said[1]
    assert "is undecided in both runs" in said[2]


def test_arms_of_one_run_are_named_and_left_out(soup):
    assert "again (in image-split)" in soup.find(class_="note").get_text()
    assert len(rows_of(soup, "effects")) == 2


def test_departures_are_the_parameters_that_differ(soup):
    rows = rows_of(soup, "departures")
    assert [row["Parameter"] for row in rows] == ["data.split.by", "arms.again"]
    assert rows[0]["image-split"] == "image" and rows[0]["lesion-split"] == "lesion"


def test_leak_table_has_a_row_per_run(soup):
    rows = rows_of(soup, "leak")
    assert [row["Run"] for row in rows] == ["image-split", "lesion-split"]
    assert rows[0]["of seen lesions, %"] == "52"


def test_page_is_sound(base, soup):
    page = (base / "reports" / PAGE / "report.html").read_text(encoding="utf-8")
    assert EVIL not in page and check_text(page, limit=1_000_000)
    assert soup.find("main").img["src"].startswith("data:image/svg+xml")
    assert "python run_all.py --compare image-split lesion-split" in page


def test_index_names_the_comparison(base):
    index = BeautifulSoup((base / "reports" / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert [link["href"] for link in index.select(".runs a")] == [
        "image-split/report.html",
        "lesion-split/report.html",
        f"{PAGE}/report.html",
    ]


def test_runs_of_one_training_have_differences_without_a_verdict(tmp_path, monkeypatch):
    build_run(tmp_path, monkeypatch, run="a", params=fake_params(replicates=1))
    build_run(tmp_path, monkeypatch, run="b")
    opened = pair.open_pair("a", "b")
    table = pair_tables.headline(opened)
    assert set(table["a is"]) == {"not tested"} and "Interval of the difference" not in table
    why = "the trainings are too few in a, which leaves no interval, and chance cannot be told from it."
    assert pair.sentences(opened)[0].endswith(why)
    assert render_comparison("a", "b").exists()


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("one", "one", "'one' was given twice"),
        ("one", "gone", r"there is no run 'gone' in .*\(runs here: half, of-nv, one, other, spitz\)"),
        ("../one", "one", "cannot name a run"),
        ("one", "half", "one is not: .*half.*run the stage 'evaluation' first"),
        ("one", "other", "no arm in common"),
        ("one", "spitz", r"different classes apart \(nv only in 'one'; spitz only in 'spitz'\)"),
        ("one", "of-nv", "'one' is about the class mel and 'of-nv' about nv"),
    ],
)
def test_mistakes_are_sentences(tmp_path, monkeypatch, capsys, first, second, told):
    build_run(tmp_path, monkeypatch, run="one")
    build_run(tmp_path, monkeypatch, run="half")
    (tmp_path / "artifacts" / "half" / "evaluation" / "metrics.csv").unlink()
    folder = build_run(tmp_path, monkeypatch, run="other")
    table = pd.read_csv(folder / "evaluation" / "arms.csv")
    table.assign(arm="x" + table["arm"]).to_csv(folder / "evaluation" / "arms.csv", index=False)
    build_run(tmp_path, monkeypatch, run="spitz", lesion_class="spitz")
    build_run(tmp_path, monkeypatch, run="of-nv", params=fake_params(data={"target_class": "nv"}))
    assert cli.main(["--compare", first, second]) == 2
    error = capsys.readouterr().err
    assert re.search(told, error) and "Traceback" not in error
    assert not list((tmp_path / "reports").glob("compare-*"))


def test_a_run_of_the_pages_name_is_not_written_over(tmp_path, monkeypatch):
    for run in ("a", "b", "compare-a-b"):
        build_run(tmp_path, monkeypatch, run=run)
    with pytest.raises(UserError, match="another name"):
        render_comparison("a", "b")


def test_no_parameter_of_this_machine_is_on_the_page(tmp_path, monkeypatch):
    build_run(tmp_path, monkeypatch, run="a", params=fake_params(data={"root": "/home/someone/skin"}))
    build_run(tmp_path, monkeypatch, run="b")
    path = render_comparison("a", "b")
    assert "/home/someone" not in path.read_text(encoding="utf-8")
    assert json.loads(path.with_name("comparison.json").read_text())["runs"] == ["a", "b"]
