"""How often the study's intervals cover the truth and its tests err, over simulated studies: the tables of
docs/statistics.md.

Run: python benchmarks/interval_coverage.py [--studies 2000] [--write docs/statistics.md]
The 2,000 studies take a minute or two on one core. --write puts the tables between the page's two marks;
  without it they are printed.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from docs_tables import write_between

from helpers.evaluation.simulation import Simulation, coverage, family_errors, look_errors, score_coverage
from helpers.report.words import metric_name

QUICK = (6, 9, 20, 4, 22, 115, 4)  # test images of each class in the quick run
DESIGNS = {
    "paper's test set, no effect": Simulation(),
    "paper's test set, 5 points": Simulation(effect=0.05),
    "5 points, trainings farther apart": Simulation(
        effect=0.05, replicate=0.02
    ),  # as far as those of laptop-rigorous.yaml on HAM10000
    "quick run's test set, no effect": Simulation(support=QUICK),
}
REPLICATES = (3, 5, 10)
MORE = {"5 points, trainings farther apart": (20,)}
SEED = 5
MARKS = ("<!-- tables of benchmarks/interval_coverage.py -->", "<!-- end of tables -->")


def intervals(studies: int) -> Iterator[str]:
    """Rows per design, number of replicates and metric."""
    yield "| simulated study | replicates | metric | covered, % | called real, % | mean width, points |"
    yield "|---|--:|---|--:|--:|--:|"
    for name, design in DESIGNS.items():
        for replicates in (*REPLICATES, *MORE.get(name, ())):
            for metric, row in coverage(design, replicates, studies, SEED).items():
                yield _row(name, replicates, metric, row)


def scored(studies: int) -> Iterator[str]:
    """Rows for the metrics that come from probabilities; every model is ranked and binned, so they take a
    quarter of the studies.
    """
    yield "| simulated study | replicates | metric | covered, % | called real, % | mean width, points |"
    yield "|---|--:|---|--:|--:|--:|"
    for replicates in REPLICATES:
        for metric, row in score_coverage(Simulation(), replicates, max(50, studies // 4), SEED).items():
            yield _row("paper's test set, no effect", replicates, metric, row)


def families(studies: int) -> Iterator[str]:
    """Rows for the three primary contrasts where nothing differs."""
    yield "| simulated study | replicates | one contrast, % | any of three, % | any of three after Holm, % |"
    yield "|---|--:|--:|--:|--:|"
    for name in ("paper's test set, no effect", "quick run's test set, no effect"):
        for replicates in REPLICATES:
            found = family_errors(DESIGNS[name], replicates, studies, SEED)
            yield (
                f"| {name} | {replicates} | "
                + " | ".join(f"{100 * share:.1f}" for share in found.values())
                + " |"
            )


def looks(studies: int) -> Iterator[str]:
    """A row: a study without an effect that is tested as it grows."""
    yield "| simulated study | by the look at 3, % | by that at 5, % | by that at 10, % |\n|---|--:|--:|--:|"
    name = "paper's test set, no effect"
    yield (
        f"| {name} | "
        + " | ".join(f"{100 * share:.1f}" for share in look_errors(DESIGNS[name], REPLICATES, studies, SEED))
        + " |"
    )


def _row(name: str, replicates: int, metric: str, row: dict[str, float]) -> str:
    shares = " | ".join(f"{100 * row[key]:.1f}" for key in ("coverage", "false_positives", "width"))
    return f"| {name} | {replicates} | {metric_name(metric, 'melanoma')} | {shares} |"


def main() -> None:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies per row")
    parser.add_argument("--write", type=Path, help="the page whose tables are replaced")
    given = parser.parse_args()
    parts = {
        f"Intervals, {given.studies:,} simulated studies a row": intervals,
        f"Metrics of probabilities, {max(50, given.studies // 4):,} simulated studies a row": scored,
        f"The primary test and its family, {given.studies:,} simulated studies a row": families,
        "One contrast called real in a study that is looked at as it grows, "
        f"{given.studies:,} simulated studies": looks,
    }
    lines = []
    for title, part in parts.items():
        lines += [f"**{title}**", "", *part(given.studies), ""]
        if given.write is None:
            print("\n".join(lines[lines.index(f"**{title}**") :]), flush=True)
    if given.write is not None:
        write_between(given.write, MARKS, lines)


if __name__ == "__main__":
    main()
