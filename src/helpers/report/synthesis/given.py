"""Images that anyone's generator made: where they come from, and what speaks against them."""

import math
from typing import Any

import pandas as pd

from helpers.report.synthesis.memorisation import space_words
from helpers.report.words import counted, listed, missing, percent_of_images

Tables = dict[str, pd.DataFrame]  # those of helpers.stages.synthesis, by name
DIFFERENT_CALLS = 0.05  # p value below which the classifier's calls differ from those of photographs
NO_KNOWLEDGE = (
    "What their generator was trained on cannot be known here. If it saw photographs that validate or test, "
    "every gain below is flattered, and no number on this page can rule that out; the distances to held-out "
    "photographs can only show it where images are repeated."
)


def source_sentence(found: Tables) -> str | None:
    """How many images were given, in which sizes, and that nobody knows their generator's data.

    None where the run's own GAN made the images.
    """
    files = found.get("source-files")
    if files is None:
        return None
    sides = files[["width", "height"]].min(axis=1)
    low, high = int(sides.min()), int(sides.max())
    many = int(files["found"].iloc[0])
    which = "" if many == len(files) else f", drawn at random from {many:,}"
    return (
        "No generator was trained in this run: its synthetic images come from a folder, "
        f"{counted(len(files), 'image')}{which}, whose shorter sides have {low:,} to {high:,} pixels. "
        f"{NO_KNOWLEDGE}"
    )


def sharpness_sentence(found: Tables) -> str | None:
    """Whether the images are as sharp as photographs; None for a GAN's images."""
    return _joined(_sharpness(found))


def held_out_sentence(found: Tables) -> str | None:
    """Whether the images come nearer to held-out photographs than training photographs do."""
    return _joined(_held_out(found))


def called_sentence(found: Tables, target: str) -> str | None:
    """What a classifier that saw photographs alone calls the images, beside held-out photographs."""
    return _joined(_called(found, target))


def alarms_sentence(found: Tables, target: str) -> str | None:
    """All that speaks against the images, or that nothing does; None for a GAN's images."""
    if "source-files" not in found:
        return None
    told = [_fidelity(found), _memorised(found), _held_out(found), _sharpness(found), _called(found, target)]
    alarms = [alarm for each in told if each for alarm in each["alarms"]]
    if not alarms:
        return (
            "**No alarm.** The images are not farther from the training images than held-out photographs "
            "are, repeat neither these nor those more than chance does, are as sharp as photographs, and the "
            f"classifier takes them for {target} as often as photographs of it, as far as this run can tell."
        )
    return f"**{counted(len(alarms), 'alarm')}.** " + " ".join(f"{alarm}." for alarm in alarms)


def _joined(told: dict[str, Any] | None) -> str | None:
    return str(told["sentence"]) if told else None


def _fidelity(found: Tables) -> dict[str, Any]:
    """Sets compared in features: an alarm where the images lie clearly above the floor."""
    rows = found["fidelity"]
    distance = rows[rows["measure"] == "kernel_distance"].set_index("set")
    if not {"real", "random"} <= set(distance.index):
        return {"alarms": []}
    far = distance.loc["random", "low"] > distance.loc["real", "high"]
    alarm = (
        "As a set they lie farther from the training images than held-out photographs do (kernel distance)"
    )
    return {"alarms": [alarm] if far else []}


def _memorised(found: Tables) -> dict[str, Any]:
    spaces = _above(found["memorisation"])
    alarm = (
        f"Some repeat training photographs: in {listed(spaces)} they are nearer to them than chance allows"
    )
    return {"alarms": [alarm] if spaces else []}


def _above(shares: pd.DataFrame) -> list[str]:
    """The spaces in which more images are near than chance allows."""
    rows = shares[shares["low"] > shares["expected"]]
    return [space_words(space) for space in rows["space"]]


def _share(row: Any) -> str:
    n = int(row.synthetic_images)
    ends = f"{percent_of_images(row.low, n)} to {percent_of_images(row.high, n)} %"
    return f"{percent_of_images(row.share, n)} % of {n:,} ({100 * row.level:g} % interval {ends})"


