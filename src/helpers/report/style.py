"""One look for every figure: the style file, an arm's colour, a metric's name."""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import matplotlib
import matplotlib.style

STYLE = Path(__file__).with_name("report.mplstyle")

# Okabe and Ito's colours, told apart by every common kind of colour vision; the paper's own arms keep its hues
BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, GREY, INDIGO, WINE, OLIVE, BROWN, BLACK = (
    "#0072B2",
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#7F7F7F",
    "#332288",
    "#882255",
    "#6B7A00",
    "#661100",
    "#111111",
)
KNOWN_ARMS = {
    "baseline": BLUE,
    "filtered": GREEN,
    "all": ORANGE,
    "random": PURPLE,
    "oversampled": SKY,
    "oversampled_more": OLIVE,
    "weighted": VERMILION,
    "again": GREY,
    "withheld": INDIGO,
    "restored": WINE,
    "theirs": BROWN,
}
SPARE = (OLIVE, BROWN, WINE, INDIGO, VERMILION, SKY, PURPLE, GREY, ORANGE, GREEN, BLUE, BLACK)
SPLITS = {"train": "#4C6A85", "validation": "#9DB4C8", "test": "#D9A441"}

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

Drawing = TypeVar("Drawing", bound=Callable)


def styled(function: Drawing) -> Drawing:
    """Draw with the report's style, whatever the caller's matplotlib settings are."""

    @functools.wraps(function)
    def drawn(*arguments, **options):
        with matplotlib.style.context(["default", STYLE]):
            return function(*arguments, **options)

    return drawn


def arm_colours(arms: Iterable[str]) -> dict[str, str]:
    """A colour per arm: the same for a known arm in every figure of every run, a spare one for any other."""
    arms = list(dict.fromkeys(arms))
    taken = {KNOWN_ARMS[arm] for arm in arms if arm in KNOWN_ARMS}
    spare = [colour for colour in SPARE if colour not in taken] or list(SPARE)
    strangers = [arm for arm in arms if arm not in KNOWN_ARMS]
    return {arm: KNOWN_ARMS.get(arm) or spare[strangers.index(arm) % len(spare)] for arm in arms}


def metric_name(metric: str, target: str = "") -> str:
    """The plain name of a metric's column: 'Macro recall' for macro_recall, 'Recall of mel' for target_recall of mel."""
    name = METRIC_NAMES.get(metric, metric.replace("_", " ").capitalize())
    return f"{name} of {target}" if target and metric.startswith("target_") else name


def metric_words(metric: str, target: str = "") -> str:
    """``metric_name`` as it stands within a sentence."""
    name = metric_name(metric, target)
    return name if name.startswith(("BMA", "F1", "ROC")) else name[0].lower() + name[1:]
