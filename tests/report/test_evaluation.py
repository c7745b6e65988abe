"""What the page shows of the evaluation: figures that can be read, tables with honest digits, sentences no
stronger than their intervals.
"""

import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation.metrics import COMPARED
from helpers.evaluation.paper import published_beside
from helpers.files import write_table
from helpers.params import Arm, validate
from helpers.paths import RunPaths
from helpers.report import drawing, publish, results, words
from helpers.report.page.answer import abstract, change_sentence, short_answer
from helpers.report.page.contrast_chart import contrast_chart
from helpers.report.page.control_sentences import _control_sentences, equal_alarms, shifted_thresholds
from helpers.report.page.headline import headline_caption, trainings_table
from helpers.report.page.results import Results, read_results
from helpers.report.page.tables import text_table
from helpers.report.results.gan import filters_of_all_gans, filters_sentence, filters_table
from helpers.report.style import arm_colours
from helpers.report.words import METRIC_NAMES, OVERALL_SCORED, TARGET_SCORED
from support.report_run import build_run, fake_params

ARMS = ["baseline", "filtered", "all"]
PAPER = published_beside("ham10000")
MANY = [*ARMS, "random", "oversampled", "oversampled_more", "weighted", "again", "withheld"]
MINUS = words.MINUS


def contrasts(low=-0.03, high=0.05, replicates=3):
    pairs = [
        ("filtered", "baseline", "primary"),
        ("all", "baseline", "primary"),
        ("filtered", "all", "exploratory"),
    ]
    numbers = {
        "difference": (low + high) / 2 if math.isfinite(low) else 0.01,
        "low": low,
        "high": high,
        "bootstrap_low": low,
        "bootstrap_high": high,
    }
    shown = low > 0 or high < 0
    numbers |= {"degrees_of_freedom": 4.2, "p": 0.01 if shown else 0.2, "replicates": replicates}
    rows = [
        {
            "contrast": f"{arm} - {other}",
            "arm": arm,
            "reference": other,
            "metric": metric,
            "role": role if metric == "target_recall" else "exploratory",
        }
        | numbers
        for arm, other, role in pairs
        for metric in ("accuracy", "target_recall")
    ]
    table = pd.DataFrame(rows)
    adjusted = (0.02 if shown else 0.4) if math.isfinite(low) else math.nan
    return table.assign(p_holm=np.where(table["role"] == "primary", adjusted, math.nan))


def metrics(arms=ARMS, replicates=3):
    return pd.DataFrame(
        [
            {"arm": arm, "replicate": r, "target_recall": 0.5 + 0.05 * a + 0.02 * r}
            for a, arm in enumerate(arms)
            for r in range(replicates)
        ]
    )


def curves(arms=ARMS):
    x = np.arange(101) / 100
    rows = [
        pd.DataFrame({"arm": arm, "replicate": r, "curve": curve, "x": x, "y": y})
        for arm in arms
        for r in (0, 1)
        for curve, y in (("roc", np.sqrt(x)), ("precision_recall", 1 - x / 2))
    ]
    return pd.concat(rows)


def bins(arms=ARMS):
    rows = [
        {
            "arm": arm,
            "replicate": r,
            "probability_of": of,
            "bin_from": k / 10,
            "bin_to": k / 10 + 0.1,
            "images": 5 + k,
            "probability": k / 10 + 0.05,
            "frequency": k / 10,
        }
        for arm in arms
        for r in (0, 1)
        for of in ("predicted class", "target")
        for k in range(10)
    ]
    return pd.DataFrame(rows)


def decisions(arms=ARMS):
    t = np.arange(1, 51) / 100
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "arm": arm,
                    "threshold": t,
                    "mean": 0.1 - t / 10,
                    "low": 0.05 - t / 10,
                    "high": 0.15 - t / 10,
                    "act_on_all": 0.11 - t,
                }
            )
            for arm in arms
        ]
    )


def leak(low=-0.1, high=0.3):
    rows = [
        {
            "arm": arm,
            "class": name,
            "seen_images": 40,
            "unseen_images": 90,
            "seen_recall": 0.8,
            "unseen_recall": 0.7,
            "difference": 0.1,
            "low": low,
            "high": high,
            "replicates": 3,
            "method": "t",
        }
        for arm in ARMS
        for name in ("mel", "nv", "mean of classes")
    ]
    return pd.DataFrame(rows)


def external(low=0.5, high=0.7):
    names = ("balanced_accuracy", "target_recall", "target_operating_recall", "target_roc_auc")
    return pd.DataFrame(
        [
            {
                "arm": arm,
                "metric": m,
                "images": 1512,
                "target_images": 171,
                "mean": 0.6,
                "standard_deviation": 0.02,
                "low": low,
                "high": high,
                "replicates": 3,
            }
            for arm in ARMS
            for m in names
        ]
    )


@pytest.fixture(scope="module")
def drawn():
    nothing = math.nan
    return {
        "contrasts": results.contrasts.named_contrasts(contrasts(), metrics(), 0.02),
        "contrasts-single": results.contrasts.named_contrasts(
            contrasts(nothing, nothing, 1), metrics(replicates=1), 0.02
        ),
        "contrasts-none": results.contrasts.named_contrasts(contrasts().iloc[:0], metrics(), 0.02),
        "discrimination": results.probabilities.discrimination(curves(), "mel", "baseline"),
        "discrimination-none": results.probabilities.discrimination(curves().iloc[:0], "mel", "baseline"),
        "reliability": results.probabilities.reliability(bins(), "mel", "baseline"),
        "decision": results.probabilities.decision_curve(decisions(), "mel", "baseline"),
        "discrimination-many": results.probabilities.discrimination(
            pd.concat([curves().assign(arm=arm) for arm in MANY]), "mel", "baseline"
        ),
        "reliability-many": results.probabilities.reliability(
            pd.concat([bins().assign(arm=arm) for arm in MANY]), "mel", "baseline"
        ),
        "decision-four": results.probabilities.decision_curve(decisions(MANY[:4]), "mel", "baseline"),
        "decision-many": results.probabilities.decision_curve(decisions(MANY), "mel", "baseline"),
        "decision-none": results.probabilities.decision_curve(decisions().iloc[:0], "mel", "baseline"),
        "gap": results.lesions.recall_gap(leak(), "baseline"),
        "gap-none": results.lesions.recall_gap(leak(), "unknown"),
        "external": results.external.external_results(external(), "mel"),
        "external-single": results.external.external_results(external(nothing, nothing), "mel"),
    }


