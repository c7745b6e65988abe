"""What the page says of a GAN's images: tables, figures and sentences from made-up numbers."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from helpers.evaluation.paper import published, published_beside
from helpers.gan.fidelity import MEASURES
from helpers.gan.variety import DIFFERENT
from helpers.report import synthesis, words
from helpers.report.drawing import ELSEWHERE
from helpers.report.pictures import veil
from helpers.report.results import readers

NOTHING = {"kernel_distance": (0.01, -0.02, 0.04)}
CRITIC = pd.DataFrame({"score": [1.0]})  # scores.csv of a run whose images a critic scored
HELPS = {"kernel_distance": (-0.3, -0.5, -0.1), "precision": (0.2, 0.1, 0.3)}
HURTS = {"kernel_distance": (0.3, 0.1, 0.5), "recall": (-0.2, -0.3, -0.1)}


def fidelity(differences=NOTHING, features="efficientnet_lite0"):
    rows = []
    for name in ("kept", "dropped", "random", "real"):
        for measure in MEASURES:
            value = 0.04 if name == "real" else 1.234
            difference = (
                differences.get(measure, (0.0, -1.0, 1.0)) if name in ("kept", "dropped") else (np.nan,) * 3
            )
            rows.append(
                (
                    name,
                    measure,
                    value,
                    value - 0.1,
                    value + 0.1,
                    *difference,
                    36,
                    100,
                    "of lesions not trained on",
                    features,
                )
            )
    columns = [
        "set",
        "measure",
        "value",
        "low",
        "high",
        "difference",
        "difference_low",
        "difference_high",
        "images",
        "draws",
        "held_out",
        "features",
    ]
    return pd.DataFrame(rows, columns=columns)


def counted(kept=24.0, drawn=20.0, real=31.2, size=32):
    """``fidelity`` with the count of different images."""
    rows = [
        {
            "set": name,
            "measure": DIFFERENT,
            "value": value,
            "low": value - 2,
            "high": min(size, value + 2),
            "difference": np.nan,
            "difference_low": np.nan,
            "difference_high": np.nan,
            "images": size,
            "draws": 100,
            "held_out": "of lesions not trained on",
            "features": "efficientnet_lite0",
        }
        for name, value in (("kept", kept), ("dropped", 19.0), ("random", drawn), ("real", real))
    ]
    return pd.concat([fidelity(), pd.DataFrame(rows)], ignore_index=True)


def sweep(differences=NOTHING):
    steps = []
    for fraction in np.arange(1, 11) / 10:
        step = (
            fidelity(differences if fraction <= 0.3 else NOTHING)
            .query("set == 'kept'")
            .assign(fraction=fraction)
        )
        steps.append(
            step.assign(**dict.fromkeys(["difference", "difference_low", "difference_high"], np.nan))
            if fraction == 1
            else step
        )
    return pd.concat([*steps, fidelity().query("set == 'real'").assign(fraction=np.nan)], ignore_index=True)


def memorisation(share=0.0, low=0.0, high=0.02):
    row = {
        "synthetic_images": 1000,
        "held_out_images": 117,
        "median_synthetic": 24.1,
        "median_real": 17.1,
        "threshold": 13.2,
        "closer": np.floor(1000 * share),
    }
    return pd.DataFrame(
        [
            {"space": space, **row, "share": share, "low": low, "high": high, "expected": 0.05}
            for space in ("efficientnet_lite0", "pixels")
        ]
    )


def correlation(distance=(-0.3, -0.4, -0.2), probability=(0.02, -0.05, 0.09)):
    meanings = ("distance to the real images", "baseline classifier's probability")
    rows = [
        (name, meaning, *values, 1000)
        for name, meaning, values in zip(
            ("distance", "probability"), meanings, (distance, probability), strict=True
        )
    ]
    return pd.DataFrame(rows, columns=["compared_with", "meaning", "correlation", "low", "high", "images"])


def stability():
    rows = [(1, 2, 0.9956, 0.99, 0.998, 0.92, 0.3, 120), (1, 3, 0.9999, 0.999, 1.0, 1.0, 0.3, 120)]
    return pd.DataFrame(
        rows,
        columns=[
            "first_batch",
            "second_batch",
            "rank_correlation",
            "low",
            "high",
            "kept_by_both",
            "keep_fraction",
            "images",
        ],
    )


# --- tables -------------------------------------------------------------------------------------


def test_fidelity_has_a_row_per_measure_and_a_column_per_set():
    table = synthesis.fidelity.fidelity_table(fidelity())
    assert list(table.shown.columns) == [
        "Measure",
        "Better",
        "Kept by the filter",
        "Left out",
        "Drawn at random",
        "Real, held out",
    ]
    assert table.shown.iloc[0].tolist() == [
        "kernel distance",
        "lower",
        *["1.23 (1.13 to 1.33)"] * 3,
        "0.040 (\N{MINUS SIGN}0.060 to 0.140)",
    ]
    assert len(table.shown) == 6 and {"kept", "kept_low", "kept_high"} <= set(table.frame)
    assert "FID" not in table.to_text()
    assert synthesis.fidelity.fidelity_table(fidelity(features="inception")).shown["Measure"].tolist()[
        :2
    ] == [
        "KID",
        "FID",
    ]
    assert (
        "Left out"
        not in synthesis.fidelity.fidelity_table(fidelity().query("set != 'dropped'")).shown.columns
    )


def test_filter_effect_says_improves_only_where_the_interval_excludes_zero():
    helps, hurts, nothing = (
        synthesis.fidelity.filter_effect_table(fidelity(case)).frame.set_index("measure")["filtering"]
        for case in (HELPS, HURTS, NOTHING)
    )
    assert (
        helps["kernel_distance"] == helps["precision"] == "improves"
        and helps["recall"] == "no difference shown"
    )
    assert hurts["kernel_distance"] == hurts["recall"] == "worsens"
    assert set(nothing) == {"no difference shown"}
    assert synthesis.fidelity.filter_outcome("recall", float("nan"), float("nan")) == "not tested"
    assert synthesis.fidelity.filter_outcome("coverage", 0.0, 0.4) == "no difference shown"
    assert (
        synthesis.fidelity.filter_effect_table(fidelity(HELPS)).shown["Kept minus random"][0]
        == "\N{MINUS SIGN}0.300 (\N{MINUS SIGN}0.500 to \N{MINUS SIGN}0.100)"
    )


def test_small_tables():
    assert synthesis.scores.stability_table(stability()).shown.iloc[0].tolist() == [
        "1 and 2",
        "0.996 (0.990 to 0.998)",
        "92",
        "120",
    ]
    assert (
        synthesis.scores.correlation_table(correlation()).shown.iloc[0].tolist()[1]
        == "\N{MINUS SIGN}0.300 (\N{MINUS SIGN}0.400 to \N{MINUS SIGN}0.200)"
    )
    rows = synthesis.memorisation.memorisation_table(memorisation(0.004, 0.001, 0.017)).shown
    assert (
        rows.iloc[:, 0].tolist() == ["EfficientNet-Lite0 features", "pixels (grey levels)"]
        and rows.iloc[0, -1] == "0.4 (0.1 to 1.7)"
    )
    unknown = synthesis.memorisation.memorisation_table(
        memorisation(np.nan, np.nan, np.nan).assign(closer=np.nan, threshold=np.nan, median_real=np.nan)
    ).shown
    assert unknown.iloc[0, -1] == unknown.iloc[0, -2] == words.NONE
    assert (
        words.with_interval(0.0, 0.0, 0.0) == "0.00 (0.00 to 0.00)"
        and words.with_interval(1206.3, 1133.4, 1278.0) == "1206 (1133 to 1278)"
    )


# --- sentences ----------------------------------------------------------------------------------


def test_the_filters_sentence_where_it_helps():
    told = synthesis.fidelity.filter_effect_sentence(fidelity(HELPS), sweep(HELPS), 0.3, CRITIC)
    assert (
        "improves kernel distance (a change of \N{MINUS SIGN}0.5 to \N{MINUS SIGN}0.1) and "
        "precision (a change of 0.1 to 0.3)"
        in told
        and "worsens" not in told
    )
    assert told.endswith(
        "of the 9 shares from 10 % to 90 %, judged by the kernel distance, 3 improve it by more than chance."
    )
    assert "(36 in each set), keeping the critic's best 30 % improves" in told
    from_30 = sweep(HELPS).query("not fraction < 0.25")
    told = synthesis.fidelity.filter_effect_sentence(fidelity(HELPS), from_30, 0.3, CRITIC)
    assert "of the 7 shares from 30 % to 90 %, judged by the kernel distance, 1 improves it by" in told


def test_the_filters_sentence_where_it_hurts_or_does_nothing():
    hurts = synthesis.fidelity.filter_effect_sentence(fidelity(HURTS), sweep(HURTS), 0.3, CRITIC)
    assert (
        "worsens kernel distance (a change of 0.1 to 0.5) and recall" in hurts
        and "improves" not in hurts
        and "judged by the kernel distance, 3 worsen it" in hurts
    )
    nothing = synthesis.fidelity.filter_effect_sentence(fidelity(), sweep(), 0.3, CRITIC)
    assert "improve" not in nothing and "worsen" not in nothing
    assert (
        nothing.endswith("no share from 10 % to 90 % changes the kernel distance by more than chance.")
        and "shows no difference in" in nothing
    )
    assert nothing.count(". ") == 0  # one sentence
    few = fidelity().query("set != 'kept'")
    assert "Too few images were kept" in synthesis.fidelity.filter_effect_sentence(few, sweep(), 0.3, CRITIC)
    assert "needs more images" in synthesis.fidelity.filter_effect_sentence(
        fidelity(), sweep().query("set == 'real'"), 0.3, CRITIC
    )


def test_the_fidelity_sentence_names_floor_and_features():
    told = synthesis.fidelity.fidelity_sentence(fidelity())
    assert (
        "36 images on either side, drawn 100 times" in told
        and "and is no FID" in told
        and "images of lesions not trained on" in told
    )
    assert "The synthetic images lie above it, at 1.23" in told
    near = fidelity()
    near.loc[near["set"] != "real", ["value", "low", "high"]] = [0.05, -0.05, 0.15]
    assert "lie not clearly above it" in synthesis.fidelity.fidelity_sentence(near)
    assert "no FID" not in synthesis.fidelity.fidelity_sentence(fidelity(features="inception"))
    assert "floor" not in synthesis.fidelity.fidelity_sentence(fidelity().query("set != 'real'"))


def test_the_count_of_different_images_stands_in_the_table_with_its_sample():
    shown = synthesis.fidelity.fidelity_table(counted(size=20)).shown.iloc[-1].tolist()
    assert shown[:3] == ["different images in a sample of 20", "higher", "24.0 (22.0 to 20.0)"]
    assert synthesis.fidelity.filter_effect_table(counted()).shown["Measure"].iloc[-1].endswith("of 32")


def test_the_variety_sentence_has_the_floor_and_the_paper():
    told = synthesis.variety.variety_sentence(counted(), published())
    assert "20 (18 to 22) for images drawn at random" in told and "31.2 (29.2 to 32)" in told
    assert "images drawn at random hold fewer." in told
    assert "about 15 different lesions in 32 images" in told and "by eye" in told
    assert "not clearly fewer" in synthesis.variety.variety_sentence(counted(drawn=29.0), published())
    own = synthesis.variety.variety_sentence(counted(), published_beside("folder"))
    assert "paper" not in own and "20 (18 to 22)" in own
    assert (
        synthesis.variety.variety_sentence(fidelity(), published()) is None
    )  # a table of an earlier version


@pytest.mark.parametrize(
    ("distance", "said"),
    [
        ((-0.3, -0.4, -0.2), "lie nearer to the real ones"),
        ((0.3, 0.2, 0.4), "lie farther from the real ones"),
        ((0.0, -0.1, 0.1), "no agreement is shown either way"),
        ((np.nan,) * 3, "cannot be computed"),
    ],
)
def test_the_correlation_sentence(distance, said):
    assert said in synthesis.scores.correlation_sentence(correlation(distance).head(1))


def test_the_classifier_may_agree_or_contradict():
    assert "classifier agrees" in synthesis.scores.correlation_sentence(
        correlation(probability=(0.3, 0.2, 0.4))
    )
    assert "classifier contradicts" in synthesis.scores.correlation_sentence(
        correlation(probability=(-0.3, -0.4, -0.2))
    )


def test_the_memorisation_sentence_accuses_only_above_chance():
    assert synthesis.memorisation.memorisation_sentence(memorisation()).count("no sign of copying") == 2
    assert ("some repeat what was trained on") in synthesis.memorisation.memorisation_sentence(
        memorisation(0.2, 0.1, 0.3)
    )
    open_still = synthesis.memorisation.memorisation_sentence(memorisation(0.075, 0.023, 0.47))
    assert open_still.count("not shown to be more than that") == 2 and "no sign" not in open_still
    assert "cannot be judged" in synthesis.memorisation.memorisation_sentence(
        memorisation(np.nan, np.nan, np.nan)
    )


def test_the_stability_sentence_rounds_down():
    told = synthesis.scores.stability_sentence(stability())
    assert "by at least 0.995" in told and "share 92 to 100 % of the 36 images" in told


# --- figures ------------------------------------------------------------------------------------


def smallest_text(figure):
    """In pixels of the page, which draws 100 to an inch."""
    return min(text.get_fontsize() * 100 / 72 for text in figure.findobj(Text) if text.get_text())


def test_the_sweep_shows_every_measure_beside_its_floor():
    figure = synthesis.fidelity.filter_sweep(sweep(HELPS), 0.3)
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == [
        "Kernel distance (lower is better)",
        "Precision (higher is better)",
    ]
    drawn = figure.axes[0].lines
    np.testing.assert_allclose(drawn[0].get_xdata(), np.arange(10, 101, 10))
    assert smallest_text(figure) >= 9
    assert drawn[1].get_ydata()[0] == pytest.approx(0.04) and drawn[2].get_xdata()[0] == pytest.approx(30)
    figure.draw_without_rendering()
    key = figure.legends[0]
    assert "middle 95 % of the draws of each" in [text.get_text() for text in key.get_texts()]
    shades = {patch.get_facecolor()[:3] for patch in key.findobj(Rectangle)}
    bands = {tuple(band.get_facecolor()[0, :3]) for band in figure.axes[0].collections}
    bands |= {patch.get_facecolor()[:3] for patch in figure.axes[0].patches}
    assert bands <= shades and len(bands) == 2  # both kinds of band are in the key
    assert key.get_window_extent().x0 >= 0 and key.get_window_extent().x1 <= figure.bbox.x1


def test_the_caption_of_the_probe_explains_the_words_at_its_rows_and_claims_no_more():
    rows = pd.DataFrame({"detail": ["as they come", "after the round trip"]})
    told = synthesis.probe.probe_caption(rows)
    assert "*As they come*: the images as the classifier sees them." in told
    assert "*After the round trip*: all images" in told and "blur is not the only cue" in told
    assert "round trip" not in synthesis.probe.probe_caption(rows.iloc[:1])
    assert "*As they come*" not in synthesis.probe.probe_caption(rows.iloc[1:])


def test_figure_4_sets_the_count_beside_the_papers():
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    scores = pd.DataFrame({"index": range(40), "score": np.linspace(1, 0, 40), "rank": range(1, 41)})
    scores["selected"] = [1] * 12 + [0] * 28
    figure = synthesis.scores.synthetic_samples(
        images[:8], images, scores, beside=(counted(kept=24.0, size=30), published())
    )
    panel = figure.axes[-1]
    assert [label.get_text() for label in panel.get_yticklabels()] == [
        "kept by the filter",
        "drawn at random",
        "real, held out",
        "the paper's sample",
    ]
    texts = {text.get_text() for text in panel.texts}
    assert {"24.0 of 30", "20.0 of 30", "about 15 of 32, counted by eye"} <= texts
    diamonds = [line for line in panel.lines if line.get_marker() == "D"]
    assert [line.get_xdata()[0] for line in diamonds] == [pytest.approx(100 * 15 / 32)]
    assert smallest_text(figure) >= 9 and figure.get_size_inches()[0] == 9
    own = synthesis.scores.synthetic_samples(
        images[:8], images, scores, beside=(counted(), published_beside("folder"))
    )
    assert len(own.axes[-1].get_yticklabels()) == 3
    earlier = synthesis.scores.synthetic_samples(images[:8], images, scores, beside=(fidelity(), published()))
    assert len(earlier.axes) == len(own.axes) - 1
    says_that_its_images_are_elsewhere(synthesis.scores.synthetic_samples(images[:8], images[:0], scores))
    away = synthesis.scores.synthetic_samples(images[:8], images[:0], scores, beside=(counted(), published()))
    assert [text.get_text() for text in away.subfigs[0].texts] == [ELSEWHERE]
    assert len(away.axes) == 1 and away.axes[0].lines, "how many different ones there are is known"


def test_closest_pairs_stand_below_each_other_turned_and_veiled():
    rng = np.random.default_rng(0)
    images, real = (rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8) for _ in range(2))
    pairs = pd.DataFrame(
        {
            "space": ["efficientnet_lite0"] * 2 + ["pixels"] * 2,
            "pair": [1, 2] * 2,
            "synthetic_index": [3, 1, 0, 2],
            "training_index": [5, 5, 6, 7],
        }
    )
    pairs = pairs.assign(mirrored=[0, 0, 1, 2], distance=[0.5, 1.25, 3, 4])
    figure = synthesis.memorisation.closest_pairs(images, real, pairs)
    assert smallest_text(figure) >= 9
    pictures = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
    expected = [images[3], images[1], real[5], real[5], images[0], images[2], real[6][:, ::-1], real[7][::-1]]
    assert all(np.array_equal(drawn, wanted) for drawn, wanted in zip(pictures, expected, strict=True))
    omitted = synthesis.memorisation.closest_pairs(images, real, pairs, "omit")
    alone = [axes for axes in omitted.axes if axes.images]
    shown = [np.asarray(axes.images[0].get_array()) for axes in alone]
    assert all(np.array_equal(drawn, images[index]) for drawn, index in zip(shown, (3, 1, 0, 2), strict=True))
    assert [axes.get_xlabel() for axes in alone] == ["0.5", "1.25", "3", "4"]
    says_that_its_images_are_elsewhere(synthesis.memorisation.closest_pairs(images[:0], real, pairs))


def test_a_caption_names_the_paper_s_count_only_where_it_is_drawn():
    told = synthesis.scores.samples_caption("mel", "show", (counted(), published_beside("ham10000")))
    alone = synthesis.scores.samples_caption("mel", "show", (counted(), published_beside("folder")))
    nothing = synthesis.scores.samples_caption("mel", "show", (counted()[:0], published_beside("folder")))
    assert "the count in the paper's own sample. " in told
    assert "Below: how many different" in alone and "paper" not in alone and "Below" not in nothing


@pytest.mark.parametrize("policy", ["show", "blur", "omit"])
def test_no_caption_asks_to_look_at_photographs_that_are_not_shown(policy):
    beside = (counted(), published_beside("ham10000"))
    captions = [
        synthesis.scores.samples_caption("mel", policy, beside),
        synthesis.memorisation.pairs_caption(policy),
        synthesis.classes.samples_caption(policy),
        readers.misled_caption(policy),
    ]
    alts = [synthesis.scores.samples_alt(policy), synthesis.memorisation.pairs_alt(policy)]
    alts += [synthesis.classes.samples_alt(policy), readers.misled_alt(policy)]
    omitted = policy == "omit"
    assert all(("are not shown on this page" in told) == omitted for told in captions)
    assert not [told for told in captions if omitted and ("eal training" in told or "above" in told)]
    assert ("Look for the same lesion" in captions[1]) == (policy == "show")
    assert not [told for told in alts if omitted and ("real" in told or "Four" in told or "above" in told)]


def test_figure_4_has_no_row_of_photographs_that_are_not_shown():
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    table = pd.DataFrame({"index": range(40), "score": np.linspace(1, 0, 40), "rank": range(1, 41)})
    table["selected"] = [1] * 12 + [0] * 28
    figure = synthesis.scores.synthetic_samples(veil(list(images[:8]), "omit"), images, table, columns=4)
    assert len(figure.axes) == 3 * 5
    named = [axes.get_label() for axes in figure.axes if axes.images]
    assert len(named) == 12 and all(label.startswith("synthetic ") for label in named)


def says_that_its_images_are_elsewhere(figure):
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == [ELSEWHERE]
