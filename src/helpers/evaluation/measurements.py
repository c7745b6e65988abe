"""Every metric of every model of a study, and each lesion's influence on it: the basis of all intervals."""

from dataclasses import dataclass

import numpy as np

from helpers.evaluation.confusion import CLASS_RATIOS, influences
from helpers.evaluation.metrics import METRICS, RECALL_OF, counted_metrics
from helpers.evaluation.scores import Scored, Scores, score_metrics
from helpers.evaluation.study import Study

CLASS_METRICS = (*CLASS_RATIOS, "roc_auc", "average_precision")


@dataclass(frozen=True)
class Measurements:
    """Metrics by name: METRICS, PROBABILITY_METRICS, and ``<metric>_<class>`` for CLASS_METRICS.

    ``values`` (A, R) of each model; NaN, or a ratio of 0, where the images do not define the metric.
    ``influence`` (A, R, L) of each lesion on it, only for metrics that are defined in every model.
    """

    values: dict[str, np.ndarray]
    influence: dict[str, np.ndarray]


def measure(study: Study) -> Measurements:
    """All metrics of all models; scikit-learn need not check the same arrays for each of them."""
    from sklearn import config_context

    with config_context(assume_finite=True, skip_parameter_validation=True):
        values, influence = _counted(study)
        scored, scored_influence = _scored(study)
    return Measurements(values | scored, influence | scored_influence)


def _counted(study: Study) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Metrics of the confusion matrix, and their influences where they are defined.

    An external test set may lack a class: there is no ratio of a class without images, nor of such a target.
    Where all images are of one class, it has no specificity, and there is no macro mean of specificities.
    """
    models = [
        counted_metrics(study.truth, study.predicted[pair], len(study.classes), study.target)
        for pair in study.models
    ]
    found = {
        name: np.reshape([model[name] for model in models], (*study.shape, *np.shape(models[0][name])))
        for name in models[0]
    }
    slopes = influences(study.confusion, study.target)
    present = np.unique(study.truth)
    # balanced accuracy is over the classes that have images
    slopes["balanced_accuracy"] = np.mean([slopes[f"{RECALL_OF}{k}"] for k in present], axis=0)
    absent = undefined(present, study.target)
    values = {name: found[name] for name in METRICS}
    places = {name: name for name in METRICS if name in slopes and name not in absent}
    for ratio in CLASS_RATIOS:
        for k, each in enumerate(study.classes):
            values[f"{ratio}_{each}"] = found[ratio][..., k]
        if ratio != "specificity" or len(present) > 1:
            places |= {f"{ratio}_{study.classes[k]}": f"{ratio}_{k}" for k in present}
    return values, {
        name: study.of_lesions(_at_images(slopes[place], study)) for name, place in places.items()
    }


def undefined(present: np.ndarray, target: int | None) -> set[str]:
    """The metrics of METRICS that images of the classes ``present`` (positions) do not define."""
    found = set() if target in present else {"target_precision", "target_recall", "target_f1"}
    if len(present) == 1:
        found |= {"macro_specificity", "paper_bma"} | ({"target_specificity"} if target in present else set())
    return found


def _at_images(slopes: np.ndarray, study: Study) -> np.ndarray:
    """Influence (A, R, n) of each image from slopes (A, R, K, K)."""
    arm, replicate = np.ogrid[: len(study.arms), : len(study.replicates)]
    return slopes[arm[..., None], replicate[..., None], study.truth, study.predicted]


def _scored(study: Study) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Metrics of the probabilities, model by model, and their influences where they are defined."""
    values: dict[str, list[float]] = {}
    influence: dict[str, list[np.ndarray]] = {}
    for pair in study.models:
        for name, (value, by_image) in _scores_of(study, pair).items():
            values.setdefault(name, []).append(value)
            influence.setdefault(name, []).append(study.of_lesions(by_image))
    arrays = {name: np.reshape(found, study.shape) for name, found in values.items()}
    return arrays, {
        name: np.reshape(influence[name], (*study.shape, -1))
        for name, found in arrays.items()
        if np.isfinite(found).all()
    }


def _scores_of(study: Study, pair: tuple[int, int]) -> dict[str, Scored]:
    scores = Scores(study.truth, study.probabilities[pair], study.target, study.thresholds[pair])
    found = score_metrics(scores)
    for metric in ("roc_auc", "average_precision"):
        by_class = getattr(scores, metric)
        found |= {f"{metric}_{name}": one for name, one in zip(study.classes, by_class, strict=True)}
    return found
