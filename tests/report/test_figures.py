"""Figures and their publication: what is drawn, how it is saved, and what must never be seen."""

import base64
import io
import itertools
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from helpers import paths
from helpers.errors import ParameterError
from helpers.evaluation.paper import published, published_beside
from helpers.gan.records import GRID, sample_grid, write_samples
from helpers.params import Params
from helpers.report import (
    classifier,
    drawing,
    eda,
    film_strip,
    gan,
    paper_values,
    publish,
    results,
    style,
    synthesis,
    table,
    training_curves,
    words,
)
from helpers.report.page.pictures import TALL
from helpers.report.pictures import image_rows, picture_policy, veil

ARMS = ["baseline", "filtered", "all"]
ALT = '<script> "quoted" & more'
MANY = [*ARMS, "random", "weighted", "again", "withheld"]
CLASSES = ["bkl", "mel", "nv"]
SEVEN = ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]


@pytest.fixture
def reports(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPORTS", tmp_path)
    return tmp_path


@pytest.fixture
def displayed(monkeypatch):
    shown = []
    monkeypatch.setattr(publish, "_display", lambda data, metadata: shown.append((data, metadata)))
    return shown


def metrics(arms=ARMS, replicates=3):
    rng = np.random.default_rng(0)
    columns = [*words.OVERALL, *words.TARGET]
    return pd.DataFrame(
        [
            {"arm": arm, "replicate": r, **{c: rng.uniform(0.6, 0.9) for c in columns}}
            for arm in arms
            for r in range(replicates)
        ]
    )


def histories(arms=ARMS, replicates=2):
    epochs = np.arange(1, 6)
    columns = ["train_loss", "validation_loss", "train_accuracy", "validation_accuracy"]
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "arm": arm,
                    "replicate": r,
                    "epoch": epochs,
                    "best_epoch": 4,
                    **{c: epochs / 10 for c in columns},
                }
            )
            for arm in arms
            for r in range(replicates)
        ]
    )


def comparisons(arms=ARMS[1:], low=-0.03, high=0.05):
    names = ["accuracy", "macro_recall", "target_recall", "target_precision"]
    return pd.DataFrame(
        [
            {"arm": arm, "reference": "baseline", "metric": m, "difference": 0.01, "low": low, "high": high}
            for arm in arms
            for m in names
        ]
    )


def scores(count=40, kept=12):
    values = np.linspace(3, -2, count)
    return pd.DataFrame(
        {
            "index": range(count),
            "score": values,
            "rank": range(1, count + 1),
            "selected": [1] * kept + [0] * (count - kept),
        }
    )


def gan_history(steps=60):
    step = np.arange(1, steps + 1)
    names = ["generator_loss", "critic_loss", "score_real", "score_fake", "gradient_penalty"]
    return pd.DataFrame({"step": step, **{name: np.sin(step + place) for place, name in enumerate(names)}})


def pictures(count=5, side=16):
    return np.random.default_rng(1).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def confusion(arms=ARMS, classes=CLASSES):
    return {
        arm: pd.DataFrame(
            [
                {"replicate": r, "label": a, "prediction": b, "count": 10 if a == b else 1}
                for r in (0, 1)
                for a in classes
                for b in classes
            ]
        )
        for arm in arms
    }


def by_lesion(arms=ARMS):
    return pd.DataFrame(
        [
            {"arm": arm, "replicate": 0, "lesions": g, "accuracy": 0.8, "target_recall": 0.5}
            for arm in arms
            for g in ("seen", "unseen")
        ]
    )


def split():
    return pd.DataFrame(
        {"dx": ["nv"] * 14 + ["mel"] * 6, "split": (["train"] * 3 + ["validation", "test"]) * 4}
    )


