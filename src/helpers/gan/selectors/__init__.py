"""Ways to rank synthetic images: each file of this folder holds one, as ``SELECTOR``.

An arm names one as ``rank`` beside ``select: top`` or ``bottom``. To add a selector, write one such file. It
imports nothing heavy at module level, because parameters and reports read selectors too.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from helpers.registry import Registry


@dataclass(frozen=True)
class Evidence:
    """What is known of N synthetic images besides the critic's score."""

    features: np.ndarray  # (N, D), of the network synthesis.features
    distance: np.ndarray  # (N,), mean distance in features to the nearest of the GAN's training images
    probabilities: np.ndarray | None = None  # (N,), of the target class, by the baseline classifier
    class_probabilities: np.ndarray | None = None  # (N, classes), by the baseline classifier


@dataclass(frozen=True)
class Selector:
    """A way to rank synthetic images, and how it is spoken of."""

    rank: str  # column of scores.csv that holds the ranks; 1 is best
    words: str  # for readers, after "the best 300 images"
    meaning: str  # what it ranks by, for the table of parameters
    # columns of scores.csv (N,), nothing without the evidence; None: synthesis.py writes them
    columns: Callable[[Evidence], dict[str, np.ndarray]] | None = None
    needs_classifier: bool = False  # its columns need the baseline classifier's probabilities
    always: bool = False  # its columns are in every scores.csv; others are added where an arm asks for them
    # column of the ranked values, and what they are, for the comparison with the filter's score; empty: none
    value: str = ""
    value_meaning: str = ""
    higher: bool = True  # whether a higher value is better

    @property
    def missing(self) -> str:
        """What to do where scores.csv lacks the column ``rank``."""
        if self.needs_classifier:
            return "give notebook 03 the baseline classifier's probabilities"
        return "run the stage 'synthesis' again"


SELECTORS = Registry[Selector]("helpers.gan.selectors", "SELECTOR", "selector")


def written_selectors(asked: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of the selectors whose columns scores.csv gets where the arms rank by ``asked``.

    They are in the order of their columns: first those that are always written, and among them first those
    that need no classifier.
    """
    asked = set(asked)
    names = [name for name in SELECTORS.names() if name in asked or SELECTORS.get(name).always]
    return tuple(sorted(names, key=_place_in_table))


def _place_in_table(name: str) -> tuple[bool, bool]:
    selector = SELECTORS.get(name)
    return not selector.always, selector.needs_classifier


def rank_by(values: np.ndarray) -> np.ndarray:
    """Ranks (int64, 1 is best) of values of which higher is better; of equal ones the earlier is better."""
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return rank
