"""HAM10000 in all its layouts: official zip files, Kaggle's folders, the ISIC 2018 challenge's, one folder.

Source: Tschandl, Rosendahl, Kittler, Scientific Data 5:180161 (2018), doi:10.7910/DVN/DBW86T.
"""

import re
import warnings
from collections.abc import Container, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from helpers.data.archives import TABLE_ENDINGS, FileTree, Found
from helpers.data.classes import CLASSES
from helpers.data.dataset import COLUMNS, Dataset
from helpers.data.survey import unopened_sentences
from helpers.data.tables import check_metadata, column_names, marked, read_table
from helpers.data.wording import plural, shown
from helpers.errors import DataError

IMAGES = 10_015  # in the whole data set
CONFIRMATIONS = {  # the challenge's words for dx_type
    "histopathology": "histo",
    "serial imaging showing no change": "follow_up",
    "single image expert consensus": "consensus",
    "confocal microscopy with consensus dermoscopy": "confocal",
}


def open_dataset(root: Path | str, classes: Sequence[str] | None = CLASSES) -> Dataset:
    """Open the data set below ``root``, whatever its layout, and check that rows and images agree.

    An image found twice under the same file name is taken where it is met first, folders before archives.
    ``classes`` are the allowed values of dx (None: any). No image is decoded here. Raises DataError with one
    sentence that names what is wrong.
    """
    tree = FileTree(root)
    try:
        metadata, lesions_known, origin = _read_metadata(tree, classes)
        images = find_images(tree)
        _check_agreement(metadata, images, tree)
        return Dataset(
            tree.root, _layout(origin, lesions_known, images), metadata, lesions_known, images, tree
        )
    except BaseException:
        tree.close()
        raise


# --- metadata ---------------------------------------------------------------------------------------


def _read_metadata(tree: FileTree, classes: Sequence[str] | None) -> tuple[pd.DataFrame, bool, Found]:
    """Metadata, whether its lesions are known, and the file that it stands in."""
    named = [
        file
        for file in tree.files
        if re.fullmatch(r"ham10000_metadata", file.stem, re.IGNORECASE)
        and file.ending in ("", *TABLE_ENDINGS)
    ]
    tables = [file for file in tree.files if file.ending in TABLE_ENDINGS and file not in named]
    truths = [file for file in tables if "groundtruth" in file.stem.lower()]
    if named:
        return _only(tree, named, classes), True, named[0]
    for file in truths:
        if "MEL" in (columns := column_names(tree, file)) and "image" in columns:
            metadata, known = from_challenge(
                tree, file, [table for table in tables if "grouping" in table.stem.lower()]
            )
            return check_metadata(metadata, file.name, classes), known, file
    others = [
        file for file in tables if file not in truths and {"image_id", "dx"} <= set(column_names(tree, file))
    ]
    if others:
        return _only(tree, others, classes), True, others[0]
    raise DataError(
        f"{tree.root} holds no metadata: looked for HAM10000_metadata (.csv, .tab, .tsv, .txt or no ending), "
        "ISIC2018_Task3_Training_GroundTruth.csv and any table with the columns image_id and dx. Images of "
        f"your own are read by data.source=folder.{unopened_sentences(tree)}"
    )


def _only(tree: FileTree, files: list[Found], classes: Sequence[str] | None) -> pd.DataFrame:
    """The metadata of several copies, which must say the same."""
    first = _official(tree, files[0], classes)
    for other in files[1:]:
        if not _official(tree, other, classes).equals(first):
            raise DataError(
                f"{tree.root} holds two different tables of metadata, {files[0].name} and {other.name}: "
                "keep one."
            )
    return first


def _official(tree: FileTree, file: Found, classes: Sequence[str] | None) -> pd.DataFrame:
    table = read_table(tree, file)
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise DataError(
            f"{file.name} lacks the column {shown(missing, 7)}; it has {shown(table.columns, 12)}."
        )
    return check_metadata(table[list(COLUMNS)].copy(), file.name, classes)