class TestFigures:
    def test_have_no_text_under_9_px_at_page_width(self, drawn):
        for name, figure in drawn.items():
            svg = publish.svg_text(figure, name)
            width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
            sizes = [
                float(size) * 900 / width for size in re.findall(r"font(?:-size)?:[^;\"]*?([\d.]+)px", svg)
            ]
            assert sizes and min(sizes) >= 9, name
            assert figure.get_size_inches()[0] == 9 and ElementTree.fromstring(svg) is not None

    def test_legends_of_a_whole_study_stay_on_the_page(self, drawn):
        for name in ("decision-many", "discrimination-many", "reliability-many"):
            figure = drawn[name]
            figure.draw_without_rendering()
            box = figure.legends[0].get_window_extent()
            assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, name

    def test_what_is_missing_is_said(self, drawn):
        assert "none of the arms" in drawn["contrasts-none"].axes[0].texts[0].get_text()
        assert "no mel" in drawn["discrimination-none"].axes[0].texts[0].get_text()
        assert "no class mel" in drawn["decision-none"].axes[0].texts[0].get_text()
        assert "do not name lesions" in drawn["gap-none"].axes[0].texts[0].get_text()

    def test_where_a_run_has_no_rows_there_is_no_figure_and_no_table(self):
        seen = pd.DataFrame({"arm": ["all"] * 2, "lesions": ["unseen"] * 2, "accuracy": 0.5})
        assert results.lesions.seen_unseen(seen, "mel") is None
        assert results.lesions.seen_unseen_table(seen, "mel") is None
        assert results.lesions.seen_unseen(seen.iloc[:0], "mel") is None
        assert results.lesions.recall_gap(leak().iloc[:0], "baseline") is None
        assert results.lesions.recall_gap_table(leak().iloc[:0]) is None
        assert results.external.external_results(external().iloc[:0], "mel") is None
        assert results.external.external_table(external().iloc[:0], "mel") is None
        assert results.controls.controls_table(pd.DataFrame(columns=["metric", "arm"]), 160, "mel") is None

    def test_primary_contrasts_are_filled_and_exploratory_ones_hollow(self, drawn):
        squares = [line for line in drawn["contrasts"].axes[0].lines if line.get_marker() == "s"]
        colours = arm_colours(ARMS)
        assert [line.get_markerfacecolor() for line in squares] == [
            colours["filtered"],
            colours["all"],
            "white",
        ]
        labels = [label.get_text() for label in drawn["contrasts"].axes[0].get_yticklabels()]
        assert labels == [
            f"filtered {MINUS} baseline\n(primary)",
            f"all {MINUS} baseline\n(primary)",
            f"filtered {MINUS} all\n(exploratory)",
        ]

    def test_single_runs_are_dots_alone(self, drawn):
        lines = drawn["contrasts-single"].axes[0].lines
        assert not [line for line in lines if line.get_marker() == "s"]
        dots = [line for line in lines if line.get_marker() == "o"]
        assert [line.get_xdata().tolist() for line in dots] == [
            pytest.approx([5]),
            pytest.approx([10]),
            pytest.approx([-5]),
        ]

    def test_forest_marks_the_primary_contrasts(self):
        rows = pd.DataFrame(
            [
                {
                    "arm": arm,
                    "reference": "baseline",
                    "metric": m,
                    "difference": 0.01,
                    "low": -0.1,
                    "high": 0.1,
                    "role": "primary" if m == "target_recall" else "exploratory",
                }
                for arm in ARMS[1:]
                for m in ("accuracy", "target_recall")
            ]
        )
        figure = results.differences.forest(rows, smallest_effect=0.02, target="mel")
        fills = [
            [line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "s"]
            for axes in figure.axes
        ]
        assert set(fills[0]) == {"white"} and "white" not in fills[1]
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["primary", "exploratory"]

    def test_the_key_of_the_contrasts_names_the_bootstrap_only_where_it_is_drawn(self, drawn):
        ends = {"bootstrap_low": math.nan, "bootstrap_high": math.nan}
        folds = results.contrasts.named_contrasts(contrasts().assign(**ends), metrics(), 0.02)
        keys = [
            [text.get_text() for text in figure.legends[0].get_texts()]
            for figure in (drawn["contrasts"], folds)
        ]
        assert keys == [["one replicate", "interval", "the same by bootstrap"], ["one replicate", "interval"]]

    def test_of_folds_the_thin_line_is_the_corrected_interval(self):
        ends = {"bootstrap_low": math.nan, "bootstrap_high": math.nan}
        rows = contrasts().assign(**ends)
        rows = rows.assign(corrected_low=rows["low"] - 0.01, corrected_high=rows["high"] + 0.01)
        (legend,) = results.contrasts.named_contrasts(rows, metrics(), 0.02).legends
        assert [text.get_text() for text in legend.get_texts()][-1] == "the same by corrected t"
        said = results.contrasts.named_contrasts_caption(rows, "mel", 160)
        assert "the thin line the same by corrected t (Nadeau and Bengio 2003, wider). " in said
        assert results.contrasts.contrasts_table(rows, 160, 0.02).headers["corrected_low"] == "by corrected t"

    def test_reliability_adds_replicates_by_their_images(self, drawn):
        axes = drawn["reliability"].axes[1]
        points = np.asarray(axes.collections[0].get_offsets())
        assert points[:, 1] == pytest.approx(10 * np.arange(10)) and points[:, 0] == pytest.approx(
            10 * np.arange(10) + 5
        )

    def test_bands_are_drawn_where_they_can_be_told_apart(self, drawn):
        assert (
            len(drawn["decision"].axes[0].collections) == 3 and not drawn["decision-four"].axes[0].collections
        )
        panels = [axes for axes in drawn["decision-many"].axes if axes.get_title("left")]
        assert [len(axes.collections) for axes in panels] == 9 * [1]

    def test_many_arms_have_a_panel_each_with_the_reference_as_a_thin_line_over_theirs(self, drawn):
        for name, sides in (("discrimination-many", 2), ("reliability-many", 2), ("decision-many", 1)):
            panels = [axes for axes in drawn[name].axes if axes.get_title("left")]
            assert [axes.get_title("left") for axes in panels] == MANY * sides, name
            assert drawn[name].legends[0].get_texts()[0].get_text() == "baseline"
            for axes, arm in zip(panels, MANY * sides, strict=True):
                own = [line for line in axes.lines if line.get_color() == arm_colours(MANY)[arm]]
                over = [line for line in axes.lines if line.get_linewidth() == drawing.THIN]
                assert len(over) == (arm != "baseline"), (name, arm)
                for thin in over:
                    last = max(own, key=lambda line: line.get_linewidth())
                    assert last.get_linewidth() > thin.get_linewidth() and thin.get_color() == drawing.INK
                    assert list(axes.lines).index(thin) > list(axes.lines).index(last)

    @pytest.mark.parametrize("count", [3, 9, 12])
    def test_a_diagonal_rises_by_45_degrees_in_panels_large_enough_to_read(self, count):
        names = [f"arm_{number}" for number in range(count)]
        figure = results.probabilities.discrimination(curves(names), "mel", names[0])
        other = results.probabilities.reliability(bins(names), "mel", names[0])
        for drawn in (figure, other):
            drawn.draw_without_rendering()
            for axes in [axes for axes in drawn.axes if axes.lines]:
                ends = axes.transData.transform([(0, 0), (100, 100)])
                across, up = ends[1] - ends[0]
                assert across == pytest.approx(up, rel=0.01) and up > 110  # pixels of 1/100 inch


