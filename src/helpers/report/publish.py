"""What a notebook shows: figures, tables and sentences are displayed, saved, and labelled for the page.

An output carries a label in its metadata under "report": its kind ("figure", "table", "text" or "caption"),
and of figures and tables name, caption and number; of figures the alternative text and what stands behind
their images (``Behind.as_dict``), and of tables the table itself as data (``ShownTable.as_dict``), from
which the page sets it. The caption that a notebook displays below a figure or table is an output of kind
"caption", which the page leaves out because it sets its own.
"""

import base64
import html
import io
import re

import matplotlib
import matplotlib.style
from matplotlib.figure import Figure

from helpers.errors import ParameterError
from helpers.files import atomic_path, write_table, write_text
from helpers.paths import RunPaths, as_typed
from helpers.report.behind import Behind
from helpers.report.fonts import lend_fonts, no_font_note, without_glyph_warnings
from helpers.report.style import STYLE
from helpers.report.table import Table

SVG_LIMIT = 400_000  # characters; a drawing with more marks than that is lighter as pixels
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*", re.IGNORECASE)


def svg_text(figure: Figure, name: str, alt: str = "") -> str:
    """The figure as an SVG element: the same bytes each time, and ids that no other figure shares."""
    buffer = io.StringIO()
    with matplotlib.style.context(["default", STYLE]), matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # a hundredth of a point is seen by nobody; six decimals make a page of ten GANs half as heavy again
    text = re.sub(r' (?:d|x|y)="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), text)
    # matplotlib names clip paths by their address in memory: they are numbered as they come
    numbers: dict[str, str] = {}
    text = re.sub(
        r"\b[A-Za-z][0-9a-f]{10}\b(?=[\")])",
        lambda found: numbers.setdefault(found[0], f"e{len(numbers)}"),
        text,
    )
    prefix = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    text = re.sub(r'\bid="([^"]+)"', _Once(), text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ', 1)


def _as_wide_as_its_place(svg: str) -> str:
    """A drawing for a notebook, whose cell would cut it off at its own size; its viewBox keeps the shape."""
    start, rest = svg.split(">", 1)
    start = re.sub(r' height="[^"]*"', "", start)
    return re.sub(r' width="[^"]*"', ' width="100%"', start) + ">" + rest


class _Once:
    """Numbers an id that comes again, as in a picture drawn twice; references stay with the first."""

    def __init__(self):
        self.seen: dict[str, int] = {}

    def __call__(self, found: re.Match) -> str:
        name = found[1]
        self.seen[name] = times = self.seen.get(name, 0) + 1
        return found[0] if times == 1 else f'id="{name}-{times}"'


def png_bytes(figure: Figure, scale: int = 2) -> bytes:
    """The figure as PNG with ``scale`` pixels per pixel of the page."""
    buffer = io.BytesIO()
    with matplotlib.style.context(["default", STYLE]):
        figure.savefig(buffer, format="png", dpi=100 * scale, metadata={"Software": None})
    return buffer.getvalue()


def _lay_out(figure: Figure) -> None:
    """Find the places of the figure's parts once, for all its formats; that is half the work of drawing."""
    with matplotlib.style.context(["default", STYLE]):
        figure.draw_without_rendering()
    figure.set_layout_engine("none")


def holds_images(figure: Figure) -> bool:
    """Whether photographs or other pixels are in the figure."""
    return bool(figure.images) or any(axes.images for axes in figure.axes)


def show_figure(
    figure: Figure | None,
    run: RunPaths | str,
    name: str,
    caption: str,
    alt: str,
    number: int | None = None,
    behind: Behind | None = None,
) -> None:
    """Display a figure and save it in reports/<run>/figures as SVG and PNG (twice the page's resolution).

    Where the run has nothing to draw, ``figure`` is None and nothing is done. A figure whose label says what
    there is instead (``empty_figure``) has this sentence for caption and alternative text.

    ``caption`` says what to see, ``alt`` what is drawn, ``number`` is the paper's number of the same figure
    (1 to 8) or None for one that the paper does not have. ``behind`` is what the page shows of an image of
    the figure when a reader chooses it.
    """
    if figure is None:
        return
    paths, instead = _paths(run, name), str(figure.get_label())
    caption, alt, behind = (instead, instead, None) if instead else (caption.strip(), alt, behind)
    caption += no_font_note(lend_fonts(figure), as_typed(paths.notebooks))
    with without_glyph_warnings():
        _lay_out(figure)
        svg, png = svg_text(figure, name, alt), png_bytes(figure)
    write_text(paths.figures / f"{name}.svg", svg)
    with atomic_path(paths.figures / f"{name}.png") as temporary:
        temporary.write_bytes(png)
    label: dict = {"kind": "figure", "name": name, "caption": caption, "alt": alt, "number": number}
    if behind:
        label["behind"] = behind.as_dict(figure)
    metadata: dict = {"report": label}
    data = {"text/plain": f"Figure: {alt}"}
    if holds_images(figure) or len(svg) > SVG_LIMIT:
        data["image/png"] = base64.b64encode(png).decode("ascii")
        width, height = figure.get_size_inches() * 100
        metadata["image/png"] = {"width": round(width), "height": round(height)}
    else:
        data["image/svg+xml"] = _as_wide_as_its_place(svg)
    _display(data, metadata)
    _display_caption(f"Figure {number}" if number else "Figure", caption)


def show_table(table: Table | None, run: RunPaths | str, name: str, caption: str) -> None:
    """Display a table and save its values as reports/<run>/tables/<name>.csv.

    Where the run has no such table, ``table`` is None and nothing is done.
    """
    if table is None:
        return
    paths = _paths(run, name)
    write_table(paths.tables / f"{name}.csv", table.frame)
    label: dict = {"kind": "table", "name": name, "caption": caption}
    label["table"] = table.as_shown().as_dict()
    _display({"text/plain": table.to_text(), "text/html": table.styled(name).to_html()}, {"report": label})
    _display_caption("Table", caption)


def show_text(markdown: str | None) -> None:
    """Display sentences that were written from the run's numbers, as Markdown; None displays nothing."""
    if markdown is None:
        return
    _display({"text/plain": markdown, "text/markdown": markdown}, {"report": {"kind": "text"}})


def _paths(run: RunPaths | str, name: str) -> RunPaths:
    if not NAME.fullmatch(name):
        raise ParameterError(
            f"'{name}' cannot name a figure or table: use letters, digits, dots, dashes and underscores."
        )
    return run if isinstance(run, RunPaths) else RunPaths(run)


def _display_caption(label: str, caption: str) -> None:
    markdown = f"**{label}.** {caption}"
    _display({"text/plain": markdown, "text/markdown": markdown}, {"report": {"kind": "caption"}})


def _display(data: dict[str, str], metadata: dict) -> None:
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:  # a script or a test only saves
        display(data, raw=True, metadata=metadata)
