"""Do the answers hold for every group of patients that the metadata name? By age, sex and site of the lesion.

All of it is exploratory: with so many intervals some exclude 0 by chance. Skin tone is in no metadata of
HAM10000 and is not estimated from pixels.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.evaluation.inference import Inference
from helpers.evaluation.study import Study
from helpers.evaluation.tables import method
from helpers.params import Params

FEWEST = 20  # images of the target without which a group is counted and not judged
AGES = {"under 40": (0, 40), "40 to 59": (40, 60), "60 and over": (60, np.inf)}  # years
METRICS = ("target_recall", "target_specificity", "target_roc_auc")
FIRST = ("kind", "group", "images", "target_images")
OWN = ("arm", "metric", "mean", "low", "high")
CHANGE = ("difference", "difference_low", "difference_high", "replicates", "method")
CONTRAST = ("arm", "reference", "metric", "difference", "low", "high", "replicates", "method")


def subgroups(studies: Sequence[Study], params: Params) -> dict[str, pd.DataFrame]:
    """Recall and specificity of the target and its area under the ROC curve in each group, as two tables.

    ``subgroups``: a row is a group, an arm and a metric of METRICS: mean with its interval, and the
    difference from the reference with its own, each over the group's test images alone, at the trainings'
    own thresholds. Shares are in 0..1; ``images`` and ``target_images`` count what one deal of the split
    tests. A group with fewer than FEWEST images of the target has one row without an arm.

    ``subgroup_contrasts``: the differences of the run's contrasts, those named beforehand and those that
    every run makes, between two other arms than the reference; those with it stand in ``subgroups``.
    """
    rows: list[dict[str, Any]] = []
    contrasts: list[dict[str, Any]] = []
    for kind, group, within in _groups(studies):
        counts = _counts(within, params)
        first: dict[str, Any] = {"kind": kind, "group": group, **counts}
        tested = len(within) == len(studies)  # in every part of the split
        if counts["target_images"] < FEWEST or not tested or studies[0].target is None:
            rows.append(first | {"arm": "", "metric": "", "method": "too few"})
            continue
        inference = Inference(within, params)
        rows += [first | row for row in _by_arm(inference)]
        contrasts += [first | row for row in _between_arms(inference)]
    return {
        "subgroups": pd.DataFrame(rows, columns=[*FIRST, *OWN, *CHANGE]),
        "subgroup_contrasts": pd.DataFrame(contrasts, columns=[*FIRST, *CONTRAST]),
    }


def _groups(studies: Sequence[Study]) -> Iterator[tuple[str, str, list[Study]]]:
    """Kind, name and the studies' images of every group that has any; what is not known is in none."""
    ages = [pd.to_numeric(study.metadata["age"], errors="coerce").to_numpy(float) for study in studies]
    for name, (least, below) in AGES.items():
        inside = [(age >= least) & (age < below) for age in ages]
        if any(each.any() for each in inside):
            yield "age", name, _within(studies, inside)
    for kind, column in (("sex", "sex"), ("site", "localization")):
        texts = [study.metadata[column].astype(object).fillna("").astype(str).to_numpy() for study in studies]
        counts = pd.Series(np.concatenate(texts)).value_counts()
        for name in counts.index:
            if name and name != "unknown":
                yield kind, name, _within(studies, [text == name for text in texts])


def _within(studies: Sequence[Study], inside: Sequence[np.ndarray]) -> list[Study]:
    """The studies' images of a group; parts of the split that test none of it are left out."""
    pairs = zip(studies, inside, strict=True)
    return [study.within(images) for study, images in pairs if images.any()]


def _counts(studies: Sequence[Study], params: Params) -> dict[str, int]:
    deals = params.data.split.repeats  # each tests every image once
    targets = sum(int((study.truth == study.target).sum()) for study in studies)
    return {
        "images": sum(len(study.truth) for study in studies) // deals,
        "target_images": targets // deals,
    }


def _by_arm(inference: Inference) -> Iterator[dict[str, Any]]:
    """A row for each arm and metric that all of a group's trainings have."""
    reference = inference.params.evaluation.reference
    means = inference.arms().set_index(["arm", "metric"])
    for arm in inference.study.arms:
        for metric in METRICS:
            if metric not in inference.values:
                continue
            mean = means.loc[(arm, metric)]
            row = {"arm": arm, "metric": metric, **mean[["mean", "low", "high", "replicates", "method"]]}
            if arm != reference:
                found = inference.difference(arm, reference, metric)
                ends = np.clip([found.low, found.high], -1, 1)
                row |= {"difference": float(found.estimate), "difference_low": ends[0]}
                row |= {"difference_high": ends[1]}
            yield row


def _between_arms(inference: Inference) -> Iterator[dict[str, Any]]:
    """A row for each metric of each contrast that the run makes between two other arms than the reference."""
    for arm, other in inference.between_other_arms:
        for metric in METRICS:
            if metric in inference.values:
                found = inference.difference(arm, other, metric)
                low, high = np.clip([found.low, found.high], -1, 1)
                values = (arm, other, metric, found.estimate, low, high, found.replicates, method(found))
                yield dict(zip(CONTRAST, values, strict=True))