def cells(table):
    return [list(table.shown.columns), *table.shown.to_numpy().tolist()]


class TestTables:
    def test_arms(self):
        frame = pd.DataFrame(
            [("baseline", m, 0.71234, 0.03, 0.65, 0.78, 3, "t") for m in ("accuracy", *TARGET_SCORED)]
        )
        frame.columns = ["arm", "metric", "mean", "standard_deviation", "low", "high", "replicates", "method"]
        rows = cells(results.metrics.arms_table(frame, TARGET_SCORED, 167, "mel"))
        assert rows[0] == ["Metric", "Arm", "Mean ± sd, %", "Interval, %", "Replicates"]
        assert rows[1] == ["ROC AUC of mel", "baseline", "71.2 ± 3.0", "65.0 to 78.0", "3"] and len(rows) == 6
        single = frame.assign(standard_deviation=math.nan, low=math.nan, high=math.nan, replicates=1)
        assert cells(results.metrics.arms_table(single, ["accuracy"], 20))[1] == [
            "Accuracy",
            "baseline",
            "71",
            words.NONE,
            "1",
        ]

    def test_every_metric_has_a_plain_name(self):
        assert {*TARGET_SCORED, *OVERALL_SCORED} <= set(COMPARED)
        named = {name: METRIC_NAMES.get(name, name.replace("_", " ").capitalize()) for name in COMPARED}
        assert not [
            text for text in named.values() if text.startswith("Target") or "Roc" in text or "auc" in text
        ]

    def test_contrasts(self):
        rows = cells(results.contrasts.contrasts_table(contrasts(0.01, 0.05), 167, 0.02))
        assert rows[0] == [
            "Contrast",
            "Role",
            "Difference, points",
            "Interval",
            "By bootstrap",
            "Verdict",
            "P",
            "P after Holm",
            "Degrees of freedom",
            "Replicates",
        ]
        assert rows[1] == [
            f"filtered {MINUS} baseline",
            "primary",
            "+3.0",
            "+1.0 to +5.0",
            "+1.0 to +5.0",
            "higher; supported",
            "0.01",
            "0.02",
            "4.2",
            "3",
        ]
        assert rows[3][1] == "exploratory" and rows[3][7] == words.NONE
        named = contrasts(0.01, 0.05).query("role == 'primary'")
        assert cells(results.contrasts.contrasts_table(named, 167, 0.02))[0] == [rows[0][0], *rows[0][2:]]

    @pytest.mark.parametrize(
        ("low", "high", "replicates", "verdict"),
        [
            (0.01, 0.05, 3, "higher; supported"),
            (-0.05, -0.01, 3, "lower; a gain of 2 points or more is excluded"),
            (-0.05, 0.01, 3, "a gain of 2 points or more is excluded"),
            (0.001, 0.015, 3, "higher; real but negligible"),
            (-0.01, 0.05, 3, "undecided"),
            (math.nan, math.nan, 1, "not tested (needs 3 replicates)"),
            (math.nan, math.nan, 3, "not tested"),
        ],
    )
    def test_verdicts_follow_the_rule(self, low, high, replicates, verdict):
        table = results.contrasts.contrasts_table(contrasts(low, high, replicates), 167, 0.02)
        assert set(table.shown["Verdict"]) == {verdict}

    def test_classes(self):
        rows = [("all", "mel", 20, m, 0.5, 0.3, 0.7) for m in ("precision", "recall", "f1", "roc_auc")]
        frame = pd.DataFrame(rows, columns=["arm", "class", "images", "metric", "mean", "low", "high"])
        assert cells(results.classes.class_table(frame)) == [
            ["Class", "Images", "Arm", "Recall", "Interval of recall", "Precision", "F1", "ROC AUC"],
            ["mel", "20", "all", "50", "30 to 70", "50", "50", "50"],
        ]

    def test_the_gap_wears_the_digits_of_its_smaller_group(self):
        rows = cells(results.lesions.recall_gap_table(leak()))
        assert rows[1] == ["mel", "baseline", "40", "90", "80", "70.0", "+10", f"{MINUS}10 to +30"]
        assert [row[0] for row in rows[1:]] == ["mel"] * 3 + ["nv"] * 3 + ["mean of classes"] * 3

    def test_mcnemar(self):
        row = ("all", "baseline", 0, "mel", 20, 4, 1, 0.375, "these two trained models, clustering ignored")
        names = [
            "arm",
            "reference",
            "replicate",
            "images_of",
            "images",
            "only_arm_right",
            "only_reference_right",
            "p",
            "scope",
        ]
        rows = cells(results.differences.mcnemar_table(pd.DataFrame([row], columns=names)))
        assert rows[1] == ["all", "baseline", "0", "mel", "20", "4", "1", "0.38"]

    def test_external(self):
        rows = cells(results.external.external_table(external(), "mel"))
        assert rows[1] == [
            "Balanced multiclass accuracy (ISIC)",
            "baseline",
            "60.0 ± 2.0",
            "50.0 to 70.0",
            "3",
            "1,512",
            "171",
        ]


