"""The kinds of claims that the paper makes; each object of a kind knows how its claim is tested."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from helpers.evaluation.metrics import RECALL_OF
from helpers.evaluation.paper.checks import audit
from helpers.evaluation.paper.counts import Counts, reconstructed_counts
from helpers.evaluation.paper.paired_bounds import discordance
from helpers.evaluation.paper.tables import PAPER_ARMS, confusion_matrix, published, right_answers
from helpers.evaluation.verdicts import (
    MINIMUM_REPLICATES,
    SMALLEST_EFFECT,
    Direction,
    Gain,
    gain_of,
    gain_words,
    held_back,
    verdict,
    verdict_of,
)

EVERY_METRIC = (
    "accuracy",
    "macro_precision",
    "macro_recall",
    "macro_specificity",
    "paper_bma",
    "target_precision",
    "target_recall",
    "target_specificity",
    "target_f1",
)
NO_COMPARISON = ("no comparison", "not tested by the paper")
AUDIT_AGREES, AUDIT_DISAGREES = "the audit agrees", "the audit disagrees"
ONE_TRAINING = "one training of each arm"
# Right answers by class, from a confusion matrix, of each metric that is a share of right answers.
RIGHT_ANSWERS: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    "accuracy": right_answers,
    "target_recall": lambda matrix: right_answers(matrix).loc[["mel"]],
    "target_specificity": lambda matrix: (matrix.sum(axis=1) - matrix["mel"]).drop("mel"),
}


@dataclass(frozen=True)
class Scale:
    """How a run judges: its smallest effect of interest (share), its confidence (0..1), its target's name,
    and whether its data let the paper's own gains be a yardstick.
    """

    smallest_effect: float = SMALLEST_EFFECT
    confidence: float = 0.95
    target: str = "melanoma"
    beside_paper: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a run shows of a claim: words, verdict and, for a claim on one metric, difference and interval.

    ``told``: the verdict in words, where they are others than its own.
    """

    this_run: str
    verdict: Gain
    difference: float = np.nan
    low: float = np.nan
    high: float = np.nan
    told: str = ""

    def row(self) -> dict[str, Any]:
        """The columns of claims.csv."""
        numbers = {"difference": self.difference, "low": self.low, "high": self.high}
        return {"this_run": self.this_run, **numbers, "verdict": self.told or self.verdict.value}


@dataclass(frozen=True)
class Claim:
    """A claim of the paper in our words, which nothing in this study tests; its subclasses are tested.

    ``words`` may name the ``{target}``. ``contrast``: the two roles that the claim compares, empty where it
    compares none. ``metric``: the metric of the comparison, empty where there is none or several.
    """

    words: str
    contrast: tuple[str, ...] = ()
    metric: str = ""

    @property
    def of_paper_only(self) -> bool:
        """Whether the claim says nothing of other data: it is about the paper's numbers or its classes."""
        return self.metric.startswith(RECALL_OF)

    def on_run(self, rows: pd.DataFrame, scale: Scale) -> Outcome:
        """The verdict on a run; ``rows`` of contrasts.csv for the claim's contrast, indexed by metric."""
        if not self.contrast:
            return Outcome("nothing in this study tests it", Gain.NOT_TESTED)
        if rows.empty or (self.metric and self.metric not in rows.index):
            return Outcome(
                f"this run does not have the two arms of the paper's {' - '.join(self.contrast)}",
                Gain.NOT_TESTED,
            )
        return self.judge(rows, scale)

    def judge(self, rows: pd.DataFrame, scale: Scale) -> Outcome:
        """``on_run`` where the run has the arms."""
        raise NotImplementedError

    def in_paper(self) -> tuple[str, str]:
        """The paper's numbers for the claim, and what its test set could show of it."""
        if not self.contrast or not set(self.contrast) <= set(PAPER_ARMS):
            return NO_COMPARISON
        return self.published(reconstructed_counts())

    def published(self, counts: Counts) -> tuple[str, str]:
        """``in_paper`` where the paper makes the comparison."""
        raise NotImplementedError


