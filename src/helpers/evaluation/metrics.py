"""What a classifier's predictions are worth: every metric from one confusion matrix.

All arrays may carry leading axes (arms, replicates, resamples), so that a whole study is one call.
Ratios whose denominator is zero are 0, as scikit-learn's ``zero_division=0``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

CLASS_RATIOS = ("precision", "recall", "specificity", "f1")
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
PROBABILITY_METRICS = (
    "target_roc_auc",
    "target_average_precision",
    "target_operating_recall",
    "target_operating_specificity",
    "target_calibration_error",
    "macro_roc_auc",
    "macro_average_precision",
    "calibration_error",
    "brier_score",
)
LOWER_IS_BETTER = ("target_calibration_error", "calibration_error", "brier_score")
CALIBRATION_BINS = 10


def classification_metrics(
    labels: Sequence[Any] | np.ndarray,
    probabilities_or_predictions: Sequence[Any] | np.ndarray | pd.DataFrame,
    classes: Sequence[Any] | None = None,
    target: Any = "mel",
    threshold: float = float("nan"),
) -> dict[str, Any]:
    """Metrics of one set of predictions.

    ``labels`` holds n true classes. The second argument is either n predicted classes or
    probabilities (n, K) in the order of ``classes``; a DataFrame's columns ``p_<class>`` or
    ``<class>`` name them. Without ``classes`` they are the sorted classes that occur, or
    0 .. K - 1 where labels are whole numbers and probabilities are given.

    Returns a dict of floats in 0..1 named as METRICS (and, with probabilities, PROBABILITY_METRICS, which
    ``probability_metrics`` defines; ``threshold`` is the target's probability from which an image counts as found at the operating point),
    ``images`` (n), ``per_class`` (DataFrame: class, support, precision, recall, specificity, f1) and
    ``confusion`` (DataFrame of counts, rows the labels, columns the predictions). Macro figures are
    means over ``classes``, absent ones included. ``balanced_accuracy`` is macro recall, as the ISIC
    challenge defines it; ``paper_bma`` is (macro recall + macro specificity) / 2, as the paper
    computes what it calls BMA (section 5.2). ``target_*`` are one-vs-rest, NaN for an unknown target.

    Raises ValueError for no labels, shapes that do not fit and labels outside ``classes``.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(f"labels must be one list of classes, not an array of shape {labels.shape}.")
    if not len(labels):
        raise ValueError("there is nothing to score: no label was given.")
    scores, classes = _scores_and_classes(labels, probabilities_or_predictions, classes)
    truth = class_indices(labels, classes, "labels")
    predicted = (
        class_indices(np.asarray(probabilities_or_predictions), classes, "predictions")
        if scores is None
        else scores.argmax(axis=1)
    )
    if len(predicted) != len(truth):
        raise ValueError(
            f"there are {len(truth)} labels and {len(predicted)} predictions; they must be as many."
        )

    position = classes.index(target) if target in classes else None
    confusion = confusion_counts(truth, predicted, len(classes))
    result: dict[str, Any] = {"images": len(truth)}
    result |= {name: float(value) for name, value in summarise(confusion, position).items()}
    if scores is not None:
        result |= {
            name: value
            for name, (value, _) in probability_metrics(truth, scores, position, threshold).items()
        }
    result["per_class"] = pd.DataFrame(
        {"class": classes, "support": confusion.sum(axis=1), **class_ratios(confusion)}
    )
    result["confusion"] = pd.DataFrame(
        confusion, index=pd.Index(classes, name="label"), columns=pd.Index(classes, name="prediction")
    )
    return result


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
            f"predictions must be n classes or probabilities (n, classes), not an array of shape {array.shape}."
        )
    if classes is None:
        whole = np.issubdtype(labels.dtype, np.integer)
        classes = range(array.shape[1]) if whole else sorted(set(labels.tolist()))
    if len(classes) != array.shape[1]:
        raise ValueError(
            f"the probabilities have {array.shape[1]} columns and there are {len(classes)} classes; name them with 'classes'."
        )
    return array.astype(float), list(classes)


