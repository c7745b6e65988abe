"""The metrics of one model's predictions, computed by scikit-learn where it has them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.evaluation.confusion import CLASS_RATIOS, class_ratios, combined, confusion_counts
from helpers.evaluation.scores import SCORE_METRICS, Scores, score_metrics

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


def classification_metrics(
    labels: Sequence[Any] | np.ndarray,
    probabilities_or_predictions: Sequence[Any] | np.ndarray | pd.DataFrame,
    classes: Sequence[Any] | None = None,
    target: Any = "mel",
    threshold: float = float("nan"),
) -> dict[str, Any]:
    """Metrics of one set of predictions.

    Args:
        labels: n true classes.
        probabilities_or_predictions: n predicted classes, or probabilities (n, K) in the order of
            ``classes``; a DataFrame's columns ``p_<class>`` or ``<class>`` name them.
        classes: the classes; None for the sorted classes that occur, or 0 .. K - 1 where labels are whole
            numbers and probabilities are given.
        target: the class of target_*, which is one-vs-rest, and NaN for an unknown target.
        threshold: the target's probability from which an image counts as found at the operating point.

    Returns floats named as METRICS (``counted_metrics``) and, with probabilities, PROBABILITY_METRICS
    (``helpers.evaluation.scores``); ``images`` (n); ``per_class`` (DataFrame: class, support, precision,
    recall, specificity, f1) and ``confusion`` (DataFrame of counts, rows the labels, columns the
    predictions).

    Raises ValueError for no labels, shapes that do not fit and labels outside ``classes``.
    """
    labels = _one_list(labels)
    scores, classes = _scores_and_classes(labels, probabilities_or_predictions, classes)
    truth = class_indices(labels, classes, "labels")
    if scores is None:
        predicted = class_indices(np.asarray(probabilities_or_predictions), classes, "predictions")
    else:
        predicted = scores.argmax(axis=1)
    if len(predicted) != len(truth):
        raise ValueError(
            f"there are {len(truth)} labels and {len(predicted)} predictions; they must be as many."
        )

    position = classes.index(target) if target in classes else None
    counted = counted_metrics(truth, predicted, len(classes), position)
    result: dict[str, Any] = {"images": len(truth)} | {name: float(counted[name]) for name in METRICS}
    if scores is not None:
        scored = score_metrics(Scores(truth, scores, position, threshold))
        result |= {name: value for name, (value, _) in scored.items()}
    return result | _by_class(truth, predicted, classes, counted)


def _by_class(
    truth: np.ndarray, predicted: np.ndarray, classes: Sequence[Any], counted: dict[str, Any]
) -> dict[str, pd.DataFrame]:
    """``per_class`` and ``confusion`` of ``classification_metrics``."""
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(truth, predicted, labels=range(len(classes)))
    ratios = {name: counted[name] for name in CLASS_RATIOS}
    rows, columns = (pd.Index(classes, name=name) for name in ("label", "prediction"))
    return {
        "per_class": pd.DataFrame({"class": classes, "support": counts.sum(axis=1), **ratios}),
        "confusion": pd.DataFrame(counts, index=rows, columns=columns),
    }


def _one_list(labels: Sequence[Any] | np.ndarray) -> np.ndarray:
    """The labels as an array; ValueError where they are no list of classes, or an empty one."""
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(f"labels must be one list of classes, not an array of shape {labels.shape}.")
    if not len(labels):
        raise ValueError("there is nothing to score: no label was given.")
    return labels


def _scores_and_classes(
    labels: np.ndarray, given: Any, classes: Sequence[Any] | None
) -> tuple[np.ndarray | None, list[Any]]:
    """Probabilities (None where predicted classes were given) and the list of classes."""
    if isinstance(given, pd.DataFrame):
        classes = [str(name).removeprefix("p_") for name in given.columns] if classes is None else classes
        given = given.to_numpy()
    array = np.asarray(given)
    if array.ndim == 1:
        found = sorted({*labels.tolist(), *array.tolist()}) if classes is None else list(classes)
        return None, found
    if array.ndim != 2:
        raise ValueError(
            "predictions must be n classes or probabilities (n, classes), not an array of shape "
            f"{array.shape}."
        )
    if classes is None:
        whole = np.issubdtype(labels.dtype, np.integer)
        classes = range(array.shape[1]) if whole else sorted(set(labels.tolist()))
    if len(classes) != array.shape[1]:
        raise ValueError(
            f"the probabilities have {array.shape[1]} columns and there are {len(classes)} classes; name "
            "them with 'classes'."
        )
    return array.astype(float), list(classes)


def class_indices(values: np.ndarray, classes: Sequence[Any], what: str = "values") -> np.ndarray:
    """Positions of ``values`` in ``classes``; ValueError names the first that is not among them."""
    indices = pd.Index(list(classes)).get_indexer(pd.Index(values))
    if (indices < 0).any():
        raise ValueError(
            f"the {what} hold {values[np.argmax(indices < 0)]!r}, which is none of the classes "
            f"{', '.join(map(str, classes))}."
        )
    return indices
