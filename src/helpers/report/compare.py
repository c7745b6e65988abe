"""Two finished runs on one page, such as a split by image beside a split by lesion.

What is compared is in helpers.evaluation.runs.compare_runs; here it becomes sentences, tables, a figure and a page
of its own, reports/compare-<first>-<second>/report.html.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from helpers import paths as places
from helpers.errors import MissingStageError, UserError
from helpers.files import write_json, write_table, write_text
from helpers.params import flatten, public_parameters
from helpers.paths import RunPaths
from helpers.report import summary
from helpers.report.page_tables import as_text, frame_html, wrap_table
from helpers.report.provenance import git_commit, read_params, reproduction_command
from helpers.report.words import listed, percent, points, points_interval

METRICS = ("target_recall", "accuracy", "macro_recall", "macro_precision")
UNLIKE = {"description", "report.title"}  # words, which no number depends on


@dataclass(frozen=True)
class Pair:
    """Two evaluated runs and their comparison, of the arms that both have."""

    first: summary.Results
    second: summary.Results
    table: pd.DataFrame  # of compare_runs, metrics of all images

    @property
    def names(self) -> tuple[str, str]:
        return self.first.run.run, self.second.run.run

    @property
    def sides(self) -> tuple[summary.Results, summary.Results]:
        return self.first, self.second

    @property
    def arms(self) -> list[str]:
        """Arms of both runs, in the order of the first."""
        return [arm for arm in self.first.arms if arm in set(self.table["arm"])]

    def places(self, metric: str) -> int:
        """Decimals that the smaller of both test sets supports."""
        return min(side.places(metric) for side in self.sides)

    def label(self, metric: str) -> str:
        """A metric's name with the test images behind it in either run."""
        counts = " and ".join(f"{side.images(metric):,}" for side in self.sides)
        return f"{summary.HEADLINE[metric].format(target=self.first.target.capitalize())}, n\u00a0=\u00a0{counts}"


def open_pair(first: str, second: str) -> Pair:
    """Read two runs. Raises UserError, a sentence with the way out, for one run given twice, an unknown or an unfinished run."""
    from helpers.evaluation.runs import compare_runs

    if first == second:
        raise UserError(f"--compare: '{first}' was given twice; name two different runs ({_known()}).")
    runs = [RunPaths(name) for name in (first, second)]
    for run in runs:
        if not run.folder.is_dir():
            raise UserError(
                f"--compare: there is no run '{run.run}' in {places.as_typed(places.ARTIFACTS)} ({_known()})."
            )
    try:
        results = [summary.read_results(run, read_params(run)) for run in runs]
        table = compare_runs(*runs, confidence=results[0].params.evaluation.confidence)
    except MissingStageError as error:
        raise UserError(f"--compare needs two finished runs, and one is not: {error}") from None
    table = table[table["class"].isna() | (table["class"] == "")]
    if table.empty:
        raise UserError(
            f"--compare: '{first}' and '{second}' have no arm in common, so nothing can be set side by side."
        )
    return Pair(*results, table)


def _known() -> str:
    names = sorted(path.parent.name for path in places.ARTIFACTS.glob("*/params.json"))
    return f"runs here: {', '.join(names)}" if names else "there are no runs here yet"


# --- words --------------------------------------------------------------------------------------


def apart(row: Any) -> str:
    """``higher`` or ``lower`` in the first run where the interval excludes zero, else ``not told apart``; ``not tested`` without one."""
    if not (math.isfinite(row["low"]) and math.isfinite(row["high"])):
        return "not tested"
    return "higher" if row["low"] > 0 else "lower" if row["high"] < 0 else "not told apart"


def sentences(pair: Pair) -> list[str]:
    """What differs between the runs in the reference arm, and whether the answer differs."""
    arm = pair.first.params.evaluation.reference
    arm = arm if arm in pair.arms else pair.arms[0]
    said = [sentence for metric in METRICS[:2] if (sentence := _difference(pair, arm, metric))]
    return [*said, *([answers] if (answers := _answers(pair)) else [])]


