"""One's own images: a folder per class, or a table beside the images that names the class of each."""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from helpers.data.archives import (
    ARCHIVE_ENDINGS,
    CLUTTER,
    TABLE_ENDINGS,
    FileTree,
    Found,
    without_image_ending,
)
from helpers.data.dataset import COLUMNS, Dataset
from helpers.data.folder_tables import find_table, read_labels
from helpers.data.survey import Survey, equal_files, is_left_out, survey, unopened_sentences, unread_sentence
from helpers.data.tables import read_table, typed_metadata
from helpers.data.wording import plural, shown
from helpers.errors import DataError

PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}
PART = re.compile(
    r"(.*[ _.-])?(part|parts|batch|chunk|fold|images|imgs|train|training|val|valid|validation|test|testing)"
    r"[ _.-]?\d*",
    re.IGNORECASE,
)
SYSTEMS = re.compile(CLUTTER, re.IGNORECASE)
TAKEN = {"all", "mean of classes"}  # rows of the report's tables
WAY_OUT = (
    "Put the images of each class into a folder of its name, or lay a CSV with the columns image and class "
    "beside them."
)


def open_folder(
    root: Path | str,
    columns: Mapping[str, str] | None = None,
    leave_out: Sequence[str] = (),
    target: str = "",
) -> Dataset:
    """Open one's own images below ``root``: unopened zip archives will do, and so will subfolders.

    A table with a column for the image (its file, with or without folders and ending) and one for the class
    decides; without such a table the first folder below ``root`` is the class, or the second one where
    ``target`` lies there, or where the first ones are parts of a split or of a download. ``columns`` maps a
    role (a key of RECOGNISED) to the table's column where its name says too little. Lesions are known where
    the table has a column for them, or for patients; images of equal content are one lesion. What
    ``leave_out`` names, masks and copied folders are passed over (see ``survey``). An image's id is its path
    below ``root`` without the ending. No image is decoded here. Raises DataError with one sentence that
    names what is wrong, also where a pattern of ``leave_out`` fits nothing.
    """
    tree = FileTree(root)
    try:
        _require_fitting(tree, leave_out)
        tree.files = [
            file for file in tree.files if tree.is_image(file) or not is_left_out(file.name, leave_out)
        ]
        found = survey(tree, leave_out)
        if not found.taken:
            raise DataError(
                f"{tree.root} holds no image (looked for JPEG and PNG, in folders and zip archives"
                f"{', without what data.leave_out names' if leave_out else ''})."
                f"{unread_sentence(tree)}{unopened_sentences(tree)}"
            )
        ids = _identities(found.taken, tree.root)
        table = find_table(tree, columns or {})
        if table is None:
            metadata, layout, known = _of_folders(tree, ids, target, found), "a folder per class", False
        else:
            metadata, known = read_labels(tree, table, ids, columns or {}, found)
            layout = "a table of classes" + ("" if known else ", lesions unknown")
        by_id = {image_id: file for file, image_id in ids.items()}
        named = {image_id: by_id[image_id] for image_id in metadata["image_id"]}
        metadata = _one_lesion_each(_checked(metadata, tree.root), named, tree)
        _note_others(found, tree, table)
        return Dataset(tree.root, layout, metadata, known, named, tree, found.sentence(len(metadata)))
    except BaseException:
        tree.close()
        raise


def _note_others(found: Survey, tree: FileTree, table: Found | None) -> None:
    """Add to ``found`` what is neither an image nor the table."""
    others = [file.name for file in tree.files if not tree.is_image(file) and file != table]
    archives = [name for name in others if PurePosixPath(name).suffix.lower() in ARCHIVE_ENDINGS]
    found.note("archives that are not opened (unpack them)", archives)
    for reason, names in tree.unreached.items():
        found.note(reason, names)
    found.note("other files", (name for name in others if name not in archives))
    clutter = [name for name in tree.skipped if SYSTEMS.search(name)]
    found.note("kept by systems and programs", clutter)
    found.note("segmentations and other tasks", (name for name in tree.skipped if name not in clutter))


def _require_fitting(tree: FileTree, patterns: Sequence[str]) -> None:
    """Raise DataError for a pattern that fits no file: what was meant to be left out would be trained on."""
    names = [*(file.name for file in tree.files), *tree.skipped]
    for pattern in patterns:
        if not any(is_left_out(name, [pattern]) for name in names):
            raise DataError(
                f"data.leave_out: '{pattern}' fits no file or folder in {tree.root}. Write paths from that "
                "folder, or the name of a file or folder; * stands for any letters."
            )