def from_challenge(tree: FileTree, truth: Found, groupings: list[Found]) -> tuple[pd.DataFrame, bool]:
    """The challenge's one-hot labels as official columns, and whether the lesions are known.

    Lesions are taken from the challenge's LesionGroupings table where there is one.
    """
    table = read_table(tree, truth)
    codes = [column for column in table.columns if column != "image"]
    metadata = pd.DataFrame({"image_id": table["image"], "dx": marked(table, codes, truth)})
    metadata = metadata.assign(lesion_id=metadata["image_id"], dx_type="", age="", sex="", localization="")
    for file in groupings:
        groups = read_table(tree, file)
        if {"image", "lesion_id"} <= set(groups.columns):
            groups = groups.drop_duplicates("image").set_index("image")
            metadata["lesion_id"] = metadata["image_id"].map(groups["lesion_id"]).fillna("")
            if "diagnosis_confirm_type" in groups.columns:
                metadata["dx_type"] = (
                    metadata["image_id"]
                    .map(groups["diagnosis_confirm_type"])
                    .replace(CONFIRMATIONS)
                    .fillna("")
                )
            return metadata, True
    warnings.warn(
        f"{truth.name} does not say which images show the same lesion: each counts as its own, and a split "
        "by lesion is impossible.",
        stacklevel=4,
    )
    return metadata, False


# --- images -----------------------------------------------------------------------------------------


def find_images(tree: FileTree, wanted: Container[str] | None = None) -> dict[str, Found]:
    """The first file of each image id, or of those ``wanted``; other files of its name and size are copies.

    Raises DataError where one id has two different file names, or two files of one name differ in size, as a
    photograph and its thumbnail do.
    """
    images: dict[str, Found] = {}
    names, sizes = [], []
    for file in tree.files:
        if tree.is_image(file) and (wanted is None or file.stem in wanted):
            first = images.setdefault(file.stem, file)
            pair = f"{first.name} and {file.name}"
            if PurePosixPath(first.name).name.lower() != PurePosixPath(file.name).name.lower():
                names.append(pair)
            elif first.size != file.size:
                sizes.append(pair)
    for clashes, how in ((names, "under two file names"), (sizes, "twice, in files of different size")):
        if clashes:
            noun = "image is" if len(clashes) == 1 else "images are"
            raise DataError(f"{len(clashes):,} {noun} there {how}: {shown(clashes, 3)}. Keep one of each.")
    return images


def _check_agreement(metadata: pd.DataFrame, images: dict[str, Found], tree: FileTree) -> None:
    """Raise DataError, in one sentence, for rows without an image and images without a row."""
    missing = [image_id for image_id in metadata["image_id"] if image_id not in images]
    extra = sorted(images.keys() - set(metadata["image_id"]))
    faults = []
    if not images:
        faults.append("no image (looked for JPEG and PNG, in folders and zip archives)")
    elif missing:
        faults.append(f"{plural(missing, 'row')} without an image ({shown(missing)})")
    if extra:
        faults.append(
            f"{plural(extra, 'image')} without a row ({shown(images[image_id].name for image_id in extra)})"
        )
    if faults:
        parts = (
            " Are both HAM10000_images_part_1 and _part_2 there?" if images and len(missing) >= 1000 else ""
        )
        parts = parts if images else unopened_sentences(tree)
        raise DataError(f"{tree.root} has {' and '.join(faults)}.{parts}")


def _layout(origin: Found, lesions_known: bool, images: dict[str, Found]) -> str:
    """A few words for the manifest."""
    homes = {PurePosixPath(file.name).parent for file in images.values()}
    if "groundtruth" in origin.stem.lower():
        return "ISIC 2018 challenge" + ("" if lesions_known else ", lesions unknown")
    if any(file.member for file in images.values()):
        return "zip archives" if all(file.member for file in images.values()) else "folders and zip archives"
    return "one folder" if len(homes) == 1 else "several folders"
