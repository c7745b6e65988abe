"""The table beside one's own images that names their classes: found, read, and matched with the files."""

import warnings
from collections.abc import Mapping

import pandas as pd

from helpers.data.archives import TABLE_ENDINGS, FileTree, Found
from helpers.data.naming import Files
from helpers.data.survey import Survey, unread_sentence
from helpers.data.table_formats import Format, candidates, known_format, plain
from helpers.data.tables import column_names, marked, read_table
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


def find_table(tree: FileTree, columns: Mapping[str, str]) -> Found | None:
    """The one table that names images and classes; None where there is none and none was described."""
    tables = {file: column_names(tree, file) for file in tree.files if file.ending in TABLE_ENDINGS}
    fitting = [
        file
        for file, names in tables.items()
        if all(candidates(role, names, columns) for role in ("image", "class"))
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
            f"({shown(file.name for file in fitting)}): keep one. Or name the others by data.leave_out, "
            f"such as ['{fitting[-1].name}']."
        )
    return fitting[0]


def read_labels(
    tree: FileTree, file: Found, ids: Mapping[Found, str], columns: Mapping[str, str], found: Survey
) -> tuple[pd.DataFrame, bool]:
    """The official columns in the table's order, and whether it names lesions.

    Columns that the table lacks are taken from other tables of the same images. What is passed over is added
    to ``found``.
    """
    table = read_table(tree, file)
    if table.empty:
        raise DataError(f"{file.name} has a header and no rows.")
    known = known_format(table.columns) if "class" not in columns else None
    if known is None and "image" not in columns:
        columns = {**columns, **_column_of_images(table, Files(ids))}
    metadata = _official(table, file, columns, known)
    if known is not None:
        nameless = metadata["dx"] == ""
        found.note(f"rows of {file.name} without a class", metadata.loc[nameless, "image_id"])
        metadata = metadata[~nameless]
    metadata = _joined(tree, file, metadata, columns)
    if known is not None and "lesion_id" in metadata:  # these name no lesion for some images
        metadata["lesion_id"] = metadata["lesion_id"].where(metadata["lesion_id"] != "", metadata["image_id"])
    for column, role in (("image_id", "image"), ("dx", "class"), ("lesion_id", "lesion")):
        blank = metadata.index[metadata[column] == ""] if column in metadata else []
        if len(blank):
            raise DataError(
                f"{file.name} names no {role} in {plural(blank, 'row')} (line "
                f"{shown(str(row + 2) for row in blank)}): fill it in or take the row away."
            )
    metadata["image_id"] = _matched(tree, file, metadata["image_id"], ids, found)
    return metadata, "lesion_id" in metadata


def _column_of_images(table: pd.DataFrame, files: Files) -> dict[str, str]:
    """Which of several columns names a file in every row; nothing where none does, or only one may."""
    names = candidates("image", table.columns, {})
    for name in names if len(names) > 1 else ():
        if all(len(files.named(each)) == 1 for each in table[name]):
            return {"image": name}
    return {}


def _official(
    table: pd.DataFrame, file: Found, columns: Mapping[str, str], known: Format | None
) -> pd.DataFrame:
    """The columns of ``table`` that have a role, by their official names."""
    metadata = pd.DataFrame(index=table.index)
    for role, official in OFFICIAL.items():
        names = candidates(role, table.columns, columns)
        if role in columns and not names:
            raise DataError(
                f"{file.name} has no column '{columns[role]}', which data.columns names for the {role}; it "
                f"has {shown(table.columns, 12)}."
            )
        if role == "class" and known is not None and known.one_hot:
            metadata[official] = marked(table, names, file)
        elif known is not None and names:
            filled = table[names].replace("", None).bfill(axis=1)
            metadata[official] = filled.iloc[:, 0].fillna("")
        elif role == "lesion" and {plain(name) for name in names} == {"lesion_id", "patient_id"}:
            metadata[official] = table[next(name for name in names if plain(name) == "lesion_id")]
        elif len(names) > 1:
            raise DataError(
                f"{file.name} has {len(names)} columns that may be the {role} ({shown(names)}): say which "
                f"by data.columns: {{{role}: {names[0]}}}."
            )
        elif names:
            metadata[official] = table[names[0]]
    return metadata


def _joined(tree: FileTree, file: Found, metadata: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """``metadata`` with the lesions, ages, sexes and sites that another table names for all its images."""
    for other in tree.files:
        lacking = {role: name for role, name in OFFICIAL.items() if name not in metadata}
        if other == file or other.ending not in TABLE_ENDINGS or not lacking:
            continue
        names = column_names(tree, other)
        image = candidates("image", names, {}) or [name for name in names if plain(name) == "image"]
        offered = {official: candidates(role, names, columns) for role, official in lacking.items()}
        if len(image) != 1 or not any(len(found) == 1 for found in offered.values()):
            continue
        table = read_table(tree, other).drop_duplicates(image[0]).set_index(image[0])
        if metadata["image_id"].isin(table.index).all():
            for official, found in offered.items():
                if len(found) == 1:
                    metadata[official] = metadata["image_id"].map(table[found[0]])
    return metadata


def _matched(
    tree: FileTree, table: Found, names: pd.Series, ids: Mapping[Found, str], survey: Survey
) -> list[str]:
    """The id of the image that each row names.

    Raises DataError for rows without an image, and for an image that two rows name.
    """
    files = Files(ids)
    found = [files.named(name) for name in names]
    missing = [name for name, fitting in zip(names, found, strict=True) if not fitting]
    if missing:
        raise DataError(
            f"{table.name} names {plural(missing, 'image')} that {tree.root} does not hold "
            f"({shown(missing)}); files there are called {shown((file.name for file in ids), 2)}. Is "
            "data.root the right folder, and is another column that of the images (data.columns: {image: …})?"
            f"{unread_sentence(tree)}"
        )
    unclear = [
        f"{name}: {' or '.join(file.name for file in fitting[:2])}"
        for name, fitting in zip(names, found, strict=True)
        if len(fitting) > 1
    ]
    if unclear:
        raise DataError(
            f"{table.name} names {plural(unclear, 'image')} that may be more than one file "
            f"({shown(unclear, 2)}): write their folders too."
        )
    matched = [ids[fitting[0]] for fitting in found]
    twice = pd.Series(matched)[pd.Series(matched).duplicated()].unique()
    if len(twice):
        raise DataError(
            f"{table.name} names {plural(twice, 'image')} more than once ({shown(twice)}): keep one row of "
            "each."
        )
    if left := len(ids) - len(matched):
        rest = sorted(set(ids.values()) - set(matched))
        survey.note(f"images that {table.name} names no class for", rest)
        survey.taken = [fitting[0] for fitting in found]
        warnings.warn(
            f"{table.name} names no class for {left:,} of {len(ids):,} images ({shown(rest, 3)}): they are "
            "left out.",
            stacklevel=5,
        )
    return matched
