"""Tables and the sentences beside them: right numbers, honest digits, escaped text, and no verdict without an
interval.
"""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from helpers import paths
from helpers.errors import MissingStageError
from helpers.evaluation.paper import published, published_beside
from helpers.params import Params, validate
from helpers.paths import RunPaths
from helpers.report import (
    classifier,
    eda,
    gan,
    hyperparameters,
    paper_values,
    pictures,
    results,
    source,
    synthesis,
    words,
)
from helpers.report.page.tables import table_html
from helpers.report.table import ShownTable, Table
from helpers.report.words import OVERALL, TARGET

PAPER = published()
MINUS = words.MINUS
VERDICTS = re.compile(r"\b(better|worse|improv\w*|outperform\w*|gains?|raises?|superior|significant\w*)\b")


def rows_of(table):
    """Headings and cells, as a reader sees them in the HTML."""
    page = BeautifulSoup(table_html(table.as_shown()), "html.parser")
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in page.find_all("tr")]


class TestTable:
    def test_escapes_whatever_the_data_hold(self):
        frame = pd.DataFrame({"<b>class</b>": ["<script>alert(1)</script>", 'a "quoted" & b'], "n": [1, 2]})
        for html in (Table(frame).styled("t").to_html(), table_html(Table(frame).as_shown())):
            assert "<script" not in html and "<b>" not in html
        assert rows_of(Table(frame))[1][0] == "<script>alert(1)</script>"

    def test_has_scopes_and_raw_values(self):
        page = BeautifulSoup(
            table_html(
                Table(
                    pd.DataFrame({"arm": ["all"], "share": [0.12345]}), {"share": lambda v: f"{v:.1%}"}
                ).as_shown()
            ),
            "html.parser",
        )
        assert [th["scope"] for th in page.find_all("th")] == ["col", "col", "row"]
        cell = page.find("td")
        assert (cell.get_text(), cell["data-value"], cell["class"]) == ("12.3%", "0.12345", ["number"])

    def test_survives_json_as_plain_data(self):
        frame = pd.DataFrame({"arm": ["all", "mel"], "n": [1.5, math.nan], "ratio": [math.inf, 2.0]})
        shown = Table(frame).as_shown()
        assert ShownTable.from_dict(json.loads(json.dumps(shown.as_dict(), allow_nan=False))) == shown
        assert [column.number for column in shown.columns] == [False, True, True]
        assert shown.columns[1].values == (1.5, None) and shown.columns[2].values == (None, 2.0)

    def test_is_a_data_frame_in_the_notebook_with_numbers_to_the_right(self):
        styler = Table(pd.DataFrame({"arm": ["all"], "share": [0.5]})).styled("t")
        assert styler.data.to_dict("list") == {"Arm": ["all"], "Share": ["0.5"]}
        rules = re.findall(r"#T_t td\.(col\d) \{\s*text-align: (\w+)", styler.to_html())
        assert rules == [("col0", "left"), ("col1", "right")]

    def test_what_is_missing_is_a_dash(self):
        assert rows_of(Table(pd.DataFrame({"a": ["x"], "b": [math.nan]})))[1] == ["x", words.NONE]

    def test_hidden_columns_are_saved_only(self):
        table = Table(pd.DataFrame({"a": ["x"], "secret": [1]}), hidden=("secret",))
        assert rows_of(table)[0] == ["A"] and "secret" in table.frame


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (600.0, "600"),
        (1000.0, "1,000"),
        (5e-5, "0.00005"),
        (-2.5, f"{MINUS}2.5"),
        (0.9995, "0.9995"),
        (1e-9, f"1e{MINUS}09"),
        (True, "yes"),
        ([0.0, 0.9], "0, 0.9"),
        (None, words.NONE),
        (math.inf, "inf"),
        ({"a": {"b": 1}}, "a: b: 1"),
        ({}, "nothing added"),
    ],
)
def test_plain_values(value, text):
    assert words.plain(value) == text


def test_durations_are_said_as_a_person_says_them():
    assert [words.duration(seconds) for seconds in (None, 0.4, 42, 185, 4320)] == [
        "",
        "0 s",
        "42 s",
        "3 min 05 s",
        "1 h 12 min",
    ]


