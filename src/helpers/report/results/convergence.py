"""Whether the trainings of a run had converged when they ended, in numbers and a sentence.

A training that ends at its limit of epochs, and not because nothing improved any more, may be cut off. What
tells the two apart is what its last epochs still gained.
"""

import math
from dataclasses import dataclass

import pandas as pd

from helpers.params import Classifier
from helpers.report.words import counted, points

LAST_PART = 0.2  # of the epochs: "the last fifth"
STILL_GAINING = 0.005  # share of the validation images: half a point of accuracy


def late_gain(history: pd.DataFrame) -> float:
    """How much higher the best validation accuracy (share) is for the last fifth of a training's epochs.

    ``history`` is a classifier's history.csv. NaN where there are fewer than two epochs.
    """
    if len(history) < 2 or "validation_accuracy" not in history:
        return math.nan
    accuracy = history["validation_accuracy"].to_numpy()
    before = len(accuracy) - max(1, round(LAST_PART * len(accuracy)))
    return float(accuracy.max() - accuracy[:before].max())


def endings(histories: pd.DataFrame) -> pd.DataFrame:
    """A row per training for ``convergence``; ``histories`` are as ``dynamics.read_histories`` reads them."""
    return pd.DataFrame(
        [
            {"epochs": len(part), "best_epoch": part["best_epoch"].iloc[0], "late_gain": late_gain(part)}
            for _, part in histories.groupby(["arm", "replicate"], sort=False)
        ]
    )


@dataclass(frozen=True)
class Convergence:
    """How the trainings of a run ended."""

    trainings: int
    by_patience: int  # ended because nothing improved for ``early_stopping_patience`` epochs
    best_in_last: int  # whose best epoch is their last one
    gain: float  # mean of ``late_gain``
    limit: int  # of the epochs
    cosine: bool  # whether the rate falls by a cosine over the epochs

    @property
    def reached(self) -> bool:
        """Whether most trainings ended by patience, or the last fifth gained under half a point."""
        return 2 * self.by_patience > self.trainings or self.gain < STILL_GAINING


def convergence(trainings: pd.DataFrame, config: Classifier) -> Convergence | None:
    """How trainings ended; None where nothing is known of them.

    ``trainings``: a row each, with epochs, best_epoch and late_gain.
    """
    if trainings.empty or not {"epochs", "best_epoch", "late_gain"} <= set(trainings.columns):
        return None
    waited = trainings["epochs"] - trainings["best_epoch"] >= config.early_stopping_patience
    waited |= trainings["epochs"] < config.max_epochs
    return Convergence(
        trainings=len(trainings),
        by_patience=int(waited.sum()),
        best_in_last=int((trainings["best_epoch"] == trainings["epochs"]).sum()),
        gain=float(trainings["late_gain"].mean()),
        limit=config.max_epochs,
        cosine=config.schedule == "cosine",
    )


def convergence_sentence(found: Convergence | None) -> str | None:
    """How the trainings ended, for the section on training dynamics."""
    if found is None:
        return None
    told = (
        f"Of {counted(found.trainings, 'training')}, {found.by_patience} ended because nothing improved any "
        f"more and {found.trainings - found.by_patience} at the limit of {counted(found.limit, 'epoch')}"
        f"{', over which the rate falls by a cosine' if found.cosine else ''}; {found.best_in_last} had the "
        "best epoch last."
    )
    if not math.isnan(found.gain):
        told += (
            f" In the last fifth of the epochs the best validation accuracy changed by "
            f"{points(found.gain)} points on average."
        )
    if found.reached:
        return told
    return told + " So the trainings had **not converged**: longer ones may give other results."


def unconverged_warning(found: Convergence | None) -> str | None:
    """What the answer of a run must say of trainings that were cut off; None where they were not."""
    if found is None or found.reached:
        return None
    gain = (
        ""
        if math.isnan(found.gain)
        else f", and their last fifth still gained {points(found.gain)} points of validation accuracy"
    )
    return (
        f"The trainings had not converged: {found.trainings - found.by_patience} of {found.trainings} ended "
        f"at the limit of {counted(found.limit, 'epoch')}{gain}; longer trainings may answer otherwise."
    )
