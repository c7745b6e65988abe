"""What the paper's own test set can show of its main differences.

Paired tests over all pairs that the published counts allow, and unpaired tests for orientation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from helpers.evaluation.paper.checks.finding import Finding, Paper
from helpers.evaluation.paper.paired_bounds import LEVEL, discordance, two_proportions
from helpers.evaluation.significance import wilson
from helpers.evaluation.words import show_p


@dataclass(frozen=True)
class _Case:
    """A difference that the paper reports: right answers of each arm, of so many images."""

    name: str
    section: str
    right: Mapping[str, int]
    first: str
    second: str
    images: int


def findings(paper: Paper) -> Iterator[Finding]:
    found = paper.counts
    cases = (
        _Case(
            "Filtered over baseline, melanoma recall",
            "5.3",
            found.hits,
            "filtered",
            "baseline",
            found.support["mel"],
        ),
        _Case("Filtered over All, accuracy", "6, finding 2", found.correct, "filtered", "all", found.images),
        _Case("Filtered over baseline, accuracy", "5.2", found.correct, "filtered", "baseline", found.images),
    )
    yield from map(_paired, cases)
    yield from map(_unpaired, cases)


def _paired(case: _Case) -> Finding:
    first, second, images = case.right[case.first], case.right[case.second], case.images
    bounds = discordance(first, second, images)
    return Finding(
        f"{case.name}: shown by the test set whatever the unpublished pairs (exact McNemar)",
        case.section,
        "better",
        bounds.words,
        bounds.p_most < LEVEL,
        f"{first:,} against {second:,} right, net {bounds.net:+d}; the discordant pairs are unpublished, "
        f"between {bounds.least:,} and {bounds.most:,} ({images - second:,} + {images - first:,} wrong "
        "answers, if no image is wrong by both); clustering and training's chance are not in it",
    )


def _unpaired(case: _Case) -> Finding:
    first, second, images = case.right[case.first], case.right[case.second], case.images
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
