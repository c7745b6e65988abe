"""Differences of all arms to the reference, and of single pairs of trained models."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from helpers.evaluation.verdicts import Direction, held_back, verdict_of
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
from helpers.report.names import title_room, wrapped
from helpers.report.results.scope import has_intervals, one_gan_note
from helpers.report.style import arm_colours, styled
from helpers.report.table import Table, of_row, points_range
from helpers.report.words import (
    listed,
    metric_name,
    metric_words,
    no_interval,
    points_of_images,
)

LISTED = 4  # arms of which each gets a sentence of its own


def comparisons_table(
    comparisons: pd.DataFrame, metrics: Sequence[str], n: int, target: str = "", target_n: int | None = None
) -> Table:
    """Differences to the reference arm with their intervals, in points.

    ``n`` is the number of test images, ``target_n`` (default: as many) that of the target's, whose metrics
    wear its digits.
    """
    frame = comparisons[comparisons["metric"].isin(metrics)].reset_index(drop=True)
    frame = frame[
        [
            column
            for column in ("arm", "reference", "metric", "difference", "low", "high", "replicates", "method")
            if column in frame
        ]
    ]

    def behind(row: pd.Series) -> int:
        return n if target_n is None or not row["metric"].startswith("target_") else target_n

    formats = {
        "metric": lambda metric: metric_name(metric, target),
        "difference": of_row(lambda row: points_of_images(row["difference"], behind(row))),
        "low": points_range(behind),
    }
    return Table(
        frame,
        formats,
        {"difference": "difference, points", "low": "interval"},
        hidden=("reference", "high", "method"),
    )


def mcnemar_table(mcnemar: pd.DataFrame) -> Table:
    """evaluation/mcnemar.csv: each pair of trained models by itself; the caption must say what the column
    scope says.
    """
    frame = mcnemar.rename(columns={"images_of": "images of"})
    headers = {
        "images": "n",
        "only_arm_right": "only the arm right",
        "only_reference_right": "only the reference right",
        "p": "exact p",
    }
    return Table(frame, {"p": show_p}, headers, hidden=("scope",))  # the caption says it once


def difference_sentence(
    row: Mapping[str, Any], n: int, target: str = "", confidence: float = 0.95, one_gan: Container[str] = ()
) -> str:
    """One comparison in words; ``row`` is a row of evaluation/comparisons.csv, ``n`` the images behind the
    share.

    The arm is called higher or lower only where the interval excludes zero. ``one_gan``: arms whose images
    one GAN alone supplied (``single_gan_arms``); what is said of them holds for this one GAN.
    """

    change = (
        f"{points_of_images(row['difference'], n)} points of {metric_words(row['metric'], target)} against "
        f"*{row['reference']}*"
    )
    outcome = verdict_of(row).direction
    scope = ", for this one GAN" if row["arm"] in one_gan or row["reference"] in one_gan else ""
    if outcome == Direction.NOT_TESTED:
        why = f"{no_interval(row)}, which leaves no interval"
        return f"*{row['arm']}*: {change}{scope}; {why}, and nothing follows from it."
    interval = (
        f"{100 * confidence:.0f} % interval {points_of_images(row['low'], n)} to "
        f"{points_of_images(row['high'], n)}"
    )
    tail = {
        Direction.HIGHER: f"the interval excludes zero: *{row['arm']}* is higher in this run",
        Direction.LOWER: f"the interval excludes zero: *{row['arm']}* is lower in this run",
        Direction.NOT_SHOWN: "the interval includes zero: this run does not show a difference",
    }[outcome]
    if held_back(row):
        tail = (
            f"the interval excludes zero, but p is {show_p(row['p_holm'])} by Holm's rule over the contrasts "
            "named beforehand: this run shows no difference"
        )
    return f"*{row['arm']}*: {change} ({interval}){scope}; {tail}."


def comparison_sentences(
    comparisons: pd.DataFrame,
    metric: str,
    n: int,
    target: str = "",
    confidence: float = 0.95,
    one_gan: Container[str] = (),
) -> str:
    """``difference_sentence`` of every arm for one metric, as a Markdown list; of many arms only those that
    are told from the reference.
    """

    rows = comparisons[comparisons["metric"] == metric].to_dict("records")
    if not rows:
        return "There is one arm only, so nothing is compared."
    told = (
        rows
        if len(rows) <= LISTED or not has_intervals(comparisons)
        else [row for row in rows if verdict_of(row).direction in (Direction.HIGHER, Direction.LOWER)]
    )
    lines = "\n".join("- " + difference_sentence(row, n, target, confidence, one_gan) for row in told)
    rest = [f"*{row['arm']}*" for row in rows if row not in told]
    if not rest:
        return lines
    scope = ", for this one GAN" if any(row["arm"] in one_gan for row in rows if row not in told) else ""
    return (
        f"{lines}\n\nNo difference to *{rows[0]['reference']}* in {metric_words(metric, target)} is "
        f"shown{scope} by {listed(rest)}."
    ).strip()


def differences_caption(
    comparisons: pd.DataFrame, reference: str, n: int, confidence: float = 0.95, one_gan: Container[str] = ()
) -> str:
    """The caption of ``forest``; it speaks of intervals only where some are drawn. ``one_gan`` as in
    ``difference_sentence``.
    """
    ending = (
        "the grey band is the smallest effect of interest. Filled squares are contrasts that were named "
        "beforehand; hollow ones are exploratory."
    )
    ending += one_gan_note(comparisons["arm"], one_gan)
    if not has_intervals(comparisons):
        return (
            f"Difference to {reference}, in percentage points, on n = {n:,} test images. A square is a "
            "difference without an interval, "
            f"which says nothing of chance; {ending}"
        )
    alone = (
        ""
        if comparisons[["low", "high"]].notna().all(axis=None)
        else " A square without a line has no interval."
    )
    return (
        f"Difference to {reference} with its {100 * confidence:.0f} % interval, in percentage points, "
        f"on n = {n:,} test images; each panel has its own scale. "
        f"An interval that crosses the line at zero does not show a difference; {ending}{alone}"
    )


@styled
def forest(
    comparisons: pd.DataFrame,
    metrics: Sequence[str] = ("accuracy", "macro_recall", "target_recall", "target_precision"),
    smallest_effect: float | None = None,
    target: str = "",
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Differences to the reference arm in points with their intervals, a panel per metric on a scale of its
    own.

    ``comparisons`` is evaluation/comparisons.csv; a row without an interval is drawn as its point alone.
    Squares of primary contrasts are filled, those of exploratory ones hollow. The grey band is the smallest
    effect of interest.
    """
    rows = comparisons[comparisons["metric"].isin(metrics)]
    if rows.empty:
        return empty_figure("There is no second arm to compare.")
    arms = list(dict.fromkeys(rows["arm"]))
    colours = colours or arm_colours([*rows["reference"], *arms])
    shown = [metric for metric in metrics if metric in set(rows["metric"])]
    titles = {metric: wrapped(metric_name(metric, target), 100 // len(shown)) for metric in shown}
    figure = Figure(figsize=(9, 1.2 + title_room(titles.values()) + 0.36 * len(arms)))
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, shown, strict=True):
        if smallest_effect:
            axes.axvspan(-100 * smallest_effect, 100 * smallest_effect, color=BAND, zorder=0)
        axes.axvline(0, color=FAINT, linewidth=1)
        for row in rows[rows["metric"] == metric].to_dict("records"):
            ends = (100 * row["low"], 100 * row["high"])
            hollow = row.get("role") != "primary"
            place = arms.index(row["arm"])
            draw_interval(axes, place, 100 * row["difference"], ends, colours[row["arm"]], hollow)
        axes.set_title(titles[metric], fontsize=9)
        axes.set_xlabel(f"points above {rows['reference'].iloc[0]}")
        axes.grid(False, axis="y")
        centre_on_zero(axes, least=5)  # points; a scale narrower than that magnifies nothing
    name_rows(panels[0], arms)
    if handles := _role_handles(rows):
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _role_handles(rows: pd.DataFrame) -> list[Line2D]:
    """Keys of the filled and hollow squares that are there."""
    roles = set(rows["role"]) if "role" in rows else {"exploratory"}
    fills = {"primary": INK, "exploratory": "white"}
    return [
        Line2D([], [], marker="s", linestyle="", markerfacecolor=fills[role], markeredgecolor=INK, label=role)
        for role in fills
        if role in roles
    ]
