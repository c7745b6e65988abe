"""How near synthetic images are to the training images, and how far from one another, in pixels.

Plain distances, named for what they are: the root of the mean squared difference, in grey levels (0-255), of images reduced
to 32 x 32 by averaging. They see colour and shape, not texture, and no network takes part.
"""

import numpy as np
import pandas as pd

SIDE = 32  # pixels; distances are taken at this size
AT_MOST = 1000  # images of a set; a larger set is thinned out by a fixed seed
MEASURES = ("nearest_training_distance", "pairwise_distance")


def measure_fidelity(images: np.ndarray, scores: pd.DataFrame, real_images: np.ndarray) -> pd.DataFrame:
    """Table of measure, set (kept, dropped, all, real), value, images (how many were measured).

    ``images`` and ``real_images`` are uint8 (N, R, R, 3); ``scores`` tells by ``selected`` which were kept.
    ``nearest_training_distance``: mean distance to the nearest training image (for real ones, to the nearest *other* one).
    ``pairwise_distance``: mean distance between two images of the set, which falls where a generator repeats itself.
    """
    selected = scores.sort_values("index")["selected"].to_numpy(dtype=bool)
    real = flatten_images(real_images[:])
    rows = []
    for name, members in (("kept", np.flatnonzero(selected)), ("dropped", np.flatnonzero(~selected)), ("all", np.arange(len(selected))), ("real", None)):
        vectors = real if members is None else flatten_images(images[_thin_out(members)])
        if len(vectors) < 2:
            continue  # nothing was dropped, or one image has no other
        among = distances(vectors, vectors)
        np.fill_diagonal(among, np.nan)
        nearest = np.nanmin(among, 1) if members is None else distances(vectors, real).min(1)
        rows += [(measure, name, value, len(vectors)) for measure, value in zip(MEASURES, (nearest.mean(), np.nanmean(among)), strict=True)]
    return pd.DataFrame(rows, columns=["measure", "set", "value", "images"])


def _thin_out(members: np.ndarray) -> np.ndarray:
    if len(members) <= AT_MOST:
        return members
    return np.sort(np.random.default_rng(0).choice(members, AT_MOST, replace=False))


def flatten_images(images: np.ndarray) -> np.ndarray:
    """uint8 (N, R, R, 3) as float32 vectors (N, D) of SIDE x SIDE averages (images of SIDE or fewer pixels as they are)."""
    count, side = len(images), images.shape[1]
    factor = side // SIDE if side > SIDE and side % SIDE == 0 else 1
    small = images.reshape(count, side // factor, factor, side // factor, factor, 3).mean((2, 4), dtype=np.float32)
    return small.reshape(count, -1)


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Root mean squared differences (N, M) of the rows of two arrays (N, D) and (M, D)."""
    # float64: the squares of two nearly equal images cancel
    first, second = first.astype(np.float64), second.astype(np.float64)
    squares = np.square(first).sum(1)[:, None] + np.square(second).sum(1)[None] - 2 * first @ second.T
    return np.sqrt(np.maximum(squares, 0) / first.shape[1])
