"""How many different images a sample holds, beside the paper's Figure 4."""

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure, SubFigure

from helpers.gan.variety import DIFFERENT
from helpers.report.drawing import INK, SYNTHETIC, draw_interval, name_rows
from helpers.report.paper_values import Paper
from helpers.report.style import SMALLEST
from helpers.report.synthesis.fidelity import SET_NAMES
from helpers.report.words import listed, significant

SETS = ("kept", "random", "real")
HEIGHT = 1.7  # of the panel, inches


class PaperSample(NamedTuple):
    """What the paper's sample shows: its images, and how many different ones, counted by eye."""

    images: int
    different: int


def counted_sets(fidelity: pd.DataFrame) -> pd.DataFrame:
    """The rows of fidelity.csv that count different images, by set; none in tables of earlier versions."""
    rows = fidelity[fidelity["measure"] == DIFFERENT].set_index("set")
    return rows.loc[[name for name in SETS if name in rows.index]]


def paper_sample(paper: Paper) -> PaperSample | None:
    """The count of the paper's Figure 4; None where the paper is no yardstick."""
    if paper["figures"].empty:
        return None
    read = paper["figures"].set_index("quantity")["low"]
    return PaperSample(int(read["sample_images"]), int(read["sample_different"]))


def draw_counts(figure: Figure | SubFigure, fidelity: pd.DataFrame, paper: Paper) -> None:
    """A row per set: the share of different images in a sample, with the middle 95 % of the draws."""
    axes, rows, theirs = figure.subplots(), counted_sets(fidelity), paper_sample(paper)
    names = [SET_NAMES[name] for name in rows.index]
    for place, (name, row) in enumerate(rows.iterrows()):
        share = 100 / row["images"]
        colour = INK if name == "real" else SYNTHETIC
        draw_interval(axes, place, share * row["value"], (share * row["low"], share * row["high"]), colour)
        _count(axes, place, share * row["high"], f"{row['value']:.1f} of {row['images']:.0f}")
    if theirs:
        share = 100 * theirs.different / theirs.images
        axes.plot(share, len(names), "D", color=INK, markersize=6, markerfacecolor="white")
        _count(axes, len(names), share, f"about {theirs.different} of {theirs.images}, counted by eye")
        names.append("the paper's sample")
    name_rows(axes, names)
    axes.set_xlim(0, 118)
    axes.set_xticks(range(0, 101, 20))
    axes.set_title("Different images in a sample")
    axes.set_xlabel("% of the sample")
    axes.grid(False, axis="y")


def _count(axes, place: int, end: float, text: str) -> None:
    axes.annotate(text, (end, place), (8, 0), textcoords="offset points", va="center", fontsize=SMALLEST)


def variety_sentence(fidelity: pd.DataFrame, paper: Paper) -> str | None:
    """How many different images a sample holds, beside the floor and the paper's; None without a count."""
    rows, theirs = counted_sets(fidelity), paper_sample(paper)
    if "random" not in rows.index:
        return None
    size = int(rows["images"].iloc[0])
    told = [
        f"{significant(row['value'])} ({significant(row['low'])} to {significant(row['high'])}) for images "
        f"{SET_NAMES[str(name)]}"
        for name, row in rows.drop(index="real", errors="ignore").iterrows()
    ]
    text = (
        f"Different images in a sample of {size}, mean over the draws and the middle 95 % of them: "
        f"{listed(told)}."
    )
    if "real" in rows.index:
        floor, drawn = rows.loc["real"], rows.loc["random"]
        place = "fewer" if drawn["high"] < floor["low"] else "not clearly fewer"
        text += (
            f" As many held-out real images hold {significant(floor['value'])} "
            f"({significant(floor['low'])} to {significant(floor['high'])}); images drawn at random hold "
            f"{place}."
        )
    if theirs:
        text += (
            f" The paper's Figure 4 shows about {theirs.different} different lesions in {theirs.images} "
            "images. That count was made by eye and is no measurement."
        )
    return text