class TestDigits:
    @pytest.mark.parametrize(("n", "text"), [(17, "12"), (167, "12.3"), (1503, "12.3"), (10015, "12.34")])
    def test_a_percentage_wears_the_digits_of_its_sample(self, n, text):
        assert words.percent_of_images(0.12341, n) == text

    @pytest.mark.parametrize(
        ("difference", "text"),
        [(0.0539, "+5.4"), (-0.0539, f"{MINUS}5.4"), (0.0, "0.0"), (-0.0001, "0.0"), (math.nan, words.NONE)],
    )
    def test_differences_have_a_sign_unless_they_are_nothing(self, difference, text):
        assert words.points_of_images(difference, 167) == text


def tables_of(differences, ends=True):
    """arms and comparisons of evaluation/ for arms with these differences of recall to the baseline (0.5)."""
    arms = [
        {"arm": arm, "metric": metric, "mean": 0.5 + change, "low": 0.4 + change, "high": 0.6 + change}
        for arm, change in differences.items()
        for metric in ("target_recall", "target_f1")
    ]
    rows = [
        {
            "arm": arm,
            "reference": "baseline",
            "metric": "target_recall",
            "low": change - 0.1,
            "high": change + 0.1,
        }
        | {"replicates": 3}
        for arm, change in differences.items()
        if arm != "baseline"
    ]
    found = {"arms": pd.DataFrame(arms), "comparisons": pd.DataFrame(rows)}
    if not ends:
        found = {name: table.assign(low=np.nan, high=np.nan) for name, table in found.items()}
    return found


class TestOneRowForEachArm:
    CHANGES = {"all": -0.2, "baseline": 0.0, "weighted": 0.3, "filtered": 0.05}

    def test_the_reference_is_first_and_the_paper_last(self):
        made = results.arms.arms_by_metric(
            tables_of(self.CHANGES), ["target_f1", "target_recall"], 400, "baseline", PAPER
        )
        head, *rows = rows_of(made)
        assert head == ["Arm", "F1", "Recall"]
        assert [row[0] for row in rows] == [
            *("baseline", "weighted", "filtered", "all"),
            *(f"the paper's {arm}" for arm in ("baseline", "filtered", "all")),
        ]
        assert rows[0][2] == "50.0 (40.0 to 60.0)" and rows[4][2] == "66.47"

    def test_a_triangle_marks_what_differs_from_the_reference(self):
        made = results.arms.arms_by_metric(
            tables_of(self.CHANGES), ["target_recall"], 400, "baseline", published_beside("folder")
        )
        cells = {row[0]: row[1] for row in rows_of(made)[1:]}
        assert cells["weighted"] == "80.0 \u25b2 (70.0 to 90.0)" and "\u25bc" in cells["all"]
        assert cells["filtered"] == "55.0 (45.0 to 65.0)" and len(cells) == 4

    def test_without_intervals_the_mean_stands_alone(self):
        tables = tables_of(self.CHANGES, ends=False)
        made = results.arms.arms_by_metric(tables, ["target_recall"], 40, "baseline", PAPER)
        assert rows_of(made)[1][1] == "50"
        assert (
            results.arms.caption(tables["arms"], "baseline", 0.95, published_beside("folder"))
            == "means over replicates."
        )

    def test_controls_have_a_column_for_each_metric(self):
        rows = [
            {"contrast": "again - baseline", "metric": metric, "difference": -0.02, "low": low, "high": 0.03}
            | {"outcome": "no difference shown"}
            for metric, low in (("target_recall", -0.07), ("target_roc_auc", np.nan))
        ]
        made = results.controls.controls_by_metric(pd.DataFrame(rows), 400, "mel")
        assert rows_of(made) == [
            ["Contrast", "Recall of mel", "ROC AUC of mel", "Recall, by its interval"],
            ["again \u2212 baseline", "\u22122.0 (\u22127.0 to +3.0)", "\u22122.00", "no difference shown"],
        ]
        assert results.controls.controls_by_metric(pd.DataFrame(), 400, "mel") is None

    def test_claims_are_counted_by_verdict(self):
        verdicts = ["undecided", "a gain of 2 points or more is excluded"]
        verdicts += ["a gain of 1.5 points or more is excluded", "the audit agrees"]
        claims = pd.DataFrame({"claim": list("abcd"), "verdict": verdicts})
        assert rows_of(results.claims.claims_summary(claims))[1:] == [
            ["a gain is excluded", "2", "b"],
            ["undecided", "1", "a"],
            ["the audit agrees", "1", "d"],
        ]
        sentence = results.claims.claims_sentence(claims)
        assert sentence.startswith("This run tests 3 claims of the paper. ")
        assert sentence.endswith("settle 1: they disagree with 0 of them.")


