"""One cell of a notebook as HTML: what comes from data is escaped, foreign HTML is cut down to safe tags."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from markupsafe import Markup
from nbformat import NotebookNode

from helpers.report.page.cells import label_of
from helpers.report.page.pictures import figure_html, image_source, size_of
from helpers.report.page.tables import table_html
from helpers.report.table import ShownTable

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

STREAM_LINES = 12  # printed lines that stand open
TEXT_TAGS = (
    "a abbr b blockquote br code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre s small span"
)
MORE_TAGS = "strong sub sup u ul var caption table tbody td tfoot th thead tr"
TAGS = {*TEXT_TAGS.split(), *MORE_TAGS.split()}
ATTRIBUTES = {
    "a": ["href", "title"],
    "abbr": ["title"],
    "img": ["src", "alt", "width", "height"],
    "td": ["colspan", "rowspan", "class"],
    "th": ["colspan", "rowspan", "scope", "class"],
    "ol": ["start"],
}


# --- foreign HTML -------------------------------------------------------------------------------


def sanitise(html: str) -> str:
    """HTML cut down to text, tables and pictures; anything else becomes visible text."""
    import bleach

    html = re.sub(r"(?is)<style\b.*?</style>|<!--.*?-->", "", html)
    return bleach.clean(
        html, tags=TAGS, attributes=ATTRIBUTES, protocols=["http", "https", "mailto", "data"], strip=False
    )


def safe_html(html: str) -> "BeautifulSoup":
    """Foreign HTML that the page may show: sanitised, without pictures from elsewhere, tables scroll."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(sanitise(html), "html.parser")
    for image in soup.find_all("img"):
        if not str(image.get("src", "")).startswith("data:image/"):
            image.replace_with(str(image.get("alt", "")))
        elif not image.get("alt"):
            image["alt"] = "Picture in the text"
    for table in soup.find_all("table"):
        for heading in table.find_all("th"):
            if not heading.get_text(strip=True):
                heading.name = "td"  # a heading without a text is none
        if table.find_parent("table") is None:
            box = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": "Table"}
            table.wrap(soup.new_tag("div", attrs=box))
    return soup


# --- prose and code -----------------------------------------------------------------------------


def prose(cell: NotebookNode) -> Markup:
    """A prose cell as HTML, its headings with the anchors that the page gave them."""
    return markdown_html(cell.source, cell.metadata.get("headings", []))


def markdown_html(source: str, anchors: Iterable[str] = ()) -> Markup:
    """Markdown as safe HTML; a heading of level n becomes one of level n + 1, at least 3."""
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    html = markdown2html_mistune(source).replace(' style="text-align:right"', ' class="number"')
    soup, names = safe_html(html), iter(anchors)
    for link in soup.find_all("a"):
        if link.get_text() == "\u00b6":
            link.decompose()
    for heading in soup.find_all(re.compile(r"^h[1-6]$")):
        heading.name = f"h{min(6, max(3, int(heading.name[1]) + 1))}"
        if anchor := next(names, None):
            heading["id"] = anchor
    return Markup(str(soup))


def code_html(source: str) -> Markup:
    """Python with its syntax marked."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return Markup(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))


# --- outputs ------------------------------------------------------------------------------------


def output_html(output: NotebookNode, numbered: bool = True) -> Markup:
    """One output as the page shows it: a figure or table, sentences, foreign HTML, or printed text.

    ``numbered`` says whether figures and tables show the number in their label.
    """
    if output.output_type == "stream":
        return printed(output.text)
    if output.output_type == "error":
        error = f"{output.ename}: {output.evalue}"
        return Markup('<pre class="printed error" tabindex="0">{}</pre>').format(error)
    data, label = output.data, label_of(output) or {}
    number = label.get("number") if numbered else None
    if picture := image_source(data):
        return figure_html(picture, label, size_of(output), number)
    if "table" in label:
        table = ShownTable.from_dict(label["table"])
        return table_html(table, label.get("name") or "table", label.get("caption") or "", number)
    if "text/html" in data:
        return Markup('<div class="output">{}</div>').format(Markup(str(safe_html(data["text/html"]))))
    if "text/markdown" in data:
        return Markup('<div class="prose">{}</div>').format(markdown_html(data["text/markdown"]))
    return printed(data.get("text/plain", ""))


def printed(text: str) -> Markup:
    """Printed text: short text as it is, long text folded."""
    from nbconvert.filters import strip_ansi

    text = strip_ansi(text).strip("\n")
    if not text.strip():
        return Markup("")
    block = Markup('<pre class="printed" tabindex="0">{}</pre>').format(text)
    lines = text.count("\n") + 1
    if lines <= STREAM_LINES:
        return block
    folded = Markup('<details class="fold"><summary>Printed, {} lines</summary>{}</details>')
    return folded.format(lines, block)
