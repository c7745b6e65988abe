"""The columns that the tables of means and of differences share."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.evaluation.intervals import Difference
from helpers.evaluation.verdicts import MINIMUM_REPLICATES

INTERVAL = (
    "standard_deviation",
    "low",
    "high",
    "replicates",
    "method",
    "standard_error",
    "degrees_of_freedom",
)
DIFFERENCE = ("arm_mean", "reference_mean", "difference", "low", "high")
TEST = (
    *("standard_error", "degrees_of_freedom", "p"),
    *("bootstrap_low", "bootstrap_high", "corrected_low", "corrected_high"),
)


def method(found: Difference) -> str:
    """What the interval is, or why there is none."""
    if found.replicates < MINIMUM_REPLICATES:
        return "single runs"
    if np.isnan(found.variance_lesions).any():
        return "too few folds"
    return f"t interval, {found.of}" if np.isfinite(found.standard_error) else "no variation"


def mean_row(
    values: np.ndarray, found: Difference, low: float | np.ndarray, high: float | np.ndarray
) -> tuple[Any, ...]:
    """The mean and INTERVAL of replicates' ``values``."""
    deviation = values.std(ddof=1) if len(values) > 1 else np.nan
    return (
        values.mean(),
        deviation,
        low,
        high,
        len(values),
        method(found),
        found.standard_error,
        found.degrees_of_freedom,
    )


def means(rows: Sequence[tuple[Any, ...]], *first: str) -> pd.DataFrame:
    """A table of means: the columns ``first``, then the mean and INTERVAL."""
    table = pd.DataFrame(rows, columns=[*first, "mean", *INTERVAL])
    numbers = ("mean", *(name for name in INTERVAL if name not in ("replicates", "method")))
    return table.astype(dict.fromkeys(numbers, float))


def differences(rows: Sequence[Mapping[str, Any]], *first: str) -> pd.DataFrame:
    """A table of differences: the columns ``first``, then those of ``Inference.compare``."""
    columns = [*first, "arm", "reference", "metric", *DIFFERENCE, "replicates", "method", *TEST, "role"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys((*DIFFERENCE, *TEST), float))