def split():
    rows = [
        ("a", "mel", "train"),
        ("a", "mel", "test"),
        ("b", "nv", "train"),
        ("c", "nv", "test"),
        ("d", "nv", "validation"),
        ("e", "nv", "train"),
    ]
    return pd.DataFrame(rows, columns=["lesion_id", "dx", "split"])


class TestDataTables:
    def test_dataset(self):
        table = eda.dataset_table(split(), {"mel": "melanoma"}, PAPER)
        assert rows_of(table)[1:] == [
            ["nv", "nv", "4", "4", "67", "6,705"],
            ["mel", "melanoma", "2", "1", "33", "1,113"],
            ["all", "", "6", "5", "100", "10,015"],
        ]

    def test_an_unknown_class_has_no_count_in_the_paper(self):
        table = eda.dataset_table(split().replace("mel", "wart"), {}, PAPER)
        assert rows_of(table)[2][-1] == words.NONE

    def test_split_has_a_column_for_each_class(self):
        assert rows_of(eda.split_table(split(), PAPER)) == [
            ["Part", "nv", "mel", "all", "all, in the paper"],
            ["train", "2", "1", "3", "7,010"],
            ["validation", "1", "0", "1", "1,502"],
            ["test", "1", "1", "2", "1,503"],
        ]

    def test_split_of_many_classes_has_a_row_for_each(self):
        many = pd.DataFrame({"dx": [f"class {n:02d}" for n in range(23)] * 3, "split": ["train"] * 69})
        rows = rows_of(eda.split_table(many, PAPER))
        assert rows[:2] == [["Class", "Train", "Validation", "Test"], ["class 00", "3", "0", "0"]]
        assert rows[-2:] == [["all", "69", "0", "0"], ["all, in the paper", "7,010", "1,502", "1,503"]]

    def test_leak(self):
        quality = {
            "test_images": 1503,
            "test_seen": 543,
            "test_seen_share": 543 / 1503,
            "target_images": 167,
            "target_seen": 106,
            "target_seen_share": 106 / 167,
        }
        assert [row[1:] for row in rows_of(eda.leak_table(quality, "mel"))[1:]] == [
            ["1,503", "543", "36.1"],
            ["167", "106", "63.5"],
        ]
        assert "36.1 % of the test images (n = 1,503)" in eda.leak_sentence(quality, "mel", "image")
        clean = {
            **quality,
            "test_seen": 0,
            "test_seen_share": 0.0,
            "target_seen": 0,
            "target_seen_share": 0.0,
        }
        assert "no test image" in eda.leak_sentence(clean, "mel", "lesion")

    def test_folds(self):
        given = {"data": {"split": {"by": "lesion", "folds": 2, "repeats": 2}}, "replicates": 8}
        params = validate(given | {"gan": {"seeds": [0, 1, 2, 3]}})
        split = pd.DataFrame(
            {
                "split": ["train", "train", "validation", "test", "test", "test"],
                "lesion_id": ["a", "a", "b", "c", "c", "d"],
                "dx": ["mel", "mel", "nv", "mel", "mel", "nv"],
            }
        )
        found = rows_of(eda.folds_table([split] * 4, params))
        assert [name.lower() for name in found[0]] == (
            ["deal", "fold", "training", "validation", "test", "lesions tested", "images of mel tested"]
        )
        assert found[4] == ["2", "2", "2", "1", "3", "2", "2"] and [row[:2] for row in found[1:3]] == [
            ["1", "1"],
            ["1", "2"],
        ]
        said = eda.folds_sentence(params)
        assert "classifiers and of a GAN that are" in said
        given = validate(
            {
                "data": {"split": {"by": "lesion", "folds": 5}},
                "gan": {"seeds": [0, 1, 2, 3, 4]},
                "synthesis": {"folder": "theirs", "filter": "classifier"},
                "arms": {"baseline": {}},
                "replicates": 5,
            }
        )
        assert "classifiers that are trained" in eda.folds_sentence(given), "nobody knows what it has seen"
        assert "This is done twice" in said and "there are 4, and each has 2 replicates of every arm" in said
        assert "part of the split, fold 1 of 2, first deal; there are 4" in eda.first_part_note(params)
        single = validate({})
        assert eda.folds_sentence(single) is eda.folds_table([split], single) is None
        assert eda.first_part_note(single) == ""


