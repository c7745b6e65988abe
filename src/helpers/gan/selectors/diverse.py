"""By variety among the images that are near enough to the real ones."""

import math

import numpy as np

from helpers.gan.rows import take_rows
from helpers.gan.selectors import Evidence, Selector

FLOOR = 0.5  # share of the images, the nearest to the real ones, among which variety is looked for
MOST_DIVERSE = 2000  # images that are chosen for variety; each costs a pass over all


def columns(evidence: Evidence) -> dict[str, np.ndarray]:
    """``rank_diverse``."""
    rank = np.empty(len(evidence.distance), dtype=np.int64)
    rank[diverse_order(evidence.features, evidence.distance)] = np.arange(1, len(rank) + 1)
    return {"rank_diverse": rank}


def diverse_order(features: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Indices of all images (N,): by variety among the FLOOR nearest to the real ones, then by nearness.

    Farthest-point selection (Gonzalez 1985): the nearest image first, then repeatedly the image that is
    farthest from all chosen ones. After MOST_DIVERSE the other images of the floor follow by nearness.
    """
    by_nearness = np.argsort(distance, kind="stable")
    floor = by_nearness[: math.ceil(FLOOR * len(features))]
    pool = take_rows(features, floor)
    squares = np.einsum("ij,ij->i", pool, pool)
    gap = np.full(len(pool), np.inf)
    chosen = [0]
    while len(chosen) < min(MOST_DIVERSE, len(pool)):
        last = chosen[-1]
        gap = np.minimum(gap, squares + squares[last] - 2 * pool @ pool[last])
        gap[last] = -np.inf
        chosen.append(int(gap.argmax()))
    return np.concatenate([floor[chosen], np.delete(floor, chosen), by_nearness[len(floor) :]])


SELECTOR = Selector(
    rank="rank_diverse",
    words="by variety",
    meaning="variety among the images above a floor of nearness",
    columns=columns,
    always=True,
)
