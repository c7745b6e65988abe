"""The whole images behind shares: of the paper's matrices, and of this run's."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.evaluation.paper.tables import PAPER_ARMS, confusion_matrix
from helpers.report.paper_values import Paper
from helpers.report.results.classes import prediction_counts

Counts = Mapping[tuple[str, str], tuple[float, float]]  # (arm, metric): images counted, and of how many


def paper_counts(paper: Paper, target: str) -> Counts:
    """The images behind the paper's shares; none where it is no yardstick, or has no class ``target``."""
    if paper["confusion"].empty or target not in set(paper["confusion"]["label"]):
        return {}
    return {
        (arm, metric): images
        for arm in PAPER_ARMS
        for metric, images in _behind(confusion_matrix(paper, arm), target).items()
    }


def run_counts(confusion: Mapping[str, pd.DataFrame], target: str) -> Counts:
    """The same of this run, means over replicates; ``confusion`` as ``classes.read_confusion`` reads it."""
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for arm, table in confusion.items():
        total = prediction_counts(table, sorted(set(table["label"])))
        matrix = total / table["replicate"].nunique()
        found |= {(arm, metric): images for metric, images in _behind(matrix, target).items()}
    return found


def _behind(matrix: pd.DataFrame, target: str) -> dict[str, tuple[float, float]]:
    """(images counted, of how many) by metric; macro metrics are means of shares and have none."""
    whole, right = float(matrix.to_numpy().sum()), float(np.trace(matrix))
    hits, positives = float(matrix.loc[target, target]), float(matrix.loc[target].sum())
    called = float(matrix[target].sum())
    return {
        "accuracy": (right, whole),
        "target_precision": (hits, called),
        "target_recall": (hits, positives),
        "target_specificity": (whole - positives - (called - hits), whole - positives),
        "target_f1": (2 * hits, positives + called),
    }


def count_words(images: tuple[float, float] | None) -> str:
    """'1,361 of 1,503', means with one decimal; empty where no whole images are behind a number."""
    if images is None:
        return ""
    return " of ".join(f"{n:,.0f}" if float(n).is_integer() else f"{n:,.1f}" for n in images)