def every_figure():
    paper = paper_values.paper_metrics(published())
    image = pictures()
    return {
        "sample_images": eda.sample_images(
            {"nv": list(image), "dermatofibroma": list(image[:2])}, {"nv": "melanocytic naevus"}
        ),
        "class_distribution": eda.class_distribution(split(), "mel"),
        "gan_training": gan.gan_training(gan_history()),
        "gan_training_beside_paper": gan.gan_training(gan_history(), published()),
        "synthetic_samples": synthesis.scores.synthetic_samples(image, pictures(40), scores()),
        "overall_metrics": results.metrics.overall_metrics(
            metrics(), paper, counts=results.counts.paper_counts(published(), "mel")
        ),
        "melanoma_metrics": results.metrics.target_metrics(metrics(["baseline"], 1), paper),
        "confusion_matrices": results.classes.confusion_matrices(confusion()),
        "confusion_beside_paper": results.classes.confusion_matrices(
            confusion([*ARMS, "again"], SEVEN), published()
        ),
        "confusion_further": results.classes.further_matrices(
            confusion([*ARMS, "again"], SEVEN), published()
        ),
        "curves_beside_paper": training_curves.classifier_curves(histories(), published()),
        "curves_beside_paper_many": training_curves.classifier_curves(histories(MANY), published()),
        "classifier_curves": training_curves.classifier_curves(histories()),
        "classifier_curves_many": training_curves.classifier_curves(histories(MANY)),
        "score_histogram": synthesis.scores.score_histogram(scores()),
        "seen_unseen": results.lesions.seen_unseen(by_lesion(), "mel"),
        "forest": results.differences.forest(comparisons(), smallest_effect=0.02, target="mel"),
        "empty": drawing.empty_figure("Nothing."),
    }


@pytest.fixture(scope="module")
def drawn():
    return every_figure()


@pytest.fixture(scope="module")
def svgs(drawn):
    return {name: publish.svg_text(figure, name, alt=ALT) for name, figure in drawn.items()}


def sizes_on_the_page(svg):
    """Font sizes of an SVG in px, where a drawing of 9 inches is 864 px wide, as the page shows it."""
    return [float(size) * 4 / 3 for size in re.findall(r"font(?:-size)?:[^;\"]*?([\d.]+)px", svg)]


class TestEveryFigure:
    def test_has_no_text_under_11_px_on_the_page(self, svgs):
        for name, svg in svgs.items():
            sizes = sizes_on_the_page(svg)
            assert sizes and min(sizes) >= 11, name

    def test_is_as_wide_as_the_page(self, drawn):
        widths = {name: figure.get_size_inches()[0] for name, figure in drawn.items()}
        matrices = {width for name, width in widths.items() if name.startswith("confusion")}
        assert {width for name, width in widths.items() if not name.startswith("confusion")} == {9.0}
        assert max(matrices) <= 9  # those of few classes are as large as their numbers ask for

    def test_is_well_formed_with_ids_of_its_own(self, svgs):
        seen = set()
        for name, svg in svgs.items():
            root = ElementTree.fromstring(svg)
            ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
            assert len(set(ids)) == len(ids) and not seen & set(ids), name
            seen |= set(ids)
            assert root.attrib["role"] == "img" and root.attrib["aria-label"] == ALT

    def test_has_no_needless_decimals(self, svgs):
        assert not [name for name, svg in svgs.items() if re.search(r' (?:d|x|y)="[^"]*\.\d{3}', svg)]

    def test_keeps_its_references(self, svgs):
        for name, svg in svgs.items():
            ids = set(re.findall(r'\bid="([^"]+)"', svg))
            used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
            assert used <= ids, name

    def test_is_the_same_bytes_each_time(self):
        for draw in (
            lambda: gan.gan_training(gan_history()),
            lambda: image_rows({"Real": pictures()}),
        ):
            assert publish.svg_text(draw(), "same") == publish.svg_text(draw(), "same")
            assert publish.png_bytes(draw()) == publish.png_bytes(draw())


