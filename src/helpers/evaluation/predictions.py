"""The classifiers' predictions, read from their files and checked."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd

from helpers.data.external import PREDICTIONS
from helpers.data.manifest import load_split
from helpers.errors import DataError
from helpers.files import read_table
from helpers.paths import RunPaths, require

TOLERANCE = 1e-3  # probabilities are written in single precision, and may come from bfloat16


def classes_of(predictions: pd.DataFrame) -> list[str]:
    """The classes that have a probability column."""
    return [name.removeprefix("p_") for name in predictions.columns if name.startswith("p_")]


def probabilities_of(
    predictions: pd.DataFrame, images: pd.Series | pd.Index, classes: Sequence[str]
) -> np.ndarray:
    """Probabilities (n, K) of ``images`` and ``classes``, in their order."""
    columns = [f"p_{name}" for name in classes]
    return predictions.set_index("image_id")[columns].reindex(images).to_numpy(float)


# --- the run's own test and validation images ---------------------------------------------------


def read_predictions(
    run: RunPaths, arms: Iterable[str], replicates: Iterable[int], part: int = 0
) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """Arm, replicate and predictions of one file after another; only one is held in memory.

    The replicates are of one part of the split. Every file is checked against it, and its classes against
    those of the files before it. Raises MissingStageError for an absent file and DataError, a sentence, for a
    training image, a missing or doubled image, a label that split.csv contradicts, or probabilities that are
    none.
    """
    split, classes = load_split(run, part), None
    for arm, replicate in product(arms, replicates):
        path = require(run.classifier(arm, replicate) / "predictions.csv", "classifier")
        frame = read_table(path, texts=("image_id", "label", "split"))
        name = f"{arm}/replicate-{replicate}/predictions.csv"
        _check(frame, split, name)
        found = classes_of(frame)
        if classes is not None and found != classes:
            held, before = (", ".join(f"p_{each}" for each in part) for part in (found, classes))
            raise DataError(
                f"{name} holds the classes {held}, and an earlier file {before}: train the arms again."
            )
        classes = found
        yield arm, replicate, frame


def _check(frame: pd.DataFrame, split: pd.DataFrame, name: str) -> None:
    """Raise DataError, with the file and the first image at fault, where predictions cannot be this run's."""
    missing = [column for column in ("image_id", "split", "label") if column not in frame.columns]
    if missing or len(classes_of(frame)) < 2:
        lacking = missing[0] if missing else "p_<class>"
        raise DataError(f"{name} lacks the column {lacking}: train this replicate again.")
    doubled = frame["image_id"][frame["image_id"].duplicated()]
    if len(doubled):
        raise DataError(f"{name} holds the image {doubled.iloc[0]} twice: train this replicate again.")
    known = split.set_index("image_id")
    _check_images(frame, known.reindex(frame["image_id"]), name)
    _check_complete(frame, known, name)
    wrong = no_shares(frame, classes_of(frame))
    if wrong.any():
        raise DataError(
            f"{name}: the probabilities of the image {frame['image_id'].iloc[int(np.argmax(wrong))]} are not "
            "shares that sum to 1. Train this replicate again."
        )


def _check_images(frame: pd.DataFrame, expected: pd.DataFrame, name: str) -> None:
    """Refuse images that this run did not hold out; ``expected`` is each image's row of split.csv."""
    part, dx = expected["split"].to_numpy(), expected["dx"].to_numpy()
    faults = (
        (expected["split"].isna().to_numpy(), "the image {image} is not in split.csv."),
        (
            part == "train",
            "the image {image} is a training image; only validation and test may be predicted.",
        ),
        (
            part != frame["split"].to_numpy(),
            "the image {image} belongs to the {part} part of split.csv, not to the one given.",
        ),
        (dx != frame["label"].to_numpy(), "the image {image} is labelled {label}, and split.csv says {dx}."),
        (
            ~frame["label"].isin(classes_of(frame)).to_numpy(),
            "the class {label} of the image {image} has no probability column.",
        ),
    )
    for wrong, sentence in faults:
        if wrong.any():
            row = int(np.argmax(wrong))
            image, label = frame["image_id"].iloc[row], frame["label"].iloc[row]
            told = sentence.format(image=image, dx=dx[row], part=part[row], label=label)
            raise DataError(f"{name}: {told} Train this replicate again.")


def _check_complete(frame: pd.DataFrame, known: pd.DataFrame, name: str) -> None:
    """Refuse a file that lacks test or validation images."""
    for part in ("test", "validation"):
        wanted = known.index[known["split"] == part]
        absent = wanted.difference(frame["image_id"])
        if len(absent):
            raise DataError(
                f"{name} lacks {len(absent)} of the {len(wanted)} {part} images, {absent[0]} first: train "
                "this replicate again."
            )
        if not len(wanted):
            raise DataError(f"split.csv names no {part} image: prepare the data again.")


def no_shares(predictions: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Rows whose probabilities are not finite shares that sum to 1."""
    values = predictions[[f"p_{name}" for name in classes]].to_numpy(float)
    wrong = ~np.isfinite(values).all(axis=1) | (values < -TOLERANCE).any(axis=1)
    return wrong | ~(np.abs(values.sum(axis=1) - 1) <= TOLERANCE)


# --- the external test set ----------------------------------------------------------------------


def read_external_predictions(
    run: RunPaths, arms: Iterable[str], replicates: Iterable[int], classes: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """Predictions of the external test set, one file after another, each in the order of image_id.

    Raises MissingStageError for an absent file and DataError, a sentence, for images of this run's data,
    other images or labels than in the first file, unknown classes, and probabilities that are none.
    """
    known, first = set(load_split(run)["image_id"]), None
    for arm, replicate in product(arms, replicates):
        path = require(run.classifier(arm, replicate) / PREDICTIONS, "classifier")
        frame = read_table(path, texts=("image_id", "label"))
        frame = frame.sort_values("image_id", ignore_index=True)
        fault = _external_fault(frame, classes, known, first)
        if fault:
            raise DataError(
                f"{arm}/replicate-{replicate}/{PREDICTIONS} {fault}: check data.external_root and train this "
                "replicate again."
            )
        first = frame if first is None else first
        yield frame


def _external_fault(
    frame: pd.DataFrame, classes: Sequence[str], known: set[str], first: pd.DataFrame | None
) -> str:
    """What is wrong with a file of external predictions; empty if nothing is."""
    columns = ("image_id", "label", *(f"p_{each}" for each in classes))
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        return f"lacks the column {missing[0]}"
    if frame.empty:
        return "holds no image"
    doubled = frame["image_id"][frame["image_id"].duplicated()]
    if len(doubled):
        return f"holds the image {doubled.iloc[0]} twice"
    shared = sorted(known & set(frame["image_id"]))
    if shared:
        return (
            f"holds {len(shared):,} images of the run's own data, {shared[0]} first, and an external test "
            "set must have none"
        )
    unknown = frame["label"][~frame["label"].isin(classes)]
    if len(unknown):
        return f"holds the class {unknown.iloc[0]}, which the classifier does not know"
    if first is not None and not frame[["image_id", "label"]].equals(first[["image_id", "label"]]):
        return "holds other images or labels than the first arm's file"
    wrong = no_shares(frame, classes)
    if wrong.any():
        image = frame["image_id"].iloc[int(np.argmax(wrong))]
        return f"gives the image {image} probabilities that are not shares that sum to 1"
    return ""