def metrics():
    base = {column: 0.5 for column in (*OVERALL, *TARGET)}
    return pd.DataFrame(
        [
            {"arm": arm, "replicate": r, **base, "accuracy": value}
            for arm, values in (("baseline", (0.80, 0.82)), ("mine", (0.9, 0.9)))
            for r, value in enumerate(values)
        ]
    )


class TestResultTables:
    def test_performance_beside_the_paper(self):
        rows = rows_of(results.metrics.performance_table(metrics(), PAPER, ["accuracy"], 180))
        assert rows[1] == ["Accuracy", "baseline", "87.43", "81.0 ± 1.4", f"{MINUS}6.4", "2"]
        assert rows[2] == ["Accuracy", "mine", words.NONE, "90.0 ± 0.0", words.NONE, "2"]

    def test_an_arm_s_interval_stands_beside_its_mean(self):
        arms = pd.DataFrame(
            [("baseline", "accuracy", 0.7, 0.92), ("mine", "accuracy", 0.8, 1.0)],
            columns=["arm", "metric", "low", "high"],
        )
        rows = rows_of(results.metrics.performance_table(metrics(), PAPER, ["accuracy"], 180, arms))
        assert rows[0][4] == "Interval, %" and [row[4] for row in rows[1:]] == [
            "70.0 to 92.0",
            "80.0 to 100.0",
        ]
        assert (
            "Interval, %"
            not in rows_of(
                results.metrics.performance_table(
                    metrics(), PAPER, ["accuracy"], 180, arms.assign(low=math.nan)
                )
            )[0]
        )

    def test_differences_of_the_target_s_metrics_wear_the_digits_of_its_images(self):
        row = {"arm": "all", "reference": "baseline", "difference": 0.0512, "low": 0.011, "high": 0.09}
        compared = pd.DataFrame([row | {"metric": "accuracy"}, row | {"metric": "target_recall"}])
        assert [
            line[2]
            for line in rows_of(
                results.differences.comparisons_table(compared, ["accuracy", "target_recall"], 180, "mel", 22)
            )[1:]
        ] == ["+5.1", "+5"]

    def test_one_replicate_has_no_deviation(self):
        rows = rows_of(
            results.metrics.performance_table(metrics().query("replicate == 0"), PAPER, ["accuracy"], 180)
        )
        assert rows[1][3] == "80.0"

    def test_paper_metrics_hold_every_published_value(self):
        wide = paper_values.paper_metrics(PAPER).set_index("arm")
        assert wide.loc["filtered", "accuracy"] == 0.9055 and wide.loc["all", "target_recall"] == 0.7186
        assert {*OVERALL, *TARGET} <= set(wide.columns) and wide.notna().all(axis=None)

    def test_recall_changes(self):
        per_class = pd.DataFrame(
            [
                {"arm": arm, "replicate": r, "class": name, "support": 100, "recall": recall}
                for arm, shift in (("baseline", 0), ("filtered", 0.1))
                for r in (0, 1)
                for name, recall in (("mel", 0.5 + shift), ("vasc", 0.7))
            ]
        )
        rows = rows_of(results.classes.recall_change_table(per_class, "baseline", PAPER))
        assert rows[1] == ["mel", "100", "50.0", "+5.39", "+10.0"]
        assert rows[2] == ["vasc", "100", "70.0", "0.00", "0.0"]
        of_folds = rows_of(results.classes.recall_change_table(per_class, "baseline", PAPER, folds=2))
        assert [row[1] for row in of_folds[1:]] == ["200", "200"]  # each replicate tests other images

    def test_another_reference_has_no_published_change(self):
        per_class = pd.DataFrame(
            [
                {"arm": arm, "replicate": 0, "class": "mel", "support": 9, "recall": 0.5}
                for arm in ("mine", "filtered")
            ]
        )
        assert (
            "Paper, filtered" not in rows_of(results.classes.recall_change_table(per_class, "mine", PAPER))[0]
        )

    def test_training_dynamics(self):
        summaries = pd.DataFrame(
            [
                {
                    "arm": "filtered",
                    "training_images": 840,
                    "synthetic_images": 36,
                    "epochs": 6 + r,
                    "best_epoch": 4,
                    "best_validation_accuracy": 0.8,
                }
                for r in range(3)
            ]
        )
        assert rows_of(results.dynamics.dynamics_table(summaries, 180, PAPER))[1] == [
            "filtered",
            "840",
            "36",
            "6 to 8",
            "4",
            "89.45",
            "80.0 ± 0.0",
            "3",
        ]

    def test_gan_results(self):
        history = pd.DataFrame(
            {
                "step": range(10, 210, 10),
                "epoch": np.arange(20) / 2,
                "generator_loss": 1.0,
                "critic_loss": -2.0,
                "score_real": 1.0,
                "score_fake": 0.0,
                "gradient_penalty": 0.1,
            }
        )
        scores = pd.DataFrame({"selected": [1] * 3 + [0] * 7})
        rows = {row[0]: row[1:] for row in rows_of(results.gan.gan_results_table(history, scores, PAPER))}
        assert rows["Generator loss: median (5th to 95th percentile)"] == ["200 to 800", "1 (1 to 1)"]
        assert rows["Gradient penalty: median (95th percentile)"][0] == "under 0.5"
        assert rows["Synthetic images"] == ["1,000", "10"] and rows["Kept, %"] == ["30", "30"]
        assert rows["Logged steps with D(real) above D(fake)"][1] == "100 %"

    def test_comparisons_name_the_class(self):
        frame = pd.DataFrame(
            [
                {
                    "arm": "all",
                    "reference": "baseline",
                    "metric": "target_recall",
                    "difference": 0.054,
                    "low": -0.01,
                    "high": math.nan,
                    "replicates": 3,
                    "method": "t",
                }
            ]
        )
        table = results.differences.comparisons_table(frame.assign(high=[0.1]), ["target_recall"], 167, "mel")
        assert rows_of(table)[1] == ["all", "Recall of mel", "+5.4", f"{MINUS}1.0 to +10.0", "3"]
        assert (
            rows_of(results.differences.comparisons_table(frame, ["target_recall"], 167, "mel"))[1][3]
            == words.NONE
        )

    def test_seen_and_unseen(self):
        seen = pd.DataFrame(
            [
                {
                    "arm": "all",
                    "replicate": r,
                    "lesions": g,
                    "images": 100,
                    "accuracy": 0.8 + 0.1 * r,
                    "target_images": 20,
                    "target_recall": 0.5,
                }
                for r in (0, 1)
                for g in ("seen", "unseen")
            ]
        )
        assert rows_of(results.lesions.seen_unseen_table(seen, "mel"))[1] == [
            "all",
            "seen",
            "100",
            "85.0",
            "20",
            "50",
        ]