class TestDrawings:
    def test_bars_start_at_zero(self, drawn):
        for name in ("class_distribution", "overall_metrics"):
            axes = drawn[name].axes[0]
            horizontal = name == "class_distribution"
            assert (axes.get_xlim() if horizontal else axes.get_ylim())[0] == 0
            assert len(axes.patches) > 0

    def test_paper_bars_have_the_papers_heights(self, drawn):
        heights = {round(float(bar.get_height()), 2) for bar in drawn["overall_metrics"].axes[0].patches}
        assert heights == {round(100 * value, 2) for value in published()["overall"][ARMS].to_numpy().ravel()}

    def test_dots_are_the_replicates(self, drawn):
        dots = [line for line in drawn["overall_metrics"].axes[1].lines if line.get_marker() == "o"]
        values = sorted(value for line in dots for value in line.get_ydata())
        assert values == pytest.approx(sorted(100 * metrics()[list(words.OVERALL)].to_numpy().ravel()))

    def test_paper_diamonds_stand_only_at_its_own_arms(self):
        figure = results.metrics.overall_metrics(
            metrics(["baseline", "random"]), paper_values.paper_metrics(published())
        )
        diamonds = [line for line in figure.axes[1].lines if line.get_marker() == "D"]
        assert sum(len(line.get_xdata()) for line in diamonds) == len(words.OVERALL)

    def test_paper_diamonds_far_from_the_runs_dots_are_inside_the_panel(self):
        poor = metrics().assign(**dict.fromkeys(words.OVERALL, 0.1))
        dots = results.metrics.overall_metrics(poor, paper_values.paper_metrics(published())).axes[1]
        highest = max(max(line.get_ydata()) for line in dots.lines if line.get_marker() == "D")
        assert dots.get_ylim()[0] < 10 and highest < dots.get_ylim()[1]

    def test_without_the_paper_there_is_one_panel(self):
        assert len(results.metrics.overall_metrics(metrics()).axes) == 1

    def test_intervals_stand_beside_the_means_where_there_are_any(self):
        made = metrics()
        ends = pd.DataFrame(
            [
                {"arm": arm, "metric": metric, "low": 0.2, "high": 0.9}
                for arm in ARMS
                for metric in words.OVERALL
            ]
        )
        upright = [
            line
            for line in results.metrics.overall_metrics(made, None, ends).axes[0].lines
            if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2
        ]
        drawn = [line for line in upright if list(line.get_ydata()) == [20, 90]]
        assert len(drawn) == len(ARMS) * len(words.OVERALL)
        bare = results.metrics.overall_metrics(made, None, ends.assign(low=np.nan)).legends[0]
        assert "its interval" not in [text.get_text() for text in bare.get_texts()]

    def test_many_arms_are_rows_and_the_first_is_a_band(self):
        made = metrics(MANY)
        ends = pd.DataFrame(
            [
                {"arm": arm, "metric": metric, "low": 0.2, "high": 0.9}
                for arm in MANY
                for metric in words.OVERALL
            ]
        )
        figure = results.metrics.overall_metrics(made, paper_values.paper_metrics(published()), ends)
        assert len(figure.axes) == len(words.OVERALL)
        for axes, metric in zip(figure.axes, words.OVERALL, strict=True):
            dots = [line for line in axes.lines if line.get_marker() == "o"]
            assert [line.get_ydata()[0] for line in dots] == list(range(len(MANY)))
            values = [value for line in dots for value in line.get_xdata()]
            assert sorted(values) == pytest.approx(sorted(100 * made[metric]))
            diamonds = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "D"]
            assert diamonds == [MANY.index(arm) for arm in ARMS]
            band = axes.patches[0]
            assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((20, 90))
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(MANY)

    def test_the_mean_of_three_replicates_stands_out_as_far_as_all_were_trained(self):
        history = histories(["baseline"], replicates=3)
        history = history[(history["replicate"] != 2) | (history["epoch"] <= 4)]
        lines = training_curves.classifier_curves(history).axes[0].lines
        strong = [line for line in lines if line.get_linewidth() > 1.5 and line.get_linestyle() == "-"]
        assert [list(line.get_xdata()) for line in strong] == [[1, 2, 3, 4]]
        assert "mean of its replicates" in training_curves.mean_note(history)
        assert training_curves.mean_note(histories()) == ""  # of two replicates no mean is drawn

    def test_many_arms_have_a_panel_each_for_their_curves(self, drawn):
        panels = [axes for axes in drawn["classifier_curves_many"].axes if axes.get_title("left")]
        assert [axes.get_title("left") for axes in panels] == [*MANY, *MANY]
        for axes in panels:  # training and validation of each of two replicates, and the best epochs
            assert len({line.get_color() for line in axes.lines}) == 1 and len(axes.lines) == 5
        assert len({axes.get_ylim() for axes in panels}) == 2

    @pytest.mark.parametrize("count", [9, 12])
    def test_curves_of_many_arms_are_as_high_as_the_article_shows_without_a_frame(self, count):
        arms = [f"arm_{number}" for number in range(count)]
        figure = training_curves.classifier_curves(histories(arms), published())
        assert 96 * figure.get_size_inches()[1] <= TALL
        figure.draw_without_rendering()
        panels = [axes for axes in figure.axes if axes.get_title("left")]
        assert min(axes.get_window_extent().height for axes in panels) > 70  # of them, 45 pixels were too few
        titles = [axes._left_title.get_window_extent() for axes in panels]
        assert not any(one.overlaps(other) for one, other in itertools.combinations(titles, 2))

    def test_a_caption_of_training_images_speaks_of_synthetic_ones_where_there_are_some(self):
        told = [
            classifier.training_images_caption("all", 0, [0, 0, 1, 1, 2], synthetic) for synthetic in range(3)
        ]
        assert told[0] == "What arm all, replicate 0, trains on. It has no synthetic images."
        assert "join one class; see how far they go to make it" in told[1]
        assert "join 2 classes; see how far they go to make them" in told[2]
        assert ["synthetic" in classifier.training_images_alt(synthetic) for synthetic in (0, 3)] == [
            False,
            True,
        ]

    def test_confusion_adds_replicates_and_shades_by_row(self, drawn):
        axes = drawn["confusion_matrices"].axes[0]
        assert sorted({text.get_text() for text in axes.texts}) == ["2", "20"]
        shares = np.asarray(axes.collections[0].get_array()).reshape(3, 3)
        assert shares.sum(axis=1) == pytest.approx([1, 1, 1])
        assert shares[0, 0] == pytest.approx(20 / 24)

    def test_confusion_beside_the_papers_has_both_and_then_their_difference(self, drawn):
        first, further = (
            {axes.get_title("left"): axes for axes in drawn[name].axes if axes.get_title("left")}
            for name in ("confusion_beside_paper", "confusion_further")
        )
        assert list(first) == [f"{kind}: {arm}" for kind in ("paper", "this run") for arm in ARMS]
        assert list(further) == [*(f"difference: {arm}" for arm in ARMS), "this run: again"]
        panels = first | further
        paper, ours, less = (
            np.ma.filled(panels[f"{kind}: filtered"].collections[0].get_array()).reshape(7, 7)
            for kind in ("paper", "this run", "difference")
        )
        assert paper[4, 4] == pytest.approx(120 / 167) and ours[4, 4] == pytest.approx(20 / 32)
        assert less == pytest.approx(ours - paper)

    @pytest.mark.parametrize(
        ("wrong", "beside"), [(9, published()), (9000, None)], ids=["changes", "large counts"]
    )
    def test_numbers_fit_into_the_cells_and_titles_beside_one_another(self, wrong, beside):
        arms = [*ARMS, "oversampled_more_than_that", "another_one_of_many", "again"]
        tables = confusion(arms, SEVEN)
        for found in tables.values():
            found.loc[found["prediction"] == "nv", "count"] = wrong
        for figure in (
            results.classes.confusion_matrices(tables, beside),
            results.classes.further_matrices(tables, beside),
        ):
            figure.draw_without_rendering()
            panels = [axes for axes in figure.axes if axes.texts]
            assert panels
            for axes in panels:
                cell = axes.get_window_extent().width / len(SEVEN)
                assert max(text.get_window_extent().width for text in axes.texts if text.get_text()) < cell
            titles = [axes._left_title.get_window_extent() for axes in panels]
            for first, second in itertools.combinations(titles, 2):
                assert not first.overlaps(second)

    def test_the_caption_of_further_matrices_says_what_stands_where(self):
        told = results.classes.further_caption
        assert told(confusion([*ARMS, "again"], SEVEN), published()) == (
            "Top: this run minus the paper, in percentage points. "
            "Below: the arms that the paper does not have."
        )
        assert told(confusion(ARMS, SEVEN), published()) == "This run minus the paper, in percentage points."
        assert "paper" not in told(confusion(MANY), published())

    def test_confusion_of_other_classes_stands_alone(self):
        figure = results.classes.confusion_matrices(confusion(), published())
        assert [axes.get_title("left") for axes in figure.axes][:3] == ARMS
        caption = results.classes.confusion_caption
        assert "paper" not in caption(confusion(), 30, "2 replicates", published())
        assert "paper" in caption(confusion(ARMS, SEVEN), 30, "2 replicates", published())
        assert "paper" not in caption(confusion(ARMS, SEVEN), 30, "2 replicates", published_beside("folder"))

    def test_curves_beside_the_papers_have_its_ends_and_its_best(self, drawn):
        *_, accuracy, lengths = drawn["curves_beside_paper"].axes
        best = {line.get_ydata()[0] for line in accuracy.lines if list(line.get_xdata()) == [0, 1]}
        assert best == {89.3, 90.3, 90.1}
        ends = [float(line.get_xdata()[0]) for line in lengths.lines if line.get_marker() == "D"]
        assert ends == [30, 74, 62]
        ticks = [float(line.get_xdata()[0]) for line in lengths.lines if line.get_marker() == "|"]
        assert [tick for tick in ticks if tick > 5] == [15, 59, 47] and ticks.count(4) == 2 * len(ARMS)
        alone = training_curves.classifier_curves(histories(), published_beside("folder"))
        assert len(alone.axes) == 4 and not training_curves.paper_curves_note(
            published_beside("folder"), ARMS
        )
        assert "filtered after about 74 epochs" in training_curves.paper_curves_note(published(), ARMS)

    def test_the_counts_behind_the_papers_bars_stand_in_them_and_in_the_table(self):
        behind = results.counts.paper_counts(published(), "mel")
        wide = paper_values.paper_metrics(published())
        bars = results.metrics.target_metrics(metrics(), wide, None, behind).axes[0]
        words_in = [text.get_text() for text in bars.texts]
        assert {
            "111 of 143",
            "120 of 152",
            "120 of 168",
            "120 of 167",
            "1,304 of 1,336",
            "240 of 319",
        } <= set(words_in)
        ours = results.counts.run_counts(confusion(), "mel")
        assert ours["baseline", "accuracy"] == (30, 36) and ours["all", "target_recall"] == (10, 12)
        shown = results.metrics.performance_table(
            metrics(), published(), words.OVERALL, 36, counts=(behind, ours)
        ).shown
        first = shown.iloc[0]
        assert (first["Paper: images"], first["This run: images, mean"]) == ("1,314 of 1,503", "30 of 36")
        assert shown[shown["Metric"].str.contains("Macro")]["Paper: images"].eq("").all()
        own = results.counts.paper_counts(published_beside("folder"), "mel")
        assert own == results.counts.paper_counts(published(), "spitz") == {}

    def test_the_counts_are_those_of_the_shares(self):
        values = published()["metrics"].set_index(["arm", "metric"])["value"]
        for key, (counted, whole) in results.counts.paper_counts(published(), "mel").items():
            assert counted / whole == pytest.approx(values[key], abs=2e-4), key

    def test_the_papers_precision_recall_and_f1_by_class(self):
        ratios = results.classes.paper_class_ratios(published(), SEVEN).set_index(["class", "arm"])
        assert ratios.loc[("mel", "filtered")].tolist() == pytest.approx([120 / 152, 120 / 167, 240 / 319])
        assert results.classes.paper_class_ratios(published(), CLASSES).empty

    def test_histogram_does_not_mix_kept_and_left_out_in_a_bin(self):
        table = scores()
        cut = table.loc[table["selected"] == 1, "score"].min()
        bins = synthesis.scores._bins_with_edge(table["score"].to_numpy(), cut)
        assert cut in bins
        assert np.histogram(table["score"], bins)[0].sum() == len(table)
        kept = np.histogram(table.loc[table["selected"] == 1, "score"], bins)[0]
        left = np.histogram(table.loc[table["selected"] == 0, "score"], bins)[0]
        assert not np.any((kept > 0) & (left > 0))

    def test_the_words_at_the_cut_stand_beside_its_line_in_a_browser_too(self, drawn):
        axes = drawn["score_histogram"].axes[0]
        (words_there,) = axes.texts
        assert words_there.get_text() == words_there.get_text().strip()  # SVG drops a space at an end
        drawn["score_histogram"].draw_without_rendering()
        line = axes.transData.transform((words_there.xy[0], 0))[0]
        assert words_there.get_window_extent().x0 > line + 3

    def test_histogram_of_equal_scores_is_drawn(self):
        axes = synthesis.scores.score_histogram(scores().assign(score=1.0)).axes[0]
        assert sum(bar.get_height() for bar in axes.patches) == len(scores())

    def test_forest_without_intervals_draws_points_alone(self):
        figure = results.differences.forest(comparisons(low=np.nan, high=np.nan))
        assert all(
            len(line.get_xdata()) == 1
            for axes in figure.axes
            for line in axes.lines
            if line.get_marker() == "s"
        )
        assert not [
            line
            for axes in figure.axes
            for line in axes.lines
            if line.get_linewidth() == 2 and line.get_marker() == "None"
        ]

    def test_forest_of_equal_arms_has_a_scale(self):
        figure = results.differences.forest(comparisons(low=np.nan, high=np.nan).assign(difference=0.0))
        assert figure.axes[0].get_xlim() == (-5, 5)

    def test_forest_of_one_arm_says_so(self):
        figure = results.differences.forest(comparisons([]).reindex(columns=comparisons().columns))
        assert "no second arm" in figure.axes[0].texts[0].get_text()

    def test_forest_panels_are_centred_each_on_a_scale_of_its_own(self):
        rows = comparisons()
        rows.loc[rows["metric"] == "target_precision", ["low", "high"]] = -0.6, 0.4
        scales = [
            axes.get_xlim()
            for axes in results.differences.forest(rows, smallest_effect=0.02, target="mel").axes
        ]
        assert (
            all(low == -high for low, high in scales)
            and scales[0] == scales[1]
            and scales[3][1] > 60 > scales[0][1]
        )

    def test_figure_3_has_the_papers_ranges_and_ends_on_one_scale(self, drawn):
        panels = drawn["gan_training_beside_paper"].axes[:4]
        bars = [[patch.get_bbox() for patch in axes.patches] for axes in panels]
        right = max(axes.get_xlim()[1] for axes in panels)
        assert all(bar.x0 > right for part in bars for bar in part)  # they hide no curve
        assert [[(bar.y0, bar.y1) for bar in part] for part in bars] == [
            [(-430, 890)],
            [(-13, -2)],
            [(-250, 820), (-830, 390)],
            [(0.1, 0.2)],
        ]
        ends = [line.get_ydata()[0] for line in panels[2].lines if line.get_marker() == "D"]
        assert ends == [500, -500]
        for axes, part in zip(panels, bars, strict=True):  # nothing of the paper's lies outside
            low, high = axes.get_ylim()
            assert all(low <= bar.y0 and bar.y1 <= high for bar in part)
        assert panels[2].get_ylim()[0] < -830 and panels[3].get_ylim()[1] > 0.98
        own = gan.gan_training(gan_history(), published_beside("folder"))
        assert not any(axes.collections for axes in own.axes) and own.axes[2].get_xlabel() == "generator step"

    def test_the_caption_of_figure_3_says_of_the_gap_what_docs_gan_says(self):
        told = gan.training_caption(published(), gan_history())
        assert "gap shrinks as the generator learns" in told and "grows again is a warning" in told
        guide = (paths.ROOT / "docs" / "gan.md").read_text(encoding="utf-8").replace("\n  ", " ")
        assert "it shrinks as the generator learns. A difference that grows again" in guide

    def test_the_papers_scores_do_not_give_its_critic_loss(self):
        told = gan.paper_scores_sentence(published())
        assert "a critic loss of \N{MINUS SIGN}1,000" in told and "about \N{MINUS SIGN}8" in told
        assert "about 8 apart" in told and "sign turned" in told
        assert "700 epochs (its text: 600)" in gan.paper_curves_note(published(), gan_history())
        own = published_beside("folder")
        assert gan.paper_scores_sentence(own) is None
        assert gan.paper_curves_note(own, gan_history()) == ""

    def test_best_and_worst_synthetic_images_are_taken_by_rank(self):
        images = np.stack([np.full((8, 8, 3), value, np.uint8) for value in range(40)])
        figure = synthesis.scores.synthetic_samples(
            pictures(4), images, scores().sample(frac=1, random_state=0), columns=4
        )
        rows = np.array(
            [[axes.images[0].get_array()[0, 0, 0] if axes.images else -1 for axes in figure.axes]]
        ).reshape(4, 5)
        assert rows[2, 1:].tolist() == [0, 1, 2, 3]
        assert rows[3, 1:].tolist() == [36, 37, 38, 39]

    def test_few_images_leave_room_empty(self):
        figure = synthesis.scores.synthetic_samples(pictures(1), pictures(3), scores(3, 1))
        filled = [axes for axes in figure.axes if axes.images]
        assert len(filled) < len(figure.axes)
        assert not [axes for axes in figure.axes if not axes.images and axes.axison]

    def test_film_strip_follows_a_tile_through_training(self, tmp_path):
        for step in (1, 20, 300):
            tiles = np.arange(GRID[0] * GRID[1]) + 100 * (step > 1)
            write_samples(
                sample_grid(np.uint8(tiles[:, None, None, None] * np.ones((8, 8, 3)))), step, tmp_path
            )
        figure = film_strip.film_strip(tmp_path / "samples", rows=2)
        shown = [
            [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes[row * 3 : row * 3 + 3]]
            for row in (0, 1)
        ]
        assert shown == [[0, 100, 100], [1, 101, 101]]
        assert [figure.axes[place].get_title(loc="center") for place in range(3)] == [
            "step 1",
            "step 20",
            "step 300",
        ]

    @pytest.mark.parametrize(("count", "columns"), [(1, 1), (3, 3), (9, 9), (11, 11), (41, 11)])
    def test_film_strip_is_centred_with_the_start_and_ten_parts_of_the_training(
        self, tmp_path, count, columns
    ):
        steps = [1, *range(50, 50 * count, 50)]
        for step in steps:
            Image.fromarray(np.zeros((8, 48, 3), np.uint8)).save(tmp_path / f"step-{step:07d}.png")
        figure = film_strip.film_strip(tmp_path)
        told = f"saved at {count} steps; {columns} of these are shown"
        assert (told in film_strip.caption(tmp_path)) == (count > columns)
        shown = [
            int(axes.get_title(loc="center").split()[1].replace(",", "")) for axes in figure.axes[:columns]
        ]
        assert (len(figure.axes), shown[0], shown[-1]) == (6 * columns, steps[0], steps[-1])
        assert len(set(np.diff(shown[1:]))) <= 1  # no step is missing between two others
        figure.draw_without_rendering()
        left, right = figure.axes[0].get_position().x0, figure.axes[columns - 1].get_position().x1
        assert left == pytest.approx(1 - right, abs=0.01) and 9 * (right - left) / columns < 1.6
        assert columns < 9 or left < 0.01

    def test_no_samples_are_said_to_be_none(self, tmp_path):
        assert "No samples" in film_strip.film_strip(tmp_path).axes[0].texts[0].get_text()

    def test_spikes_do_not_flatten_a_curve(self):
        values = np.r_[1e6, np.ones(1000)]
        low, high = gan._without_spikes(values)
        assert high < 100 and low < 1 < high
        assert np.isfinite(gan._without_spikes(np.full(3, np.nan))).all()

    def test_callers_settings_are_left_alone(self):
        import matplotlib

        before = dict(matplotlib.rcParams)
        gan.gan_training(gan_history())
        assert dict(matplotlib.rcParams) == before


