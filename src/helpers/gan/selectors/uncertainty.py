"""By the baseline classifier's uncertainty about the image; the most uncertain ranks first.

This is uncertainty sampling (Lewis and Gale 1994): an image that the classifier is sure of can teach it
little. The uncertainty is measured by the entropy of the predicted probabilities, in nats: 0 for one sure
class, ln(classes) for all classes alike.
"""

import numpy as np

from helpers.gan.selectors import Evidence, Selector, rank_by


def columns(evidence: Evidence) -> dict[str, np.ndarray]:
    """``entropy`` and ``rank_uncertainty``."""
    if evidence.class_probabilities is None:
        return {}
    entropy = predictive_entropy(evidence.class_probabilities)
    return {"entropy": entropy, "rank_uncertainty": rank_by(entropy)}


def predictive_entropy(probabilities: np.ndarray) -> np.ndarray:
    """Entropy (N,), in nats, of probabilities (N, classes) whose rows sum to 1."""
    logarithms = np.log(
        np.where(probabilities > 0, probabilities, 1)
    )  # a class of probability 0 adds nothing
    return np.abs((probabilities * logarithms).sum(1))


SELECTOR = Selector(
    rank="rank_uncertainty",
    words="by the baseline's uncertainty",
    meaning="the baseline classifier's uncertainty, the entropy of its probabilities",
    columns=columns,
    needs_classifier=True,
)
