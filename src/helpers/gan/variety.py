"""How many different images a small sample of a set holds: a count of repeats, and so of collapse.

Two images count as one where they are nearer to each other, in features, than real images usually are. The
yardstick comes from real training images: in as large a sample of them, one image in twenty has a neighbour
that near. Held-out real images say how many different ones such a count finds where nothing is repeated.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.gan.fidelity import Members, Name, comparison_size, summarise_draws
from helpers.gan.rows import distances

SAMPLE = 32  # images in a sample, as many as the paper's Figure 4 shows
QUANTILE = 0.05  # of the distances of real images to the nearest other one in their sample
DIFFERENT = "different_images"  # the measure's name in fidelity.csv


def different_images(features: np.ndarray, nearness: float) -> int:
    """How many different images the rows of ``features`` (n, D) hold.

    They are the groups of complete linkage (Sorensen 1948) cut at ``nearness``: the nearest images are joined
    first, and all images of a group lie within ``nearness`` of one another, so that a chain of small steps
    does not make one image of many.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(features) < 2:
        return len(features)
    apart = distances(features, features)
    np.fill_diagonal(apart, 0)  # an image and itself; rounding leaves other values there
    tree = linkage(squareform((apart + apart.T) / 2, checks=False), method="complete")
    return int(fcluster(tree, nearness, criterion="distance").max())


def usual_nearness(real: np.ndarray, size: int, draws: int, seed: int) -> float:
    """QUANTILE of the distances of ``real`` images (M, D) to the nearest other one in a sample of ``size``.

    The distances of ``draws`` samples are taken together.
    """
    nearest = []
    for draw in range(draws):
        sample = _sample(real, np.arange(len(real)), size, [seed, draw])
        apart = distances(sample, sample)
        np.fill_diagonal(apart, np.inf)
        nearest.append(apart.min(1))
    return float(np.quantile(np.concatenate(nearest), QUANTILE))


def count_different(
    sets: Mapping[Name, Members], real: np.ndarray, draws: int, seed: int, reference: Name
) -> pd.DataFrame:
    """Rows of fidelity.csv for the measure DIFFERENT: the mean count of every set over ``draws`` samples.

    ``real`` (M, D) are the training images, which give the yardstick. A sample has SAMPLE images, or as many
    as the smallest set that is compared (column ``images``); ``reference`` is what differences are to.
    """
    size = comparison_size(sets, real, SAMPLE)
    nearness = usual_nearness(real, size, draws, seed)
    counts = {
        name: np.array(
            [
                [different_images(_sample(features, rows, size, [seed, draw]), nearness)]
                for draw in range(draws)
            ],
            dtype=float,
        )
        for name, (features, rows) in sets.items()
        if len(rows) >= size
    }
    return summarise_draws(counts, reference, (DIFFERENT,)).assign(images=size, draws=draws)


def _sample(features: np.ndarray, rows: np.ndarray, size: int, seed: list[int]) -> np.ndarray:
    """``size`` of the ``rows`` of features, drawn without replacement."""
    chosen = np.random.default_rng(seed).choice(rows, size, replace=False)
    return np.asarray(features[np.sort(chosen)])
