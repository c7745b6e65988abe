"""Every class by itself: confusion matrices, recall, and the change of recall."""

from collections.abc import Iterable, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.paths import RunPaths, require
from helpers.report.drawing import set_paddings
from helpers.report.paper_values import Paper
from helpers.report.style import arm_colours, styled
from helpers.report.table import Format, Table, of_row, percent_range
from helpers.report.words import (
    metric_name,
    percent_of_images,
    points_of_images,
    signed,
)


def read_confusion(run: RunPaths, arms: Iterable[str]) -> dict[str, pd.DataFrame]:
    """evaluation/confusion-<arm>.csv by arm."""
    return {arm: pd.read_csv(require(run.evaluation / f"confusion-{arm}.csv", "evaluation")) for arm in arms}


@styled
def confusion_matrices(confusion: Mapping[str, pd.DataFrame]) -> Figure:
    """The paper's Figure 7: a matrix per arm, its replicates added; shade is the share of the row, the number
    a count.

    ``confusion`` maps an arm to evaluation/confusion-<arm>.csv (replicate, label, prediction, count).
    """
    columns = 3
    rows = -(-len(confusion) // columns)
    classes = sorted(set(next(iter(confusion.values()))["label"]))
    figure = Figure(
        figsize=(9, 3.2 * rows + 0.6), layout="compressed"
    )  # square panels keep their titles inside
    set_paddings(figure, h_pad=0.08)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (arm, table) in zip(grid, confusion.items(), strict=False):
        counts = table.pivot_table(
            index="label", columns="prediction", values="count", aggfunc="sum", fill_value=0
        )
        _matrix(axes, counts.reindex(index=classes, columns=classes, fill_value=0))
        axes.set_title(arm)
        axes.plot(
            [0, 1],
            [1.015, 1.015],
            color=arm_colours(confusion)[arm],
            linewidth=3,
            solid_capstyle="butt",
            transform=axes.transAxes,
            clip_on=False,
        )
    for axes in grid[len(confusion) :]:
        axes.set_visible(False)
    for index, axes in enumerate(grid):
        axes.set_ylabel("diagnosis" if index % columns == 0 else "")
    figure.colorbar(
        grid[0].collections[0],
        ax=list(grid),
        location="bottom",
        shrink=0.35,
        aspect=35,
        pad=0.02,
        format=lambda x, _: f"{x:.0%}",
    ).set_label("share of the diagnosis")
    return figure


def _matrix(axes: Axes, counts: pd.DataFrame) -> None:
    import seaborn

    shares, numbers = (
        counts.div(counts.sum(axis=1).clip(lower=1), axis=0),
        counts.map("{:.0f}".format).where(counts > 0, ""),
    )
    seaborn.heatmap(
        shares,
        annot=numbers,
        fmt="",
        annot_kws={"fontsize": 8},
        cmap="Blues",
        vmin=0,
        vmax=1,
        linewidths=0.8,
        square=True,
        cbar=False,
        ax=axes,
    )
    axes.tick_params(length=0, rotation=0)
    axes.set_xticks(axes.get_xticks(), counts.columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set(xlabel="prediction", ylabel="")


def _percent_of(column: str, images: str) -> Format:
    """A format of a share, in percent; the column ``images`` holds how many images it is a share of."""
    return of_row(lambda row: percent_of_images(row[column], row[images]))


def _points_of(column: str, images: str) -> Format:
    """The same of a difference of shares, in percentage points."""
    return of_row(lambda row: points_of_images(row[column], row[images]))


def recall_change_table(per_class: pd.DataFrame, reference: str, paper: Paper) -> Table:
    """Change of each class's recall against the reference arm: the paper's, and ours as the mean over
    replicates.

    ``per_class`` is evaluation/per_class.csv.
    """
    published = paper["per_class_change"].set_index("class")
    means = per_class.pivot_table(index="class", columns="arm", values="recall", aggfunc="mean")
    support = per_class.groupby("class")["support"].first()
    frame = pd.DataFrame(
        {
            "class": means.index,
            "n": support.reindex(means.index).to_numpy(dtype=int),
            "reference_recall": means[reference].to_numpy(),
        }
    )
    formats = {"reference_recall": _percent_of("reference_recall", "n")}
    headers = {"n": "test images", "reference_recall": f"recall of {reference}, %"}
    for arm in [arm for arm in dict.fromkeys(per_class["arm"]) if arm != reference]:
        if arm in published and len(published) and reference == "baseline":
            frame[f"{arm}_paper"] = published[arm].reindex(means.index).to_numpy(dtype=float)
            formats[f"{arm}_paper"] = lambda change: signed(change, 2)  # as printed
            headers[f"{arm}_paper"] = f"paper, {arm}"
        frame[f"{arm}_this_run"] = (means[arm] - means[reference]).to_numpy()
        formats[f"{arm}_this_run"] = _points_of(f"{arm}_this_run", "n")
        headers[f"{arm}_this_run"] = f"this run, {arm}"
    return Table(frame, formats, headers)


def class_table(arms_per_class: pd.DataFrame) -> Table:
    """evaluation/arms_per_class.csv: every metric of every class and arm, the mean over replicates in
    percent, recall with its interval.

    The digits are those that the class's images support.
    """
    keys = ["class", "images", "arm"]
    frame = (
        arms_per_class.pivot_table(index=keys, columns="metric", values="mean", sort=False)
        .rename_axis(None, axis=1)
        .reset_index()
    )
    ends = arms_per_class[arms_per_class["metric"] == "recall"][[*keys, "low", "high"]]
    frame = (
        frame.merge(ends, on=keys, how="left")
        .sort_values(["class", "images"], kind="stable")
        .reset_index(drop=True)
    )
    shown = [
        column
        for column in ("precision", "specificity", "f1", "roc_auc", "average_precision")
        if column in frame
    ]
    frame = frame[[*keys, "recall", "low", "high", *shown]]
    formats = {column: _percent_of(column, "images") for column in ("recall", *shown)}
    headers = {"low": "interval of recall", **{column: metric_name(column) for column in shown}}
    return Table(
        frame,
        formats | {"low": percent_range(lambda row: row["images"])},
        headers,
        hidden=("high",),
    )
