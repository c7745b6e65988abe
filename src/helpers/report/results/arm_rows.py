"""Metrics of many arms: a row for each arm and a panel for each metric, so that no colour is looked up."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers.report.drawing import BEHIND, FAINT, INK, draw_interval, name_rows
from helpers.report.names import title_room, wrapped
from helpers.report.style import arm_colours
from helpers.report.words import metric_name

HEIGHT = 0.23  # inches of a row
DIAMOND: dict[str, Any] = {
    "marker": "D",
    "markersize": 5,
    "markerfacecolor": "white",
    "markeredgecolor": INK,
    "linestyle": "",
}
DOT: dict[str, Any] = {"marker": "o", "markersize": 3, "alpha": 0.45, "markeredgewidth": 0, "linestyle": ""}

Ends = Mapping[tuple[str, str], tuple[float, float]]  # of the interval, by arm and metric


def rows_of_arms(metrics: pd.DataFrame, paper: pd.DataFrame, columns: Sequence[str], ends: Ends) -> Figure:
    """Replicates, mean and interval of every arm (a row) and metric (a panel), in percent.

    ``metrics`` is evaluation/metrics.csv (shares), ``paper`` has the paper's values with the arm as index, or
    no row. The first arm's interval is a grey band through all rows, its mean a line.
    """
    arms = list(dict.fromkeys(metrics["arm"]))
    colours = arm_colours(arms)
    titles = [wrapped(metric_name(column), 80 // len(columns)) for column in columns]
    figure = Figure(figsize=(9, 0.85 + title_room(titles) + HEIGHT * len(arms)))
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, column, title in zip(panels, columns, titles, strict=True):
        _draw_reference(axes, metrics, arms[0], column, ends)
        for place, arm in enumerate(arms):
            values = 100 * metrics.loc[metrics["arm"] == arm, column].to_numpy(dtype=float)
            axes.plot(values, np.full(len(values), place), color=colours[arm], **DOT)
            limits = tuple(100 * end for end in ends.get((arm, column), (np.nan, np.nan)))
            draw_interval(axes, place, values.mean(), (limits[0], limits[1]), colours[arm], size=4.5)
            if arm in paper.index:
                axes.plot(100 * float(paper.at[arm, column]), place, zorder=4, **DIAMOND)
        axes.set_title(f"{title}, %")
        axes.grid(False, axis="y")
        axes.locator_params(axis="x", nbins=4)
    name_rows(panels[0], arms)
    figure.legend(handles=_keys(arms[0], bool(ends), len(paper) > 0), loc="outside lower center", ncols=5)
    return figure


def _draw_reference(axes: Axes, metrics: pd.DataFrame, arm: str, column: str, ends: Ends) -> None:
    """The first arm behind all rows: its interval as a band, where there is one, and its mean as a line."""
    if (arm, column) in ends:
        low, high = ends[arm, column]
        axes.axvspan(100 * low, 100 * high, color=BEHIND, alpha=0.25, zorder=0, linewidth=0)
    mean = 100 * metrics.loc[metrics["arm"] == arm, column].mean()
    axes.axvline(mean, color=FAINT, linewidth=0.8, zorder=0.5)


def _keys(reference: str, intervals: bool, paper: bool) -> list[Line2D | Patch]:
    """Keys of the marks that are drawn."""
    line: dict[str, Any] = {"color": INK, "marker": "s", "markersize": 4.5}
    found: list[Line2D | Patch] = [
        Line2D([], [], color=INK, label="one replicate", **DOT),
        Line2D([], [], linewidth=2 * intervals, label="mean" + " and interval" * intervals, **line),
    ]
    if intervals:
        found.append(Patch(color=BEHIND, alpha=0.25, label=f"interval of {reference}"))
    if paper:
        found.append(Line2D([], [], label="the paper's value", **DIAMOND))
    return found
