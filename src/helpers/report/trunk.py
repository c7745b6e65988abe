"""Notebook 04: how the trunk was adapted on which a training stands; nothing where a run adapts none."""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from helpers.params import Params
from helpers.paths import RunPaths, require
from helpers.report.training_curves import classifier_curves
from helpers.report.words import part_words


@dataclass(frozen=True)
class Course:
    """The fine-tuning of one trunk."""

    trained_on: str  # in words: the fold, and what was withheld
    summary: dict[str, Any]  # of summary.json
    history: pd.DataFrame  # of history.csv


def read_course(run: RunPaths, params: Params, arm: str, replicate: int) -> Course | None:
    """The fine-tuning of the trunk on which a training stands; None where the run adapts none.

    Raises MissingStageError where the trunk is not adapted yet.
    """
    name = params.trunk(arm, replicate)
    if name is None:
        return None
    folder = run.trunk(name)
    summary = json.loads(require(folder / "summary.json", "trunk").read_text(encoding="utf-8"))
    return Course(
        _trained_on(params, arm, replicate), summary, pd.read_csv(require(folder / "history.csv", "trunk"))
    )


def _trained_on(params: Params, arm: str, replicate: int) -> str:
    """The part of the split that a trunk belongs to, and what it did not see, as they follow 'trunk'."""
    fold = part_words(params.data.split, params.part(replicate))
    lack = f" without the photographs that *{arm}* withholds" if params.arms[arm].withhold else ""
    return (f" of {fold}" if fold else "") + (f", trained{lack}" if lack else "")


def course_sentence(course: Course | None) -> str | None:
    """How long a trunk was adapted and how well the whole network then did."""
    if course is None:
        return None
    summary = course.summary
    return (
        f"This training stands on the adapted trunk{course.trained_on}: the whole network, "
        f"{summary['parameters']:,} parameters, was fine-tuned on {summary['training_images']:,} real "
        f"training photographs for {summary['epochs']} epochs; the weights of epoch "
        f"{summary['best_epoch']}, of the least validation loss, are kept (validation accuracy "
        f"{100 * summary['best_validation_accuracy']:.1f} %). The arms then train new heads on its frozen "
        "stages."
    )


def course_curves(course: Course | None) -> Figure | None:
    """Losses and accuracies of the fine-tuning over its epochs."""
    if course is None:
        return None
    best = course.summary["best_epoch"]
    return classifier_curves(course.history.assign(arm="adapted trunk", replicate=0, best_epoch=best))
