"""Whether the generator repeats its training images: how near its images are to them.

A real photograph of a lesion that was never trained on has a nearest training image too. Only synthetic
images that are nearer than that say something about copying. Distances are taken twice: in features, and in
pixels. In pixels a training image counts in all four mirrorings, because a generator that learned from
mirrored images repeats mirrored ones.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from helpers.files import row_blocks
from helpers.gan.rows import ROWS, distances, nearest

MIRRORINGS = ((1, 1), (1, -1), (-1, 1), (-1, -1))  # steps through rows and columns
SIDE = 32  # pixels; images are reduced to this size by averaging before they are compared
QUANTILE = 0.05  # of the real images' distances; this share of them is nearer by definition
PAIRS = 6  # closest pairs that are kept
RESAMPLES = 2000
NEXT = 10  # photographs after the nearest, whose mean distance is the unit of relative nearness
FEWEST = 5  # held-out images; of fewer no quantile is taken


def measure_memorisation(
    images: np.ndarray,
    real: np.ndarray,
    held_out: np.ndarray,
    features: tuple[np.ndarray, np.ndarray, np.ndarray],
    name: str,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables: how near the synthetic ``images`` are to the training images ``real``, and closest pairs.

    ``held_out`` are real images of lesions not trained on. Images are uint8 (N, R, R, 3); ``features`` are
    those of the three, called ``name``. First table, one row per space (``name``, then pixels): see
    ``closer_share``. Second: the PAIRS closest pairs of each space, every synthetic image once: space, pair,
    synthetic_index, training_index (rows of the arrays), mirrored (how the training image was turned: a
    position in MIRRORINGS), distance.
    """
    shares, pairs = [], []
    for space, (fake, training, new) in {name: features, "pixels": (images, real, held_out)}.items():
        (to_fake, partner), (to_new, _) = (nearest_in(space, part, training) for part in (fake, new))
        row = {"space": space, **closer_share(to_fake, to_new, seed)}
        shares.append(row | {"training_images": len(training)})
        first = np.argsort(to_fake, kind="stable")[:PAIRS]
        columns = {
            "space": space,
            "pair": range(1, len(first) + 1),
            "synthetic_index": first,
            "training_index": partner[first] % len(training),
            "mirrored": partner[first] // len(training),
            "distance": to_fake[first],
        }
        pairs.append(pd.DataFrame(columns))
    return pd.DataFrame(shares), pd.concat(pairs, ignore_index=True)


def nearest_in(space: str, vectors: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each of ``vectors`` (N rows) to the nearest of ``real``, and the index of that one.

    ``space`` is "pixels" (images) or the name of features. In pixels ``real`` counts in all MIRRORINGS, one
    after another, so that the index modulo ``len(real)`` is its row.
    """
    if not len(vectors):
        return np.empty(0), np.empty(0, np.int64)
    if space != "pixels":
        return nearest(row_blocks(vectors, ROWS), real)
    mirrored = np.concatenate(mirrorings(real))
    means, indices = nearest(_flat_blocks(vectors), mirrored)
    return means / np.sqrt(mirrored.shape[1]), indices


def relative_nearness(space: str, vectors: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Distance of each of ``vectors`` (N rows) to the nearest of ``real``, over the mean to the NEXT: (N,).

    Near 1 for an image that is as near to several photographs, near 0 for a copy of one. A blurred or average
    image lies nearer to all photographs alike, which this ratio, unlike the distance, does not take for
    copying. ``space`` as in ``measure_memorisation``: "pixels" (images, mirrored as it fits best) or the name
    of features. ``real`` has at least 2 rows.
    """
    found = []
    if space == "pixels":
        turned = mirrorings(real)
        blocks = _flat_blocks(vectors)
    else:
        turned, blocks = [real], row_blocks(vectors, ROWS)
    for block in blocks:
        among = np.sort(np.minimum.reduce([distances(block, each) for each in turned]), axis=1)
        beyond = among[:, 1 : NEXT + 1].mean(1)
        found.append(np.divide(among[:, 0], beyond, out=np.ones(len(among)), where=beyond > 0))
    return np.concatenate(found)


def _flat_blocks(images: np.ndarray) -> Iterator[np.ndarray]:
    return (flatten_images(block) for block in row_blocks(images, ROWS))


def closer_share(
    synthetic: np.ndarray, real: np.ndarray, seed: int = 0, level: float = 0.95
) -> dict[str, float]:
    """Share of the ``synthetic`` distances below the QUANTILE of the ``real`` ones, with its interval.

    The interval has both sources of chance: the quantile by bootstrap of the real distances, and for each of
    these the share by a draw from its Jeffreys posterior, Beta(k + 1/2, n - k + 1/2), so that a share of 0
    has an upper end. NaN where there are fewer than FEWEST real ones.
    """
    row = dict.fromkeys(("closer", "share", "low", "high", "expected", "threshold"), np.nan)
    row["expected"] = QUANTILE
    medians = {
        "median_synthetic": np.median(synthetic),
        "median_real": np.median(real) if len(real) else np.nan,
    }
    counts = {"synthetic_images": len(synthetic), "held_out_images": len(real)}
    if len(real) >= FEWEST:
        rng = np.random.default_rng(seed)
        threshold = np.quantile(real, QUANTILE)
        resampled = np.quantile(real[rng.integers(len(real), size=(RESAMPLES, len(real)))], QUANTILE, axis=1)
        closer = np.searchsorted(np.sort(synthetic), [threshold, *resampled])
        shares = rng.beta(closer[1:] + 0.5, len(synthetic) - closer[1:] + 0.5)
        low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2])
        row |= {
            "closer": closer[0],
            "share": closer[0] / len(synthetic),
            "low": low,
            "high": high,
            "threshold": threshold,
        }
    return row | medians | counts


def mirrorings(images: np.ndarray) -> list[np.ndarray]:
    """``flatten_images`` of the images in each of MIRRORINGS."""
    return [flatten_images(images[:, ::down, ::across]) for down, across in MIRRORINGS]


def flatten_images(images: np.ndarray) -> np.ndarray:
    """uint8 (N, R, R, 3) as float32 vectors (N, D) of SIDE x SIDE averages; smaller images as they are."""
    count, side = len(images), images.shape[1]
    factor = side // SIDE if side > SIDE and side % SIDE == 0 else 1
    tiles = images.reshape(count, side // factor, factor, side // factor, factor, 3)
    return tiles.mean((2, 4), dtype=np.float32).reshape(count, -1)