class TestMethodTables:
    def test_the_papers_profile_departs_from_nothing(self):
        assert hyperparameters.departures_table(Params()).frame.empty
        assert hyperparameters.departures_sentence(0).startswith("Every parameter")

    def test_departures_say_what_an_arm_is(self):
        params = Params.model_validate({"arms": {"baseline": {}, "weighted": {"loss": "balanced"}}})
        rows = {row[0]: row[1:3] for row in rows_of(hyperparameters.departures_table(params))[1:]}
        assert rows["arms.weighted"] == ["no such arm", "loss: balanced"]
        assert rows["arms.filtered"] == ["synthetic: select: top; count: 300", "no such arm"]

    def test_hyperparameters_say_which_are_the_papers(self):
        table = hyperparameters.hyperparameters_table(
            Params.model_validate({"gan": {"batch_size": 8}}), ["gan"]
        )
        rows = {row[0]: row[1:4] for row in rows_of(table)[1:]}
        assert rows["gan.batch_size"] == ["16", "8", "no"] and rows["gan.n_critic"] == ["3", "3", "yes"]

    def test_architecture_counts_the_networks(self):
        pytest.importorskip("torch")
        frame = gan.architecture_table(
            Params.model_validate({"gan": {"resolution": 32, "channel_scale": 0.125}}).gan, PAPER
        ).frame
        totals = frame[frame["part"] == "total"].set_index("network")
        assert (
            totals["full_size"].to_dict()
            == totals["paper"].to_dict()
            == {"generator": 16990462, "discriminator": 15981569}
        )
        parts = frame[frame["part"] != "total"].groupby("network")[["this_run", "full_size"]].sum()
        assert (parts == totals.loc[parts.index, ["this_run", "full_size"]]).all(axis=None)