def _identities(images: Sequence[Found], root: Path) -> dict[Found, str]:
    """The id of each image: its path without the ending, unless another image has the same.

    Raises DataError for two images of one name: of one folder, in other codes of the same letters, or of one
    archive.
    """
    names = pd.Series([file.name for file in images])
    if names.duplicated().any():
        raise DataError(
            f"{root} holds two images of one name, perhaps in different codes of the same letters "
            f"({shown(names[names.duplicated()].unique(), 3)}): rename one of each."
        )
    bare = [without_image_ending(file.name) for file in images]
    twice = set(pd.Series(bare)[pd.Series(bare).duplicated()])
    return {file: file.name if name in twice else name for file, name in zip(images, bare, strict=True)}


def _one_lesion_each(metadata: pd.DataFrame, images: Mapping[str, Found], tree: FileTree) -> pd.DataFrame:
    """``metadata`` with one lesion for images of equal content.

    Raises DataError where such images have two classes.
    """
    ids = {file: image_id for image_id, file in images.items()}
    table = metadata.set_index("image_id")
    groups = [[ids[file] for file in same] for same in equal_files(tree, images.values())]
    torn = [group for group in groups if table.loc[group, "dx"].nunique() > 1]
    if torn:
        pairs = (
            " = ".join(f"{images[name].name} ({table.at[name, 'dx']})" for name in group[:3])
            for group in torn
        )
        raise DataError(
            f"{tree.root} holds {plural(torn, 'photograph')} in two classes, equal to the last byte "
            f"({shown(pairs, 3)}): keep each in its right class, or name what is wrong by data.leave_out, "
            f"such as ['{images[torn[0][-1]].name}']."
        )
    home = {lesion: lesion for lesion in metadata["lesion_id"]}

    def first(lesion: str) -> str:
        while home[lesion] != lesion:
            lesion = home[lesion]
        return lesion

    for group in groups:
        lesions = sorted({first(lesion) for lesion in table.loc[group, "lesion_id"]})
        home.update(dict.fromkeys(lesions, lesions[0]))
    return metadata.assign(lesion_id=metadata["lesion_id"].map(first)) if groups else metadata


# --- a folder per class ---------------------------------------------------------------------------


def _of_folders(tree: FileTree, ids: Mapping[Found, str], target: str, survey: Survey) -> pd.DataFrame:
    """The official columns, the class of each image read off its first folder.

    ``survey`` is told of a split that the folders make and that is given up.
    """
    if unread := unread_sentence(tree):
        raise DataError(f"{tree.root}:{unread} Or take them away.")
    parts = {file: PurePosixPath(file.name).parts for file in ids}
    while len({names[0] for names in parts.values()}) == 1:
        deeper = {names[1] for names in parts.values() if len(names) > 2}
        if not deeper or (len(deeper) < 2 and any(len(names) < 3 for names in parts.values())):
            break
        parts = {file: names[1:] for file, names in parts.items()}  # one folder around all classes
    if _classes_lie_deeper(parts, target):
        outer = sorted({names[0] for names in parts.values()})
        if {name.lower().removesuffix(".zip") for name in outer} <= PARTS:
            survey.remark = f" The folders {shown(outer)} are taken together, and the run splits anew."
        parts = {file: names[1:] for file, names in parts.items()}
    loose = [file.name for file, names in parts.items() if len(names) == 1]
    if loose:
        raise DataError(
            f"{tree.root} holds {plural(loose, 'image')} in no class ({shown(loose, 3)}).{_tables(tree)} "
            f"{WAY_OUT} What is no part of the data is passed over by data.leave_out."
        )
    classes = {file: names[0].removesuffix(".zip") for file, names in parts.items()}
    found = sorted(set(classes.values()))
    if len(found) == 1 and (tables := _tables(tree)):
        raise DataError(
            f"{tree.root} holds images of one class only, '{found[0]}', and a classifier needs at least two."
            f"{tables} {WAY_OUT}"
        )
    if {name.lower() for name in found} <= PARTS:
        raise DataError(
            f"{tree.root} holds the folders {shown(found)}, which look like parts of a split and not like "
            "classes: the report splits by itself, so put the images of a class from all parts into one "
            "folder, or name one of the parts by data.root."
        )
    _check_nested_classes(tree.root, parts, found)
    return pd.DataFrame({"image_id": [ids[file] for file in parts], "dx": [classes[file] for file in parts]})


