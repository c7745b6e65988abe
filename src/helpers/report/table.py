"""A table of the report: its values, and how each of them is shown."""

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from helpers.report.words import (
    NONE,
    mean_and_spread_of_images,
    missing,
    percent_interval_of_images,
    plain,
    points_interval_of_images,
)

Format = Callable[[Any], str]
Images = int | Callable[[pd.Series], int]  # behind a share: of all rows, or of each


@dataclass(frozen=True)
class Table:
    """Values, and how each column is shown. The first column names the row.

    ``formats`` maps a column to a function from value to text; ``headers`` maps it to its heading; a column
    that
    ``headers`` does not name keeps its own name with spaces. Headings are shown with a capital letter.
    """

    frame: pd.DataFrame
    formats: Mapping[str, Format] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()  # saved, not shown

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
        text = self.headers.get(column, str(column).replace("_", " "))
        return text[:1].upper() + text[1:]

    def _text(self, column: str, row: pd.Series) -> str:
        value, form = row[column], self.formats.get(column)
        if form is None:
            return plain(value)
        return form(row) if getattr(form, "takes_row", False) else (NONE if missing(value) else form(value))

    def _is_number(self, column: str) -> bool:
        return pd.api.types.is_numeric_dtype(self.frame[column]) and not pd.api.types.is_bool_dtype(
            self.frame[column]
        )

    def to_html(self) -> str:
        """An HTML table: escaped, headings with their scope, numbers right-aligned, raw values kept for
        sorting.
        """
        columns = [column for column in self.frame.columns if column not in self.hidden]
        kinds = ["number" if self._is_number(column) else "text" for column in columns]
        heads = "".join(
            f'<th scope="col" class="{kind}" style="{_align(kind)}">{html.escape(self.header(column))}</th>'
            for column, kind in zip(columns, kinds, strict=True)
        )
        body = []
        for _, row in self.frame.iterrows():
            cells = []
            for place, (column, kind) in enumerate(zip(columns, kinds, strict=True)):
                text = html.escape(self._text(column, row))
                raw = (
                    f' data-value="{html.escape(repr(float(row[column])))}"'
                    if kind == "number" and not missing(row[column])
                    else ""
                )
                tag, scope = ("th", ' scope="row"') if place == 0 else ("td", "")
                cells.append(f'<{tag}{scope} class="{kind}" style="{_align(kind)}"{raw}>{text}</{tag}>')
            body.append("<tr>" + "".join(cells) + "</tr>")
        return (
            f'<table class="report-table">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n'
            + "\n".join(body)
            + "\n</tbody>\n</table>"
        )

    def to_text(self) -> str:
        """The same for a terminal."""
        return self.shown.to_string(index=False)

    def _repr_html_(self) -> str:
        return self.to_html()


def _align(kind: str) -> str:
    return "text-align:right" if kind == "number" else "text-align:left"


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


def points_range(images: Images, low: str = "low", high: str = "high") -> Format:
    """The same of differences of shares: '-0.8 to +3.1', in percentage points."""
    return of_row(lambda row: points_interval_of_images(row[low], row[high], _images(images, row)))
