"""Numbers of figures and tables, anchors and the contents of a page, in reading order."""

import re
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from markupsafe import Markup

from helpers.report.page.tables import table_html, text_table

FIRST_OWN_FIGURE = 9  # the paper has figures 1 to 8


@dataclass
class Numbering:
    """What has been numbered so far while a page is put together."""

    contents: list[dict[str, Any]] = field(default_factory=list)
    figures: set[int] = field(default_factory=set)
    reserved: set[int] = field(default_factory=set)  # numbers of the paper's figures that are still to come
    tables: int = 0
    anchors: set[str] = field(default_factory=set)

    def figure_number(self, wanted: int | None) -> int:
        """The paper's number where it is free, else the next of this project's own."""
        if wanted is not None and wanted not in self.figures:
            number = wanted
        else:
            number = FIRST_OWN_FIGURE
            while number in self.figures | self.reserved:
                number += 1
        self.figures.add(number)
        return number

    def table_number(self) -> int:
        """The next table's number."""
        self.tables += 1
        return self.tables

    def table(self, frame: pd.DataFrame, caption: str, name: str, groups: str | None = None) -> Markup:
        """A numbered table of texts; empty where the frame is. ``groups`` as in ``text_table``."""
        if frame.empty:
            return Markup("")
        return table_html(text_table(frame, groups), name, caption, self.table_number())

    def anchor(self, text: str) -> str:
        """An id for a heading that no other has."""
        base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "part"
        name, count = base, 1
        while name in self.anchors:
            count += 1
            name = f"{base}-{count}"
        self.anchors.add(name)
        return name

    def add_section(self, anchor: str, title: str) -> dict[str, Any]:
        """A new entry of the contents, with its anchor, title and an empty list of parts."""
        entry: dict[str, Any] = {"anchor": self.anchor(anchor), "title": title, "parts": []}
        self.contents.append(entry)
        return entry
