"""How much the folds of a simulated study have in common, and what that does to the intervals.

The *correlation of folds* is that of the differences (first procedure less second) that two folds of one deal
give, over studies of lesions drawn anew: the rho of Nadeau and Bengio (Mach Learn 52:239, 2003). No study can
estimate it from its own folds, many simulated ones can. benchmarks/fold_coverage.py writes two tables of
docs/statistics.md from these functions.
"""

from collections.abc import Iterator

import numpy as np

from helpers.evaluation.fold_learners import Folded
from helpers.evaluation.fold_simulation import (
    LEVEL,
    POWER,
    FoldedStudy,
    holds,
    simulate,
    tested_per_trained,
    truths,
)
from helpers.evaluation.intervals import Difference, corrected_half_width, student_quantile

METRICS = ("target_recall", "target_roc_auc", "accuracy")
TESTS = 6  # of the family of docs/protocol.md; the smallest of its p values must be below LEVEL / TESTS
LARGER, TRAININGS = 25, 200  # a true difference: lesions per lesion of a study, and trainings averaged over
EXTERNAL = 20  # lesions of the external test set, which is not looked at here


def correlation_of_folds(differences: np.ndarray) -> float:
    """Correlation of two folds of one deal, from the differences (..., folds) of many deals of many studies.

    With s2 the variance of a fold's difference over studies and rho the correlation, folds of a deal scatter
    by s2 (1 - rho), and the mean of K folds by s2 (1 / K + rho (K - 1) / K); both give s2, and s2 gives rho.
    NaN where nothing varies.
    """
    folds = differences.shape[-1]
    within = differences.var(axis=-1, ddof=1).mean()
    total = differences.mean(axis=-1).var(axis=0, ddof=1).mean() + within * (folds - 1) / folds
    return float(1 - within / total) if total > 0 else float("nan")


def detail(design: Folded, folds: int, repeats: int, studies: int, seed: int) -> dict[str, dict[str, float]]:
    """What simulated studies show of each metric, as shares and differences between them.

    ``correlation`` of folds; ``mean`` of the first procedure; ``deviation`` of the differences of one deal's
    folds (root mean square); ``coverage`` of the interval and ``corrected`` of the corrected resampled t, and
    both of the first deal alone (``coverage_once``, ``corrected_once``); ``called``: studies with p below
    LEVEL; ``half``: half of the interval's mean width; ``seen``: the smallest difference that POWER of the
    studies would call real; ``seen_of_family``: the same where p must be below LEVEL / TESTS.
    """
    gaps = dict.fromkeys(METRICS, 0.0)
    if design.effect:
        true = truths(design, folds, TRAININGS, seed, LARGER * design.lesions)
        gaps = {name: float(true[name][0] - true[name][1]) for name in METRICS}
    rows: dict[str, list[list[float]]] = {name: [] for name in METRICS}
    differences: dict[str, list[np.ndarray]] = {name: [] for name in METRICS}
    for number in range(studies):
        study = simulate(design, folds, repeats, seed * 1_000_003 + number + 1, EXTERNAL)
        for name, gap in gaps.items():
            rows[name].append(list(_looked_at(study, name, folds, gap)))
            differences[name].append(_change(study, name).reshape(repeats, folds))
    return {name: _summary(np.array(rows[name]), np.stack(differences[name])) for name in METRICS}


def _change(study: FoldedStudy, metric: str) -> np.ndarray:
    """The difference in each part, (J,)."""
    first, second = study.values[metric][:2]
    return first - second


def _looked_at(study: FoldedStudy, metric: str, folds: int, gap: float) -> Iterator[float]:
    """One study's part of ``detail``; ``gap`` is the true difference."""
    for part in (study, study.first(folds)):
        found, change = part.difference(metric, folds), _change(part, metric)
        half = corrected_half_width(change, tested_per_trained(folds), 1 - LEVEL)
        yield holds(found, gap)
        yield bool(abs(found.estimate - gap) <= half)
    found = study.difference(metric, folds)
    yield bool(found.p < LEVEL)
    yield float(study.values[metric][0].mean())
    yield float(found.high - found.low) / 2
    yield float(gap - found.low)
    yield float(gap - found.estimate) + _half(found, LEVEL / TESTS)


def _half(found: Difference, level: float) -> float:
    """Half of the interval's width at another level."""
    return float(student_quantile(1 - level / 2, found.degrees_of_freedom) * found.standard_error)


def _summary(rows: np.ndarray, differences: np.ndarray) -> dict[str, float]:
    """``detail`` of a metric from the studies' rows and their differences (studies, repeats, folds)."""
    keys = ("coverage", "corrected", "coverage_once", "corrected_once", "called", "mean", "half")
    seen, of_family = np.nanquantile(rows[:, len(keys) :], POWER, axis=0)
    return dict(zip(keys, np.nanmean(rows[:, : len(keys)], axis=0).tolist(), strict=True)) | {
        "correlation": correlation_of_folds(differences),
        "deviation": float(np.sqrt(differences.var(axis=-1, ddof=1).mean())),
        "seen": float(seen),
        "seen_of_family": float(of_family),
    }
