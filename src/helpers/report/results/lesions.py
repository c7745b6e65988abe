"""Test lesions that were trained on, and new ones."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from helpers.report.drawing import FAINT, INK, empty_figure
from helpers.report.style import arm_colours, styled
from helpers.report.table import Table, of_row, points_range
from helpers.report.words import (
    percent_of_images,
    points_of_images,
)


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
def seen_unseen(table: pd.DataFrame, target: str) -> Figure:
    """Accuracy and the target class's recall on test lesions that were, and were not, photographed in the
    training set.

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


def seen_unseen_table(seen: pd.DataFrame, target: str) -> Table:
    """evaluation/metrics_by_lesion.csv averaged over replicates."""
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
def recall_gap(leak: pd.DataFrame, arm: str) -> Figure:
    """One arm's recall of every class on lesions that were trained on (filled) and that are new (hollow);
    right, the gap with its interval.

    ``leak`` is evaluation/leak.csv.
    """
    rows = leak[leak["arm"] == arm].reset_index(drop=True)
    if rows.empty:
        return empty_figure(
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


def recall_gap_table(leak: pd.DataFrame) -> Table:
    """evaluation/leak.csv: recall on test lesions that were and were not trained on, by class, and the gap
    with its interval.
    """
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
    """How much recall on lesions that were trained on exceeds that on new ones, at the same mix of classes."""
    from helpers.evaluation import controls as own

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
    outcome = own.outcome(row)
    if outcome == own.NOT_TESTED:
        return f"{change}; " + (
            "the replicates do not differ."
            if row["method"] == "no variation"
            else "too few replicates for an interval."
        )
    tail = {
        own.HIGHER: "its score owes something to memory",
        own.LOWER: "memory does not help it",
        own.NOT_SHOWN: "chance may explain that",
    }[outcome]
    return (
        f"{change} ({100 * confidence:.0f} % interval {points_of_images(row['low'], n)} to "
        f"{points_of_images(row['high'], n)}): {tail}."
    )
