"""Is this machine's run right? Reruns parameter files from nothing and compares with the tables kept in
``reports/examples/expected``.

Run: make verify, or python benchmarks/verify.py [smoke quick] [--write] [--reuse]

The split's counts must agree exactly: they come from integers and seeds. Trained networks need not: another
processor rounds otherwise, and a training that started alike ends elsewhere. The mean of R replicates may
therefore differ by what chance does to one in a thousand: Student's t with the standard deviation over
replicates, pooled over the arms, and one point. A single replicate has no standard deviation; there, 4
standard errors of a share of so many test images. On the same processor the tables are equal to the last
digit.
"""

import argparse
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
from scipy import stats

from helpers.files import write_table
from helpers.paths import REPORTS, ROOT, RunPaths

EXPECTED = REPORTS / "examples" / "expected"
METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_recall",
    "target_recall",
    "target_precision",
    "target_roc_auc",
)
CHANCE, STANDARD_ERRORS, SLACK = 0.001, 4.0, 0.01


def run_anew(name: str) -> RunPaths:
    """Run ``params/<name>.yaml`` under a name of its own, with nothing left of an earlier one."""
    run = RunPaths(f"verify-{name}")
    shutil.rmtree(run.folder, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_all.py"), "--params", f"params/{name}.yaml", "--run", run.run],
        cwd=ROOT,
    )
    if done.returncode:
        sys.exit(done.returncode)
    return run


def tables(run: RunPaths) -> dict[str, pd.DataFrame]:
    """What is compared: images by class and part of the split, and each arm's means."""
    split = pd.read_csv(run.split)
    arms = pd.read_csv(run.evaluation / "arms.csv")
    arms = arms[arms["metric"].isin(METRICS)]
    counts = split.groupby(["dx", "split"]).size().rename("images").reset_index()
    return {
        "counts": counts,
        "arms": arms[["arm", "metric", "mean", "standard_deviation", "replicates"]].reset_index(drop=True),
    }


def compare(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """A row for each comparison: what, found, expected, tolerance, agrees."""
    keys = {"counts": ["dx", "split"], "arms": ["arm", "metric"]}
    sides = {
        name: found[name].merge(expected[name], how="outer", on=key, suffixes=("", "_expected"))
        for name, key in keys.items()
    }
    counts, arms = sides["counts"], sides["arms"]
    tolerance = _tolerance(expected["arms"], expected["counts"]).reindex(arms["metric"]).to_numpy()
    rows = pd.concat(
        [
            pd.DataFrame(
                {
                    "what": counts["dx"] + ", " + counts["split"],
                    "found": counts["images"],
                    "expected": counts["images_expected"],
                    "tolerance": 0.0,
                }
            ),
            pd.DataFrame(
                {
                    "what": arms["arm"] + ", " + arms["metric"],
                    "found": arms["mean"],
                    "expected": arms["mean_expected"],
                    "tolerance": tolerance,
                }
            ),
        ],
        ignore_index=True,
    )
    missing = rows["found"].isna() & rows["expected"].isna()  # a metric that neither run can have
    return rows.assign(agrees=((rows["found"] - rows["expected"]).abs() <= rows["tolerance"]) | missing)


def _tolerance(arms: pd.DataFrame, counts: pd.DataFrame) -> pd.Series:
    """How far a mean may be from what is expected, by metric."""
    replicates = int(arms["replicates"].min())
    by_metric = arms.groupby("metric")
    if replicates > 1:
        freedom = (replicates - 1) * arms["arm"].nunique()
        pooled = np.sqrt(by_metric["standard_deviation"].agg(lambda s: (s**2).mean()))
        return stats.t.ppf(1 - CHANCE / 2, freedom) * pooled * np.sqrt(2 / replicates) + SLACK
    images = counts.query("split == 'test'")["images"].sum()
    variance = by_metric["mean"].agg(lambda mean: (mean * (1 - mean)).clip(lower=0.01).max())
    return STANDARD_ERRORS * np.sqrt(2 * variance / images) + SLACK


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names",
        nargs="*",
        default=["smoke", "quick"],
        metavar="NAME",
        help="parameter files' stems (default: smoke quick)",
    )
    parser.add_argument(
        "--write", action="store_true", help="keep what was found as what is expected from now on"
    )
    parser.add_argument(
        "--reuse", action="store_true", help="compare the runs that are there instead of running anew"
    )
    options = parser.parse_args(arguments)
    agreed = total = 0
    for name in options.names:
        run = RunPaths(f"verify-{name}") if options.reuse else run_anew(name)
        if not run.report.is_file():
            sys.exit(
                f"The run '{run.run}' is not finished, so there is nothing to compare: leave out --reuse."
            )
        found = tables(run)
        if options.write:
            for table, rows in found.items():
                write_table(EXPECTED / name / f"{table}.csv", rows)
        if not (EXPECTED / name).is_dir():
            sys.exit(
                f"Nothing is kept to compare {name} with: add --write to keep this run's tables under "
                f"{os.path.relpath(EXPECTED / name)}."
            )
        expected = {table: pd.read_csv(EXPECTED / name / f"{table}.csv") for table in found}
        rows = compare(found, expected)
        with pd.option_context("display.max_rows", None, "display.width", 160):
            print(
                f"\n{name}: {len(rows)} comparisons, {(rows['found'] == rows['expected']).sum()} of them "
                "equal to the last digit"
            )
            print(
                rows[~rows["agrees"]].to_string(index=False)
                if not rows["agrees"].all()
                else "all within tolerance"
            )
        agreed, total = agreed + int(rows["agrees"].sum()), total + len(rows)
    print(f"verified {agreed} of {total}")
    sys.exit(agreed != total)


if __name__ == "__main__":
    main()
