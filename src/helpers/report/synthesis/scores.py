"""The scores of the synthetic images: how the filter cuts, and how far the scores can be trusted."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch

from helpers.gan.filtering import scored_by
from helpers.report.drawing import DASHED, ELSEWHERE, INK, SYNTHETIC, set_paddings, without_images
from helpers.report.paper_values import Paper
from helpers.report.pictures import draw_image_rows, image_rows, photographs_sentence, rows_height, rows_shown
from helpers.report.style import SMALLEST, styled
from helpers.report.synthesis.scored import AXES, NAMES, best
from helpers.report.synthesis.variety import HEIGHT as COUNTS_HEIGHT
from helpers.report.synthesis.variety import counted_sets, draw_counts, paper_sample
from helpers.report.table import Table, of_row
from helpers.report.words import (
    percent_of_images,
    plain,
    significant,
    with_interval,
)

LEFT_OUT = "#C9CED3"
SHOWN = "synthetic "  # begins the label of an axes that shows the synthetic image of an index


def filter_sentence(scores: pd.DataFrame, keep_fraction: float) -> str:
    """What the filter kept, and how far apart kept and left out images are."""
    kept = scores[scores["selected"] == 1]["score"]
    left = scores[scores["selected"] == 0]["score"]
    text = (
        f"Of {len(scores):,} synthetic images {best(scores, f'{len(kept):,}')} are kept "
        f"({100 * keep_fraction:.0f} %)"
    )
    if left.empty:
        return text + "."
    return (
        f"{text}; the cut lies at a score of {plain(kept.min())}. Kept images score {plain(kept.mean())} on "
        f"average, those left out {plain(left.mean())}."
    )


@styled
def score_histogram(scores: pd.DataFrame) -> Figure:
    """How the synthetic images were scored, and the cut above which they are kept."""
    import seaborn

    figure = Figure(figsize=(9, 3))
    axes = figure.subplots()
    kept = scores["selected"] == 1
    cut = scores.loc[kept, "score"].min()
    bins = _bins_with_edge(scores["score"].to_numpy(), cut)
    seaborn.histplot(
        x=scores["score"].to_numpy(),
        hue=kept.to_numpy(),
        hue_order=[False, True],
        palette={True: SYNTHETIC, False: LEFT_OUT},
        bins=bins,
        multiple="stack",
        alpha=1,
        edgecolor="white",
        linewidth=1,
        legend=False,
        ax=axes,
    )
    axes.axvline(cut, color=INK, linewidth=1, linestyle=DASHED)
    axes.annotate(
        f"cut at {significant(cut)}",
        (cut, 0.97),
        (5, 0),  # points right of the line: a browser drops a space at the beginning of a text
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        va="top",
        fontsize=SMALLEST,
    )
    axes.set_xlabel(AXES[scored_by(scores)])
    axes.set_ylabel("synthetic images")
    axes.grid(False, axis="x")
    axes.set_ylim(top=1.12 * axes.get_ylim()[1])  # room for the label of the cut
    handles = [
        Patch(color=LEFT_OUT, label=f"left out ({(~kept).sum():,})"),
        Patch(color=SYNTHETIC, label=f"kept ({kept.sum():,})"),
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
def synthetic_samples(
    real: Sequence[np.ndarray],
    images: np.ndarray,
    scores: pd.DataFrame,
    columns: int = 14,
    seed: int = 0,
    beside: tuple[pd.DataFrame, Paper] | None = None,
) -> Figure:
    """The paper's Figure 4: real images, if any, above kept, best and worst synthetic ones.

    ``images`` are uint8 (count, R, R, 3), or none where they are on another machine; ``scores`` has index,
    score, rank and selected per image. ``beside`` (fidelity.csv and the paper) adds how many different images
    a sample holds, if that was counted.
    """
    if not len(images):
        return _counts_alone(beside)
    ranked = scores.sort_values("rank")
    kept = ranked[ranked["selected"] == 1]
    drawn = kept.sample(min(columns, len(kept)), random_state=seed).sort_values("rank")
    chosen = {
        "Kept, drawn at random": drawn,
        "Best scores": ranked.head(columns),
        "Worst scores": ranked.tail(columns),
    }
    synthetic = {name: [images[index] for index in part["index"]] for name, part in chosen.items()}
    rows = rows_shown({"Real": list(real)[:columns], **synthetic})
    notes = {name: [significant(score) for score in part["score"]] for name, part in chosen.items()}
    if beside is None or counted_sets(beside[0]).empty:
        figure = image_rows(rows, notes)
        _name_images(figure, len(rows), list(chosen.values()))
        return figure
    heights = [rows_height(rows, notes), COUNTS_HEIGHT]
    figure = Figure(figsize=(9, sum(heights)))
    set_paddings(figure, w_pad=0.015, h_pad=0.02, wspace=0, hspace=0.06)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    draw_image_rows(above, rows, notes)
    _name_images(above, len(rows), list(chosen.values()))
    draw_counts(below, *beside)
    return figure


def samples_caption(target: str, policy: str, beside: tuple[pd.DataFrame, Paper]) -> str:
    """What ``synthetic_samples`` shows, where photographs are shown as ``policy`` says."""
    first = f"Real training images of {target} above synthetic ones: kept images"
    if policy == "omit":
        first = f"Synthetic images of {target}: kept ones"
    return (
        f"{first} drawn at random, then the best and the worst by score (the numbers). Can you tell best "
        "from worst without the numbers? "
        f"{_counts_words(*beside)}{photographs_sentence(policy)}"
    )


def samples_alt(policy: str) -> str:
    """What ``synthetic_samples`` shows, for those who do not see it."""
    rows = "synthetic kept, synthetic with the best scores, synthetic with the worst scores"
    shown = f"Three rows of images: {rows}" if policy == "omit" else f"Four rows of images: real, {rows}"
    return f"{shown}. Below them, counts of different images in a sample."


def _counts_alone(beside: tuple[pd.DataFrame, Paper] | None) -> Figure:
    """What is known of images that are on another machine: how many different ones a sample holds."""
    if beside is None or counted_sets(beside[0]).empty:
        return without_images()
    heights = [0.4, COUNTS_HEIGHT]
    figure = Figure(figsize=(9, sum(heights)))
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    above.text(0.5, 0.5, ELSEWHERE, ha="center", va="center", color=INK)
    draw_counts(below, *beside)
    figure.set_label(f"{ELSEWHERE} {_counts_words(*beside)}".strip())
    return figure


def _counts_words(fidelity: pd.DataFrame, paper: Paper) -> str:
    """What ``draw_counts`` shows, and a space; empty where nothing was counted."""
    if counted_sets(fidelity).empty:
        return ""
    theirs = " and the count in the paper's own sample" if paper_sample(paper) else ""
    return (
        "Below: how many different images a sample holds (square: mean over the draws, line: the middle 95 % "
        f"of them), beside held-out real images{theirs}. "
    )


def _name_images(figure: Figure | SubFigure, rows: int, parts: Sequence[pd.DataFrame]) -> None:
    """Label the axes of the last rows by the index of the synthetic image that each of them shows."""
    grid = np.array(figure.axes, dtype=object).reshape(rows, -1)[-len(parts) :, 1:]
    for row, part in zip(grid, parts, strict=True):
        for axes, index in zip(row, part["index"], strict=False):
            axes.set_label(f"{SHOWN}{index}")


def stability_table(stability: pd.DataFrame) -> Table | None:
    """synthetic/seed-<g>/score-stability.csv: how far scores in different reference batches agree.

    None where no critic scored the images.
    """
    if stability.empty:
        return None
    frame = stability.assign(
        batches=[f"{row.first_batch} and {row.second_batch}" for row in stability.itertuples()]
    )
    frame = frame[["batches", "rank_correlation", "low", "high", "kept_by_both", "keep_fraction", "images"]]
    formats = {
        "rank_correlation": of_row(
            lambda row: with_interval(row["rank_correlation"], row["low"], row["high"])
        ),
        "kept_by_both": of_row(
            lambda row: percent_of_images(
                row["kept_by_both"], max(1, round(row["keep_fraction"] * row["images"]))
            )
        ),
    }
    return Table(
        frame,
        formats,
        {"batches": "reference batches", "kept_by_both": "kept by both, %"},
        ("low", "high", "keep_fraction"),
    )


def stability_sentence(stability: pd.DataFrame) -> str | None:
    """How much the reference batch in which images are scored matters; None without a critic."""
    if stability.empty:
        return None
    worst = math.floor(1000 * stability["rank_correlation"].min()) / 1000
    kept = max(1, round(stability["keep_fraction"].iloc[0] * stability["images"].iloc[0]))
    shared = (
        f"{percent_of_images(stability['kept_by_both'].min(), kept)} to "
        f"{percent_of_images(stability['kept_by_both'].max(), kept)} %"
    )
    return (
        "An image's score depends on the real images that stand beside it in the critic's batch. With "
        "three different reference batches the ranks "
        f"correlate by at least {worst:.3f}, and any two share {shared} of the {kept:,} images that "
        "they keep."
    )


def correlation_table(correlations: pd.DataFrame, name: str = NAMES["critic"]) -> Table | None:
    """synthetic/seed-<g>/filter-correlation.csv: Spearman's correlation of the score, ``name``, with what
    others say of the same images; None where nothing else says anything.
    """
    if correlations.empty:
        return None
    frame = correlations[["meaning", "correlation", "low", "high", "images"]]
    formats = {
        "correlation": of_row(
            lambda row: with_interval(row["correlation"], row["low"], row["high"], signed=True)
        )
    }
    return Table(
        frame, formats, {"meaning": f"{name} and", "correlation": "rank correlation"}, ("low", "high")
    )


def correlation_sentence(correlations: pd.DataFrame, name: str = NAMES["critic"]) -> str | None:
    """Whether the order by the score, ``name``, agrees with nearness and with the classifier.

    None where there is nothing to compare it with.
    """
    if correlations.empty:
        return None
    meaning = {
        "distance": (
            "images that it scores higher lie nearer to the real ones",
            "images that it scores higher lie farther from the real ones",
            -1,
        )
    }
    meaning["probability"] = (
        "the baseline classifier agrees with it",
        "the baseline classifier contradicts it",
        1,
    )
    said = []
    for row in correlations.itertuples():
        agrees, contradicts, sign = meaning[row.compared_with]
        if not math.isfinite(row.low):
            said.append(f"its correlation with the {row.meaning} cannot be computed")
            continue
        outcome = (
            "no agreement is shown either way"
            if row.low <= 0 <= row.high
            else agrees
            if (row.low > 0) == (sign > 0)
            else contradicts
        )
        said.append(
            (
                f"its rank correlation with the {row.meaning} is {row.correlation:.2f} ({row.low:.2f} to "
                f"{row.high:.2f}): {outcome}"
            ).replace("-", "\N{MINUS SIGN}")
        )
    return f"The {name} on {int(correlations['images'].iloc[0]):,} images: {'; '.join(said)}."
