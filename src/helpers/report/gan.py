"""Notebook 02: the generative network and its training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.params import Gan
from helpers.report.drawing import INK, draw_curve, empty_figure, set_paddings
from helpers.report.paper_values import Paper
from helpers.report.pictures import draw_picture
from helpers.report.style import SPLITS, styled
from helpers.report.table import Table
from helpers.report.words import (
    plain,
)


def architecture_table(gan: Gan, paper: Paper) -> Table:
    """Trainable parameters of both networks by part: of this run, and of the paper's size, counted on the
    networks.
    """
    from helpers.gan.weights import empty_networks

    published = paper["parameters"].set_index("network")["parameters"]
    rows = []
    for name, network, published_network in zip(
        ("generator", "discriminator"), empty_networks(gan), empty_networks(Gan()), strict=True
    ):
        ours, full = _counts(network), _counts(published_network)
        rows += [
            {"network": name, "part": part, "this_run": ours.get(part), "full_size": full[part]}
            for part in full
        ]
        rows.append(
            {
                "network": name,
                "part": "total",
                "this_run": sum(ours.values()),
                "full_size": sum(full.values()),
                "paper": published.get(name),
            }
        )
    frame = pd.DataFrame(rows)
    columns = [column for column in ("this_run", "full_size", "paper") if column in frame]
    frame[columns] = frame[columns].astype("Int64")
    return Table(
        frame, {}, {"this_run": "this run", "full_size": "at the paper's size", "paper": "published"}
    )


def _counts(network: Any) -> dict[str, int]:
    """Trainable parameters by first name of the part."""
    counts: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            counts[name.split(".")[0]] = counts.get(name.split(".")[0], 0) + parameter.numel()
    return counts


def gan_sentence(history: pd.DataFrame, images: int, batch_size: int) -> str:
    """How long the GAN was trained and where it ended."""
    steps = int(history["step"].max())
    late = history.iloc[-max(1, len(history) // 10) :]
    separated = late["score_real"].mean() > late["score_fake"].mean()
    order = "above" if separated else "not above"
    return (
        f"The generator took {steps:,} steps of {batch_size} images, learning from {images:,} training "
        "images. Over the last tenth of the training the "
        f"critic scores real images {order} generated ones on average "
        f"({plain(late['score_real'].mean())} against {plain(late['score_fake'].mean())}), "
        f"and the mean gradient penalty is {plain(late['gradient_penalty'].mean())}."
    )


@styled
def gan_training(history: pd.DataFrame) -> Figure:
    """The paper's Figure 3: both losses, both mean scores and the gradient penalty over generator steps."""
    traces: list[tuple[str, dict[str, tuple[str, str | None]]]] = [
        ("Generator loss", {"generator_loss": (INK, None)}),
        ("Critic loss", {"critic_loss": (INK, None)}),
        (
            "Mean critic score",
            {"score_real": (SPLITS["train"], "real"), "score_fake": ("#D55E00", "generated")},
        ),
        ("Gradient penalty", {"gradient_penalty": (INK, None)}),
    ]
    figure = Figure(figsize=(9, 5))
    panels = figure.subplots(2, 2, sharex=True).ravel()
    for axes, (title, lines) in zip(panels, traces, strict=True):
        for column, (colour, label) in lines.items():
            _trace(axes, history["step"], history[column], colour, label)
        low, high = _without_spikes(history[list(lines)].to_numpy())
        axes.set_ylim(0 if title == "Gradient penalty" else low, high)
        axes.set_title(title)
        axes.margins(x=0.01)
    panels[2].legend(loc="best", ncols=2)
    for axes in panels[2:]:
        axes.set_xlabel("generator step")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.xaxis.set_major_formatter("{x:,.0f}")
    return figure


def _trace(axes: Axes, steps: pd.Series, values: pd.Series, colour: str, label: str | None) -> None:
    """A faint raw line under its running median."""
    window = max(1, len(values) // 25)
    if window > 1:
        draw_curve(axes, steps, values, color=colour, alpha=0.25, linewidth=0.7)
    median = values.rolling(window, center=True, min_periods=1).median()
    draw_curve(axes, steps, median, color=colour, label=label)


def _without_spikes(values: np.ndarray) -> tuple[float, float]:
    """Limits of an axis on which a few spikes, as at the first steps, do not flatten the rest."""
    low, high = (
        np.nanquantile(values[np.isfinite(values)], [0.005, 0.995])
        if np.isfinite(values).any()
        else (0.0, 1.0)
    )
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


@styled
def film_strip(directory: Path, frames: int = 10, rows: int = 3, columns: int = 6) -> Figure:
    """Samples of the generator over its training, the same latent codes in a row.

    ``directory`` holds grids, step-<number>.png, each of square tiles, ``columns`` wide; the first ``rows``
    tiles are
    shown, at no more than ``frames`` steps, evenly from the first to the last.
    """
    from PIL import Image

    files = {int(file.stem.split("-")[1]): file for file in Path(directory).glob("step-*.png")}
    if not files:
        return empty_figure("No samples were written during this training.")
    tiles = {}
    for step in _evenly(sorted(files), frames):
        with Image.open(files[step]) as opened:
            tiles[step] = _tiles(np.asarray(opened.convert("RGB")), columns)[:rows]
    height = min(rows, *map(len, tiles.values()))
    # inches; a few small images do not become giants, and stand in the middle
    side = min(9 / len(tiles), 1.5)
    width = len(tiles) * side / 9
    figure = Figure(figsize=(9, height * side + 0.2))
    set_paddings(figure, w_pad=0.015, h_pad=0.015, wspace=0, hspace=0, rect=((1 - width) / 2, 0, width, 1))
    grid = figure.subplots(height, len(tiles), squeeze=False)
    for column, (step, pictures) in zip(grid.T, tiles.items(), strict=True):
        for axes, picture in zip(column, pictures, strict=False):
            draw_picture(axes, picture)
        column[0].set_title(f"step {step:,}", fontsize=8, fontweight="normal", loc="center", pad=3)
    return figure


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


def _tiles(grid: np.ndarray, columns: int) -> list[np.ndarray]:
    """The square tiles of a grid, row by row."""
    side = grid.shape[1] // columns
    return [
        grid[top : top + side, left : left + side]
        for top in range(0, grid.shape[0] - side + 1, side)
        for left in range(0, grid.shape[1] - side + 1, side)
    ]
