"""Notebook 02: what the generator paints in the course of its training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from helpers.report.drawing import empty_figure, set_paddings
from helpers.report.pictures import draw_picture
from helpers.report.style import SMALLEST, styled

FRAMES = 11  # steps at most: the first, and ten equal parts of the training
ALT = "Rows of generated images, from the first training steps on the left to the last on the right."


@styled
def film_strip(directory: Path, frames: int = FRAMES, rows: int = 6, classes: int = 1) -> Figure:
    """Samples of the generator over its training, the same latent codes in a row.

    ``directory`` holds sample grids, step-<number>.png (helpers.gan.records); the first ``rows`` tiles are
    shown, or the first tile of each of the GAN's ``classes``, which follow one another in a grid; at no more
    than ``frames`` steps, evenly from the first to the last.
    """
    from PIL import Image

    files = _sample_files(directory)
    if not files:
        return empty_figure("No samples of this training are on this machine.")
    tiles = {}
    for step in _evenly(sorted(files), frames):
        with Image.open(files[step]) as opened:
            every = _tiles(np.asarray(opened.convert("RGB")))
        firsts = [-(-len(every) * place // classes) for place in range(classes)]
        tiles[step] = every[:rows] if classes == 1 else [every[place] for place in firsts]
    height = min(map(len, tiles.values()))
    # inches; a few small images do not become giants, and stand in the middle
    side = min(9 / len(tiles), 1.5)
    width = len(tiles) * side / 9
    figure = Figure(figsize=(9, height * side + 0.2))
    set_paddings(figure, w_pad=0.015, h_pad=0.015, wspace=0, hspace=0, rect=((1 - width) / 2, 0, width, 1))
    grid = figure.subplots(height, len(tiles), squeeze=False)
    for column, (step, pictures) in zip(grid.T, tiles.items(), strict=True):
        for axes, picture in zip(column, pictures, strict=False):
            draw_picture(axes, picture)
        column[0].set_title(f"step {step:,}", fontsize=SMALLEST, fontweight="normal", loc="center", pad=3)
    return figure


def caption(directory: Path, frames: int = FRAMES) -> str:
    """What ``film_strip`` shows, what to look for, and which steps it leaves out."""
    saved = sorted(_sample_files(directory))
    shown = _evenly(saved, frames)
    left_out = (
        f" Images were saved at {len(saved):,} steps; {len(shown)} of these are shown, from the first to the "
        "last at nearly equal distances."
    )
    return (
        "What the generator paints as it learns; each row starts from the same random numbers. Look for "
        "colour first, then for shape, then for a border. Rows that grow alike would be mode collapse."
        f"{left_out if len(shown) < len(saved) else ''}"
    )


def _sample_files(directory: Path) -> dict[int, Path]:
    """The sample grids of a training by their step."""
    return {int(file.stem.split("-")[1]): file for file in Path(directory).glob("step-*.png")}


def _evenly(steps: Sequence[int], count: int) -> list[int]:
    """At most ``count`` of the sorted steps: the first, the last, and those nearest to even distances between
    them.
    """
    if len(steps) <= count:
        return list(steps)
    return sorted(
        {
            min(steps, key=lambda step: abs(step - wanted))
            for wanted in np.linspace(steps[0], steps[-1], count)
        }
    )


def _tiles(grid: np.ndarray) -> list[np.ndarray]:
    """The square tiles of a sample grid, row by row."""
    from helpers.gan.records import GRID

    side = grid.shape[1] // GRID[0]
    return [
        grid[top : top + side, left : left + side]
        for top in range(0, grid.shape[0] - side + 1, side)
        for left in range(0, grid.shape[1] - side + 1, side)
    ]
