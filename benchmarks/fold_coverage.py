"""How often the intervals of folds hold the truth, over simulated studies with real learners: the tables of
docs/statistics.md.

Run: python benchmarks/fold_coverage.py [--studies 200] [--table correlation] [--write docs/statistics.md]

- coverage: intervals of two procedures, by design, number of parts and metric (the page has 200 studies)
- families: false alarms of the protocol's six primary tests (300)
- correlation: coverage by how much the folds have in common (1,000)
- size: studies of HAM10000's size, beside what the study itself had (1,000)

A thousand studies of the last two take twenty and ten minutes on a core. --write puts each table between its
two marks in the page; without it they are printed.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from docs_tables import write_between

from helpers.evaluation.fold_correlation import TESTS, detail
from helpers.evaluation.fold_learners import Folded
from helpers.evaluation.fold_simulation import LEVEL, POWER, coverage, family_errors
from helpers.evaluation.intervals import student_quantile
from helpers.paths import REPORTS
from helpers.report.words import metric_name

DESIGNS = {
    "alike but for the trainings' own chance": Folded(own=0, common=8, bootstrap=True),
    "alike but for the trainings' own chance, trees": Folded(own=0, common=8, bootstrap=True, learner="tree"),
    "half of the features their own": Folded(),
    "half of the features their own, 150 lesions": Folded(lesions=150),
    "half of the features their own, trees of their own chance": Folded(learner="tree", bootstrap=True),
    "half of the features their own, rare target not weighted": Folded(balanced=False, separation=0.45),
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
WEAK = Folded(common=0, own=1, separation=0.3, share=0.4, balanced=False)
TWO = Folded(common=0, own=2, separation=0.8, balanced=False)
EIGHT = Folded(common=0, own=8, separation=0.45, balanced=False)
RANGE = {  # added last, to spread the correlation of folds; no factor was chosen on them
    "one weak feature each, not weighted": WEAK,
    "one weak feature each, not weighted, photographs drawn with replacement": replace(WEAK, bootstrap=1.0),
    "one weak feature each, not weighted, a quarter of the photographs drawn": replace(WEAK, bootstrap=0.25),
    "one better feature each, not weighted": replace(WEAK, separation=0.6, share=0.35),
    "two features each, rare target not weighted": TWO,
    "two features each, rare target not weighted, photographs drawn with replacement": replace(
        TWO, bootstrap=1.0
    ),
    "two features each, 1,600 lesions": replace(TWO, lesions=1600),
    "eight features each, rare target not weighted": EIGHT,
    "eight features each, rare target not weighted, a quarter of the photographs drawn": replace(
        EIGHT, bootstrap=0.25
    ),
    "forty features each, 150 lesions": Folded(common=0, own=40, separation=0.25, lesions=150),
    "half of the features their own, 1,600 lesions": Folded(lesions=1600),
    "nearest neighbours, eight weak features each, not weighted": replace(
        EIGHT, separation=0.35, share=0.35, learner="neighbours"
    ),
    "an effect, a weak feature in common, not weighted": Folded(
        common=1, own=1, separation=0.8, balanced=False, effect=True
    ),
}
# lesions and photographs of HAM10000, and recall and area under the curve near the study's
HAM10000 = Folded(
    lesions=7470, share=614 / 7470, twice=(0.30, 0.81), balanced=False, separation=0.33, common=36, own=4
)
SIZE = {
    "alike but for the trainings' own chance": replace(HAM10000, common=40, own=0, bootstrap=1.0),
    "one in ten of the features their own": HAM10000,
    "one in ten of the features their own, and the trainings' own chance": replace(HAM10000, bootstrap=1.0),
    "an effect: one in ten of the features lost": replace(HAM10000, effect=True),
}
IN_FAMILIES = RANGE | {"as large as HAM10000, one in ten of the features their own": HAM10000}
OBSERVED = {  # kept table of the study, by contrast
    "again - baseline": "controls",
    "filtered - baseline": "contrasts",
    "filtered - blurred": "contrasts",
    "all - blurred_more": "contrasts",
}
FOLDS = 5
PRIMARY = ("target_recall", "target_roc_auc")
EDGES = (-1, 0, 0.05, 0.1, 0.15, 0.2, 0.3, 1)  # of groups of rows by their correlation
LISTED = 0.1  # rows with a correlation from here on are listed one by one
STUDIES = {5: 1, 10: 2}  # parts, and deals into five folds
SEED = 11
SEED_OF_DETAIL = 12  # other studies than those of the first two tables


def families(studies: int) -> Iterator[str]:
    """A row for each design without an effect and number of parts."""
    yield "| five procedures, none better | parts | one test, % | any of six, % | any of six after Holm, % |"
    yield "|---|--:|--:|--:|--:|"
    for name, design in (DESIGNS | UNSEEN | IN_FAMILIES).items():
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


def correlations(studies: int) -> Iterator[str]:
    """Groups of rows by the correlation of folds, and the rows of much correlation one by one."""
    found = [
        {"design": name, "metric": metric_name(metric, "the target")} | row
        for name, design in (DESIGNS | UNSEEN | RANGE).items()
        for metric, row in detail(design, FOLDS, 2, studies, SEED_OF_DETAIL).items()
    ]
    table = pd.DataFrame(found).sort_values("correlation", ascending=False)
    keys = ["coverage_once", "coverage", "corrected_once", "corrected"]
    yield (
        "| correlation of folds | rows | covered with 5 parts, mean, % | lowest, % "
        "| with 10 parts, mean, % | lowest, % | corrected t, 5 parts, lowest, % | 10 parts, lowest, % |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for group, rows_of in table.groupby(pd.cut(table["correlation"], EDGES), observed=True):
        mean, least = 100 * rows_of[keys].mean(), 100 * rows_of[keys].min()
        numbers = [mean["coverage_once"], least["coverage_once"], mean["coverage"], least["coverage"]]
        shares = " | ".join(f"{each:.1f}" for each in [*numbers, *least[keys[2:]]])
        yield f"| {_group(group)} | {len(rows_of)} | {shares} |"
    yield ""
    yield (
        "| two procedures | metric | correlation of folds | mean metric, % | covered with 5 parts, % "
        "| with 10 parts, % | corrected t, 5 parts, % | 10 parts, % |"
    )
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    for row in table[table["correlation"] >= LISTED].to_dict("records"):
        shares = " | ".join(f"{100 * row[key]:.1f}" for key in ["mean", *keys])
        yield f"| {row['design']} | {row['metric']} | {row['correlation']:.2f} | {shares} |"


def _group(group: pd.Interval) -> str:
    """'below 0', '0 to 0.05', 'above 0.3'."""
    if group.left == EDGES[0]:
        return f"below {group.right:g}"
    return f"above {group.left:g}" if group.right == EDGES[-1] else f"{group.left:g} to {group.right:g}"


def sizes(studies: int) -> Iterator[str]:
    """A row for each design of HAM10000's size and metric, and for the study's own contrasts."""
    keys = ("correlation", "coverage", "called", "mean", "deviation", "half", "seen", "seen_of_family")
    yield (
        "| ten parts | metric | correlation of folds | covered, % | called real, % | mean metric, % "
        "| deviation between folds, points | half of the interval, points | seen in 80 %, points "
        "| as one of six, points |"
    )
    yield "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for name, design in SIZE.items():
        found = detail(design, FOLDS, 2, studies, SEED_OF_DETAIL)
        for metric in PRIMARY:
            row = found[metric]
            numbers = [f"{row[keys[0]]:.2f}", *(f"{100 * row[key]:.1f}" for key in keys[1:4])]
            numbers += [f"{100 * row[key]:.2f}" for key in keys[4:]]
            yield f"| simulated: {name} | {metric_name(metric, 'the target')} | {' | '.join(numbers)} |"
    for contrast, kept in OBSERVED.items():
        for metric in PRIMARY:
            numbers = _observed(contrast, kept, metric)
            yield f"| study: {contrast} | {metric_name(metric, 'melanoma')} | {numbers} |"


def _observed(contrast: str, kept: str, metric: str) -> str:
    """What the study's kept tables say of a contrast, and what its own standard error could have seen."""
    folder = REPORTS / "examples" / "study" / "evaluation"
    row = pd.read_csv(folder / f"{kept}.csv").query("contrast == @contrast and metric == @metric").iloc[0]
    by_arm = pd.read_csv(folder / "metrics.csv").pivot(index="replicate", columns="arm", values=metric)
    change = (by_arm[row["arm"]] - by_arm[row["reference"]]).to_numpy().reshape(-1, FOLDS)
    spread, freedom = np.sqrt(change.var(axis=1, ddof=1).mean()), row["degrees_of_freedom"]
    seen = [
        row["standard_error"] * (student_quantile(1 - level / 2, freedom) + student_quantile(POWER, freedom))
        for level in (LEVEL, LEVEL / TESTS)
    ]
    numbers = " | ".join(f"{100 * each:.2f}" for each in (spread, (row["high"] - row["low"]) / 2, *seen))
    return f"| | | {100 * row['arm_mean']:.1f} | {numbers}"


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
    "correlation": (
        "Coverage by the correlation of folds",
        correlations,
        ("<!-- correlation of benchmarks/fold_coverage.py -->", "<!-- end of correlation of folds -->"),
    ),
    "size": (
        "Studies of HAM10000's size",
        sizes,
        ("<!-- size of benchmarks/fold_coverage.py -->", "<!-- end of size of folds -->"),
    ),
}


def main() -> None:
    """Print the table, or write it into a page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=200, help="simulated studies per row")
    parser.add_argument("--table", choices=tuple(TABLES), help="one table (default: all)")
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
