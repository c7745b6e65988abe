"""A run's predictions, read and checked, as arrays: what every number of the evaluation is made of."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
import pandas as pd

from helpers.data.external import PREDICTIONS
from helpers.errors import DataError
from helpers.evaluation import metrics
from helpers.params import Params
from helpers.paths import RunPaths, require

TOLERANCE = 1e-3  # probabilities are written in single precision, and may come from bfloat16


def load_predictions(run: RunPaths, arms: Iterable[str], replicates: int | Iterable[int]) -> pd.DataFrame:
    """The predictions of every (arm, replicate): arm, replicate, then the columns of predictions.csv.

    ``replicates`` is their number or their list. Every file is checked against split.csv and against
    the others. Raises MissingStageError for an absent file and DataError, a sentence, for a training
    image, a missing or doubled image, a label that split.csv contradicts, or probabilities that are
    none.
    """
    numbers = range(replicates) if isinstance(replicates, int) else list(replicates)
    frames = [
        frame.assign(arm=arm, replicate=replicate)
        for arm, replicate, frame in read_predictions(run, arms, numbers)
    ]
    if not frames:
        raise DataError("There is nothing to evaluate: no arm, or no replicate, was asked for.")
    predictions = pd.concat(frames, ignore_index=True)
    return predictions[
        ["arm", "replicate", "image_id", "split", "label", *(f"p_{name}" for name in _classes(predictions))]
    ]


def read_predictions(
    run: RunPaths, arms: Iterable[str], replicates: Iterable[int]
) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """Arm, replicate and predictions of one file after another, checked as ``load_predictions`` says; only one is held."""
    split, columns = _read_split(run), None
    for arm, replicate in product(arms, replicates):
        path = require(run.classifier(arm, replicate) / "predictions.csv", "classifier")
        frame = pd.read_csv(path, dtype={"image_id": str, "label": str, "split": str})
        _check(frame, split, f"{arm}/replicate-{replicate}/predictions.csv")
        found = [name for name in frame.columns if name.startswith("p_")]
        if columns is not None and found != columns:
            raise DataError(
                f"{arm}/replicate-{replicate}/predictions.csv holds the classes {', '.join(found)}, and an earlier file {', '.join(columns)}: train the arms again."
            )
        columns = found
        yield arm, replicate, frame


def _read_split(run: RunPaths) -> pd.DataFrame:
    """split.csv with names as texts, even where they are digits."""
    return pd.read_csv(require(run.split, "eda"), dtype={"image_id": str, "dx": str, "split": str})


def _check(frame: pd.DataFrame, split: pd.DataFrame, name: str) -> None:
    """Raise DataError, naming the file and the first image at fault, where predictions cannot be this run's."""
    missing = [column for column in ("image_id", "split", "label") if column not in frame.columns]
    columns = [column for column in frame.columns if column.startswith("p_")]
    if missing or len(columns) < 2:
        raise DataError(
            f"{name} lacks the column {missing[0] if missing else 'p_<class>'}: train this replicate again."
        )
    if frame["image_id"].duplicated().any():
        raise DataError(
            f"{name} holds the image {frame['image_id'][frame['image_id'].duplicated()].iloc[0]} twice: train this replicate again."
        )
    known = split.set_index("image_id")
    expected = known.reindex(frame["image_id"])

    def refuse(wrong: np.ndarray, sentence: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            image, dx, part = (
                frame["image_id"].iloc[row],
                expected["dx"].iloc[row],
                expected["split"].iloc[row],
            )
            raise DataError(
                f"{name}: "
                + sentence.format(image=image, dx=dx, part=part, label=frame["label"].iloc[row])
                + " Train this replicate again."
            )

    refuse(expected["split"].isna().to_numpy(), "the image {image} is not in split.csv.")
    refuse(
        (expected["split"] == "train").to_numpy(),
        "the image {image} is a training image; only validation and test may be predicted.",
    )
    refuse(
        (expected["split"].to_numpy() != frame["split"].to_numpy()),
        "the image {image} belongs to the {part} part of split.csv, not to the one given.",
    )
    refuse(
        (expected["dx"].to_numpy() != frame["label"].to_numpy()),
        "the image {image} is labelled {label}, and split.csv says {dx}.",
    )
    refuse(
        ~frame["label"].map(lambda label: f"p_{label}" in columns).to_numpy(bool),
        "the class {label} of the image {image} has no probability column.",
    )
    for part in ("test", "validation"):
        wanted = known.index[known["split"] == part]
        absent = wanted.difference(frame["image_id"])
        if len(absent):
            raise DataError(
                f"{name} lacks {len(absent)} of the {len(wanted)} {part} images, {absent[0]} first: train this replicate again."
            )
        if not len(wanted):
            raise DataError(f"split.csv names no {part} image: prepare the data again.")
    refuse(_no_shares(frame[columns]), "the probabilities of the image {image} are not shares that sum to 1.")


def _no_shares(probabilities: pd.DataFrame) -> np.ndarray:
    """Rows that are not finite shares which sum to 1."""
    values = probabilities.to_numpy(float)
    wrong = ~np.isfinite(values).all(axis=1) | (values < -TOLERANCE).any(axis=1)
    return wrong | ~(np.abs(values.sum(axis=1) - 1) <= TOLERANCE)


@dataclass(frozen=True)
class Study:
    """Predictions of one set of images as arrays: A arms, R replicates, n images of L lesions, K classes."""

    arms: list[str]
    replicates: list[int]
    classes: list[str]
    target: int | None
    truth: np.ndarray  # (n,) class positions
    probabilities: np.ndarray  # (A, R, n, K)
    lesion: np.ndarray  # (n,) lesion positions
    seen: np.ndarray  # (n,) 1 seen, 0 unseen, -1 unknown: the lesion is in the training set
    thresholds: (
        np.ndarray
    )  # (A, R) the target's probability at the operating point, from validation images; NaN without a target

    @cached_property
    def predicted(self) -> np.ndarray:
        """Class positions (A, R, n)."""
        return self.probabilities.argmax(axis=-1)

    @cached_property
    def confusion(self) -> np.ndarray:
        """Counts (A, R, K, K) over all images."""
        return metrics.confusion_counts(self.truth, self.predicted, len(self.classes))

    @cached_property
    def strata(self) -> np.ndarray:
        """Class position (L,) of each lesion."""
        return self.truth[np.unique(self.lesion, return_index=True)[1]]

    def of_lesions(self, values: np.ndarray) -> np.ndarray:
        """Sums (..., L) of values (..., n) over each lesion's images."""
        order = np.argsort(self.lesion, kind="stable")
        starts = np.searchsorted(self.lesion[order], np.arange(len(self.strata)))
        return np.add.reduceat(values[..., order], starts, axis=-1)


def open_study(run: RunPaths, params: Params) -> Study:
    """Load, check and align the test predictions of a run; raises as ``load_predictions``."""
    split = _read_split(run)
    test, validation = (
        split[split["split"] == part].reset_index(drop=True) for part in ("test", "validation")
    )
    others = validation.loc[validation["dx"] != params.data.target_class, "image_id"]
    shape = (len(params.arms), params.replicates)
    thresholds = np.full(shape, np.nan)
    # a study of many trainings fits into memory as numbers, not as tables with texts
    for number, (_, _, frame) in enumerate(read_predictions(run, params.arms, range(params.replicates))):
        pair = np.unravel_index(number, shape)
        if number == 0:
            classes = _classes(frame)
            probabilities = np.empty((*shape, len(test), len(classes)))
            target = classes.index(params.data.target_class) if params.data.target_class in classes else None
        probabilities[pair] = _aligned(frame, test["image_id"], classes)
        if target is not None:
            thresholds[pair] = metrics.operating_threshold(
                _aligned(frame, others, classes)[:, target], params.evaluation.operating_specificity
            )
    lesions = test["lesion_id"] if "lesion_id" in test else pd.Series(np.nan, index=test.index)
    # an image without a lesion id stands for a lesion of its own
    lesion, _ = pd.factorize(lesions.where(lesions.notna(), "image " + test["image_id"]).astype(str))
    trained = (
        set(split.loc[split["split"] == "train", "lesion_id"].dropna()) if "lesion_id" in split else set()
    )
    seen = np.where(lesions.isna(), -1, lesions.isin(trained).astype(int))
    truth = metrics.class_indices(test["dx"].to_numpy(str), classes, "labels")
    return Study(
        list(params.arms),
        list(range(params.replicates)),
        classes,
        target,
        truth,
        probabilities,
        lesion,
        seen,
        thresholds,
    )


def _classes(predictions: pd.DataFrame) -> list[str]:
    return [name.removeprefix("p_") for name in predictions.columns if name.startswith("p_")]


def _aligned(predictions: pd.DataFrame, images: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """One file's probabilities (n, K) of ``images``, in their order."""
    return (
        predictions.set_index("image_id")[[f"p_{name}" for name in classes]].reindex(images).to_numpy(float)
    )


def open_external_study(run: RunPaths, params: Params, own: Study) -> Study | None:
    """The same models on the external test set; None where the run has none (``data.external_root``).

    ``own`` is the run's own study: its classes and operating thresholds are taken over. Every image counts as a lesion of its own. Raises
    MissingStageError for an absent file and DataError, a sentence, for images of this run's data, other images or labels than in the
    first file, unknown classes, and probabilities that are none.
    """
    if params.data.external_root is None:
        return None
    known, found, first = set(_read_split(run)["image_id"]), [], None
    for arm in own.arms:
        for replicate in own.replicates:
            path = require(run.classifier(arm, replicate) / PREDICTIONS, "classifier")
            frame = pd.read_csv(path, dtype={"image_id": str, "label": str}).sort_values(
                "image_id", ignore_index=True
            )
            _check_external(frame, own.classes, known, first, f"{arm}/replicate-{replicate}/{PREDICTIONS}")
            first = frame if first is None else first
            found.append(_aligned(frame, first["image_id"], own.classes))
    truth = metrics.class_indices(first["label"].to_numpy(str), own.classes, "labels")
    probabilities = np.reshape(found, (len(own.arms), len(own.replicates), *found[0].shape))
    return replace(
        own,
        truth=truth,
        probabilities=probabilities,
        lesion=np.arange(len(truth)),
        seen=np.full(len(truth), -1),
    )


def _check_external(
    frame: pd.DataFrame, classes: Sequence[str], known: set[str], first: pd.DataFrame | None, name: str
) -> None:
    """Raise DataError where predictions of the external test set are damaged or could have been trained on."""
    missing = [
        column
        for column in ("image_id", "label", *(f"p_{each}" for each in classes))
        if column not in frame.columns
    ]
    fault = ""
    if missing:
        fault = f"lacks the column {missing[0]}"
    elif frame.empty or frame["image_id"].duplicated().any():
        fault = (
            "holds no image"
            if frame.empty
            else f"holds the image {frame['image_id'][frame['image_id'].duplicated()].iloc[0]} twice"
        )
    elif shared := sorted(known & set(frame["image_id"])):
        fault = f"holds {len(shared):,} images of the run's own data, {shared[0]} first, and an external test set must have none"
    elif not frame["label"].isin(classes).all():
        fault = f"holds the class {frame['label'][~frame['label'].isin(classes)].iloc[0]}, which the classifier does not know"
    elif first is not None and not frame[["image_id", "label"]].equals(first[["image_id", "label"]]):
        fault = "holds other images or labels than the first arm's file"
    elif (wrong := _no_shares(frame[[f"p_{each}" for each in classes]])).any():
        fault = f"gives the image {frame['image_id'].iloc[int(np.argmax(wrong))]} probabilities that are not shares that sum to 1"
    if fault:
        raise DataError(f"{name} {fault}: check data.external_root and train this replicate again.")
