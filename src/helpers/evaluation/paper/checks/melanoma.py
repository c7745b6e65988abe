"""Whether the melanoma table comes from whole images, and where arms tie (section 5.3)."""

from collections.abc import Iterator

from helpers.evaluation.paper.checks.finding import Finding, Paper
from helpers.evaluation.paper.tables import PAPER_ARMS


def findings(paper: Paper) -> Iterator[Finding]:
    yield from _rows(paper)
    yield from _ties(paper)


def _rows(paper: Paper) -> Iterator[Finding]:
    melanoma = paper.tables["melanoma"].set_index("arm")
    positives, negatives = paper.counts.support["mel"], paper.negatives
    for arm in PAPER_ARMS:
        hits, alarms = paper.counts.hits[arm], paper.counts.false_alarms[arm]
        printed = [
            melanoma.loc[arm, f"target_{name}"] for name in ("precision", "recall", "specificity", "f1")
        ]
        exact = (
            hits / (hits + alarms),
            hits / positives,
            1 - alarms / negatives,
            2 * hits / (positives + hits + alarms),
        )
        yield Finding(
            f"Melanoma row of {arm} comes from whole images",
            "5.3",
            f"{_percentages(printed)} %",
            f"{hits} found, {alarms} false alarms",
            True,
            f"{hits}/{hits + alarms}, {hits}/{positives}, {negatives - alarms:,}/{negatives:,}, "
            f"{2 * hits}/{positives + hits + alarms} = {_percentages(exact)}",
        )


def _percentages(shares: list[float] | tuple[float, ...]) -> str:
    return " / ".join(f"{100 * share:.2f}" for share in shares)


def _ties(paper: Paper) -> Iterator[Finding]:
    alarms, hits = paper.counts.false_alarms, paper.counts.hits
    same = alarms["filtered"] == alarms["baseline"]
    yield Finding(
        "Filtered is best in every metric: melanoma specificity",
        "5.2",
        "best in every metric",
        "tie with the baseline" if same else "no tie",
        not same,
        f"{alarms['filtered']} false alarms of {paper.negatives:,} in both",
    )
    same = hits["filtered"] == hits["all"]
    yield Finding(
        "Filtered beats All in every metric: melanoma recall",
        "6, finding 2",
        "better in every metric",
        "tie with All" if same else "no tie",
        not same,
        f"{hits['filtered']} of {paper.counts.support['mel']} melanomas found by both",
    )
