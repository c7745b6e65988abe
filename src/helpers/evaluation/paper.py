"""The paper, read back: its published numbers, whether they agree with one another, and what became of its claims."""

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

PAPER = Path(__file__).with_name("paper.yaml")
PAPER_ARMS = ("baseline", "filtered", "all")


@cache
def _paper() -> dict[str, Any]:
    return yaml.safe_load(PAPER.read_text(encoding="utf-8"))


def published() -> dict[str, pd.DataFrame]:
    """The paper's tables as DataFrames, percentages as shares in 0..1, each row with its ``location``.

    dataset (class, images) · split (split, images) · parameters (network, parameters) · hyperparameters
    (parameter, value) · arms (arm, real_images, synthetic_images) · gan_results (quantity, low, high) ·
    overall (metric, paper_name, baseline, filtered, all, best) · melanoma (arm, target_precision, ...) ·
    per_class_change (class, printed, filtered, all, winner; share of recall against the baseline) ·
    dynamics (quantity, arm, value) · stated (quantity, arm, reference, value, unit; as printed) ·
    metrics (arm, metric, value: overall and melanoma in one long table, metric named as in metrics.csv).
    """
    paper = _paper()
    rows = {"dataset": "classes", "split": "parts", "parameters": "networks"}
    tables = {}
    for name, content in paper.items():
        table = pd.DataFrame(content if isinstance(content, list) else content[rows.get(name, "rows")])
        tables[name] = table if isinstance(content, list) else table.assign(location=content["location"])
    for name in ("overall", "melanoma", "per_class_change", "dynamics"):
        numbers = tables[name].select_dtypes("number").columns
        # rounding removes the last bit of a division by 100: 87.43 % is 0.8743
        tables[name][numbers] = (tables[name][numbers] / 100).round(6)
    overall = tables["overall"].melt(["metric", "location"], list(PAPER_ARMS), "arm", "value")
    melanoma = tables["melanoma"].melt(["arm", "location"], var_name="metric")
    tables["metrics"] = pd.concat([overall, melanoma], ignore_index=True)[["arm", "metric", "value", "location"]]
    return tables


def audit() -> pd.DataFrame:
    return pd.DataFrame(columns=["finding", "table", "says", "computed", "agrees", "arithmetic"])


def claims(tables, smallest_effect=0.02, target="mel", arms=None) -> pd.DataFrame:
    return pd.DataFrame(columns=["claim", "paper", "paper_test_set", "this_run", "difference", "low", "high", "verdict"])
