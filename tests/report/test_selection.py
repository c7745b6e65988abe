"""The selectors side by side: when they are compared, and what is shown of it."""

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation.roles import added_images
from helpers.gan.fidelity import MEASURES
from helpers.params import load_params
from helpers.paths import RunPaths
from helpers.report.page.sliders import filter_table
from helpers.report.results import selection as shown
from helpers.report.synthesis.fidelity import filter_sweep
from helpers.stages.selectors import ranked_counts

ARMS = """arms={
  baseline: {}, filtered: {synthetic: {select: top, count: 6}}, few: {synthetic: {select: top, count: 3}},
  sure: {synthetic: {select: top, count: 6, rank: classifier}},
  random: {synthetic: {select: random, count: 6}},
  worst: {synthetic: {select: bottom, count: 6}}, all: {synthetic: {select: all}}}"""


@pytest.fixture(scope="module")
def params():
    return load_params("smoke", [ARMS.replace("\n", " ")])


def comparisons(arms):
    rows = [
        {"arm": arm, "metric": metric, "difference": 0.01 * number, "low": -0.02, "high": 0.1}
        for number, arm in enumerate(arms)
        for metric in shown.GAINS
    ]
    return pd.DataFrame(rows)


def fidelity():
    sets = [("critic", 3), ("critic", 6), ("classifier", 6), ("random", 20), ("real", 30)]
    rows = [
        {"selector": name, "kept": kept, "measure": measure, "value": number + gan, "low": 0.0, "high": 9.0}
        | {"gan": str(gan), "images": 3, "draws": 10, "features": "efficientnet_lite2"}
        for number, (name, kept) in enumerate(sets)
        for measure in shown.NEARNESS
        for gan in (0, 1)
    ]
    return pd.DataFrame(rows)


def test_arms_by_selector_and_number(params):
    kept = shown.kept_numbers(params, params.synthesis.count)
    assert list(kept.itertuples(index=False, name=None)) == [
        ("filtered", "critic", 6),
        ("few", "critic", 3),
        ("sure", "classifier", 6),
        ("random", "random", 6),
        ("all", "random", params.synthesis.count),
    ]
    assert ranked_counts(params, 20, "mel") == {"classifier": [6], "critic": [3, 6]}


def test_of_several_classes_the_target_is_shown_and_the_others_are_named():
    each = ", each: {synthetic: {select: top, counts: {vasc: 2}}}, both: {synthetic: {select: top, counts: "
    arms = ARMS.replace("\n", " ")[:-1] + each + "{mel: 2, vasc: 5}}}}"
    classes = load_params("smoke", [arms, "gan.classes=[target, vasc]"])
    kept = shown.kept_numbers(classes, 20).set_index("arm")["kept"]
    assert kept["both"] == 2 and kept["filtered"] == 6 and "each" not in kept
    assert ranked_counts(classes, 20, "vasc") == {"classifier": [6], "critic": [2, 3, 5, 6]}
    said = shown.selection_section(shown.kept_numbers(classes, 20), fidelity(), classes)
    assert "are those of the class mel. The arms add images of other classes too" in said


def test_of_a_small_folder_as_many_are_counted_as_it_holds(params, tmp_path):
    """synthesis.count is the most that is used; an arm of all, or of a part, takes what there is."""
    ranked = [
        "arms={baseline: {}, all: {synthetic: {select: all}}, sure: {synthetic: {select: top, fraction: 0.5, "
        "rank: classifier}}, near: {synthetic: {select: top, count: 4, rank: distance}}}",
    ]
    given = load_params("smoke", [*ranked, f"synthesis.folder={tmp_path}", "synthesis.count=1000"])
    kept = shown.kept_numbers(given, 12).set_index("arm")["kept"]
    assert kept.to_dict() == {"all": 12, "sure": 6, "near": 4}
    assert [added_images(given, given.arms[arm].synthetic) for arm in kept.index] == [None, None, 4]
    assert ranked_counts(given, 12, "mel") == {"classifier": [6], "distance": [4]}
    trained = load_params("smoke")
    assert added_images(trained, trained.arms["all"].synthetic) == trained.synthesis.count


def test_one_selector_is_no_comparison():
    params = load_params("smoke")
    kept = shown.kept_numbers(params, 20)
    assert kept.empty
    assert shown.selection_section(kept, fidelity(), params) is None
    assert shown.selection_figure(kept, comparisons([]), fidelity(), "mel") is None
    assert shown.selection_table(kept, comparisons([]), fidelity(), "mel", 167) is None


