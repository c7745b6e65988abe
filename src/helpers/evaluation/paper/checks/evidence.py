"""What the paper's own test set can show of its main differences.

Paired tests over all pairs that the published counts by class allow, and unpaired tests for orientation.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from helpers.evaluation.paper.checks.finding import Finding, Paper
from helpers.evaluation.paper.paired_bounds import LEVEL, discordance, two_proportions
from helpers.evaluation.paper.tables import right_answers
from helpers.evaluation.significance import wilson
from helpers.evaluation.words import show_p


@dataclass(frozen=True)
class _Case:
    """A difference that the paper reports: right answers of both arms, and images, by class."""

    name: str
    section: str
    first: pd.Series
    second: pd.Series
    images: pd.Series


def findings(paper: Paper) -> Iterator[Finding]:
    cases = (
        _case(paper, "Filtered over baseline, melanoma recall", "5.3", "filtered", "baseline", ["mel"]),
        _case(paper, "All over baseline, melanoma recall", "5.3", "all", "baseline", ["mel"]),
        _case(paper, "Filtered over All, accuracy", "6, finding 2", "filtered", "all"),
        _case(paper, "Filtered over baseline, accuracy", "5.2", "filtered", "baseline"),
        _case(paper, "All over baseline, accuracy", "5.2", "all", "baseline"),
    )
    yield from map(_paired, cases)
    yield from map(_unpaired, cases)


def _case(
    paper: Paper, name: str, section: str, first: str, second: str, classes: list[str] | None = None
) -> _Case:
    """The right answers that the published matrices of two arms hold, of all classes or of some."""
    ours, theirs = paper.matrix(first), paper.matrix(second)
    chosen = classes or list(ours.index)
    arm, reference = right_answers(ours), right_answers(theirs)
    return _Case(name, section, arm.loc[chosen], reference.loc[chosen], ours.sum(axis=1).loc[chosen])


def _paired(case: _Case) -> Finding:
    bounds = discordance(case.first, case.second, case.images)
    by_class = ", ".join(f"{name} {n:+d}" for name, n in (case.first - case.second).items())
    return Finding(
        f"{case.name}: shown by the test set whatever the unpublished pairs (exact McNemar)",
        case.section,
        "better",
        bounds.words,
        bounds.p_most < LEVEL,
        f"{case.first.sum():,} against {case.second.sum():,} right, net {bounds.net:+d} ({by_class}); the "
        f"counts by class allow {bounds.ends}; clustering and training's chance are not in it",
    )


def _unpaired(case: _Case) -> Finding:
    first, second, images = int(case.first.sum()), int(case.second.sum()), int(case.images.sum())
    z, p = two_proportions(first, second, images)
    ends = [wilson(right, images) for right in (second, first)]
    intervals = " and ".join(f"{100 * low:.1f} to {100 * high:.1f} %" for low, high in ends)
    return Finding(
        f"{case.name}: apart as if tested on different images (orientation only)",
        case.section,
        "better",
        f"z {z:.2f}, p {show_p(p)}",
        p < LEVEL,
        f"{second:,} and {first:,} of {images:,}, Wilson intervals {intervals}; "
        "training's chance is not in it",
    )
