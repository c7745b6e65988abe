"""The metrics of one set of predictions, by the functions that the evaluation calls for each model."""

import numpy as np

from helpers.evaluation.confusion import CLASS_RATIOS
from helpers.evaluation.metrics import METRICS, class_indices, counted_metrics
from helpers.evaluation.scores import Scores, score_metrics


def metrics_of(labels, given, classes, target="mel", threshold=float("nan")) -> dict:
    """Each metric by its name, and the ratios of CLASS_RATIOS by class under ``per_class``.

    ``given`` are n predicted classes, or probabilities (n, K) in the order of ``classes``.
    """
    truth, given, classes = class_indices(np.asarray(labels), classes), np.asarray(given), list(classes)
    predicted = class_indices(given, classes) if given.ndim == 1 else given.argmax(axis=1)
    position = classes.index(target) if target in classes else None
    counted = counted_metrics(truth, predicted, len(classes), position)
    found = {name: float(counted[name]) for name in METRICS}
    found["per_class"] = {name: counted[name] for name in CLASS_RATIOS}
    if given.ndim == 2:
        scored = score_metrics(Scores(truth, given.astype(float), position, threshold))
        found |= {name: value for name, (value, _) in scored.items()}
    return found
