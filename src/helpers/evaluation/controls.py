"""Arms that test the study and not the paper: what no effect looks like, and whether a known loss is seen.

Their words stay apart from the verdicts on claims: a control's difference is higher, lower, or not shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from helpers.evaluation.roles import added_images, adding
from helpers.evaluation.verdicts import Direction, verdict_of
from helpers.params import Arm, Params

AGAIN, WITHHELD, RESTORED, OVERSAMPLED, WEIGHTED = "again", "withheld", "restored", "oversampled", "weighted"
BLURRED, BEYOND_BLUR, SHARPNESS = "blurred", "beyond blur", "sharpness"


@dataclass(frozen=True)
class Control:
    """One control: its ``role`` (see ``controls``), its arm, and the arm that it is compared with.

    ``fraction``: the share of the target's real training images that a withheld or restored arm lacks, else
        None.
    """

    role: str
    arm: str
    reference: str
    fraction: float | None = None

    @property
    def contrast(self) -> str:
        return f"{self.arm} - {self.reference}"


def controls(params: Params) -> list[Control]:
    """The run's controls, in the order of the roles; they are found by their recipes, whatever their names.

    again: the reference's own recipe once more. withheld: the reference without some real images of the
    target class (the positive control). restored: the same with synthetic images in their place, compared
    with the withheld arm. oversampled: real target images repeated. blurred: the same, reduced and enlarged
    as synthetic images are. sharpness: the blurred arm, compared with the one that repeats as many as they
    are. beyond blur: synthetic images, compared with as many blurred ones. weighted: a class-weighted loss.
    All but ``again`` need a reference without any addition.
    """
    reference = params.evaluation.reference
    recipe = params.arms[reference]
    same = [name for name, arm in params.arms.items() if name != reference and arm == recipe]
    found = [Control(AGAIN, name, reference) for name in same]
    if recipe != Arm():
        return found
    withheld, repeated = list(_withheld(params)), list(_oversampled(params))
    return [
        *found,
        *withheld,
        *_restored(params, withheld),
        *repeated,
        *_sharpness(params, repeated),
        *_beyond_blur(params, repeated),
        *(
            Control(WEIGHTED, name, reference)
            for name, arm in params.arms.items()
            if arm == Arm(loss="balanced")
        ),
    ]


def _withheld(params: Params) -> Iterator[Control]:
    for name, arm in params.arms.items():
        lack = arm.withhold
        if lack is not None and lack.class_ == params.data.target_class and arm == Arm(withhold=lack):
            yield Control(WITHHELD, name, params.evaluation.reference, lack.fraction)


def _restored(params: Params, withheld: list[Control]) -> Iterator[Control]:
    """Arms with synthetic images of the target, each beside the first withheld arm that lacks as much."""
    for name, arm in params.arms.items():
        lack, added = arm.withhold, arm.synthetic
        if lack is None or added is None or arm != Arm(withhold=lack, synthetic=added):
            continue
        if params.synthetic_classes(name) == (params.data.target_class,):
            same = [control.arm for control in withheld if params.arms[control.arm].withhold == lack]
            yield from (Control(RESTORED, name, other, lack.fraction) for other in same[:1])


def _oversampled(params: Params) -> Iterator[Control]:
    for name, arm in params.arms.items():
        more = arm.oversample
        if more is not None and more.class_ == params.data.target_class and arm == Arm(oversample=more):
            yield Control(BLURRED if arm.blurs else OVERSAMPLED, name, params.evaluation.reference)


def _sharpness(params: Params, repeated: list[Control]) -> Iterator[Control]:
    """Each blurred arm beside the first that repeats as many photographs as they are."""
    counts = {
        control.arm: more.count for control in repeated if (more := params.arms[control.arm].oversample)
    }
    for control in repeated:
        if control.role == BLURRED:
            sharp = [
                other.arm
                for other in repeated
                if other.role == OVERSAMPLED and counts[other.arm] == counts[control.arm]
            ]
            yield from (Control(SHARPNESS, control.arm, other) for other in sharp[:1])


def _beyond_blur(params: Params, repeated: list[Control]) -> Iterator[Control]:
    """Arms with synthetic images of this run's GANs, each beside the blurred arm of as many images."""
    blurred: dict[int, str] = {}
    for control in repeated:
        more = params.arms[control.arm].oversample
        if control.role == BLURRED and more is not None:
            blurred.setdefault(more.count, control.arm)
    for name, added in adding(params).items():
        other = blurred.get(added_images(params, added) or 0)
        if other and params.synthetic_classes(name) == (params.data.target_class,):
            yield Control(BEYOND_BLUR, name, other)


def blind_spot(table: pd.DataFrame, metric: str = "target_recall") -> float | None:
    """The largest share of withheld target images whose loss the study could have seen and did not.

    None where each loss was seen, or there is none. ``table`` is evaluation/controls.csv.
    """
    unseen = [
        row["fraction"]
        for row in rows_of(table, WITHHELD, metric)
        if verdict_of(row).direction in (Direction.HIGHER, Direction.NOT_SHOWN)
    ]
    return max(unseen, default=None)


def rows_of(table: pd.DataFrame, role: str, metric: str = "target_recall") -> list[dict[str, Any]]:
    """Rows of evaluation/controls.csv of one role and metric."""
    return table[(table["control"] == role) & (table["metric"] == metric)].to_dict("records")
