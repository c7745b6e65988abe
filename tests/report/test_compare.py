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
from helpers.report.page import headline, pair, pair_tables
from helpers.report.page.compare import render_comparison
from helpers.report.page.index import write_index
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


def add_recalls(run, classes):
    """Give each class the recall of melanoma, and to df a gain of 0.2 by the arm filtered."""
    folder = run / "evaluation"
    metrics, arms = pd.read_csv(folder / "metrics.csv"), pd.read_csv(folder / "arms.csv")
    compared = pd.read_csv(folder / "comparisons.csv")
    rows = {"per_class": [], "arms_per_class": [], "comparisons": [compared]}
    for name in classes:
        gain = 0.2 if name == "df" else 0.0
        own = metrics[["arm", "replicate"]].assign(recall=0.5 + gain * (metrics["arm"] == "filtered"))
        rows["per_class"].append(own.assign(**{"class": name}))
        recall = arms[arms["metric"] == "target_recall"].assign(metric="recall", **{"class": name})
        rows["arms_per_class"].append(recall)
        change = compared[compared["metric"] == "target_recall"].assign(metric=f"recall_{name}")
        change[["difference", "low", "high"]] = gain, gain - 0.1, gain + 0.1
        rows["comparisons"].append(change)
    for table, parts in rows.items():
        pd.concat(parts).to_csv(folder / f"{table}.csv", index=False)


@pytest.fixture(scope="module")
def about_classes(tmp_path_factory):
    """Two runs, and the folder that they lie in; in one more the GAN learns vasc alone."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("runs about classes")
        for run, classes in (("one", ["df", "vasc"]), ("other", ["df", "vasc"]), ("vasc", ["vasc"])):
            arms = {
                "baseline": {},
                "filtered": {"synthetic": {"select": "top", "counts": dict.fromkeys(classes, 20)}},
            }
            gan = {"classes": classes, "conditional": len(classes) > 1}
            add_recalls(build_run(folder, patch, run, fake_params(gan=gan, arms=arms)), classes)
            render_report(run)
        yield folder


class TestRunsAboutOtherClasses:
    """Runs whose GANs make images of df and vasc are compared in the recall of these."""

    def test_two_runs_are_compared_in_what_both_ask(self, about_classes):
        pages = render_comparison("one", "other").read_text(encoding="utf-8")
        soup = BeautifulSoup(pages, "html.parser")
        said = [sentence.get_text() for sentence in soup.select(".abstract p")]
        assert [re.search(r"\w+ recall|accuracy", text)[0] for text in said] == [
            *("df recall", "vasc recall", "accuracy", "df recall", "vasc recall")
        ]
        assert said[3] == "That the arm filtered gains in df recall is supported in both runs."
        assert "is undecided in both runs" in said[4] and "melanoma" not in " ".join(said)
        metrics = list(dict.fromkeys(row["Metric"] for row in rows_of(soup, "effects")))
        assert [name.partition(",")[0] for name in metrics] == ["Recall of df", "Recall of vasc", "Accuracy"]

    def test_runs_that_ask_about_different_classes_are_compared_in_the_target(self, about_classes):
        opened = pair.open_pair("one", "vasc")
        assert opened.metrics == ("target_recall", "accuracy", "macro_recall", "macro_precision")

    def test_the_table_of_a_run_begins_with_these_classes(self, about_classes):
        table = headline.headline(pair.open_pair("one", "other").first)
        rows = table[table["Metric"].str.startswith("Recall of ")].set_index(["Metric", "Arm"])
        names = list(dict.fromkeys(name.partition(",")[0] for name, _ in rows.index))
        assert names == ["Recall of df", "Recall of vasc", "Recall of melanoma"]
        own = rows.loc[(rows.index[0][0], "filtered")]
        assert own["This run, %"] == "70.0" and own["Its 95 % interval"] and own["A gain is"] == "supported"

    def test_the_list_of_runs_has_a_row_for_each_class(self, about_classes):
        page = (about_classes / "reports" / "index.html").read_text(encoding="utf-8")
        table = BeautifulSoup(page, "html.parser").find("table")
        rows = [
            [cell.get_text() for cell in row.find_all(["th", "td"])] for row in table.tbody.find_all("tr")
        ]
        one = [row for row in rows if row[0] == "one"]
        assert [(row[1], row[5]) for row in one] == [
            *(("baseline", "df"), ("baseline", "vasc"), ("filtered", "df"), ("filtered", "vasc"))
        ]
        assert one[2][6:] == ["70.0", "+20.0", "+10.0 to +30.0", "supported"]


def test_the_list_of_runs_still_reads_a_page_that_an_earlier_version_made(tmp_path, monkeypatch):
    build_run(tmp_path, monkeypatch)
    page = render_report("fake")
    summary = json.loads(page.with_name("summary.json").read_text(encoding="utf-8"))
    for arm in summary["arms"]:
        (told,) = arm.pop("recalls")
        arm |= {"target_recall": told.pop("recall")} | told
    before = (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")
    page.with_name("summary.json").write_text(json.dumps(summary), encoding="utf-8")
    assert write_index(tmp_path / "reports").read_text(encoding="utf-8") == before
    assert "melanoma" in before


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


def test_a_run_whose_last_start_had_other_parameters_is_not_compared(tmp_path, monkeypatch):
    """Its tables are of the page's parameters, and its params.json of the start's."""
    for run in ("one", "two"):
        build_run(tmp_path, monkeypatch, run=run)
    folder = tmp_path / "artifacts" / "two"
    made_with = json.loads((folder / "params.json").read_text())
    record = {"job": "report", "stage": "report", "parts": {"parameters": made_with}}
    (folder / "logs" / "report.record.json").write_text(json.dumps(record))
    pair.open_pair("one", "two")
    made_with["classifier"]["dropout"] = 0.25
    (folder / "logs" / "report.record.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="run 'two' was made with other parameters .*dropout 0.25 -> 0.5"):
        pair.open_pair("one", "two")


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
