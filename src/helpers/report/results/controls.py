"""The arms that test the study itself: what it is able to see."""

import math
from collections.abc import Container, Mapping
from typing import Any

import pandas as pd

from helpers.evaluation.verdicts import Direction, verdict_of
from helpers.evaluation.words import share_words, show_p
from helpers.report.results.contrasts import other_interval
from helpers.report.table import Format, Table, of_row, points_with_ends
from helpers.report.words import (
    MINUS,
    NONE,
    decimals_of,
    metric_name,
    no_interval,
    points,
    points_interval,
    points_of_images,
)

CONTROL_METRICS = ("target_recall", "target_operating_recall", "target_roc_auc")


def controls_table(controls: pd.DataFrame, n: int, target: str) -> Table | None:
    """evaluation/controls.csv for the target's recall, at argmax and at the operating point, and its ROC AUC.

    All of it is exploratory. ``n`` is the number of test images of the target; there is no table without
    controls.
    """
    if controls.empty:
        return None
    other, named = other_interval(controls)
    columns = ["metric", "difference", "low", "high", *other, "p", "replicates", "outcome"]
    rows = controls[controls["metric"].isin(CONTROL_METRICS)].reset_index(drop=True)
    frame = pd.concat(
        [(rows["arm"] + f" {MINUS} " + rows["reference"]).rename("contrast"), rows[columns]], axis=1
    )
    formats: dict[str, Format] = {
        "metric": lambda metric: metric_name(metric, target),
        "difference": of_row(lambda row: points(row["difference"], decimals_of(row["metric"], n))),
        "low": _ends_of_row(n, "low", "high"),
        other[0]: _ends_of_row(n, *other),
        "p": show_p,
    }
    headers = {
        "difference": "difference, points",
        "low": "interval",
        other[0]: named,
        "outcome": "by its interval",
    }
    return Table(frame, formats, headers, hidden=("high", other[1]))


def _ends_of_row(n: int, low: str, high: str) -> Format:
    return of_row(lambda row: points_interval(row[low], row[high], decimals_of(row["metric"], n)) or NONE)


def controls_by_metric(controls: pd.DataFrame, n: int, target: str) -> Table | None:
    """The same with one row for each control and one column for each metric, intervals in brackets; the last
    column says what the interval of recall shows.
    """
    if controls.empty:
        return None
    rows = controls[controls["metric"].isin(CONTROL_METRICS)].drop_duplicates(["contrast", "metric"])
    wide = rows.pivot(index="contrast", columns="metric").loc[list(dict.fromkeys(rows["contrast"]))]
    shown = [metric for metric in CONTROL_METRICS if metric in wide["difference"]]
    frame = pd.DataFrame({"contrast": [name.replace(" - ", f" {MINUS} ") for name in wide.index]})
    for metric in shown:
        for part in ("difference", "low", "high"):
            frame[f"{metric}_{part}"] = wide[part][metric].to_numpy()
    frame["outcome"] = wide["outcome"][shown[0]].to_numpy()
    formats = {f"{metric}_difference": points_with_ends(metric, decimals_of(metric, n)) for metric in shown}
    headers = {f"{metric}_difference": metric_name(metric, target) for metric in shown}
    hidden = tuple(f"{metric}_{end}" for metric in shown for end in ("low", "high"))
    return Table(frame, formats, headers | {"outcome": "recall, by its interval"}, hidden=hidden)


def controls_section(
    controls: pd.DataFrame, n: int, target: str, confidence: float = 0.95, one_gan: Container[str] = ()
) -> str:
    """Heading and words on the arms that test the study itself, one sentence each; ``controls`` is
    evaluation/controls.csv.

    ``n`` is the number of test images of the target. A study that did not see its positive control is said to
    be blind to such a loss.
    """
    from helpers.evaluation import controls as own

    parts = [_withheld_sentence(row, n, target, confidence) for row in own.rows_of(controls, own.WITHHELD)]
    if not parts:
        parts = [untested_loss_sentence(f"real images of {target}")]
    parts += [_again_sentence(row, n, target, confidence) for row in own.rows_of(controls, own.AGAIN)]
    worth = {row["arm"]: row for row in own.rows_of(controls, own.WITHHELD)}
    for row in own.rows_of(controls, own.RESTORED):
        parts.append(
            _restored_sentence(row, worth[row["reference"]], n, target, confidence, row["arm"] in one_gan)
        )
    return "### What the study can see\n\n" + "\n".join(f"- {part}" for part in parts)


