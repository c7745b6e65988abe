"""Metrics of every arm: overall, and of the target class alone, beside the paper's."""

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers.report.drawing import FEW_ARMS, INK, ink_on
from helpers.report.names import wrapped
from helpers.report.paper_values import Paper, paper_metrics
from helpers.report.results.arm_rows import rows_of_arms
from helpers.report.results.counts import Counts, count_words
from helpers.report.style import SMALLEST, arm_colours, styled
from helpers.report.table import Table, mean_and_spread, percent_range
from helpers.report.words import (
    OVERALL,
    TARGET,
    capitalised,
    counted,
    metric_name,
    metric_words,
    percent,
    percent_of_images,
    points_of_images,
)

GROUP = 0.8  # width of a metric's group of arms; the groups stand 1 apart
HOLLOW: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": INK, "markeredgewidth": 0.9}


def performance_table(
    metrics: pd.DataFrame,
    paper: Paper,
    columns: Sequence[str],
    n: int,
    arms: pd.DataFrame | None = None,
    counts: tuple[Counts, Counts] = ({}, {}),
) -> Table:
    """Metric by arm: the paper's value, ours (mean and standard deviation over replicates), and the
    difference.

    ``n`` is the number of images behind each share: the test set, or its images of the target class.
    ``arms`` is evaluation/arms.csv, whose intervals are shown where there are any. ``counts``: the images
    behind the paper's shares and behind this run's (``counts.paper_counts``, ``counts.run_counts``).
    """
    published = paper_metrics(paper).set_index("arm")
    ends = _ends(arms)
    rows = []
    for column in columns:
        for arm, values in metrics.groupby("arm", sort=False)[column]:
            known = arm in published.index and column in published
            theirs = float(published.at[arm, column]) if known else math.nan
            row = {"metric": metric_name(column), "arm": arm, "paper": theirs}
            rows.append(row | _own(values, theirs, ends, counts, (arm, column)))
    frame = pd.DataFrame(rows)
    frame = frame.drop(columns=["paper", "difference"]) if published.empty else frame
    formats = {
        "paper": lambda value: percent(value, 2),  # as printed
        "mean": mean_and_spread(n),
        "low": percent_range(n),
        "difference": lambda value: points_of_images(value, n),
    }
    headers = {
        "paper": "paper, %",
        "mean": "this run, % (mean ± sd)",
        "low": "interval, %",
        "difference": "run less paper, points",
        "paper_images": "paper: images",
        "images": "this run: images, mean",
    }
    return Table(frame, formats, headers, hidden=("standard_deviation", "high"))


def _own(
    values: pd.Series,
    theirs: float,
    ends: Mapping[tuple[str, str], tuple[float, float]],
    counts: tuple[Counts, Counts],
    key: tuple[str, str],
) -> dict[str, Any]:
    """The columns of ``performance_table`` on this run, and the images behind both shares where known."""
    low, high = ends.get(key, (math.nan, math.nan))
    images = zip(("paper_images", "images"), counts, strict=True)
    return {
        "mean": values.mean(),
        "standard_deviation": values.std() if len(values) > 1 else math.nan,
        **({"low": low, "high": high} if ends else {}),
        "difference": values.mean() - theirs,
        **{name: count_words(found.get(key)) for name, found in images if found},
        "replicates": len(values),
    }


def _ends(arms: pd.DataFrame | None) -> dict[tuple[str, str], tuple[float, float]]:
    """The intervals of evaluation/arms.csv by arm and metric, where there are any."""
    if arms is None:
        return {}
    known = arms.dropna(subset=["low", "high"])
    return {(row["arm"], row["metric"]): (row["low"], row["high"]) for row in known.to_dict("records")}


def overall_metrics(
    metrics: pd.DataFrame,
    paper: pd.DataFrame | None = None,
    intervals: pd.DataFrame | None = None,
    counts: Counts | None = None,
) -> Figure:
    """The paper's Figure 5: its overall metrics as bars, and ours as dots per replicate with their mean and
    its interval.

    ``metrics`` is evaluation/metrics.csv (shares); ``paper`` the paper's values, one row per arm;
    ``intervals`` is evaluation/arms.csv; ``counts`` (``counts.paper_counts``) are written into the bars.
    """
    return _metric_panels(metrics, paper, OVERALL, intervals, counts or {})


def target_metrics(
    metrics: pd.DataFrame,
    paper: pd.DataFrame | None = None,
    intervals: pd.DataFrame | None = None,
    counts: Counts | None = None,
) -> Figure:
    """The paper's Figure 6: the same for the target class's precision, recall, specificity and F1."""
    return _metric_panels(metrics, paper, TARGET, intervals, counts or {})


