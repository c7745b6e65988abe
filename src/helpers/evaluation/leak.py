"""What a split by image leaks: recall on test lesions that were trained on and on those that were not."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.evaluation.intervals import paired_difference
from helpers.evaluation.study import Study
from helpers.evaluation.tables import method

MINIMUM_LESIONS = 5  # of a kind, for an interval of the leak: fewer do not tell how lesions differ
SEEN, UNSEEN = 1, 0  # values of Study.seen
NUMBERS = ("seen_recall", "unseen_recall", "difference", "low", "high")
COLUMNS = ("arm", "class", "seen_images", "unseen_images", *NUMBERS, "replicates", "method")


@dataclass(frozen=True)
class _Group:
    """Images: their number, that of their lesions, recall (A, R), each image's influence on it (A, R, n)."""

    images: int
    lesions: int
    recall: np.ndarray
    influence: np.ndarray


def leak(study: Study, confidence: float) -> pd.DataFrame:
    """Recall on seen and unseen test lesions, within each class, and their difference with its interval.

    The two groups differ in their mix of classes, so only within a class do they compare; ``mean of classes``
    weighs those classes alike that have MINIMUM_LESIONS of either kind. Empty where no lesion is known or one
    kind is absent.
    """
    both = [k for k in range(len(study.classes)) if {SEEN, UNSEEN} <= set(study.seen[study.truth == k])]
    groups = {k: [_group(study, k, seen) for seen in (SEEN, UNSEEN)] for k in both}
    parts = {study.classes[k]: [groups[k]] for k in both}
    enough = [k for k in both if min(group.lesions for group in groups[k]) >= MINIMUM_LESIONS]
    if enough:
        parts["mean of classes"] = [groups[k] for k in enough]
    rows = [
        (arm, name, *_gap(study, index, part, confidence))
        for index, arm in enumerate(study.arms)
        for name, part in parts.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(NUMBERS, float))


def _group(study: Study, position: int, seen: int) -> _Group:
    """The images of one class whose lesions were, or were not, trained on."""
    inside = (study.truth == position) & (study.seen == seen)
    right = (study.predicted == study.truth).astype(float)
    recall = right[..., inside].mean(axis=-1)
    return _Group(
        images=int(inside.sum()),
        lesions=len(np.unique(study.lesion[inside])),
        recall=recall,
        influence=np.where(inside, right - recall[..., None], 0.0) / inside.sum(),
    )


def _gap(study: Study, index: int, classes: list[list[_Group]], confidence: float) -> tuple:
    """A row of ``leak`` without its first two columns; ``classes`` (seen, unseen) are averaged."""
    kinds = list(zip(*classes, strict=True))
    values = [np.mean([group.recall[index] for group in kind], axis=0) for kind in kinds]
    influence = [
        study.of_lesions(np.mean([group.influence[index] for group in kind], axis=0)) for kind in kinds
    ]
    lesion_seen = study.seen[np.unique(study.lesion, return_index=True)[1]]
    strata = 2 * study.strata + (lesion_seen == SEEN)
    found = paired_difference(values[0], values[1], influence[0], influence[1], strata, confidence)
    low, high, how = float(found.low), float(found.high), method(found)
    fewest = min(group.lesions for kind in kinds for group in kind)
    if np.isfinite(found.low) and fewest < MINIMUM_LESIONS:
        low, high, how = np.nan, np.nan, f"fewer than {MINIMUM_LESIONS} lesions of a kind"
    images = [sum(group.images for group in kind) for kind in kinds]
    recall = [value.mean() for value in values]
    return *images, *recall, found.estimate, low, high, found.replicates, how