def _difference(pair: Pair, arm: str, metric: str) -> str:
    rows = pair.table[(pair.table["arm"] == arm) & (pair.table["metric"] == metric)]
    if rows.empty:
        return ""
    row, digits = rows.iloc[0], pair.places(metric)
    (first, second), confidence = pair.names, f"{100 * pair.first.params.evaluation.confidence:.0f}\u00a0%"
    name = summary.answered(pair.first)[metric]
    shares = " and ".join(
        f"{percent(row[f'{side}_mean'], digits)}\u00a0% in {run}"
        for side, run in (("first", first), ("second", second))
    )
    change = f"{points(row['difference'], digits)} points"
    outcome = apart(row)
    if outcome == "not tested":
        return f"In the arm {arm}, {name} is {shares}, a difference of {change}; without three replicates in both runs chance cannot be told from it."
    ends = f"{confidence} interval {points_interval(row['low'], row['high'], digits)}"
    told = {
        "higher": f"{first} is higher",
        "lower": f"{first} is lower",
        "not told apart": "the runs cannot be told apart",
    }[outcome]
    return f"In the arm {arm}, {name} is {shares}, a difference of {change} ({ends}): {told}."


def _answers(pair: Pair) -> str:
    """Whether both runs say the same of the first arm's gain in the target's recall."""
    rows = [
        row
        for row in effects(pair).to_dict("records")
        if row["Metric"].startswith(pair.first.target.capitalize())
    ]
    if not rows:
        return ""
    row = rows[0]
    said = [row[f"A gain in {name} is"] for name in pair.names]
    if said[0] == said[1]:
        return f"That the arm {row['Arm']} gains in {pair.first.target} recall is {said[0]} in both runs."
    return f"That the arm {row['Arm']} gains in {pair.first.target} recall is {said[0]} in {pair.names[0]} and {said[1]} in {pair.names[1]}."


# --- tables -------------------------------------------------------------------------------------


def headline(pair: Pair) -> pd.DataFrame:
    """Both runs' means with their intervals, and the unpaired difference: one row per metric and arm."""
    (first, second), rows = pair.names, []
    for metric in METRICS[: summary.FIRST_METRICS if len(pair.arms) > summary.FEW_ARMS else None]:
        digits = pair.places(metric)
        for arm in pair.arms:
            found = pair.table[(pair.table["arm"] == arm) & (pair.table["metric"] == metric)]
            for row in found.to_dict("records"):
                cells = {"Metric": pair.label(metric), "Arm": arm}
                for side, name in (("first", first), ("second", second)):
                    low, high = row[f"{side}_low"], row[f"{side}_high"]
                    cells[f"{name}, %"] = percent(row[f"{side}_mean"], digits)
                    cells[f"Interval of {name}"] = (
                        f"{percent(low, digits)} to {percent(high, digits)}" if math.isfinite(low) else ""
                    )
                cells[f"{first} less {second}"] = points(row["difference"], digits)
                cells["Interval of the difference"] = points_interval(row["low"], row["high"], digits)
                rows.append(cells | {f"{first} is": apart(row)})
    table = pd.DataFrame(rows)
    return table.drop(
        columns=[column for column in table if column.startswith("Interval") and not table[column].any()]
    )


def effects(pair: Pair) -> pd.DataFrame:
    """What each run says of every arm against its reference: the change with its interval and the verdict, side by side."""
    rows = []
    for metric in METRICS[:2]:
        for arm in pair.arms:
            cells: dict[str, str] = {"Metric": pair.label(metric), "Arm": arm}
            for side, name in zip(pair.sides, pair.names, strict=True):
                row, digits = side.comparison(arm, metric), side.places(metric)
                if arm == side.params.evaluation.reference or row is None:
                    break
                cells[f"Change in {name}"] = points(row["difference"], digits)
                cells[f"Its interval in {name}"] = points_interval(row["low"], row["high"], digits)
                cells[f"A gain in {name} is"] = summary.verdict(row, side.params.evaluation.smallest_effect)
            else:
                rows.append(cells)
    table = pd.DataFrame(rows)
    return table.drop(
        columns=[column for column in table if column.startswith("Its interval") and not table[column].any()]
    )


