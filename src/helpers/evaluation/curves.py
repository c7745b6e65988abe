"""Curves of each trained model's probabilities: calibration, ROC and precision-recall."""

import numpy as np
import pandas as pd

from helpers.evaluation.scores import CALIBRATION_BINS, calibration_bins
from helpers.evaluation.study import Study

CURVE_GRID = np.arange(101) / 100
CURVE_COLUMNS = ("arm", "replicate", "curve", "x", "y")
RELIABILITY_COLUMNS = (
    "arm",
    "replicate",
    "probability_of",
    "bin_from",
    "bin_to",
    "images",
    "probability",
    "frequency",
)


def reliability(study: Study) -> pd.DataFrame:
    """Probability and frequency in equal bins, by replicate; empty bins are left out.

    Of two events: that the predicted class is right, and that the image is of the target. scikit-learn's
    ``calibration_curve`` does not say how many images a bin has.
    """
    rows = []
    for arm, replicate in study.models:
        for name, (score, happened) in _events(study, arm, replicate).items():
            place = calibration_bins(score)
            for k in np.unique(place):
                inside = place == k
                ends = k / CALIBRATION_BINS, (k + 1) / CALIBRATION_BINS
                found = score[inside].mean(), happened[inside].mean()
                keys = study.arms[arm], study.replicates[replicate], name
                rows.append((*keys, *ends, int(inside.sum()), *found))
    return pd.DataFrame(rows, columns=RELIABILITY_COLUMNS)


def _events(study: Study, arm: int, replicate: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each image's probability of an event, and whether it happened."""
    probabilities = study.probabilities[arm, replicate]
    events = {"predicted class": (probabilities.max(axis=1), probabilities.argmax(axis=1) == study.truth)}
    if study.target is not None:
        events["target"] = probabilities[:, study.target], study.truth == study.target
    return events


def curves(study: Study) -> pd.DataFrame:
    """ROC and precision-recall curves of the target, by replicate, on one grid.

    ROC: x is 1 - specificity, y is sensitivity. Precision-recall: x is recall, y is precision. Empty without
    a target, or where all or none of the images are of it.
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    if study.target is None or len(np.unique(study.truth == study.target)) < 2:
        return pd.DataFrame(columns=CURVE_COLUMNS)
    positive, rows = study.truth == study.target, []
    for arm, replicate in study.models:
        score = study.probabilities[arm, replicate, :, study.target]
        false, true, _ = roc_curve(positive, score)
        precision, recall, _ = precision_recall_curve(positive, score)
        # the best threshold that still finds the share x: recall falls along its array
        at = np.searchsorted(-recall, -CURVE_GRID, side="right") - 1
        found = {"roc": np.interp(CURVE_GRID, false, true), "precision_recall": precision[at]}
        for name, y in found.items():
            keys = {"arm": study.arms[arm], "replicate": study.replicates[replicate], "curve": name}
            rows.append(pd.DataFrame({**keys, "x": CURVE_GRID, "y": y}))
    return pd.concat(rows, ignore_index=True)[list(CURVE_COLUMNS)]
