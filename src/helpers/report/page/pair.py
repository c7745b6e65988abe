"""Two finished runs as a pair: what is compared, and the sentences on it."""

from dataclasses import dataclass

import pandas as pd

from helpers import paths as places
from helpers.data.wording import shown
from helpers.errors import MissingStageError, UserError
from helpers.evaluation.runs import compare_runs
from helpers.evaluation.verdicts import Direction, verdict
from helpers.paths import RunPaths
from helpers.report.page.records import changed_since_its_page, read_params
from helpers.report.page.results import Results, Row, named_recalls, read_results
from helpers.report.words import (
    listed,
    metric_name,
    missing,
    no_interval,
    percent,
    points,
    points_interval,
)

OVERALL = ("accuracy", "macro_recall", "macro_precision")  # compared beside the recalls that are asked about
NOT_TOLD_APART = "not told apart"


@dataclass(frozen=True)
class Pair:
    """Two evaluated runs and their comparison, of the arms that both have."""

    first: Results
    second: Results
    table: pd.DataFrame  # of compare_runs: metrics of all images, and the recall of each class

    @property
    def names(self) -> tuple[str, str]:
        return self.first.run.run, self.second.run.run

    @property
    def sides(self) -> tuple[tuple[str, Results], tuple[str, Results]]:
        """Each run with its name."""
        return (self.names[0], self.first), (self.names[1], self.second)

    @property
    def arms(self) -> list[str]:
        """Arms of both runs, in the order of the first."""
        return [arm for arm in self.first.arms if arm in set(self.table["arm"])]

    @property
    def answered_arm(self) -> str:
        """The arm that the sentences speak of: the reference where both runs have it."""
        reference = self.first.params.evaluation.reference
        return reference if reference in self.arms else self.arms[0]

    @property
    def recalls(self) -> dict[str, str]:
        """The recalls that both runs ask about, by metric, each with its class; else the target's."""
        first, second = self.first.recalls_asked, self.second.recalls_asked
        return first if first == second else {"target_recall": self.first.target}

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are compared, those that are asked about first."""
        return (*self.recalls, *OVERALL)

    def gains(self, metric: str) -> dict[str, list[str]]:
        """What each run says of the claim that an arm gains in a metric, by arm of both runs."""
        found: dict[str, list[str]] = {}
        for arm in self.arms:
            verdicts = [side.verdict(arm, metric) for _, side in self.sides]
            references = [side.params.evaluation.reference for _, side in self.sides]
            if arm not in references and None not in verdicts:
                found[arm] = [verdict.gain.short for verdict in verdicts if verdict]
        return found

    def rows(self, arm: str, metric: str) -> list[Row]:
        """The rows of the comparison for an arm and metric."""
        found = self.table[(self.table["arm"] == arm) & (self.table["metric"] == metric)]
        return found.to_dict("records")

    def places(self, metric: str) -> int:
        """Decimals that the smaller of both test sets supports."""
        return min(side.places(metric) for _, side in self.sides)

    def label(self, metric: str) -> str:
        """A metric's name with the test images behind it in either run."""
        counts = " and ".join(f"{side.images(metric):,}" for _, side in self.sides)
        return f"{metric_name(metric, self.first.target)}, n\u00a0=\u00a0{counts}"


def open_pair(first: str, second: str) -> Pair:
    """Read two runs.

    Raises UserError, a sentence with the way out, for one run given twice, an unknown or an unfinished run,
    and for runs without a common arm.
    """
    if first == second:
        raise UserError(
            f"--compare: '{first}' was given twice; name two different runs ({places.runs_here()})."
        )
    runs = RunPaths(first), RunPaths(second)
    for run in runs:
        if not run.folder.is_dir():
            folder = places.as_typed(places.ARTIFACTS)
            raise UserError(f"--compare: there is no run '{run.run}' in {folder} ({places.runs_here()}).")
    try:
        one, other = (_read(run) for run in runs)
        _require_alike(one, other)
        table = compare_runs(*runs, confidence=one.params.evaluation.confidence)
    except MissingStageError as error:
        raise UserError(f"--compare needs two finished runs, and one is not: {error}") from None
    overall = table[table["class"].isna() | (table["class"] == "")]
    if overall.empty:
        raise UserError(
            f"--compare: '{first}' and '{second}' have no arm in common, so nothing can be set side by side."
        )
    return Pair(one, other, pd.concat([overall, named_recalls(table)], ignore_index=True))


