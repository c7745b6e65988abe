"""Whether the published confusion matrices (Figure 7) give every published table."""

from collections.abc import Iterator

import numpy as np

from helpers.evaluation.confusion import summarise
from helpers.evaluation.paper.checks.finding import Finding, Paper, close
from helpers.evaluation.paper.tables import PAPER_ARMS, right_answers


def findings(paper: Paper) -> Iterator[Finding]:
    for arm in PAPER_ARMS:
        yield _metrics(paper, arm)
        yield _supports(paper, arm)
    for arm in PAPER_ARMS[1:]:
        yield _changes(paper, arm)
    yield from _exact_gains(paper)
    yield _darkest_diagonal(paper)
    yield _fewest_mistakes(paper)


def summary(paper: Paper, arm: str) -> dict[str, float]:
    """Every metric of an arm's published matrix, shares."""
    matrix = paper.matrix(arm)
    values = summarise(matrix.to_numpy(), list(matrix.index).index("mel"))
    return {name: float(value) for name, value in values.items()}


def _metrics(paper: Paper, arm: str) -> Finding:
    found = summary(paper, arm)
    printed = paper.tables["metrics"].query("arm == @arm").set_index("metric")["value"]
    wrong = [name for name, value in printed.items() if not close(100 * found[str(name)], 100 * value)]
    return Finding(
        f"Confusion matrix of {arm} gives its rows in the tables",
        "Figure 7, 5.2, 5.3",
        f"{len(printed)} percentages",
        f"{len(printed) - len(wrong)} of {len(printed)} agree",
        not wrong,
        ", ".join(
            f"{str(name).replace('_', ' ')} {100 * found[str(name)]:.2f} ({100 * value:.2f})"
            for name, value in printed.items()
        ),
    )


def _supports(paper: Paper, arm: str) -> Finding:
    matrix = paper.matrix(arm)
    rows, right = matrix.sum(axis=1).to_dict(), int(np.trace(matrix))
    correct = paper.counts.correct[arm]
    return Finding(
        f"Confusion matrix of {arm} has the test images and the right answers behind the tables",
        "Figure 7, 5.5",
        f"{paper.counts.images:,} images, {correct:,} right",
        f"{sum(rows.values()):,} images, {right:,} right",
        rows == paper.counts.support and right == correct,
        ", ".join(f"{name} {matrix.loc[name, name]:,} of {images:,}" for name, images in rows.items()),
    )


def _changes(paper: Paper, arm: str) -> Finding:
    found = (right_answers(paper.matrix(arm)) - right_answers(paper.matrix("baseline"))).to_dict()
    printed = {name: paper.counts.change[arm, name] for name in found}
    return Finding(
        f"Confusion matrix of {arm} gives the changes by class",
        "Figure 7, 5.5",
        ", ".join(f"{name} {n:+d}" for name, n in printed.items()),
        ", ".join(f"{name} {n:+d}" for name, n in found.items()),
        found == printed,
        "diagonal less the diagonal of baseline",
    )


def _exact_gains(paper: Paper) -> Iterator[Finding]:
    """The author's files against the matrices, and the printed gain against both."""
    files = paper.tables["author_files"].dropna(subset=["value"])
    stated = paper.tables["stated"].drop_duplicates(["quantity", "arm", "reference"])
    printed = stated.set_index(["quantity", "arm", "reference"])["value"]
    for row in files.to_dict("records"):
        metric, arms = row["quantity"].removesuffix("_gain"), (row["arm"], row["reference"])
        first, second = (100 * summary(paper, arm)[metric] for arm in arms)
        gain, shown = first - second, float(printed[row["quantity"], *arms])
        yield Finding(
            f"Printed gain in {metric.replace('_', ' ')} is the exact gain, rounded",
            "6, the author's files, Figure 7",
            f"{shown:+.2f} points, in the author's file {row['value']:+.3f}",
            f"{gain:+.3f} points",
            abs(gain - shown) <= 0.005 + 1e-9 and abs(gain - row["value"]) <= 0.0005 + 1e-9,
            f"{first:.3f} - {second:.3f}; the printed one is a difference of rounded numbers",
        )


def _darkest_diagonal(paper: Paper) -> Finding:
    """The shade of a diagonal is right answers; compared class by class."""
    right = {arm: right_answers(paper.matrix(arm)) for arm in PAPER_ARMS}
    others = [arm for arm in PAPER_ARMS if arm != "filtered"]
    lost = [
        f"{name} ({right[arm][name]} of {arm} against {right['filtered'][name]})"
        for name in right["filtered"].index
        for arm in others
        if right[arm][name] > right["filtered"][name]
    ]
    return Finding(
        "Filtered has the darkest diagonal",
        "5.4, Figure 7",
        "darkest diagonal",
        f"not for {len({part.split()[0] for part in lost})} of {len(right['filtered'])} classes",
        not lost,
        f"more right answers than filtered: {', '.join(lost)}; each panel of the figure has a scale of "
        "its own",
    )


def _fewest_mistakes(paper: Paper) -> Finding:
    wrong = {}
    for arm in PAPER_ARMS:
        matrix = paper.matrix(arm)
        wrong[arm] = int(matrix.to_numpy().sum() - right_answers(matrix).sum())
    return Finding(
        "Filtered has the fewest misclassifications, All is between",
        "5.4, Figure 7",
        "fewest, All intermediate",
        ", ".join(f"{arm} {count}" for arm, count in wrong.items()),
        wrong["filtered"] < wrong["all"] < wrong["baseline"],
        "all counts off the diagonal",
    )