def leak(pair: Pair) -> pd.DataFrame:
    """Test images whose lesion was trained on, and the reference arm's recall on such and on new lesions, run by run."""
    from helpers.data.splits import split_quality

    rows = []
    for side, name in zip(pair.sides, pair.names, strict=True):
        quality = split_quality(side.split, side.split["split"], side.params.data.target_class)
        known = quality["lesions_known"]
        digits, own = side.places("accuracy"), side.places("target_recall")
        cells = {
            "Run": name,
            "Split by": side.params.data.split.by,
            "Test images": f"{quality['test_images']:,}",
            "of seen lesions, %": percent(quality["test_seen_share"], digits) if known else "unknown",
            f"Test images of {side.target}": f"{quality['target_images']:,}",
            "of them of seen lesions, %": percent(quality["target_seen_share"], own) if known else "unknown",
        }
        rows.append(cells | _recall_by_lesion(side))
    table = pd.DataFrame(rows).fillna("")
    return table.drop(columns=[column for column in table if not table[column].astype(bool).any()])


def _recall_by_lesion(side: summary.Results) -> dict[str, str]:
    """The reference arm's accuracy by lesion, and the gap in recall at the same mix of classes."""
    arm, digits = side.params.evaluation.reference, side.places("accuracy")
    cells = {}
    groups = summary.read_table(side.run.evaluation / "metrics_by_lesion.csv")
    for lesions in ("seen", "unseen"):
        part = groups[(groups["arm"] == arm) & (groups["lesions"] == lesions)] if not groups.empty else groups
        cells[f"Accuracy on {lesions} lesions, %"] = (
            "" if part.empty else percent(part["accuracy"].mean(), digits)
        )
    gaps = summary.read_table(side.run.evaluation / "leak.csv")
    part = gaps[(gaps["arm"] == arm) & (gaps["class"] == "mean of classes")] if not gaps.empty else gaps
    if not part.empty:
        row = part.iloc[0]
        cells["Recall, seen less unseen, classes alike"] = points(row["difference"], digits)
        cells["Interval of that"] = points_interval(row["low"], row["high"], digits)
    return cells


def departures(pair: Pair) -> pd.DataFrame:
    """Every parameter in which the runs differ."""
    values = [flatten(public_parameters(side.params)) for side in pair.sides]
    keys = [
        key
        for key in dict.fromkeys([*values[0], *values[1]])
        if key not in UNLIKE and values[0].get(key) != values[1].get(key)
    ]
    return pd.DataFrame(
        [
            {"Parameter": key}
            | {name: as_text(side.get(key)) for name, side in zip(pair.names, values, strict=True)}
            for key in keys
        ]
    )


def facts(pair: Pair) -> pd.DataFrame:
    """What was run, side by side."""
    sides = [dict(summary.facts(side)) for side in pair.sides]
    return pd.DataFrame(
        [
            {"What": key} | {name: side.get(key, "") for name, side in zip(pair.names, sides, strict=True)}
            for key in dict.fromkeys([*sides[0], *sides[1]])
        ]
    )


# --- the page -----------------------------------------------------------------------------------


