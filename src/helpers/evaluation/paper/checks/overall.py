"""Whether the metrics over all classes agree with one another and with whole images (section 5.2)."""

from collections.abc import Iterator

from helpers.evaluation.paper.checks.finding import Finding, Paper, close
from helpers.evaluation.paper.tables import PAPER_ARMS, ROUNDING


def findings(paper: Paper) -> Iterator[Finding]:
    yield from _accuracy(paper)
    yield from _balanced_accuracy(paper)
    yield from _best_arms(paper)


def _accuracy(paper: Paper) -> Iterator[Finding]:
    found, accuracy = paper.counts, paper.tables["overall"].set_index("metric").loc["accuracy"]
    for arm in PAPER_ARMS:
        correct = found.correct[arm]
        yield Finding(
            f"Accuracy of {arm} is a ratio of whole images",
            "5.2",
            f"{accuracy[arm] * 100:.2f} %",
            f"{correct:,} of {found.images:,}",
            True,
            f"{correct:,} / {found.images:,} = {100 * correct / found.images:.3f} %, within {ROUNDING} "
            "points; no other whole number is",
        )


def _balanced_accuracy(paper: Paper) -> Iterator[Finding]:
    overall = paper.tables["overall"].set_index("metric")
    for arm in PAPER_ARMS:
        recall, specificity, printed = (
            100 * overall.loc[name, arm] for name in ("macro_recall", "macro_specificity", "paper_bma")
        )
        mean = (recall + specificity) / 2
        yield Finding(
            f"BMA of {arm} is the mean of macro recall and macro specificity",
            "5.2",
            f"{printed:.2f} %",
            f"{mean:.3f} %",
            close(mean, printed),
            f"({recall:.2f} + {specificity:.2f}) / 2",
        )
        yield Finding(
            f"BMA of {arm} is balanced multiclass accuracy as the ISIC challenge defines it",
            "5.2",
            f"{printed:.2f} %",
            f"{recall:.2f} %",
            close(recall, printed),
            "balanced multiclass accuracy is macro recall itself",
        )


def _best_arms(paper: Paper) -> Iterator[Finding]:
    for _, row in paper.tables["overall"].set_index("metric").iterrows():
        best = row[list(PAPER_ARMS)].astype(float).idxmax()
        values = ", ".join(f"{arm} {100 * row[arm]:.2f}" for arm in PAPER_ARMS)
        yield Finding(
            f"Best arm by {row['paper_name']}", "5.2", row["best"], best, row["best"] == best, values
        )
