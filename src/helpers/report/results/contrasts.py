"""The contrasts that were named before any result was seen."""

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from helpers.evaluation.verdicts import FAMILY_LEVEL, gain_words, verdict_of
from helpers.evaluation.words import show_p
from helpers.report.drawing import (
    BAND,
    FAINT,
    INK,
    centre_on_zero,
    draw_interval,
    empty_figure,
    name_rows,
)
from helpers.report.results.scope import has_intervals, one_gan_note
from helpers.report.style import arm_colours, styled
from helpers.report.table import Table, points_range
from helpers.report.words import (
    MINUS,
    counted,
    listed,
    metric_words,
    no_interval,
    points_of_images,
)

NO_CONTRAST = "The run has none of the arms that these contrasts need."
NOTHING_NAMED = "No primary contrast was named beforehand for this run: all of it is exploratory."
DOT: dict[str, Any] = {"marker": "o", "markersize": 5, "alpha": 0.5, "markeredgewidth": 0}  # one replicate


def contrasts_table(
    contrasts: pd.DataFrame, n: int, smallest_effect: float, metric: str = "target_recall"
) -> Table | None:
    """The contrasts named beforehand on one metric: difference, both intervals, p values and verdict.

    The second interval is the bootstrap's or, of folds, the corrected t's. ``n`` is the number of images
    behind the metric. The verdict is that of helpers.evaluation.verdicts. Where every contrast was named
    beforehand, the column that says so is left out. None where the run has no such contrast.
    """
    rows = contrasts[contrasts["metric"] == metric].reset_index(drop=True)
    if rows.empty:
        return None
    other, named = other_interval(contrasts)
    frame = rows.assign(
        contrast=rows["arm"] + f" {MINUS} " + rows["reference"],
        verdict=[_shows(row, smallest_effect) for row in rows.to_dict("records")],
    )
    answer = ["contrast", "role", "difference", "low", "high", *other, "verdict"]
    frame = frame[[*answer, "p", "p_holm", "degrees_of_freedom", "replicates"]]
    one_role = ("role",) if (frame["role"] == "primary").all() else ()  # which the caption says
    formats = {
        "difference": lambda value: points_of_images(value, n),
        "low": points_range(n),
        other[0]: points_range(n, *other),
        "degrees_of_freedom": lambda value: f"{value:.1f}",
        "p": show_p,
        "p_holm": show_p,
    }
    headers = {
        "difference": "difference, points",
        "low": "interval",
        other[0]: named,
        "degrees_of_freedom": "degrees of freedom",
        "p_holm": "p after Holm",
    }
    return Table(frame, formats, headers, hidden=("high", other[1], *one_role))


def other_interval(differences: pd.DataFrame) -> tuple[tuple[str, str], str]:
    """The columns of the second interval of these differences, and its name as a header."""
    if "corrected_low" in differences and differences["corrected_low"].notna().any():
        return ("corrected_low", "corrected_high"), "by corrected t"
    return ("bootstrap_low", "bootstrap_high"), "by bootstrap"


def other_primary_table(
    contrasts: pd.DataFrame, n: int, smallest_effect: float, target: str, metric: str = "target_recall"
) -> Table | None:
    """The primary contrasts in metrics other than ``metric``, on ``n`` images; None where there are none."""
    rows = contrasts[(contrasts["role"] == "primary") & (contrasts["metric"] != metric)]
    if rows.empty:
        return None
    found = {other: contrasts_table(rows, n, smallest_effect, other) for other in rows["metric"].unique()}
    tables = {metric_words(other, target): table for other, table in found.items() if table}
    frame = pd.concat([table.frame.assign(metric=name) for name, table in tables.items()], ignore_index=True)
    first = next(iter(tables.values()))
    return replace(first, frame=frame[["metric", *first.frame.columns]])


def _shows(row: Mapping[str, Any], smallest_effect: float) -> str:
    """The direction that the interval shows, if any, and what it says of a gain."""
    found = verdict_of(row, smallest_effect)
    gain = gain_words(found.gain, smallest_effect)
    return f"{found.direction.value}; {gain}" if found.excludes_zero else gain