def params(seeds=(0,), replicates=3):
    return validate({"gan": {"seeds": list(seeds)}, "replicates": replicates})


class TestSentences:
    def test_one_gan_speaks_for_itself_alone(self):
        assert (
            results.scope.single_gan_arms(params()) == {"filtered", "all"}
            and results.scope.single_gan_arms(params((0, 1))) == set()
        )
        assert "for this one GAN" in results.scope.estimand_sentence(
            params()
        ) and "one GAN" not in results.scope.estimand_sentence(params((0, 1)))
        row = {
            "arm": "filtered",
            "reference": "baseline",
            "metric": "accuracy",
            "difference": 0.01,
            "low": -0.1,
            "high": 0.1,
            "replicates": 3,
        }
        for low, high in ((-0.1, 0.1), (0.01, 0.1), (math.nan, math.nan)):
            said = results.differences.difference_sentence(
                row | {"low": low, "high": high}, 180, one_gan={"filtered"}
            )
            assert ", for this one GAN;" in said
        assert "GAN" not in results.differences.difference_sentence(
            row, 180
        ) and "GAN" not in results.differences.difference_sentence(
            row | {"arm": "again"}, 180, one_gan={"filtered"}
        )
        values = metrics().rename(columns={"target_recall": "accuracy"})
        assert ", for this one GAN (n" in results.metrics.best_arm_sentence(values, "accuracy", 180, {"all"})
        assert "for this one GAN" in results.contrasts.primary_sentence(
            contrasts(), 0.02, "mel", {"filtered"}
        )

    def test_the_estimand_is_two_procedures(self):
        said = results.scope.estimand_sentence(params())
        assert (
            "two *procedures*" in said
            and "over trainings (replicates) and over lesions of this population" in said
        )
        assert "Fewer than three replicates say nothing about procedures" in results.scope.estimand_sentence(
            params(replicates=2)
        )

    def test_folds_have_their_own_sentences(self):
        def folds(number, repeats=1):
            split = {"by": "lesion", "folds": number, "repeats": repeats}
            parts = number * repeats
            return validate(
                {"data": {"split": split}, "gan": {"seeds": list(range(parts))}, "replicates": 2 * parts}
            )

        said = results.scope.estimand_sentence(folds(5, 2))
        assert "Each of 20 replicates is tested on the one of 5 folds that it was not trained on" in said
        assert "that of the replicates and that of the lesions" not in said and "only in part" not in said
        assert "replicates share most of these" in said
        assert "no interval is shown" in results.scope.estimand_sentence(folds(2))
        split = pd.DataFrame(
            {"split": ["train", "validation", "test", "test"], "dx": ["mel", "mel", "mel", "nv"]}
        )
        assert results.scope.image_counts(split, folds(5)) == (4, 3, 1)
        assert results.scope.image_counts(split, params()) == (2, 1, 1)
        assert results.scope.own_fold(params()) == ""
        assert "own fold" in results.scope.own_fold(folds(3))

    def test_intervals_of_single_means_of_folds_are_called_too_narrow(self):
        arms = pd.DataFrame({"arm": ["baseline"], "low": [0.5], "high": [0.7]})
        folds = arms.assign(method="t interval, folds, shared photographs and lesions")
        for caption in (
            lambda of: results.arms.caption(of, "baseline", 0.95, published_beside("folder")),
            lambda of: results.doses.dose_caption(of, "mel", 0.95),
        ):
            assert "may be too narrow" in caption(folds)
            for method in ("t interval, replicates and lesions", "too few folds"):
                assert "narrow" not in caption(arms.assign(method=method))

    def test_what_an_adapted_trunk_leaves_open_is_told_where_images_are_synthetic(self):
        adapted = {"classifier": {"adapt": {"epochs": 2}}}
        assert "has seen no synthetic image" in results.scope.trunk_limit(validate(adapted))
        assert results.scope.trunk_limit(params()) is None
        assert results.scope.trunk_limit(validate({**adapted, "arms": {"baseline": {}, "again": {}}})) is None

    def test_replicates_that_share_gans_are_said_to(self):
        assert "5 replicates share 3 GANs" in results.scope.estimand_sentence(params((0, 1, 2), replicates=5))
        assert "share" not in results.scope.estimand_sentence(
            params((0, 1, 2))
        )  # one for each of three replicates
        without = validate({"gan": {"seeds": [0, 1]}, "arms": {"baseline": {}, "again": {}}, "replicates": 5})
        assert "share" not in results.scope.estimand_sentence(without)

    def test_what_was_named_beforehand_is_counted_and_judged(self):
        said = results.contrasts.primary_sentence(contrasts(0.01, 0.05), 0.02, "mel")
        assert said.startswith(
            "2 contrasts in recall of mel were named beforehand; everything else is exploratory."
        )
        assert (
            f"*filtered* {MINUS} *baseline*: higher; supported" in said and "2 of 2 have p below 0.05" in said
        )
        single = results.contrasts.primary_sentence(contrasts(math.nan, math.nan, 1), 0.02, "mel")
        assert "not tested (needs 3 replicates)" in single and "Holm" not in single
        assert "No primary contrast was named beforehand for this run" in results.contrasts.primary_sentence(
            contrasts().iloc[:0], 0.02, "mel"
        )

    def test_captions_speak_of_intervals_where_there_are_some(self):
        assert "95 % interval" in results.contrasts.named_contrasts_caption(contrasts(), "mel", 167)
        assert (
            "the trainings are too few, which leaves no interval"
            in results.contrasts.named_contrasts_caption(contrasts(math.nan, math.nan), "mel", 167)
        )

    @pytest.mark.parametrize(
        ("low", "high", "said"),
        [
            (0.01, 0.2, "its score owes something to memory"),
            (-0.1, 0.2, "chance may explain that"),
            (-0.2, -0.1, "memory does not help it"),
            (math.nan, math.nan, "the trainings are too few, which leaves no interval."),
        ],
    )
    def test_the_leak_is_no_stronger_than_its_interval(self, low, high, said):
        assert said in results.lesions.gap_sentence(leak(low, high), "baseline")

    def test_where_holms_rule_takes_a_difference_back_its_interval_is_told_as_it_is(self):
        row = {"arm": "all", "reference": "baseline", "metric": "target_recall", "replicates": 3}
        row |= {"difference": -0.08, "low": -0.16, "high": -0.01, "p_holm": 0.075}
        said = results.differences.difference_sentence(row, 100, "mel")
        assert "excludes zero, but p is 0.075 by Holm's rule" in said and "includes zero" not in said
        assert "is lower in this run" in results.differences.difference_sentence(
            row | {"p_holm": 0.02}, 100, "mel"
        )

    def test_no_leak_is_said(self):
        assert "cannot be measured" in results.lesions.gap_sentence(leak().iloc[:0], "baseline")

    def test_the_external_section_is_there_only_with_a_test_set(self):
        changed = {"arm": ["filtered", "all", "random"], "reference": "baseline", "metric": "target_recall"}
        changes = pd.DataFrame(changed | {"difference": [0.012, -0.03, 0.2], "low": -0.05, "high": 0.07})
        said = results.external.external_section(external(), changes, "baseline", PAPER)
        assert "1,512 images" in said and "171 of them of the target class" in said and "88.5 %" in said
        assert "*baseline* has a balanced accuracy of 60.0 % (95 % interval 50.0 to 70.0)" in said
        assert (
            "changes by +1.2 (−5.0 to +7.0) points with *filtered* and −3.0" in said and "random" not in said
        )
        own = results.external.external_section(external(), changes, "baseline", published_beside("folder"))
        assert "60.0 % (95 % interval 50.0 to 70.0). A stronger" in own and "ISIC" not in own
        bare = results.external.external_section(
            external(math.nan, math.nan), changes.iloc[:0], "baseline", PAPER
        )
        assert "interval" not in bare and bare.endswith("otherwise.")
        assert results.external.external_section(external().iloc[:0], changes, "baseline", PAPER) is None
        without = external().assign(target_images=0)
        said = results.external.external_section(
            without, changes.assign(difference=math.nan), "baseline", PAPER
        )
        assert "none of them of the target class" in said and "recall" not in said

    def test_of_many_arms_only_those_told_apart_have_a_sentence(self):
        row = {
            "reference": "baseline",
            "metric": "accuracy",
            "difference": 0.01,
            "low": -0.02,
            "high": 0.04,
            "replicates": 3,
        }
        rows = [{"arm": f"arm{n}"} | row for n in range(6)]
        rows[2] |= {"low": 0.005}
        said = results.differences.comparison_sentences(pd.DataFrame(rows), "accuracy", 500)
        assert said.count("\n- ") == 0 and said.startswith("- *arm2*: +1.0 points") and "is higher" in said
        assert said.endswith(
            "No difference to *baseline* in accuracy is shown by *arm0*, *arm1*, *arm3*, *arm4* and *arm5*."
        )
        single = pd.DataFrame(rows).assign(low=math.nan, high=math.nan)
        assert (
            results.differences.comparison_sentences(single, "accuracy", 500).count("trainings are too few")
            == 6
        )


