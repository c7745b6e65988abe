"""The tables of a run that stand before and beside the notebooks: headline, arms, trainings."""

from typing import Any

import pandas as pd

from helpers.evaluation.verdicts import FAMILY_LEVEL, MINIMUM_REPLICATES
from helpers.params import Params, arm_meaning
from helpers.report.page.results import Results
from helpers.report.results.scope import one_gan_note, single_gan_arms
from helpers.report.words import (
    duration,
    listed,
    metric_name,
    metric_words,
    part_words,
    percent,
    points,
    points_interval,
)

HEADLINE = (
    "target_recall",
    "accuracy",
    "macro_recall",
    "macro_precision",
    "macro_specificity",
    "paper_bma",
)
FEW_ARMS = 4  # with more, the headline table keeps to its first metrics
FIRST_METRICS = 2  # which these are, beside the recalls that the run asks about
MANY_COMPARISONS = 20  # of which some intervals exclude zero by chance


def headline_metrics(results: Results) -> list[str]:
    """The metrics of the headline table, first the recalls that the run asks about.

    All of HEADLINE, or the first ones where many arms would make the table long.
    """
    asked = list(results.recalls_asked)
    first = len(asked) + FIRST_METRICS
    metrics = list(dict.fromkeys([*asked, *HEADLINE]))
    return metrics[: first if len(results.arms) > FEW_ARMS else None]


def headline(results: Results) -> pd.DataFrame:
    """Paper and run side by side: one row per metric and arm, numbers as text in percent and points.

    With many arms it keeps to the first metrics; notebook 05 has all of them.
    """
    rows = [
        _headline_row(arm, metric, results)
        for metric in headline_metrics(results)
        for arm in results.arms
        if not results.values(arm, metric).empty
    ]
    table = pd.DataFrame(rows).fillna("")
    # no interval under three replicates, and no numbers of the paper beside one's own images
    empty = [
        column for column in table if ("interval" in column or "aper" in column) and not table[column].any()
    ]
    return table.drop(columns=empty)


def _headline_row(arm: str, metric: str, results: Results) -> dict[str, str]:
    level = f"{100 * results.params.evaluation.confidence:.0f} % interval"
    places, row = results.places(metric), results.comparison(arm, metric)
    ends = results.interval(arm, metric)
    verdict = results.verdict(arm, metric)
    return {
        "Metric": f"{metric_name(metric, results.target)}, n\u00a0=\u00a0{results.images(metric):,}",
        "Arm": arm,
        "Paper, %": percent(results.paper_value(arm, metric), 2),  # as printed
        "This run, %": percent(results.values(arm, metric).mean(), places),
        f"Its {level}": f"{percent(ends[0], places)} to {percent(ends[1], places)}" if ends else "",
        "Change in the paper": points(results.paper_change(arm, metric)),
        "Change in this run": points(row["difference"], places) if row else "",
        f"{level} of the change": points_interval(row["low"], row["high"], places) if row else "",
        "A gain is": verdict.gain.short if verdict else "",
    }


def compared_words(results: Results) -> str:
    """Whose numbers the headline table has."""
    return "The paper and this run" if results.beside_paper else "This run"


def headline_caption(results: Results) -> str:
    """What the headline table shows, and how its verdicts are to be read."""
    evaluation, replicates = results.params.evaluation, results.params.replicates
    who = compared_words(results)
    more = "" if len(results.arms) <= FEW_ARMS else " The other metrics follow under *The results*."
    changes = (
        "Macro recall is what ISIC calls balanced accuracy. Changes are against "
        f"{evaluation.reference}, in percentage points."
    )
    start = f"{who}, metric by metric and arm by arm."
    if replicates < MINIMUM_REPLICATES:
        times = "each arm once" if replicates == 1 else "each arm twice"
        return f"{start} This run trained {times}: under three replicates no gain is tested. {changes}{more}"
    effect = f"{100 * evaluation.smallest_effect:g}"
    return (
        f"{start} This run: means over {replicates} replicates. {changes} That an arm gains is *supported* "
        f"where the interval of its change lies above zero (and, of a contrast named beforehand, p is below "
        f"{FAMILY_LEVEL:g} by Holm's rule); *excluded* where it lies below {effect} points: "
        f"a gain of {effect} points or more is excluded, which need not be a loss; *real but negligible* "
        "where it does both; else *undecided*."
        f"{_still_note(results)}{more}{_chance_note(results)}"
        f"{one_gan_note(results.arms, single_gan_arms(results.params))}"
    )


def _still_note(results: Results) -> str:
    """The metrics that hardly move, of which the verdicts say little."""
    effect = f"{100 * results.params.evaluation.smallest_effect:g}"
    metrics = [metric for metric in headline_metrics(results) if results.is_still(metric)]
    if not metrics:
        return ""
    still = listed([metric_words(metric, results.target) for metric in metrics])
    return f" In {still} no arm's mean moves by {effect} points: there *excluded* says little."


def _chance_note(results: Results) -> str:
    """How many of many intervals would exclude zero without any effect."""
    compared = len(headline_metrics(results)) * len(results.others)
    if compared < MANY_COMPARISONS:
        return ""
    expected = round(compared * (1 - results.params.evaluation.confidence))
    return f" Were there no effect at all, about {expected} of {compared} such intervals would exclude zero."


def arms_table(results: Results) -> pd.DataFrame:
    """What each arm is trained on."""
    rows = []
    for name, arm in results.params.arms.items():
        seeds = ", with other seeds" if results.params.identical_arms_before(name) else ""
        rows.append({"Arm": name, "Trained on": arm_meaning(arm) + seeds})
    return pd.DataFrame(rows)


def trainings_table(results: Results) -> pd.DataFrame:
    """Every training of the classifier: images, epochs, validation accuracy, time (sorted by its seconds)."""
    rows = results.trainings.to_dict("records")
    table = pd.DataFrame([_training_row(row, results.params) for row in rows])
    table.attrs["Time"] = [row.get("seconds") for row in rows]
    return table


def _training_row(row: dict[Any, Any], params: Params) -> dict[str, str]:
    tested = {"Tested on": part_words(params.data.split, row["replicate"] % params.parts)}
    return {
        "Arm": str(row["arm"]),
        "Replicate": str(row["replicate"]),
        **(tested if params.parts > 1 else {}),
        "Seed": str(row.get("seed", "")),
        "Training images": f"{row['training_images']:,}" if "training_images" in row else "",
        "Synthetic": str(row.get("synthetic_images", "")),
        "Epochs": str(row.get("epochs", "")),
        "Best epoch": str(row.get("best_epoch", "")),
        "Validation accuracy, %": percent(row.get("best_validation_accuracy")),
        "Time": duration(row.get("seconds")).replace(" ", "\u00a0"),
    }
