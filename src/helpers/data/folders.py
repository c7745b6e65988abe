"""One's own images: a folder per class, or a table beside the images that names the class of each."""

import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from helpers.data.archives import IMAGE_ENDINGS, TABLE_ENDINGS, FileTree, Found
from helpers.data.dataset import COLUMNS, Dataset
from helpers.data.tables import column_names, read_table, typed_metadata
from helpers.data.wording import plural, shown
from helpers.errors import DataError

OFFICIAL = {
    "image": "image_id",
    "class": "dx",
    "lesion": "lesion_id",
    "age": "age",
    "sex": "sex",
    "site": "localization",
}
RECOGNISED = {  # names of columns, in small letters, words joined by underscores
    "image": ("image", "image_id", "image_name", "image_path", "file", "file_name", "filename", "path"),
    "class": ("class", "class_name", "dx", "label", "diagnosis", "category"),
    "lesion": ("lesion", "lesion_id", "patient", "patient_id", "group", "group_id"),
    "age": ("age", "age_approx", "age_years"),
    "sex": ("sex", "gender"),
    "site": ("site", "body_site", "localization", "localisation", "location", "anatom_site_general"),
}
UNREAD_ENDINGS = (".bmp", ".dcm", ".gif", ".heic", ".jp2", ".tif", ".tiff", ".webp")
PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}
TAKEN = {"all", "mean of classes"}  # rows of the report's tables
WAY_OUT = (
    "Put the images of each class into a folder of its name, or lay a CSV with the columns image and class "
    "beside them."
)


def open_folder(root: Path | str, columns: Mapping[str, str] | None = None) -> Dataset:
    """Open one's own images below ``root``: unopened zip archives will do, and so will subfolders.

    A table with a column for the image (its file, with or without folders and ending) and one for the class
    decides; without such a table the first folder below ``root`` is the class. ``columns`` maps a role (a
    key of RECOGNISED) to the table's column where its name says too little. Lesions are known where the
    table has a column for them, or for patients. An image's id is its path below ``root`` without the
    ending. No image is decoded here. Raises DataError with one sentence that names what is wrong.
    """
    tree = FileTree(root)
    try:
        images = [file for file in tree.files if file.ending in IMAGE_ENDINGS]
        if not images:
            raise DataError(
                f"{tree.root} holds no image (looked for {', '.join(IMAGE_ENDINGS)}, in folders and zip "
                f"archives).{_unread(tree)}"
            )
        ids = _identities(images)
        table = _find_table(tree, columns or {})
        if table is None:
            metadata, layout, known = _of_folders(tree, ids), "a folder per class", False
        else:
            metadata, known = _of_table(tree, table, ids, columns or {})
            layout = "a table of classes" + ("" if known else ", lesions unknown")
        by_id = {image_id: file for file, image_id in ids.items()}
        named = {image_id: by_id[image_id] for image_id in metadata["image_id"]}
        return Dataset(tree.root, layout, _checked(metadata, tree.root), known, named, tree)
    except BaseException:
        tree.close()
        raise


def _identities(images: Sequence[Found]) -> dict[Found, str]:
    """The id of each image: its path without the ending, unless another image has the same."""
    bare = [str(PurePosixPath(file.name).with_suffix("")) for file in images]
    twice = set(pd.Series(bare)[pd.Series(bare).duplicated()])
    return {file: file.name if name in twice else name for file, name in zip(images, bare, strict=True)}


def _unread(tree: FileTree) -> str:
    """A sentence on images of kinds that are not read; empty where there are none."""
    others = [file.name for file in tree.files if file.ending in UNREAD_ENDINGS]
    return (
        f" {plural(others, 'file')} of another kind ({shown(others, 3)}) cannot be read: convert to JPEG or "
        "PNG."
        if others
        else ""
    )


# --- a folder per class ---------------------------------------------------------------------------


def _of_folders(tree: FileTree, ids: Mapping[Found, str]) -> pd.DataFrame:
    """The official columns, the class of each image read off its first folder."""
    if unread := _unread(tree):
        raise DataError(f"{tree.root}:{unread} Or take them away.")
    parts = {file: PurePosixPath(file.name).parts for file in ids}
    while (
        all(len(names) > 2 for names in parts.values()) and len({names[0] for names in parts.values()}) == 1
    ):
        parts = {file: names[1:] for file, names in parts.items()}  # one folder around all classes
    loose = [file.name for file, names in parts.items() if len(names) == 1]
    if loose:
        tables = [file for file in tree.files if file.ending in TABLE_ENDINGS]
        seen = "".join(
            f" {file.name} has the columns {shown(columns, 8)}."
            for file in tables[:1]
            if (columns := column_names(tree, file))
        )
        raise DataError(
            f"{tree.root} holds {plural(loose, 'image')} in no class ({shown(loose, 3)}).{seen} {WAY_OUT}"
        )
    classes = {file: names[0].removesuffix(".zip") for file, names in parts.items()}
    found = sorted(set(classes.values()))
    if {name.lower() for name in found} <= PARTS:
        raise DataError(
            f"{tree.root} holds the folders {shown(found)}, which look like parts of a split and not like "
            "classes: the report splits by itself, so put the images of a class from all parts into one "
            "folder, or name one of the parts by data.root."
        )
    return pd.DataFrame({"image_id": [ids[file] for file in parts], "dx": [classes[file] for file in parts]})