def _held_out(found: Tables) -> dict[str, Any] | None:
    table = found.get("held-out")
    if table is None:
        return None
    if table.empty or not all(map(math.isfinite, table["share"])):
        sentence = (
            "Too few photographs of lesions not trained on are held out, so that nothing can be said of the "
            "distance to them."
        )
        return {"sentence": sentence, "alarms": []}
    near = _above(table)
    shares = "; ".join(f"in {space_words(row.space)} {_share(row)}" for row in table.itertuples())
    photographs = f"{int(table['photographs'].iloc[0]):,} held-out photographs"
    outcome = "That is no more than chance allows, and no sign of a leak."
    if near:
        outcome = (
            "**That is more than chance allows: a leak.** The generator has probably seen photographs that "
            "validate or test here, and a gain of the arms with these images cannot be believed."
        )
    sentence = (
        f"Of the training photographs, 5 % lie nearer to a single one of the {photographs} than the rest, by "
        f"definition (the distance to the nearest over that to the next ones). "
        f"Of the synthetic images, nearer than that: {shares}. {outcome}"
    )
    alarm = f"A leak: in {listed(near)} they are nearer to held-out photographs than chance allows"
    return {"sentence": sentence, "alarms": [alarm] if near else []}


def _sharpness(found: Tables) -> dict[str, Any] | None:
    table = found.get("sharpness")
    if table is None:
        return None
    rows = {row.side: row for row in table.itertuples()}
    if missing(rows["blurrier"].share):
        return {"sentence": "Too few photographs to compare the sharpness of images with.", "alarms": []}
    ratio = rows["blurrier"].median_synthetic / rows["blurrier"].median_real
    shares = " and ".join(
        f"{side} than 95 % of the photographs are {_share(row)}" for side, row in rows.items()
    )
    off = [side for side, row in rows.items() if row.low > row.expected]
    outcome = f"More are {' and more '.join(off)} than chance allows." if off else "No difference is shown."
    sentence = (
        "Sharpness is the fine detail of an image over its contrast, at the size that is compared. The "
        f"median synthetic image has {100 * ratio:.0f} % of the median photograph's; {shares}. {outcome}"
    )
    alarm = (
        f"They are {' or '.join(off)} than photographs (median sharpness {100 * ratio:.0f} % of theirs), "
        "which a classifier can learn in place of the lesion"
    )
    return {"sentence": sentence, "alarms": [alarm] if off else []}


def _called(found: Tables, target: str) -> dict[str, Any] | None:
    table = found.get("called-as")
    if table is None:
        return None
    if table.empty:
        return {"sentence": "No classifier gave its opinion on the images.", "alarms": []}
    row = table[table["class"] == target].iloc[0]
    shares = row["synthetic"] / row["synthetic_images"], row["photographs"] / row["held_out_images"]
    words = [
        f"{percent_of_images(share, int(n))} % of {int(n):,}"
        for share, n in zip(shares, (row["synthetic_images"], row["held_out_images"]), strict=True)
    ]
    differs = row["p"] < DIFFERENT_CALLS and shares[0] != shares[1]
    rarer = differs and shares[0] < shares[1]
    others = table[table["class"] != target].sort_values("synthetic", ascending=False, kind="stable")
    most = f"; of the others most are called {others.iloc[0]['class']}" if others["synthetic"].any() else ""
    if rarer:
        outcome = "It is rarer than with photographs: to this classifier many show another class."
    elif differs:
        outcome = "It is more often than with photographs: these are easy cases to it, which teach it little."
    else:
        outcome = "No difference is shown."
    sentence = (
        f"A classifier that was trained on photographs alone calls {words[0]} synthetic images {target}, and "
        f"{words[1]} held-out photographs of {target}{most} (Fisher's exact test, p = {row['p']:.2g}). "
        f"{outcome}"
    )
    alarm = (
        f"The classifier calls only {words[0]} images {target}, against {words[1]} held-out photographs of "
        f"{target}{most}"
    )
    return {"sentence": sentence, "alarms": [alarm] if rarer else []}
