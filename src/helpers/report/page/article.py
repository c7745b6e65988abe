"""The article and its supplement: which cells of the notebooks a reader meets first, and what is folded.

A cell whose metadata have the tag ``article`` belongs to the article, ``article:<section>`` to that section
of it; one that also has the tag ``section`` opens a section, whose anchor is the cell's id. Every other cell
is in the supplement, in a fold for each heading of its notebook. A cell with the tag ``with:gan`` or
``with:folder`` is on the page only where the run trains a GAN, or takes images from a folder in its place,
and one with the tag ``with:external`` only where the run has an external test set.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from markupsafe import Markup
from nbformat import NotebookNode

from helpers.params import Params
from helpers.report.page.cells import headings, label_of, raw_cell
from helpers.report.words import capitalised

ARTICLE, SECTION = "article", "section"  # tags of cells
WITH_GAN, WITH_FOLDER = "with:gan", "with:folder"  # tags of cells for one origin of the images
WITH_EXTERNAL = "with:external"  # and of cells about an external test set
LONGEST_TABLE = 15  # rows of a table in the article; longer ones are in the supplement alone
HEADING = re.compile(r"\s*(#{2,6})\s+(.+?)\s*#*\s*(?:\n+|$)")
PAPERS_NUMBER = re.compile(r"^\d+(\.\d+)*\s+")  # the paper's number of a section, at a heading's start
ABOUT = "What the notebook does, and its parameters"
SEED = re.compile(r"-(seed|replicate)-\d+$")


@dataclass
class Part:
    """A fold of the supplement: the cells below one heading of a notebook."""

    title: str
    anchor: str
    cells: list[NotebookNode] = field(default_factory=list)


@dataclass
class ArticleSection:
    """A section of the article: its cells, what the page adds, and the folds that hold more."""

    anchor: str
    title: str
    cells: list[NotebookNode] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)


def place_in_article(cell: NotebookNode) -> str | None:
    """The section of the article that a cell asks for, '' for the running one, None for the supplement."""
    for tag in cell.metadata.get("tags", []):
        name, _, section = tag.partition(":")
        if name == ARTICLE:
            return section
    return None


def suits(cell: NotebookNode, params: Params) -> bool:
    """Whether a cell belongs to such a run: by the origin of its synthetic images, and its test sets."""
    has = {
        WITH_GAN: params.trains_gan,
        WITH_FOLDER: not params.trains_gan,
        WITH_EXTERNAL: params.data.external_root is not None,
    }
    return all(has.get(tag, True) for tag in cell.metadata.get("tags", []))


def opens_section(cell: NotebookNode) -> bool:
    """Whether a cell begins a section of the article."""
    return cell.cell_type == "markdown" and SECTION in cell.metadata.get("tags", [])


def take_heading(cell: NotebookNode) -> str:
    """Remove the heading that opens a prose cell (level 2 or deeper) and return its text; '' without one."""
    found = HEADING.match(cell.source) if cell.cell_type == "markdown" else None
    if not found:
        return ""
    text = headings(found[0])[0][1]
    cell.source = cell.source[found.end() :]
    return text


def without_papers_number(heading: str) -> str:
    """'3.2 Data partitioning' as 'Data partitioning'."""
    return capitalised(PAPERS_NUMBER.sub("", heading))


def article_prose(cell: NotebookNode, heading: str) -> str:
    """The source of a prose cell in the article; ``heading`` was taken from it.

    The heading of a section is the page's, so that those within it move up by one level.
    """
    if opens_section(cell):
        return re.sub(r"(?m)^#(#{2,} )", r"\1", cell.source)
    return f"## {without_papers_number(heading)}\n\n{cell.source}" if heading else cell.source


def split_off_long_tables(cell: NotebookNode) -> list[NotebookNode]:
    """Remove the tables that are too long for the article from a cell's outputs, and return them."""
    long = [output for output in cell.get("outputs", []) if table_rows(output) > LONGEST_TABLE]
    if long:
        cell.outputs = [output for output in cell.outputs if output not in long]
    return long


def table_rows(output: NotebookNode) -> int:
    """Rows of a labelled table; 0 for anything else."""
    columns = ((label_of(output) or {}).get("table") or {}).get("columns") or []
    return len(columns[0]["texts"]) if columns else 0


def section_cells(section: ArticleSection) -> list[NotebookNode]:
    """A section of the article as cells: heading, content, links to the folds that hold more, end."""
    opening = Markup('<section class="article" aria-labelledby="{0}">\n<h2 id="{0}">{1}</h2>')
    links = Markup(", ").join(
        Markup('<a href="#{}">{}</a>').format(part.anchor, without_papers_number(part.title))
        for part in section.parts
    )
    more = Markup('<p class="more">In the supplement: {}.</p>').format(links) if links else Markup("")
    return [
        raw_cell(opening.format(section.anchor, section.title)),
        *section.cells,
        raw_cell(more + Markup("\n</section>")),
    ]


def part_cells(part: Part) -> list[NotebookNode]:
    """A fold of the supplement as cells; none where nothing is left in it."""
    if not part.cells:
        return []
    return [*fold_start(part.title, part.anchor, holds(part.cells)), *part.cells, raw_cell(FOLD_END)]


FOLD_END = Markup("</details>")


def fold_start(title: str, anchor: str, content: str = "") -> list[NotebookNode]:
    """The beginning of a fold: its title, and what it holds."""
    fold = Markup('<details class="part" id="{}"><summary><b>{}</b>{}</summary>')
    held = Markup(' <span class="holds">{}</span>').format(content) if content else ""
    return [raw_cell(fold.format(anchor, title, held))]


def holds(cells: Iterable[NotebookNode]) -> str:
    """'Table 4: leak; Figure 9: film strip', what is shown in a fold; 'code' where nothing is."""
    cells = list(cells)
    labels = filter(None, (label_of(output) for cell in cells for output in cell.get("outputs", [])))
    found = [
        f"{label['kind'].capitalize()} {label['number']}: {_plain_name(label['name'])}"
        for label in labels
        if label.get("number") and label.get("name")
    ]
    return "; ".join(found) or ("code" if any(cell.cell_type == "code" for cell in cells) else "")


def _plain_name(name: str) -> str:
    return SEED.sub("", SEED.sub("", name)).replace("-", " ")