class TestColours:
    def test_an_arm_has_its_colour_in_every_company(self):
        alone, together = style.arm_colours(["filtered"]), style.arm_colours(["mine", "filtered", "baseline"])
        assert alone["filtered"] == together["filtered"] == style.KNOWN_ARMS["filtered"]

    def test_arms_differ(self):
        arms = [*style.KNOWN_ARMS, "mine"]
        assert len(set(style.arm_colours(arms).values())) == len(arms)

    def test_many_strangers_are_served(self):
        assert len(style.arm_colours(f"arm-{i}" for i in range(40))) == 40

    def test_the_papers_arms_stay_apart_without_red_or_green(self):
        # Machado, Oliveira and Fernandes (2009), full protanopia and deuteranopia
        views = {
            "protanopia": [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
            "deuteranopia": [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
        }
        for matrix in views.values():
            seen = [np.clip(np.array(matrix) @ to_rgb(style.KNOWN_ARMS[arm]), 0, 1) for arm in ARMS]
            assert min(np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]) > 0.25


class TestPrivatePictures:
    def test_drawn_lesions_are_always_shown(self):
        params = Params.model_validate({"data": {"source": "phantom"}, "report": {"real_images": "omit"}})
        assert picture_policy(params) == "show"
        assert picture_policy(Params.model_validate({"report": {"real_images": "blur"}})) == "blur"

    def test_omit_leaves_no_pixel(self):
        assert veil(list(pictures(3)), "omit") == []
        assert eda.photographs(None, split(), policy="omit") == {}  # no photograph is even read
        assert eda.sample_images({}) is None

    def test_blur_keeps_no_detail(self):
        image = np.zeros((96, 128, 3), np.uint8)
        image[::2, ::2] = 255  # one pixel of detail
        blurred = veil([image], "blur")[0]
        assert blurred.shape == image.shape
        assert blurred.std() < 2

    def test_show_changes_nothing(self):
        assert np.array_equal(veil(list(pictures()), "show"), pictures())

    def test_photographs_are_training_images_by_frequency(self):
        class Dataset:
            def read(self, image_id):
                buffer = io.BytesIO()
                Image.new("RGB", (40, 30), (int(image_id), 0, 0)).save(buffer, "PNG")
                return buffer.getvalue()

        table = pd.DataFrame(
            {
                "image_id": list("123456"),
                "dx": ["mel", "nv", "nv", "nv", "mel", "nv"],
                "split": ["train", "test", "train", "train", "test", "train"],
            }
        )
        shown = eda.photographs(Dataset(), table, per_class=2, width=20)
        assert list(shown) == ["nv", "mel"]
        assert [picture[0, 0, 0] for picture in shown["nv"]] == [3, 4]
        assert shown["mel"][0].shape == (15, 20, 3) and len(shown["mel"]) == 1


class TestPublish:
    def test_saves_both_files_and_labels_the_output(self, reports, displayed):
        publish.show_figure(
            gan.gan_training(gan_history()), "try", "curves", caption="See.", alt="Curves.", number=3
        )
        assert (reports / "try" / "figures" / "curves.svg").read_text().startswith("<svg ")
        drawing = displayed[0][0]["image/svg+xml"]
        opening = drawing[: drawing.index(">")]  # a notebook's narrow cell shrinks it
        assert 'width="100%"' in opening and " height=" not in opening and "viewBox=" in opening
        with Image.open(reports / "try" / "figures" / "curves.png") as png:
            assert png.size == (1800, 800)
        (data, metadata), (_, caption) = displayed
        assert metadata["report"] == {
            "kind": "figure",
            "name": "curves",
            "caption": "See.",
            "alt": "Curves.",
            "number": 3,
        }
        assert set(data) == {"text/plain", "image/svg+xml"}
        assert caption["report"] == {"kind": "caption"}

    def test_images_are_displayed_as_pixels(self, reports, displayed):
        publish.show_figure(image_rows({"Real": pictures()}), "try", "rows", caption="See.", alt="Rows.")
        data, metadata = displayed[0]
        assert set(data) == {"text/plain", "image/png"}
        with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as png:
            assert png.width == 2 * metadata["image/png"]["width"]
        assert metadata["report"]["number"] is None

    def test_saves_a_table(self, reports, displayed):
        publish.show_table(
            table.Table(pd.DataFrame({"a": ["x"], "b": [0.5]})), "try", "numbers", caption="Numbers."
        )
        assert (reports / "try" / "tables" / "numbers.csv").read_text() == "a,b\nx,0.5\n"
        assert displayed[0][1]["report"]["kind"] == "table"

    def test_refuses_a_name_that_is_a_path(self, reports):
        with pytest.raises(ParameterError, match="cannot name a figure"):
            publish.show_figure(drawing.empty_figure("x"), "try", "../escape", caption="", alt="")

    def test_a_figure_of_nothing_has_no_caption_of_what_would_be_there(self, reports, displayed):
        figure = drawing.empty_figure("Nothing is here.")
        publish.show_figure(figure, "try", "nothing", caption="Look at the colours.", alt="Rows.", number=4)
        label = displayed[0][1]["report"]
        assert label["caption"] == label["alt"] == "Nothing is here." and label["number"] == 4

    def test_what_is_not_there_is_neither_shown_nor_saved(self, reports, displayed):
        publish.show_figure(None, "try", "nothing", caption="See.", alt="Nothing.", number=3)
        publish.show_table(None, "try", "nothing", caption="Nothing.")
        publish.show_text(None)
        assert not displayed and not list(reports.rglob("*"))

    def test_a_script_only_saves(self, reports):
        publish.show_figure(drawing.empty_figure("x"), "try", "alone", caption="", alt="")
        assert (reports / "try" / "figures" / "alone.png").exists()


@pytest.mark.parametrize("ground", ["#66abd4", "#72b2d8", "#ada6ce", "#08306b", "#009E73", "white", "black"])
def test_words_on_a_coloured_ground_have_the_higher_contrast(ground):
    chosen = drawing.ink_on(ground)
    ratios = {colour: contrast(colour, ground) for colour in (drawing.INK, "white")}
    assert ratios[chosen] == max(ratios.values()) >= 4.5


def contrast(one, other):
    """The ratio of the Web Content Accessibility Guidelines, written out."""
    lights = []
    for colour in (one, other):
        parts = to_rgb(colour)
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(lights) / min(lights)


def test_a_few_arms_in_one_panel_are_told_apart_without_their_colours():
    few, many = drawing.arm_lines(["a", "b", "c", "d"]), drawing.arm_lines(list("abcde"))
    assert len(set(map(str, few.values()))) == 4 and set(many.values()) == {"-"}
