"""Cells of the notebooks: which of them the page shows, and in which order."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup
from nbformat import NotebookNode

from helpers.errors import MissingStageError

TRY = "try"  # the cell of suggestions that ends a notebook
SHOWN_KINDS = ("image/svg+xml", "image/png", "image/jpeg", "text/html", "text/markdown", "text/plain")
WIDGET = "application/vnd.jupyter.widget-view+json"


def read_notebook(path: Path) -> NotebookNode:
    """A notebook from disk; raises MissingStageError for a damaged one."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise MissingStageError(f"{path} cannot be read ({error}): run its stage again.") from None


def combine(source: NotebookNode | None, executed: NotebookNode) -> list[NotebookNode]:
    """Cells in the order of the source notebook: prose from there, code and outputs from the executed one.

    Cells are matched by id. Executed code that the source does not have, such as the injected parameters,
    stays behind the cell that it followed; prose that the source no longer has is left out. Tags are the
    source's.
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
            done[cell.id].metadata["tags"] = cell.metadata.get("tags", [])
            cells.append(done[cell.id])
        cells += followers.get(cell.id, [])
    return cells


def take_title(cells: list[NotebookNode]) -> str:
    """Remove the title that opens the first prose cell and return its text."""
    for cell in cells:
        if cell.cell_type == "markdown":
            found = re.match(r"\s*#\s+(.+?)\s*#*\s*(?:\n|$)", cell.source)
            if not found:
                return ""
            cell.source = cell.source[found.end() :]
            # the number of a file is not that of a section: '01 - The data' becomes 'The data'
            return re.sub(r"^0\d\s*[.:\u00b7\u2013-]*\s+", "", _strip_markdown(found[1]))
    return ""


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
    """The output's label for the page, as ``helpers.report.publish`` writes it; None for any other output."""
    label = output.get("metadata", {}).get("report")
    return label if isinstance(label, dict) and "kind" in label else None


def outputs_of(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """All outputs of a notebook, in order."""
    return (output for cell in notebook.cells for output in cell.get("outputs", []))


def is_shown(output: NotebookNode) -> bool:
    """Whether the page shows an output: no progress bars, warnings, or captions that it sets itself."""
    if output.output_type == "stream":
        return output.name == "stdout" and bool(output.text.strip())
    label, data = label_of(output), output.get("data", {})
    if label and label["kind"] == "caption" or WIDGET in data:
        return False
    return output.output_type == "error" or any(str(data.get(kind, "")).strip() for kind in SHOWN_KINDS)


def headings(markdown: str) -> list[tuple[int, str]]:
    """Level and text of the headings of a prose cell, fenced code left aside."""
    text = re.sub(r"(?ms)^(```|~~~).*?^\1", "", markdown)
    found = re.findall(r"(?m)^(#{1,6})\s+(.+?)\s*#*\s*$", text)
    return [(len(marks), _strip_markdown(words)) for marks, words in found]


def _strip_markdown(text: str) -> str:
    return re.sub(r"[*`]|\[([^\]]*)\]\([^)]*\)", r"\1", text).strip()
