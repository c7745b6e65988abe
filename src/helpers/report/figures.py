"""Every figure of the report: one function each, from tables or arrays to a matplotlib Figure.

Axes that hold bars start at zero; where a scale does not, there are dots and intervals. Shares (0 to 1) are drawn
in percent. The figures hold no title of their own: the caption is the page's.
"""

import io
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers.params import Params
from helpers.report.style import SPLITS, arm_colours, styled
from helpers.report.tables import FEATURE_NAMES, MEASURE_NAMES, measure_name
from helpers.report.words import OVERALL, TARGET, capitalised, metric_name, metric_words, significant

INK, FAINT, BEHIND, SYNTHETIC = "#222222", "#8A8A8A", "#B4BAC0", "#009E73"
MANY_ARMS = 5  # more of them want the whole width, or a panel each, as many in a row


# --- pictures -----------------------------------------------------------------------------------


def picture_policy(params: Params) -> str:
    """How data set images may be shown: report.real_images, but drawn lesions belong to nobody and are always shown."""
    return "show" if params.data.source == "phantom" else params.report.real_images


def veil(images: Sequence[np.ndarray], policy: str) -> list[np.ndarray]:
    """Images, uint8 (H, W, 3), as the page may show them: as they are, blurred beyond recognition, or grey tiles."""
    if policy == "show":
        return list(images)
    if policy == "omit":
        return [np.full_like(image, 225) for image in images]
    from PIL import Image

    veiled = []
    for image in images:
        size = (image.shape[1], image.shape[0])
        veiled.append(
            np.asarray(
                Image.fromarray(image)
                .resize((5, 4), Image.Resampling.BOX)
                .resize(size, Image.Resampling.BICUBIC)
            )
        )
    return veiled


def photographs(
    dataset: Any, split: pd.DataFrame, per_class: int = 4, policy: str = "show", width: int = 160
) -> dict[str, list[np.ndarray]]:
    """The first training images of every class, frequent classes first, reduced and veiled as ``policy`` says.

    ``dataset`` is an opened helpers.data.ham10000.Dataset; ``split`` has columns image_id, dx, split.
    """
    from PIL import Image

    def read(image_id: str) -> np.ndarray:
        with Image.open(io.BytesIO(dataset.read(image_id))) as opened:
            return np.asarray(
                opened.convert("RGB").resize(
                    (width, round(width * opened.height / opened.width)),
                    Image.Resampling.BOX if opened.width >= width else Image.Resampling.BICUBIC,
                )
            )

    training = split[split["split"] == "train"]
    firsts = {
        name: training.loc[training["dx"] == name, "image_id"].head(per_class)
        for name in split["dx"].value_counts().index
    }
    return {name: veil([read(image_id) for image_id in chosen], policy) for name, chosen in firsts.items()}


@styled
def sample_images(
    images: Mapping[str, Sequence[np.ndarray]], names: Mapping[str, str] | None = None
) -> Figure:
    """The paper's Figure 1: a column per class with a few of its images.

    ``images`` maps a class to uint8 arrays (H, W, 3); ``names`` maps it to a plain name.
    """
    names = names or {}
    rows = max(len(column) for column in images.values())
    height, width = next(iter(images.values()))[0].shape[:2]
    columns = max(len(images), 5)  # a few classes do not become giants
    tile = 9 / columns * 0.97
    figure = Figure(figsize=(9, rows * tile * height / width + 0.62))
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)
    grid = figure.subplots(rows, columns, squeeze=False)
    characters = max(8, int(tile * 11))
    for axes in grid[:, len(images) :].flat:
        axes.set_axis_off()
    for column, (name, pictures) in enumerate(images.items()):
        for row in range(rows):
            _picture(grid[row, column], pictures[row] if row < len(pictures) else None)
        plain = _wrapped(names.get(name, ""), characters)
        grid[0, column].set_title(
            f"{name}\n{plain}" if plain and plain != name else name,
            fontsize=8,
            fontweight="normal",
            loc="center",
            pad=4,
        )
    return figure


@styled
def image_rows(
    rows: Mapping[str, Sequence[np.ndarray]], notes: Mapping[str, Sequence[str]] | None = None
) -> Figure:
    """Labelled rows of square images; ``notes`` stand below the images of a row."""
    notes = notes or {}
    columns = max(len(pictures) for pictures in rows.values())
    label = 1.15
    tile = (9 - label) / columns
    figure = Figure(figsize=(9, len(rows) * tile + 0.2 * len(notes) + 0.05))
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.02, wspace=0, hspace=0)
    grid = figure.subplots(len(rows), columns + 1, squeeze=False, width_ratios=[label, *[tile] * columns])
    for row, (name, pictures) in enumerate(rows.items()):
        grid[row, 0].axis("off")
        grid[row, 0].text(
            0, 0.5, _wrapped(name, 15), transform=grid[row, 0].transAxes, va="center", fontsize=8.5
        )
        for column in range(columns):
            axes = grid[row, column + 1]
            _picture(axes, pictures[column] if column < len(pictures) else None)
            if column < len(notes.get(name, ())):
                axes.set_xlabel(notes[name][column], fontsize=8, labelpad=2)
    return figure


def synthetic_samples(
    real: Sequence[np.ndarray], images: np.ndarray, scores: pd.DataFrame, columns: int = 8, seed: int = 0
) -> Figure:
    """The paper's Figure 4: real images above kept, best and worst synthetic ones.

    ``images`` are uint8 (count, R, R, 3); ``scores`` has index, score, rank and selected per image.
    """
    ranked = scores.sort_values("rank")
    kept = ranked[ranked["selected"] == 1]
    drawn = kept.sample(min(columns, len(kept)), random_state=seed).sort_values("rank")
    chosen = {
        "Kept, drawn at random": drawn,
        "Best scores": ranked.head(columns),
        "Worst scores": ranked.tail(columns),
    }
    rows: dict[str, Sequence[np.ndarray]] = {"Real": list(real)[:columns]}
    notes = {}
    for name, part in chosen.items():
        rows[name] = [images[index] for index in part["index"]]
        notes[name] = [significant(score) for score in part["score"]]
    return image_rows(rows, notes)


