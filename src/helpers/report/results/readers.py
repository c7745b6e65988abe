"""What readers could tell: which images are real and which synthetic, and what they show."""

import math
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.evaluation.verdicts import MINIMUM_REPLICATES
from helpers.paths import RunPaths
from helpers.readers import analysis
from helpers.readers.analysis import COMPUTED, REAL
from helpers.readers.answers import Readings, read_readings
from helpers.readers.key import SYNTHETIC
from helpers.report.pictures import image_rows, photographs_sentence, rows_shown, veil
from helpers.report.table import Table, of_row, percent_range
from helpers.report.words import (
    NONE,
    capitalised,
    counted,
    listed,
    percent_interval_of_images,
    percent_of_images,
    significant,
)

STRIP = 8  # images of a row
MEASURE_NAMES = {
    "told_apart": "Told apart",
    "sensitivity": "Synthetic images called computed (sensitivity)",
    "specificity": "Photographs called photographs (specificity)",
    "diagnosis_real": "Photographs given their diagnosis",
    "diagnosis_synthetic": "Synthetic images given the diagnosis of their class",
}


def study(run: RunPaths) -> Readings | None:
    """The answers to the run's reader study; None where no reader has answered."""
    return read_readings(run)


def readers_section(readings: Readings | None, run: RunPaths, confidence: float) -> str | None:
    """Heading and sentences on the reader study; None where there are no answers."""
    if readings is None:
        return None
    parts = ["### What readers could tell"]
    if readings.key is not None:
        parts += [_design(readings, run), *_findings(readings, confidence)]
    # a file's name may hold what Markdown would read as its own
    parts += ["- " + re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", problem) for problem in readings.problems]
    return "\n\n".join(part for part in parts if part)


def _design(readings: Readings, run: RunPaths) -> str:
    assert readings.key is not None
    key, whole = readings.key, analysis.complete(readings)
    if not readings.readers:
        return "No reader's answers count yet."
    images, side = len(key.origins), key.pixels.shape[1]
    origin = "that the filter kept" if key.draw["from"] == "top" else "drawn from all"
    text = (
        f"{counted(len(readings.readers), 'reader')} judged {images} images of {key.target}, "
        f"half of them photographs and half synthetic ones {origin}, all reduced to {side} x {side} pixels "
        "and enlarged alike: so what they say is about content, and not about sharpness."
    )
    if left := len(readings.readers) - (whole["reader"].nunique() if len(whole) else 0):
        text += (
            f" {counted(left, 'reader')} did not judge all of them, and "
            f"{'is' if left == 1 else 'are'} left out of the shares over all readers and of the agreement."
        )
    if _made_anew(readings, run):
        text += " The run's synthetic images were made anew since: these answers are on the earlier ones."
    return text


def _made_anew(readings: Readings, run: RunPaths) -> bool:
    """Whether a synthetic image of the study is no longer what the run holds in its place."""
    assert readings.key is not None
    for pixels, origin in zip(readings.key.pixels, readings.key.origins.values(), strict=True):
        if origin["kind"] == SYNTHETIC:
            path = run.synthetic(origin["gan_seed"]) / "images.npy"
            if not path.exists():  # it stayed on the machine that made it, and nothing can be told
                return False
            images = np.load(path, mmap_mode="r")
            if origin["index"] >= len(images) or not np.array_equal(images[origin["index"]], pixels):
                return True
    return False


def _findings(readings: Readings, confidence: float) -> list[str]:
    found = analysis.overall(readings, confidence).set_index("measure")
    parts = []
    if len(found):
        parts.append(_told_apart(found, confidence) + _agreed(readings) + _sure(readings))
    if len(readings.machine):
        parts.append(_machine(readings, confidence))
    return parts


def _told_apart(found: pd.DataFrame, confidence: float) -> str:
    row = found.loc["told_apart"]
    images = int(row["images"])
    text = f"They told the two apart in {percent_of_images(row['share'], images)} % of the cases"
    if math.isfinite(row["low"]):
        ends = percent_interval_of_images(row["low"], row["high"], images)
        text += f" ({100 * confidence:.0f} % interval over readers and images: {ends})"
        side = "above" if row["low"] > 0.5 else "below" if row["high"] < 0.5 else ""
        text += f", and the interval lies {side} " if side else ", and the interval holds "
        text += "the 50 % that guessing gives."
        if not side:
            text += " That does not show that nobody could tell them apart."
    else:
        text += ", where guessing gives 50 %."
        if row["readers"] < MINIMUM_REPLICATES:
            needed = counted(MINIMUM_REPLICATES, "reader")
            text += f" An interval over readers and images needs {needed} who judged all of them."
    return text


def _agreed(readings: Readings) -> str:
    found = analysis.agreement(readings)
    if found is None:
        return ""
    name = "Cohen's" if found.readers == 2 else "Fleiss'"
    kappas = {"for photograph or computed": found.computed, "for the diagnosis": found.diagnosis}
    values = [f"{value:.2f} {words}" for words, value in kappas.items() if math.isfinite(value)]
    if not values:
        return ""
    return f" Their agreement beyond chance ({name} kappa, 1 at best) was {listed(values)}."


def _sure(readings: Readings) -> str:
    table = readings.table
    right, wrong = (table.loc[table["right"] == value, "confidence"].mean() for value in (True, False))
    if not (math.isfinite(right) and math.isfinite(wrong)):
        return ""
    return f" They were {right:.1f} of 5 sure where they were right, and {wrong:.1f} where they were wrong."


def _machine(readings: Readings, confidence: float) -> str:
    row = analysis.each_reader(readings.machine, confidence).iloc[0]
    images = int(row["images"])
    ends = percent_interval_of_images(row["low"], row["high"], images)
    return (
        "A program in the place of a reader (a linear probe on a network's features) told "
        f"{percent_of_images(row['told_apart'], images)} % of {counted(images, 'image')} apart "
        f"(Wilson's {100 * confidence:.0f} % interval over images: {ends})."
    )


def overall_table(readings: Readings | None, confidence: float) -> Table | None:
    """The shares of all readers who judged every image; no table where there are none."""
    found = analysis.overall(readings, confidence) if readings else pd.DataFrame()
    if found.empty:
        return None
    formats = {
        "measure": lambda measure: MEASURE_NAMES[measure],
        "share": of_row(lambda row: percent_of_images(row["share"], row["images"])),
        "low": percent_range(lambda row: row["images"]),
    }
    return Table(found, formats, {"share": "mean, %", "low": "interval, %"}, hidden=("high",))


def readers_table(readings: Readings | None, confidence: float) -> Table | None:
    """A row for each reader, and one for the program that answered, if any; no table without answers."""
    tables = [table for table in (readings.table, readings.machine) if len(table)] if readings else []
    if not tables:
        return None
    found = pd.concat([analysis.each_reader(table, confidence) for table in tables], ignore_index=True)
    shares = {name: of_row(_share(name)) for name in analysis.MEASURES}
    sure = {name: lambda value: f"{value:.1f}" for name in ("sure_right", "sure_wrong")}
    formats = shares | sure | {"low": percent_range(lambda row: row["images"])}
    formats |= {"experience": lambda words: words or NONE, "seconds": significant}
    headers = {
        "told_apart": "told apart, %",
        "low": "interval, %",
        "sensitivity": "sensitivity, %",
        "specificity": "specificity, %",
        "diagnosis_real": "diagnosis, photographs, %",
        "diagnosis_synthetic": "diagnosis, synthetic, %",
        "sure_right": "sure when right",
        "sure_wrong": "sure when wrong",
        "seconds": "seconds an image",
    }
    order = ["reader", "experience", "images", "told_apart", "low", "high", *list(analysis.MEASURES)[1:]]
    found = found[[*order, "sure_right", "sure_wrong", "seconds"]]
    return Table(found, formats, headers, hidden=("high",))


def _share(column: str) -> Callable[[pd.Series], str]:
    """A share of a reader's images, or of the half of them that it is asked of, in percent."""
    part = 1 if analysis.MEASURES[column][1] == analysis.ALL else 2
    return lambda row: percent_of_images(row[column], row["images"] // part)


def misled_caption(policy: str) -> str:
    """The caption of ``misleading_images``."""
    images = "synthetic images" if policy == "omit" else "images"
    return (
        f"The {images} that misled most readers, and how many of them. {photographs_sentence(policy)}".strip()
    )


def misled_alt(policy: str) -> str:
    """Its alternative text."""
    photographs = "" if policy == "omit" else "photographs that readers called computed above "
    return capitalised(f"{photographs}synthetic images that readers took for photographs.")


def misleading_images(readings: Readings | None, policy: str) -> Figure | None:
    """The images that misled most readers: photographs called computed above synthetic ones taken for
    photographs, with the count of readers; ``policy`` is ``pictures.picture_policy``'s.

    None where nobody was misled.
    """
    if readings is None or readings.key is None:
        return None
    places = {name: place for place, name in enumerate(readings.key.origins)}
    rows, notes = {}, {}
    for kind, name in ((REAL, "photographs called computed"), (COMPUTED, "synthetic, called photographs")):
        worst = analysis.misleading(readings, kind, STRIP)
        if worst.empty:
            continue
        images = [readings.key.pixels[places[each]] for each in worst["image"]]
        rows[name] = veil(images, policy) if kind == REAL else images
        notes[name] = [f"{row.wrong} of {row.readers}" for row in worst.itertuples()]
    shown = rows_shown(rows)
    return image_rows(shown, {name: notes[name] for name in shown}) if shown else None
