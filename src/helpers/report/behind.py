"""What stands behind the images of a figure: the page shows it when a reader chooses one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from helpers.report.pictures import picture_row


@dataclass(frozen=True)
class Behind:
    """Small pictures, and which of them belong to which image of a figure.

    ``tiles`` are uint8 (S, S, 3), all of one size. ``images`` has, for the label of an image's axes, the name
    of the image and its tiles: their place among ``tiles`` and the words below them. ``note`` says how to
    read the words.
    """

    tiles: Sequence[np.ndarray]
    images: Mapping[str, tuple[str, Sequence[tuple[int, str]]]]
    note: str

    def as_dict(self, figure: Figure) -> dict[str, Any]:
        """As data for the page: all tiles as one picture, and the boxes of the images of ``figure``.

        A box is left, top, width and height in percent of the figure, which must have been laid out.
        """
        spots = []
        for axes in figure.axes:
            if axes.get_label() in self.images:
                name, tiles = self.images[str(axes.get_label())]
                box = axes.get_window_extent().transformed(figure.transFigure.inverted())
                shares = box.x0, 1 - box.y1, box.width, box.height
                spots.append({"box": [round(100 * x, 2) for x in shares], "name": name, "tiles": tiles})
        return {
            "sprite": picture_row(self.tiles),
            "side": len(self.tiles[0]),
            "spots": spots,
            "note": self.note,
        }