@styled
def film_strip(directory: Path, frames: int = 10, rows: int = 3, columns: int = 6) -> Figure:
    """Samples of the generator over its training, the same latent codes in a row.

    ``directory`` holds grids, step-<number>.png, each of square tiles, ``columns`` wide; the first ``rows`` tiles are
    shown, at no more than ``frames`` steps, evenly from the first to the last.
    """
    from PIL import Image

    files = {int(file.stem.split("-")[1]): file for file in Path(directory).glob("step-*.png")}
    if not files:
        return empty("No samples were written during this training.")
    tiles = {}
    for step in _evenly(sorted(files), frames):
        with Image.open(files[step]) as opened:
            tiles[step] = _tiles(np.asarray(opened.convert("RGB")), columns)[:rows]
    height = min(rows, *map(len, tiles.values()))
    side = min(
        9 / len(tiles), 1.5
    )  # inches; a few small images do not become giants, and stand in the middle
    width = len(tiles) * side / 9
    figure = Figure(figsize=(9, height * side + 0.2))
    figure.get_layout_engine().set(
        w_pad=0.015, h_pad=0.015, wspace=0, hspace=0, rect=((1 - width) / 2, 0, width, 1)
    )
    grid = figure.subplots(height, len(tiles), squeeze=False)
    for column, (step, pictures) in zip(grid.T, tiles.items(), strict=True):
        for axes, picture in zip(column, pictures, strict=False):
            _picture(axes, picture)
        column[0].set_title(f"step {step:,}", fontsize=8, fontweight="normal", loc="center", pad=3)
    return figure


def _evenly(steps: Sequence[int], count: int) -> list[int]:
    """At most ``count`` of the sorted steps: the first, the last, and those nearest to even distances between them."""
    if len(steps) <= count:
        return list(steps)
    return sorted(
        {
            min(steps, key=lambda step: abs(step - wanted))
            for wanted in np.linspace(steps[0], steps[-1], count)
        }
    )


def _tiles(grid: np.ndarray, columns: int) -> list[np.ndarray]:
    """The square tiles of a grid, row by row."""
    side = grid.shape[1] // columns
    return [
        grid[top : top + side, left : left + side]
        for top in range(0, grid.shape[0] - side + 1, side)
        for left in range(0, grid.shape[1] - side + 1, side)
    ]


def _picture(axes, picture: np.ndarray | None) -> None:
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if picture is None:
        axes.set_axis_off()
    else:
        axes.imshow(
            picture, interpolation="nearest" if picture.shape[1] < 200 else "antialiased", aspect="equal"
        )


# --- data ---------------------------------------------------------------------------------------


