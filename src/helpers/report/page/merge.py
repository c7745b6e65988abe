"""The notebooks of a run as one article with a supplement: prose of the source notebooks, numbered outputs of
the executed ones.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import nbformat
from markupsafe import Markup
from nbformat import NotebookNode

from helpers import paths as places
from helpers.params import Params, own_paths
from helpers.paths import RunPaths, require
from helpers.report.page.article import (
    ABOUT,
    FOLD_END,
    LONGEST_TABLE,
    ArticleSection,
    Part,
    article_prose,
    fold_start,
    opens_section,
    part_cells,
    place_in_article,
    section_cells,
    split_off_long_tables,
    suits,
    take_heading,
    without_papers_number,
)
from helpers.report.page.cell_html import output_html
from helpers.report.page.cells import (
    TRY,
    combine,
    fold,
    headings,
    is_shown,
    label_of,
    outputs_of,
    raw_cell,
    read_notebook,
    take_title,
)
from helpers.report.page.numbering import FIRST_OWN_FIGURE, Numbering
from helpers.report.page.shown import SECTIONS, Section
from helpers.report.words import counted

PAPERS_FIGURES = range(1, FIRST_OWN_FIGURE)
PICTURED = 2  # further runs of a notebook whose figures are in the page: those of a GAN weigh a megabyte
Content = Callable[[], Markup]
Executed = list[tuple[str, NotebookNode]]  # what each execution stands for, and its notebook


@dataclass
class Book:
    """One notebook of the project and its folds in the supplement."""

    section: Section
    title: str
    anchor: str
    executed: Executed
    parts: list[Part]
    tables: list[Any]  # of the execution that is shown in full


@dataclass
class Merger:
    """Puts the notebooks of a run together.

    ``article`` maps a section of the article to what the page adds at its end, ``supplement`` the anchor of a
    notebook (``Section.anchor``), or 'run', to folds of the page's own: (title, content). They are functions,
    which are called in the order of the page, because tables are numbered where they stand.
    """

    paths: RunPaths
    params: Params
    numbering: Numbering
    article: dict[str, list[Content]] = field(default_factory=dict)
    supplement: dict[str, list[tuple[str, Content]]] = field(default_factory=dict)

    def notebook(self) -> NotebookNode:
        """One notebook of all sections. Raises MissingStageError where an executed notebook is absent."""
        sections = [section for section in SECTIONS if section.shown(self.params)]
        executed = [self._executed(section) for section in sections]
        for notebooks in executed:
            labels = filter(None, map(label_of, outputs_of(notebooks[0][1])))
            self.numbering.reserved |= {n for label in labels if isinstance(n := label.get("number"), int)}
        books = [self._book(section, found) for section, found in zip(sections, executed, strict=True)]
        cells = [cell for section in self._sections(books) for cell in section_cells(section)]
        cells += self._supplement(books)
        for place, cell in enumerate(cells):
            cell.id = f"cell-{place}"  # two notebooks may name a cell alike
        merged = nbformat.v4.new_notebook(cells=cells)
        merged.metadata["language_info"] = {"name": "python"}
        return merged

    def _executed(self, section: Section) -> Executed:
        """The executed notebooks of a section, the one to show in full first."""
        names = section.shown(self.params)
        paths = [(what, require(self.paths.notebooks / name, section.stage)) for what, name in names]
        return [(what, read_notebook(path)) for what, path in paths]

    def _book(self, section: Section, executed: Executed) -> Book:
        """A notebook as parts, one for each heading that opens a prose cell."""
        source = places.NOTEBOOKS / f"{section.stem}.ipynb"
        cells = combine(read_notebook(source) if source.exists() else None, executed[0][1])
        cells = [cell for cell in cells if suits(cell, self.params)]
        title = without_papers_number(take_title(cells) or section.title)
        anchor = self.numbering.anchor(f"notebook-{section.anchor}")
        parts = [Part(ABOUT, self.numbering.anchor(f"about-{section.anchor}"))]
        for cell in cells:
            heading = take_heading(cell)
            if heading:
                parts.append(Part(heading, self.numbering.anchor(f"more-{heading}")))
            cell.metadata["heading"] = heading
            parts[-1].cells.append(cell)
        labels = filter(None, map(label_of, outputs_of(executed[0][1])))
        tables = [label["table"] for label in labels if "table" in label]
        return Book(section, title, anchor, executed, parts, tables)

    # --- the article

    def _sections(self, books: list[Book]) -> list[ArticleSection]:
        """The sections of the article in the order of the notebooks, with what the page adds to them."""
        found: dict[str, ArticleSection] = {}
        for book in books:
            running = None
            for part in book.parts:
                for cell in part.cells:
                    wanted = place_in_article(cell)
                    if wanted is None:
                        continue
                    if running is None or opens_section(cell):
                        own = opens_section(cell)
                        opening = cell.id if own else book.section.anchor
                        title = without_papers_number(cell.metadata["heading"]) if own else book.title
                        running = found.setdefault(opening, ArticleSection(opening, title))
                    self._take(cell, part, found.get(wanted, running))
                if running is not None and tells_more(part) and part not in running.parts:
                    running.parts.append(part)
        for anchor, section in found.items():
            for cell in section.cells:
                self._prepare(cell)
            section.cells += self._added(anchor)
        for anchor in self.article:
            if anchor not in found and (added := self._added(anchor)):
                found[anchor] = ArticleSection(anchor, anchor.capitalize(), added)
        for anchor, section in found.items():
            section.anchor = self.numbering.add_section(anchor, section.title)["anchor"]
        return list(found.values())

    def _added(self, anchor: str) -> list[NotebookNode]:
        """What the page adds to a section, as cells."""
        return [raw_cell(content) for each in self.article.get(anchor, []) if (content := each())]

    def _take(self, cell: NotebookNode, part: Part, section: ArticleSection) -> None:
        """Copy a cell into the article; what the article shows of it is taken out of the supplement."""
        copy = deepcopy(cell)
        long = split_off_long_tables(copy)
        copy.metadata["bare"] = True
        if cell.cell_type == "markdown":
            copy.source = article_prose(copy, cell.metadata["heading"])
            cell.source = ""
        else:
            printed = [output for output in copy.outputs if output.get("output_type") == "stream"]
            copy.outputs = [output for output in copy.outputs if is_shown(output) and output not in printed]
            cell.outputs = printed + long
        section.cells.append(copy)
        if long:
            section.cells.append(raw_cell(_long_note(part)))

    # --- the supplement

    def _supplement(self, books: list[Book]) -> list[NotebookNode]:
        """Everything that the article does not show, notebook by notebook, folded."""
        entry = self.numbering.add_section("supplement", "Supplement")
        opening = Markup(
            '<p class="note on-paper">Parts of the supplement that are folded are not printed: open them '
            "first, one by one or all of them by the button \u201cOpen all folds\u201d.</p>\n"
            '<section class="supplement" aria-labelledby="{0}">\n<h2 id="{0}">Supplement</h2>\n'
            '<p class="note">Everything else that the run made, folded by notebook. A fold opens by a click, '
            "by a link of the article and by a search in the page; what is open is printed. The notebooks' "
            "code stands in the folds, below what it made.</p>"
        )
        cells = [raw_cell(opening.format(entry["anchor"]))]
        for title, content in self.supplement.get("run", []):
            cells += self._own_fold(title, content)
        for number, book in enumerate(books, 1):
            cells += self._notebook_cells(number, book, entry)
        return [*cells, raw_cell(Markup("</section>"))]

    def _notebook_cells(self, number: int, book: Book, entry: dict[str, Any]) -> list[NotebookNode]:
        entry["parts"].append({"anchor": book.anchor, "title": book.title})
        heading = Markup('<h3 id="{}">Notebook {}: {}</h3>').format(book.anchor, number, book.title)
        what = book.executed[0][0]
        jobs = book.section.jobs(self.params)
        if jobs > 1:
            hidden = jobs - len(book.executed) if book.section.stage != "classifier" else 0
            without = f" Nothing is shown of {counted(hidden, 'GAN')} trained without what an arm withholds."
            note = Markup('<p class="note">Shown here: {}, one of {} jobs that this notebook can show.{}</p>')
            heading += note.format(what, jobs, without if hidden else "")
        cells = [raw_cell(heading)]
        for part in book.parts:
            for cell in part.cells:
                self._prepare(cell)
            part.cells = fold(part.cells)
            cells += part_cells(part)
        for title, content in self.supplement.get(book.section.anchor, []):
            cells += self._own_fold(title, content)
        if len(book.executed) > 1 and book.section.stage != "classifier":
            cells.append(raw_cell(others(book.tables, book.executed[1:])))
        return cells

    def _own_fold(self, title: str, content: Content) -> list[NotebookNode]:
        """A fold of what the page itself says; none where it says nothing."""
        said = content()
        if not said:
            return []
        return [*fold_start(title, self.numbering.anchor(f"more-{title}")), raw_cell(said + FOLD_END)]

    # --- both

    def _prepare(self, cell: NotebookNode) -> None:
        """Number what a cell shows, and give its headings their anchors."""
        if cell.cell_type == "markdown":
            cell.metadata["headings"] = [self.numbering.anchor(text) for _, text in headings(cell.source)]
            cell.metadata["aside"] = cell.id == TRY
        elif cell.metadata.get("own"):
            return
        cell.source = self._public(cell.source)
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = self._public(output["text"])
            if isinstance(told := output.get("data", {}).get("text/markdown"), str):
                output["data"]["text/markdown"] = self._public(told)
            label = label_of(output)
            if label and label["kind"] == "figure":
                if self.numbering.figures.isdisjoint(PAPERS_FIGURES) and label.get("number"):
                    label["caption"] += " (Figures 1 to 8 have the numbers that they have in the paper.)"
                label["number"] = self.numbering.figure_number(label.get("number"))
            elif label and label["kind"] == "table":
                label["number"] = self.numbering.table_number()

    def _public(self, text: str) -> str:
        """Text without the names of this machine's folders."""
        for path in sorted(own_paths(self.params), key=lambda path: len(path.value), reverse=True):
            text = text.replace(str(places.from_project(path.value)), path.stand_in)
            text = text.replace(path.value, path.stand_in) if path.value.startswith("~") else text
            for quote in "'\"":  # of a relative path the word alone may be any word
                text = text.replace(f"{quote}{path.value}{quote}", f"{quote}{path.stand_in}{quote}")
        return text.replace(f"{places.ROOT}/", "").replace(str(places.ROOT), ".")