@styled
def _metric_panels(
    metrics: pd.DataFrame,
    paper: pd.DataFrame | None,
    columns: Sequence[str],
    intervals: pd.DataFrame | None,
    counts: Counts,
) -> Figure:
    arms = list(dict.fromkeys(metrics["arm"]))
    theirs = pd.DataFrame() if paper is None or not set(columns) <= set(paper) else paper.set_index("arm")
    if len(arms) > FEW_ARMS:
        return rows_of_arms(metrics, theirs, columns, _ends(intervals))
    colours, ends = arm_colours([*arms, *theirs.index]), _ends(intervals)
    figure = Figure(figsize=(9, 3.9))
    if theirs.empty:
        dots = figure.subplots()
    else:
        bars, dots = figure.subplots(1, 2, width_ratios=[1, 1.35])
        _paper_bars(bars, theirs, columns, colours)
        _write_counts(bars, list(theirs.index), columns, colours, counts)
    _replicate_dots(dots, metrics, columns, colours, ends)
    for arm in [arm for arm in arms if arm in theirs.index]:
        values = 100 * theirs.loc[arm, list(columns)].astype(float)
        dots.plot(_centres(arms, arm, len(columns)), values, "D", markersize=5, **HOLLOW)
    low, high = dots.get_ylim()
    dots.set_ylim(low - 1, min(100.5, high + 1))
    handles: list[Artist] = [
        Patch(color=colours[arm], label=arm) for arm in dict.fromkeys([*arms, *theirs.index])
    ]
    handles += _marks(bool(ends), not theirs.empty)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 7))
    return figure


def _marks(intervals: bool, paper: bool) -> list[Line2D]:
    """Keys of the marks of ``_metric_panels``; those of intervals and of the paper's values where they are
    drawn.
    """
    found = [
        Line2D([], [], color=INK, marker="o", linestyle="", markersize=4, label="one replicate"),
        Line2D([], [], color=INK, linewidth=2, label="mean"),
    ]
    if intervals:
        upright: dict[str, Any] = {"marker": "|", "markersize": 9, "markeredgewidth": 0.9}
        found.append(Line2D([], [], color=INK, linestyle="", label="its interval", **upright))
    if paper:
        diamond: dict[str, Any] = {"marker": "D", "markersize": 5} | HOLLOW | {"markeredgewidth": 1.0}
        found.append(Line2D([], [], color=INK, linestyle="", label="the paper's value", **diamond))
    return found


def _paper_bars(axes: Axes, paper: pd.DataFrame, columns: Sequence[str], colours: Mapping[str, str]) -> None:
    """Bars of the paper's values, from zero; ``paper`` has a row per arm."""
    arms = list(paper.index)
    for arm in arms:
        heights = 100 * paper.loc[arm, list(columns)].astype(float)
        centres = _centres(arms, arm, len(columns))
        axes.bar(centres, heights, 0.92 * GROUP / len(arms), color=colours[arm])
    axes.set_title("Paper")
    axes.set_ylabel("percent")
    axes.set_ylim(0, 100)
    _metric_ticks(axes, columns, 9)


def _write_counts(
    axes: Axes, arms: Sequence[str], columns: Sequence[str], colours: Mapping[str, str], counts: Counts
) -> None:
    """The images behind a bar, upright at its foot, in the ink that its colour lets stand out."""
    for arm in arms:
        for centre, column in zip(_centres(arms, arm, len(columns)), columns, strict=True):
            words = count_words(counts.get((arm, column)))
            place: dict[str, Any] = {"rotation": 90, "ha": "center", "va": "bottom", "fontsize": SMALLEST}
            axes.text(centre, 3, words, color=ink_on(colours[arm]), **place)


def _centres(arms: Sequence[str], arm: str, columns: int) -> np.ndarray:
    """Where an arm stands within the group of each metric; the groups are centred on 0, 1, 2 and so on."""
    return np.arange(columns) + GROUP * ((arms.index(arm) + 0.5) / len(arms) - 0.5)


def _replicate_dots(
    axes: Axes,
    metrics: pd.DataFrame,
    columns: Sequence[str],
    colours: Mapping[str, str],
    ends: Mapping[tuple[str, str], tuple[float, float]],
) -> None:
    """A dot per replicate, side by side in the order of the replicates, a line at their mean, and its
    interval.
    """
    arms = list(dict.fromkeys(metrics["arm"]))
    step, size = GROUP / len(arms), 4
    for arm in arms:
        part, colour = 100 * metrics.loc[metrics["arm"] == arm, list(columns)].astype(float), colours[arm]
        spread = np.linspace(-0.22, 0.22, len(part)) * step if len(part) > 1 else np.zeros(1)
        for centre, column in zip(_centres(arms, arm, len(columns)), columns, strict=True):
            dot: dict[str, Any] = {"markersize": size, "alpha": 0.75, "markeredgewidth": 0}
            axes.plot(centre + spread, part[column], "o", color=colour, **dot)
            level, sides = part[column].mean(), centre + np.array([-0.36, 0.36]) * step
            axes.plot(sides, [level] * 2, color=colour, linewidth=2, solid_capstyle="butt")
            if (arm, column) in ends:
                limits = [100 * end for end in ends[arm, column]]
                axes.plot([centre] * 2, limits, color=colour, linewidth=0.9, alpha=0.8, zorder=1)
    axes.set_title(f"This run ({counted(metrics['replicate'].nunique(), 'replicate')} per arm)")
    axes.set_ylabel("percent, not from zero")
    for boundary in np.arange(0.5, len(columns) - 0.5):
        axes.axvline(boundary, color="#E4E4E4", linewidth=0.6)
    _metric_ticks(axes, columns, 12)


