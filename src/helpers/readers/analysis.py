"""What readers could tell: shares with intervals, agreement, and the images that misled them.

The interval of a share is over readers *and* images: every reader judges every image, which is the crossed
design of ``helpers.evaluation.intervals`` with readers in the place of replicates, images in that of lesions,
and the two kinds of images as strata. The shares of one reader have Wilson's interval, which is over images
alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.evaluation.intervals import paired_difference
from helpers.evaluation.significance import wilson
from helpers.readers.answers import Readings
from helpers.readers.key import REAL
from helpers.readers.key import SYNTHETIC as COMPUTED

ALL = "all"  # images, of either kind
MEASURES = {  # column of Readings.table, and the images that it is asked of
    "told_apart": ("right", ALL),
    "sensitivity": ("right", COMPUTED),
    "specificity": ("right", REAL),
    "diagnosis_real": ("diagnosed", REAL),
    "diagnosis_synthetic": ("diagnosed", COMPUTED),
}


@dataclass(frozen=True)
class Agreement:
    """How far readers gave the same answers, beyond chance: Cohen's kappa of two, Fleiss' of more."""

    readers: int
    computed: float  # of 'photograph' and 'computed'
    diagnosis: float


def of_kind(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The rows on all images, on the real or on the synthetic ones."""
    return table if kind == ALL or table.empty else table[table["synthetic"] == (kind == COMPUTED)]


def complete(readings: Readings) -> pd.DataFrame:
    """The rows of the readers who judged every image of the study."""
    if readings.table.empty or readings.key is None:
        return readings.table
    counts = readings.table.groupby("reader")["image"].transform("count")
    return readings.table[counts == len(readings.key.origins)]


def overall(readings: Readings, confidence: float = 0.95) -> pd.DataFrame:
    """One row for each of MEASURES: measure, share, low, high, readers, images.

    Of the readers who judged every image. ``low`` and ``high`` are NaN under three of them, and where all
    readers were alike on all images.
    """
    table, rows = complete(readings), []
    for measure, (column, kind) in MEASURES.items():
        part = of_kind(table, kind)
        if part.empty:
            continue
        grid = part.pivot(index="reader", columns="image", values=column).astype(float)
        kinds = part.drop_duplicates("image").set_index("image")["synthetic"].loc[grid.columns]
        values, images = grid.to_numpy(), grid.shape[1]
        strata = kinds.to_numpy(int)
        found = paired_difference(values.mean(axis=1), 0.0, values / images, 0.0, strata, confidence)
        low, high = (float(np.clip(end, 0, 1)) for end in (found.low, found.high))
        rows.append((measure, float(found.estimate), low, high, len(values), images))
    return pd.DataFrame(rows, columns=["measure", "share", "low", "high", "readers", "images"])


def each_reader(table: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """One row for each reader: what they got right, with Wilson's interval, and how sure and fast they were.

    Columns: reader, experience, images, every one of MEASURES, low and high (of told_apart), sure_right and
    sure_wrong (mean confidence, 1 to 5, where they were right and where not) and seconds (median).
    """
    rows = []
    for code, own in table.groupby("reader"):
        right = int(own["right"].sum())
        low, high = wilson(right, len(own), confidence)
        shares = {name: _mean(of_kind(own, kind)[column]) for name, (column, kind) in MEASURES.items()}
        if own["diagnosis"].isna().all():  # a program that names none
            shares |= {name: math.nan for name in shares if name.startswith("diagnosis")}
        rows.append(
            {"reader": code, "experience": own["experience"].iloc[0], "images": len(own)}
            | shares
            | {"low": float(low), "high": float(high)}
            | {"sure_right": _mean(own.loc[own["right"], "confidence"])}
            | {"sure_wrong": _mean(own.loc[~own["right"], "confidence"])}
            | {"seconds": float(own["seconds"].median())}
        )
    return pd.DataFrame(rows)


def _mean(values: pd.Series) -> float:
    return float(values.mean()) if len(values) else math.nan


def agreement(readings: Readings) -> Agreement | None:
    """Agreement of the readers who judged every image; None under two of them."""
    table = complete(readings)
    readers = table["reader"].nunique() if len(table) else 0
    if readers < 2:
        return None
    return Agreement(readers, *(_kappa(table, column) for column in ("computed", "diagnosis")))


def _kappa(table: pd.DataFrame, column: str) -> float:
    """Cohen's (1960) or Fleiss' (1971) kappa; NaN where an answer is missing or all answers are one."""
    grid = table.pivot(index="image", columns="reader", values=column)
    if grid.isna().to_numpy().any():
        return math.nan
    codes = pd.factorize(grid.to_numpy().ravel())[0].reshape(grid.shape)
    if codes.max() == 0:
        return math.nan
    if codes.shape[1] == 2:
        from sklearn.metrics import cohen_kappa_score

        return float(cohen_kappa_score(codes[:, 0], codes[:, 1]))
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    return float(fleiss_kappa(aggregate_raters(codes)[0]))


def misleading(readings: Readings, kind: str, most: int) -> pd.DataFrame:
    """The images of a kind that misled the largest share of readers: image, wrong, readers; worst first.

    Images that misled nobody are left out; of equal ones the first id comes first.
    """
    if readings.table.empty:
        return pd.DataFrame(columns=["image", "wrong", "readers"])
    counts: Callable = of_kind(readings.table, kind).groupby("image")["right"].agg
    found = counts(wrong=lambda right: int((~right).sum()), readers="size").reset_index()
    found = found[found["wrong"] > 0].assign(share=lambda each: each["wrong"] / each["readers"])
    found = found.sort_values(["share", "wrong", "image"], ascending=[False, False, True])
    return found.drop(columns="share").head(most).reset_index(drop=True)