# --- a table --------------------------------------------------------------------------------------


def _find_table(tree: FileTree, columns: Mapping[str, str]) -> Found | None:
    """The one table that names images and classes; None where there is none and none was described."""
    tables = {file: column_names(tree, file) for file in tree.files if file.ending in TABLE_ENDINGS}
    fitting = [
        file
        for file, names in tables.items()
        if all(_candidates(role, names, columns) for role in ("image", "class"))
    ]
    if not fitting:
        if columns:
            seen = (
                "; ".join(f"{file.name}: {shown(names, 8)}" for file, names in list(tables.items())[:3])
                or "none"
            )
            wanted = " and ".join(f"'{name}' ({role})" for role, name in columns.items())
            raise DataError(
                f"data.columns names {wanted}, and {tree.root} has no table with such columns for image and "
                f"class. Tables there: {seen}."
            )
        return None
    different = {tree.read(file): file for file in reversed(fitting)}  # copies of one table are one
    if len(different) > 1:
        raise DataError(
            f"{tree.root} holds {len(different)} tables that name images and classes "
            f"({shown(file.name for file in fitting)}): keep one."
        )
    return fitting[0]


def _candidates(role: str, names: Iterable[str], columns: Mapping[str, str]) -> list[str]:
    """The columns of a table that may have a role."""
    wanted = (_plain(columns[role]),) if role in columns else RECOGNISED[role]
    return [name for name in names if _plain(name) in wanted]


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _of_table(
    tree: FileTree, file: Found, ids: Mapping[Found, str], columns: Mapping[str, str]
) -> tuple[pd.DataFrame, bool]:
    """The official columns in the table's order, and whether it names lesions."""
    table = read_table(tree, file)
    if table.empty:
        raise DataError(f"{file.name} has a header and no rows.")
    metadata = pd.DataFrame(index=table.index)
    for role, official in OFFICIAL.items():
        found = _candidates(role, table.columns, columns)
        if len(found) > 1:
            raise DataError(
                f"{file.name} has {len(found)} columns that may be the {role} ({shown(found)}): say which "
                f"by data.columns: {{{role}: {found[0]}}}."
            )
        if role in columns and not found:
            raise DataError(
                f"{file.name} has no column '{columns[role]}', which data.columns names for the {role}; it "
                f"has {shown(table.columns, 12)}."
            )
        if found:
            metadata[official] = table[found[0]]
    for column, role in (("image_id", "image"), ("dx", "class"), ("lesion_id", "lesion")):
        blank = metadata.index[metadata[column] == ""] if column in metadata else []
        if len(blank):
            raise DataError(
                f"{file.name} names no {role} in {plural(blank, 'row')} (line "
                f"{shown(str(row + 2) for row in blank)}): fill it in or take the row away."
            )
    metadata["image_id"] = _matched(tree, file, metadata["image_id"], ids)
    return metadata, "lesion_id" in metadata


def _files_named(names: pd.Series, ids: Mapping[Found, str]) -> list[list[Found]]:
    """The files that each name may mean: those of its whole path, or else those of its last part."""
    exact: dict[str, list[Found]] = {}
    by_name: dict[str, list[Found]] = {}
    for file in ids:
        path = PurePosixPath(file.name)
        for known, name in (
            (exact, file.name),
            (exact, str(path.with_suffix(""))),
            (by_name, path.name),
            (by_name, path.stem),
        ):
            known.setdefault(name, []).append(file)
    written = names.str.replace("\\", "/", regex=False).str.removeprefix("./")
    return [exact.get(name) or by_name.get(PurePosixPath(name).name, []) for name in written]


def _matched(tree: FileTree, table: Found, names: pd.Series, ids: Mapping[Found, str]) -> list[str]:
    """The id of the image that each row names.

    Raises DataError for rows without an image, and for an image that two rows name.
    """
    found = _files_named(names, ids)
    missing = [name for name, files in zip(names, found, strict=True) if not files]
    if missing:
        raise DataError(
            f"{table.name} names {plural(missing, 'image')} that {tree.root} does not hold "
            f"({shown(missing)}).{_unread(tree)}"
        )
    unclear = [
        f"{name}: {' or '.join(file.name for file in files[:2])}"
        for name, files in zip(names, found, strict=True)
        if len(files) > 1
    ]
    if unclear:
        raise DataError(
            f"{table.name} names {plural(unclear, 'image')} that may be more than one file "
            f"({shown(unclear, 2)}): write their folders too."
        )
    matched = [ids[files[0]] for files in found]
    twice = pd.Series(matched)[pd.Series(matched).duplicated()].unique()
    if len(twice):
        raise DataError(
            f"{table.name} names {plural(twice, 'image')} more than once ({shown(twice)}): keep one row of "
            "each."
        )
    if left := len(ids) - len(matched):
        rest = sorted(set(ids.values()) - set(matched))
        warnings.warn(
            f"{table.name} names no class for {left:,} of {len(ids):,} images ({shown(rest, 3)}): they are "
            "left out.",
            stacklevel=5,
        )
    return matched


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
