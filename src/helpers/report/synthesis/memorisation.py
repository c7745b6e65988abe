"""Whether the synthetic images are new ones."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.report.drawing import without_images
from helpers.report.pictures import image_rows, photographs_sentence, rows_shown, veil
from helpers.report.table import Table, of_row
from helpers.report.words import (
    FEATURE_NAMES,
    NONE,
    missing,
    percent_of_images,
    significant,
)


def memorisation_table(memorisation: pd.DataFrame) -> Table:
    """synthetic/seed-<g>/memorisation.csv: synthetic images nearer to a training image than 95 % of the real
    images of new lesions.
    """
    frame = memorisation[
        [
            "space",
            "synthetic_images",
            "held_out_images",
            "median_synthetic",
            "median_real",
            "threshold",
            "closer",
            "share",
            "low",
            "high",
        ]
    ]
    formats = {
        "space": lambda space: space_words(space, of_pixels=" (grey levels)"),
        "share": of_row(
            lambda row: _share_with_interval(row["share"], row["low"], row["high"], row["synthetic_images"])
        ),
        **dict.fromkeys(("median_synthetic", "median_real", "threshold"), lambda value: f"{value:.3g}"),
    }
    headers = {
        "space": "distances in",
        "synthetic_images": "synthetic images",
        "held_out_images": "new real images",
        "median_synthetic": "median distance, synthetic",
        "median_real": "median distance, new real",
        "threshold": "5 % of new real are nearer than",
        "closer": "synthetic nearer than that",
        "share": "share, % (expected: 5)",
    }
    return Table(frame, formats, headers, ("low", "high"))


def _share_with_interval(share: float, low: float, high: float, n: int) -> str:
    return (
        NONE
        if missing(share)
        else f"{percent_of_images(share, n)} ({percent_of_images(low, n)} to {percent_of_images(high, n)})"
    )


def space_words(space: str, of_pixels: str = "") -> str:
    """What distances are measured in: features of a network, or pixels, and then ``of_pixels`` too."""
    return f"{FEATURE_NAMES[space]} features" if space in FEATURE_NAMES else f"pixels{of_pixels}"


def memorisation_sentence(memorisation: pd.DataFrame) -> str:
    """Whether synthetic images lie nearer to the training images than real images of new lesions do."""
    said = []
    for row in memorisation.itertuples():
        space = space_words(row.space)
        if not math.isfinite(row.share):
            return (
                "Too few real images of lesions not trained on are held out, so memorisation cannot be "
                "judged."
            )
        n = int(row.synthetic_images)
        outcome = "not shown to be more than that"
        if row.low > row.expected:
            outcome = "more than chance: some repeat what was trained on"
        elif row.high <= row.expected:
            outcome = "no sign of copying"
        said.append(
            f"in {space} {percent_of_images(row.share, n)} % of {n:,} (95 % interval "
            f"{percent_of_images(row.low, n)} to {percent_of_images(row.high, n)} %), {outcome}"
        )
    expected, real = 100 * memorisation["expected"].iloc[0], int(memorisation["held_out_images"].iloc[0])
    return (
        f"The limit is set so that {expected:.0f} % of the {real:,} real images of lesions that were not "
        "trained on have a training image nearer than that. Of the synthetic images, as near as that are "
        f"{'; '.join(said)}."
    )


def closest_pairs(images: np.ndarray, real: np.ndarray, pairs: pd.DataFrame, policy: str = "show") -> Figure:
    """The synthetic images nearest to a training image, above that image, veiled or left out as ``policy``
    says; the numbers are distances.

    ``images`` and ``real`` are uint8 (N, R, R, 3), ``pairs`` is synthetic/seed-<g>/memorisation-pairs.csv;
    a training image is turned as its column mirrored says: 1 left and right, 2 top and bottom, 3 both.
    Without images, because they are on another machine, it says so.
    """
    if not len(images):
        return without_images()
    rows: dict[str, Sequence[np.ndarray]] = {}
    notes = {}
    for space, part in pairs.groupby("space", sort=False):
        where = "features" if space in FEATURE_NAMES else "pixels"
        below = f"Nearest training image by {where}"
        above = f"Synthetic ({where})"
        rows[above] = [images[index] for index in part["synthetic_index"]]
        turned = [
            real[row.training_index, :: 1 - 2 * (row.mirrored // 2), :: 1 - 2 * (row.mirrored % 2)]
            for row in part.itertuples()
        ]
        rows[below] = veil(turned, policy)
        notes[below if rows[below] else above] = [significant(distance) for distance in part["distance"]]
    return image_rows(rows_shown(rows), notes)


def pairs_caption(policy: str) -> str:
    """What ``closest_pairs`` shows, where photographs are shown as ``policy`` says."""
    ways = "by features and by pixels (turned as it fits best)"
    if policy == "omit":
        return (
            f"The synthetic images that come nearest to a training image, {ways}; the numbers are their "
            f"distances to it. {photographs_sentence(policy)}"
        )
    look = "Look for the same lesion, not for the same colours. " if policy == "show" else ""
    return (
        f"The synthetic images nearest to a training image, above that image, {ways}; the numbers are "
        f"distances. {look}{photographs_sentence(policy)}"
    )


def pairs_alt(policy: str) -> str:
    """What ``closest_pairs`` shows, for those who do not see it."""
    if policy == "omit":
        return "Two rows of synthetic images with their distances to the nearest training image."
    return "Four rows of images: synthetic ones above their nearest training image, twice."
