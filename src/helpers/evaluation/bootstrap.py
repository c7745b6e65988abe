"""The crossed bootstrap: replicates and lesions resampled independently of one another.

It checks the algebra of ``helpers.evaluation.intervals`` by other means, for metrics of the confusion matrix.
"""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from helpers.evaluation.confusion import confusion_counts

BATCH = 200  # resamples at a time, which bounds the memory


def crossed_bootstrap(
    truth: np.ndarray,
    predicted: np.ndarray,
    lesion: np.ndarray,
    classes: int,
    metric: Callable[[np.ndarray], dict[str, np.ndarray]],
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Each arm's metrics in resampled studies: for each metric an array (3, resamples, A).

    Args:
        truth, predicted: class positions of the images, (n,), and those that each replicate of each arm gave
            them, (A, R, n).
        lesion: lesion positions of the images, (n,), all of which occur; lesions are drawn within their
            class.
        classes: K.
        metric: maps counts (..., K, K) to metrics (...), such as ``confusion.summarise``.
        resamples, seed: how many, and the seed of the draws.

    The first axis of the result: the mean over replicates with replicates and lesions resampled, with lesions
    alone, and with replicates alone. All arms share the draws, so the difference of two columns is the
    resampled difference; ``crossed_error`` makes a standard error of it.
    """
    arms, replicates = predicted.shape[:2]
    generator = np.random.default_rng(seed)
    drawn = _draws(generator, resamples, replicates) / max(replicates - 1, 1)
    weights, scale = _lesion_weights(
        generator, resamples, truth[np.unique(lesion, return_index=True)[1]], classes
    )
    by_lesion = _counts_by_lesion(truth, predicted, lesion, classes)
    found = {}
    for name, values in metric(confusion_counts(truth, predicted, classes)).items():
        found[name] = np.empty((3, resamples, arms))
        found[name][2] = np.einsum("ar,br->ba", values, drawn)
    for start in range(0, resamples, BATCH):
        batch = slice(start, start + BATCH)
        counts = np.ascontiguousarray(weights[batch] @ by_lesion)
        counts = counts.reshape(-1, arms, replicates, classes, classes) * scale[:, None]
        for name, values in metric(counts).items():
            found[name][0, batch] = np.einsum("bar,br->ba", values, drawn[batch])
            found[name][1, batch] = values.mean(axis=-1)
    return found


def crossed_error(resampled: np.ndarray) -> float:
    """Standard error from (3, resamples) differences: both resampled, lesions alone, replicates alone.

    Resampling both counts the interaction of replicates and lesions three times, and each alone counts it
    once (Owen, Ann Appl Stat 1:386, 2007). What the first has beyond the two others is therefore the
    interaction, and it is subtracted from the lesions' part as in ``intervals.paired_difference``.
    """
    both, lesions, replicates = resampled.var(axis=-1, ddof=1)
    return float(np.sqrt(replicates + max(lesions - max(both - lesions - replicates, 0), 0)))


def _lesion_weights(
    generator: np.random.Generator, resamples: int, strata: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """How often each lesion is drawn, (resamples, L), and the factor on the counts of each class, (K,).

    R - 1 of R replicates and m - 1 of m lesions of a class are drawn with replacement, which makes the two
    variances unbiased (Rao and Wu, J Am Stat Assoc 83:231, 1988); the factor m / (m - 1) gives the class its
    images back.
    """
    weights, scale = np.zeros((resamples, len(strata)), np.float32), np.ones(classes)
    for stratum in np.unique(strata):
        inside = np.flatnonzero(strata == stratum)
        weights[:, inside] = _draws(generator, resamples, len(inside))
        scale[stratum] = len(inside) / max(len(inside) - 1, 1)
    return weights, scale


def _counts_by_lesion(
    truth: np.ndarray, predicted: np.ndarray, lesion: np.ndarray, classes: int
) -> sparse.csr_array:
    """Each lesion's part of the confusion counts of every model, (L, A R K K), nearly all of them 0.

    Whole numbers below 2^24 are exact in single precision, whatever the order of a sum.
    """
    arms, replicates = predicted.shape[:2]
    model = np.arange(arms * replicates).reshape(arms, replicates, 1)
    cells = (model * classes + truth) * classes + predicted
    where = np.broadcast_to(lesion, cells.shape).ravel(), cells.ravel()
    shape = (lesion.max() + 1, arms * replicates * classes**2)
    return sparse.coo_array((np.ones(cells.size, np.float32), where), shape).tocsr()


def _draws(generator: np.random.Generator, resamples: int, size: int) -> np.ndarray:
    """How often each of ``size`` things occurs in size - 1 draws with replacement: (resamples, size)."""
    if size == 1:
        return np.ones((resamples, 1))
    drawn = np.empty((resamples, size), np.int32)
    # in batches, because all picks at once would need more memory than anything else in an evaluation
    for start in range(0, resamples, BATCH):
        rows = drawn[start : start + BATCH]
        picks = generator.integers(size, size=(len(rows), size - 1)) + size * np.arange(len(rows))[:, None]
        rows[:] = np.bincount(picks.ravel(), minlength=rows.size).reshape(rows.shape)
    return drawn
