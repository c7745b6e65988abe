"""Loss and accuracy of the classifiers' trainings over epochs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import LineStyleType

from helpers.paths import RunPaths, require
from helpers.report.drawing import INK, arm_panels, draw_curve, panel_per_arm
from helpers.report.style import arm_colours, styled


def read_history(run: RunPaths, arm: str, replicate: int) -> pd.DataFrame:
    """A classifier's history.csv, one row per epoch, with the columns arm, replicate and best_epoch."""
    folder = run.classifier(arm, replicate)
    history = pd.read_csv(require(folder / "history.csv", "classifier"))
    summary = json.loads(require(folder / "summary.json", "classifier").read_text(encoding="utf-8"))
    return history.assign(arm=arm, replicate=replicate, best_epoch=summary["best_epoch"])


@styled
def classifier_curves(history: pd.DataFrame) -> Figure:
    """The paper's Figure 8: losses and accuracies over epochs, a line for each arm and replicate.

    A dot marks the best epoch. ``history`` has columns arm, replicate, best_epoch and those of a classifier's
    history.csv. Few arms share a panel each for training and validation; of many arms each has its own, with
    training dotted.
    """
    arms = list(dict.fromkeys(history["arm"]))
    colours, apart, few = (
        arm_colours(arms),
        panel_per_arm(arms),
        len(history[["arm", "replicate"]].drop_duplicates()) <= 12,
    )
    figure, panels = _curve_panels(arms)
    for (part, measure), drawn in panels.items():
        factor, column = 100 if measure == "accuracy" else 1, f"{part}_{measure}"
        line: dict[str, Any] = {
            "linestyle": ":" if apart and part == "train" else "-",
            "linewidth": 1.1 if few else 0.7,
            "alpha": 0.8 if few else 0.6,
        }
        dot: dict[str, Any] = {
            "markersize": 4.5 if few else 3.5,
            "markeredgecolor": "white",
            "markeredgewidth": 0.6,
        }
        for (arm, _), rows in history.groupby(["arm", "replicate"], sort=False):
            draw_curve(drawn[arm], rows["epoch"], factor * rows[column], color=colours[arm], **line)
            if part == "validation":
                best = rows[rows["epoch"] == rows["best_epoch"]]
                drawn[arm].plot(best["epoch"], factor * best[column], "o", color=colours[arm], **dot)
    for measure in ("loss", "accuracy"):  # training and validation, and every arm, on one scale
        row = [axes for part in ("train", "validation") for axes in panels[part, measure].values()]
        limits = np.array([axes.get_ylim() for axes in row])
        for axes in row:
            axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())
            cast(MaxNLocator, axes.xaxis.get_major_locator()).set_params(integer=True)
    handles = _keys(colours, apart)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(8, len(handles)))
    return figure


def _keys(colours: Mapping[str, str], apart: bool) -> list[Line2D]:
    """Keys of the lines: of training and validation where arms stand apart, else of the arms."""
    keys: dict[str, tuple[str, LineStyleType]] = (
        {"validation": (INK, "-"), "training": (INK, ":")}
        if apart
        else {arm: (colour, "-") for arm, colour in colours.items()}
    )
    handles = [
        Line2D([], [], color=colour, linestyle=style, label=label) for label, (colour, style) in keys.items()
    ]
    handles.append(Line2D([], [], color=INK, marker="o", linestyle="", markersize=4, label="best epoch"))
    return handles


def _curve_panels(arms: Sequence[str]) -> tuple[Figure, dict[tuple[str, str], dict[str, Axes]]]:
    """A figure, and the axes of each arm by part ('train', 'validation') and measure ('loss', 'accuracy')."""
    measures = ("loss", "accuracy")
    if panel_per_arm(arms):
        figure, grid = arm_panels(arms, {"Loss": ("epoch", ""), "Accuracy, %": ("epoch", "")}, 0)
        return figure, {
            (part, measure): panels
            for measure, panels in zip(measures, grid, strict=True)
            for part in ("train", "validation")
        }
    figure, found = Figure(figsize=(9, 5.2)), {}
    for row, measure in zip(figure.subplots(2, 2, sharex=True), measures, strict=True):
        for axes, part, title in zip(row, ("train", "validation"), ("Training", "Validation"), strict=True):
            axes.set_title(f"{title} {measure}{', %' * (measure == 'accuracy')}")
            axes.set_xlabel("epoch" * (measure == "accuracy"))
            found[part, measure] = dict.fromkeys(arms, axes)
    return figure, found