def _metric_ticks(axes: Axes, columns: Sequence[str], width: int) -> None:
    axes.set_xticks(range(len(columns)), [wrapped(metric_name(column), width) for column in columns])
    axes.tick_params(axis="x", length=0)
    axes.grid(False, axis="x")
    axes.set_xlim(-0.5, len(columns) - 0.5)


def metrics_caption(start: str, paper: pd.DataFrame, arms: int = 1) -> str:
    """What ``overall_metrics`` and ``target_metrics`` draw of so many ``arms``; ``paper`` (``paper_metrics``)
    has no row where its values are not drawn.
    """
    if arms > FEW_ARMS:
        theirs = "" if paper.empty else ", and the paper's value as a diamond"
        return (
            f"{start} A row for each arm: its replicates as dots, a square at the mean, its interval where "
            f"there are three{theirs}. The first arm's interval is the grey band. Each panel has a scale of "
            "its own."
        )
    if paper.empty:
        return f"{start} A dot per replicate, a line at the mean, its interval where there are three."
    return (
        f"{start} The paper's three trainings as bars from zero, with the images behind them; this run "
        "as a dot per replicate, a line at the mean, its interval where there are three, "
        "and the paper's value as a diamond."
    )


def metrics_alt(which: str, paper: pd.DataFrame, arms: int = 1) -> str:
    """The same for who cannot see it."""
    if arms > FEW_ARMS:
        return f"A row for each arm and a panel for each metric, {which}, with replicates, mean and interval."
    ours = f"dots of this run's replicates by metric and arm, {which}"
    return f"{capitalised(ours)}." if paper.empty else f"Bars of the paper's metrics by arm, and {ours}."


def best_arm_sentence(metrics: pd.DataFrame, metric: str, n: int, one_gan: Container[str] = ()) -> str:
    """Which arm has the highest mean, with the range of single replicates that puts it into proportion.

    Arms whose means are printed alike tie. ``one_gan`` as in ``difference_sentence``.
    """
    means = metrics.groupby("arm", sort=False)[metric].mean()
    highest = percent_of_images(means.max(), n)
    leaders = [f"*{arm}*" for arm, mean in means.items() if percent_of_images(mean, n) == highest]
    ranges = metrics.groupby("arm", sort=False)[metric].agg(["min", "max"])
    name = metric_words(metric)
    spread = "; ".join(
        f"*{arm}* {percent_of_images(row['min'], n)} to {percent_of_images(row['max'], n)}"
        for arm, row in ranges.iterrows()
    )
    if len(leaders) == 1:
        outcome = f"The highest mean {name} is {leaders[0]}'s, {highest} %"
    elif len(leaders) == len(means):
        outcome = f"All arms tie: the mean {name} of each is {highest} %"
    else:
        outcome = f"{', '.join(leaders[:-1])} and {leaders[-1]} tie for the highest mean {name}, {highest} %"
    scope = ", for this one GAN" if any(arm in one_gan for arm in means.index) else ""
    return f"{outcome}{scope} (n = {n:,} images). Single replicates range, in percent: {spread}."


def arms_table(arms: pd.DataFrame, metrics: Sequence[str], n: int, target: str = "") -> Table:
    """evaluation/arms.csv for some metrics: mean and deviation over replicates, and the interval, in percent.

    ``n`` is the number of images behind the shares.
    """
    frame = arms[arms["metric"].isin(metrics)]
    frame = (
        frame.assign(order=frame["metric"].map(list(metrics).index))
        .sort_values("order", kind="stable")
        .reset_index(drop=True)
    )
    frame = frame[["metric", "arm", "mean", "standard_deviation", "low", "high", "replicates", "method"]]
    formats = {
        "metric": lambda metric: metric_name(metric, target),
        "mean": mean_and_spread(n),
        "low": percent_range(n),
    }
    return Table(
        frame,
        formats,
        {"mean": "mean ± sd, %", "low": "interval, %"},
        hidden=("standard_deviation", "high", "method"),
    )
