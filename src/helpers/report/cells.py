"""Cells of the notebooks: which of them the page shows, in which order, and each one as HTML.

All that comes from data is escaped; HTML that a notebook displays is cut down to tables and text.
"""

import base64
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup, escape
from nbformat import NotebookNode

from helpers.errors import MissingStageError
from helpers.report.page_tables import clean_table, inline, plain_words, wrap_table

SHRINK_ABOVE = 200_000  # bytes; a larger PNG is stored as WebP where that is smaller
BROAD = 720  # pixels: a figure drawn for the page's whole width
STREAM_LINES = 12  # printed lines that stand open
TAGS = [
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "caption",
    "code",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
    "var",
]
ATTRIBUTES = {
    "a": ["href", "title"],
    "abbr": ["title"],
    "img": ["src", "alt", "width", "height"],
    "td": ["colspan", "rowspan", "data-value", "class"],
    "th": ["colspan", "rowspan", "data-value", "scope", "class"],
    "ol": ["start"],
}

APART = ("claims", "audit", "departures")  # parts of a notebook that are sections of the page

# --- choice and order ---------------------------------------------------------------------------


def read_notebook(path: Path) -> NotebookNode:
    """A notebook from disk; raises MissingStageError for a damaged one."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise MissingStageError(f"{path} cannot be read ({error}): run its stage again.") from None


def combine(source: NotebookNode | None, executed: NotebookNode) -> list[NotebookNode]:
    """Cells in the order of today's source: prose from there, code and outputs from the executed notebook.

    Cells are matched by id. Executed code that the source does not have, such as the injected parameters, stays
    behind the cell that it followed; prose that the source no longer has is left out.
    """
    if source is None:
        return [NotebookNode(cell) for cell in executed.cells]
    done = {cell.id: cell for cell in executed.cells}
    known = {cell.id for cell in source.cells}
    followers: dict[str | None, list[NotebookNode]] = {}
    last = None
    for cell in executed.cells:
        if cell.id in known:
            last = cell.id
        elif cell.cell_type == "code":
            followers.setdefault(last, []).append(cell)
    cells = list(followers.get(None, []))
    for cell in source.cells:
        if cell.cell_type == "markdown":
            cells.append(cell)
        elif cell.id in done:
            cells.append(done[cell.id])
        cells += followers.get(cell.id, [])
    return cells


def take_title(cells: list[NotebookNode], marks: str = "#") -> str:
    """Remove the heading that opens the first prose cell (its level as a pattern) and return its text."""
    for cell in cells:
        if cell.cell_type == "markdown":
            found = re.match(rf"\s*{marks}\s+(.+?)\s*#*\s*(?:\n|$)", cell.source)
            if found:
                cell.source = cell.source[found.end() :]
            # a file's number is no section's: '01 - The data' is 'The data'
            return re.sub(r"^0\d\s*[.:\u00b7\u2013-]*\s+", "", _strip_markdown(found[1])) if found else ""
    return ""


def lift(cells: list[NotebookNode]) -> tuple[list[NotebookNode], dict[str, list[NotebookNode]]]:
    """The cells of a notebook's own section, and those of the parts that the page sets apart, by name.

    Such a part runs from the prose cell of its name to the next one's, or to the notebook's last words.
    """
    own: list[NotebookNode] = []
    lifted: dict[str, list[NotebookNode]] = {}
    name = None
    for cell in cells:
        if cell.cell_type == "markdown" and cell.id in (*APART, "try"):
            name = cell.id if cell.id in APART else None
        (own if name is None else lifted.setdefault(name, [])).append(cell)
    return own, lifted


def before_last_words(cells: list[NotebookNode]) -> int:
    """Where to add to a section: before its suggestions, else at its end."""
    return len(cells) - 1 if cells and cells[-1].metadata.get("aside") else len(cells)


def fold(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Drop empty cells and outputs, and join code that shows nothing to the code that follows."""
    folded: list[NotebookNode] = []
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.get("outputs", []) if is_shown(output)]
            before = folded[-1] if folded else None
            if before is not None and before.cell_type == "code" and not before.outputs:
                cell.source = f"{before.source}\n\n{cell.source}".strip()
                folded.pop()
        if cell.source.strip() or cell.get("outputs"):
            folded.append(cell)
    return folded


def raw_cell(content: Markup) -> NotebookNode:
    """A cell of the page's own HTML."""
    cell = nbformat.v4.new_raw_cell(str(content))
    cell.metadata["own"] = True
    return cell


def label_of(output: NotebookNode) -> dict[str, Any] | None:
    """The output's label for the page: kind, name, caption, alt, number."""
    label = output.get("metadata", {}).get("report")
    return label if isinstance(label, dict) and "kind" in label else None


