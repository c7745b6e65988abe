"""A table of the report: its values, and how each of them is shown."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.report.words import (
    NONE,
    capitalised,
    mean_and_spread_of_images,
    missing,
    percent_interval_of_images,
    plain,
    points_interval_of_images,
    points_with_interval,
)

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

LONG_TEXT = 60  # characters; a cell with more of them holds a sentence
Format = Callable[[Any], str]
Images = int | Callable[[pd.Series], int]  # behind a share: of all rows, or of each


@dataclass(frozen=True)
class Column:
    """A column as a reader sees it: a text per row. Numbers stand to the right and have values to sort by."""

    heading: str
    texts: tuple[str, ...]
    number: bool
    values: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class ShownTable:
    """A table as a reader sees it, as plain data: a notebook's output carries it in its metadata to the page.

    Rows that follow each other and have the same text in the column of heading ``groups`` belong together.
    """

    columns: tuple[Column, ...]
    groups: str | None = None

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.columns[0].texts) if self.columns else 0

    @property
    def grouping(self) -> Column | None:
        """The column whose texts group the rows."""
        return next((column for column in self.columns if column.heading == self.groups), None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ShownTable":
        """The table of ``as_dict``, also after it was JSON."""
        columns = [
            Column(each["heading"], tuple(each["texts"]), each["number"], tuple(each["values"]))
            for each in values["columns"]
        ]
        return cls(tuple(columns), values["groups"])


@dataclass(frozen=True)
class Table:
    """Values, and how each column is shown. The first column names the row.

    ``formats`` maps a column to a function from value to text; ``headers`` maps it to its heading; a column
    that ``headers`` does not name keeps its own name with spaces. Headings are shown with a capital letter.
    """

    frame: pd.DataFrame
    formats: Mapping[str, Format] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()  # saved, not shown
    names: tuple[str, ...] = ()  # columns whose heading is a name and keeps its letters
    groups: str | None = None  # the column whose equal texts, one below the other, belong together

    @property
    def shown(self) -> pd.DataFrame:
        """What the reader sees: text in every cell."""
        columns = [column for column in self.frame.columns if column not in self.hidden]
        return pd.DataFrame(
            {
                self.header(column): [self._text(column, row) for _, row in self.frame.iterrows()]
                for column in columns
            }
        )

    def header(self, column: str) -> str:
        """The heading of a column as readers see it."""
        if column in self.names:
            return column
        text = self.headers.get(column, str(column).replace("_", " "))
        return capitalised(text)

    def _text(self, column: str, row: pd.Series) -> str:
        value, form = row[column], self.formats.get(column)
        if form is None:
            return plain(value)
        return form(row) if getattr(form, "takes_row", False) else (NONE if missing(value) else form(value))

    def _is_number(self, column: str) -> bool:
        return pd.api.types.is_numeric_dtype(self.frame[column]) and not pd.api.types.is_bool_dtype(
            self.frame[column]
        )

    def as_shown(self) -> "ShownTable":
        """The table as the page sets it: texts, and the values behind the numbers."""
        texts = self.shown
        names = [column for column in self.frame.columns if column not in self.hidden]
        columns = []
        for name, heading in zip(names, texts.columns, strict=True):
            number = self._is_number(name)
            values = tuple(_sortable(value) for value in self.frame[name]) if number else ()
            columns.append(Column(str(heading), tuple(texts[heading]), number, values))
        return ShownTable(tuple(columns), None if self.groups is None else self.header(self.groups))

    def styled(self, name: str) -> "Styler":
        """The texts as a DataFrame that a notebook displays: escaped, without index, numbers to the right.

        Columns of sentences keep a width, so that in a narrow window the table scrolls and its rows stay low.
        ``name`` sets the table's styles apart from those of other tables in the notebook.
        """
        from pandas.io.formats.style import Styler

        texts = self.shown
        right = [column.heading for column in self.as_shown().columns if column.number]
        styler = Styler(texts, uuid=name, cell_ids=False).hide(axis="index")
        styler = styler.format(escape="html").format_index(escape="html", axis=1)
        styles = {heading: _align("right" if heading in right else "left") for heading in texts.columns}
        for heading in texts.columns[texts.map(lambda text: len(str(text)) > LONG_TEXT).any()]:
            styles[heading].append({"selector": "td", "props": [("min-width", "16em")]})
        return styler.set_table_styles(styles)

    def to_text(self) -> str:
        """The same for a terminal."""
        return self.shown.to_string(index=False)


def _align(side: str) -> list[dict[str, Any]]:
    """The style of a column's cells and heading."""
    return [{"selector": "th,td", "props": [("text-align", side)]}]


def _sortable(value: Any) -> float | None:
    """A number to sort by; None where there is none, for JSON knows neither NaN nor infinity."""
    return None if missing(value) or not math.isfinite(value) else float(value)


def of_row(function: Callable[[pd.Series], str]) -> Format:
    """Mark a format that looks at the whole row."""

    def form(row: pd.Series) -> str:
        return function(row)

    form.takes_row = True  # type: ignore[attr-defined]
    return form


def _images(images: Images, row: pd.Series) -> int:
    return images(row) if callable(images) else images


def mean_and_spread(images: Images) -> Format:
    """A format of the columns mean and standard_deviation: '71.9 \N{PLUS-MINUS SIGN} 1.2', in percent."""
    return of_row(
        lambda row: mean_and_spread_of_images(row["mean"], row["standard_deviation"], _images(images, row))
    )


def percent_range(images: Images, low: str = "low", high: str = "high") -> Format:
    """A format of two columns of shares, the ends of an interval: '61.0 to 78.3', in percent."""
    return of_row(lambda row: percent_interval_of_images(row[low], row[high], _images(images, row)))


def points_with_ends(name: str, places: int = 1) -> Format:
    """A format of ``name``_difference, _low and _high: '-3.1 (-6.0 to -0.2)', in percentage points.

    The difference stands alone where an end is missing.
    """
    change, low, high = (f"{name}_{part}" for part in ("difference", "low", "high"))
    return of_row(lambda row: points_with_interval(row[change], row[low], row[high], places))


def points_range(images: Images, low: str = "low", high: str = "high") -> Format:
    """The same of differences of shares: '-0.8 to +3.1', in percentage points."""
    return of_row(lambda row: points_interval_of_images(row[low], row[high], _images(images, row)))
