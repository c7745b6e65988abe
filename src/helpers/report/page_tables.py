"""Tables of the page as HTML: from a DataFrame or from what a notebook displayed, with number and caption."""

import re
from collections.abc import Iterable
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

TALL = 32  # rows; a longer table scrolls in a box of its own
WIDE, WIDEST = (
    4,
    10,
)  # columns above which a table scrolls sideways on a narrow screen, and breaks its headings on paper
NUMBER = re.compile(r"^[+\-\u2212]?[\d,]+(\.\d+)?(e[+-]?\d+)?\s*%?$|^(nan|\u2013|)$", re.IGNORECASE)


def as_text(value: Any) -> str:
    """A value as a reader writes it."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return (
            "; ".join(f"{key}: {as_text(part)}" for key, part in value.items() if part is not None)
            or "nothing added"
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(as_text(part) for part in value)
    return str(value)


def frame_html(frame: pd.DataFrame, repeats: str | None = None) -> Markup:
    """A table of texts as HTML: everything escaped, numbers to the right.

    In the column ``repeats`` a value that stands in the row above as well is shown only once the table is sorted.
    """
    texts = frame.map(as_text)
    numeric = {column: _is_numeric(texts[column]) for column in texts}
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(
            Markup(' class="number"') if numeric[column] else "", column
        )
        for column in texts
    )
    body, before = [], None
    for row in texts.to_dict("records"):
        cells, first = [], True
        for column, text in row.items():
            repeated = column == repeats and before is not None and before[column] == text
            content = Markup('<span class="repeat">{}</span>').format(text) if repeated else escape(text)
            tag = Markup('th scope="row"') if first else Markup("td")
            kind = Markup(' class="number"') if numeric[column] else ""
            cells.append(Markup("<{}{}>{}</{}>").format(tag, kind, content, "th" if first else "td"))
            first = False
        new = repeats is not None and before is not None and before[repeats] != row[repeats]
        body.append(
            Markup("<tr{}>{}</tr>").format(Markup(' class="new"') if new else "", Markup("").join(cells))
        )
        before = row
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(
        head, Markup("\n").join(body)
    )


def _is_numeric(texts: Iterable[str]) -> bool:
    texts = [text.strip() for text in texts]
    return any(texts) and all(
        NUMBER.match(text) or re.fullmatch(r"[+\-\u2212]?[\d.,]+ (to|\u2013) [+\-\u2212]?[\d.,]+", text)
        for text in texts
    )


def clean_table(html: str) -> Markup:
    """A sanitised table of a notebook with the page's classes, scopes and nothing else."""
    from bs4 import BeautifulSoup

    table = BeautifulSoup(html, "html.parser").find("table")
    table.attrs = {}
    if not table.find("thead") and (first := table.find("tr")) and first.find("th"):
        first.wrap(BeautifulSoup("", "html.parser").new_tag("thead"))
    for caption in table.find_all("caption"):
        caption.decompose()
    body = table.find("tbody") or table
    for cell in table.find_all(["td", "th"]):
        header = cell.find_parent("thead") is not None
        kind = (
            "number"
            if not header and NUMBER.match(cell.get_text(strip=True)) and cell.get_text(strip=True)
            else ""
        )
        given = cell.get("class") or []
        given = given if isinstance(given, list) else given.split()
        if "number" in given or (kind and "text" not in given):
            cell["class"] = "number"
        else:
            del cell["class"]
        if cell.name == "th":
            cell["scope"] = "col" if header else "row"
            if header and not cell.get_text(strip=True):
                cell.name = "td"  # a heading without a text is none
                del cell["scope"]
    _align_headings(table, body)
    return Markup(str(table))


def _align_headings(table: Any, body: Any) -> None:
    """Let a heading stand to the right where every cell of its column does."""
    rows = [row.find_all(["td", "th"]) for row in body.find_all("tr") if row.find_parent("thead") is None]
    head = table.find("thead")
    if not rows or head is None or not head.find_all("tr"):
        return
    last = head.find_all("tr")[-1].find_all(["th", "td"])
    for place, cell in enumerate(last):
        column = [row[place] for row in rows if len(row) == len(last)]
        if column and all("number" in (cell.get("class") or "") for cell in column):
            cell["class"] = "number"


def wrap_table(
    table: Markup, number: int | None = None, caption: str = "", name: str | None = None
) -> Markup:
    """A table with its number and caption, in a box that scrolls sideways where the page is narrow."""
    lead = Markup("<b>Table {}</b> ").format(number) if number else ""
    label = f"Table {number}" if number else "Table"
    columns = len(re.findall(r"<th\b", str(table).split("</tr>", 1)[0]))
    wide = " wide widest" if columns > WIDEST else " wide" if columns > WIDE else ""
    tall = " tall" if str(table).count("<tr") > TALL else ""
    return Markup(
        '<figure class="table{}"{} data-name="{}">{}<div class="scroll" tabindex="0" role="region" aria-label="{}">{}</div></figure>'
    ).format(
        wide + tall,
        Markup(' id="table-{}"').format(number) if number else "",
        name or "table",
        Markup("<figcaption>{}{}</figcaption>").format(lead, inline(caption)) if number or caption else "",
        label + (f": {plain_words(caption)[:60]}" if caption else ""),
        table,
    )


def inline(text: str) -> Markup:
    """A caption, escaped, with its `code` and *emphasis*."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"(?<![*\w])\*([^*\s][^*]*)\*(?![*\w])", r"<em>\1</em>", marked))


def plain_words(text: str) -> str:
    """A caption without its marks."""
    return text.replace("`", "").replace("*", "")
