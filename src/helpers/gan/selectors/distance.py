"""By nearness to the real images in feature space; the nearest ranks first."""

import numpy as np

from helpers.gan.selectors import Evidence, Selector, rank_by


def columns(evidence: Evidence) -> dict[str, np.ndarray]:
    """``distance`` and ``rank_distance``."""
    return {"distance": evidence.distance, "rank_distance": rank_by(-evidence.distance)}


SELECTOR = Selector(
    rank="rank_distance",
    words="by nearness to real ones",
    meaning="nearness to the real images in feature space",
    columns=columns,
    always=True,
    value="distance",
    value_meaning="distance to the real images",
    higher=False,
)