@dataclass(frozen=True)
class AuditedClaim(Claim):
    """A claim that the paper's own numbers settle: ``finding`` names the row of the audit."""

    finding: str = field(kw_only=True)

    @property
    def of_paper_only(self) -> bool:
        return True

    def on_run(self, rows: pd.DataFrame, scale: Scale) -> Outcome:
        row = _audited()[self.finding]
        told = AUDIT_AGREES if row["agrees"] == "yes" else AUDIT_DISAGREES
        return Outcome(row["computed"], Gain.NOT_TESTED, told=told)

    def in_paper(self) -> tuple[str, str]:
        return _audited()[self.finding]["says"], "settled by the audit"


@dataclass(frozen=True)
class GainClaim(Claim):
    """One metric is higher in the first arm than in the second."""

    contrast: tuple[str, ...] = ("filtered", "baseline")
    metric: str = field(kw_only=True)

    def paper_gain(self, scale: Scale) -> float | None:
        """The paper's own gain, a share; None where it makes no such comparison or is no yardstick."""
        values = _published_metrics()
        pair = [values.get((arm, self.metric)) for arm in self.contrast]
        if not scale.beside_paper or pair[0] is None or pair[1] is None:
            return None
        return round(pair[0] - pair[1], 6)

    def margin(self, scale: Scale) -> float:
        """The effect that the claim is held to: the smallest of interest, or the paper's gain if less."""
        gain = self.paper_gain(scale)
        return scale.smallest_effect if gain is None or gain <= 0 else min(scale.smallest_effect, gain)

    def kept(self, scale: Scale) -> bool:
        """Whether the claim is only that nothing is lost: so where the paper gained nothing."""
        gain = self.paper_gain(scale)
        return gain is not None and gain <= 0

    def judge(self, rows: pd.DataFrame, scale: Scale) -> Outcome:
        row = rows.loc[self.metric]
        words = f"{100 * row['difference']:+.1f} points"
        if np.isfinite(row["low"]):
            shown = f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}"
            words += f" ({100 * scale.confidence:g} % interval {shown})"
        margin, kept = self.margin(scale), self.kept(scale)
        if kept and held_back(row):  # a loss that Holm's rule does not leave
            gain = gain_of(row["low"] + margin > 0, False)
        elif kept:
            gain = verdict(row["low"] + margin, row["high"] + margin, int(row["replicates"]), margin).gain
        else:  # of a primary contrast only what Holm's rule leaves
            gain = verdict_of(row, margin).gain
        told = gain_words(gain, margin)
        if kept and gain is Gain.EXCLUDED:
            told = "a loss is shown"
        elif kept and gain is Gain.NEGLIGIBLE:
            told = f"kept: a loss is shown, of less than {100 * margin:g} points"
        return Outcome(words, gain, row["difference"], row["low"], row["high"], told)

    def published(self, counts: Counts) -> tuple[str, str]:
        values = _published_metrics()
        first, second = (100 * values[arm, self.metric] for arm in self.contrast)
        return (
            f"{first - second:+.2f} points ({second:.2f} to {first:.2f} %)",
            self._test_set(),
        )

    @cache  # noqa: B019  (claims are a few constants, and the paper does not change)
    def _test_set(self) -> str:
        """Range of exact McNemar p values, where the metric is a share of right answers."""
        name = self.metric.removeprefix(RECALL_OF)
        of_class = (lambda matrix: right_answers(matrix).loc[[name]]) if name != self.metric else None
        answers = RIGHT_ANSWERS.get(self.metric, of_class)
        if answers is None:
            return "the pairs of images behind it are unpublished"
        first, second = (confusion_matrix(published(), arm) for arm in self.contrast)
        arm, reference = answers(first), answers(second)
        return discordance(arm, reference, first.sum(axis=1).loc[arm.index]).words


@dataclass(frozen=True)
class KeptClaim(GainClaim):
    """One metric is lower by less than the smallest effect of interest, if it is lower at all."""

    def margin(self, scale: Scale) -> float:
        return scale.smallest_effect

    def kept(self, scale: Scale) -> bool:
        return True