def outputs_of(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """All outputs of a notebook, in order."""
    return (output for cell in notebook.cells for output in cell.get("outputs", []))


def is_shown(output: NotebookNode) -> bool:
    """Whether the page shows an output: no progress bars, warnings, or captions that it sets itself."""
    if output.output_type == "stream":
        return output.name == "stdout" and bool(output.text.strip())
    label = label_of(output)
    if label and label["kind"] == "caption":
        return False
    data = output.get("data", {})
    if "application/vnd.jupyter.widget-view+json" in data:
        return False
    return output.output_type == "error" or any(
        str(data.get(kind, "")).strip()
        for kind in ("image/svg+xml", "image/png", "image/jpeg", "text/html", "text/markdown", "text/plain")
    )


# --- HTML of one cell ---------------------------------------------------------------------------


def headings(markdown: str) -> list[tuple[int, str]]:
    """Level and text of the headings of a prose cell, fenced code left aside."""
    text = re.sub(r"(?ms)^(```|~~~).*?^\1", "", markdown)
    return [
        (len(marks), _strip_markdown(words))
        for marks, words in re.findall(r"(?m)^(#{1,6})\s+(.+?)\s*#*\s*$", text)
    ]


def _strip_markdown(text: str) -> str:
    return re.sub(r"[*`]|\[([^\]]*)\]\([^)]*\)", r"\1", text).strip()


def prose(cell: NotebookNode) -> Markup:
    """A prose cell as HTML: sanitised, headings one level down with their anchors, tables as the page sets them."""
    anchors = iter(cell.metadata.get("headings", []))
    return markdown_html(cell.source, anchors)


def markdown_html(source: str, anchors: Iterable[str] = ()) -> Markup:
    """Markdown as safe HTML; a heading of level n becomes one of level n + 1, at least 3."""
    from bs4 import BeautifulSoup
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    soup = BeautifulSoup(sanitise(markdown2html_mistune(formulae(source))), "html.parser")
    anchors = iter(anchors)
    for link in soup.find_all("a"):
        if link.get_text() == "\u00b6":
            link.decompose()
    for heading in soup.find_all(re.compile(r"^h[1-6]$")):
        heading.name = f"h{min(6, max(3, int(heading.name[1]) + 1))}"
        if anchor := next(anchors, None):
            heading["id"] = anchor
    for image in soup.find_all("img"):
        # only what is in the file itself may be shown
        if not str(image.get("src", "")).startswith("data:image/"):
            image.replace_with(image.get("alt", ""))
        elif not image.get("alt"):
            image["alt"] = "Picture in the text"
    for table in soup.find_all("table"):
        table.replace_with(BeautifulSoup(str(wrap_table(clean_table(str(table)))), "html.parser"))
    return Markup(str(soup))


def sanitise(html: str) -> str:
    """HTML cut down to text, tables and pictures from within the file; anything else becomes visible text."""
    import bleach

    html = re.sub(r"(?is)<style\b.*?</style>|<!--.*?-->", "", html)
    return bleach.clean(
        html,
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        protocols=["http", "https", "mailto", "data"],
        strip=False,
    )


GREEK = dict(
    alpha="\u03b1", beta="\u03b2", gamma="\u03b3", delta="\u03b4", epsilon="\u03b5", lambda_="\u03bb", mu="\u03bc", sigma="\u03c3", theta="\u03b8", nabla="\u2207",
    times="\u00d7", cdot="\u00b7", le="\u2264", leq="\u2264", ge="\u2265", geq="\u2265", pm="\u00b1", approx="\u2248", sum="\u03a3", in_="\u2208", to="\u2192", infty="\u221e", sim="~", ldots="\u2026",
)  # fmt: skip


def formulae(markdown: str) -> str:
    """Simple TeX between dollars as plain HTML; code is left as it is."""
    pieces = re.split(r"(?s)(```.*?```|`[^`\n]+`)", markdown)
    pieces[::2] = [
        re.sub(r"\$\$?(?=\S)([^$\n]+?)(?<=\S)\$\$?(?!\d)", lambda found: _formula(found[1]), piece)
        for piece in pieces[::2]
    ]
    return "".join(pieces)


def _formula(tex: str) -> str:
    if re.fullmatch(r"[\d.,\s]*", tex):  # sums of money, not formulae
        return f"${tex}$"
    text = str(escape(tex))
    text = re.sub(r"\\(?:mathrm|mathbf|mathbb|text|mathcal|hat|tilde|operatorname)\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1) / (\2)", text)
    text = re.sub(
        r"\\([A-Za-z]+)",
        lambda found: (
            GREEK.get(found[1])
            or GREEK.get(f"{found[1]}_")
            or ("" if found[1] in ("left", "right", "quad") else found[1])
        ),
        text,
    )
    text = re.sub(r"_\{([^{}]*)\}|_(\w)", lambda found: f"<sub>{found[1] or found[2]}</sub>", text)
    text = re.sub(r"\^\{([^{}]*)\}|\^(\w)", lambda found: f"<sup>{found[1] or found[2]}</sup>", text)
    return f"<var>{text.replace('{', '').replace('}', '').replace(chr(92), '')}</var>"


def code_html(source: str) -> Markup:
    """Python with its syntax marked."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return Markup(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))


def output_html(output: NotebookNode) -> Markup:
    """One output as the page shows it: a numbered figure or table, sentences, a plain table, or printed text."""
    if output.output_type == "stream":
        return printed(output.text)
    if output.output_type == "error":
        return Markup('<pre class="printed error" tabindex="0">{}</pre>').format(
            f"{output.ename}: {output.evalue}"
        )
    data, label = output.data, label_of(output) or {}
    if picture := image_source(data):
        return figure_html(picture, label, _size(output, data))
    if "text/html" in data:
        return html_output(data["text/html"], label)
    if "text/markdown" in data:
        return Markup('<div class="prose">{}</div>').format(markdown_html(data["text/markdown"]))
    return printed(data.get("text/plain", ""))


def html_output(html: str, label: dict[str, Any]) -> Markup:
    """HTML that a notebook displayed: its tables as the page sets them, the rest as text."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(sanitise(html), "html.parser")
    tables = soup.find_all("table")
    if not tables:
        return Markup('<div class="output">{}</div>').format(Markup(str(soup)))
    number = None if label.get("others") else label.get("number")
    wrapped = [
        wrap_table(
            clean_table(str(table)),
            number if place == 0 else None,
            label.get("caption", "") if place == 0 else "",
            label.get("name"),
        )
        for place, table in enumerate(tables)
    ]
    return Markup("").join(wrapped)


def printed(text: str) -> Markup:
    """Printed text: short as it is, long folded."""
    from nbconvert.filters import strip_ansi

    text = strip_ansi(text).strip("\n")
    if not text.strip():
        return Markup("")
    block = Markup('<pre class="printed" tabindex="0">{}</pre>').format(text)
    lines = text.count("\n") + 1
    return (
        block
        if lines <= STREAM_LINES
        else Markup('<details class="fold"><summary>Printed, {} lines</summary>{}</details>').format(
            lines, block
        )
    )


def image_source(data: dict[str, Any]) -> str | None:
    """An output's picture as a data address: the drawing where it is light, else pixels; None without one."""
    svg, png = data.get("image/svg+xml"), data.get("image/png")
    if svg:
        text = (
            svg
            if "xmlns=" in svg.split(">", 1)[0]
            else svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        )
        # in an image no script of the drawing runs, and its ids meet no others
        return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()
    for kind, content in (("image/png", png), ("image/jpeg", data.get("image/jpeg"))):
        if content:
            raw = base64.b64decode(content)
            kind, raw = shrink(raw) if kind == "image/png" else (kind, raw)
            return f"data:{kind};base64,{base64.b64encode(raw).decode()}"
    return None


def shrink(png: bytes) -> tuple[str, bytes]:
    """A large PNG as WebP where that is clearly smaller: media type and bytes."""
    if len(png) <= SHRINK_ABOVE:
        return "image/png", png
    from PIL import Image

    buffer = io.BytesIO()
    try:
        Image.open(io.BytesIO(png)).save(buffer, "WEBP", quality=90, method=4)
    except (OSError, ValueError, KeyError):
        return "image/png", png
    return ("image/webp", buffer.getvalue()) if buffer.tell() < 0.8 * len(png) else ("image/png", png)


def _size(output: NotebookNode, data: dict[str, Any]) -> tuple[int | None, int | None]:
    """Width and height on the page in pixels, where known: it keeps the text from jumping."""
    noted = output.get("metadata", {}).get("image/png") or {}
    if isinstance(noted, dict) and noted.get("width") and noted.get("height"):
        return int(noted["width"]), int(noted["height"])
    found = re.search(
        r"<svg\b[^>]*?\bviewBox=\"\s*[\d.-]+\s+[\d.-]+\s+([\d.]+)\s+([\d.]+)", data.get("image/svg+xml") or ""
    )
    return (round(float(found[1]) * 4 / 3), round(float(found[2]) * 4 / 3)) if found else (None, None)


def figure_html(source: str, label: dict[str, Any], size: tuple[int | None, int | None]) -> Markup:
    """A figure: the picture as a button that enlarges it, number and caption below."""
    number = None if label.get("others") else label.get("number")
    name, caption = (f"Figure {number}" if number else "Figure"), label.get("caption") or ""
    alt = label.get("alt") or caption or "A picture that this notebook displays"
    width = Markup(' width="{}" height="{}"').format(*size) if all(size) else ""
    lead = Markup("<b>{}</b> ").format(name) if number else ""
    alt = plain_words(alt)
    # a drawing that would shrink until its words cannot be read pans in its box instead
    broad = " broad" if (size[0] or 0) >= BROAD else ""
    return Markup(
        '<figure class="figure{}"{}><div class="pan"><button class="enlarge" type="button" aria-label="Enlarge {}"><img src="{}" alt="{}"{}></button></div>{}</figure>'
    ).format(
        broad,
        Markup(' id="figure-{}"').format(number) if number else "",
        name.lower() if not number else f"figure {number}",
        source,
        alt,
        width,
        Markup("<figcaption>{}{}</figcaption>").format(lead, inline(caption)) if caption or number else "",
    )