@styled
def named_contrasts(
    contrasts: pd.DataFrame, metrics: pd.DataFrame, smallest_effect: float, metric: str = "target_recall"
) -> Figure:
    """The contrasts named beforehand on one metric, in points: a dot per replicate, and the intervals.

    ``contrasts`` and ``metrics`` are the tables of evaluation/. The interval is a thick line, the second one
    (``other_interval``) a thin line below it; without an interval the dots stand alone.
    """
    rows = contrasts[contrasts["metric"] == metric]
    if rows.empty:
        return empty_figure(NO_CONTRAST)
    values = metrics.pivot_table(index="replicate", columns="arm", values=metric)
    colours = arm_colours([*rows["arm"], *rows["reference"]])
    figure = Figure(figsize=(9, 1.2 + 0.5 * len(rows)))
    axes = figure.subplots()
    axes.axvspan(-100 * smallest_effect, 100 * smallest_effect, color=BAND, zorder=0)
    axes.axvline(0, color=FAINT, linewidth=1)
    other, named = other_interval(rows)
    for place, row in enumerate(rows.to_dict("records")):
        changes = 100 * (values[row["arm"]] - values[row["reference"]])
        _draw_contrast(axes, place, row, other, changes.to_numpy(), colours[row["arm"]])
    name_rows(axes, [f"{row.arm} {MINUS} {row.reference}\n({row.role})" for row in rows.itertuples()])
    axes.set_ylim(len(rows) - 0.4, -0.5)
    axes.set_xlabel(f"difference in {metric_words(metric)}, points")
    axes.grid(False, axis="y")
    centre_on_zero(axes, least=5)
    handles = [Line2D([], [], color=INK, linestyle="", label="one replicate", **DOT)]
    if rows["low"].notna().any():
        handles.append(Line2D([], [], color=INK, linewidth=2.4, marker="s", label="interval"))
    if rows[other[0]].notna().any():
        handles.append(Line2D([], [], color=INK, linewidth=0.9, label=f"the same {named}"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _draw_contrast(
    axes: Axes, place: int, row: Mapping[str, Any], other: tuple[str, str], changes: np.ndarray, colour: str
) -> None:
    """One row: the replicates above the interval, or in its place where there is none, and the ``other``
    interval below.
    """
    known = np.isfinite(row["low"])
    axes.plot(changes, [place - 0.2 * known] * len(changes), linestyle="", color=colour, **DOT)
    if known:
        ends = (100 * row["low"], 100 * row["high"])
        hollow = row["role"] != "primary"
        draw_interval(axes, place, 100 * row["difference"], ends, colour, hollow, size=7, width=2.4)
    if np.isfinite(row[other[0]]):
        ends = tuple(100 * row[end] for end in other)
        axes.plot(ends, [place + 0.22] * 2, color=colour, linewidth=0.9, solid_capstyle="butt")


def named_contrasts_caption(
    contrasts: pd.DataFrame, target: str, n: int, confidence: float = 0.95, one_gan: Container[str] = ()
) -> str:
    """The caption of ``named_contrasts``; it speaks of intervals only where some are drawn. ``one_gan``
    as in ``difference_sentence``.
    """
    if contrasts.empty:
        return NO_CONTRAST
    note, (other, named) = one_gan_note(contrasts["arm"], one_gan), other_interval(contrasts)
    start = (
        f"{which_contrasts(contrasts)}, in recall of {target} (n = {n:,} test images of it). A dot is the "
        "difference between two trainings of one seed"
    )
    if not has_intervals(contrasts):
        return (
            f"{start}; {no_interval(contrasts.iloc[0])}, which leaves no interval, and nothing follows from "
            f"them. The grey band is the smallest effect of interest.{note}"
        )
    source = " (Nadeau and Bengio 2003, wider)" if other[0] == "corrected_low" else ""
    thin = f", the thin line the same {named}{source}" if contrasts[other[0]].notna().any() else ""
    return (
        f"{start}, the thick line the {100 * confidence:.0f} % interval of the difference between "
        f"procedures{thin}. "
        "See whether a line leaves the grey band, the smallest effect of interest; hollow squares are "
        f"exploratory.{note}"
    )


def which_contrasts(contrasts: pd.DataFrame) -> str:
    """What the contrasts of a table or figure are: named beforehand, or such as every run makes."""
    primary = contrasts["role"] == "primary"
    if primary.all():
        return "The contrasts named beforehand"
    if primary.any():
        return "The contrasts named beforehand, and others that every run makes"
    return "Contrasts that every run makes; none was named beforehand as a primary one"


def primary_sentence(
    contrasts: pd.DataFrame, smallest_effect: float, target: str, one_gan: Container[str] = ()
) -> str:
    """How many contrasts were named beforehand, and what became of them after Holm's adjustment."""
    rows = contrasts[contrasts["role"] == "primary"]
    if rows.empty:
        return NOTHING_NAMED
    scope = ", for this one GAN" if any(arm in one_gan for arm in rows["arm"]) else ""
    metrics = list(dict.fromkeys(rows["metric"]))
    kinds = listed([metric_words(metric, target) for metric in metrics])
    named = (
        f"{counted(len(rows), 'contrast')} in {kinds} {'was' if len(rows) == 1 else 'were'} "
        "named beforehand; everything else is exploratory."
    )
    of = {metric: f" in {metric_words(metric, target)}" if len(metrics) > 1 else "" for metric in metrics}
    verdicts = [
        f"*{row['arm']}* {MINUS} *{row['reference']}*{of[row['metric']]}: {_shows(row, smallest_effect)}"
        for row in rows.to_dict("records")
    ]
    told = int((rows["p_holm"] < FAMILY_LEVEL).sum())
    after = (
        f" After Holm's adjustment {told} of {len(rows)} {'has' if told == 1 else 'have'} p below "
        f"{FAMILY_LEVEL:g}; where it is not below, neither a gain nor a loss is called shown."
        if rows["p_holm"].notna().any()
        else ""
    )
    return f"{named} What each shows{scope}: {'; '.join(verdicts)}.{after}"
