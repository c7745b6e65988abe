"""Simulated lesions and the learners that are trained on them, for studies of folds (fold_simulation.py)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 15  # of the learner of that name

Model = Callable[[np.ndarray], np.ndarray]  # features (n, d) to the target's probability (n,)


@dataclass(frozen=True)
class Folded:
    """A population of lesions of two classes, and ``procedures`` (2 or more) that are trained on it.

    A lesion has normal features about means that are ``separation`` apart between the classes in each
    of them, and a photograph of it has those and noise of half their size. ``twice``: the chances that a
    lesion of the other class and of the target is photographed twice. All procedures see ``common``
    features; each sees ``own`` others, which carry as much information, so that all are equally good and not
    alike. Where ``effect`` is true all but the first see none of their own. ``bootstrap``: each training
    draws this share of its photographs, with replacement, which is a chance of its own that no other training
    shares; 0: it takes them all.
    ``learner``: 'logistic', 'tree' or 'neighbours'. ``balanced``: it weighs both classes alike; where not,
    the target's recall is low and hangs on which lesions were drawn.
    """

    lesions: int = 400
    share: float = 0.2
    separation: float = 0.6
    learner: str = "logistic"
    common: int = 4
    own: int = 4
    bootstrap: float = 0.0
    effect: bool = False
    balanced: bool = True
    procedures: int = 2
    twice: tuple[float, float] = (0.34, 0.34)

    @property
    def features(self) -> list[np.ndarray]:
        """The features that each procedure sees."""
        common, first = np.arange(self.common), self.common + np.arange(self.own)
        rest = range(1, self.procedures)
        others = [common if self.effect else np.r_[common, first + self.own * place] for place in rest]
        return [np.r_[common, first], *others]


@dataclass(frozen=True)
class Drawn:
    """Photographs: features (n, d), whether of the target (n,), and lesion positions (n,); classes (L,)."""

    features: np.ndarray
    positive: np.ndarray
    lesion: np.ndarray
    strata: np.ndarray


def draw(design: Folded, generator: np.random.Generator, lesions: int | None = None) -> Drawn:
    """Lesions of the population with their photographs."""
    count = lesions or design.lesions
    strata = (np.arange(count) < round(design.share * count)).astype(int)
    width = design.common + design.procedures * design.own
    centres = generator.standard_normal((count, width)) + (strata[:, None] - 0.5) * design.separation
    lesion = np.repeat(np.arange(count), 1 + (generator.random(count) < np.array(design.twice)[strata]))
    features = centres[lesion] + 0.5 * generator.standard_normal((len(lesion), width))
    return Drawn(features, strata[lesion] == 1, lesion, strata)


def train(
    design: Folded, features: np.ndarray, positive: np.ndarray, generator: np.random.Generator
) -> Model:
    """A classifier of the design's kind."""
    images = len(positive)
    drawn = np.ones(images)
    if design.bootstrap:
        taken = generator.integers(images, size=round(design.bootstrap * images))
        drawn = np.bincount(taken, minlength=images).astype(float)
    rarity = (~positive).sum() / positive.sum() if design.balanced else 1.0
    weights = drawn * np.where(positive, rarity, 1.0)
    if design.learner == "tree":
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(max_depth=3, min_samples_leaf=5, random_state=0)
        tree.fit(features, positive, weights)
        return lambda new: tree.predict_proba(new)[:, 1]
    if design.learner == "neighbours":
        from sklearn.neighbors import KNeighborsClassifier

        rows = np.repeat(np.arange(images), drawn.astype(int))
        nearest = KNeighborsClassifier(NEIGHBOURS).fit(features[rows], positive[rows])
        prior = 1 / rarity if design.balanced else 1.0  # odds are divided by those of the classes
        return lambda new: _balanced(nearest.predict_proba(new)[:, 1], prior)
    slopes = _logistic(features, positive, weights)
    return lambda new: 1 / (1 + np.exp(-(slopes[0] + new @ slopes[1:])))


def _balanced(probability: np.ndarray, prior: float) -> np.ndarray:
    """A probability (n,) whose odds are divided by ``prior``, the odds of the classes."""
    return probability / (probability + (1 - probability) * prior)


def _logistic(features: np.ndarray, positive: np.ndarray, weights: np.ndarray, steps: int = 6) -> np.ndarray:
    """Intercept and slopes of a logistic regression with a small ridge, by Newton's method."""
    design = np.c_[np.ones(len(features)), features]
    slopes, ridge = np.zeros(design.shape[1]), np.eye(design.shape[1])
    for _ in range(steps):
        probability = 1 / (1 + np.exp(-design @ slopes))
        curvature = design.T * (weights * probability * (1 - probability)) @ design + ridge
        slopes = slopes + np.linalg.solve(
            curvature, design.T @ (weights * (positive - probability)) - ridge @ slopes
        )
    return slopes
