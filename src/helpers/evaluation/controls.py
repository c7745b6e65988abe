"""Arms that test the study and not the paper: what no effect looks like, and whether a known loss is seen.

The wording stays apart from the verdicts on claims: a control's difference is higher, lower, or not shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers.evaluation.statistics import MINIMUM_REPLICATES
from helpers.params import Arm, Params

AGAIN, WITHHELD, RESTORED, OVERSAMPLED, WEIGHTED = "again", "withheld", "restored", "oversampled", "weighted"
HIGHER, LOWER, NOT_SHOWN, NOT_TESTED = "higher", "lower", "no difference shown", "not tested"


@dataclass(frozen=True)
class Control:
    """One control: its ``role`` (see ``controls``), the arm that plays it and the arm that it is compared with.

    ``fraction``: the share of the target's real training images that a withheld or restored arm lacks, else None.
    """

    role: str
    arm: str
    reference: str
    fraction: float | None = None

    @property
    def contrast(self) -> str:
        return f"{self.arm} - {self.reference}"


def controls(params: Params) -> list[Control]:
    """The run's controls, found by their recipes, whatever the arms are called, in the order of the roles.

    again: the reference's own recipe once more. withheld: the reference without some real images of the target class (the positive control).
    restored: the same with synthetic images in their place, compared with the withheld arm. oversampled: real target images repeated.
    weighted: a class-weighted loss. All but ``again`` need a reference without any addition.
    """
    reference, target = params.evaluation.reference, params.data.target_class
    found = [
        Control(AGAIN, name, reference)
        for name in params.arms
        if name != reference and params.arms[name] == params.arms[reference]
    ]
    if params.arms[reference] != Arm():
        return found
    lacking = [
        (name, arm.withhold)
        for name, arm in params.arms.items()
        if arm.withhold is not None and arm.withhold.class_ == target
    ]
    withheld = [(name, lack) for name, lack in lacking if params.arms[name] == Arm(withhold=lack)]
    found += [Control(WITHHELD, name, reference, lack.fraction) for name, lack in withheld]
    for name, lack in lacking:
        added = params.arms[name].synthetic
        if (
            added is not None
            and params.arms[name] == Arm(withhold=lack, synthetic=added)
            and added.class_ in (None, target)
        ):
            found += [
                Control(RESTORED, name, other, lack.fraction) for other, same in withheld if same == lack
            ][:1]
    for name, arm in params.arms.items():
        if (
            arm.oversample is not None
            and arm == Arm(oversample=arm.oversample)
            and arm.oversample.class_ == target
        ):
            found.append(Control(OVERSAMPLED, name, reference))
    return found + [
        Control(WEIGHTED, name, reference) for name, arm in params.arms.items() if arm == Arm(loss="balanced")
    ]


def outcome(row: Mapping[str, Any]) -> str:
    """What the interval of a difference shows: higher, lower, no difference shown; not tested without an interval."""
    if int(row["replicates"]) < MINIMUM_REPLICATES or not np.isfinite([row["low"], row["high"]]).all():
        return NOT_TESTED
    return HIGHER if row["low"] > 0 else LOWER if row["high"] < 0 else NOT_SHOWN


def blind_spot(table: pd.DataFrame, metric: str = "target_recall") -> float | None:
    """The largest share of withheld target images whose loss the study could have seen and did not; None where each was seen, or there is none.

    ``table`` is evaluation/controls.csv.
    """
    rows = rows_of(table, WITHHELD, metric)
    unseen = [row["fraction"] for row in rows if outcome(row) in (HIGHER, NOT_SHOWN)]
    return max(unseen, default=None)


def rows_of(table: pd.DataFrame, role: str, metric: str = "target_recall") -> list[dict[str, Any]]:
    """Rows of evaluation/controls.csv of one role and metric."""
    return table[(table["control"] == role) & (table["metric"] == metric)].to_dict("records")


def share_words(fraction: float) -> str:
    """``half of the``, ``90 % of the``: a share of the images that follow."""
    return "half of the" if fraction == 0.5 else f"{100 * fraction:g} % of the"
