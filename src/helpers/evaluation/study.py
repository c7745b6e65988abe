"""A run's predictions as arrays: what every number of the evaluation is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
import pandas as pd

from helpers.data.manifest import load_split
from helpers.errors import DataError
from helpers.evaluation.confusion import confusion_counts
from helpers.evaluation.metrics import class_indices
from helpers.evaluation.predictions import (
    classes_of,
    probabilities_of,
    read_external_predictions,
    read_predictions,
)
from helpers.evaluation.scores import operating_threshold
from helpers.params import Params
from helpers.paths import RunPaths

KNOWN = ("age", "sex", "localization")  # of a photograph, for the groups of patients


@dataclass(frozen=True)
class Study:
    """Predictions of one set of images as arrays: A arms, R replicates, n images of L lesions, K classes.

    A study of folds is a list of these, one for each part of the split, with the replicates of that part.

    ``seen``: 1 if the image's lesion is in the training set, 0 if not, -1 if that is unknown. ``thresholds``:
    the target's probability at the operating point, from validation images; NaN without a target.
    """

    arms: list[str]
    replicates: list[int]
    classes: list[str]
    target: int | None
    truth: np.ndarray  # (n,) class positions
    probabilities: np.ndarray  # (A, R, n, K)
    lesion: np.ndarray  # (n,) lesion positions
    lesion_names: np.ndarray  # (L,) texts
    seen: np.ndarray  # (n,)
    thresholds: np.ndarray  # (A, R)
    metadata: pd.DataFrame  # (n,) rows with the columns age (years), sex and localization, as far as known

    @property
    def shape(self) -> tuple[int, int]:
        """A and R."""
        return len(self.arms), len(self.replicates)

    @property
    def models(self) -> list[tuple[int, int]]:
        """Positions (arm, replicate) of every trained model."""
        arms, replicates = self.shape
        return list(product(range(arms), range(replicates)))

    @cached_property
    def predicted(self) -> np.ndarray:
        """Class positions (A, R, n)."""
        return self.probabilities.argmax(axis=-1)

    @cached_property
    def confusion(self) -> np.ndarray:
        """Counts (A, R, K, K) over all images."""
        return confusion_counts(self.truth, self.predicted, len(self.classes))

    @cached_property
    def strata(self) -> np.ndarray:
        """Class position (L,) of each lesion."""
        return self.truth[np.unique(self.lesion, return_index=True)[1]]

    def within(self, inside: np.ndarray) -> "Study":
        """The same models on some of the images, a boolean array (n,); thresholds stay as they are."""
        kept, lesion = np.unique(self.lesion[inside], return_inverse=True)
        return replace(
            self,
            truth=self.truth[inside],
            probabilities=self.probabilities[..., inside, :],
            lesion=lesion,
            lesion_names=self.lesion_names[kept],
            seen=self.seen[inside],
            metadata=self.metadata[inside],
        )

    def of_lesions(self, values: np.ndarray) -> np.ndarray:
        """Sums (..., L) of values (..., n) over each lesion's images."""
        order, starts = self._lesion_order
        return np.add.reduceat(values[..., order], starts, axis=-1)

    @cached_property
    def _lesion_order(self) -> tuple[np.ndarray, np.ndarray]:
        """Images in the order of their lesions, and where each lesion begins."""
        order = np.argsort(self.lesion, kind="stable")
        return order, np.searchsorted(self.lesion[order], np.arange(len(self.strata)))


def open_studies(run: RunPaths, params: Params) -> list[Study]:
    """The test predictions of a run, one study for each part of the split; raises as ``read_predictions``."""
    studies = [_open_part(run, params, part) for part in range(params.parts)]
    for part, study in enumerate(studies):
        if study.classes != studies[0].classes:
            raise DataError(
                f"The replicates of part {part} of the split know the classes {', '.join(study.classes)}, "
                f"and those of the first {', '.join(studies[0].classes)}: train the arms again."
            )
    return studies


def by_replicate(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays (A, R / P, ...) of P parts as one (A, R, ...): replicate r is of part r mod P."""
    joined = np.stack(parts, axis=2)
    return joined.reshape(joined.shape[0], -1, *joined.shape[3:])


def _open_part(run: RunPaths, params: Params, part: int) -> Study:
    """Load, check and align the test predictions of the replicates of one part."""
    split = load_split(run, part)
    replicates = [number for number in range(params.replicates) if params.part(number) == part]
    test, validation = (split[split["split"] == each] for each in ("test", "validation"))
    test = test.reset_index(drop=True)
    target_class = params.data.target_class
    others = validation.loc[validation["dx"] != target_class, "image_id"]
    shape = (len(params.arms), len(replicates))
    thresholds, target = np.full(shape, np.nan), None
    # a study of many trainings fits into memory as numbers, not as tables with texts
    for number, (_, _, frame) in enumerate(read_predictions(run, params.arms, replicates, part)):
        pair = np.unravel_index(number, shape)
        if number == 0:
            classes = classes_of(frame)
            probabilities = np.empty((*shape, len(test), len(classes)))
            target = classes.index(target_class) if target_class in classes else None
        probabilities[pair] = probabilities_of(frame, test["image_id"], classes)
        if target is not None:
            thresholds[pair] = operating_threshold(
                probabilities_of(frame, others, classes)[:, target], params.evaluation.operating_specificity
            )
    lesion, names, seen = _lesions(test, split[split["split"] == "train"])
    return Study(
        arms=list(params.arms),
        replicates=replicates,
        classes=classes,
        target=target,
        truth=class_indices(test["dx"].to_numpy(str), classes),
        probabilities=probabilities,
        lesion=lesion,
        lesion_names=names,
        seen=seen,
        thresholds=thresholds,
        metadata=test.reindex(columns=list(KNOWN)),
    )


def _lesions(test: pd.DataFrame, train: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lesion positions of the test images, the lesions' names, and whether each was seen (``Study.seen``).

    An image without a lesion id stands for a lesion of its own.
    """
    lesions = test["lesion_id"] if "lesion_id" in test else pd.Series(np.nan, index=test.index)
    lesion, names = pd.factorize(lesions.where(lesions.notna(), "image " + test["image_id"]).astype(str))
    trained = set(train["lesion_id"].dropna()) if "lesion_id" in train else set()
    return lesion, names.to_numpy(), np.where(lesions.isna(), -1, lesions.isin(trained).astype(int))


def open_external_study(run: RunPaths, params: Params, studies: Sequence[Study]) -> Study | None:
    """The same models on the external test set; None where the run has none (``data.external_root``).

    ``studies`` are the run's own: their classes and operating thresholds are taken over. Every image counts
    as a lesion of its own. Raises as ``read_external_predictions``.
    """
    if params.data.external_root is None:
        return None
    own, found, replicates = studies[0], [], list(range(params.replicates))
    for frame in read_external_predictions(run, own.arms, replicates, own.classes):
        found.append(probabilities_of(frame, frame["image_id"], own.classes))
    truth = class_indices(frame["label"].to_numpy(str), own.classes)
    return replace(
        own,
        replicates=replicates,
        thresholds=by_replicate([study.thresholds for study in studies]),
        truth=truth,
        probabilities=np.reshape(found, (len(own.arms), len(replicates), *found[0].shape)),
        lesion=np.arange(len(truth)),
        lesion_names=frame["image_id"].to_numpy(str),
        seen=np.full(len(truth), -1),
        metadata=pd.DataFrame(index=np.arange(len(truth)), columns=list(KNOWN)),
    )
