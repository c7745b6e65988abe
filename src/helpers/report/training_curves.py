"""Loss and accuracy of the classifiers' trainings over epochs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import LineStyleType

from helpers.evaluation.verdicts import MINIMUM_REPLICATES
from helpers.paths import RunPaths, require
from helpers.report.drawing import INK, arm_lines, arm_panels, draw_curve, panel_per_arm
from helpers.report.paper_values import Paper
from helpers.report.style import arm_colours, styled

PAPER_LINE = (0, (1, 3))  # of the paper's best validation accuracy, where arms in one panel have patterns


def read_history(run: RunPaths, arm: str, replicate: int) -> pd.DataFrame:
    """A classifier's history.csv, one row per epoch, with the columns arm, replicate and best_epoch."""
    folder = run.classifier(arm, replicate)
    history = pd.read_csv(require(folder / "history.csv", "classifier"))
    summary = json.loads(require(folder / "summary.json", "classifier").read_text(encoding="utf-8"))
    return history.assign(arm=arm, replicate=replicate, best_epoch=summary["best_epoch"])


@styled
def classifier_curves(history: pd.DataFrame, paper: Paper | None = None) -> Figure:
    """The paper's Figure 8: losses and accuracies over epochs, a line for each arm and replicate.

    A dot marks the best epoch, and a strong line is the mean of an arm (``_mean_curve``). ``history`` has
    columns arm, replicate, best_epoch and those of a classifier's history.csv. Few arms share a panel each
    for training and validation; of many arms each has its own, with training dotted. Beside the ``paper`` a
    level line is its best validation accuracy, and its number of epochs is drawn below where the arms are
    few. The caption has these numbers in any case.
    """
    arms = list(dict.fromkeys(history["arm"]))
    theirs = _published_ends(paper, arms)
    colours, patterns, apart = arm_colours(arms), arm_lines(arms), panel_per_arm(arms)
    figure, panels, below = _curve_panels(arms, bool(theirs))
    for (part, measure), drawn in panels.items():
        factor, column = 100 if measure == "accuracy" else 1, f"{part}_{measure}"
        for arm, trainings in history.groupby("arm", sort=False):
            curves = trainings.assign(value=factor * trainings[column])
            line = ":" if apart and part == "train" else patterns[arm]
            _draw_trainings(drawn[arm], curves, colours[arm], line, best=part == "validation")
    best_line: LineStyleType = "--" if apart else PAPER_LINE
    _draw_best(panels["validation", "accuracy"], theirs, colours, best_line)
    if below is not None:
        _lengths(below, history, theirs, colours)
    _on_one_scale(panels)
    handles = _keys(colours, patterns, apart)
    if theirs:
        label = "the paper's best validation accuracy"
        handles.append(Line2D([], [], color=INK, linestyle=best_line, linewidth=1, label=label))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(8, len(handles)))
    return figure


def _draw_trainings(axes: Axes, curves: pd.DataFrame, colour: str, line: LineStyleType, best: bool) -> None:
    """An arm's replicates, faint where their mean is drawn over them, and if wanted a dot at each best epoch.

    ``curves`` has the columns replicate, epoch, best_epoch and value.
    """
    mean = _mean_curve(curves)
    alone: dict[str, Any] = {"linestyle": line, "linewidth": 1.1, "alpha": 0.8}
    faint: dict[str, Any] = {"linestyle": line, "linewidth": 0.7, "alpha": 0.3}
    for _, rows in curves.groupby("replicate", sort=False):
        draw_curve(axes, rows["epoch"], rows["value"], color=colour, **(alone if mean is None else faint))
    if mean is not None:
        draw_curve(axes, mean.index, mean, color=colour, linestyle=line, linewidth=1.8)
    if best:
        kept = curves[curves["epoch"] == curves["best_epoch"]]
        dot: dict[str, Any] = {"markersize": 4, "markeredgecolor": "white", "markeredgewidth": 0.6}
        axes.plot(kept["epoch"], kept["value"], "o", color=colour, **dot)


def _mean_curve(curves: pd.DataFrame) -> pd.Series | None:
    """The mean value by epoch of three replicates or more, as far as all of them were trained, else None.

    Later epochs are of those trainings alone that were not stopped, and their mean would jump.
    """
    found = curves.groupby("epoch")["value"].agg(["mean", "count"])
    replicates = curves["replicate"].nunique()
    return found.loc[found["count"] == replicates, "mean"] if replicates >= MINIMUM_REPLICATES else None


def mean_note(history: pd.DataFrame) -> str:
    """What a caption says of the strong lines of ``classifier_curves``; empty where it draws none."""
    if history["replicate"].nunique() < MINIMUM_REPLICATES:
        return ""
    return " The strong line of an arm is the mean of its replicates, up to the last epoch that all reached."


def _on_one_scale(panels: Mapping[tuple[str, str], Mapping[str, Axes]]) -> None:
    """Training and validation, and every arm, on one scale for either measure."""
    for measure in ("loss", "accuracy"):
        row = [axes for part in ("train", "validation") for axes in panels[part, measure].values()]
        limits = np.array([axes.get_ylim() for axes in row])
        for axes in row:
            axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())
            cast(MaxNLocator, axes.xaxis.get_major_locator()).set_params(integer=True)


class PublishedEnd(NamedTuple):
    """Where a training of the paper ended and where it was best, read off its Figure 8."""

    epochs: float
    best_accuracy: float  # on the validation images, percent
    best_epoch: float