def compared(params, found):
    """Results that hold nothing but the rows of comparisons.csv in ``found``, by arm and metric."""
    rows = [
        {"arm": arm, "metric": metric, "reference": "baseline"} | row for (arm, metric), row in found.items()
    ]
    none = pd.DataFrame()
    return Results(RunPaths("fake"), params, {}, none, none, none, pd.DataFrame(rows), none, none, none, [])


class TestMissingIntervals:
    """A table's column method says why there is no interval, and every sentence gives that reason."""

    ROW = {"difference": 0.0, "low": math.nan, "high": math.nan, "replicates": 3}
    REASONS = {
        "no variation": "the trainings do not differ",
        "too few folds": "the folds are too few",
        "single runs": "the trainings are too few",
    }

    @pytest.mark.parametrize(("method", "reason"), REASONS.items())
    def test_the_first_screen_gives_the_reason(self, method, reason):
        found = {("all", "target_recall"): self.ROW | {"method": method}}
        shown = compared(fake_params(arms={"baseline": {}, "all": {}}), found)
        assert short_answer(shown).endswith(f"? Not tested: {reason}.")
        row = found["all", "target_recall"]
        told = change_sentence("Adding images", "recall", row, shown.params)
        assert f"({reason}, which leaves no interval to tell that from chance)" in told
        assert "3 trainings per arm" not in told

    @pytest.mark.parametrize(("method", "reason"), REASONS.items())
    def test_notebook_05_gives_the_reason(self, method, reason):
        untold = leak(math.nan, math.nan).assign(method=method)
        assert reason in results.lesions.gap_sentence(untold, "baseline")
        untold = contrasts(math.nan, math.nan).assign(method=method)
        assert reason in results.contrasts.named_contrasts_caption(untold, "mel", 167)
        row = self.ROW | {"arm": "all", "reference": "baseline", "metric": "accuracy", "method": method}
        assert reason in results.differences.difference_sentence(row, 167)

    def test_the_picture_of_the_contrasts_gives_the_reason(self, tmp_path, monkeypatch):
        folder = build_run(tmp_path, monkeypatch) / "evaluation" / "comparisons.csv"
        untold = pd.read_csv(folder).assign(low=math.nan, high=math.nan, method="no variation")
        untold.to_csv(folder, index=False)
        told = contrast_chart(read_results(RunPaths("fake"), fake_params()))
        assert "The trainings do not differ, so there are no intervals, and nothing can be told" in told
        assert "trained too few times" not in told


