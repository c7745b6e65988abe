"""What the probabilities of the target class are worth."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from helpers.report.drawing import (
    DASHED,
    FAINT,
    INK,
    THIN,
    arm_legend,
    arm_lines,
    arm_panels,
    draw_arms,
    draw_curve,
    empty_figure,
    panel_per_arm,
)
from helpers.report.style import styled

MEAN = 2.2  # points: the line of an arm's mean, broader than that of the reference over it


@styled
def discrimination(curves: pd.DataFrame, target: str, reference: str) -> Figure:
    """ROC and precision-recall curves of the target: the mean over replicates as a line, each replicate
    faint.

    ``curves`` is evaluation/curves.csv. Many arms have a panel each, with the reference as a thin line.
    """
    if curves.empty:
        return empty_figure(f"The test images have no {target}, or nothing else.")
    arms = list(dict.fromkeys(curves["arm"]))
    titles = {
        f"ROC, {target}": ("1 \N{MINUS SIGN} specificity, %", "sensitivity, %"),
        f"Precision and recall, {target}": ("recall (sensitivity), %", "precision, %"),
    }
    figure, parts = arm_panels(arms, titles, 4.3, square=True)
    patterns = arm_lines(arms)
    for name, panels in zip(("roc", "precision_recall"), parts, strict=True):
        lines = 100 * curves[curves["curve"] == name].pivot_table(
            index="x", columns=["arm", "replicate"], values="y"
        )

        def draw(axes: Axes, arm: str, colour: str, thin: bool, lines: pd.DataFrame = lines) -> None:
            if lines[arm].shape[1] > 1 and not thin:
                for one in lines[arm]:
                    draw_curve(
                        axes, 100 * lines.index, lines[arm][one], color=colour, linewidth=0.6, alpha=0.3
                    )
            style = {"color": colour, "linewidth": THIN if thin else MEAN, "linestyle": patterns[arm]}
            draw_curve(axes, 100 * lines.index, lines[arm].mean(axis=1), **style)

        draw_arms(panels, reference, draw)
        for axes in set(panels.values()):
            axes.set(xlim=(-2, 102), ylim=(-2, 102))
            if name == "roc":
                axes.plot([0, 100], [0, 100], color=FAINT, linewidth=0.8, linestyle=DASHED)
    arm_legend(figure, arms, reference)
    return figure


@styled
def reliability(bins: pd.DataFrame, target: str, reference: str) -> Figure:
    """Reliability diagram: how often it is so against how probable it was called, of the predicted class and
    of the target.

    ``bins`` is evaluation/reliability.csv. Lines join the bins with all replicates added, dots grow with
    the images in them. Many arms have a panel each, with the reference as a thin line.
    """
    arms = list(dict.fromkeys(bins["arm"]))
    axis = ("probability, %", "how often it was so, %")
    titles = {"Predicted class": axis, f"Probability of {target}": axis}
    figure, parts = arm_panels(arms, titles, 4.5, square=True)
    patterns = arm_lines(arms)
    bins = bins.assign(
        p=100 * bins["images"] * bins["probability"], f=100 * bins["images"] * bins["frequency"]
    )
    for of, panels in zip(("predicted class", "target"), parts, strict=True):
        added = bins[bins["probability_of"] == of].groupby(["arm", "bin_from"])[["images", "p", "f"]].sum()

        def draw(axes: Axes, arm: str, colour: str, thin: bool, added: pd.DataFrame = added) -> None:
            rows, grown = added.loc[arm], 40 if panel_per_arm(arms) else 110
            x, y = rows["p"] / rows["images"], rows["f"] / rows["images"]
            style = {"linewidth": THIN if thin else 1.6, "linestyle": patterns[arm], "alpha": 0.8}
            draw_curve(axes, x, y, color=colour, **style)
            sizes = 8 + grown * np.sqrt(rows["images"] / rows["images"].sum())
            dots: dict[str, Any] = {"s": 3} if thin else {"s": sizes, "alpha": 0.75}
            axes.scatter(x, y, color=colour, linewidths=0, **dots)

        draw_arms(panels, reference, draw)
        for axes in set(panels.values()):
            axes.plot([0, 100], [0, 100], color=FAINT, linewidth=0.8, linestyle=DASHED, zorder=1)
            axes.set(xlim=(-3, 103), ylim=(-3, 103))
    arm_legend(figure, arms, reference, marker="o")
    return figure


@styled
def decision_curve(table: pd.DataFrame, target: str, reference: str) -> Figure:
    """Net benefit over threshold probabilities, per 100 images: the mean of each arm, its interval as a band
    where arms leave it legible.

    ``table`` is evaluation/decision_curve.csv. The dashed line acts on every image, the line at zero on
    none. Many arms have a panel each, with the reference as a thin line.
    """
    if table.empty:
        return empty_figure(f"The classifiers know no class {target}.")
    arms = list(dict.fromkeys(table["arm"]))
    labels = (f"threshold probability of {target} from which one acts, %", "net benefit per 100 images")
    figure, (panels,) = arm_panels(arms, {"": labels}, 3.9)
    patterns = arm_lines(arms)
    shares = table.set_index("arm").mul(100)

    def draw(axes: Axes, arm: str, colour: str, thin: bool) -> None:
        part = shares.loc[arm]
        if len(arms) <= 3 or (panel_per_arm(arms) and not thin):
            band: dict[str, Any] = {"color": colour, "alpha": 0.15, "linewidth": 0}
            axes.fill_between(part["threshold"], part["low"], part["high"], **band)
        style = {"color": colour, "linewidth": THIN if thin else MEAN, "linestyle": patterns[arm]}
        draw_curve(axes, part["threshold"], part["mean"], **style)

    draw_arms(panels, reference, draw)
    everyone = shares.loc[arms[0]]
    dashed: dict[str, Any] = {"color": INK, "linewidth": 1, "linestyle": DASHED}
    top = shares[["mean", "act_on_all"]].max(axis=None)
    for axes in set(panels.values()):
        axes.plot(everyone["threshold"], everyone["act_on_all"], **dashed)
        axes.axhline(0, color=FAINT, linewidth=1)
        axes.set(xlim=(0, shares["threshold"].max()), ylim=(-0.25 * top, 1.25 * top))
    none = Line2D([], [], color=FAINT, linewidth=1, label="act on none")
    arm_legend(figure, arms, reference, Line2D([], [], label="act on all", **dashed), none)
    return figure
