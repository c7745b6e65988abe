"""Metrics of confusion matrices in arrays, and how each image moves them.

scikit-learn gives the metrics of one model (``helpers.evaluation.metrics``). What it lacks stands here: the
same metrics of thousands of resampled matrices at once, whose counts need not be whole numbers, and their
derivatives. All arrays may carry leading axes (arms, replicates, resamples). Ratios whose denominator is zero
are 0, as scikit-learn's ``zero_division=0``.
"""

import numpy as np

CLASS_RATIOS = ("precision", "recall", "specificity", "f1")


def confusion_counts(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts (..., K, K), rows the labels, of class positions ``truth`` (n,) and ``predicted`` (..., n)."""
    predicted = np.asarray(predicted, dtype=np.int64)
    flat = predicted.reshape(-1, predicted.shape[-1])
    cells = (np.arange(len(flat))[:, None] * classes + truth) * classes + flat
    counts = np.bincount(cells.ravel(), minlength=len(flat) * classes**2)
    return counts.reshape(*predicted.shape[:-1], classes, classes)


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
    """Every metric of ``metrics.METRICS``, each of shape (...), from counts (..., K, K).

    ``target`` is the target's class position; without one, target_* is NaN.
    """
    hits = np.trace(confusion, axis1=-2, axis2=-1)
    return combined(_ratio(hits, confusion.sum(axis=(-2, -1))), class_ratios(confusion), target)


def combined(
    accuracy: np.ndarray, ratios: dict[str, np.ndarray], target: int | None
) -> dict[str, np.ndarray]:
    """Every metric of ``metrics.METRICS``, (...), from accuracy (...) and each class's ratios, (..., K)."""
    values = {"accuracy": accuracy}
    values |= of_means({name: ratios[name].mean(axis=-1) for name in CLASS_RATIOS})
    unknown = np.full(np.shape(accuracy), np.nan)
    for name in CLASS_RATIOS:
        values[f"target_{name}"] = unknown if target is None else ratios[name][..., target]
    return values


def of_means(means: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The metrics that follow from each of CLASS_RATIOS, averaged over the classes; also of their slopes.

    ``balanced_accuracy`` is macro recall, as the ISIC challenge defines it. ``paper_bma`` is the mean of
    macro recall and macro specificity, as the paper computes what it calls BMA (section 5.2).
    """
    values = {f"macro_{name}": means[name] for name in CLASS_RATIOS}
    values["paper_bma"] = (values["macro_recall"] + values["macro_specificity"]) / 2
    values["balanced_accuracy"] = values["macro_recall"]
    return values


def influences(confusion: np.ndarray, target: int | None) -> dict[str, np.ndarray]:
    """How one image more in each cell of the confusion matrix moves each metric: (..., K, K) per metric.

    These are the metrics' partial derivatives by the counts, hence the influence of an image with that label
    and prediction; they sum to zero over a sample's images, because a metric does not change when every count
    doubles. Keys: METRICS, and ``<ratio>_<position>`` for every class and each of CLASS_RATIOS.
    """
    total = confusion.sum(axis=(-2, -1))
    accuracy = _ratio(np.trace(confusion, axis1=-2, axis2=-1), total)
    slopes = _ratio_slopes(confusion)
    unit = np.eye(confusion.shape[-1])
    result = {"accuracy": _ratio(unit - accuracy[..., None, None], total[..., None, None])}
    result |= of_means({name: slopes[name].mean(axis=-3) for name in CLASS_RATIOS})
    if target is not None:
        result |= {f"target_{name}": slopes[name][..., target, :, :] for name in CLASS_RATIOS}
    result |= {f"{name}_{k}": slopes[name][..., k, :, :] for name in CLASS_RATIOS for k in range(len(unit))}
    return result


def _ratio_slopes(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Derivatives (..., K, K, K) of each class's ratios: axes class, label, prediction.

    A ratio of a numerator and a denominator that are sums of counts has the slope
    (step of the numerator - step of the denominator x the ratio) / denominator.
    """
    classes = confusion.shape[-1]
    unit = np.eye(classes)
    of_class, as_class = unit[:, :, None], unit[:, None, :]  # the label is the class; the prediction is
    ratios = class_ratios(confusion)
    support, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    negatives = confusion.sum(axis=(-2, -1))[..., None] - support
    steps = {
        "precision": (of_class * as_class, as_class, predicted),
        "recall": (of_class * as_class, of_class, support),
        "specificity": ((1 - of_class) * (1 - as_class), 1 - of_class, negatives),
        "f1": (2 * of_class * as_class, of_class + as_class, support + predicted),
    }
    slopes = {}
    for name, (numerator, denominator, count) in steps.items():
        share = np.broadcast_to(denominator, (classes,) * 3)
        slopes[name] = _ratio(numerator - share * ratios[name][..., None, None], count[..., None, None])
    return slopes


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotients, 0 where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), denominator)
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)
