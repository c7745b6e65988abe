"""The one place where an interval becomes a verdict.

Two questions are asked of the interval of a difference, and each has its own words: which direction does it
show, and what does it say of the claim that the difference is a gain? The rule for a gain compares the
interval with 0 and with the smallest effect of interest; the second comparison is one side of an equivalence
test (Schuirmann, J Pharmacokinet Biopharm 15:657, 1987). docs/statistics.md explains both to readers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from helpers.params import Evaluation

MINIMUM_REPLICATES = 3  # with fewer, no interval of a difference between procedures is computed
FAMILY_LEVEL = 0.05  # of the primary contrasts together, by Holm's rule
# a share; directions do not depend on it
SMALLEST_EFFECT = float(Evaluation.model_fields["smallest_effect"].default)
BLUR_MARGIN = 0.03  # share within which synthetic images must stay beside blurred real ones to count as alike


class Direction(StrEnum):
    """Which direction of a difference its interval shows."""

    HIGHER = "higher"
    LOWER = "lower"
    NOT_SHOWN = "no difference shown"
    NOT_TESTED = "not tested"


class Gain(StrEnum):
    """What an interval says of the claim that the difference is a gain."""

    SUPPORTED = "supported"
    EXCLUDED = "excluded"
    NEGLIGIBLE = "real but negligible"
    UNDECIDED = "undecided"
    TOO_FEW = f"not tested (needs {MINIMUM_REPLICATES} replicates)"
    NOT_TESTED = "not tested"

    @property
    def short(self) -> "Gain":
        """The same without the reason in brackets, for narrow tables and sentences."""
        return Gain.NOT_TESTED if self is Gain.TOO_FEW else self


class Cause(StrEnum):
    """What changed a metric where synthetic images were added: the synthesis, or blur that comes with it."""

    SYNTHESIS = "synthesis"
    BLUR = "blur"
    UNTOLD = "cannot be told"


@dataclass(frozen=True)
class Verdict:
    """Both answers that an interval gives."""

    direction: Direction
    gain: Gain

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval shows a difference, in either direction."""
        return self.direction in (Direction.HIGHER, Direction.LOWER)


def verdict(
    low: float, high: float, replicates: int | None = None, smallest_effect: float = SMALLEST_EFFECT
) -> Verdict:
    """What the interval from ``low`` to ``high`` of a difference shows.

    Args:
        low, high: the ends of the interval, NaN where there is none.
        replicates: trainings of each arm behind it; fewer than MINIMUM_REPLICATES leave the difference
            untested. None for an interval that is not about trainings.
        smallest_effect: the smallest difference that would matter, in the unit of the interval.

    Direction: higher if the interval lies wholly above 0, lower if wholly below 0, not tested without an
    interval, and no difference shown otherwise. Gain: supported if the interval lies wholly above 0,
    excluded if wholly below the smallest effect, real but negligible if both, undecided if neither; not
    tested without an interval.
    """
    if replicates is not None and replicates < MINIMUM_REPLICATES:
        return Verdict(Direction.NOT_TESTED, Gain.TOO_FEW)
    direction = _direction(low, high)
    untested = direction is Direction.NOT_TESTED
    return Verdict(direction, Gain.NOT_TESTED if untested else gain_of(low > 0, high < smallest_effect))


def verdict_of(row: Mapping[str, Any], smallest_effect: float = SMALLEST_EFFECT) -> Verdict:
    """``verdict`` of a row with ``low``, ``high`` and ``replicates``, such as one of comparisons.csv.

    An absent end (no key, or None) is no interval, and an absent number of replicates counts as 0. A primary
    contrast has ``p_holm``, its p value adjusted for the family: where that is no longer below FAMILY_LEVEL,
    neither a direction nor a gain is shown, though the interval by itself may exclude 0.
    """
    found = _alone(row, smallest_effect)
    if not held_back(row):
        return found
    return Verdict(Direction.NOT_SHOWN, gain_of(False, row["high"] < smallest_effect))


def held_back(row: Mapping[str, Any]) -> bool:
    """Whether an interval by itself shows a difference, and Holm's rule does not let it count as shown.

    ``row`` is as of ``verdict_of``; where it is True, it has a ``p_holm``.
    """
    adjusted = row.get("p_holm")
    return adjusted is not None and adjusted >= FAMILY_LEVEL and _alone(row).excludes_zero


def _alone(row: Mapping[str, Any], smallest_effect: float = SMALLEST_EFFECT) -> Verdict:
    """What the interval of a row shows by itself."""
    low, high = (math.nan if row.get(end) is None else row[end] for end in ("low", "high"))
    return verdict(low, high, int(row.get("replicates") or 0), smallest_effect)


def cause(
    change: Mapping[str, Any],
    beyond_blur: Mapping[str, Any],
    blur: Mapping[str, Any],
    sharpness: Mapping[str, Any] | None = None,
) -> Cause:
    """What changed a metric where synthetic images were added, from the intervals of differences.

    Args:
        change: the arm with synthetic images less the reference. Where it is not shown, there is nothing to
            explain, and the cause cannot be told.
        beyond_blur: that arm less the one with as many real images of the same sharpness.
        blur: the latter less the reference.
        sharpness: the latter less the arm with as many real images as they are; None without such an arm,
            and then it is never blur. It tells blur from the mere number of images, which ``blur`` does not.

    All are rows as of ``verdict_of``. It is the synthesis where ``beyond_blur`` excludes 0 on the side of
    ``change``. It is blur where ``blur`` and ``sharpness`` exclude 0 on that side, and the interval of
    ``beyond_blur`` holds 0 and lies within BLUR_MARGIN either way, which is an equivalence test. Otherwise it
    cannot be told.
    """
    side, beyond = verdict_of(change).direction, verdict_of(beyond_blur).direction
    if side not in (Direction.HIGHER, Direction.LOWER):
        return Cause.UNTOLD
    if beyond is side:
        return Cause.SYNTHESIS
    if beyond is not Direction.NOT_SHOWN or sharpness is None:
        return Cause.UNTOLD
    if any(verdict_of(row).direction is not side for row in (blur, sharpness)):
        return Cause.UNTOLD
    alike = -BLUR_MARGIN <= beyond_blur["low"] <= 0 <= beyond_blur["high"] <= BLUR_MARGIN
    return Cause.BLUR if alike else Cause.UNTOLD


def gain_of(supports: bool, excludes: bool) -> Gain:
    """The word for a claim of a gain, from whether the data support it and whether they exclude it."""
    if supports:
        return Gain.NEGLIGIBLE if excludes else Gain.SUPPORTED
    return Gain.EXCLUDED if excludes else Gain.UNDECIDED


def gain_words(gain: Gain, margin: float) -> str:
    """A verdict on a gain in words for the page; ``margin``, a share, is the effect that it was held to.

    An interval that lies below the margin excludes a gain of that size. It need not show a loss.
    """
    if gain is Gain.EXCLUDED:
        return f"a gain of {100 * margin:.3g} points or more is excluded"
    return gain.value


def _direction(low: float, high: float) -> Direction:
    if not (math.isfinite(low) and math.isfinite(high)):
        return Direction.NOT_TESTED
    return Direction.HIGHER if low > 0 else Direction.LOWER if high < 0 else Direction.NOT_SHOWN
