"""Words and digits: how a number, a share, a duration or the name of a metric is written for a reader.

Shares are 0 to 1 in the tables of a run and percent in what is shown. A function named ``..._of_images``
gives the digits that a number of images supports; the others take the number of decimals.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from helpers.evaluation.metrics import RECALL_OF
from helpers.evaluation.verdicts import Direction
from helpers.params.data import Split

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"

METRIC_NAMES = {
    "accuracy": "Accuracy",
    "macro_precision": "Macro precision",
    "macro_recall": "Macro recall",
    "macro_specificity": "Macro specificity",
    "macro_f1": "Macro F1",
    "paper_bma": "BMA as in the paper",
    "balanced_accuracy": "Balanced accuracy",
    "target_precision": "Precision",
    "target_recall": "Recall",
    "target_specificity": "Specificity",
    "target_f1": "F1",
    "target_roc_auc": "ROC AUC",
    "target_average_precision": "Average precision",
    "target_operating_recall": "Operating-point recall",
    "target_operating_specificity": "Operating-point specificity",
    "target_calibration_error": "Calibration error",
    "macro_roc_auc": "Macro ROC AUC",
    "macro_average_precision": "Macro average precision",
    "brier_score": "Brier score",
    "roc_auc": "ROC AUC",
    "f1": "F1",
}
# networks whose features images are compared in
FEATURE_NAMES = {
    "efficientnet_lite0": "EfficientNet-Lite0",
    "efficientnet_lite2": "EfficientNet-Lite2",
    "inception": "Inception",
}
# the metrics that are shown together: of all classes, and of the target class; those that need probabilities
# apart
OVERALL = ("accuracy", "macro_precision", "macro_recall", "macro_specificity", "paper_bma")
TARGET = ("target_precision", "target_recall", "target_specificity", "target_f1")
OVERALL_SCORED = (
    "balanced_accuracy",
    "macro_f1",
    "macro_roc_auc",
    "macro_average_precision",
    "calibration_error",
    "brier_score",
)
TARGET_SCORED = (
    "target_roc_auc",
    "target_average_precision",
    "target_operating_recall",
    "target_operating_specificity",
    "target_calibration_error",
)


# --- names --------------------------------------------------------------------------------------


def metric_name(metric: str, target: str = "") -> str:
    """A metric's name for readers: 'Macro recall' for macro_recall, 'Recall of mel' for target_recall,
    'Recall of df' for recall_df.
    """
    if metric.startswith(RECALL_OF):
        return f"Recall of {metric.removeprefix(RECALL_OF)}"
    name = METRIC_NAMES.get(metric, metric.replace("_", " ").capitalize())
    return f"{name} of {target}" if target and metric.startswith("target_") else name


def metric_words(metric: str, target: str = "") -> str:
    """``metric_name`` as it stands within a sentence."""
    name = metric_name(metric, target)
    return name if name.startswith(("BMA", "F1", "ROC")) else name[0].lower() + name[1:]


def capitalised(text: str) -> str:
    """The text with its first letter a capital; the other letters stay as they are."""
    return text[:1].upper() + text[1:]


def listed(parts: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def counted(number: int, noun: str) -> str:
    """'1 replicate', '3 replicates'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def times(number: int) -> str:
    """'once', 'twice', '3 times'."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def part_words(split: Split, part: int) -> str:
    """A part of a split into folds: 'fold 2 of 5, first deal'; empty for a single split."""
    if not split.folds:
        return ""
    deal, fold = divmod(part, split.folds)
    words = f"fold {fold + 1} of {split.folds}"
    if split.repeats == 1:
        return words
    ordinals = ("first", "second", "third", "fourth", "fifth")
    return f"{words}, {f'{ordinals[deal]} deal' if deal < len(ordinals) else f'deal {deal + 1}'}"


def improvement(direction: Direction, higher_is_better: bool) -> str:
    """'improves' or 'worsens' where an interval shows a direction, else the direction's own words."""
    if direction not in (Direction.HIGHER, Direction.LOWER):
        return str(direction)
    return "improves" if (direction is Direction.HIGHER) == higher_is_better else "worsens"


def no_interval(row: Mapping[str, Any]) -> str:
    """Why a row of a table of ``evaluation/`` has no interval, as a clause, from its column method."""
    reasons = {"no variation": "the trainings do not differ", "too few folds": "the folds are too few"}
    return reasons.get(row.get("method", ""), "the trainings are too few")


# --- values -------------------------------------------------------------------------------------


def missing(value: Any) -> bool:
    """Whether a table's cell holds no value: None, NaN or pandas' NA."""
    import pandas as pd

    if isinstance(value, (float, np.floating)):
        return math.isnan(value)
    return value is None or value is pd.NA


