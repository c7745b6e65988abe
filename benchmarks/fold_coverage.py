"""How often the intervals of folds hold the truth, over simulated studies with real learners: the tables of
docs/statistics.md.

Run: python benchmarks/fold_coverage.py [--studies 200] [--table families] [--write docs/statistics.md]
The 200 studies take some ten minutes on a busy core. --write puts each table between its two marks in the
  page; without it they are printed.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from docs_tables import write_between

from helpers.evaluation.fold_simulation import Folded, coverage, family_errors
from helpers.report.words import metric_name

DESIGNS = {
    "alike but for the trainings' own chance": Folded(own=0, common=8, bootstrap=True),
    "the same, trees": Folded(own=0, common=8, bootstrap=True, learner="tree"),
    "half of the features their own": Folded(),
    "the same, 150 lesions": Folded(lesions=150),
    "the same, trees of their own chance": Folded(learner="tree", bootstrap=True),
    "the same, rare target not weighted": Folded(balanced=False, separation=0.45),
    "rare target not weighted, 150 lesions": Folded(balanced=False, separation=0.45, lesions=150),
    "an effect": Folded(effect=True),
    "an effect, trees": Folded(effect=True, learner="tree"),
}
UNSEEN = {  # added after the factors of the interval had been chosen on the designs above
    "unseen: nearest neighbours": Folded(learner="neighbours"),
    "unseen: 800 lesions, one in ten of the target": Folded(lesions=800, share=0.1, balanced=False),
    "unseen: ten features, most their own, 250 lesions": Folded(lesions=250, common=2, own=8, separation=0.5),
    "unseen: nearest neighbours, an effect, not weighted": Folded(
        learner="neighbours", effect=True, balanced=False, separation=0.8
    ),
}
STUDIES = {5: 1, 10: 2}  # parts, and deals into five folds
SEED = 11


def families(studies: int) -> Iterator[str]:
    """A row for each design without an effect and number of parts."""
    yield "| five procedures, none better | parts | one test, % | any of six, % | any of six after Holm, % |"
    yield "|---|--:|--:|--:|--:|"
    for name, design in (DESIGNS | UNSEEN).items():
        if design.effect:
            continue
        for parts, deals in STUDIES.items():
            row = family_errors(design, 5, deals, studies, SEED)
            shares = " | ".join(f"{100 * row[key]:.1f}" for key in ("one", "any", "holm"))
            yield f"| {name} | {parts} | {shares} |"


def rows(studies: int) -> Iterator[str]:
    """A row for each design, number of parts and metric."""
    yield (
        "| two procedures | parts | metric | covered, % | called real, % | seen in 80 %, points "
        "| corrected t covers, % | one mean, % | external, % |"
    )
    yield "|---|--:|---|--:|--:|--:|--:|--:|--:|"
    for name, design in (DESIGNS | UNSEEN).items():
        for parts, deals in STUDIES.items():
            for metric, row in coverage(design, 5, deals, studies, SEED).items():
                keys = ("coverage", "false_positives", "seen", "corrected", "mean", "external")
                shares = " | ".join(f"{100 * row[key]:.1f}" for key in keys)
                yield f"| {name} | {parts} | {metric_name(metric, 'the target')} | {shares} |"


TABLES = {  # title, rows, and marks in the page
    "coverage": (
        "Intervals of five folds",
        rows,
        ("<!-- tables of benchmarks/fold_coverage.py -->", "<!-- end of tables of folds -->"),
    ),
    "families": (
        "False positives of a study's six primary tests, five folds",
        families,
        ("<!-- families of benchmarks/fold_coverage.py -->", "<!-- end of families of folds -->"),
    ),
}


def main() -> None:
    """Print the table, or write it into a page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=200, help="simulated studies per row")
    parser.add_argument("--table", choices=tuple(TABLES), help="one table (default: both)")
    parser.add_argument("--write", type=Path, help="the page whose tables are replaced")
    given = parser.parse_args()
    for title, lines_of, marks in [TABLES[given.table]] if given.table else TABLES.values():
        lines = [f"**{title}, {given.studies:,} simulated studies a row**", ""]
        for row in lines_of(given.studies):
            lines.append(row)
            print(row, flush=True)
        if given.write is not None:
            write_between(given.write, marks, lines)


if __name__ == "__main__":
    main()
