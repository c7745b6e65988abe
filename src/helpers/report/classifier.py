"""Notebook 04: what an arm trains on, and one training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from helpers.report.drawing import SYNTHETIC
from helpers.report.names import row_labels
from helpers.report.style import SMALLEST, SPLITS, styled


def training_sentence(summary: Mapping[str, Any]) -> str:
    """One classifier's training."""
    synthetic = (
        f", {summary['synthetic_images']:,} of them synthetic"
        if summary["synthetic_images"]
        else ", all of them real"
    )
    return (
        f"Arm *{summary['arm']}*, replicate {summary['replicate']}: {summary['training_images']:,} "
        f"training images{synthetic}. Training ran {summary['epochs']} epochs; "
        f"the weights of epoch {summary['best_epoch']} are kept, with a validation accuracy of "
        f"{100 * summary['best_validation_accuracy']:.1f} %. "
        f"{summary['trainable_parameters']:,} of {summary['parameters']:,} parameters were trained."
    )


def training_images_caption(arm: str, replicate: int, labels: Sequence[int], synthetic: int) -> str:
    """The caption of ``training_images``; it speaks of synthetic images only where the arm has some."""
    start = f"What arm {arm}, replicate {replicate}, trains on."
    if not synthetic:
        return f"{start} It has no synthetic images."
    joined = len(set(labels[-synthetic:]))
    which, them = ("one class", "it") if joined == 1 else (f"{joined} classes", "them")
    aim = f"see how far they go to make {them} as frequent as the largest."
    return f"{start} Synthetic images join {which}; {aim}"


def training_images_alt(synthetic: int) -> str:
    """What ``training_images`` shows, for those who do not see it."""
    apart = ", synthetic ones apart" if synthetic else ""
    return f"Horizontal bars of the number of training images of each class{apart}."


@styled
def training_images(labels: Sequence[int], classes: Sequence[str], synthetic: int) -> Figure:
    """What an arm trains on: images per class, from zero, the synthetic ones on top of the photographs.

    ``labels`` are positions in ``classes``, the ``synthetic`` ones last.
    """
    kinds = np.arange(len(labels)) >= len(labels) - synthetic
    real, made = (
        np.bincount(np.asarray(labels)[kinds == kind], minlength=len(classes)) for kind in (False, True)
    )
    order = np.argsort(real + made, kind="stable")
    names, room = row_labels([classes[place] for place in order])
    figure = Figure(figsize=(9, 1.1 + (0.3 + room) * len(classes)))
    axes = figure.subplots()
    axes.barh(range(len(classes)), real[order], color=SPLITS["train"], height=0.68, label="real")
    if synthetic:
        axes.barh(
            range(len(classes)),
            made[order],
            left=real[order],
            color=SYNTHETIC,
            height=0.68,
            label="synthetic",
        )
        figure.legend(loc="outside lower center", ncols=2)
    for row, place in enumerate(order):
        text = f"{real[place]:,}" + (f" + {made[place]:,}" if made[place] else "")
        axes.annotate(
            text,
            (real[place] + made[place], row),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALLEST,
        )
    axes.set_yticks(range(len(classes)), names)
    axes.set_ylim(-0.6, len(classes) - 0.4)
    axes.set_xlim(0, 1.14 * (real + made).max())
    axes.set_xlabel("training images")
    axes.grid(False, axis="y")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    return figure
