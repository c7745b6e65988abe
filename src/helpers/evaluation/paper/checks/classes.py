"""Whether the changes by class agree with the other tables and with the winners named (section 5.5)."""

from collections.abc import Iterator

import numpy as np

from helpers.evaluation.paper.checks.finding import Finding, Paper, close
from helpers.evaluation.paper.tables import PAPER_ARMS


def findings(paper: Paper) -> Iterator[Finding]:
    for arm in PAPER_ARMS[1:]:
        yield from _sums(paper, arm)
    yield from _winners(paper)
    yield from _improved(paper)
    yield from _beaten(paper)
    yield from _codes(paper)


def _sums(paper: Paper, arm: str) -> Iterator[Finding]:
    """The arm's changes against its accuracy, its macro recall and its melanomas."""
    found, changes = paper.counts, paper.tables["per_class_change"].set_index("class")
    images = {name: found.change[arm, name] for name in changes.index}
    net = found.correct[arm] - found.correct["baseline"]
    yield Finding(
        f"Class changes of {arm} sum to the change in accuracy",
        "5.5",
        f"{net:+d} images by accuracy",
        f"{sum(images.values()):+d}",
        sum(images.values()) == net,
        " ".join(f"{name} {n:+d}" for name, n in images.items())
        + f"; {found.correct[arm]:,} - {found.correct['baseline']:,} = {net:+d}",
    )
    recall = paper.tables["overall"].set_index("metric").loc["macro_recall"]
    gain, mean = 100 * (recall[arm] - recall["baseline"]), 100 * changes[arm].mean()
    yield Finding(
        f"Class changes of {arm} average to the change in macro recall",
        "5.5",
        f"{gain:+.2f} points",
        f"{mean:+.2f} points",
        close(mean, gain),
        "mean of " + ", ".join(f"{100 * x:+.2f}" for x in changes[arm]),
    )
    melanomas = found.hits[arm] - found.hits["baseline"]
    yield Finding(
        f"Melanomas gained by {arm}: class table and melanoma table",
        "5.3, 5.5",
        f"{melanomas:+d} by melanoma recall",
        f"{images['mel']:+d}",
        melanomas == images["mel"],
        f"{found.hits[arm]} - {found.hits['baseline']}",
    )


def _winners(paper: Paper) -> Iterator[Finding]:
    for name, row in paper.tables["per_class_change"].set_index("class").iterrows():
        values = {"baseline": 0, **{arm: paper.counts.change[arm, str(name)] for arm in PAPER_ARMS[1:]}}
        winners = [arm for arm, value in values.items() if value == max(values.values())]
        expected = {"tie": ["filtered", "all"]}.get(row["winner"], [row["winner"]])
        yield Finding(
            f"Winner for {name}",
            "5.5",
            row["winner"],
            " and ".join(winners),
            winners == expected,
            ", ".join(f"{arm} {value:+d}" for arm, value in values.items())
            + f" of {paper.counts.support[str(name)]:,} images",
        )


def _improved(paper: Paper) -> Iterator[Finding]:
    change = {
        name: paper.counts.change["filtered", name] for name in paper.tables["per_class_change"]["class"]
    }
    signs = [int(np.sign(n)) for n in change.values()]
    better, equal, worse = (signs.count(sign) for sign in (1, 0, -1))
    printed = int(paper.stated("improved_classes"))
    yield Finding(
        "Classes that filtered improves",
        "5.5",
        f"{printed} of {len(signs)}",
        f"{better} better, {equal} equal, {worse} worse",
        better == printed,
        ", ".join(f"{name} {n:+d}" for name, n in change.items()),
    )


def _beaten(paper: Paper) -> Iterator[Finding]:
    change, names = paper.counts.change, paper.tables["per_class_change"]["class"]
    won = [name for name in names if change["all", name] > change["filtered", name]]
    yield Finding(
        "Filtered beats All in every metric: recall by class",
        "6, finding 2",
        "better in every metric",
        f"All wins {', '.join(won)}",
        not won,
        ", ".join(f"{name} {change['all', name]:+d} against {change['filtered', name]:+d}" for name in won),
    )


def _codes(paper: Paper) -> Iterator[Finding]:
    table = paper.tables["per_class_change"]
    for row in table[table["printed"] != table["class"]].to_dict("records"):
        yield Finding(
            "Class codes are those of the data set",
            "5.5",
            row["printed"],
            row["class"],
            False,
            f"'{row['printed']}' is no class; the row left over is {row['class']}",
        )