def test_an_absent_stage_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)
    for read, stage in (
        (lambda run: results.dynamics.read_summaries(run, ["baseline"], 1), "classifier"),
        (lambda run: results.classes.read_confusion(run, ["baseline"]), "evaluation"),
    ):
        with pytest.raises(MissingStageError, match=stage):
            read(RunPaths("nothing"))


def test_histories_carry_their_best_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)
    run = RunPaths("some")
    folder = run.classifier("baseline", 0)
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("epoch,train_loss\n1,0.5\n2,0.4\n")
    (folder / "summary.json").write_text(json.dumps({"best_epoch": 2}))
    history = results.dynamics.read_histories(run, ["baseline"], 1)
    assert history.to_dict("list") == {
        "epoch": [1, 2],
        "train_loss": [0.5, 0.4],
        "arm": ["baseline"] * 2,
        "replicate": [0, 0],
        "best_epoch": [2, 2],
    }


# --- sentences ----------------------------------------------------------------------------------


def comparison(low, high, difference=0.054):
    return {
        "arm": "filtered",
        "reference": "baseline",
        "metric": "target_recall",
        "difference": difference,
        "low": low,
        "high": high,
        "replicates": 3,
    }


class TestSentences:
    def test_an_interval_that_excludes_zero_allows_a_verdict(self):
        assert "*filtered* is higher in this run" in results.differences.difference_sentence(
            comparison(0.01, 0.1), 167, "mel"
        )
        assert "*filtered* is lower in this run" in results.differences.difference_sentence(
            comparison(-0.1, -0.01, -0.054), 167, "mel"
        )

    @pytest.mark.parametrize(("low", "high"), [(-0.01, 0.1), (-0.1, 0.0), (math.nan, math.nan)])
    def test_no_other_interval_does(self, low, high):
        text = results.differences.difference_sentence(comparison(low, high), 167, "mel")
        assert not VERDICTS.search(text.lower())

    def test_a_difference_comes_with_its_interval(self):
        text = results.differences.difference_sentence(comparison(-0.013, 0.1), 167, "mel", confidence=0.9)
        assert f"+5.4 points of recall of mel against *baseline* (90 % interval {MINUS}1.3 to +10.0)" in text

    def test_every_arm_gets_its_line(self):
        frame = pd.DataFrame([comparison(0.01, 0.1), comparison(-0.1, 0.1) | {"arm": "all"}])
        assert results.differences.comparison_sentences(frame, "target_recall", 167).count("\n- ") == 1
        assert "one arm only" in results.differences.comparison_sentences(frame, "accuracy", 167)

    def test_drawn_lesions_are_announced(self):
        manifest = {"source": "phantom", "images": 1200, "lesions": 900, "classes": {"mel": 133, "nv": 1067}}
        assert "drawn lesions" in source.data_sentence(
            manifest
        ) and "clinical meaning" in source.data_sentence(manifest)
        assert "drawn" not in source.data_sentence(manifest | {"source": "ham10000"})

    def test_imbalance(self):
        assert eda.imbalance_sentence({"classes": {"mel": 1113, "nv": 6705}}, "mel").startswith(
            "The largest class, nv, has 6,705 images, mel 1,113: 6.0 to 1."
        )

    def test_withheld_photographs_are_explained(self):
        assert pictures.photographs_sentence("show") == ""
        assert "not shown" in pictures.photographs_sentence(
            "omit"
        ) and "blurred" in pictures.photographs_sentence("blur")

    def test_filter(self):
        scores = pd.DataFrame({"score": [3.0, 2.0, 1.0, 0.0], "selected": [1, 1, 0, 0]})
        assert synthesis.scores.filter_sentence(scores, 0.5) == (
            "Of 4 synthetic images the critic's best 2 are kept (50 %); the cut lies at a score of 2. "
            "Kept images score 2.5 on average, those left out 0.5."
        )
        assert synthesis.scores.filter_sentence(scores.assign(selected=1), 1.0).endswith("(100 %).")

    @pytest.mark.parametrize(("real", "word"), [(2.0, "above"), (-2.0, "not above")])
    def test_gan(self, real, word):
        history = pd.DataFrame(
            {"step": range(1, 31), "score_real": real, "score_fake": 0.0, "gradient_penalty": 0.1}
        )
        assert f"scores real images {word} generated ones" in gan.gan_sentence(history, 93, 16)

    def test_training(self):
        summary = {
            "arm": "all",
            "replicate": 2,
            "training_images": 960,
            "synthetic_images": 120,
            "epochs": 8,
            "best_epoch": 5,
            "best_validation_accuracy": 0.8123,
            "trainable_parameters": 1000,
            "parameters": 4000,
        }
        assert "960 training images, 120 of them synthetic" in classifier.training_sentence(summary)
        assert "all of them real" in classifier.training_sentence(summary | {"synthetic_images": 0})

    def test_seen_lesions(self):
        rows = [
            {"arm": "baseline", "lesions": g, "images": 100, "accuracy": a}
            for g, a in (("seen", 0.9), ("unseen", 0.7))
        ]
        assert "right on 90.0 % of the images" in results.lesions.seen_sentence(
            pd.DataFrame(rows), "baseline"
        )
        assert "new to the classifiers" in results.lesions.seen_sentence(pd.DataFrame(rows[1:]), "baseline")
        assert "shows a lesion of the training set" in results.lesions.seen_sentence(
            pd.DataFrame(rows[:1]), "baseline"
        )

    def test_ties_are_told(self):
        level = metrics().assign(accuracy=0.64)
        assert "All arms tie: the mean accuracy of each is 64.0 %" in results.metrics.best_arm_sentence(
            level, "accuracy", 180
        )
        worse = pd.concat([level, level.assign(arm="poor", accuracy=0.5)])
        assert (
            "*baseline* and *mine* tie for the highest mean accuracy, 64.0 %"
            in results.metrics.best_arm_sentence(worse, "accuracy", 180)
        )

    def test_means_that_print_alike_tie(self):
        close = metrics().assign(accuracy=[0.6401, 0.6401, 0.6404, 0.6404])
        assert "All arms tie" in results.metrics.best_arm_sentence(close, "accuracy", 180)

    def test_a_caption_speaks_of_intervals_where_there_are_some(self):
        single, tested = comparison(math.nan, math.nan), comparison(-0.1, 0.1)
        captions = [
            results.differences.differences_caption(pd.DataFrame(rows), "baseline", 180, 0.9)
            for rows in ([single], [tested], [tested, single])
        ]
        assert (
            "without an interval" in captions[0] and "%" not in captions[0] and "crosses" not in captions[0]
        )
        assert "90 % interval" in captions[1] and "without" not in captions[1]
        assert "90 % interval" in captions[2] and captions[2].endswith(
            "A square without a line has no interval."
        )

    def test_a_missing_interval_has_its_reason(self):
        row = comparison(math.nan, math.nan)
        assert "the trainings are too few" in results.differences.difference_sentence(
            row | {"method": "single runs"}, 167
        )
        assert "the trainings do not differ" in results.differences.difference_sentence(
            row | {"method": "no variation"}, 167
        )

    def test_counting(self):
        assert (words.counted(1, "replicate"), words.counted(1200, "image")) == (
            "1 replicate",
            "1,200 images",
        )

    def test_the_highest_mean_comes_with_the_replicates_ranges(self):
        text = results.metrics.best_arm_sentence(metrics(), "accuracy", 180)
        assert "*mine*'s, 90.0 %" in text and "*baseline* 80.0 to 82.0" in text and not VERDICTS.search(text)