class TestAbstract:
    def test_the_change_of_a_lone_other_arm_has_its_interval(self):
        row = {"difference": -0.028, "low": -0.106, "high": 0.051, "replicates": 3}
        found = {(arm, "target_recall"): row for arm in ("filtered", "weighted")}
        arms = {
            "baseline": {},
            "filtered": {"synthetic": {"select": "all"}},
            "weighted": {"loss": "balanced"},
        }
        about = " ".join(abstract(compared(fake_params(arms=arms), found)))
        said = "For the other arm, weighted, no difference from baseline in melanoma recall is shown: "
        assert said + f"{MINUS}2.8 ({MINUS}10.6 to +5.1) points" in about

    def test_a_higher_recall_without_a_better_ranking_is_told(self):
        def row(difference, half):
            return {
                "difference": difference,
                "low": difference - half,
                "high": difference + half,
                "replicates": 3,
            }

        found = {
            ("weighted", "target_recall"): row(0.2, 0.1),
            ("weighted", "target_roc_auc"): row(-0.04, 0.06),
        }
        found |= {("all", "target_recall"): row(0.1, 0.05), ("all", "target_roc_auc"): row(0.03, 0.01)}
        found |= {("random", "target_recall"): row(0.1, 0.2), ("random", "target_roc_auc"): row(0.0, 0.1)}
        arms = {name: {} for name in ("baseline", "weighted", "all", "random")}
        params = fake_params(arms=arms)
        (said,) = shifted_thresholds(compared(params, found))
        assert (
            "weighted: \N{MINUS SIGN}4.00 points, \N{MINUS SIGN}10.00 to +2.00" in said
            and said.startswith("Where more melanoma images are found, the classifier need not be better")
            and "random" not in said
        )
        assert said.endswith(" It does rise for others (all: +3.00 points, +2.00 to +4.00).")
        found[("weighted", "target_recall")] = row(-0.2, 0.1)
        (said,) = shifted_thresholds(compared(params, found))
        assert said.startswith("Where fewer melanoma images are found, the classifier need not be worse")
        assert "is not shown to fall (weighted: " in said
        del found["weighted", "target_recall"]
        assert shifted_thresholds(compared(params, found)) == []

    def test_recall_at_one_rate_of_false_alarms_is_told_where_it_has_an_interval(self):
        row = {"difference": -0.004, "low": -0.039, "high": 0.031, "replicates": 3}
        found = {
            (arm, "target_operating_recall"): row | {"difference": -0.004 * n}
            for n, arm in enumerate(("filtered", "all"), 1)
        }
        params = fake_params(gan={"seeds": [0, 1]})
        (said,) = equal_alarms(compared(params, found))
        assert (
            "where 5\u00a0% of the other validation images raise a false alarm, melanoma recall changes "
            "by \N{MINUS SIGN}0.4 points with filtered"
        ) in said
        assert (
            "(\N{MINUS SIGN}3.9 to +3.1) and \N{MINUS SIGN}0.8 points with all" in said
            and "one GAN" not in said
        )
        params = fake_params(gan={"seeds": [0]})
        assert "for this one GAN melanoma recall" in equal_alarms(compared(params, found))[0]
        found["all", "target_operating_recall"]["low"] = math.nan
        assert "with all" not in equal_alarms(compared(params, found))[0]
        found.clear()
        assert equal_alarms(compared(params, found)) == []

    @pytest.mark.parametrize(
        ("differences", "said"),
        [
            ([(0.1, 0.2), (-0.1, 0.1), (0.01, 0.3)], "in 2 of 3 networks, and nearer in 0; in 1 no"),
            (
                [(-0.2, -0.1), (math.nan, math.nan), (0.1, 0.2)],
                "in 1 of 2 networks, and nearer in 1; in 0 no",
            ),
            ([(0.1, 0.2)], None),
            ([(math.nan, math.nan)] * 2, None),
        ],
    )
    def test_what_the_filter_did_is_told_of_every_gan(self, tmp_path, monkeypatch, differences, said):
        monkeypatch.setattr("helpers.paths.ARTIFACTS", tmp_path)
        params, run = fake_params(gan={"seeds": list(range(len(differences)))}), RunPaths("fake")
        for seed, (low, high) in enumerate(differences):
            run.synthetic(seed).mkdir(parents=True)
            rows = [
                {"set": "random", "measure": "kernel_distance", "value": 0.3},
                {"set": "kept", "measure": "coverage", "difference_low": 1.0, "difference_high": 2.0},
                {
                    "set": "kept",
                    "measure": "kernel_distance",
                    "value": 0.45,
                    "difference": 0.15,
                    "difference_low": low,
                    "difference_high": high,
                },
            ]
            write_table(run.synthetic(seed) / "fidelity.csv", pd.DataFrame(rows))
        found = filters_of_all_gans(run, params)
        told = filters_sentence(found)
        assert told is None if said is None else said in told
        table = filters_table(found)
        if said is None:
            assert table is None
        else:
            known = [each for each in differences if not math.isnan(each[0])]
            assert len(table.frame) == len(known)
            ends = f"+0.150 ({known[0][0]:.3f} to {known[0][1]:.3f})".replace("-", "\N{MINUS SIGN}")
            assert ends in table.to_text()

    def test_blurred_images_are_told_at_the_side_of_the_synthetic_ones(self):
        arms = {"baseline": {}, "blurred": {"oversample": {"count": 2, "through": "synthesis"}}}
        given = {"folder": "theirs", "resolution": 32, "filter": "classifier"}
        row = {"contrast": "blurred - baseline", "metric": "target_recall", "difference": 0.1}
        row |= {"low": 0.01, "high": 0.2, "replicates": 3}
        for params, side in (
            (fake_params(arms=arms), fake_params().gan.resolution),
            (fake_params(arms=arms, synthesis=given, gan={"seeds": [0]}), 32),
        ):
            found = replace(compared(params, {}), controls=pd.DataFrame([row]))
            told = " ".join(_control_sentences(found))
            assert f"reduced to {side} x {side} pixels and enlarged, as synthetic images are (arm" in told

    def test_blurred_images_of_several_counts_get_one_sentence_and_the_table_the_rest(self):
        blurred = {
            f"blurred{count}": {"oversample": {"count": count, "through": "synthesis"}} for count in (2, 4)
        }
        row = {"metric": "target_recall", "difference": 0.1, "low": 0.01, "high": 0.2, "replicates": 3}
        rows = [{**row, "contrast": f"{arm} - baseline"} for arm in blurred]
        found = replace(
            compared(fake_params(arms={"baseline": {}, **blurred}), {}), controls=pd.DataFrame(rows)
        )
        (told,) = _control_sentences(found)
        assert "(arm blurred2)" in told

    def test_many_intervals_are_counted_where_a_verdict_stands_beside_each(self, tmp_path, monkeypatch):
        arms = {"baseline": {}, **{f"again{n}": {} for n in range(9)}}
        for some, said in (
            (arms, "Were there no effect at all, about 1 of 27 such intervals would exclude zero."),
            ({name: {} for name in list(arms)[:3]}, ""),
        ):
            made = fake_params().model_copy(update={"arms": {name: Arm() for name in some}})
            build_run(tmp_path, monkeypatch, params=made)
            note = headline_caption(read_results(RunPaths("fake"), made))
            assert said in note and ("no effect at all" in note) == bool(said)

    @pytest.mark.parametrize(("seeds", "said"), [((0,), True), ((0, 1), False)])
    def test_every_sentence_about_synthesis_says_when_one_gan_speaks(
        self, tmp_path, monkeypatch, seeds, said
    ):
        made = fake_params(gan={"seeds": list(seeds)})
        build_run(tmp_path, monkeypatch, params=made)
        text = abstract(read_results(RunPaths("fake"), made))
        about = [sentence for sentence in text if re.search(r"synthetic|[Ii]ts accuracy|other arm", sentence)]
        assert len(about) == 2
        for sentence in about:
            assert ("this one GAN" in sentence) == said, sentence


