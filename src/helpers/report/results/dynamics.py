"""How the classifiers' trainings went."""

import json
import math
from collections.abc import Iterable

import pandas as pd

from helpers.paths import RunPaths, require
from helpers.report.paper_values import Paper
from helpers.report.table import Table, mean_and_spread
from helpers.report.training_curves import read_history


def read_histories(run: RunPaths, arms: Iterable[str], replicates: int) -> pd.DataFrame:
    """The classifiers' history.csv in one table, with columns arm, replicate and best_epoch."""
    parts = [read_history(run, arm, replicate) for arm in arms for replicate in range(replicates)]
    return pd.concat(parts, ignore_index=True)


def read_summaries(run: RunPaths, arms: Iterable[str], replicates: int) -> pd.DataFrame:
    """The classifiers' summary.json, one row per (arm, replicate)."""
    files = [
        run.classifier(arm, replicate) / "summary.json" for arm in arms for replicate in range(replicates)
    ]
    return pd.DataFrame(
        [json.loads(require(file, "classifier").read_text(encoding="utf-8")) for file in files]
    )


def dynamics_table(summaries: pd.DataFrame, n: int, paper: Paper) -> Table:
    """Epochs, best epoch and best validation accuracy per arm; ``n`` is the number of validation images."""
    published = paper["dynamics"].query("quantity == 'best_validation_accuracy'").set_index("arm")["value"]
    rows = []
    for arm, part in summaries.groupby("arm", sort=False):
        accuracy = part["best_validation_accuracy"]
        rows.append(
            {
                "arm": arm,
                "training_images": int(part["training_images"].iloc[0]),
                "synthetic_images": int(part["synthetic_images"].iloc[0]),
                "epochs": _range(part["epochs"]),
                "best_epoch": _range(part["best_epoch"]),
                "paper": published.get(arm, math.nan),
                "mean": accuracy.mean(),
                "standard_deviation": accuracy.std() if len(accuracy) > 1 else math.nan,
                "replicates": len(part),
            }
        )
    formats = {
        "paper": lambda value: f"{100 * value:.2f}",
        "mean": mean_and_spread(n),
    }
    headers = {
        "paper": "paper: validation accuracy, %",
        "mean": "this run, % (mean ± sd)",
        "synthetic_images": "of them synthetic",
    }
    frame = pd.DataFrame(rows)
    return Table(
        frame.drop(columns="paper") if published.empty else frame,
        formats,
        headers,
        hidden=("standard_deviation",),
    )


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"
