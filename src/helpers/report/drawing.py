"""What the figures share: colours of lines, curves, points with intervals, panels for many arms, keys."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType
from numpy.typing import ArrayLike

from helpers.report.names import wrapped
from helpers.report.style import SMALLEST, arm_colours, styled

INK, FAINT, BEHIND, BAND = "#222222", "#8A8A8A", "#B4BAC0", "#F0F0F0"
SYNTHETIC = "#009E73"  # synthetic images, wherever they stand beside real ones
DASHED = (0, (4, 3))
PATTERNS: tuple[LineStyleType, ...] = ("-", (0, (6, 1)), (0, (6, 1, 1.2, 1)), (0, (1.2, 1)))  # of a few arms
SERIES = ("#0072B2", "#D55E00", "#009E73", "#882255", "#6B7A00", "#111111")  # lines that are no arms
FEW_ARMS = 4  # more of them are told apart by place, a row or a panel each, and no longer by colour
PANELS, PANEL = 5, 1.45  # of many arms: panels in a row, and the height of each, inches
THIN = 0.9  # points: the reference's line over that of an arm


@styled
def empty_figure(sentence: str) -> Figure:
    """A figure that says why there is nothing to draw.

    The sentence is its label too, which ``show_figure`` takes for caption and alternative text.
    """
    figure = Figure(figsize=(9, 0.8))
    axes = figure.subplots()
    axes.axis("off")
    axes.text(0.5, 0.5, wrapped(sentence, 140), ha="center", va="center", color=INK)
    figure.set_label(sentence)
    return figure


def ink_on(colour: Any) -> str:
    """The colour of words on a ground of ``colour``: INK or white, whichever has the higher contrast."""
    ground, ink = (_luminance(each) + 0.05 for each in (colour, INK))
    return INK if ground / ink > 1.05 / ground else "white"


def _luminance(colour: Any) -> float:
    """The relative luminance of the Web Content Accessibility Guidelines 2.2: 0 of black, 1 of white."""
    parts = np.array(to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


ELSEWHERE = "The synthetic images stayed on the machine that made them."


def without_images() -> Figure:
    """What stands in a figure's place where its synthetic images are not on this machine."""
    return empty_figure(ELSEWHERE)


def set_paddings(figure: Figure, **paddings: Any) -> None:
    """Set the paddings of a figure's constrained layout, such as ``w_pad`` (inches) and ``wspace``."""
    cast(ConstrainedLayoutEngine, figure.get_layout_engine()).set(**paddings)


def draw_curve(axes: Axes, x: ArrayLike, y: ArrayLike, **style: Any) -> None:
    """A curve through given values, which are not averaged any further."""
    import seaborn

    style = {"markeredgewidth": 1.0, "markeredgecolor": style.get("color")} | style
    seaborn.lineplot(x=np.asarray(x), y=np.asarray(y), ax=axes, estimator=None, **style)


def draw_interval(
    axes: Axes,
    place: float,
    middle: float,
    ends: tuple[float, float],
    colour: str,
    hollow: bool = False,
    size: float = 5.5,
    width: float = 2.0,
) -> None:
    """A square at ``middle`` in row ``place``, on a line between the ``ends``; without ends (NaN) it stands
    alone.

    The interval is the one of the table: seaborn estimates nothing here. ``size`` and ``width`` are in
    points.
    """
    import seaborn

    known = bool(np.isfinite(ends).all())
    seaborn.pointplot(
        x=[middle] * 2,
        y=[place] * 2,
        orient="h",
        native_scale=True,
        color=colour,
        ax=axes,
        errorbar=(lambda values: ends) if known else None,
        err_kws={"linewidth": width, "solid_capstyle": "butt", "zorder": 2.5},
        zorder=3,  # the square hides the line behind it, hollow or not
        marker="s",
        markersize=size,
        markeredgewidth=1.4,
        markeredgecolor=colour,
        markerfacecolor="white" if hollow else colour,
    )


def draw_series(axes: Axes, rows: pd.DataFrame, named: bool) -> None:
    """A line with intervals for each series over evenly spaced numbers; ``named`` at its right end.

    ``rows`` has the columns series, x (a number of images), mean, low and high; the first series comes first.
    """
    counts = sorted(set(rows["x"]))
    names = list(dict.fromkeys(rows["series"]))
    for number, name in enumerate(names):
        line, colour = rows[rows["series"] == name].sort_values("x"), SERIES[number % len(SERIES)]
        shift = 0.07 * (number - (len(names) - 1) / 2)  # so that intervals do not hide one another
        place = [counts.index(count) + shift for count in line["x"]]
        reach = [line["mean"] - line["low"], line["high"] - line["mean"]]
        axes.errorbar(
            place, line["mean"], reach, color=colour, marker="s", markersize=5, linewidth=1.2, elinewidth=2
        )
    axes.set_xticks(range(len(counts)), [f"{count:,}" for count in counts])
    axes.set_xlim(-0.4, len(counts) - 0.6)
    if named:
        _name_series(axes, rows, names, len(counts) - 0.6)


def _name_series(axes: Axes, rows: pd.DataFrame, names: Sequence[str], x: float) -> None:
    """The names of series right of a panel, each as near to the end of its line as the others allow."""
    ends = {name: rows[rows["series"] == name].sort_values("x")["mean"].iloc[-1] for name in names}
    low, high = axes.get_ylim()
    room, place = 0.065 * (high - low), -math.inf
    for name in sorted(names, key=lambda name: ends[name]):
        place = max(ends[name], place + room)
        colour = SERIES[names.index(name) % len(SERIES)]
        beside = axes.annotate(name, (x, place), (4, 0), textcoords="offset points", annotation_clip=False)
        beside.set(color=colour, va="center", fontsize=SMALLEST)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Rows of an axis of points with intervals: the first name on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_ylabel("")


