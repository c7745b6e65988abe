"""Tables of the page as HTML: those of the notebooks and the page's own, all from ``ShownTable``."""

import re

import pandas as pd
from markupsafe import Markup

from helpers.report.page.captions import figcaption, plain_words
from helpers.report.table import Column, ShownTable

TALL = 31  # rows; a longer table scrolls in a box of its own
WIDE = 4  # columns; a wider table scrolls sideways on a narrow screen
WIDEST = 10  # columns; a wider table breaks the words of its headings on paper
NUMBER = re.compile(r"[+\-\u2212]?[\d,]+(\.\d+)?(e[+-]?\d+)?\s*%?|nan|\u2013|", re.IGNORECASE)
RANGE = re.compile(r"[+\-\u2212]?[\d.,]+ (to|\u2013) [+\-\u2212]?[\d.,]+")


def table_html(
    table: ShownTable, name: str = "table", caption: str = "", number: int | None = None
) -> Markup:
    """A table with its number and caption, in a box that scrolls sideways where the page is narrow."""
    columns = len(table.columns)
    width = " wide widest" if columns > WIDEST else " wide" if columns > WIDE else ""
    title = f"Table {number}" if number else "Table"
    return Markup(
        '<figure class="table{}{}"{} data-name="{}">{}'
        '<div class="scroll" tabindex="0" role="region" aria-label="{}">'
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div></figure>"
    ).format(
        width,
        " tall" if table.rows > TALL else "",
        Markup(' id="table-{}"').format(number) if number else "",
        name,
        figcaption(title if number else "", caption),
        f"{title}: {plain_words(caption)[:60]}" if caption else title,
        Markup("").join(_heading(column) for column in table.columns),
        Markup("\n").join(_row(table, row) for row in range(table.rows)),
    )


def _heading(column: Column) -> Markup:
    if not column.heading:
        return Markup("<td></td>")  # a heading without a text is none
    return Markup('<th scope="col"{}>{}</th>').format(_class(column), column.heading)


def _row(table: ShownTable, row: int) -> Markup:
    """One row; a repeated text of the grouping column is seen only once the table is sorted."""
    group = table.grouping
    begins = group is not None and row > 0 and group.texts[row] != group.texts[row - 1]
    cells = []
    for place, column in enumerate(table.columns):
        repeated = column is group and row > 0 and not begins
        content = Markup('<span class="repeat">{}</span>') if repeated else Markup("{}")
        tag = Markup('<th scope="row"{}>{}</th>') if place == 0 else Markup("<td{}>{}</td>")
        attributes = _class(column) + _sorted_by(column, row)
        cells.append(tag.format(attributes, content.format(column.texts[row])))
    return Markup("<tr{}>{}</tr>").format(Markup(' class="new"') if begins else "", Markup("").join(cells))


def _class(column: Column) -> Markup:
    return Markup(' class="number"') if column.number else Markup("")


def _sorted_by(column: Column, row: int) -> Markup:
    """The value behind a rounded text, which the page's script sorts by."""
    value = column.values[row] if column.values else None
    return Markup("") if value is None else Markup(' data-value="{}"').format(repr(float(value)))


def text_table(frame: pd.DataFrame, groups: str | None = None) -> ShownTable:
    """A frame of texts as a table, numbers to the right.

    ``groups`` is the column whose equal texts, one below the other, belong together. ``frame.attrs`` may hold
    the values that a column of other texts is sorted by, such as the seconds of '9 min 12 s'.
    """
    columns = []
    for column in frame:
        cells, values = tuple(map(str, frame[column])), tuple(frame.attrs.get(column, ()))
        columns.append(Column(str(column), cells, bool(values) or _is_numeric(cells), values))
    return ShownTable(tuple(columns), groups)


def _is_numeric(texts: tuple[str, ...]) -> bool:
    """Whether a column holds nothing but numbers and intervals."""
    stripped = [text.strip() for text in texts]
    return any(stripped) and all(NUMBER.fullmatch(text) or RANGE.fullmatch(text) for text in stripped)
