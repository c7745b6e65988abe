"""The external test set."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from helpers.report.drawing import draw_interval, name_rows
from helpers.report.names import title_room, wrapped
from helpers.report.paper_values import Paper, paper_metrics
from helpers.report.style import arm_colours, styled
from helpers.report.table import Table, mean_and_spread, percent_range
from helpers.report.words import (
    MINUS,
    decimals,
    decimals_of,
    listed,
    metric_name,
    missing,
    percent_interval_of_images,
    percent_of_images,
    points_with_interval,
)

# the official test of ISIC 2018 Task 3: the best entry, and the best without private data (balanced accuracy)
ISIC_2018 = (0.885, 0.856)
EXTERNAL, SYNTHETIC = "external test set", "synthetic images"  # sets of helpers.stages.sharpness
TOLD = 2  # arms that the sentence names
CONTRASTED = ("balanced_accuracy", "target_recall", "target_operating_recall", "target_roc_auc")


@styled
def external_results(
    external: pd.DataFrame,
    target: str,
    metrics: Sequence[str] = CONTRASTED,
) -> Figure | None:
    """Means and intervals of every arm on the external test set, a panel per metric.

    ``external`` is evaluation/external.csv; there is no figure where it has no rows.
    """
    if external.empty:
        return None
    arms = list(dict.fromkeys(external["arm"]))
    colours = arm_colours(arms)
    shown = [metric for metric in metrics if metric in set(external["metric"])]
    titles = {metric: wrapped(metric_name(metric, target), 26) for metric in shown}
    figure = Figure(figsize=(9, 1 + title_room(titles.values()) + 0.36 * len(arms)))
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, shown, strict=True):
        for row in external[external["metric"] == metric].to_dict("records"):
            ends = (100 * row["low"], 100 * row["high"])
            draw_interval(axes, arms.index(row["arm"]), 100 * row["mean"], ends, colours[row["arm"]])
        axes.set_title(titles[metric], fontsize=9)
        axes.set_xlabel("percent, not from zero")
        axes.locator_params(axis="x", nbins=5)
        axes.grid(False, axis="y")
    name_rows(panels[0], arms)
    return figure


def external_table(external: pd.DataFrame, target: str) -> Table | None:
    """evaluation/external.csv: means, deviations and intervals in percent; no table where it has no rows."""
    if external.empty:
        return None

    def images(row: pd.Series) -> int:
        return (
            row["target_images"]
            if row["metric"] in ("target_recall", "target_operating_recall")
            else row["images"]
        )

    formats = {
        "metric": lambda metric: (
            "Balanced multiclass accuracy (ISIC)"
            if metric == "balanced_accuracy"
            else metric_name(metric, target)
        ),
        "mean": mean_and_spread(images),
        "low": percent_range(images),
    }
    frame = external[
        [
            "metric",
            "arm",
            "mean",
            "standard_deviation",
            "low",
            "high",
            "replicates",
            "images",
            "target_images",
        ]
    ]
    headers = {"mean": "mean ± sd, %", "low": "interval, %", "target_images": f"of them {target}"}
    return Table(frame, formats, headers, hidden=("standard_deviation", "high"))


def external_section(
    external: pd.DataFrame,
    changes: pd.DataFrame,
    reference: str,
    paper: Paper,
    confidence: float = 0.95,
    one_gan: Container[str] = (),
) -> str | None:
    """How good ``reference`` is on the external test set, and what the first other arms change in recall of
    the target there; None where the run has no such set.

    ``external`` and ``changes`` are evaluation/external.csv and external_contrasts.csv; ``one_gan`` is as in
    ``difference_sentence``. The challenge's best entries stand beside it where the paper's numbers do.
    """
    if external.empty:
        return None
    own = external[(external["metric"] == "balanced_accuracy") & (external["arm"] == reference)].iloc[0]
    n, (best, public) = int(own["images"]), ISIC_2018
    ends = percent_interval_of_images(own["low"], own["high"], n)
    known = "" if missing(own["low"]) else f" ({100 * confidence:.0f} % interval {ends})"
    beside = changes[(changes["reference"] == reference) & (changes["metric"] == "target_recall")]
    images = int(own["target_images"])
    told = [_change_of_recall(row, images) for row in beside.head(TOLD).to_dict("records") if images]
    scope = ", for this one GAN" if any(arm in one_gan for arm in beside.head(TOLD)["arm"]) else ""
    entries = (
        f"; on the official test set of ISIC 2018 Task 3 the best entry reached {100 * best:.1f} %, and the "
        f"best without private data {100 * public:.1f} %"
    ) * (not paper_metrics(paper).empty)
    share, count = percent_of_images(own["mean"], n), f"{images:,}" if images else "none"
    return (
        f"The same classifiers on {n:,} images that none of them was trained on or chosen by, {count} of "
        "them of the target class. Their lesions are not named, so each image counts as one. "
        f"*{reference}* has a balanced accuracy of {share} %{known}{entries}. "
        "A stronger classifier may behave otherwise."
        + (f" Against *{reference}*, recall of the target changes by {listed(told)}{scope}." if told else "")
    )


def _change_of_recall(row: Mapping[str, Any], images: int) -> str:
    change = points_with_interval(row["difference"], row["low"], row["high"], decimals(images))
    return f"{change} points with *{row['arm']}*"


def external_contrasts_table(changes: pd.DataFrame, external: pd.DataFrame, target: str) -> Table | None:
    """evaluation/external_contrasts.csv: one row a contrast, a column a metric; None where it has no rows.

    ``external`` is evaluation/external.csv, whose counts of images say how many digits are told.
    """
    if changes.empty:
        return None
    n = int(external["target_images"].max())
    metrics = [name for name in CONTRASTED if name in set(changes["metric"])]
    lines = []
    for (arm, reference), rows in changes.groupby(["arm", "reference"], sort=False):
        line = {"contrast": f"{arm} {MINUS} {reference}"}
        for row in rows[rows["metric"].isin(metrics)].to_dict("records"):
            places = decimals_of(row["metric"], n)
            line[row["metric"]] = points_with_interval(row["difference"], row["low"], row["high"], places)
        lines.append(line)
    headers = {name: f"{metric_name(name, target)}, points" for name in metrics}
    return Table(pd.DataFrame(lines, columns=["contrast", *metrics]), headers=headers)


def sharpness_sentence(found: pd.DataFrame, target: str) -> str | None:
    """How sharp the external photographs of the target are, and what that means; None without any.

    ``found`` is of ``helpers.stages.sharpness``.
    """
    rows = found[found["class"] == target].set_index("images")["of_own"]
    if EXTERNAL not in rows:
        return None
    beside = f", and the median synthetic image {100 * rows[SYNTHETIC]:.0f} %" if SYNTHETIC in rows else ""
    return (
        f"At the size that the classifiers take, the median external photograph of {target} has "
        f"{100 * rows[EXTERNAL]:.0f} % of the sharpness of the median one of this run{beside} (fine detail "
        "over contrast). Near 100 %, the classifiers meet about the sharpness that they learnt from. Far "
        "from it, results that differ between the two test sets may come from how the photographs were made "
        "or stored, and not from the patients."
    )


def sharpness_table(found: pd.DataFrame) -> Table | None:
    """The sharpness of ``helpers.stages.sharpness``; no table where it has no rows."""
    if found.empty:
        return None
    formats = dict.fromkeys(("lower_quartile", "median", "upper_quartile"), "{:.3f}".format)
    headers = {"number": "how many", "of_own": "median, % of the run's photographs"}
    return Table(found, formats | {"of_own": lambda share: f"{100 * share:.0f}"}, headers)