def centre_on_zero(axes: Axes, least: float, most: float = math.inf) -> None:
    """Make the x axis reach as far to the left of zero as to the right, at least and at most so far."""
    widest = min(most, max(least, *(abs(value) for value in axes.get_xlim())))
    axes.set_xlim(-widest, widest)


def panel_per_arm(arms: Iterable[str]) -> bool:
    """Whether the figures of curves give each arm a panel of its own.

    More lines than a few in one panel hide one another.
    """
    return len(set(arms)) > FEW_ARMS


def arm_panels(
    arms: Sequence[str],
    titles: Mapping[str, tuple[str, str]],
    height: float,
    panel: float = PANEL,
    across: int = PANELS,
    square: bool = False,
) -> tuple[Figure, list[dict[str, Axes]]]:
    """A figure and, per title, the axes in which each arm is drawn: one for all of a few arms, a small one
    for each of many.

    ``titles`` maps a title to the labels of its x and y axis; ``height`` is that of few arms, inches. Of
    many, at most ``across`` stand in a row, and each is ``panel`` inches high. ``square`` panels are as
    wide as high, so that a diagonal rises by 45 degrees.
    """
    if panel_per_arm(arms):
        return _panel_each(arms, titles, panel, across, square)
    figure = Figure(figsize=(9, height))
    panels = figure.subplots(1, len(titles), squeeze=False)[0]
    for axes, (title, (x, y)) in zip(panels, titles.items(), strict=True):
        axes.set(title=wrapped(title, 90 // len(titles)), xlabel=wrapped(x, 160 // len(titles)), ylabel=y)
        axes.set_box_aspect(1 if square else None)
    return figure, [dict.fromkeys(arms, axes) for axes in panels]


def _panel_each(
    arms: Sequence[str], titles: Mapping[str, tuple[str, str]], panel: float, across: int, square: bool
) -> tuple[Figure, list[dict[str, Axes]]]:
    """``arm_panels`` of many arms: below each title a grid of panels, whose axis has a label where it is not
    that of the title below.
    """
    rows, found = -(-len(arms) // across), []
    columns = -(-len(arms) // rows)
    labels = [x for x, _ in titles.values()]
    own = [x != below for x, below in zip(labels, [*labels[1:], ""], strict=True)]
    heights = [0.45 + 0.15 * named + (panel + 0.3) * rows for named in own]
    figure = Figure(figsize=(9, sum(heights) + 0.25))
    parts = figure.subfigures(len(titles), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, (title, (x, y)), named in zip(parts, titles.items(), own, strict=True):
        grid = part.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        part.suptitle(wrapped(title, 100), x=0.01, ha="left", fontsize=9.5, fontweight="bold")
        part.supxlabel(wrapped(x, 130) if named else "", fontsize=8.5)
        part.supylabel(y, fontsize=8.5)
        for axes, above in zip(grid[len(arms) :], grid[len(arms) - columns :], strict=False):
            axes.set_axis_off()
            above.tick_params(labelbottom=True)
        for axes, arm in zip(grid, arms, strict=False):
            axes.set_title(arm, fontsize=8.5, fontweight="normal", pad=3)
            axes.set_box_aspect(1 if square else None)
        found.append(dict(zip(arms, grid, strict=False)))
    return figure, found


def arm_lines(arms: Collection[str]) -> dict[str, LineStyleType]:
    """A pattern of line for each of a few arms in one panel, so that their colours are not all that tells
    them apart; where each has its own panel, all lines are solid.
    """
    patterns = ("-",) if panel_per_arm(arms) else PATTERNS
    return {arm: patterns[place % len(patterns)] for place, arm in enumerate(dict.fromkeys(arms))}


def draw_arms(
    panels: Mapping[str, Axes], reference: str, draw: Callable[[Axes, str, str, bool], None]
) -> None:
    """Call ``draw(axes, arm, colour, thin)`` for every arm; where each has its own panel, then for the
    reference as well, which is to be a thin black line over that of the arm.
    """
    for arm, axes in panels.items():
        draw(axes, arm, arm_colours(panels)[arm], False)
        if panel_per_arm(panels) and arm != reference and reference in panels:
            draw(axes, reference, INK, True)


def arm_legend(figure: Figure, arms: Sequence[str], reference: str, *more: Line2D, **marks: Any) -> None:
    """Keys of the arms' colours, or, where each arm has its own panel, of the thin line in it; ``more``
    follow.
    """
    if panel_per_arm(arms):
        handles = [Line2D([], [], color=INK, linewidth=THIN, markersize=2, label=reference, **marks)]
    else:
        lines = arm_lines(arms)
        handles = [
            Line2D([], [], color=colour, linestyle=lines[arm], label=arm, **marks)
            for arm, colour in arm_colours(arms).items()
        ]
    figure.legend(handles=[*handles, *more], loc="outside lower center", ncols=6)


def panels_note(arms: Collection[str], reference: str = "") -> str:
    """What a caption of curves adds where each arm has its panel (``panel_per_arm``); ``reference`` is
    the arm that is drawn in each of them (``draw_arms``), if any.
    """
    return (
        f" Each arm has its panel{f', with *{reference}* as a thin black line' if reference else ''}."
        if panel_per_arm(arms)
        else ""
    )
