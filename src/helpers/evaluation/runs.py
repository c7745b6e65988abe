"""Two evaluated runs side by side, such as one split by image and one split by lesion."""

import numpy as np
import pandas as pd

from helpers.evaluation.intervals import student_quantile
from helpers.files import read_table
from helpers.paths import RunPaths, require

KEYS = ("arm", "class", "metric")
SHOWN = ("mean", "standard_deviation", "low", "high", "replicates")
SIDES = ("first", "second")


def compare_runs(first: RunPaths, second: RunPaths, confidence: float = 0.95) -> pd.DataFrame:
    """A row per arm and metric that both runs have.

    Columns: arm, class (empty for metrics of all images), metric, then first_ and second_ mean,
    standard_deviation, low, high and replicates, then difference (first - second), its low and high, and
    method. The runs have different test images and trainings, so the difference is unpaired: variances add,
    with Satterthwaite's degrees of freedom (Welch, Biometrika 34:28, 1947). Test sets that share lesions make
    the interval somewhat too wide. Without an interval in both runs there is none, and method is
    that of the first run that has none. Raises MissingStageError where a run is not evaluated.
    """
    sides = [
        _side(run).set_index(list(KEYS)).add_prefix(f"{name}_")
        for run, name in zip((first, second), SIDES, strict=True)
    ]
    table = sides[0].join(sides[1], how="inner").reset_index()
    half = _half_width(table, confidence)
    table["difference"] = table["first_mean"] - table["second_mean"]
    table["low"], table["high"] = table["difference"] - half, table["difference"] + half
    why = np.where(table["first_low"].isna(), table["first_method"], table["second_method"])
    table["method"] = np.where(table["low"].notna(), "t interval, unpaired runs", why)
    own = [f"{name}_{column}" for name in SIDES for column in SHOWN]
    return table[[*KEYS, *own, "difference", "low", "high", "method"]]


def _half_width(table: pd.DataFrame, confidence: float) -> pd.Series:
    """Half of the width of the interval of an unpaired difference."""
    errors = [table[f"{name}_standard_error"] for name in SIDES]
    variance = errors[0] ** 2 + errors[1] ** 2
    parts = [
        error**4 / table[f"{name}_degrees_of_freedom"] for error, name in zip(errors, SIDES, strict=True)
    ]
    freedom = variance**2 / (parts[0] + parts[1])
    return student_quantile(0.5 + confidence / 2, freedom) * np.sqrt(variance)


def _side(run: RunPaths) -> pd.DataFrame:
    """arms.csv and arms_per_class.csv of a run in one table."""
    parts = [
        read_table(require(run.evaluation / f"{name}.csv", "evaluation"))
        for name in ("arms", "arms_per_class")
    ]
    return pd.concat([parts[0].assign(**{"class": ""}), parts[1]], ignore_index=True)
