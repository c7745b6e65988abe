"""The training images nearest to each synthetic image of a figure."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.gan.memorisation import MIRRORINGS, flatten_images, mirrorings
from helpers.gan.rows import distances
from helpers.report.behind import Behind
from helpers.report.pictures import smaller
from helpers.report.synthesis.scores import SHOWN
from helpers.report.words import significant

COUNT = 3  # training images that stand behind a synthetic one
SIDE = 64  # pixels of a tile at most


def nearest_training(
    images: np.ndarray, real: np.ndarray, count: int = COUNT
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each of ``images`` (N, R, R, 3) the ``count`` nearest of ``real`` (M, R, R, 3), the nearest first.

    Distances are those of ``gan.memorisation`` in pixels: root mean square of the differences in grey levels
    (0 to 255), and each real image counts as it fits best, mirrored or not. Three arrays (N, count): indices
    into ``real``, positions in MIRRORINGS, distances.
    """
    flat = flatten_images(np.asarray(images))
    turned = np.stack([distances(flat, each) for each in mirrorings(real)]) / math.sqrt(flat.shape[1])
    nearest = np.argsort(turned.min(0), axis=1, kind="stable")[:, :count]
    rows = np.arange(len(flat))[:, None]
    return nearest, turned.argmin(0)[rows, nearest], turned.min(0)[rows, nearest]


def training_images_behind(
    figure: Figure,
    images: np.ndarray,
    real: np.ndarray,
    scores: pd.DataFrame,
    memorisation: pd.DataFrame,
    policy: str,
) -> Behind | None:
    """The training images nearest to each synthetic image of ``synthetic_samples``' figure.

    None where ``policy`` does not show photographs: then no pixel of them may be on the page. ``images`` and
    ``real`` are uint8 (N, R, R, 3); ``memorisation`` is synthetic/seed-<g>/memorisation.csv, from which the
    distance of new real images is taken.
    """
    labels = [str(axes.get_label()) for axes in figure.axes]
    drawn = sorted({int(label.removeprefix(SHOWN)) for label in labels if label.startswith(SHOWN)})
    if policy != "show" or not drawn:
        return None
    tiles = list(images[drawn])
    score = scores.set_index("index")["score"]
    places: dict[tuple[int, int], int] = {}
    behind = {}
    for row, (index, found) in enumerate(
        zip(drawn, zip(*nearest_training(images[drawn], real), strict=True), strict=True)
    ):
        parts = [(row, "this image")]
        for neighbour, mirrored, distance in zip(*found, strict=True):
            place = places.setdefault((int(neighbour), int(mirrored)), len(drawn) + len(places))
            if place == len(tiles):
                down, across = MIRRORINGS[mirrored]
                tiles.append(real[neighbour, ::down, ::across])
            parts.append((place, f"distance {significant(distance)}"))
        behind[f"{SHOWN}{index}"] = (f"Synthetic image with score {significant(score[index])}", parts)
    return Behind([smaller(tile, SIDE) for tile in tiles], behind, _note(memorisation))


def _note(memorisation: pd.DataFrame) -> str:
    """What the distances are, and from which one on an image is suspiciously near."""
    text = "The training images nearest to it, mirrored where that fits better; distances are in grey levels."
    threshold = memorisation.loc[memorisation["space"] == "pixels", "threshold"]
    if threshold.empty or not math.isfinite(threshold.iloc[0]):
        return text
    near = significant(threshold.iloc[0])
    return f"{text} Of real images of lesions that were not trained on, 5 % are nearer than {near}."
