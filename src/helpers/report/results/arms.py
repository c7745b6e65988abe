"""One row for each arm, one column for each metric: the tables of the article."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from helpers.evaluation.verdicts import FAMILY_LEVEL, Direction, verdict_of
from helpers.report.paper_values import Paper, paper_metrics
from helpers.report.results.scope import means_note
from helpers.report.table import Format, Table, of_row
from helpers.report.words import NONE, metric_name, missing, percent, percent_of_images

PRIMARY = "target_recall"  # the metric that sorts the arms
PAPER_ROW = "the paper's "  # before an arm's name
NARROW = 0.01  # of an interval, as a share; in a wider one two decimals say nothing and make the table wide
FOR_ONE_DECIMAL = 1_000  # images
MARKS = {
    Direction.HIGHER: " \N{BLACK UP-POINTING TRIANGLE}",
    Direction.LOWER: " \N{BLACK DOWN-POINTING TRIANGLE}",
}


def arms_by_metric(
    results: Mapping[str, pd.DataFrame], metrics: Sequence[str], n: int, reference: str, paper: Paper
) -> Table:
    """Mean and interval of every arm, a column for each metric, in percent; the paper's arms follow.

    The reference stands first, then the arms by recall of the target, the highest above. A triangle marks
    a mean whose difference to the reference has an interval without zero. ``results`` are the tables of
    evaluation/ by name, ``n`` the images behind the shares.
    """
    arms, compared = results["arms"], results["comparisons"]
    wide = arms[arms["metric"].isin([PRIMARY, *metrics])].pivot(index="arm", columns="metric")
    order = wide["mean"][PRIMARY].sort_values(ascending=False, kind="stable").index
    order = [*(arm for arm in order if arm == reference), *(arm for arm in order if arm != reference)]
    marks = _marks(compared, reference)
    rows: list[dict[str, Any]] = []
    for arm in order:
        row: dict[str, Any] = {"arm": arm}
        for metric in metrics:
            row |= {metric: wide["mean"].at[arm, metric], f"{metric}_mark": marks.get((arm, metric), "")}
            row |= {f"{metric}_{end}": wide[end].at[arm, metric] for end in ("low", "high")}
        rows.append(row)
    theirs = paper_metrics(paper)
    for arm in theirs.to_dict("records"):
        rows.append(
            {"arm": f"{PAPER_ROW}{arm['arm']}", **{name: arm.get(name, math.nan) for name in metrics}}
        )
    frame = pd.DataFrame(rows)
    formats: dict[str, Format] = {metric: _cell(metric, n) for metric in metrics}
    hidden = tuple(f"{metric}_{part}" for metric in metrics for part in ("mark", "low", "high"))
    return Table(frame, formats, {metric: metric_name(metric) for metric in metrics}, hidden=hidden)


def _marks(compared: pd.DataFrame, reference: str) -> dict[tuple[str, str], str]:
    """The triangle of an arm and metric whose difference to the reference is shown."""
    rows = compared[compared["reference"] == reference].to_dict("records")
    return {(row["arm"], row["metric"]): MARKS.get(verdict_of(row).direction, "") for row in rows}


def _cell(metric: str, n: int) -> Format:
    """'64.1 (58.0 to 70.2)' of an arm of this run; two decimals, as printed, of one of the paper's."""

    def text(row: pd.Series) -> str:
        value, low, high = row[metric], row[f"{metric}_low"], row[f"{metric}_high"]
        if row["arm"].startswith(PAPER_ROW):
            return percent(value, 2) or NONE
        mark = row[f"{metric}_mark"]
        if missing(low) or missing(high):
            return f"{percent_of_images(value, n)}{mark}"
        images = n if high - low < NARROW else min(n, FOR_ONE_DECIMAL)
        mean, *ends = (percent_of_images(each, images) for each in (value, low, high))
        return f"{mean}{mark} ({ends[0]} to {ends[1]})"

    return of_row(text)


def caption(arms: pd.DataFrame, reference: str, confidence: float, paper: Paper) -> str:
    """What stands in the cells of ``arms_by_metric``."""
    intervals = bool(arms[["low", "high"]].notna().all(axis=1).any())
    ends = f" and their {100 * confidence:.0f} % intervals" if intervals else ""
    what = f"means over replicates{ends}"
    marks = (
        f"; a triangle marks a mean whose difference to *{reference}* has an interval without zero, and for "
        f"a contrast named beforehand also p below {FAMILY_LEVEL:g} by Holm's rule; the others are "
        "exploratory"
        if intervals
        else ""
    )
    theirs = (
        "" if paper_metrics(paper).empty else "; the last rows are the paper's, one training for each arm"
    )
    return f"{what}{marks}{theirs}.{means_note(arms) if intervals else ''}"