@dataclass(frozen=True)
class SeveralClaim(Claim):
    """Many metrics, or the recall of many classes, are higher in the first arm than in the second.

    Supported if all intervals but the ``spared`` ones lie above 0, contradicted if more than the spared ones
    lie below it. There is no smallest effect here: two points are more than macro specificity can gain, and
    every such claim would fall with it.
    """

    contrast: tuple[str, ...] = ("filtered", "baseline")
    what = ""  # what is counted, in the plural
    spared = 0

    def chosen(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows that the claim is about."""
        raise NotImplementedError

    def signs(self, counts: Counts) -> np.ndarray:
        """The signs of the paper's own differences."""
        raise NotImplementedError

    def judge(self, rows: pd.DataFrame, scale: Scale) -> Outcome:
        few = int(rows["replicates"].iloc[0]) < MINIMUM_REPLICATES
        chosen = self.chosen(rows)
        if few:
            up, down = int((chosen["difference"] > 0).sum()), int((chosen["difference"] < 0).sum())
            words = f"{up} of {len(chosen)} {self.what} higher, {down} lower, in single runs"
            return Outcome(words, Gain.TOO_FEW)
        shown = np.array([verdict_of(row).direction for row in chosen.to_dict("records")])
        if (shown == Direction.NOT_TESTED).all():
            return Outcome(f"no interval for any of {len(chosen)} {self.what}", Gain.NOT_TESTED)
        up, lower = int((shown == Direction.HIGHER).sum()), chosen[shown == Direction.LOWER]
        words = f"interval above 0 for {up} of {len(chosen)} {self.what}, below 0 for {len(lower)}"
        if len(lower):
            words += f": {', '.join(_named(lower, scale.target))}"
        gain = gain_of(up >= len(chosen) - self.spared, len(lower) > self.spared)
        return Outcome(words, gain, told="contradicted" if gain is Gain.EXCLUDED else "")

    def published(self, counts: Counts) -> tuple[str, str]:
        signs = self.signs(counts)
        better, equal, worse = ((signs == sign).sum() for sign in (1, 0, -1))
        return f"{better} of {len(signs)} {self.what} higher, {equal} equal, {worse} lower", ONE_TRAINING


class EveryMetricClaim(SeveralClaim):
    """Every metric of the paper is higher."""

    what = "metrics"

    def chosen(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows.loc[rows.index.isin(EVERY_METRIC)]

    def signs(self, counts: Counts) -> np.ndarray:
        values = _published_metrics()
        first, second = self.contrast
        return np.sign([round(values[first, name] - values[second, name], 6) for name in EVERY_METRIC])


class AllClassesButOneClaim(SeveralClaim):
    """The recall of every class but one is higher."""

    what = "classes"
    spared = 1

    def chosen(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows.index.str.startswith(RECALL_OF)]

    def signs(self, counts: Counts) -> np.ndarray:
        return np.sign([counts.change[self.contrast[0], name] for name in counts.support])


@cache
def _published_metrics() -> dict[tuple[str, str], float]:
    """The paper's metrics, shares, by arm and metric; recall by class from its matrices."""
    tables = published()
    values = tables["metrics"].set_index(["arm", "metric"])["value"].to_dict()
    for arm in PAPER_ARMS:
        matrix = confusion_matrix(tables, arm)
        shares = right_answers(matrix) / matrix.sum(axis=1)
        values |= {(arm, f"{RECALL_OF}{name}"): share for name, share in shares.items()}
    return values


@cache
def _audited() -> dict[str, dict[str, str]]:
    """The audit's rows by finding."""
    return {row["finding"]: row for row in audit().to_dict("records")}


def _named(lower: pd.DataFrame, target: str) -> list[str]:
    """Metrics or classes that are shown to be lower, each with its interval in points."""
    names = [name.removeprefix(RECALL_OF).replace("target", target).replace("_", " ") for name in lower.index]
    ends = zip(lower["low"], lower["high"], strict=True)
    return [
        f"{name} ({100 * low:+.1f} to {100 * high:+.1f})"
        for name, (low, high) in zip(names, ends, strict=True)
    ]
