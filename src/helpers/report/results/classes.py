"""Every class by itself: confusion matrices, recall, and the change of recall."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from helpers.evaluation.confusion import class_ratios
from helpers.evaluation.metrics import RECALL_OF
from helpers.evaluation.paper.tables import confusion_matrix
from helpers.params import Params
from helpers.paths import RunPaths, require
from helpers.report.drawing import ink_on
from helpers.report.paper_values import Paper
from helpers.report.results.matrix_layout import MatrixLayout
from helpers.report.style import arm_colours, styled
from helpers.report.table import Format, Table, of_row, percent_range
from helpers.report.words import (
    MINUS,
    capitalised,
    metric_name,
    percent_of_images,
    points_interval_of_images,
    points_of_images,
    signed,
)

FIRST_ARMS = 3  # whose matrices stand in the first figure, where the paper's do not
PAPER_RATIOS = {"precision": "paper_precision", "recall": "paper_recall", "f1": "paper_f1"}


def read_confusion(run: RunPaths, arms: Iterable[str]) -> dict[str, pd.DataFrame]:
    """evaluation/confusion-<arm>.csv by arm."""
    names = {"label": str, "prediction": str}  # a class may be called 3, or NA
    return {
        arm: pd.read_csv(
            require(run.evaluation / f"confusion-{arm}.csv", "evaluation"), dtype=names, keep_default_na=False
        )
        for arm in arms
    }


def confusion_matrices(confusion: Mapping[str, pd.DataFrame], paper: Paper | None = None) -> Figure:
    """The paper's Figure 7: a matrix per arm, its replicates added; shade is the share of the row.

    ``confusion`` maps an arm to evaluation/confusion-<arm>.csv (replicate, label, prediction, count). Beside
    the paper, if its classes are the run's, its three matrices stand above those of the same arms, and the
    numbers are shares of the row, in percent. Without it they are counts, of the first three arms.
    """
    figure = _matrices(confusion, paper, first=True)
    assert figure is not None  # a run has an arm
    return figure


def further_matrices(confusion: Mapping[str, pd.DataFrame], paper: Paper | None = None) -> Figure | None:
    """What ``confusion_matrices`` leaves out: the run less the paper, and the other arms; None where there is
    nothing more.
    """
    return _matrices(confusion, paper, first=False)


@styled
def _matrices(confusion: Mapping[str, pd.DataFrame], paper: Paper | None, first: bool) -> Figure | None:
    classes = sorted(set(next(iter(confusion.values()))["label"]))
    ours = {arm: prediction_counts(table, classes) for arm, table in confusion.items()}
    theirs = _published_counts(paper, classes)
    panels = _panels(ours, theirs)[not first]
    if not panels:
        return None
    kinds = {panel.minus is not None for panel in panels if panel}
    layout = (
        MatrixLayout.beside_paper(classes, changes=True in kinds)
        if theirs
        else MatrixLayout.of(classes, _largest(ours))
    )
    figure, grid = layout.figure([panel.title if panel else "" for panel in panels], len(kinds))
    columns = layout.columns
    colours = arm_colours([*ours, *theirs])
    drawn: dict[bool, Axes] = {}  # a panel of shares and one of differences, for the scales
    for axes, panel in zip(grid, [*panels, *[None] * (len(grid) - len(panels))], strict=True):
        if panel is None:
            axes.set_visible(False)
            continue
        _matrix(axes, panel, bool(theirs), layout)
        _head(axes, layout.title(panel.title), colours[panel.arm])
        drawn.setdefault(panel.minus is not None, axes)
    for index, axes in enumerate(grid):
        axes.set_ylabel("diagnosis" if index % columns == 0 else "")
    bar: dict[str, Any] = {"location": "bottom", "shrink": 0.35, "aspect": 35, "pad": 0.02 * 3 / columns}
    for difference, axes in drawn.items():
        scale: Callable[[float, int], str] = _signed_points if difference else lambda x, _: f"{x:.0%}"
        label = "this run minus the paper, percentage points" if difference else "share of the diagnosis"
        bar["extend"] = "both" if difference else "neither"
        figure.colorbar(axes.collections[0], ax=list(grid), format=scale, **bar).set_label(label)
    return figure


class Panel(NamedTuple):
    """One matrix: an arm's counts, or, with ``minus``, their shares less the shares of those."""

    arm: str
    title: str
    counts: pd.DataFrame
    minus: pd.DataFrame | None = None


