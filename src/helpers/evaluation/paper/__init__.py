"""The paper's numbers: as published, held against one another, and its claims beside a run of this project.

``published`` and ``published_beside`` give its tables, ``audit`` holds its numbers against one another, and
``claims`` puts each of its claims beside a run of this project.
"""

from helpers.evaluation.paper.checks import audit
from helpers.evaluation.paper.claim_list import claims
from helpers.evaluation.paper.tables import published, published_beside

__all__ = ["audit", "claims", "published", "published_beside"]
