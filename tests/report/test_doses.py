"""The doses: which arms belong to them, and when a rate of exchange is told."""

import numpy as np
import pandas as pd
import pytest

from helpers.params import load_params
from helpers.report.results import doses as shown

ARMS = """arms={
  baseline: {}, again: {}, weighted: {loss: balanced},
  filtered: {synthetic: {select: top, count: 6}}, few: {synthetic: {select: random, count: 3}},
  all: {synthetic: {select: all}},
  half: {withhold: {class: target, fraction: 0.5}}, fewer_moles: {withhold: {class: nv, fraction: 0.5}},
  half_few: {withhold: {class: mel, fraction: 0.5}, synthetic: {select: random, count: 3}}}"""


def params(*more):
    return load_params("smoke", [ARMS.replace("\n", " "), *more])


def splits(*trained):
    """A part of the split for each number of rows that it trains on; every other row is a melanoma."""
    whole = pd.DataFrame({"dx": ["mel", "nv"] * 30, "split": "test"})
    return [whole.assign(split=whole["split"].where(whole.index >= rows, "train")) for rows in trained]


def arms_table(names, low=0.1):
    rows = [
        {"arm": name, "metric": metric, "mean": 0.5 + 0.01 * number, "low": 0.5 - low, "high": 0.6 + low}
        for number, name in enumerate(names)
        for metric in (*shown.METRICS, "accuracy")
    ]
    return pd.DataFrame(rows)


def controls(loss, gain):
    rows = [("withheld", "half", "baseline", loss), ("restored", "half_few", "half", gain)]
    return pd.DataFrame(
        [
            {"control": role, "arm": arm, "reference": other, "metric": "target_recall", "replicates": 5}
            | {"difference": change, "low": change - 0.02, "high": change + 0.02}
            for role, arm, other, change in rows
        ]
    )


def test_doses_are_the_arms_with_more_or_fewer_images_that_were_not_ranked():
    table = shown.doses(params(), splits(40), 20)
    everything = params().synthesis.count
    assert table["arm"].tolist() == ["baseline", "few", "all", "half", "half_few"]
    assert table["share"].tolist() == [1, 1, 1, 0.5, 0.5]
    assert table["real"].tolist() == [20, 20, 20, 10, 10]  # 20 of the 40 training images are melanomas
    assert table["synthetic"].tolist() == [0, 3, everything, 0, 3]


def test_the_number_of_real_images_is_the_mean_over_the_parts_of_the_split():
    folds = params("data.split.by=lesion", "data.split.folds=2", "replicates=2", "gan.seeds=[0,1]")
    assert shown.doses(folds, splits(40, 28), 20)["real"].iloc[0] == 17  # of 20 and 14


def test_a_run_without_doses_shows_nothing():
    table = shown.doses(load_params("smoke"), splits(40), 20)
    assert table.empty
    assert shown.dose_figure(table, arms_table([]), "mel") is None
    assert shown.dose_table(table, arms_table([]), "mel", 100) is None
    assert shown.worth_section(table, controls(-0.1, 0.05), "mel", 100) is None


def test_table_and_figure_hold_every_dose():
    table = shown.doses(params(), splits(40), 20)
    arms = arms_table(table["arm"])
    cells = shown.dose_table(table, arms, "mel", 100).shown
    assert len(cells) == len(table)
    assert "51.0 (40.0 to 70.0)" in cells.to_string()
    panels = shown.dose_figure(table, arms, "mel").axes
    assert [len(axes.containers) for axes in panels] == [2, 2]  # a line for each share
    assert [text.get_text() for text in panels[-1].texts] == ["100 % real (20)", "50 % real (10)"]
    everything = params().synthesis.count
    for axes in panels:  # the arms below each number, those of more real images first
        told = [label.get_text() for label in axes.get_xticklabels()]
        assert told == ["0\nbaseline\nhalf", "3\nfew\nhalf_few", f"{everything}\nall"]


def test_without_intervals_the_means_stand_alone():
    table = shown.doses(params(), splits(40), 20)
    arms = arms_table(table["arm"]).assign(low=np.nan, high=np.nan)
    assert "(" not in shown.dose_table(table, arms, "mel", 100).shown.drop(columns=["Arm"]).to_string(
        header=False
    )
    assert shown.dose_figure(table, arms, "mel") is not None


@pytest.mark.parametrize(
    ("gain", "told"), [(0.05, "worth about 1.67 of a real one"), (0.01, "cannot be told")]
)
def test_a_rate_of_exchange_is_told_where_loss_and_gain_are_shown(gain, told):
    text = shown.worth_section(shown.doses(params(), splits(40), 20), controls(-0.1, gain), "mel", 100)
    assert told in text  # 0.05 by 3 synthetic images, 0.1 by 10 real ones