def _classes_lie_deeper(parts: Mapping[Found, Sequence[str]], target: str) -> bool:
    """Whether the second folder is the class: ``target`` lies there alone, or the first are mere parts."""
    if any(len(names) < 3 for names in parts.values()):
        return False
    inner: dict[str, set[str]] = {}
    for names in parts.values():
        inner.setdefault(names[0].removesuffix(".zip"), set()).add(names[1].removesuffix(".zip"))
    if all(PART.fullmatch(name) for name in inner) and len(set.intersection(*inner.values())) > 1:
        return True
    wanted = target.removeprefix("class ")
    return wanted not in inner and wanted in (deeper := set.union(*inner.values())) and len(deeper) > 1


def _check_nested_classes(root: Path, parts: Mapping[Found, Sequence[str]], classes: Sequence[str]) -> None:
    """Raise DataError for a folder that holds folders called as two or more of the other classes."""
    names = {name.casefold() for name in classes}
    for outer in sorted({folders[0] for folders in parts.values()}):
        inner = {folders[1] for folders in parts.values() if folders[0] == outer and len(folders) > 2}
        again = sorted(name for name in inner if name.casefold() in names - {outer.casefold()})
        if len(again) > 1:
            raise DataError(
                f"{root} holds the classes {shown(again)}, and the folder {outer} holds folders of these "
                f"names too, with other images. If {outer} is no class, say data.leave_out: ['{outer}'], or "
                "name it alone by data.root."
            )


def _tables(tree: FileTree) -> str:
    """Sentences on the tables that name no images and classes, and on spreadsheets; empty without any."""
    told = []
    for file in [file for file in tree.files if file.ending in TABLE_ENDINGS][:1]:
        try:
            columns = shown(read_table(tree, file, rows=0).columns, 8)
            told.append(
                f"{file.name} has the columns {columns}. If two of them are the image and its class, "
                "say so by data.columns: {image: …, class: …}."
            )
        except DataError as error:
            told.append(str(error))
    if sheets := [file.name for file in tree.files if file.ending in (".xlsx", ".xls", ".ods")]:
        told.append(f"{shown(sheets, 3)} cannot be read: save it as CSV (UTF-8).")
    return "".join(f" {sentence}" for sentence in told)


# --- both -----------------------------------------------------------------------------------------


def _checked(metadata: pd.DataFrame, root: Path) -> pd.DataFrame:
    """The seven official columns, with class names that every table of a run can hold.

    Raises DataError for fewer than two classes.
    """
    names = {name: _class_name(name, root) for name in metadata["dx"].unique()}
    folded: dict[str, str] = {}
    for name in names.values():
        if folded.setdefault(name.lower(), name) != name:
            raise DataError(
                f"{root}: the classes '{folded[name.lower()]}' and '{name}' differ only in how they are "
                "written: write them alike."
            )
    metadata["dx"] = metadata["dx"].map(names)
    if metadata["dx"].nunique() < 2:
        raise DataError(
            f"{root} holds images of one class only, '{metadata['dx'].iloc[0]}', and a classifier needs at "
            f"least two. {WAY_OUT}"
        )
    if "lesion_id" not in metadata:
        metadata["lesion_id"] = metadata["image_id"]
    blank = {column: "" for column in COLUMNS if column not in metadata}
    return typed_metadata(metadata.assign(**blank), str(root))


def _class_name(name: str, root: Path) -> str:
    """``name`` in one line, with the word 'class' before it where a saved table would not give the name back.

    That is so for 0 and 1, for example, which are read as numbers, and for true.
    """
    name = " ".join(name.split())
    if "$" in name or len(name) > 60:
        raise DataError(
            f"{root}: '{shown([name[:60]])}' cannot be a class's name: it has at most 60 characters and no "
            "dollar sign."
        )
    read = pd.read_csv(io.StringIO(f'name\n"{name.replace(chr(34), chr(34) * 2)}"\n'))["name"].iloc[0]
    if pd.isna(read):
        raise DataError(
            f"{root} has images of the class '{name}', which tables read as no value: give them a class, or "
            "take them away."
        )
    return name if read == name and name.lower() not in TAKEN else f"class {name}"
