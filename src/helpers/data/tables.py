"""Tables of metadata: read as text, whatever their separator, and their values checked."""

import codecs
import csv
import io
import re
import warnings
from collections.abc import Sequence

import pandas as pd

from helpers.data.archives import FileTree, Found, without_image_ending
from helpers.data.dataset import COLUMNS
from helpers.data.wording import plural, shown
from helpers.errors import DataError

SEPARATORS = "\t;,|"
NO_TABLE = (csv.Error, pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, ValueError)


def column_names(tree: FileTree, file: Found) -> list[str]:
    """The columns of a table; none of what is no table."""
    try:
        return list(read_table(tree, file, rows=0).columns)
    except DataError:
        return []


def read_table(tree: FileTree, file: Found, rows: int | None = None) -> pd.DataFrame:
    """A table as text values, its separator (comma, tab, semicolon) read off the header.

    A line ``sep=;`` and titles above the header are passed over, and so are rows without any value. The
    index is the line of the file, less two.
    """
    text = _text(tree, file)
    try:
        above, separator = _header(text.split("\n", 12)[:12])
        text = "\n".join(text.split("\n")[above:]) if above else text
        # pandas renames the second of two equal ones
        names = next(csv.reader([text.split("\n", 1)[0]], delimiter=separator), [])
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error", pd.errors.ParserWarning
            )  # pandas drops surplus fields with no more than a warning
            table = pd.read_csv(
                io.StringIO(text),
                sep=separator,
                dtype=str,
                keep_default_na=False,
                nrows=rows,
                index_col=False,
                on_bad_lines="error",
            )
    except NO_TABLE as error:
        raise DataError(f"{file.name} is no table: {str(error).strip().rstrip('.')}.") from None
    known = {column.lower(): column for column in COLUMNS}
    if len(names) != table.shape[1]:
        raise DataError(
            f"{file.name} is no table: its first line names {len(names)} columns, and {table.shape[1]} "
            "follow."
        )
    table.columns = [known.get(column.strip().lower(), column.strip()) for column in names]
    if len(set(table.columns) - {""}) < sum(table.columns != ""):
        raise DataError(f"{file.name} has a column twice: {shown(table.columns, 12)}.")
    if not len(table):
        return table
    table = table.apply(lambda column: column.fillna("").str.strip())
    table.index += above
    return table[(table != "").any(axis=1)] if table.shape[1] > 1 else table


def _text(tree: FileTree, file: Found) -> str:
    """The text of a table, a line feed at the end of each line.

    It is UTF-8 with or without a mark, or UTF-16 with one, as Excel's 'Unicode text'. Raises DataError for
    anything else.
    """
    try:
        content = tree.read(file)
        is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except OSError as error:
        raise DataError(f"{file.name} cannot be read: {error}.") from None
    except UnicodeDecodeError:
        raise DataError(f"{file.name} is not UTF-8 text: save it as CSV in UTF-8.") from None
    return text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\n")


def _header(lines: Sequence[str]) -> tuple[int, str]:
    """The place of the header among the first lines of a table, and its separator.

    It is the first line, unless that is Excel's ``sep=;`` or a title: one value, where a later line has at
    least two and as many as the lines that follow it.
    """
    if named := re.fullmatch(r'"?sep=(.)"?[;, ]*', lines[0]):
        return 1, named[1]
    for above, line in enumerate(lines):
        separator = max(SEPARATORS, key=line.count)
        widths = [len(row) for row in csv.reader(lines[above : above + 4], delimiter=separator) if row]
        titles = [
            [cell for cell in row if cell.strip()] for row in csv.reader(lines[:above], delimiter=separator)
        ]
        is_header = (
            len(widths) > 1 and len(set(widths)) == 1 and widths[0] > 1 and _values(line, separator) > 1
        )
        if is_header and all(len(title) <= 1 for title in titles):
            return above, separator
    return 0, max(SEPARATORS, key=lines[0].count)


def _values(line: str, separator: str) -> int:
    """The number of values in a line that are not blank."""
    return sum(bool(cell.strip()) for row in csv.reader([line], delimiter=separator) for cell in row)


def marked(table: pd.DataFrame, columns: Sequence[str], file: Found) -> pd.Series:
    """The class that each row marks by 1 among ``columns`` of 0, in small letters; a decimal comma may stand.

    Raises DataError for rows that mark none or several.
    """
    values = table[list(columns)].apply(
        lambda column: pd.to_numeric(column.str.replace(",", ".", regex=False), errors="coerce")
    )
    wrong = table.index[(values.isin([0, 1]).sum(axis=1) < len(columns)) | (values.sum(axis=1) != 1)]
    if len(wrong):
        raise DataError(
            f"{file.name}: each row marks one of the classes {shown(columns, 12)} with 1 and the others "
            f"with 0, unlike line {shown(str(row + 2) for row in wrong)}."
        )
    return values.idxmax(axis=1).str.lower() if len(values) else pd.Series(dtype=str)


def check_metadata(table: pd.DataFrame, name: str, classes: Sequence[str] | None) -> pd.DataFrame:
    """``table`` with its values checked and age as a number."""
    if table.empty:
        raise DataError(f"{name} has a header and no rows.")
    table["image_id"] = table["image_id"].map(without_image_ending)
    for column in ("image_id", "lesion_id", "dx"):
        blank = table.index[table[column] == ""]
        if len(blank):
            raise DataError(
                f"{name}: no {column} in {plural(blank, 'row')} (line "
                f"{shown(str(row + 2) for row in blank)})."
            )
    twice = table["image_id"][table["image_id"].duplicated()].unique()
    if len(twice):
        raise DataError(f"{name} has {plural(twice, 'image id')} more than once: {shown(twice)}.")
    unsafe = table["image_id"][table["image_id"].str.contains(r"[/\\\x00-\x1f\x7f]")]
    if len(unsafe):
        raise DataError(
            f"{name}: an image id is a name without slashes and control characters, unlike {shown(unsafe)}."
        )
    if classes is not None:
        table["dx"] = table["dx"].str.lower()
        unknown = table[~table["dx"].isin(classes)]
        if len(unknown):
            found = shown(f"'{value}'" for value in unknown["dx"].unique())
            raise DataError(
                f"{name} has {plural(unknown, 'row')} of an unknown class, {found} "
                f"({shown(unknown['image_id'])}); known: {', '.join(classes)}."
            )
    return typed_metadata(table, name)


def typed_metadata(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The seven official columns of ``table``, whose values are text; ``name`` is its name in errors.

    Age becomes a number of years, NaN where unknown; blanks of the other descriptions become 'unknown'.
    Raises DataError for an age that is none.
    """
    known = ~table["age"].str.lower().isin(["", "unknown", "na", "nan", "none"])
    age = pd.to_numeric(table["age"].str.replace(",", ".", regex=False), errors="coerce").astype(float)
    wrong = table[known & ~age.between(0, 130)]
    if len(wrong):
        raise DataError(
            f"{name}: an age is a number of years, not '{wrong['age'].iloc[0]}' ({shown(wrong['image_id'])})."
        )
    table["age"] = age
    for column in ("dx_type", "sex", "localization"):
        table[column] = table[column].replace("", "unknown")
    return table[list(COLUMNS)].reset_index(drop=True)