def _panels(
    ours: Mapping[str, pd.DataFrame], theirs: Mapping[str, pd.DataFrame]
) -> tuple[list[Panel | None], list[Panel | None]]:
    """The panels of the first figure and of the second in their order, None for an empty place."""
    published: list[Panel | None] = [Panel(arm, f"paper: {arm}", counts) for arm, counts in theirs.items()]
    if not set(theirs) & set(ours):
        mine: list[Panel | None] = [Panel(arm, arm, counts) for arm, counts in ours.items()]
        return published + mine[:FIRST_ARMS], mine[FIRST_ARMS:]
    both = [arm if arm in ours else None for arm in theirs]
    first = [Panel(arm, f"this run: {arm}", ours[arm]) if arm else None for arm in both]
    second = [Panel(arm, f"difference: {arm}", ours[arm], theirs[arm]) if arm else None for arm in both]
    others = [Panel(arm, f"this run: {arm}", ours[arm]) for arm in ours if arm not in theirs]
    return published + first, second + others


def prediction_counts(table: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """An arm's confusion matrix, replicates added: rows are diagnoses, columns predictions."""
    counts = table.pivot_table(
        index="label", columns="prediction", values="count", aggfunc="sum", fill_value=0
    )
    return counts.reindex(index=classes, columns=classes, fill_value=0)


def _largest(counts: Mapping[str, pd.DataFrame]) -> int:
    """The largest number of predictions of any cell."""
    return max(int(table.to_numpy().max()) for table in counts.values())


def _published_counts(paper: Paper | None, classes: list[str]) -> dict[str, pd.DataFrame]:
    """The paper's matrices by arm, where its classes are those of the run."""
    table = pd.DataFrame() if paper is None else paper["confusion"]
    if table.empty or set(table["label"]) != set(classes):
        return {}
    assert paper is not None  # its table is not empty
    return {arm: confusion_matrix(paper, arm).loc[classes, classes] for arm in table["arm"].unique()}


def _head(axes: Axes, title: str, colour: str) -> None:
    axes.set_title(title)
    line: dict[str, Any] = {"linewidth": 3, "solid_capstyle": "butt", "clip_on": False}
    above = ScaledTranslation(0, 2.7 / 72, axes.figure.dpi_scale_trans)  # points, whatever the panel's height
    axes.plot([0, 1], [1, 1], color=colour, transform=axes.transAxes + above, **line)


def _shares(counts: pd.DataFrame) -> pd.DataFrame:
    return counts.div(counts.sum(axis=1).clip(lower=1), axis=0)


def _signed_points(share: float, _: int = 0) -> str:
    points = round(100 * share)
    return f"{points:+d}".replace("-", MINUS) if points else "0"


def _matrix(axes: Axes, panel: Panel, percent: bool, layout: MatrixLayout) -> None:
    """One heatmap: counts or shares of the row, or the difference of the shares, in points."""
    import seaborn

    counts, minus = panel.counts, panel.minus
    shares, words = _shares(counts), counts.map("{:.0f}".format)
    colours: dict[str, Any] = {"cmap": "Blues", "vmin": 0, "vmax": 1}
    if minus is not None:
        shares = shares - _shares(minus)
        words, colours = shares.map(_signed_points), {"cmap": "PuOr", "vmin": -0.5, "vmax": 0.5}
    elif percent:
        words = shares.map(lambda share: f"{100 * share:.0f}" if share >= 0.005 else "<1")
    drawn = (counts > 0) if minus is None else (words != "0")
    seaborn.heatmap(
        shares,
        annot=words.where(drawn, "") if layout.numbered else False,
        fmt="",
        annot_kws={"fontsize": layout.fontsize},
        linewidths=0.8 if layout.few else 0.3,
        square=True,
        cbar=False,
        xticklabels=False,
        yticklabels=False,
        ax=axes,
        **colours,
    )
    cells = axes.collections[0]
    cells.update_scalarmappable()
    for text, ground in zip(axes.texts, cells.get_facecolor(), strict=False):
        text.set_color(ink_on(ground))
    layout.name(axes)
    axes.set(xlabel="prediction", ylabel="")


def confusion_caption(confusion: Mapping[str, pd.DataFrame], n: int, replicates: str, paper: Paper) -> str:
    """What ``confusion_matrices`` draws, on ``n`` test images, with so many ``replicates`` in words."""
    start = f"Confusion matrices on n = {n:,} test images, {replicates} added. "
    classes = sorted(set(next(iter(confusion.values()))["label"]))
    theirs = _published_counts(paper, classes)
    if not theirs:
        largest = _largest({arm: prediction_counts(table, classes) for arm, table in confusion.items()})
        layout = MatrixLayout.of(classes, largest)
        numbers = "The number counts predictions, the" if layout.numbered else "The"
        return f"{start}{numbers} shade is the share of the row.{layout.note}"
    images = int(next(iter(theirs.values())).to_numpy().sum())
    return (
        f"{start}Above, the paper's three matrices ({images:,} test images, one training each, read off its "
        "Figure 7); below them this run's. Numbers and shades are shares of the row in percent, and an empty "
        "cell is (or rounds to) zero."
    )


def further_caption(confusion: Mapping[str, pd.DataFrame], paper: Paper) -> str:
    """What ``further_matrices`` draws: changes against the paper, further arms, or both."""
    classes = sorted(set(next(iter(confusion.values()))["label"]))
    theirs = _published_counts(paper, classes)
    if not set(theirs) & set(confusion):
        return "The arms that the matrices above leave out."
    changes = "this run minus the paper, in percentage points."
    if set(confusion) <= set(theirs):
        return capitalised(changes)
    return f"Top: {changes} Below: the arms that the paper does not have."


def _percent_of(column: str, images: str) -> Format:
    """A format of a share, in percent; the column ``images`` holds how many images it is a share of."""
    return of_row(lambda row: percent_of_images(row[column], row[images]))


def _points_of(column: str, images: str) -> Format:
    """The same of a difference of shares, in percentage points."""
    return of_row(lambda row: points_of_images(row[column], row[images]))


def recall_change_table(
    per_class: pd.DataFrame,
    reference: str,
    paper: Paper,
    arms: Sequence[str] | None = None,
    folds: int = 0,
) -> Table:
    """Change of each class's recall against the reference arm: the paper's, and ours as the mean over
    replicates.

    ``per_class`` is evaluation/per_class.csv; ``arms`` are those to show, None for all; with ``folds`` each
    of the first so many replicates tests other images.
    """
    published = paper["per_class_change"].set_index("class")
    means = per_class.pivot_table(index="class", columns="arm", values="recall", aggfunc="mean")
    support = _tested_images(per_class, reference, folds)
    frame = pd.DataFrame(
        {
            "class": means.index,
            "n": support.reindex(means.index).to_numpy(dtype=int),
            "reference_recall": means[reference].to_numpy(),
        }
    )
    formats = {"reference_recall": _percent_of("reference_recall", "n")}
    headers = {"n": "test images", "reference_recall": f"recall of {reference}, %"}
    for arm in [arm for arm in arms or dict.fromkeys(per_class["arm"]) if arm != reference]:
        if arm in published and len(published) and reference == "baseline":
            frame[f"{arm}_paper"] = published[arm].reindex(means.index).to_numpy(dtype=float)
            formats[f"{arm}_paper"] = lambda change: signed(change, 2)  # as printed
            headers[f"{arm}_paper"] = f"paper, {arm}"
        frame[f"{arm}_this_run"] = (means[arm] - means[reference]).to_numpy()
        formats[f"{arm}_this_run"] = _points_of(f"{arm}_this_run", "n")
        headers[f"{arm}_this_run"] = f"this run, {arm}"
    return Table(frame, formats, headers)


def _tested_images(per_class: pd.DataFrame, arm: str, folds: int) -> pd.Series:
    """Test images by class; with ``folds`` each of the first so many replicates tests other images."""
    tested = per_class[(per_class["arm"] == arm) & (per_class["replicate"] < max(folds, 1))]
    return tested.groupby("class")["support"].sum()


def other_classes_table(comparisons: pd.DataFrame, per_class: pd.DataFrame, params: Params) -> Table | None:
    """Change of recall, with intervals, of the classes besides the target that get synthetic images.

    ``comparisons`` and ``per_class`` are evaluation/comparisons.csv and per_class.csv. Arms without such
    images stand beside the others. None where the GAN has the target's class alone.
    """
    metrics = {f"{RECALL_OF}{name}": name for name in params.classes_beside_target}
    rows = comparisons[comparisons["metric"].isin(metrics)].reset_index(drop=True)
    if rows.empty:
        return None
    support = _tested_images(per_class, params.evaluation.reference, params.data.split.folds)
    of = rows["metric"].map(metrics)
    frame = rows[["arm", "difference", "low", "high"]].assign(
        n=of.map(support).astype(int),
        synthetic=[
            "yes" if name in params.synthetic_classes(arm) else "no"
            for arm, name in zip(rows["arm"], of, strict=True)
        ],
    )
    frame.insert(0, "class", of)
    interval = of_row(lambda row: points_interval_of_images(row["low"], row["high"], row["n"]))
    headers = {"n": "test images", "synthetic": "synthetic images of it", "low": "interval"}
    headers["difference"] = "change of recall, points"
    order = ["class", "arm", "synthetic", "n", "difference", "low", "high"]
    formats = {"difference": _points_of("difference", "n"), "low": interval}
    return Table(frame[order], formats, headers, hidden=("high",))


def first_arms(arms: Iterable[str], paper: Paper) -> list[str]:
    """The arms that the paper has too, or else the first ones, for tables with columns for each arm."""
    every = list(arms)
    theirs = set() if paper["per_class_change"].empty else set(paper["per_class_change"].columns)
    return [arm for arm in every if arm in theirs] or every[: FIRST_ARMS + 1]


def class_table(arms_per_class: pd.DataFrame, paper: Paper | None = None) -> Table:
    """evaluation/arms_per_class.csv: every metric of every class and arm, the mean over replicates in
    percent, recall with its interval.

    The digits are those that the class's images support. Beside the paper, if its classes are the run's,
    stand the precision, recall and F1 of its confusion matrices.
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
    theirs = paper_class_ratios(paper, sorted(set(frame["class"])))
    if len(theirs):
        frame = frame.merge(theirs, on=["class", "arm"], how="left")
    formats = {column: _percent_of(column, "images") for column in ("recall", *shown)}
    formats |= {column: lambda share: f"{100 * share:.1f}" for column in PAPER_RATIOS.values()}
    headers = {"low": "interval of recall"}
    headers |= {column: f"paper: {metric_name(name)}" for name, column in PAPER_RATIOS.items()}
    headers |= {column: metric_name(column) for column in shown}
    return Table(
        frame,
        formats | {"low": percent_range(lambda row: row["images"])},
        headers,
        hidden=("high",),
    )


def paper_class_ratios(paper: Paper | None, classes: list[str]) -> pd.DataFrame:
    """Precision, recall and F1 of every class and arm, from the paper's matrices (shares); no row where the
    run's classes are others.
    """
    rows = []
    for arm, counts in _published_counts(paper, classes).items():
        ratios = class_ratios(counts.to_numpy())
        columns = {column: ratios[name] for name, column in PAPER_RATIOS.items()}
        rows.append(pd.DataFrame({"class": classes, "arm": arm, **columns}))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