def tells_more(part: Part) -> bool:
    """Whether a fold has more to show than code and suggestions."""
    return any(
        cell.get("outputs") or (cell.cell_type == "markdown" and cell.source.strip() and cell.id != TRY)
        for cell in part.cells
    )


def _long_note(part: Part) -> Markup:
    return Markup(
        '<p class="note">A table of more than {} rows stands in the supplement: <a href="#{}">{}</a>.</p>'
    ).format(LONGEST_TABLE, part.anchor, without_papers_number(part.title))


def _named(output: NotebookNode, what: str) -> NotebookNode:
    """An output whose caption begins with what it is of, such as a GAN."""
    copy = deepcopy(output)
    if label := label_of(copy):
        label["caption"] = f"{what}. {label.get('caption', '')}".strip()
    return copy


def others(known: list[Any], executed: Executed) -> Markup:
    """What the runs that are not shown in full have of their own, folded.

    These are the tables that are not among the ``known`` ones, and the figures of the first runs.
    """
    blocks = []
    for place, (what, notebook) in enumerate(executed):
        parts = []
        for output in outputs_of(notebook):
            label = label_of(output) or {"kind": None}
            pictured = label["kind"] == "figure" and place < PICTURED
            if pictured or label["kind"] == "table" and label.get("table") not in known:
                parts.append(output_html(_named(output, what), numbered=False))
        if parts:
            block = Markup('<details class="part others"><summary><b>{}</b></summary>{}</details>')
            blocks.append(block.format(what, Markup("").join(parts)))
    if len(executed) > PICTURED:
        note = Markup(
            '<p class="note">To keep this page light, the figures of the last {} are left out and only their '
            "tables are shown; the run wrote the figures into the folder figures.</p>"
        )
        blocks.append(note.format(len(executed) - PICTURED))
    return Markup("").join(blocks)