def untested_loss_sentence(images: str) -> str:
    """That no arm tests whether the study would see the loss of ``images``."""
    lost = f"No arm of this run has {images} taken away"
    return f"{lost}, so whether the study would see such a loss is not known."


def positive_control_sentence(found: Direction, lost: str, detail: str) -> str:
    """Whether a study saw the loss of real images of the target: ``found`` is the direction of its contrast.

    ``lost`` says what was taken away, ``detail``, in brackets, what that did to recall.
    """

    return {
        Direction.LOWER: (
            f"The study sees the loss of {lost} ({detail}): it can see effects of that size, and smaller "
            "ones may escape it."
        ),
        Direction.NOT_SHOWN: (
            f"This study could not see the loss of {lost} ({detail}), so it cannot call synthesis useless."
        ),
        Direction.HIGHER: (
            f"The loss of {lost} went the wrong way ({detail}), so this study cannot call synthesis useless."
        ),
        Direction.NOT_TESTED: (
            f"Whether the study would see the loss of {lost} is not tested ({detail}), so it cannot call "
            "synthesis useless."
        ),
    }[found]


def _withheld_sentence(row: Mapping[str, Any], n: int, target: str, confidence: float) -> str:
    change = f"*{row['arm']}* {MINUS} *{row['reference']}*: {points_of_images(row['difference'], n)} points"
    detail = f"{change} of recall of {target}, {_ends(row['low'], row['high'], n, confidence)}"
    return positive_control_sentence(
        verdict_of(row).direction, f"{share_words(row['fraction'])} real images of {target}", detail
    )


def _ends(low: float, high: float, n: int, confidence: float) -> str:
    """'95 % interval -3.0 to +1.2', or that there is none."""
    return (
        f"{100 * confidence:.0f} % interval {points_of_images(low, n)} to {points_of_images(high, n)}"
        if math.isfinite(low) and math.isfinite(high)
        else "no interval"
    )


def _again_sentence(row: Mapping[str, Any], n: int, target: str, confidence: float) -> str:

    start = (
        f"*{row['arm']}* is *{row['reference']}* trained once more with other seeds: "
        f"{points_of_images(row['difference'], n)} points "
        f"of recall of {target} ({_ends(row['low'], row['high'], n, confidence)})"
    )
    direction = verdict_of(row).direction
    if direction in (Direction.HIGHER, Direction.LOWER):
        return (
            f"{start}. The interval excludes zero where nothing was changed, as about one in "
            f"{1 / (1 - confidence):.0f} does: read the other exploratory ones with that in mind."
        )
    if direction == Direction.NOT_TESTED:
        return f"{start}; {no_interval(row)}, so nothing can be judged."
    return f"{start}; no difference is shown, as it should be."


def _restored_sentence(
    row: Mapping[str, Any], withheld: Mapping[str, Any], n: int, target: str, confidence: float, one_gan: bool
) -> str:
    """What synthetic images give where real ones were taken away, beside what the real ones gave."""

    words = {
        Direction.HIGHER: "recall is higher",
        Direction.LOWER: "recall is lower",
        Direction.NOT_SHOWN: "no difference is shown",
        Direction.NOT_TESTED: "nothing follows from it",
    }
    scope = ", for this one GAN" if one_gan else ""
    return (
        f"Synthetic images in place of the withheld real ones (*{row['arm']}* {MINUS} "
        f"*{row['reference']}*): {points_of_images(row['difference'], n)} points "
        f"of recall of {target} ({_ends(row['low'], row['high'], n, confidence)}){scope}; "
        f"{words[verdict_of(row).direction]}. The real ones (*{withheld['reference']}* {MINUS} "
        f"*{withheld['arm']}*) give {points_of_images(-withheld['difference'], n)} points "
        f"({_ends(-withheld['high'], -withheld['low'], n, confidence)}). "
        "No GAN of this run that supplies them learned from the withheld ones."
    )
