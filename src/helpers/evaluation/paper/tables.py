"""The paper's published tables, read from paper.yaml."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from helpers.data.sources import SOURCES

PAPER = Path(__file__).with_name("paper.yaml")
PAPER_ARMS = ("baseline", "filtered", "all")
ROUNDING = 0.02  # points; the published percentages were rounded more than once
PERCENTAGES = ("overall", "melanoma", "per_class_change", "dynamics")  # tables printed in percent
ROWS = {"dataset": "classes", "split": "parts", "parameters": "networks"}  # elsewhere the rows are "rows"
# Results on the paper's data set, which cannot be compared with results on another one.
RESULTS = (
    "dataset",
    "split",
    "gan_results",
    "overall",
    "melanoma",
    "per_class_change",
    "dynamics",
    "metrics",
    "confusion",
    "figures",
    "author_files",
)


@cache
def read_paper() -> dict[str, Any]:
    """paper.yaml as it is written: every number as printed."""
    return yaml.safe_load(PAPER.read_text(encoding="utf-8"))


def published() -> dict[str, pd.DataFrame]:
    """The paper's tables as DataFrames, percentages as shares in 0..1, each row with its ``location``.

    dataset (class, images) · split (split, images) · parameters (network, parameters) · hyperparameters
    (parameter, value) · arms (arm, real_images, synthetic_images) · gan_results (quantity, low, high) ·
    overall (metric, paper_name, baseline, filtered, all, best) · melanoma (arm, target_precision, ...) ·
    per_class_change (class, printed, filtered, all, winner; share of recall against the baseline) ·
    dynamics (quantity, arm, value) · stated (quantity, arm, reference, value, unit; as printed) ·
    first_tried (parameter, value) · restated (metric, arm, reference, value; in percent or points, as
    printed) · confusion (arm, label, prediction, count, source: test images) · figures (quantity, arm, low,
    high, unit, source: read off Figures 3, 4 and 8, as printed) · author_files (quantity, arm, reference,
    value, label, source) · works (work, listed: what the text cites, and whether the references list it) ·
    elsewhere (quantity, value, unit, source: numbers of others) · metrics (arm, metric, value: overall and
    melanoma in one long table, metric named as in metrics.csv).
    """
    tables = {name: _table(name, content) for name, content in read_paper().items()}
    for name in PERCENTAGES:
        numbers = tables[name].select_dtypes("number").columns
        # rounding removes the last bit of a division by 100: 87.43 % is 0.8743
        tables[name][numbers] = (tables[name][numbers] / 100).round(6)
    overall = tables["overall"].melt(["metric", "location"], list(PAPER_ARMS), "arm", "value")
    melanoma = tables["melanoma"].melt(["arm", "location"], var_name="metric")
    both = pd.concat([overall, melanoma], ignore_index=True)
    tables["metrics"] = both[["arm", "metric", "value", "location"]]
    return tables


def _table(name: str, content: Any) -> pd.DataFrame:
    """One table; a row without a ``location`` of its own has that of its table."""
    if name == "confusion":
        return _confusion(content)
    rows = content if isinstance(content, list) else content[ROWS.get(name, "rows")]
    # kept as objects where whole numbers and fractions share a column: 600 epochs stay 600
    table = pd.DataFrame(rows, dtype=object if name == "hyperparameters" else None)
    if not isinstance(content, list):
        known = table["location"] if "location" in table else pd.Series(None, index=table.index, dtype=object)
        table["location"] = known.fillna(content["location"])
    return table


def _confusion(content: dict[str, Any]) -> pd.DataFrame:
    """The published confusion matrices in one long table, columns as in evaluation/confusion-<arm>.csv."""
    classes = content["classes"]
    rows = [
        (arm, label, prediction, count, content["location"], content["source"])
        for arm, matrix in content["matrices"].items()
        for label, counts in zip(classes, matrix, strict=True)
        for prediction, count in zip(classes, counts, strict=True)
    ]
    return pd.DataFrame(rows, columns=["arm", "label", "prediction", "count", "location", "source"])


def confusion_matrix(tables: Mapping[str, pd.DataFrame], arm: str) -> pd.DataFrame:
    """The published matrix of an arm: test images, rows the diagnoses, columns the predictions."""
    table = tables["confusion"]
    return table[table["arm"] == arm].pivot(index="label", columns="prediction", values="count")


def right_answers(matrix: pd.DataFrame) -> pd.Series:
    """The right answers by class that a confusion matrix holds: its diagonal."""
    return pd.Series(np.diag(matrix), index=matrix.index)


def published_beside(source: str, makes_target: bool = True) -> dict[str, pd.DataFrame]:
    """``published`` for a run on ``data.source``.

    Where that is the user's own images, or no GAN of the run makes images of the target class, the tables in
    RESULTS have their columns and no row. Drawn lesions have the paper's classes in the paper's proportions,
    and are shown beside its numbers.
    """
    tables = published()
    return (
        tables | {name: tables[name].iloc[:0] for name in RESULTS}
        if not (SOURCES.get(source).beside_paper and makes_target)
        else tables
    )