def _published_ends(paper: Paper | None, arms: Sequence[str]) -> dict[str, PublishedEnd]:
    """By arm, where the paper's training ended and where it was best."""
    if paper is None or paper["figures"].empty:
        return {}
    read = paper["figures"].set_index(["quantity", "arm"])["high"]
    epochs, best, place = (
        read[name].to_dict()
        for name in ("classifier_epochs", "best_validation_accuracy", "best_validation_epoch")
    )
    return {arm: PublishedEnd(epochs[arm], best[arm], place[arm]) for arm in arms if arm in epochs}


def _draw_best(
    panels: Mapping[str, Axes],
    theirs: Mapping[str, PublishedEnd],
    colours: Mapping[str, str],
    line: LineStyleType,
) -> None:
    """The paper's best validation accuracy as a level line; the caption has its epochs."""
    for arm, end in theirs.items():
        panels[arm].axhline(end.best_accuracy, color=colours[arm], linestyle=line, linewidth=1, zorder=1)


def _lengths(
    axes: Axes, history: pd.DataFrame, theirs: Mapping[str, PublishedEnd], colours: Mapping[str, str]
) -> None:
    """How long each arm was trained: a dot per replicate of this run, and a diamond for the paper.

    A line leads back from either to its best epoch, which has a tick.
    """
    ends = history.groupby(["arm", "replicate"], sort=False)[["epoch", "best_epoch"]].max()
    tick: dict[str, Any] = {"marker": "|", "markersize": 9, "markeredgewidth": 1.4}
    for row, (arm, colour) in enumerate(colours.items()):
        dot: dict[str, Any] = {"markersize": 5, "alpha": 0.6, "markeredgewidth": 0}
        for last, best in ends.loc[arm].to_numpy():
            axes.plot([best, last], [row, row], color=colour, linewidth=0.9, alpha=0.6)
            axes.plot(best, row, color=colour, alpha=0.6, **tick)
            axes.plot(last, row, "o", color=colour, **dot)
        if arm in theirs:
            end = theirs[arm]
            axes.plot([end.best_epoch, end.epochs], [row, row], color=colour, linestyle="--", linewidth=1)
            axes.plot(end.best_epoch, row, color=colour, **tick)
            axes.plot(end.epochs, row, "D", color=colour, markersize=6, markerfacecolor="white")
            axes.annotate(
                f"paper: best at {end.best_epoch:g} of about {end.epochs:g}",
                (end.epochs, row),
                (7, 0),
                textcoords="offset points",
                va="center",
            )
    axes.set_yticks(range(len(colours)), list(colours))
    longest = max(ends["epoch"].max(), *(end.epochs for end in theirs.values()))
    axes.set(ylim=(len(colours) - 0.5, -0.5), xlim=(0, 1.4 * longest), xlabel="epoch")
    axes.set_title("Last epoch of each training, and the best one (tick)")


def _keys(colours: Mapping[str, str], patterns: Mapping[str, LineStyleType], apart: bool) -> list[Line2D]:
    """Keys of the lines: of training and validation where arms stand apart, else of the arms."""
    keys: dict[str, tuple[str, LineStyleType]] = (
        {"validation": (INK, "-"), "training": (INK, ":")}
        if apart
        else {arm: (colour, patterns[arm]) for arm, colour in colours.items()}
    )
    handles = [
        Line2D([], [], color=colour, linestyle=style, label=label) for label, (colour, style) in keys.items()
    ]
    handles.append(Line2D([], [], color=INK, marker="o", linestyle="", markersize=4, label="best epoch"))
    return handles


def _curve_panels(
    arms: Sequence[str], lengths: bool
) -> tuple[Figure, dict[tuple[str, str], dict[str, Axes]], Axes | None]:
    """A figure, the axes of each arm by part ('train', 'validation') and measure ('loss', 'accuracy'), and,
    for few arms and if wanted, axes below for the lengths of the trainings.
    """
    measures = ("loss", "accuracy")
    if panel_per_arm(arms):
        titles = {"Loss": ("epoch", ""), "Accuracy, %": ("epoch", "")}
        figure, grid = arm_panels(arms, titles, 0, panel=0.78 if len(arms) > 6 else 1.2, across=6)
        return (
            figure,
            {
                (part, measure): panels
                for measure, panels in zip(measures, grid, strict=True)
                for part in ("train", "validation")
            },
            None,
        )
    figure, found = Figure(figsize=(9, 3.6 + 1.2 * lengths)), {}
    parts = figure.subfigures(1 + lengths, 1, squeeze=False, height_ratios=[3.6, 1.2][: 1 + lengths])[:, 0]
    for row, measure in zip(parts[0].subplots(2, 2, sharex=True), measures, strict=True):
        for axes, part, title in zip(row, ("train", "validation"), ("Training", "Validation"), strict=True):
            axes.set_title(f"{title} {measure}{', %' * (measure == 'accuracy')}")
            axes.set_xlabel("epoch" * (measure == "accuracy"))
            found[part, measure] = dict.fromkeys(arms, axes)
    return figure, found, parts[1].subplots() if lengths else None


def paper_curves_note(paper: Paper, arms: Sequence[str]) -> str:
    """What ``classifier_curves`` draws of the paper, for its caption; empty where it draws nothing of it."""
    theirs = _published_ends(paper, arms)
    if not theirs:
        return ""
    told = "; ".join(
        f"{arm} after about {end.epochs:g} epochs, at best {end.best_accuracy:g} % in epoch "
        f"{end.best_epoch:g}"
        for arm, end in theirs.items()
    )
    return f" Read off the paper's Figure 8, its trainings ended: {told}."
