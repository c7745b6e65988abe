"""How often the study's intervals cover the truth, over simulated studies: a table for the docs.

Run: python benchmarks/interval_coverage.py [studies]   (2,000 by default, a few minutes on one core)
"""

import sys

from helpers.evaluation.statistics import Simulation, coverage

QUICK = (6, 9, 20, 4, 22, 115, 4)  # test images of each class in the quick run
DESIGNS = {
    "paper's test set, no effect": Simulation(),
    "paper's test set, 5 points": Simulation(effect=0.05),
    "quick run's test set, no effect": Simulation(support=QUICK),
}


def main(studies: int) -> None:
    """Print one row per design, number of replicates and metric."""
    print("| simulated study | replicates | metric | covered, % | called real, % | mean width, points |\n|---|--:|---|--:|--:|--:|")
    for name, design in DESIGNS.items():
        for replicates in (3, 5, 10):
            for metric, row in coverage(design, replicates, studies, seed=5).items():
                print(
                    f"| {name} | {replicates} | {metric} | {100 * row['coverage']:.1f} | {100 * row['false_positives']:.1f} | {100 * row['width']:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
