"""The metrics of one model's predictions, computed by scikit-learn where it has them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.evaluation.confusion import CLASS_RATIOS, class_ratios, combined, confusion_counts
from helpers.evaluation.scores import SCORE_METRICS

METRICS = (
    "accuracy",
    "macro_precision",
    "macro_recall",
    "macro_specificity",
    "macro_f1",
    "paper_bma",
    "balanced_accuracy",
    "target_precision",
    "target_recall",
    "target_specificity",
    "target_f1",
)
PROBABILITY_METRICS = tuple(SCORE_METRICS)
COMPARED = (*METRICS, *PROBABILITY_METRICS)  # of which the evaluation makes intervals
RECALL_OF = "recall_"  # begins the name of the recall of a class: recall_df


def counted_metrics(
    truth: np.ndarray, predicted: np.ndarray, classes: int, target: int | None
) -> dict[str, Any]:
    """The metrics of METRICS of one model, and each of CLASS_RATIOS by class, (K,).

    ``truth`` and ``predicted`` (n,) are class positions, ``classes`` their number K. Ratios without images
    are 0; macro figures are means over all classes, absent ones included; target_* is NaN without a target.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, labels=np.arange(classes), zero_division=0
    )
    # scikit-learn has no specificity
    specificity = class_ratios(confusion_counts(truth, predicted, classes))["specificity"]
    ratios = dict(zip(CLASS_RATIOS, (precision, recall, specificity, f1), strict=True))
    return combined(np.asarray(accuracy_score(truth, predicted)), ratios, target) | ratios


def class_indices(labels: np.ndarray, classes: Sequence[Any]) -> np.ndarray:
    """Positions of ``labels`` in ``classes``; ValueError names the first that is not among them."""
    indices = pd.Index(list(classes)).get_indexer(pd.Index(labels))
    if (indices < 0).any():
        raise ValueError(
            f"the labels hold '{labels[np.argmax(indices < 0)]}', which is none of the classes "
            f"{', '.join(map(str, classes))}."
        )
    return indices
