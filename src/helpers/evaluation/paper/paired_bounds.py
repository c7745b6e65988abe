"""What the paper's own test set could show: bounds on tests whose paired counts are not published."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from helpers.evaluation.significance import mcnemar
from helpers.evaluation.words import show_p

LEVEL = 0.05


@dataclass(frozen=True)
class Discordance:
    """What the exact McNemar test could say of two published counts of right answers.

    ``images`` tested; ``net`` images gained; ``least`` and ``most``: (gained, lost) images at the least and
    at the most disagreement (one model right, the other wrong) that the counts allow; ``threshold``: the most
    disagreement that they allow with p < LEVEL (0: none); ``p_least`` and ``p_most``: p at the two ends.
    """

    images: int
    net: int
    least: tuple[int, int]
    most: tuple[int, int]
    threshold: int
    p_least: float
    p_most: float

    @property
    def ends(self) -> str:
        """The images gained and lost at both ends."""
        return f"{self.least[0]:,} gained and {self.least[1]:,} lost to {self.most[0]:,} and {self.most[1]:,}"

    @property
    def words(self) -> str:
        """The range of p, for a table's cell."""
        if self.net == 0:
            return "p 1.00 whatever the pairs: the counts are equal"
        shown = f"p from {show_p(self.p_least)} to {show_p(self.p_most)} ({self.ends})"
        if self.p_most < LEVEL:
            return f"{shown}, so below {LEVEL} whatever the pairs"
        if not self.threshold:
            return f"{shown}, so not below {LEVEL} whatever the pairs"
        return (
            f"{shown}; below {LEVEL} if they disagree on at most {self.threshold:,} of {self.images:,} images"
        )


def discordance(arm_right: ArrayLike, reference_right: ArrayLike, images: ArrayLike) -> Discordance:
    """Range of exact McNemar p values over the discordant pairs that two models' right answers allow.

    Args:
        arm_right, reference_right: right answers of each model, as one count or as counts by class, which
            narrow the range: an image that one model gains in a class cannot make up for one of another.
        images: the images tested, counted in the same way.
    """
    first, second, tested = (np.atleast_1d(counts) for counts in (arm_right, reference_right, images))
    net = int((first - second).sum())
    # gained images are right by the arm and wrong by the reference; the lost ones follow from the net
    gained = int(np.clip(first - second, 0, None).sum()), int(np.minimum(first, tested - second).sum())
    every = np.arange(2 * gained[0] - net, 2 * gained[1] - net + 1, 2)
    values = _p(every, net)
    significant = every[values < LEVEL]
    return Discordance(
        int(tested.sum()),
        net,
        (gained[0], gained[0] - net),
        (gained[1], gained[1] - net),
        int(significant.max(initial=0)),
        float(values[0]),
        float(values[-1]),
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