def class_indices(values: np.ndarray, classes: Sequence[Any], what: str = "values") -> np.ndarray:
    """Positions of ``values`` in ``classes``; ValueError names the first that is not among them."""
    indices = pd.Index(list(classes)).get_indexer(pd.Index(values))
    if (indices < 0).any():
        raise ValueError(
            f"the {what} hold {values[np.argmax(indices < 0)]!r}, which is none of the classes {', '.join(map(str, classes))}."
        )
    return indices


def confusion_counts(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts (..., K, K), rows the labels, of class positions ``truth`` (n,) and ``predicted`` (..., n)."""
    predicted = np.asarray(predicted, dtype=np.int64)
    flat = predicted.reshape(-1, predicted.shape[-1])
    cells = (np.arange(len(flat))[:, None] * classes + truth) * classes + flat
    counts = np.bincount(cells.ravel(), minlength=len(flat) * classes**2)
    return counts.reshape(*predicted.shape[:-1], classes, classes)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotients, 0 where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), denominator)
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)


def class_ratios(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall, specificity and F1 of every class, each (..., K), from counts (..., K, K)."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    support, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    negatives = confusion.sum(axis=(-2, -1))[..., None] - support
    return {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, support),
        "specificity": _ratio(negatives - (predicted - hits), negatives),
        "f1": _ratio(2 * hits, support + predicted),
    }


def summarise(confusion: np.ndarray, target: int | None) -> dict[str, np.ndarray]:
    """Every metric of METRICS, each of shape (...), from counts (..., K, K); NaN target_* without a target."""
    hits = np.trace(confusion, axis1=-2, axis2=-1)
    ratios = class_ratios(confusion)
    values = {"accuracy": _ratio(hits, confusion.sum(axis=(-2, -1)))}
    values |= {f"macro_{name}": ratios[name].mean(axis=-1) for name in CLASS_RATIOS}
    values["paper_bma"] = (values["macro_recall"] + values["macro_specificity"]) / 2
    values["balanced_accuracy"] = values["macro_recall"]
    for name in CLASS_RATIOS:
        values[f"target_{name}"] = (
            ratios[name][..., target] if target is not None else np.full(hits.shape, np.nan)
        )
    return values


def influences(confusion: np.ndarray, target: int | None) -> dict[str, np.ndarray]:
    """How one image more in each cell of the confusion matrix moves each metric: (..., K, K) per metric.

    These are the metrics' partial derivatives by the counts, hence the influence of an image with
    that label and prediction; they sum to zero over a sample's images, because a metric does not
    change when every count doubles. Keys: METRICS, and ``<ratio>_<position>`` for every class and each of CLASS_RATIOS.
    """
    classes = confusion.shape[-1]
    unit = np.eye(classes)
    row, column = unit[:, :, None], unit[:, None, :]  # [k, label, prediction]: label is k; prediction is k
    ratios = class_ratios(confusion)
    support, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    total = confusion.sum(axis=(-2, -1))

    def per_class(
        gain: np.ndarray, share: np.ndarray, value: np.ndarray, denominator: np.ndarray
    ) -> np.ndarray:
        return _ratio(gain - share * value[..., None, None], denominator[..., None, None])

    slopes = {
        "precision": per_class(
            row * column, np.broadcast_to(column, (classes,) * 3), ratios["precision"], predicted
        ),
        "recall": per_class(row * column, np.broadcast_to(row, (classes,) * 3), ratios["recall"], support),
        "specificity": per_class(
            (1 - row) * (1 - column),
            np.broadcast_to(1 - row, (classes,) * 3),
            ratios["specificity"],
            total[..., None] - support,
        ),
        "f1": per_class(2 * row * column, row + column, ratios["f1"], support + predicted),
    }
    accuracy = _ratio(np.trace(confusion, axis1=-2, axis2=-1), total)
    result = {"accuracy": _ratio(unit - accuracy[..., None, None], total[..., None, None])}
    result |= {f"macro_{name}": slopes[name].mean(axis=-3) for name in CLASS_RATIOS}
    result["paper_bma"] = (result["macro_recall"] + result["macro_specificity"]) / 2
    result["balanced_accuracy"] = result["macro_recall"]
    if target is not None:
        result |= {f"target_{name}": slopes[name][..., target, :, :] for name in CLASS_RATIOS}
    result |= {f"{name}_{k}": slopes[name][..., k, :, :] for name in CLASS_RATIOS for k in range(classes)}
    return result


# --- from probabilities -------------------------------------------------------------------------

Scored = tuple[float, np.ndarray]  # a metric, and the influence (n,) of each image on it


def probability_metrics(
    truth: np.ndarray, probabilities: np.ndarray, target: int | None, threshold: float = float("nan")
) -> dict[str, Scored]:
    """Every metric of PROBABILITY_METRICS with each image's influence on it, for one model.

    ``truth`` (n,) class positions, ``probabilities`` (n, K). ``threshold``: the target's probability of the operating point, found on
    other images (``operating_threshold``); NaN leaves those two metrics NaN. Macro areas are means over the classes that have images and are
    not alone. ``calibration_error``: the probability of the predicted class against how often it is right; ``target_calibration_error``: the
    target's probability against how often it is the target. ``brier_score``: squared distance to the truth, summed over classes (0..2).
    """
    n, classes = probabilities.shape
    unknown = (float("nan"), np.full(n, np.nan))
    areas = [
        (_area(truth == k, probabilities[:, k]), _precision(truth == k, probabilities[:, k]))
        for k in range(classes)
    ]
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    found = dict.fromkeys(PROBABILITY_METRICS, unknown)
    found["macro_roc_auc"], found["macro_average_precision"] = (
        _mean_of_known(column) for column in zip(*areas, strict=True)
    )
    found["calibration_error"] = calibration_error(right, confidence)
    found["brier_score"] = _mean(((probabilities - np.eye(classes)[truth]) ** 2).sum(axis=1))
    if target is not None:
        positive, score = truth == target, probabilities[:, target]
        found["target_roc_auc"], found["target_average_precision"] = areas[target]
        found["target_calibration_error"] = calibration_error(positive, score)
        if np.isfinite(threshold):
            found["target_operating_recall"] = _mean(score >= threshold, positive)
            found["target_operating_specificity"] = _mean(score < threshold, ~positive)
    return found


def _mean(values: np.ndarray, inside: np.ndarray | None = None) -> Scored:
    """Mean of ``values`` over the images ``inside`` (None: all), NaN over none."""
    inside = np.ones(len(values), bool) if inside is None else inside
    if not inside.any():
        return float("nan"), np.full(len(values), np.nan)
    mean = float(values[inside].mean())
    return mean, np.where(inside, values - mean, 0.0) / inside.sum()


def _mean_of_known(parts: Sequence[Scored]) -> Scored:
    known = [part for part in parts if np.isfinite(part[0])]
    if not known:
        return float("nan"), np.full(len(parts[0][1]), np.nan)
    return float(np.mean([value for value, _ in known])), np.mean(
        [influence for _, influence in known], axis=0
    )


def _area(positive: np.ndarray, score: np.ndarray) -> Scored:
    return roc_auc(positive, score), roc_auc_influence(positive, score)


def _precision(positive: np.ndarray, score: np.ndarray) -> Scored:
    return average_precision(positive, score), average_precision_influence(positive, score)


def class_areas(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, list[Scored]]:
    """Areas under the ROC and precision-recall curves of every class against the rest, by position: roc_auc, average_precision."""
    columns = [(truth == k, probabilities[:, k]) for k in range(probabilities.shape[1])]
    return {
        "roc_auc": [_area(*column) for column in columns],
        "average_precision": [_precision(*column) for column in columns],
    }


def operating_threshold(negative_scores: np.ndarray, specificity: float) -> float:
    """The least threshold under which at least the share ``specificity`` of ``negative_scores`` lies; NaN without scores."""
    if not len(negative_scores):
        return float("nan")
    # a share of 0.95 of 20 must not become 20 by a rounding error
    under = max(1, int(np.ceil(specificity * len(negative_scores) - 1e-9)))
    return float(np.nextafter(np.sort(negative_scores)[under - 1], np.inf))


def calibration_bins(score: np.ndarray, bins: int = CALIBRATION_BINS) -> np.ndarray:
    """Position of the equal bin of 0..1 that each probability lies in; 1 belongs to the last."""
    return np.clip((np.asarray(score) * bins).astype(int), 0, bins - 1)


def calibration_error(happened: np.ndarray, score: np.ndarray, bins: int = CALIBRATION_BINS) -> Scored:
    """Expected calibration error: mean distance of probability and frequency over equal bins, each weighted by its images, with its influence.

    In small samples it is too large, the more so the more bins have few images; two arms share most of that. Source: Naeini, Cooper and
    Hauskrecht, AAAI 29:2901 (2015).
    """
    place, gap = calibration_bins(score, bins), score - happened
    sums = np.bincount(place, weights=gap, minlength=bins)
    error = float(np.abs(sums).sum() / len(score))
    return error, (np.sign(sums)[place] * gap - error) / len(score)


def net_benefit(
    positive: np.ndarray, score: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Net benefit (..., T) of acting from each threshold probability on, and each image's influence on it (..., T, n).

    ``positive`` (n,), ``score`` (..., n), ``thresholds`` (T,) in 0..1. It is the share of true positives less the share of false positives
    times the odds of the threshold, per image; acting on nobody has 0. Source: Vickers and Elkin, Med Decis Making 26:565 (2006).
    """
    gain = np.where(positive, 1.0, -(thresholds / (1 - thresholds))[:, None])
    gain = np.where(score[..., None, :] >= thresholds[:, None], gain, 0.0)
    benefit = gain.mean(axis=-1)
    return benefit, (gain - benefit[..., None]) / len(positive)


def _placements(positive: np.ndarray, score: np.ndarray) -> np.ndarray:
    """For each image the share of images of the other kind that it is ranked rightly against (ties half)."""
    above, below = np.sort(score[positive]), np.sort(score[~positive])

    def share_under(values: np.ndarray, others: np.ndarray) -> np.ndarray:
        return (np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")) / (
            2 * len(others)
        )

    placed = np.empty(len(score))
    placed[positive] = share_under(score[positive], below)
    placed[~positive] = 1 - share_under(score[~positive], above)
    return placed


def roc_auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve in 0..1; NaN where one of the two kinds is absent."""
    if positive.all() or not positive.any():
        return float("nan")
    return float(_placements(positive, score)[positive].mean())


def roc_auc_influence(positive: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Influence (n,) of each image on the area under the ROC curve (DeLong et al., Biometrics 44:837, 1988)."""
    if positive.all() or not positive.any():
        return np.full(len(score), np.nan)
    placed = _placements(positive, score)
    centred = placed - placed[positive].mean()
    return np.where(positive, centred / positive.sum(), centred / (~positive).sum())


def average_precision(positive: np.ndarray, score: np.ndarray) -> float:
    """Average precision (the area under the step-wise precision-recall curve); NaN without positives."""
    if not positive.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last_of_tie = np.append(ordered[1:] != ordered[:-1], True)
    hits = np.cumsum(positive[order])[last_of_tie]
    ranks = np.flatnonzero(last_of_tie) + 1
    return float(np.sum(np.diff(hits, prepend=0) * hits / ranks) / positive.sum())


def average_precision_influence(positive: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Influence (n,) of each image on the average precision: its derivative by the image's weight; NaN without positives."""
    if not positive.any():
        return np.full(len(score), np.nan)
    levels, level = np.unique(-score, return_inverse=True)  # descending scores, ties together
    hits = np.bincount(level, weights=positive, minlength=len(levels))
    ranked, found = np.cumsum(np.bincount(level, minlength=len(levels))), np.cumsum(hits)
    precision, positives = found / ranked, positive.sum()
    area = (hits * precision).sum() / positives
    # an image ranked at a level or above changes the precision there: up by a positive, down by any
    up, down = (np.cumsum((hits * factor / ranked)[::-1])[::-1] for factor in (1.0, precision))
    return (np.where(positive, (precision[level] - area) + up[level], 0.0) - down[level]) / positives
