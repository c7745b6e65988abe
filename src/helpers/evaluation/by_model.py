"""Tables with rows for each trained model: its metrics, its classes and its confusion matrix."""

import numpy as np
import pandas as pd

from helpers.evaluation.confusion import CLASS_RATIOS, class_ratios, confusion_counts, of_means, summarise
from helpers.evaluation.measurements import CLASS_METRICS, Measurements, undefined
from helpers.evaluation.metrics import METRICS, PROBABILITY_METRICS
from helpers.evaluation.study import Study

KEYS = ("arm", "replicate", "lesions")


def metrics(study: Study, measurements: Measurements) -> pd.DataFrame:
    """Every metric of every replicate of every arm; NaN where the test images do not define it."""
    names = (*METRICS, *PROBABILITY_METRICS)
    values = {name: measurements.values[name].ravel() for name in names}
    return pd.DataFrame(
        {
            **_keys(study),
            "images": len(study.truth),
            **values,
            "operating_threshold": study.thresholds.ravel(),
        }
    )


def per_class(study: Study, measurements: Measurements) -> pd.DataFrame:
    """CLASS_METRICS and the number of images of every class."""
    by_class = {
        metric: np.stack([measurements.values[f"{metric}_{name}"] for name in study.classes], axis=-1)
        for metric in CLASS_METRICS
    }
    return _class_rows(study, by_class, study.truth)


def _class_rows(study: Study, by_class: dict[str, np.ndarray], truth: np.ndarray) -> pd.DataFrame:
    """A row per model and class of metrics (A, R, K) over images of the classes ``truth``."""
    models, classes = len(study.models), len(study.classes)
    support = np.bincount(truth, minlength=classes)
    columns = {"class": np.tile(study.classes, models), "support": np.tile(support, models)}
    values = {name: found.ravel() for name, found in by_class.items()}
    return pd.DataFrame({**_keys(study, classes), **columns, **values})


def confusion(study: Study) -> pd.DataFrame:
    """Counts of images by label and prediction."""
    models, classes = len(study.models), len(study.classes)
    columns = {
        "label": np.tile(np.repeat(study.classes, classes), models),
        "prediction": np.tile(study.classes, models * classes),
    }
    return pd.DataFrame({**_keys(study, classes**2), **columns, "count": study.confusion.ravel()})


def by_lesion(study: Study) -> dict[str, pd.DataFrame]:
    """Metrics over test images of seen and of unseen lesions; macro figures over the classes present there.

    The two groups differ in their mix of classes, so only within a class do they compare. Where no lesion is
    known, the tables have their columns and no row.
    """
    first = ("images", "classes", "target_images")
    overall = [pd.DataFrame(columns=[*KEYS, *first, *METRICS])]
    within = [pd.DataFrame(columns=[*KEYS, "class", "support", *CLASS_RATIOS])]
    for name, value in (("seen", 1), ("unseen", 0)):
        inside = study.seen == value
        if inside.any():
            everything, classes = _over(study, inside, name)
            overall.append(everything)
            within.append(classes)
    return {
        "metrics_by_lesion": _stacked(overall),
        "per_class_by_lesion": _stacked(within),
    }


def _over(study: Study, inside: np.ndarray, lesions: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``by_lesion`` of one group of images: over all classes, and within each."""
    truth = study.truth[inside]
    support = np.bincount(truth, minlength=len(study.classes))
    present = support > 0
    counts = confusion_counts(truth, study.predicted[..., inside], len(study.classes))
    ratios, found = class_ratios(counts), summarise(counts, study.target)
    found |= of_means({name: ratios[name][..., present].mean(axis=-1) for name in CLASS_RATIOS})
    for name in undefined(np.flatnonzero(present), study.target):
        found[name] = np.full(np.shape(found[name]), np.nan)
    keys = {
        "lesions": lesions,
        "images": len(truth),
        "classes": int(present.sum()),
        "target_images": 0 if study.target is None else int(support[study.target]),
    }
    overall = pd.DataFrame({**_keys(study), **keys, **{name: found[name].ravel() for name in METRICS}})
    within = _class_rows(study, ratios, truth)
    within.insert(2, "lesions", lesions)
    return overall, within[within["support"] > 0]


def _stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """The frames one below the other; the first has the columns and no row."""
    return pd.concat(frames[1:], ignore_index=True)[list(frames[0])] if frames[1:] else frames[0]


def _keys(study: Study, repeat: int = 1) -> dict[str, np.ndarray]:
    """Columns arm and replicate, each model ``repeat`` times."""
    arms, replicates = zip(*((study.arms[a], study.replicates[r]) for a, r in study.models), strict=True)
    return {"arm": np.repeat(arms, repeat), "replicate": np.repeat(replicates, repeat)}