def test_every_selector_has_a_line_and_a_name(params):
    kept = shown.kept_numbers(params, params.synthesis.count)
    figure = shown.selection_figure(kept, comparisons(kept["arm"]), fidelity(), "mel")
    assert [len(axes.containers) for axes in figure.axes] == [3, 3, 3, 3]
    for axes in figure.axes[1::2]:
        assert {text.get_text() for text in axes.texts} == {"critic", "classifier", "random"}
        heights = sorted(text.xyann[1] + text.xy[1] for text in axes.texts)
        assert np.diff(heights).min() > 0  # no name hides another


@pytest.mark.parametrize(
    ("features", "name"), [("efficientnet_lite2", "Kernel distance"), ("inception", "KID")]
)
def test_a_measure_has_one_name_in_every_figure_and_table(params, tmp_path, monkeypatch, features, name):
    """The panels and the table of the selectors, the sweep of the filter, and the table with a slider."""
    monkeypatch.setattr("helpers.paths.ARTIFACTS", tmp_path)
    kept, found = shown.kept_numbers(params, params.synthesis.count), fidelity().assign(features=features)
    panels = shown.selection_figure(kept, comparisons(kept["arm"]), found, "mel").axes
    assert panels[2].get_title("left") == f"{name}, lower is better"
    columns = shown.selection_table(kept, comparisons(kept["arm"]), found, "mel", 167).shown.columns
    assert name in columns and "Coverage" in columns
    ends = {"value": 0.5, "low": 0.4, "high": 0.6, "features": features, "images": 12}
    sets = [("kept", 0.1), ("kept", 1.0), ("real", np.nan)]
    sweep = pd.DataFrame(
        {"set": which, "fraction": share, "measure": measure} | ends
        for which, share in sets
        for measure in MEASURES
    )
    assert filter_sweep(sweep, 0.3).axes[0].get_title("left") == f"{name} (lower is better)"
    folder = RunPaths("names").synthetic(0)
    folder.mkdir(parents=True)
    sweep.to_csv(folder / "filter-sweep.csv", index=False)
    assert f">{name}: 0 is best<" in filter_table(RunPaths("names"), params)


def test_images_at_random_are_as_near_at_every_number(params):
    rows = shown._fidelity(shown.kept_numbers(params, params.synthesis.count), fidelity(), "coverage")
    at_random = rows[rows["series"] == "random"]
    assert at_random["x"].tolist() == [3, 6] and set(at_random["mean"]) == {3.5}  # of GANs 0 and 1
    assert list(dict.fromkeys(rows["series"])) == ["critic", "classifier", "random"]


def test_the_table_has_a_row_for_each_arm(params):
    kept = shown.kept_numbers(params, params.synthesis.count)
    table = shown.selection_table(kept, comparisons(kept["arm"]), fidelity(), "mel", 167)
    cells = table.shown.set_index("Arm")
    assert len(cells) == 5 and "0.0 (−2.0 to +10.0)" in cells.loc["filtered"].tolist()
    frame = table.frame.set_index("arm")
    assert frame.loc["few", "coverage"] == 0.5 and frame.loc["sure", "coverage"] == 2.5


def test_without_a_network_that_no_selector_used_only_the_gains_are_shown(params):
    kept, nothing = shown.kept_numbers(params, params.synthesis.count), fidelity().iloc[:0]
    assert len(shown.selection_figure(kept, comparisons(kept["arm"]), nothing, "mel").axes) == 2
    assert "judged in features" not in shown.selection_section(kept, nothing, params)
    assert "judged in features of EfficientNet-Lite2" in shown.selection_section(kept, fidelity(), params)
    without = shown.selection_table(kept, comparisons(kept["arm"]), nothing, "mel", 167)
    assert list(without.frame)[-1].endswith("high")


def test_of_several_classes_the_one_that_is_shown(params):
    table = pd.concat([fidelity().assign(**{"class": name}) for name in ("mel", "vasc")])
    table["value"] += (table["class"] == "vasc") * 100
    assert shown.fidelity_of_kept(table, params)["value"].max() < 100
    assert len(shown.fidelity_of_kept(fidelity(), params)) == len(fidelity())