@styled
def class_distribution(split: pd.DataFrame, target: str, names: Mapping[str, str] | None = None) -> Figure:
    """The paper's Figure 2: images per class, stacked by part of the split, from zero.

    ``split`` has columns dx and split.
    """
    names = names or {}
    counts = pd.crosstab(split["dx"], split["split"]).reindex(columns=list(SPLITS), fill_value=0)
    counts = counts.loc[counts.sum(axis=1).sort_values().index]
    totals = counts.sum(axis=1)
    figure = Figure(figsize=(9, 0.9 + 0.36 * len(counts)))
    axes = figure.subplots()
    left = np.zeros(len(counts))
    for part, colour in SPLITS.items():
        axes.barh(range(len(counts)), counts[part], left=left, color=colour, label=part, height=0.68)
        left += counts[part].to_numpy()
    for row, total in enumerate(totals):
        axes.annotate(
            f"{total:,}  ({total / totals.sum():.1%})",
            (total, row),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(
        range(len(counts)), [f"{names[name]} ({name})" if name in names else name for name in counts.index]
    )
    for label, name in zip(axes.get_yticklabels(), counts.index, strict=True):
        label.set_fontweight("bold" if name == target else "normal")
    axes.set_xlim(0, totals.max() * 1.14)
    axes.set_xlabel("images")
    axes.grid(False, axis="y")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.legend(loc="lower right", ncols=3)
    return figure


# --- generative network -------------------------------------------------------------------------


@styled
def gan_training(history: pd.DataFrame) -> Figure:
    """The paper's Figure 3: both losses, both mean scores and the gradient penalty over generator steps."""
    traces = [
        ("Generator loss", {"generator_loss": (INK, None)}),
        ("Critic loss", {"critic_loss": (INK, None)}),
        (
            "Mean critic score",
            {"score_real": (SPLITS["train"], "real"), "score_fake": ("#D55E00", "generated")},
        ),
        ("Gradient penalty", {"gradient_penalty": (INK, None)}),
    ]
    figure = Figure(figsize=(9, 5))
    panels = figure.subplots(2, 2, sharex=True).ravel()
    for axes, (title, lines) in zip(panels, traces, strict=True):
        for column, (colour, label) in lines.items():
            _trace(axes, history["step"], history[column], colour, label)
        low, high = _without_spikes(history[list(lines)].to_numpy())
        axes.set_ylim(0 if title == "Gradient penalty" else low, high)
        axes.set_title(title)
        axes.margins(x=0.01)
    panels[2].legend(loc="best", ncols=2)
    for axes in panels[2:]:
        axes.set_xlabel("generator step")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.xaxis.set_major_formatter("{x:,.0f}")
    return figure


def _trace(axes, steps: pd.Series, values: pd.Series, colour: str, label: str | None) -> None:
    """A faint raw line under its running median."""
    window = max(1, len(values) // 25)
    if window > 1:
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.7)
    axes.plot(steps, values.rolling(window, center=True, min_periods=1).median(), color=colour, label=label)


def _without_spikes(values: np.ndarray) -> tuple[float, float]:
    """Limits of an axis on which a few spikes, as at the first steps, do not flatten the rest."""
    low, high = (
        np.nanquantile(values[np.isfinite(values)], [0.005, 0.995])
        if np.isfinite(values).any()
        else (0.0, 1.0)
    )
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


@styled
def score_histogram(scores: pd.DataFrame) -> Figure:
    """How the critic scored the synthetic images, and the cut above which they are kept."""
    figure = Figure(figsize=(9, 3))
    axes = figure.subplots()
    kept = scores["selected"] == 1
    cut = scores.loc[kept, "score"].min()
    bins = _bins_with_edge(scores["score"].to_numpy(), cut)
    axes.hist(
        [scores.loc[kept, "score"], scores.loc[~kept, "score"]],
        bins=bins,
        stacked=True,
        color=["#009E73", "#C9CED3"],
        edgecolor="white",
    )
    axes.axvline(cut, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        f" cut at {significant(cut)}", (cut, 0.97), xycoords=("data", "axes fraction"), va="top", fontsize=8
    )
    axes.set_xlabel("critic score (higher: more like a training image, to this critic)")
    axes.set_ylabel("synthetic images")
    axes.grid(False, axis="x")
    axes.set_ylim(top=1.12 * axes.get_ylim()[1])  # room for the label of the cut
    handles = [
        Patch(color="#C9CED3", label=f"left out ({(~kept).sum():,})"),
        Patch(color="#009E73", label=f"kept ({kept.sum():,})"),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
    return figure


def _bins_with_edge(values: np.ndarray, edge: float) -> np.ndarray:
    """Equal bins over ``values`` of which one begins at ``edge``."""
    low, high = values.min(), values.max()
    width = (high - low) / min(40, max(8, 2 * int(np.sqrt(len(values))))) or 1.0
    return edge + width * np.arange(
        np.floor((low - edge) / width - 1e-9), np.floor((high - edge) / width) + 2
    )


@styled
def filter_sweep(sweep: pd.DataFrame, keep_fraction: float) -> Figure:
    """Each measure over the share of images that the filter keeps, beside what held-out real images reach.

    ``sweep`` is synthetic/seed-<g>/filter-sweep.csv: lines are means over the draws, bands their middle 95 %.
    """
    kept, real = sweep[sweep["set"] == "kept"], sweep[sweep["set"] == "real"]
    figure = Figure(figsize=(9, 4.8))
    panels = figure.subplots(2, 3, sharex=True)
    for axes, (measure, (_, better)) in zip(panels.T.flat, MEASURE_NAMES.items(), strict=True):
        steps, floor = (
            kept[kept["measure"] == measure].sort_values("fraction"),
            real[real["measure"] == measure],
        )
        places = 100 * steps["fraction"]
        axes.fill_between(places, steps["low"], steps["high"], color=SYNTHETIC, alpha=0.2, linewidth=0)
        axes.plot(places, steps["value"], "o-", color=SYNTHETIC, markersize=4)
        for row in floor.itertuples():
            axes.axhspan(row.low, row.high, color=FAINT, alpha=0.2, linewidth=0)
            axes.axhline(row.value, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.axvline(100 * keep_fraction, color=INK, linewidth=0.8, linestyle=":")
        if better == "higher":
            axes.set_ylim(bottom=0)
        axes.set_title(
            f"{capitalised(measure_name(measure, sweep['features'].iloc[0]))} ({better} is better)",
            fontsize=9,
        )
    for axes in panels[-1]:
        axes.set_xlabel("share of images kept, %")
        axes.set_xticks(range(20, 101, 20))
    handles = [
        Line2D([], [], color=SYNTHETIC, marker="o", markersize=4, label="best synthetic images"),
        Line2D([], [], color=INK, linewidth=1, linestyle=(0, (4, 3)), label="held-out real images"),
        Line2D([], [], color=INK, linewidth=0.8, linestyle=":", label="this run's filter"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def closest_pairs(images: np.ndarray, real: np.ndarray, pairs: pd.DataFrame, policy: str = "show") -> Figure:
    """The synthetic images nearest to a training image, above that image, veiled as ``policy`` says; the numbers are distances.

    ``images`` and ``real`` are uint8 (N, R, R, 3), ``pairs`` is synthetic/seed-<g>/memorisation-pairs.csv; a training image is turned as its
    column mirrored says: 1 left and right, 2 top and bottom, 3 both.
    """
    rows: dict[str, Sequence[np.ndarray]] = {}
    notes = {}
    for space, part in pairs.groupby("space", sort=False):
        where = "features" if space in FEATURE_NAMES else "pixels"
        below = f"Nearest training image by {where}"
        rows[f"Synthetic ({where})"] = [images[index] for index in part["synthetic_index"]]
        turned = [
            real[row.training_index, :: 1 - 2 * (row.mirrored // 2), :: 1 - 2 * (row.mirrored % 2)]
            for row in part.itertuples()
        ]
        rows[below] = veil(turned, policy)
        notes[below] = [significant(distance) for distance in part["distance"]]
    return image_rows(rows, notes)


# --- classifier ---------------------------------------------------------------------------------


def overall_metrics(
    metrics: pd.DataFrame, paper: pd.DataFrame | None = None, intervals: pd.DataFrame | None = None
) -> Figure:
    """The paper's Figure 5: its overall metrics as bars, and ours as dots per replicate with their mean and its interval.

    ``metrics`` is evaluation/metrics.csv (shares); ``paper`` the paper's values, one row per arm; ``intervals`` is evaluation/arms.csv.
    """
    return _metric_panels(metrics, paper, OVERALL, intervals)


def melanoma_metrics(
    metrics: pd.DataFrame, paper: pd.DataFrame | None = None, intervals: pd.DataFrame | None = None
) -> Figure:
    """The paper's Figure 6: the same for the target class's precision, recall, specificity and F1."""
    return _metric_panels(metrics, paper, TARGET, intervals)


@styled
def _metric_panels(
    metrics: pd.DataFrame, paper: pd.DataFrame | None, columns: Sequence[str], intervals: pd.DataFrame | None
) -> Figure:
    arms = list(dict.fromkeys(metrics["arm"]))
    published = (
        []
        if paper is None
        else [arm for arm in dict.fromkeys(paper["arm"]) if set(columns) <= set(paper.columns)]
    )
    colours = arm_colours([*arms, *published])
    ends = (
        {}
        if intervals is None
        else {
            (row.arm, row.metric): (row.low, row.high)
            for row in intervals.itertuples()
            if np.isfinite(row.low)
        }
    )
    many = len(arms) > MANY_ARMS
    figure = Figure(figsize=(9, 6.6 if many and published else 3.9))
    if published:
        bars, dots = (
            figure.subplots(2, 1, height_ratios=[1, 1.6])
            if many
            else figure.subplots(1, 2, width_ratios=[1, 1.35])
        )
        _paper_bars(bars, paper.set_index("arm").loc[published], columns, colours, 20 if many else 9)
    else:
        dots = figure.subplots()
    _replicate_dots(dots, metrics, paper if published else None, columns, colours, ends)
    handles = [Patch(color=colours[arm], label=arm) for arm in dict.fromkeys([*arms, *published])]
    handles += [
        Line2D([], [], color=INK, marker="o", linestyle="", markersize=4, label="one replicate"),
        Line2D([], [], color=INK, linewidth=2, label="mean"),
    ]
    if ends:
        handles.append(
            Line2D(
                [],
                [],
                color=INK,
                marker="|",
                linestyle="",
                markersize=9,
                markeredgewidth=0.9,
                label="its interval",
            )
        )
    if published:
        handles.append(
            Line2D(
                [],
                [],
                color=INK,
                marker="D",
                markerfacecolor="none",
                linestyle="",
                markersize=5,
                label="the paper's value",
            )
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 7))
    return figure


def _paper_bars(
    axes, paper: pd.DataFrame, columns: Sequence[str], colours: Mapping[str, str], label_width: int
) -> None:
    width = 0.8 / len(paper)
    for index, arm in enumerate(paper.index):
        axes.bar(
            np.arange(len(columns)) - 0.4 + (index + 0.5) * width,
            100 * paper.loc[arm, list(columns)].astype(float),
            width * 0.92,
            color=colours[arm],
        )
    axes.set_title("Paper")
    axes.set_ylabel("percent")
    axes.set_ylim(0, 100)
    _metric_ticks(axes, columns, label_width)


def _replicate_dots(
    axes,
    metrics: pd.DataFrame,
    paper: pd.DataFrame | None,
    columns: Sequence[str],
    colours: Mapping[str, str],
    ends: Mapping[tuple[str, str], tuple[float, float]],
) -> None:
    arms = list(dict.fromkeys(metrics["arm"]))
    step = 0.8 / len(arms)
    for index, arm in enumerate(arms):
        part = metrics[metrics["arm"] == arm]
        for place, column in enumerate(columns):
            centre = place - 0.4 + (index + 0.5) * step
            values = 100 * part[column].to_numpy(dtype=float)
            spread = np.linspace(-0.22, 0.22, len(values)) * step if len(values) > 1 else [0.0]
            axes.plot(
                centre + np.asarray(spread),
                values,
                "o",
                color=colours[arm],
                markersize=4 if len(arms) < 5 else 3,
                alpha=0.75,
                markeredgewidth=0,
            )
            axes.plot(
                [centre - 0.36 * step, centre + 0.36 * step],
                [values.mean()] * 2,
                color=colours[arm],
                linewidth=2,
                solid_capstyle="butt",
            )
            if (arm, column) in ends:
                axes.plot(
                    [centre] * 2,
                    [100 * end for end in ends[arm, column]],
                    color=colours[arm],
                    linewidth=0.9,
                    alpha=0.8,
                    zorder=1,
                )
            row = paper[paper["arm"] == arm] if paper is not None else ()
            if len(row):
                axes.plot(
                    centre,
                    100 * float(row[column].iloc[0]),
                    "D",
                    markerfacecolor="none",
                    markeredgecolor=INK,
                    markersize=5,
                    markeredgewidth=0.9,
                )
    low, high = axes.get_ylim()
    axes.set_ylim(low - 1, min(100.5, high + 1))
    replicates = metrics["replicate"].nunique()
    axes.set_title(f"This run ({replicates} replicate{'s' * (replicates != 1)} per arm)")
    axes.set_ylabel("percent, not from zero")
    for boundary in np.arange(0.5, len(columns) - 0.5):
        axes.axvline(boundary, color="#E4E4E4", linewidth=0.6)
    _metric_ticks(axes, columns, 12)


def _metric_ticks(axes, columns: Sequence[str], width: int) -> None:
    axes.set_xticks(range(len(columns)), [_wrapped(metric_name(column), width) for column in columns])
    axes.tick_params(axis="x", length=0)
    axes.grid(False, axis="x")
    axes.set_xlim(-0.5, len(columns) - 0.5)


@styled
def confusion_matrices(confusion: Mapping[str, pd.DataFrame]) -> Figure:
    """The paper's Figure 7: a matrix per arm, its replicates added; shade is the share of the row, the number a count.

    ``confusion`` maps an arm to evaluation/confusion-<arm>.csv (replicate, label, prediction, count).
    """
    columns = 3
    rows = -(-len(confusion) // columns)
    classes = sorted(set(next(iter(confusion.values()))["label"]))
    figure = Figure(
        figsize=(9, 3.2 * rows + 0.6), layout="compressed"
    )  # square panels keep their titles inside
    figure.get_layout_engine().set(h_pad=0.08)
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
    figure = Figure(figsize=(9, 0.9 + 0.3 * len(classes)))
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
        axes.legend(loc="lower right", ncols=2)
    for row, place in enumerate(order):
        text = f"{real[place]:,}" + (f" + {made[place]:,}" if made[place] else "")
        axes.annotate(
            text,
            (real[place] + made[place], row),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(classes)), [classes[place] for place in order])
    axes.set_xlim(0, 1.14 * (real + made).max())
    axes.set_xlabel("training images")
    axes.grid(False, axis="y")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    return figure


@styled
def classifier_curves(history: pd.DataFrame) -> Figure:
    """The paper's Figure 8: losses and accuracies over epochs, a line per arm and replicate, a dot at the best epoch.

    ``history`` has columns arm, replicate, best_epoch and those of a classifier's history.csv. Few arms share a panel each for training and
    validation; of many each has its own, with training dotted.
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
        line = {
            "linestyle": ":" if apart and part == "train" else "-",
            "linewidth": 1.1 if few else 0.7,
            "alpha": 0.8 if few else 0.6,
        }
        dot = {"markersize": 4.5 if few else 3.5, "markeredgecolor": "white", "markeredgewidth": 0.6}
        for (arm, _), rows in history.groupby(["arm", "replicate"], sort=False):
            drawn[arm].plot(rows["epoch"], factor * rows[column], color=colours[arm], **line)
            if part == "validation":
                best = rows[rows["epoch"] == rows["best_epoch"]]
                drawn[arm].plot(best["epoch"], factor * best[column], "o", color=colours[arm], **dot)
    for measure in ("loss", "accuracy"):  # training and validation, and every arm, on one scale
        row = [axes for part in ("train", "validation") for axes in panels[part, measure].values()]
        limits = np.array([axes.get_ylim() for axes in row])
        for axes in row:
            axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())
            axes.xaxis.get_major_locator().set_params(integer=True)
    keys = (
        {"validation": (INK, "-"), "training": (INK, ":")}
        if apart
        else {arm: (colour, "-") for arm, colour in colours.items()}
    )
    handles = [
        Line2D([], [], color=colour, linestyle=style, label=label) for label, (colour, style) in keys.items()
    ]
    handles.append(Line2D([], [], color=INK, marker="o", linestyle="", markersize=4, label="best epoch"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(8, len(handles)))
    return figure


def _curve_panels(arms: Sequence[str]) -> tuple[Figure, dict[tuple[str, str], dict[str, Axes]]]:
    """A figure and, for ('train' or 'validation', 'loss' or 'accuracy'), the axes in which each arm is drawn."""
    measures = ("loss", "accuracy")
    if panel_per_arm(arms):
        figure, grid = _arm_panels(arms, {"Loss": ("epoch", ""), "Accuracy, %": ("epoch", "")}, 0)
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


def _lesion_legend(figure: Figure, colour: str) -> None:
    """Filled: test images whose lesion was trained on; hollow: of new lesions."""
    kinds = {"lesion also in training": colour, "lesion new to the classifier": "white"}
    handles = [
        Line2D(
            [], [], color=colour, marker="o", markerfacecolor=fill, linestyle="", markersize=6, label=label
        )
        for label, fill in kinds.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)


@styled
def seen_unseen(table: pd.DataFrame, target: str) -> Figure:
    """Accuracy and the target class's recall on test lesions that were, and were not, photographed in the training set.

    ``table`` has columns arm, replicate, lesions ('seen' and 'unseen'), accuracy and target_recall (shares).
    """
    arms = list(dict.fromkeys(table["arm"]))
    colours = arm_colours(arms)
    figure = Figure(figsize=(9, 0.9 + 0.42 * len(arms)))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, column, title in zip(
        panels, ["accuracy", "target_recall"], ["Accuracy, %", f"Recall of {target}, %"], strict=True
    ):
        for row, arm in enumerate(arms):
            means = 100 * table[table["arm"] == arm].groupby("lesions")[column].mean()
            axes.plot(means, [row] * len(means), color=colours[arm], linewidth=2, alpha=0.45)
            for lesions, fill in (("seen", colours[arm]), ("unseen", "white")):
                values = 100 * table[(table["arm"] == arm) & (table["lesions"] == lesions)][column]
                axes.plot(values, [row] * len(values), "|", color=colours[arm], markersize=6, alpha=0.6)
                axes.plot(
                    means[lesions],
                    row,
                    "o",
                    markerfacecolor=fill,
                    markeredgecolor=colours[arm],
                    markersize=7,
                    markeredgewidth=1.5,
                )
        axes.set_title(title)
        axes.locator_params(axis="x", nbins=6)
    panels[0].set_yticks(range(len(arms)), arms)
    panels[0].set_ylim(len(arms) - 0.5, -0.5)
    _lesion_legend(figure, INK)
    return figure


@styled
def forest(
    comparisons: pd.DataFrame,
    metrics: Sequence[str] = ("accuracy", "macro_recall", "target_recall", "target_precision"),
    smallest_effect: float | None = None,
    target: str = "",
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Differences to the reference arm in points with their intervals, a panel per metric, each on a scale of its own; the band is the smallest effect of interest.

    ``comparisons`` is evaluation/comparisons.csv; a row without an interval is drawn as its point alone. Squares of primary contrasts are
    filled, those of exploratory ones hollow.
    """
    rows = comparisons[comparisons["metric"].isin(metrics)]
    if rows.empty:
        return empty("There is no second arm to compare.")
    arms = list(dict.fromkeys(rows["arm"]))
    colours = colours or arm_colours([*rows["reference"], *arms])
    shown = [metric for metric in metrics if metric in set(rows["metric"])]
    figure = Figure(figsize=(9, 1.2 + 0.36 * len(arms)))
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, shown, strict=True):
        if smallest_effect:
            axes.axvspan(-100 * smallest_effect, 100 * smallest_effect, color="#F0F0F0", zorder=0)
        axes.axvline(0, color=FAINT, linewidth=1)
        for place, arm in enumerate(arms):
            for _, row in rows[(rows["arm"] == arm) & (rows["metric"] == metric)].iterrows():
                if np.isfinite(row["low"]) and np.isfinite(row["high"]):
                    axes.plot(
                        [100 * row["low"], 100 * row["high"]],
                        [place, place],
                        color=colours[arm],
                        linewidth=2,
                        solid_capstyle="butt",
                    )
                fill = colours[arm] if row.get("role") == "primary" else "white"
                axes.plot(
                    100 * row["difference"],
                    place,
                    "s",
                    markerfacecolor=fill,
                    markeredgecolor=colours[arm],
                    markeredgewidth=1.4,
                    markersize=5.5,
                )
        axes.set_title(metric_name(metric, target), fontsize=9)
        axes.set_xlabel(f"points above {rows['reference'].iloc[0]}")
        axes.grid(False, axis="y")
        widest = max(
            5, *(abs(value) for value in axes.get_xlim())
        )  # points; a scale narrower than that magnifies nothing
        axes.set_xlim(-widest, widest)
    panels[0].set_yticks(range(len(arms)), arms)
    panels[0].set_ylim(len(arms) - 0.5, -0.5)
    if handles := _role_handles(rows):
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _role_handles(rows: pd.DataFrame) -> list[Line2D]:
    """Keys of the filled and hollow squares that are there."""
    roles = set(rows["role"]) if "role" in rows else {"exploratory"}
    fills = {"primary": INK, "exploratory": "white"}
    return [
        Line2D([], [], marker="s", linestyle="", markerfacecolor=fills[role], markeredgecolor=INK, label=role)
        for role in fills
        if role in roles
    ]


@styled
def empty(sentence: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure = Figure(figsize=(9, 0.8))
    axes = figure.subplots()
    axes.axis("off")
    axes.text(0.5, 0.5, sentence, ha="center", va="center", color=FAINT)
    return figure


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False)


# --- evaluation ---------------------------------------------------------------------------------


@styled
def named_contrasts(
    contrasts: pd.DataFrame, metrics: pd.DataFrame, smallest_effect: float, metric: str = "target_recall"
) -> Figure:
    """The contrasts named beforehand on one metric, in points: a dot per replicate, the interval thick, the bootstrap's thin below it.

    ``contrasts`` and ``metrics`` are the tables of evaluation/. Without an interval the dots stand alone.
    """
    rows = contrasts[contrasts["metric"] == metric]
    if rows.empty:
        return empty("The run has none of the arms that the contrasts named beforehand need.")
    values = metrics.pivot_table(index="replicate", columns="arm", values=metric)
    colours = arm_colours([*rows["arm"], *rows["reference"]])
    figure = Figure(figsize=(9, 1.2 + 0.5 * len(rows)))
    axes = figure.subplots()
    axes.axvspan(-100 * smallest_effect, 100 * smallest_effect, color="#F0F0F0", zorder=0)
    axes.axvline(0, color=FAINT, linewidth=1)
    for place, (_, row) in enumerate(rows.iterrows()):
        colour = colours[row["arm"]]
        lifted = place - 0.2 * np.isfinite(
            row["low"]
        )  # dots stand above an interval, and in its place where there is none
        axes.plot(
            100 * (values[row["arm"]] - values[row["reference"]]),
            [lifted] * len(values),
            "o",
            color=colour,
            alpha=0.5,
            markersize=5,
            markeredgewidth=0,
        )
        for low, high, offset, width in (
            ("low", "high", 0, 2.4),
            ("bootstrap_low", "bootstrap_high", 0.22, 0.9),
        ):
            if np.isfinite(row[low]):
                axes.plot(
                    [100 * row[low], 100 * row[high]],
                    [place + offset] * 2,
                    color=colour,
                    linewidth=width,
                    solid_capstyle="butt",
                )
        if np.isfinite(row["low"]):
            fill = colour if row["role"] == "primary" else "white"
            axes.plot(
                100 * row["difference"],
                place,
                "s",
                markerfacecolor=fill,
                markeredgecolor=colour,
                markeredgewidth=1.4,
                markersize=7,
            )
    widest = max(5, *(abs(value) for value in axes.get_xlim()))
    axes.set_xlim(-widest, widest)
    axes.set_yticks(
        range(len(rows)),
        [f"{row.arm} \N{MINUS SIGN} {row.reference}\n({row.role})" for row in rows.itertuples()],
    )
    axes.set_ylim(len(rows) - 0.4, -0.5)
    axes.set_xlabel(f"difference in {metric_words(metric)}, points")
    axes.grid(False, axis="y")
    handles = [
        Line2D(
            [],
            [],
            color=INK,
            marker="o",
            alpha=0.5,
            markersize=5,
            linestyle="",
            markeredgewidth=0,
            label="one replicate",
        )
    ]
    if rows["low"].notna().any():
        handles.append(Line2D([], [], color=INK, linewidth=2.4, marker="s", label="interval"))
        handles.append(Line2D([], [], color=INK, linewidth=0.9, label="the same by bootstrap"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def panel_per_arm(arms: Iterable[str]) -> bool:
    """Whether the figures of curves give each arm a panel of its own: more lines than a few in one hide one another."""
    return len(set(arms)) > MANY_ARMS


def _arm_panels(
    arms: Sequence[str], titles: Mapping[str, tuple[str, str]], height: float, **shared: bool
) -> tuple[Figure, list[dict[str, Axes]]]:
    """A figure and, per title, the axes in which each arm is drawn: one for all of a few arms, a small one for each of many.

    ``titles`` maps a title to the labels of its x and y axis; ``height`` is that of few arms, inches; ``shared`` goes to their subplots.
    """
    if not panel_per_arm(arms):
        figure = Figure(figsize=(9, height))
        panels = figure.subplots(1, len(titles), squeeze=False, **shared)[0]
        for axes, (title, (x, y)) in zip(panels, titles.items(), strict=True):
            axes.set(title=title, xlabel=x, ylabel=y)
        return figure, [dict.fromkeys(arms, axes) for axes in panels]
    rows, found = -(-len(arms) // MANY_ARMS), []
    figure = Figure(figsize=(9, len(titles) * (0.55 + 1.55 * rows)))
    for part, (title, (x, y)) in zip(
        figure.subfigures(len(titles), 1, squeeze=False)[:, 0], titles.items(), strict=True
    ):
        grid = part.subplots(rows, MANY_ARMS, sharex=True, sharey=True, squeeze=False).ravel()
        part.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
        part.supxlabel(x, fontsize=8.5)
        part.supylabel(y, fontsize=8.5)
        for axes in grid[len(arms) :]:
            axes.set_axis_off()
        for axes, arm in zip(grid, arms, strict=False):
            axes.set_title(arm, fontsize=8.5, fontweight="normal", pad=3)
        found.append(dict(zip(arms, grid, strict=False)))
    return figure, found


def _draw_arms(panels: Mapping[str, Axes], reference: str, draw: Callable[[Axes, str, str], None]) -> None:
    """Call ``draw(axes, arm, colour)`` for every arm; where each has its own panel, first for the reference, in grey."""
    for arm, axes in panels.items():
        if panel_per_arm(panels) and arm != reference and reference in panels:
            draw(axes, reference, BEHIND)
        draw(axes, arm, arm_colours(panels)[arm])


def _arm_legend(figure: Figure, arms: Sequence[str], reference: str, *more: Line2D, **marks: Any) -> None:
    """Keys of the arms' colours, or, where each arm has its own panel, of the grey behind it; ``more`` follow."""
    colours = {reference: BEHIND} if panel_per_arm(arms) else arm_colours(arms)
    handles = [Line2D([], [], color=colour, label=arm, **marks) for arm, colour in colours.items()]
    figure.legend(handles=[*handles, *more], loc="outside lower center", ncols=6)


@styled
def discrimination(curves: pd.DataFrame, target: str, reference: str) -> Figure:
    """ROC and precision-recall curves of the target: the mean over replicates as a line, each replicate faint.

    ``curves`` is evaluation/curves.csv. Many arms have a panel each, with the reference in grey.
    """
    if curves.empty:
        return empty(f"The test images have no {target}, or nothing else.")
    arms = list(dict.fromkeys(curves["arm"]))
    titles = {
        f"ROC, {target}": ("1 \N{MINUS SIGN} specificity, %", "sensitivity, %"),
        f"Precision and recall, {target}": ("recall (sensitivity), %", "precision, %"),
    }
    figure, parts = _arm_panels(arms, titles, 4.3)
    for name, panels in zip(("roc", "precision_recall"), parts, strict=True):
        lines = 100 * curves[curves["curve"] == name].pivot_table(
            index="x", columns=["arm", "replicate"], values="y"
        )

        def draw(axes: Axes, arm: str, colour: str, lines: pd.DataFrame = lines) -> None:
            if lines[arm].shape[1] > 1 and colour != BEHIND:
                axes.plot(100 * lines.index, lines[arm], color=colour, linewidth=0.6, alpha=0.3)
            axes.plot(100 * lines.index, lines[arm].mean(axis=1), color=colour, linewidth=1.8)

        _draw_arms(panels, reference, draw)
        for axes in set(panels.values()):
            axes.set(xlim=(-1, 101), ylim=(0, 102))
            if name == "roc":
                axes.plot([0, 100], [0, 100], color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
    _arm_legend(figure, arms, reference)
    return figure


@styled
def reliability(bins: pd.DataFrame, target: str, reference: str) -> Figure:
    """Reliability diagram: how often it is so against how probable it was called, of the predicted class and of the target.

    ``bins`` is evaluation/reliability.csv. Lines join the bins with all replicates added, dots grow with the images in them. Many arms
    have a panel each, with the reference in grey.
    """
    arms = list(dict.fromkeys(bins["arm"]))
    axis = ("probability, %", "how often it was so, %")
    figure, parts = _arm_panels(
        arms, {"Predicted class": axis, f"Probability of {target}": axis}, 4.5, sharex=True, sharey=True
    )
    bins = bins.assign(
        p=100 * bins["images"] * bins["probability"], f=100 * bins["images"] * bins["frequency"]
    )
    for of, panels in zip(("predicted class", "target"), parts, strict=True):
        added = bins[bins["probability_of"] == of].groupby(["arm", "bin_from"])[["images", "p", "f"]].sum()

        def draw(axes: Axes, arm: str, colour: str, added: pd.DataFrame = added) -> None:
            rows, grown = added.loc[arm], 30 if panel_per_arm(arms) else 110
            x, y = rows["p"] / rows["images"], rows["f"] / rows["images"]
            axes.plot(x, y, color=colour, linewidth=1.2, alpha=0.8)
            axes.scatter(
                x,
                y,
                s=6 + grown * np.sqrt(rows["images"] / rows["images"].sum()),
                color=colour,
                alpha=0.75,
                linewidths=0,
            )

        _draw_arms(panels, reference, draw)
        for axes in set(panels.values()):
            axes.plot([0, 100], [0, 100], color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
            axes.set(xlim=(-3, 103), ylim=(-3, 103))
    _arm_legend(figure, arms, reference, marker="o")
    return figure


@styled
def decision_curve(table: pd.DataFrame, target: str, reference: str) -> Figure:
    """Net benefit over threshold probabilities, per 100 images: the mean of each arm, its interval as a band where arms leave it legible.

    ``table`` is evaluation/decision_curve.csv. The dashed line acts on every image, the line at zero on none. Many arms have a panel each,
    with the reference in grey.
    """
    if table.empty:
        return empty(f"The classifiers know no class {target}.")
    arms = list(dict.fromkeys(table["arm"]))
    labels = (f"threshold probability of {target} from which one acts, %", "net benefit per 100 images")
    figure, (panels,) = _arm_panels(arms, {"": labels}, 3.9)
    shares = table.set_index("arm").mul(100)

    def draw(axes: Axes, arm: str, colour: str) -> None:
        part = shares.loc[arm]
        if len(arms) <= 3 or panel_per_arm(arms):
            axes.fill_between(
                part["threshold"],
                part["low"],
                part["high"],
                color=colour,
                alpha=0.15 if colour == BEHIND else 0.1,
                linewidth=0,
            )
        axes.plot(part["threshold"], part["mean"], color=colour, linewidth=1.8)

    _draw_arms(panels, reference, draw)
    everyone, dashed = shares.loc[arms[0]], {"color": INK, "linewidth": 1, "linestyle": (0, (4, 3))}
    top = shares[["mean", "act_on_all"]].max(axis=None)
    for axes in set(panels.values()):
        axes.plot(everyone["threshold"], everyone["act_on_all"], **dashed)
        axes.axhline(0, color=FAINT, linewidth=1)
        axes.set(xlim=(0, shares["threshold"].max()), ylim=(-0.25 * top, 1.25 * top))
    _arm_legend(figure, arms, reference, Line2D([], [], label="act on all", **dashed))
    return figure


@styled
def recall_gap(leak: pd.DataFrame, arm: str) -> Figure:
    """One arm's recall of every class on lesions that were trained on (filled) and that are new (hollow); right, the gap with its interval.

    ``leak`` is evaluation/leak.csv.
    """
    rows = leak[leak["arm"] == arm].reset_index(drop=True)
    if rows.empty:
        return empty(
            "No class has both lesions that were trained on and new ones, or the data do not name lesions."
        )
    colour = arm_colours(leak["arm"])[arm]
    figure = Figure(figsize=(9, 1.3 + 0.34 * len(rows)))
    recall, gap = figure.subplots(1, 2, sharey=True)
    gap.axvline(0, color=FAINT, linewidth=1)
    for place, row in rows.iterrows():
        recall.plot(
            [100 * row["unseen_recall"], 100 * row["seen_recall"]],
            [place] * 2,
            color=colour,
            linewidth=2,
            alpha=0.45,
        )
        for column, fill in (("seen_recall", colour), ("unseen_recall", "white")):
            recall.plot(
                100 * row[column],
                place,
                "o",
                markerfacecolor=fill,
                markeredgecolor=colour,
                markersize=7,
                markeredgewidth=1.5,
            )
        gap.plot(
            [100 * row["low"], 100 * row["high"]],
            [place] * 2,
            color=colour,
            linewidth=2,
            solid_capstyle="butt",
        )
        gap.plot(
            100 * row["difference"],
            place,
            "s",
            markerfacecolor="white",
            markeredgecolor=colour,
            markeredgewidth=1.4,
            markersize=5.5,
        )
    recall.set_yticks(
        range(len(rows)),
        [f"{row['class']} ({row['seen_images']:,} / {row['unseen_images']:,})" for _, row in rows.iterrows()],
    )
    recall.set_ylim(len(rows) - 0.5, -0.5)
    recall.set_title(f"Recall of {arm}, %")
    gap.set_title("Seen less unseen, points")
    widest = min(100, max(10, *(abs(value) for value in gap.get_xlim())))
    gap.set_xlim(-widest, widest)
    _lesion_legend(figure, colour)
    return figure


@styled
def external_results(
    external: pd.DataFrame,
    target: str,
    metrics: Sequence[str] = (
        "balanced_accuracy",
        "target_recall",
        "target_operating_recall",
        "target_roc_auc",
    ),
) -> Figure:
    """Means and intervals of every arm on the external test set, a panel per metric. ``external`` is evaluation/external.csv."""
    arms = list(dict.fromkeys(external["arm"]))
    colours = arm_colours(arms)
    shown = [metric for metric in metrics if metric in set(external["metric"])]
    figure = Figure(figsize=(9, 1 + 0.36 * len(arms)))
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, shown, strict=True):
        for _, row in external[external["metric"] == metric].iterrows():
            place = arms.index(row["arm"])
            axes.plot(
                [100 * row["low"], 100 * row["high"]],
                [place] * 2,
                color=colours[row["arm"]],
                linewidth=2,
                solid_capstyle="butt",
            )
            axes.plot(100 * row["mean"], place, "s", color=colours[row["arm"]], markersize=5.5)
        axes.set_title(_wrapped(metric_name(metric, target), 26), fontsize=9)
        axes.set_xlabel("percent, not from zero")
        axes.locator_params(axis="x", nbins=5)
        axes.grid(False, axis="y")
    panels[0].set_yticks(range(len(arms)), arms)
    panels[0].set_ylim(len(arms) - 0.5, -0.5)
    return figure
