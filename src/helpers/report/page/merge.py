"""The notebooks of a run as one: prose of the source notebooks, numbered outputs of the executed ones."""

from dataclasses import dataclass
from typing import Any

import nbformat
import pandas as pd
from markupsafe import Markup
from nbformat import NotebookNode

from helpers import paths as places
from helpers.params import Params
from helpers.paths import RunPaths, require
from helpers.report.page.cell_html import output_html
from helpers.report.page.cells import (
    TRY,
    before_last_words,
    combine,
    fold,
    headings,
    label_of,
    lift,
    outputs_of,
    raw_cell,
    read_notebook,
    take_title,
)
from helpers.report.page.numbering import Numbering
from helpers.report.page.records import folder_word
from helpers.report.page.shown import SECTIONS, Section

PICTURED = 4  # further runs of a notebook whose figures are in the page: those of a GAN weigh a megabyte
Executed = list[tuple[str, NotebookNode]]  # what each execution stands for, and its notebook


@dataclass
class Merger:
    """Puts the notebooks of a run together."""

    paths: RunPaths
    params: Params
    numbering: Numbering
    trainings: pd.DataFrame  # the table of all trainings, which the classifier's section shows

    def notebook(self) -> NotebookNode:
        """One notebook of all sections. Raises MissingStageError where an executed notebook is absent."""
        executed = [self._executed(section) for section in SECTIONS]
        for notebooks in executed:
            labels = filter(None, map(label_of, outputs_of(notebooks[0][1])))
            self.numbering.reserved |= {n for label in labels if isinstance(n := label.get("number"), int)}
        cells: list[NotebookNode] = []
        for section, notebooks in zip(SECTIONS, executed, strict=True):
            cells += self._section(section, notebooks)
        merged = nbformat.v4.new_notebook(cells=cells)
        merged.metadata["language_info"] = {"name": "python"}
        return merged

    def _executed(self, section: Section) -> Executed:
        """The executed notebooks of a section, the one to show in full first."""
        names = section.shown(self.params)
        paths = [(what, require(self.paths.notebooks / name, section.stage)) for what, name in names]
        return [(what, read_notebook(path)) for what, path in paths]

    def _section(self, section: Section, executed: Executed) -> list[NotebookNode]:
        """The cells of a section, and of those parts of its notebook that are sections of their own."""
        what, shown = executed[0]
        source = places.NOTEBOOKS / f"{section.stem}.ipynb"
        own, lifted = lift(combine(read_notebook(source) if source.exists() else None, shown))
        cells = self._block(section.anchor, take_title(own) or section.title, own)
        runs = section.executions(self.params)
        if runs > 1:
            note = Markup('<p class="note">Shown here: {}, one of {} runs of this notebook.</p>')
            after_opening = 2 if len(cells) > 1 and cells[1].cell_type == "markdown" else 1
            cells.insert(after_opening, raw_cell(note.format(what, runs)))
        if section.stage == "classifier":
            cells.insert(before_last_words(cells), raw_cell(self._trainings_table()))
        elif len(executed) > 1:
            cells.insert(before_last_words(cells), raw_cell(others(shown, executed[1:])))
        blocks = [_closed(cells)]
        for name, part in lifted.items():
            title = take_title(part, "#{1,6}") or name.capitalize()
            blocks.append(_closed(self._block(name, title, part)))
        return [cell for block in blocks for cell in block]

    def _trainings_table(self) -> Markup:
        caption = "Every training of the classifier. The weights of the best epoch are those that are tested."
        return self.numbering.table(self.trainings, caption, "trainings")

    def _block(self, anchor: str, title: str, cells: list[NotebookNode]) -> list[NotebookNode]:
        """Cells of one section of the page, numbered and folded; the first carries the section's heading."""
        entry = self.numbering.add_section(anchor, title)
        for cell in cells:
            self._prepare(cell, entry)
        cells = fold(cells)
        for place, cell in enumerate(cells):
            cell.id = f"{entry['anchor']}-{place}"  # two notebooks may name a cell alike
        opening = raw_cell(Markup(""))
        opening.metadata["opens"] = {"anchor": entry["anchor"], "title": title}
        return [opening, *cells]

    def _prepare(self, cell: NotebookNode, entry: dict[str, Any]) -> None:
        """Number what a cell shows, and note its headings for the contents."""
        if cell.cell_type == "markdown":
            cell.metadata["headings"] = []
            cell.metadata["aside"] = cell.id == TRY
            for level, text in headings(cell.source):
                anchor = self.numbering.anchor(text)
                cell.metadata["headings"].append(anchor)
                if level == 2 and cell.id != TRY:
                    entry["parts"].append({"anchor": anchor, "title": text})
        cell.source = self._public(cell.source)
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = self._public(output["text"])
            label = label_of(output)
            if label and label["kind"] == "figure":
                label["number"] = self.numbering.figure_number(label.get("number"))
            elif label and label["kind"] == "table":
                label["number"] = self.numbering.table_number()

    def _public(self, text: str) -> str:
        """Text without the names of this machine's folders."""
        data = self.params.data
        for folder, shown in (
            (data.root, folder_word(self.params)),
            (data.external_root, "FOLDER_OF_THE_EXTERNAL_TEST_SET"),
        ):
            text = text.replace(str(folder), shown) if folder else text
        return text.replace(f"{places.ROOT}/", "").replace(str(places.ROOT), ".")


def _closed(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells of a section, the last one marked as its end."""
    return [*cells[:-1], NotebookNode(cells[-1] | {"metadata": cells[-1].metadata | {"closes": True}})]


def others(shown: NotebookNode, executed: Executed) -> Markup:
    """What the runs that are not shown in full have of their own, folded.

    These are the tables that differ from those of ``shown``, and the figures of the first runs.
    """
    known = [label.get("table") for label in map(label_of, outputs_of(shown)) if label]
    blocks = []
    for place, (what, notebook) in enumerate(executed):
        parts = []
        for output in outputs_of(notebook):
            label = label_of(output) or {"kind": None}
            pictured = label["kind"] == "figure" and place < PICTURED
            if pictured or label["kind"] == "table" and label.get("table") not in known:
                parts.append(output_html(output, numbered=False))
        if parts:
            block = Markup('<details class="others"><summary>{}</summary>{}</details>')
            blocks.append(block.format(what, Markup("").join(parts)))
    if len(executed) > PICTURED:
        note = Markup(
            '<p class="note">To keep this page light, the figures of {} further runs are left to the folder '
            "figures beside it.</p>"
        )
        blocks.append(note.format(len(executed) - PICTURED))
    return Markup("").join(blocks)
