"""The paper's numbers: as published, held against one another, and its claims beside a run of this project.

``published`` and ``published_beside`` give its tables, ``audit`` holds its numbers against one another, and
``claims`` puts each of its claims beside a run of this project.
"""

from helpers.evaluation.paper.checks import audit
from helpers.evaluation.paper.claim_list import claims
from helpers.evaluation.paper.tables import published, published_beside
from helpers.evaluation.verdicts import Gain, verdict
from helpers.evaluation.words import show_p  # noqa: F401

__all__ = ["audit", "claims", "published", "published_beside"]

# The report's modules move to helpers.evaluation.verdicts; until then they find these here.
NO_ARM, TOO_FEW = Gain.NOT_TESTED, Gain.TOO_FEW


def judged(low: float, high: float, replicates: int, smallest_effect: float = 0.02) -> Gain:
    """The gain of ``verdicts.verdict``."""
    return verdict(low, high, replicates, smallest_effect).gain