def test_primary_contrasts_in_other_metrics_have_a_table_of_their_own():
    rows = contrasts(0.01, 0.05)
    assert results.contrasts.other_primary_table(rows, 1503, 0.02, "mel") is None
    rows.loc[(rows["metric"] == "accuracy") & (rows["arm"] == "filtered"), "role"] = "primary"
    table = results.contrasts.other_primary_table(rows, 1503, 0.02, "mel")
    found = cells(table)
    assert found[0][:2] == ["Metric", "Contrast"] and [row[0] for row in found[1:]] == ["accuracy"] * 2
    assert "3 contrasts" not in results.contrasts.primary_sentence(contrasts(), 0.02, "mel")
    assert "in accuracy: higher; supported" in results.contrasts.primary_sentence(rows, 0.02, "mel")


class TestOtherClassesThanTheTarget:
    """A run whose GAN makes images of other classes asks about these, and not about the paper's melanoma."""

    ADDED = {"select": "top", "counts": {"df": 20, "vasc": 20}}
    FOUND = {  # by an arm of the paper's name
        ("filtered", "recall_df"): {"difference": 0.1, "low": 0.04, "high": 0.16, "replicates": 3},
        ("filtered", "recall_vasc"): {"difference": -0.02, "low": -0.1, "high": 0.06, "replicates": 3},
        ("filtered", "target_recall"): {"difference": 0.0, "low": -0.03, "high": 0.03, "replicates": 3},
    }

    def results_of(self, classes, found=None, **added):
        gan = {"classes": classes, "conditional": len(classes) > 1}
        arms = {"baseline": {}, "filtered": {"synthetic": added or self.ADDED}}
        return compared(fake_params(gan=gan, arms=arms), found or self.FOUND)

    def test_the_answer_is_about_the_classes_that_get_images(self):
        shown = self.results_of(["df", "vasc"])
        assert short_answer(shown) == (
            "Is the recall of df and vasc changed by arm filtered, against arm baseline? "
            "Of df: higher; of vasc: undecided."
        )
        told = " ".join(abstract(shown))
        assert (
            "of df by +10.0 (+4.0 to +16.0, higher) "
            f"and of vasc by {MINUS}2.0 ({MINUS}10.0 to +6.0, undecided)" in told
        )
        assert "The arm filtered changes melanoma recall by 0.0 points" in told and "the paper" not in told

    def test_without_an_interval_the_reason_stands_in_its_place(self):
        row = {"difference": 0.1, "low": math.nan, "high": math.nan, "replicates": 1, "method": "single runs"}
        shown = self.results_of(["df", "vasc"], {("filtered", "recall_df"): row})
        assert short_answer(shown).endswith("Of df: not tested (the trainings are too few).")
        told = " ".join(abstract(shown))
        assert "in points: of df by +10.0 (not tested: the trainings are too few)" in told
        assert "intervals" not in told

    def test_a_single_class_is_named(self):
        shown = self.results_of(["df"], select="top", counts={"df": 20})
        assert "adding synthetic images of df (arm filtered)" in " ".join(abstract(shown))

    def test_where_nothing_is_known_of_the_classes_the_answer_is_about_the_target(self):
        found = {key: row for key, row in self.FOUND.items() if key[1] == "target_recall"}
        assert short_answer(self.results_of(["df", "vasc"], found)).startswith("Are more melanoma images")

    def test_the_recall_of_these_classes_is_the_first_picture(self):
        chart = str(contrast_chart(self.results_of(["df", "vasc"])))
        assert chart.index("Recall of df") < chart.index("Recall of vasc") < chart.index("Recall of melanoma")
        assert "Paper" not in chart and "Paper" in str(contrast_chart(self.results_of(["mel", "df", "vasc"])))

    def test_the_first_picture_and_the_answer_are_about_the_same(self):
        own = self.results_of(["mel", "df", "vasc"], select="top", counts={"mel": 20, "df": 20})
        chart = str(contrast_chart(own))
        assert chart.index("Recall of melanoma") < chart.index("Recall of df")
        assert short_answer(own).startswith("Are more melanoma images")

    def test_the_papers_results_stay_away_from_images_of_other_classes(self):
        assert published_beside("ham10000", makes_target=False)["metrics"].empty
        assert not fake_params(gan={"classes": ["df"]}, arms={"baseline": {}}).makes_target
        both = fake_params(gan={"classes": ["df", "target"]}, arms={"baseline": {}})
        assert both.makes_target and not both.first_is_target
        assert fake_params().first_is_target

    def test_the_usual_title_names_the_classes(self):
        assert "dermatofibroma" in self.results_of(["df"], select="top", counts={"df": 20}).title


