"""A second test set, never used for training or selection: the ISIC 2018 Task 3 test images and their labels.

Sources: Codella et al., arXiv 1902.03368 (2019); the files lie beside HAM10000, doi:10.7910/DVN/DBW86T.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.archives import CLUTTER, TABLE_ENDINGS, FileTree, Found
from helpers.data.arrays import kept_array, write_decoded
from helpers.data.classes import CLASSES
from helpers.data.dataset import COLUMNS, Dataset
from helpers.data.ham10000 import find_images, from_challenge
from helpers.data.manifest import load_split
from helpers.data.tables import check_metadata, column_names, read_table
from helpers.data.wording import shown
from helpers.errors import DataError
from helpers.files import digest, write_table
from helpers.fingerprints import code_fingerprint
from helpers.params import Data
from helpers.paths import RunPaths, from_project

HIDDEN = re.compile(rf"{CLUTTER}|segmentation", re.IGNORECASE)
TRUTH = re.compile(r"test.*ground.?truth", re.IGNORECASE)
PREDICTIONS = "predictions-external.csv"
BROKEN = "{name} of the external test set is broken ({error}): get it anew."


def open_external(root: Path | str, classes: Sequence[str] = CLASSES) -> Dataset:
    """Open a test set below ``root``: a folder, nested folders or unopened zip archives, images of any size.

    The ground truth is one-hot columns (image, MEL, NV, …) or image_id and dx, in a table whose name holds
    'Test' and 'GroundTruth', or in the only table of that form. Images without a row are passed over, for
    the folder may hold all of HAM10000. No image is decoded here. Raises DataError, a sentence: no or more
    than one ground truth, unknown ``classes``, rows without an image, unlike files of one image.
    """
    folder = from_project(root)
    if not folder.exists():
        raise DataError(
            f"The folder {folder} of the external test set does not exist: check data.external_root."
        )
    tree = FileTree(folder, HIDDEN)
    try:
        metadata = _ground_truth(tree, classes)
        images = find_images(tree, set(metadata["image_id"]))
        missing = [image_id for image_id in metadata["image_id"] if image_id not in images]
        if missing:
            raise DataError(
                f"{folder} lacks {len(missing):,} of the {len(metadata):,} images of its ground truth "
                f"({shown(missing)}): add them, or take their rows out of the ground truth."
            )
        return Dataset(
            folder,
            "external test set",
            metadata,
            False,
            {name: images[name] for name in metadata["image_id"]},
            tree,
        )
    except BaseException:
        tree.close()
        raise


def _ground_truth(tree: FileTree, classes: Sequence[str]) -> pd.DataFrame:
    """The official columns of the one table that is a ground truth; every image is its own lesion."""
    tables = [file for file in tree.files if file.ending in TABLE_ENDINGS]
    fitting = [file for file in tables if _form(tree, file)]
    named = [file for file in fitting if TRUTH.search(file.stem)]
    found = {tree.read(file): file for file in reversed(named or fitting)}  # copies of one table are one
    if len(found) != 1:
        what = (
            f"{len(found)} tables that could be the ground truth "
            f"({shown(file.name for file in found.values())}): keep one"
            if found
            else "no ground truth"
        )
        raise DataError(
            f"{tree.root} holds {what}. Looked for ISIC2018_Task3_Test_GroundTruth.csv, or any table with "
            "the columns image_id and dx, or image and one column a class."
        )
    file = next(iter(found.values()))
    if _form(tree, file) == "one-hot":
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # nothing is split here, so unknown lesions do no harm
            metadata, _ = from_challenge(tree, file, [])
    else:
        metadata = read_table(tree, file)
        blank = {name: "" for name in COLUMNS if name not in metadata}
        metadata = metadata.assign(**blank | {"lesion_id": metadata["image_id"]})
    return check_metadata(metadata[list(COLUMNS)].copy(), file.name, classes)


def _form(tree: FileTree, file: Found) -> str:
    """'one-hot', 'names', or nothing for a table that is no ground truth."""
    columns = set(column_names(tree, file))
    one_hot = "image" in columns and "mel" in {name.lower() for name in columns}
    return "one-hot" if one_hot else "names" if {"image_id", "dx"} <= columns else ""


@dataclass(frozen=True)
class External:
    """The external test set of a run; both parts have the same order."""

    table: pd.DataFrame  # image_id, label
    images: np.ndarray  # uint8 (n, S, S, 3), memory-mapped


def load_external(run: RunPaths, data: Data, size: int, resize: str = "bilinear") -> External | None:
    """The images of ``data.external_root``, squashed to ``size`` pixels as the run's own are.

    None where no folder is given. Decoded once, by one job while others wait, and kept beside the run's
    arrays; decoded again where the folder's images, the decoding or the kept file have changed.
    Raises MissingStageError before the stage 'eda', and DataError for what ``open_external`` refuses, a
    class that the run does not have, an image of the run's own data, and an image that cannot be decoded.
    """
    if data.external_root is None:
        return None
    split = load_split(run)
    with open_external(data.external_root, sorted(split["dx"].unique())) as dataset:
        shared = sorted(set(split["image_id"]) & set(dataset.metadata["image_id"]))
        if shared:
            raise DataError(
                f"{dataset.root} holds {len(shared):,} images of the run's own data ({shown(shared)}): an "
                "external test set must have none."
            )
        files = [(found.name, found.size, found.path.stat().st_mtime_ns) for found in dataset.images.values()]
        path = run.data / f"external-{size}-{resize}.npy"
        images = kept_array(
            path,
            digest(files, size, resize, code_fingerprint("helpers.data.decoding")),
            (len(files), size, size, 3),
            lambda: write_decoded(dataset, path, size, resize, BROKEN),
        )
        table = dataset.metadata[["image_id", "dx"]].rename(columns={"dx": "label"})
    return External(table, images)


def write_external_predictions(
    directory: Path, external: External | None, predict: Callable[[np.ndarray], np.ndarray]
) -> Path | None:
    """Write predictions-external.csv (image_id, label, p_<class>) beside a classifier's predictions.csv.

    Without a test set nothing is written. ``predict`` maps uint8 images (n, S, S, 3) to probabilities (n,
    classes), classes in the order of predictions.csv. A file of an earlier run with a test set is removed
    where there is none now. Raises ValueError for another number of classes.
    """
    path = directory / PREDICTIONS
    if external is None:
        path.unlink(missing_ok=True)
        return None
    columns = [
        name for name in pd.read_csv(directory / "predictions.csv", nrows=0).columns if name.startswith("p_")
    ]
    probabilities = predict(external.images)
    if probabilities.shape != (len(external.table), len(columns)):
        raise ValueError(
            f"{len(external.table):,} images of {len(columns)} classes were to be predicted, not an array "
            f"of shape {probabilities.shape}."
        )
    return write_table(
        path, pd.concat([external.table, pd.DataFrame(probabilities, columns=columns)], axis=1)
    )
