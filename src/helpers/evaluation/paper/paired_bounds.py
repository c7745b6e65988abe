"""What the paper's own test set could show: bounds on tests whose paired counts are not published."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from helpers.evaluation.significance import mcnemar
from helpers.evaluation.words import show_p

LEVEL = 0.05


@dataclass(frozen=True)
class Discordance:
    """What the exact McNemar test could say of two published counts of right answers.

    ``images`` tested; ``net`` images gained; ``least`` and ``most`` images on which the two models can
    disagree (one right, the other wrong), given the counts; ``p_least`` and ``p_most``: p at these two ends;
    ``threshold``: the most disagreement with p < LEVEL whatever the counts allow (0: none).
    """

    images: int
    net: int
    least: int
    most: int
    threshold: int
    p_least: float
    p_most: float

    @property
    def words(self) -> str:
        """The range of p, for a table's cell."""
        if self.net == 0:
            return "p 1.00 whatever the pairs: the counts are equal"
        shown = f"p from {show_p(self.p_least)} to {show_p(self.p_most)}"
        if self.threshold >= self.most:
            return (
                f"{shown}, so below {LEVEL} whatever the pairs: it stays there up to {self.threshold:,} "
                f"disagreements, and the counts allow no more than {self.most:,}"
            )
        return (
            f"{shown}; below {LEVEL} if they disagree on at most {self.threshold:,} of {self.images:,} "
            f"images, and the counts allow up to {self.most:,}"
        )


def discordance(arm_right: int, reference_right: int, images: int) -> Discordance:
    """Range of exact McNemar p values over the discordant pairs that two counts of right answers allow."""
    net = arm_right - reference_right
    every = np.arange(abs(net), images + 1, 2)
    significant = every[_p(every, net) < LEVEL]
    # gained images are right by the arm and wrong by the reference; the lost ones follow from the net
    most = 2 * min(arm_right, images - reference_right) - net
    ends = _p(np.array([abs(net), most]), net)
    return Discordance(
        images, net, abs(net), most, int(significant.max(initial=0)), float(ends[0]), float(ends[1])
    )


def _p(discordant: np.ndarray, net: int) -> np.ndarray:
    """McNemar's p where so many images are right by one model only, ``net`` more of them by the first."""
    return mcnemar((discordant + net) // 2, (discordant - net) // 2)


def two_proportions(first: int, second: int, images: int) -> tuple[float, float]:
    """z and two-sided p of first / images against second / images, as if tested on different images.

    The variance is pooled: the test of two independent proportions.
    """
    pooled = (first + second) / (2 * images)
    z = (first - second) / np.sqrt(2 * images * pooled * (1 - pooled))
    return float(z), float(2 * special.ndtr(-abs(z)))