def test_a_run_without_contrasts_has_a_caption_and_no_table():
    nothing = contrasts()[:0]
    assert results.contrasts.contrasts_table(nothing, 167, 0.02) is None
    told = results.contrasts.named_contrasts_caption(nothing, "mel", 167)
    assert told == "The run has none of the arms that these contrasts need."


@pytest.mark.parametrize(("smallest", "said"), [(0.025, "the 2.5 points"), (0.005, "the 0.5 points")])
def test_a_negligible_gain_is_told_with_the_size_that_it_was_held_to(smallest, said):
    row = {"difference": 0.002, "low": 0.001, "high": 0.004, "replicates": 5}
    params = fake_params(evaluation={"smallest_effect": smallest})
    assert f"less than {said} that would matter" in change_sentence("Adding images", "recall", row, params)


def test_small_distances_keep_their_digits():
    row = {"seed": 0, "random": 0.0731, "kept": 0.0702, "difference": -0.0029}
    found = pd.DataFrame(
        [row | {"difference_low": -0.0048, "difference_high": -0.0011, "filtering": "improves"}]
    )
    told = filters_table(found).to_text().replace("\N{MINUS SIGN}", "-")
    assert "0.0731" in told and "0.0702" in told and "-0.0029 (-0.0048 to -0.0011)" in told


def test_times_are_sorted_by_their_seconds():
    trained = [{"arm": arm, "replicate": 0, "seconds": taken} for arm, taken in (("a", 552.0), ("b", 41.0))]
    frame = trainings_table(SimpleNamespace(trainings=pd.DataFrame(trained), params=fake_params()))
    columns = {column.heading: column for column in text_table(frame).columns}
    assert columns["Time"].texts == ("9\u00a0min\u00a012\u00a0s", "41\u00a0s")
    assert columns["Time"].values == (552.0, 41.0) and columns["Time"].number
    assert columns["Arm"].values == () and not columns["Arm"].number
