"""The tables of a page that compares two runs."""

import math

import pandas as pd

from helpers.data.splits import split_quality
from helpers.files import read_table
from helpers.params import comparable_values, flatten, public_parameters
from helpers.report.page import facts as run_facts
from helpers.report.page.headline import FEW_ARMS, FIRST_METRICS
from helpers.report.page.pair import Pair, apart
from helpers.report.page.results import Results, Row
from helpers.report.words import percent, plain, points, points_interval

ONLY_WORDS = {"description", "report.title"}  # parameters on which no number depends


def headline(pair: Pair) -> pd.DataFrame:
    """Both runs' means with their intervals, and the unpaired difference: one row per metric and arm."""
    first = len(pair.recalls) + FIRST_METRICS
    rows = [
        _headline_row(row, arm, metric, pair)
        for metric in pair.metrics[: first if len(pair.arms) > FEW_ARMS else None]
        for arm in pair.arms
        for row in pair.rows(arm, metric)
    ]
    return _without_empty(pd.DataFrame(rows), "Interval")


def _headline_row(row: Row, arm: str, metric: str, pair: Pair) -> dict[str, str]:
    (first, second), digits = pair.names, pair.places(metric)
    cells = {"Metric": pair.label(metric), "Arm": arm}
    for side, name in (("first", first), ("second", second)):
        low, high = row[f"{side}_low"], row[f"{side}_high"]
        ends = f"{percent(low, digits)} to {percent(high, digits)}" if math.isfinite(low) else ""
        cells |= {f"{name}, %": percent(row[f"{side}_mean"], digits), f"Interval of {name}": ends}
    return cells | {
        f"{first} less {second}": points(row["difference"], digits),
        "Interval of the difference": points_interval(row["low"], row["high"], digits),
        f"{first} is": apart(row),
    }


def effects(pair: Pair) -> pd.DataFrame:
    """What each run says of every arm against its reference: the change, its interval and the verdict."""
    rows = []
    for metric in (*pair.recalls, "accuracy"):
        for arm in pair.arms:
            cells = {"Metric": pair.label(metric), "Arm": arm}
            for name, side in pair.sides:
                cells |= _effect(arm, metric, name, side)
            if all(f"Change in {name}" in cells for name in pair.names):
                rows.append(cells)
    return _without_empty(pd.DataFrame(rows), "Its interval")


def _effect(arm: str, metric: str, name: str, side: Results) -> dict[str, str]:
    """The change of an arm in one run; empty where the run does not compare the arm."""
    row, verdict, digits = side.comparison(arm, metric), side.verdict(arm, metric), side.places(metric)
    if arm == side.params.evaluation.reference or row is None or verdict is None:
        return {}
    return {
        f"Change in {name}": points(row["difference"], digits),
        f"Its interval in {name}": points_interval(row["low"], row["high"], digits),
        f"A gain in {name} is": verdict.gain.short,
    }


def leak(pair: Pair) -> pd.DataFrame:
    """Test images whose lesion was trained on, and the reference arm's recall on such and on new lesions."""
    table = pd.DataFrame([_leak_row(name, side) for name, side in pair.sides]).fillna("")
    return table.drop(columns=[column for column in table if not table[column].astype(bool).any()])


def _leak_row(name: str, side: Results) -> dict[str, str]:
    quality = split_quality(side.split, side.split["split"], side.params.data.target_class)
    everything = percent(quality["test_seen_share"], side.places("accuracy"))
    target = percent(quality["target_seen_share"], side.places("target_recall"))
    known = quality["lesions_named"] == 1  # else copies alone are known to show one lesion
    return {
        "Run": name,
        "Split by": side.params.data.split.by,
        "Test images": f"{side.images('accuracy'):,}",
        "of seen lesions, %": everything if known else "unknown",
        f"Test images of {side.target}": f"{side.images('target_recall'):,}",
        "of them of seen lesions, %": target if known else "unknown",
    } | _recall_by_lesion(side)


def _recall_by_lesion(side: Results) -> dict[str, str]:
    """The reference arm's accuracy by lesion, and the gap in recall at the same mix of classes."""
    arm, digits = side.params.evaluation.reference, side.places("accuracy")
    cells = {}
    groups = read_table(side.run.evaluation / "metrics_by_lesion.csv")
    for lesions in ("seen", "unseen"):
        part = groups[(groups["arm"] == arm) & (groups["lesions"] == lesions)] if not groups.empty else groups
        accuracy = "" if part.empty else percent(part["accuracy"].mean(), digits)
        cells[f"Accuracy on {lesions} lesions, %"] = accuracy
    gaps = read_table(side.run.evaluation / "leak.csv")
    part = gaps[(gaps["arm"] == arm) & (gaps["class"] == "mean of classes")] if not gaps.empty else gaps
    if not part.empty:
        row = part.iloc[0]
        cells["Recall, seen less unseen, classes alike"] = points(row["difference"], digits)
        cells["Interval of that"] = points_interval(row["low"], row["high"], digits)
    return cells


def departures(pair: Pair) -> pd.DataFrame:
    """Every parameter in which the runs differ."""
    first, second = (flatten(public_parameters(side.params)) for _, side in pair.sides)
    values = [comparable_values(side.params) for _, side in pair.sides]
    differing = [
        key
        for key in dict.fromkeys([*first, *second])
        if key not in ONLY_WORDS
        and (first.get(key) != second.get(key) or values[0].get(key) != values[1].get(key))
    ]
    (one, other) = pair.names
    return pd.DataFrame(
        [{"Parameter": key, one: plain(first.get(key)), other: plain(second.get(key))} for key in differing]
    )


def facts(pair: Pair) -> pd.DataFrame:
    """What was run, side by side."""
    first, second = (dict(run_facts.facts(side)) for _, side in pair.sides)
    one, other = pair.names
    return pd.DataFrame(
        [
            {"What": key, one: first.get(key, ""), other: second.get(key, "")}
            for key in dict.fromkeys([*first, *second])
        ]
    )


def _without_empty(table: pd.DataFrame, start: str) -> pd.DataFrame:
    """The table without the columns whose heading begins with ``start`` and that hold nothing."""
    return table.drop(columns=[name for name in table if name.startswith(start) and not table[name].any()])
