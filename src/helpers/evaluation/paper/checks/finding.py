"""One finding of the audit, and what the checks share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from helpers.evaluation.paper.counts import Counts
from helpers.evaluation.paper.tables import PAPER_ARMS, ROUNDING, confusion_matrix


@dataclass(frozen=True)
class Finding:
    """A statement of the paper, what is printed, what its numbers give, and the arithmetic."""

    finding: str
    table: str  # the paper's section
    says: Any
    computed: Any
    agrees: Any
    arithmetic: str

    def row(self) -> dict[str, str]:
        """A row of audit.csv."""
        return {
            "finding": self.finding,
            "table": self.table,
            "says": str(self.says),
            "computed": str(self.computed),
            "agrees": "yes" if self.agrees else "no",
            "arithmetic": self.arithmetic,
        }


@dataclass(frozen=True)
class Paper:
    """What the checks read: the published tables, paper.yaml, and the counts behind the percentages."""

    tables: Mapping[str, pd.DataFrame]
    printed: Mapping[str, Any]
    counts: Counts

    def stated(self, quantity: str) -> Any:
        """A number of the running text, as printed."""
        rows = self.tables["stated"]
        return rows.loc[rows["quantity"] == quantity, "value"].iloc[0]

    def read_off(self, quantity: str, arm: str | None = None) -> tuple[float, float]:
        """The low and high end of what was read off a figure, as printed."""
        rows = self.tables["figures"]
        rows = rows[
            (rows["quantity"] == quantity) & (rows["arm"].isna() if arm is None else rows["arm"] == arm)
        ]
        low, high = rows.iloc[0][["low", "high"]]
        return float(low), float(high)

    def by_arm(self, quantity: str) -> dict[str, float]:
        """What was read off a figure for each arm, as printed."""
        return {arm: self.read_off(quantity, arm)[0] for arm in PAPER_ARMS}

    def elsewhere(self, quantity: str) -> float:
        """A number of others that the paper's are held against."""
        return float(self.tables["elsewhere"].set_index("quantity").loc[quantity, "value"])

    def matrix(self, arm: str) -> pd.DataFrame:
        """The published confusion matrix of an arm (Figure 7)."""
        return confusion_matrix(self.tables, arm)

    @property
    def negatives(self) -> int:
        """Test images of other classes than melanoma."""
        return self.counts.images - self.counts.support["mel"]


def close(computed: float, printed: float) -> bool:
    """Whether two percentages are the same within the paper's rounding."""
    return abs(computed - printed) <= ROUNDING + 1e-9