def _read(run: RunPaths) -> Results:
    """The results of a run; raises UserError where they are not those of its parameters."""
    params = read_params(run)
    if changed := changed_since_its_page(run, params):
        raise UserError(
            f"--compare: the page of the run '{run.run}' was made with other parameters than its last start "
            f"had, which was not finished ({changed}): finish that start, or start the run with the "
            "parameters of its page."
        )
    return read_results(run, params)


def _require_alike(one: Results, other: Results) -> None:
    """Raise UserError for runs whose metrics are of different classes, or of different target classes."""
    names = one.run.run, other.run.run
    found = [sorted(side.split["dx"].unique()) for side in (one, other)]
    if found[0] != found[1]:
        own = [[name for name in a if name not in b] for a, b in (found, found[::-1])]
        told = [f"{shown(only)} only in '{name}'" for name, only in zip(names, own, strict=True) if only]
        raise UserError(
            f"--compare: '{names[0]}' and '{names[1]}' tell different classes apart ({'; '.join(told)}), so "
            "that no metric of one means what it means in the other; compare runs of the same classes."
        )
    targets = [side.params.data.target_class for side in (one, other)]
    if targets[0] != targets[1]:
        raise UserError(
            f"--compare: '{names[0]}' is about the class {targets[0]} and '{names[1]}' about {targets[1]} "
            "(data.target_class), so that their recall, precision and curves are of different classes; "
            "compare runs of the same one."
        )


# --- sentences ----------------------------------------------------------------------------------


def apart(row: Row) -> str:
    """Whether the first run is ``higher`` or ``lower``, the two are ``not told apart``, or ``not tested``."""
    direction = verdict(row["low"], row["high"]).direction
    return NOT_TOLD_APART if direction is Direction.NOT_SHOWN else direction


def sentences(pair: Pair) -> list[str]:
    """What differs between the runs in the reference arm, and whether the answer differs."""
    said = [_difference(pair, metric) for metric in (*pair.recalls, "accuracy")]
    said += [_answers(pair, metric, name) for metric, name in pair.recalls.items()]
    return [sentence for sentence in said if sentence]


def _difference(pair: Pair, metric: str) -> str:
    """Both runs' means of a metric, and whether they are told apart."""
    arm, digits, (first, second) = pair.answered_arm, pair.places(metric), pair.names
    rows = pair.rows(arm, metric)
    if not rows:
        return ""
    row = rows[0]
    name = f"{pair.recalls[metric]} recall" if metric in pair.recalls else metric
    means = percent(row["first_mean"], digits), percent(row["second_mean"], digits)
    start = (
        f"In the arm {arm}, {name} is {means[0]}\u00a0% in {first} and {means[1]}\u00a0% in {second}, a "
        f"difference of {points(row['difference'], digits)} points"
    )
    outcome = apart(row)
    if outcome == Direction.NOT_TESTED:
        why = f"{no_interval(row)} in {without_interval(pair, row)}, which leaves no interval"
        return f"{start}; {why}, and chance cannot be told from it."
    told = "the runs cannot be told apart" if outcome == NOT_TOLD_APART else f"{first} is {outcome}"
    confidence = f"{100 * pair.first.params.evaluation.confidence:.0f}\u00a0%"
    ends = points_interval(row["low"], row["high"], digits)
    return f"{start} ({confidence} interval {ends}): {told}."


def without_interval(pair: Pair, row: Row) -> str:
    """The first run whose mean has no interval."""
    return pair.names[0] if missing(row["first_low"]) else pair.names[1]


def _answers(pair: Pair, metric: str, name: str) -> str:
    """Whether both runs say the same of the first arm's gain in the recall of a class."""
    gains = pair.gains(metric)
    if not gains:
        return ""
    (first, second), (arm, (one, other)) = pair.names, next(iter(gains.items()))
    said = f"That the arm {arm} gains in {name} recall is {one} in"
    return f"{said} both runs." if one == other else f"{said} {first} and {other} in {second}."


def without_counterpart(pair: Pair) -> str:
    """Arms that one run has and the other has not; empty where there are none."""
    found = []
    for name, side in pair.sides:
        if others := [arm for arm in side.arms if arm not in pair.arms]:
            found.append(f"{listed(others)} (in {name})")
    return f"Without a counterpart, and not on this page: {listed(found)}." if found else ""
