"""By the baseline classifier's probability of the target class; the highest ranks first."""

import numpy as np

from helpers.gan.selectors import Evidence, Selector, rank_by


def columns(evidence: Evidence) -> dict[str, np.ndarray]:
    """``probability`` and ``rank_classifier``."""
    if evidence.probabilities is None:
        return {}
    probability = np.asarray(evidence.probabilities)
    return {"probability": probability, "rank_classifier": rank_by(probability)}


SELECTOR = Selector(
    rank="rank_classifier",
    words="by the baseline's probability",
    meaning="the baseline classifier's probability of the target class",
    columns=columns,
    needs_classifier=True,
    always=True,
    value="probability",
    value_meaning="baseline classifier's probability",
)
