"""Test lesions that were trained on, and new ones."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import TICKDOWN, TICKUP

from helpers.evaluation.verdicts import Direction, verdict_of
from helpers.report.drawing import FAINT, INK, centre_on_zero, draw_interval, empty_figure, name_rows
from helpers.report.names import row_labels, title_room, wrapped
from helpers.report.style import arm_colours, styled
from helpers.report.table import Table, of_row, points_range
from helpers.report.words import (
    no_interval,
    percent_of_images,
    points_of_images,
)

TICK: dict[str, Any] = {"markersize": 7, "alpha": 0.7}


def seen_sentence(seen: pd.DataFrame, reference: str) -> str:
    """How the reference arm does on lesions it has and has not seen."""
    if seen.empty:
        return (
            "The data do not say which images show the same lesion, so seen and unseen ones cannot be told "
            "apart."
        )
    means = seen[seen["arm"] == reference].groupby("lesions")[["accuracy", "images"]].mean()
    if set(means.index) < {"seen", "unseen"}:
        return (
            "Every test lesion is new to the classifiers, as a split by lesion has it."
            if "seen" not in means.index
            else "Every test image shows a lesion of the training set."
        )
    (a, n), (b, m) = means.loc["seen"], means.loc["unseen"]
    return (
        f"*{reference}* is right on {percent_of_images(a, int(n))} % of the images whose lesion is in the "
        f"training set (n = {int(n):,}) and on {percent_of_images(b, int(m))} % of those whose lesion is "
        f"new to it (n = {int(m):,})."
    )


@styled
def seen_unseen(table: pd.DataFrame, target: str) -> Figure | None:
    """Accuracy and the target class's recall on test lesions that were, and were not, in the training set.

    ``table`` has columns arm, replicate, lesions ('seen' and 'unseen'), accuracy and target_recall (shares);
    there is no figure where it has one kind of lesions only.
    """
    if not _has_both(table):
        return None
    arms = list(dict.fromkeys(table["arm"]))
    colours = arm_colours(arms)
    titles = {"accuracy": "Accuracy, %", "target_recall": wrapped(f"Recall of {target}, %", 50)}
    figure = Figure(figsize=(9, 0.9 + title_room(titles.values()) + 0.42 * len(arms)))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (column, title) in zip(panels, titles.items(), strict=True):
        for place, (arm, part) in enumerate(table.groupby("arm", sort=False)):
            values = (100 * part.set_index("lesions")[column]).groupby(level=0)
            for lesions, ticks in values:
                side = TICKUP if lesions == "seen" else TICKDOWN
                axes.plot(ticks, [place] * len(ticks), marker=side, linestyle="", color=colours[arm], **TICK)
            _draw_pair(axes, place, values.mean(), colours[arm])
        axes.set_title(title)
        axes.locator_params(axis="x", nbins=6)
    name_rows(panels[0], arms)
    _lesion_legend(figure, INK)
    return figure


def _has_both(table: pd.DataFrame) -> bool:
    """Whether the test images show both lesions that were trained on and new ones."""
    return table["lesions"].nunique() == 2


def seen_unseen_table(seen: pd.DataFrame, target: str) -> Table | None:
    """evaluation/metrics_by_lesion.csv as means over replicates; None where all lesions are of one kind."""
    if not _has_both(seen):
        return None
    order = seen.assign(arm=pd.Categorical(seen["arm"], list(dict.fromkeys(seen["arm"]))))
    grouped = order.groupby(["arm", "lesions"], observed=True)
    frame = grouped.agg(
        images=("images", "first"),
        accuracy=("accuracy", "mean"),
        target_images=("target_images", "first"),
        target_recall=("target_recall", "mean"),
    ).reset_index()
    formats = {
        "accuracy": of_row(lambda row: percent_of_images(row["accuracy"], row["images"])),
        "target_recall": of_row(lambda row: percent_of_images(row["target_recall"], row["target_images"])),
    }
    return Table(
        frame,
        formats,
        {
            "lesions": "lesion in training",
            "accuracy": "accuracy, %",
            "target_images": f"images of {target}",
            "target_recall": f"recall of {target}, %",
        },
    )


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
def recall_gap(leak: pd.DataFrame, arm: str) -> Figure | None:
    """One arm's recall of every class on lesions that were trained on (filled) and new ones (hollow), and the
    gap.

    ``leak`` is evaluation/leak.csv; there is no figure where it has no rows. On the right the gap has its
    interval.
    """
    if leak.empty:
        return None
    rows = leak[leak["arm"] == arm].reset_index(drop=True)
    if rows.empty:
        return empty_figure(
            "No class has both lesions that were trained on and new ones, or the data do not name lesions."
        )
    colour = arm_colours(leak["arm"])[arm]
    groups = rows[["class", "seen_images", "unseen_images"]].to_numpy()
    labels, room = row_labels([f"{name} ({seen:,} / {unseen:,})" for name, seen, unseen in groups])
    figure = Figure(figsize=(9, 1.3 + (0.34 + room) * len(rows)))
    recall, gap = figure.subplots(1, 2, sharey=True)
    gap.axvline(0, color=FAINT, linewidth=1)
    for place, row in enumerate(rows.to_dict("records")):
        pair = {"seen": 100 * row["seen_recall"], "unseen": 100 * row["unseen_recall"]}
        _draw_pair(recall, place, pair, colour)
        ends = (100 * row["low"], 100 * row["high"])
        draw_interval(gap, place, 100 * row["difference"], ends, colour, hollow=True)
    name_rows(recall, labels)
    recall.set_title(f"Recall of {arm}, %")
    gap.set_title("Seen less unseen, points")
    centre_on_zero(gap, least=10, most=100)
    _lesion_legend(figure, colour)
    return figure


def _draw_pair(axes: Axes, place: int, pair: Mapping[str, float], colour: str) -> None:
    """A line from the value on seen lesions (filled dot) to that on unseen ones (hollow dot), in row
    ``place``.
    """
    axes.plot([pair["unseen"], pair["seen"]], [place] * 2, color=colour, linewidth=2, alpha=0.45)
    for lesions, fill in (("seen", colour), ("unseen", "white")):
        edge: dict[str, Any] = {"markerfacecolor": fill, "markeredgecolor": colour, "markeredgewidth": 1.5}
        axes.plot(pair[lesions], place, "o", markersize=7, **edge)


def recall_gap_table(leak: pd.DataFrame) -> Table | None:
    """Recall on test lesions that were and were not trained on, by class, and the gap with its interval.

    ``leak`` is evaluation/leak.csv; there is no table where it has no rows.
    """
    if leak.empty:
        return None
    frame = leak.sort_values(
        "class",
        key=lambda names: names.map({name: place for place, name in enumerate(dict.fromkeys(leak["class"]))}),
        kind="stable",
    )
    frame = frame[
        ["class", "arm", *[column for column in leak if column not in ("class", "arm")]]
    ].reset_index(drop=True)
    formats = {
        "seen_recall": of_row(lambda row: percent_of_images(row["seen_recall"], row["seen_images"])),
        "unseen_recall": of_row(lambda row: percent_of_images(row["unseen_recall"], row["unseen_images"])),
        "difference": of_row(
            lambda row: points_of_images(row["difference"], min(row["seen_images"], row["unseen_images"]))
        ),
        "low": points_range(lambda row: min(row["seen_images"], row["unseen_images"])),
    }
    headers = {
        "seen_images": "images, lesion seen",
        "unseen_images": "images, lesion new",
        "seen_recall": "recall seen, %",
        "unseen_recall": "recall new, %",
        "difference": "gap, points",
        "low": "interval",
    }
    return Table(frame, formats, headers, hidden=("high", "replicates", "method"))


def gap_sentence(leak: pd.DataFrame, arm: str, confidence: float = 0.95) -> str:
    """How far recall on lesions that were trained on exceeds that on new ones, each class weighed alike."""
    rows = leak[(leak["arm"] == arm) & (leak["class"] == "mean of classes")]
    if rows.empty:
        return (
            "No class has enough test lesions that were trained on (a split by lesion has none) and enough "
            "new ones, so the leak cannot be measured within a class."
        )
    row = rows.iloc[0]
    n = int(min(row["seen_images"], row["unseen_images"]))
    change = (
        f"Classes weighed alike, the recall of *{arm}* on lesions that it was trained on differs from that "
        f"on new ones by {points_of_images(row['difference'], n)} points"
    )
    outcome = verdict_of(row).direction
    if outcome == Direction.NOT_TESTED:
        return f"{change}; {no_interval(row)}, which leaves no interval."
    tail = {
        Direction.HIGHER: "its score owes something to memory",
        Direction.LOWER: "memory does not help it",
        Direction.NOT_SHOWN: "chance may explain that",
    }[outcome]
    return (
        f"{change} ({100 * confidence:.0f} % interval {points_of_images(row['low'], n)} to "
        f"{points_of_images(row['high'], n)}): {tail}."
    )
