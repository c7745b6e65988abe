"""How large the confusion matrices are, what stands in their cells, and how their classes are named."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.report.drawing import set_paddings
from helpers.report.names import Labels, axis_labels, shortened, text_width, title_room, wrapped
from helpers.report.style import SMALLEST

FEW = 10  # more classes than that want larger panels
SMALL, USUAL = 6.5, SMALLEST  # points; the small ones are of matrices with more rows than lines of text
LETTER = 0.64  # width of a digit or letter, in its size
SHARE, CHANGE = 2.4, 3.4  # width of '<1' and of '+35', in digits
ROOMY = 17.3  # points: the width of a cell of few classes, if its number asks for no more
BESIDE = 4  # points between numbers of neighbouring cells
TITLE = 6.5  # points: about the width of a letter of a title
KEY_WIDTH = 150  # of one column of the key, as wide as the figure (helpers.report.names.text_width)
LINE = 0.155  # inches from one line of the key to the next


@dataclass(frozen=True)
class MatrixLayout:
    """Matrices in one to three columns, by the number of classes.

    Short names stand at the axes; long ones are numbered, with a key below the matrices.
    """

    columns: int
    labels: Labels
    digits: float  # width of the widest number that a cell should hold, in digits

    @classmethod
    def of(cls, classes: Sequence[str], largest: int) -> "MatrixLayout":
        """The layout for these classes and the ``largest`` number of predictions of a cell."""
        labels, digits = axis_labels(classes, 14), len(str(largest))
        three = cls(3, labels, digits)
        few = len(classes) <= FEW and three._number <= three.cell + 1e-6
        return three if few else cls(2 if len(classes) <= 20 else 1, labels, digits)

    @classmethod
    def beside_paper(cls, classes: Sequence[str], changes: bool) -> "MatrixLayout":
        """The layout beside the paper, whose three matrices stay side by side: cells hold percentages, or
        ``changes`` of them, with a sign.
        """
        return cls(3, axis_labels(classes, 14), CHANGE if changes else SHARE)

    @property
    def few(self) -> bool:
        """Whether there is room for letters and lines of the usual size."""
        return len(self.labels.texts) <= FEW

    @property
    def fontsize(self) -> float:
        """The size of letters at the axes and in the cells, points."""
        return USUAL if self.cell >= 1.1 * USUAL else SMALL

    @property
    def numbered(self) -> bool:
        """Whether numbers fit into the cells."""
        return self.digits * LETTER * self.fontsize <= self.cell

    @property
    def _number(self) -> float:
        """The width of a cell that its number asks for, points."""
        return self.digits * LETTER * USUAL + BESIDE

    @property
    def cell(self) -> float:
        """About the width of a cell, points."""
        room = self._side - self._names if self.columns == 3 else 9 / self.columns - 0.8
        return 72 * room / len(self.labels.texts)

    @property
    def _names(self) -> float:
        """What the names of the rows and columns and a title take of the side of a panel, inches."""
        return 0.45 + 0.075 * max(map(text_width, self.labels.texts))

    @property
    def _side(self) -> float:
        """The side of a panel, inches: of three in a row, cells are as large as their numbers ask for."""
        if self.columns < 3:
            return 9.3 / self.columns
        return min(2.9, max(ROOMY, self._number) * len(self.labels.texts) / 72 + self._names)

    def title(self, text: str) -> str:
        """A title of a panel in lines that are no wider than it."""
        width = int((72 * self._side - 20) / TITLE)
        return (
            text
            if text_width(text) <= width
            else "\n".join(wrapped(part, width) for part in text.replace(": ", ":\n").split("\n"))
        )

    def figure(self, titles: Sequence[str], bars: int = 1) -> tuple[Figure, np.ndarray]:
        """A figure with axes for panels of these ``titles``, row by row, room for so many bars of colours,
        and the key of the classes.
        """
        rows, key = -(-len(titles) // self.columns), self.labels.key
        width = min(9.0, 3 * self._side + 0.3) if self.columns == 3 else 9.0
        height = (self._side + title_room(map(self.title, titles))) * rows + 0.6 * bars
        lines, across = _key_lines(key)
        figure = Figure(figsize=(9 if lines else width, height + LINE * lines), layout="compressed")
        set_paddings(figure, h_pad=0.08)  # square panels keep their titles inside
        if not lines:
            return figure, figure.subplots(rows, self.columns, squeeze=False).ravel()
        bottom = (LINE * lines + 0.1) / (height + LINE * lines)
        set_paddings(figure, rect=(0, bottom, 1, 1 - bottom))
        for place, entry in enumerate(key):
            column, line = divmod(place, lines)
            spot = (0.01 + 0.98 * column / across, (LINE * (lines - line)) / (height + LINE * lines))
            figure.text(*spot, shortened(entry, KEY_WIDTH // across), va="top", fontsize=USUAL)
        return figure, figure.subplots(rows, self.columns, squeeze=False).ravel()

    def name(self, axes: Axes) -> None:
        """Name the rows and columns of one matrix, whose cells are one wide."""
        texts, places = list(self.labels.texts), np.arange(len(self.labels.texts)) + 0.5
        axes.set_yticks(places, texts, rotation=0)
        if self.labels.key and self.cell > 3 * LETTER * self.fontsize:
            axes.set_xticks(places, texts, rotation=0)
        elif self.cell > 1.4 * self.fontsize:
            axes.set_xticks(places, texts, rotation=45, ha="right", rotation_mode="anchor")
        else:
            axes.set_xticks(places, texts, rotation=90)
        axes.tick_params(length=0, labelsize=self.fontsize)

    @property
    def note(self) -> str:
        """What a caption adds: that classes are numbered, and that cells are without numbers."""
        note = " Classes are numbered at the axes; the key is below the matrices." if self.labels.key else ""
        if not self.numbered:
            note += (
                " The cells are too small for numbers; the tables evaluation/confusion-<arm>.csv have them."
            )
        return note


def _key_lines(key: Sequence[str]) -> tuple[int, int]:
    """Lines of a key, and its columns: as many as its longest entry leaves room for."""
    if not key:
        return 0, 1
    across = min(4, max(1, KEY_WIDTH // (max(map(text_width, key)) + 2)))
    return -(-len(key) // across), across