def render_comparison(first: str, second: str) -> Path:
    """Write reports/compare-<first>-<second>/ (report.html, comparison.csv, differences.svg) and reports/index.html; return the page's path.

    Raises as ``open_pair``.
    """
    from helpers.report.html import render_template, write_index

    pair = open_pair(first, second)
    folder = places.REPORTS / f"compare-{first}-{second}"
    if (places.ARTIFACTS / folder.name).exists():
        raise UserError(
            f"--compare would write over the report of the run '{folder.name}': give that run another name."
        )
    numbers = iter(range(1, 100))

    def table(frame: pd.DataFrame, caption: str, name: str, repeats: str | None = None) -> Markup:
        return (
            Markup("")
            if frame.empty
            else wrap_table(frame_html(frame, repeats), next(numbers), caption, name)
        )

    confidence = f"{100 * pair.first.params.evaluation.confidence:.0f} %"
    caption = (
        f"Both runs on their own test images. Their trainings and test images are not the same ones, so the difference is unpaired; in percentage points, with its "
        f"{confidence} interval where both runs have three replicates. Where the test sets share lesions the interval is somewhat too wide."
    )
    page = {
        "title": f"Two runs side by side: {first} and {second}",
        "drawn": [name for side, name in zip(pair.sides, pair.names, strict=True) if side.drawn],
        "names": pair.names,
        "sentences": sentences(pair),
        "alone": _alone(pair),
        "headline": table(headline(pair), caption, "headline", "Metric"),
        "effects": table(
            effects(pair),
            "Each arm against its run's own reference: what either run answers.",
            "effects",
            "Metric",
        ),
        "leak": table(
            leak(pair),
            "Test images whose lesion was photographed in the training set too, and what they are worth to the reference arm.",
            "leak",
        ),
        "facts": table(facts(pair), "What was run.", "facts"),
        "departures": table(departures(pair), "Every parameter in which the two runs differ.", "departures"),
        "commands": [
            (name, reproduction_command(name, side.params))
            for side, name in zip(pair.sides, pair.names, strict=True)
        ],
        "commit": git_commit() and re.sub(r"\b([0-9a-f]{12})[0-9a-f]*", r"\1", git_commit()),
        "figure": _figure(pair, folder),
    }
    write_table(folder / "comparison.csv", pair.table)
    write_json(
        folder / "comparison.json",
        {"runs": list(pair.names), "sentence": page["sentences"][0] if page["sentences"] else ""},
    )
    path = write_text(folder / "report.html", render_template("compare.html.j2", page))
    write_index(places.REPORTS)
    return path


def _alone(pair: Pair) -> str:
    """Arms that one run has and the other has not."""
    found = []
    for side, name in zip(pair.sides, pair.names, strict=True):
        if others := [arm for arm in side.arms if arm not in pair.arms]:
            found.append(f"{listed(others)} (in {name})")
    return f"Without a counterpart, and not on this page: {listed(found)}." if found else ""


def _figure(pair: Pair, folder: Path) -> Markup:
    """The differences as a figure of the page, and as differences.svg in ``folder``."""
    import nbformat

    from helpers.report import results
    from helpers.report.cells import output_html
    from helpers.report.publish import svg_text
    from helpers.report.results.scope import has_intervals
    from helpers.report.style import arm_colours

    first, second = pair.names
    rows = pair.table[pair.table["metric"].isin(METRICS)].assign(reference=second, role="")
    known = (
        "with its interval"
        if has_intervals(rows)
        else "without an interval, for one of the runs has fewer than three replicates"
    )
    label = {
        "kind": "figure",
        "number": 1,
        "alt": f"A square per arm and metric for the difference between {first} and {second}, around a line at zero.",
        "caption": f"{first} less {second}, in percentage points, {known}; each panel has its own scale. See whether a line keeps off zero: only there are the runs told apart.",
    }
    svg = svg_text(
        results.differences.forest(
            rows, METRICS, target=pair.first.params.data.target_class, colours=arm_colours(pair.first.arms)
        ),
        "differences",
        label["alt"],
    )
    write_text(folder / "differences.svg", svg)
    return output_html(
        nbformat.v4.new_output("display_data", data={"image/svg+xml": svg}, metadata={"report": label})
    )