def plain(value: Any) -> str:
    """A value for readers: thousands with commas, floats to four significant digits, lists with commas."""
    if missing(value):
        return NONE
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}".replace("-", MINUS)
    if isinstance(value, (float, np.floating)):
        return _plain_float(float(value))
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(part) for part in value)
    if isinstance(value, Mapping):
        parts = [f"{key}: {plain(part)}" for key, part in value.items() if part is not None]
        return "; ".join(parts) or "nothing added"
    return str(value)


def _plain_float(value: float) -> str:
    if not math.isfinite(value):
        return str(value).replace("-", MINUS)
    if value.is_integer() and abs(value) < 1e12:
        return plain(int(value))
    if value != 0 and abs(value) < 1e-6:
        return f"{value:.4g}".replace("-", MINUS)
    return np.format_float_positional(value, precision=4, fractional=False, trim="-").replace("-", MINUS)


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, large ones in full: '0.123', '1,230'."""
    return plain(float(f"{value:.{digits}g}"))


def with_interval(value: float, low: float, high: float, signed: bool = False) -> str:
    """'0.123 (0.101 to 0.140)', with three digits of the largest of them, and no more than four decimals."""
    if missing(float(value)):
        return NONE
    largest = max(abs(value), abs(low), abs(high))
    places = 2 if largest == 0 else min(4, max(0, 2 - math.floor(math.log10(largest))))
    mean, *ends = (
        f"{number:{sign}.{places}f}".replace("-", MINUS)
        for number, sign in ((value, "+" if signed else ""), (low, ""), (high, ""))
    )
    return f"{mean} ({ends[0]} to {ends[1]})"


def duration(seconds: float | None) -> str:
    """Seconds as ``41 s``, ``9 min 12 s`` or ``3 h 05 min``; empty where there are none."""
    if seconds is None or math.isnan(seconds):
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


# --- shares -------------------------------------------------------------------------------------


def signed(share: float, places: int) -> str:
    """A difference of shares in percentage points with its sign, a true minus, and no sign at zero."""
    text = f"{100 * share:+.{places}f}"
    return (text[1:] if float(text) == 0 else text).replace("-", MINUS)


def percent(share: float | None, places: int = 1) -> str:
    """A share in percent: ``87.4``; empty where there is none."""
    return "" if share is None or missing(share) else f"{100 * share:.{places}f}"


def points(difference: float | None, places: int = 1) -> str:
    """A difference of shares in percentage points with its sign: ``+1.2``; empty where there is none."""
    return "" if difference is None or missing(difference) else signed(difference, places)


def points_interval(low: float | None, high: float | None, places: int = 1) -> str:
    """``-0.8 to +3.1`` in percentage points; empty where an end is missing."""
    return "" if missing(low) or missing(high) else f"{points(low, places)} to {points(high, places)}"


def points_with_interval(
    difference: float | None, low: float | None, high: float | None, places: int = 1
) -> str:
    """``+1.2 (-0.8 to +3.1)`` in percentage points; the difference alone where an end is missing."""
    ends = points_interval(low, high, places)
    return points(difference, places) + (f" ({ends})" if ends else "")


def decimals(images: int) -> int:
    """Decimals of a percentage of so many images: one of fewer than 50 is worth more than two points."""
    return 0 if images < 50 else 1 if images < 5000 else 2


def decimals_of(metric: str, images: int) -> int:
    """``decimals``; an area under a curve moves by far less than a share does, and gets one more."""
    return decimals(images) + metric.endswith("_auc")


def percent_of_images(share: float | None, images: int) -> str:
    """A share of so many images in percent, such as '71.9'; a dash where there is none."""
    return percent(share, decimals(images)) or NONE


def points_of_images(difference: float | None, images: int) -> str:
    """A difference of shares of so many images in percentage points, such as '+5.4'; a dash where there is
    none.
    """
    return points(difference, decimals(images)) or NONE


def percent_interval_of_images(low: float | None, high: float | None, images: int) -> str:
    """'61.0 to 78.3' in percent of so many images; a dash where an end is missing."""
    if missing(low) or missing(high):
        return NONE
    return f"{percent_of_images(low, images)} to {percent_of_images(high, images)}"


def points_interval_of_images(low: float | None, high: float | None, images: int) -> str:
    """'-0.8 to +3.1' in percentage points of so many images; a dash where an end is missing."""
    return points_interval(low, high, decimals(images)) or NONE


def mean_and_spread_of_images(mean: float | None, spread: float | None, images: int) -> str:
    """'71.9 \N{PLUS-MINUS SIGN} 1.2' in percent of so many images; without a spread the mean alone."""
    if missing(mean) or missing(spread):
        return percent_of_images(mean, images)
    return f"{percent_of_images(mean, images)} \N{PLUS-MINUS SIGN} {percent_of_images(spread, images)}"
