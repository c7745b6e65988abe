"""Holm's rule for several p values, McNemar's test of paired counts, Wilson's interval of a proportion."""

import numpy as np
from scipy import special


def holm(p: np.ndarray) -> np.ndarray:
    """P values adjusted by Holm's step-down rule; NaN stays NaN and is not counted.

    Source: Holm, Scand J Stat 6:65 (1979).
    """
    p = np.asarray(p, float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def mcnemar(only_first: np.ndarray | int, only_second: np.ndarray | int) -> np.ndarray:
    """Exact two-sided McNemar p values from discordant counts: right by the one or the other model only.

    It compares two trained models on these very images: the chance of training is not in it, and images of
    one lesion count as independent. Source: McNemar, Psychometrika 12:153 (1947), in its binomial form.
    """
    fewer, both = np.minimum(only_first, only_second), np.asarray(only_first) + np.asarray(only_second)
    return np.minimum(2 * special.bdtr(fewer, both, 0.5), 1)


def wilson(
    successes: np.ndarray | int, trials: np.ndarray | int, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval of a proportion, 0..1; (0, 1) without trials.

    Source: Wilson, J Am Stat Assoc 22:209 (1927).
    """
    z2 = special.ndtri(0.5 + confidence / 2) ** 2
    trials = np.asarray(trials, float)
    centre = (np.asarray(successes, float) + z2 / 2) / (trials + z2)
    share = np.divide(
        successes, trials, out=np.zeros(np.broadcast(successes, trials).shape), where=trials > 0
    )
    half = np.sqrt(z2 * (share * (1 - share) * trials + z2 / 4)) / (trials + z2)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
