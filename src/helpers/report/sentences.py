"""Sentences written from a run's numbers: what a reader is told about results is computed, never typed.

A word such as "better" stands only where an interval excludes zero.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from helpers.report.style import metric_name
from helpers.report.tables import percent, plain, points


def data_sentence(manifest: Mapping[str, Any]) -> str:
    """What the images are."""
    images, lesions, classes = manifest["images"], manifest["lesions"], len(manifest["classes"])
    counted = f"{images:,} images of {f'{lesions:,}' if lesions else 'an unknown number of'} lesions in {classes} classes"
    if manifest["source"] == "phantom":
        return (
            f"**This run uses drawn lesions: {counted}, painted by the project itself.** They show that the whole chain works and what its "
            "figures look like. They are no photographs, and nothing here has a clinical meaning; the real data set takes one parameter, `data.source: ham10000`."
        )
    return f"This run uses the photographs of HAM10000: {counted}."


def photographs_sentence(policy: str) -> str:
    """Why pictures are blurred or grey, or nothing where they are shown (``policy`` is figures.picture_policy's)."""
    if policy == "show":
        return ""
    how = {"blur": "blurred beyond recognition", "omit": "left out, a grey tile in place of each"}[policy]
    return f"The photographs of the data set are {how} (report.real_images is '{policy}'): this page may go to people who may not see them."


def imbalance_sentence(manifest: Mapping[str, Any], target: str) -> str:
    """How rare the target class is."""
    counts = manifest["classes"]
    largest = max(counts, key=counts.get)
    own = counts[target]
    return f"The largest class, {largest}, has {counts[largest]:,} images, {target} {own:,}: {counts[largest] / own:.1f} to 1. {percent(own / sum(counts.values()), sum(counts.values()))} % of all images are {target}."


def leak_sentence(quality: Mapping[str, Any], target: str, by: str) -> str:
    """How many test images show a lesion that was trained on."""
    share = percent(quality["test_seen_share"], quality["test_images"])
    own = percent(quality["target_seen_share"], quality["target_images"])
    if not quality.get("lesions_known", True):
        return f"The split is made by {by}, and the data do not say which images show the same lesion: how many test images show one that was trained on is unknown."
    if not quality["test_seen"]:
        return f"The split is made by {by}: no test image (n = {quality['test_images']:,}) shows a lesion that is also in the training set."
    return (
        f"The split is made by {by}, and lesions are photographed several times: {share} % of the test images (n = {quality['test_images']:,}) and "
        f"{own} % of those of {target} (n = {quality['target_images']:,}) show a lesion that the training set shows too. Scores on such images "
        "count memory as skill; section 5 therefore reports seen and unseen lesions apart."
    )


def gan_sentence(history: pd.DataFrame, images: int, batch_size: int) -> str:
    """How long the GAN was trained and where it ended."""
    steps = int(history["step"].max())
    late = history.iloc[-max(1, len(history) // 10) :]
    separated = late["score_real"].mean() > late["score_fake"].mean()
    order = "above" if separated else "not above"
    return (
        f"The generator took {steps:,} steps of {batch_size} images, learning from {images:,} training images. Over the last tenth of the training the "
        f"critic scores real images {order} generated ones on average ({plain(late['score_real'].mean())} against {plain(late['score_fake'].mean())}), "
        f"and the mean gradient penalty is {plain(late['gradient_penalty'].mean())}."
    )


def filter_sentence(scores: pd.DataFrame, keep_fraction: float) -> str:
    """What the filter kept, and how far apart kept and left out images are."""
    kept = scores[scores["selected"] == 1]["score"]
    left = scores[scores["selected"] == 0]["score"]
    text = f"Of {len(scores):,} synthetic images the critic's best {len(kept):,} are kept ({100 * keep_fraction:.0f} %)"
    if left.empty:
        return text + "."
    return f"{text}; the cut lies at a score of {plain(kept.min())}. Kept images score {plain(kept.mean())} on average, those left out {plain(left.mean())}."


def training_sentence(summary: Mapping[str, Any]) -> str:
    """One classifier's training."""
    synthetic = f", {summary['synthetic_images']:,} of them synthetic" if summary["synthetic_images"] else ", all of them real"
    return (
        f"Arm *{summary['arm']}*, replicate {summary['replicate']}: {summary['training_images']:,} training images{synthetic}. Training ran {summary['epochs']} epochs; "
        f"the weights of epoch {summary['best_epoch']} are kept, with a validation accuracy of {100 * summary['best_validation_accuracy']:.1f} %. "
        f"{summary['trainable_parameters']:,} of {summary['parameters']:,} parameters were trained."
    )


def verdict(low: float, high: float) -> str:
    """'better' or 'worse' where the interval excludes zero, 'no difference shown' where it does not, 'not tested' without one."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "not tested"
    return "better" if low > 0 else "worse" if high < 0 else "no difference shown"


def difference_sentence(row: Mapping[str, Any], n: int, target: str = "", confidence: float = 0.95) -> str:
    """One comparison in words; ``row`` is a row of evaluation/comparisons.csv, ``n`` the images behind the share.

    The arm is called better or worse only where the interval excludes zero.
    """
    name = metric_name(row["metric"], target)
    name = name if name.startswith(("BMA", "F1")) else name[0].lower() + name[1:]
    change = f"{points(row['difference'], n)} points of {name} against *{row['reference']}*"
    outcome = verdict(row["low"], row["high"])
    if outcome == "not tested":
        why = "the replicates do not differ, which leaves no interval" if row.get("method") == "no variation" else "too few replicates for an interval"
        return f"*{row['arm']}*: {change}; {why}, and nothing follows from it."
    interval = f"{100 * confidence:.0f} % interval {points(row['low'], n)} to {points(row['high'], n)}"
    tail = {
        "better": f"the interval excludes zero: *{row['arm']}* is better in this run",
        "worse": f"the interval excludes zero: *{row['arm']}* is worse in this run",
        "no difference shown": "the interval includes zero: this run shows no difference",
    }[outcome]
    return f"*{row['arm']}*: {change} ({interval}); {tail}."


def comparison_sentences(comparisons: pd.DataFrame, metric: str, n: int, target: str = "", confidence: float = 0.95) -> str:
    """``difference_sentence`` of every arm for one metric, as a Markdown list."""
    rows = comparisons[comparisons["metric"] == metric].to_dict("records")
    if not rows:
        return "There is one arm only, so nothing is compared."
    return "\n".join("- " + difference_sentence(row, n, target, confidence) for row in rows)


def seen_sentence(seen: pd.DataFrame, reference: str) -> str:
    """How the reference arm does on lesions it has and has not seen."""
    if seen.empty:
        return "The data do not say which images show the same lesion, so seen and unseen ones cannot be told apart."
    means = seen[seen["arm"] == reference].groupby("lesions")[["accuracy", "images"]].mean()
    if set(means.index) < {"seen", "unseen"}:
        return (
            "Every test lesion is new to the classifiers, as a split by lesion has it."
            if "seen" not in means.index
            else "Every test image shows a lesion of the training set."
        )
    (a, n), (b, m) = means.loc["seen"], means.loc["unseen"]
    return f"*{reference}* is right on {percent(a, int(n))} % of the images whose lesion is in the training set (n = {int(n):,}) and on {percent(b, int(m))} % of those whose lesion is new to it (n = {int(m):,})."


def departures_sentence(count: int) -> str:
    """How far this run is from the paper's profile."""
    if not count:
        return "Every parameter has the value of the paper's profile."
    return f"{count} parameter{'s differ' if count > 1 else ' differs'} from the paper's profile; where the paper is silent, that profile's file gives the choice and its reason."


def best_arm_sentence(metrics: pd.DataFrame, metric: str, n: int) -> str:
    """Which arm has the highest mean, with the range of single replicates that puts it into proportion.

    Arms whose means are printed alike tie.
    """
    means = metrics.groupby("arm", sort=False)[metric].mean()
    highest = percent(means.max(), n)
    leaders = [f"*{arm}*" for arm, mean in means.items() if percent(mean, n) == highest]
    ranges = metrics.groupby("arm", sort=False)[metric].agg(["min", "max"])
    name = metric_name(metric).lower()
    spread = "; ".join(f"*{arm}* {percent(row['min'], n)} to {percent(row['max'], n)}" for arm, row in ranges.iterrows())
    if len(leaders) == 1:
        outcome = f"The highest mean {name} is {leaders[0]}'s, {highest} %"
    elif len(leaders) == len(means):
        outcome = f"All arms tie: the mean {name} of each is {highest} %"
    else:
        outcome = f"{', '.join(leaders[:-1])} and {leaders[-1]} tie for the highest mean {name}, {highest} %"
    return f"{outcome} (n = {n:,} images). Single replicates range, in percent: {spread}."


def has_intervals(comparisons: pd.DataFrame) -> bool:
    """Whether any row of evaluation/comparisons.csv has an interval: single runs leave none."""
    return bool(comparisons[["low", "high"]].notna().all(axis=1).any())


def differences_caption(comparisons: pd.DataFrame, reference: str, n: int, confidence: float = 0.95) -> str:
    """The caption of figures.forest; it speaks of intervals only where some are drawn."""
    ending = "the grey band is the smallest effect of interest."
    if not has_intervals(comparisons):
        return (
            f"Difference to {reference}, in percentage points, on n = {n:,} test images. A square is a difference without an interval, "
            f"which says nothing of chance; {ending}"
        )
    alone = "" if comparisons[["low", "high"]].notna().all(axis=None) else " A square without a line has no interval."
    return (
        f"Difference to {reference} with its {100 * confidence:.0f} % interval, in percentage points, on n = {n:,} test images. "
        f"An interval that crosses the line at zero shows no difference; {ending}{alone}"
    )


def counted(number: int, noun: str) -> str:
    """'1 replicate', '3 replicates'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def join(sentences: Iterable[str]) -> str:
    """Sentences as one paragraph, empty ones left out."""
    return " ".join(sentence for sentence in sentences if sentence)
