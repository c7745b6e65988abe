"""Simulated studies whose true differences are known, on which the intervals are tested.

benchmarks/interval_coverage.py writes the tables of docs/statistics.md from these functions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from helpers.evaluation.confusion import confusion_counts, influences, summarise
from helpers.evaluation.intervals import paired_difference
from helpers.evaluation.scores import SCORE_METRICS, Scored, Scores, net_benefit, operating_threshold
from helpers.evaluation.significance import holm

FAMILY = ((0, 1), (0, 2), (3, 1))  # filtered - baseline, filtered - random, all - baseline
NET_BENEFIT_AT = 0.1  # threshold probability
LEVEL = 0.05
SCORED = (
    "target_roc_auc",
    "target_average_precision",
    "target_operating_recall",
    "target_calibration_error",
)

Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Simulation:
    """Size and variation of simulated studies of two procedures; the defaults are the paper's test set.

    An image of class k is classified rightly where a normal variable of variance 1 about a mean that gives
    the class its recall is positive. The fields after ``effect`` are shares of that variable's variance:
    ``lesion`` and ``image`` (difficulty, shared by all models), ``pair`` (shared by both arms' replicate r),
    ``replicate`` (a training's own shift, per class), ``learned`` (a lesion's difficulty for one procedure,
    in all of its trainings). The rest is each prediction's own. The defaults give the target's recall a
    standard deviation between trainings of about 3 points.
    """

    support: tuple[int, ...] = (49, 77, 165, 17, 167, 1006, 22)
    recall: tuple[float, ...] = (0.65, 0.80, 0.75, 0.60, 0.68, 0.95, 0.85)
    target: int = 4
    images_per_lesion: float = 1.34
    effect: float = 0.0
    lesion: float = 0.40
    image: float = 0.20
    pair: float = 0.002
    replicate: float = 0.007
    learned: float = 0.03


# --- drawing studies ----------------------------------------------------------------------------


def simulate_margins(design: Simulation, studies: int, replicates: int, seed: int, arms: int = 2) -> Drawn:
    """Draw ``studies`` studies of ``arms`` procedures.

    The first procedure has ``effect`` more target recall than the others. Returns truth (n,) class positions,
    lesion (n,) lesion positions in ascending order, and margins (studies, arms, replicates, n): a prediction
    is right where its margin is positive.
    """
    generator = np.random.default_rng(seed)
    classes = len(design.support)
    truth, lesion = _images(design)
    lesions, images = lesion.max() + 1, len(truth)

    def normal(share: float, *shape: int) -> np.ndarray:
        return np.sqrt(share) * generator.standard_normal(shape, dtype=np.float32)

    mean = np.tile(special.ndtri(design.recall), (arms, 1))
    mean[0, design.target] = special.ndtri(design.recall[design.target] + design.effect)
    rest = 1 - (design.lesion + design.image + design.pair + design.replicate + design.learned)
    margin = normal(rest, studies, arms, replicates, images) + mean[:, None, truth]
    margin += normal(design.lesion, studies, 1, 1, lesions)[..., lesion] + normal(
        design.image, studies, 1, 1, images
    )
    margin += normal(design.learned, studies, arms, 1, lesions)[..., lesion]
    margin += (
        normal(design.pair, studies, 1, replicates, classes)[..., truth]
        + normal(design.replicate, studies, arms, replicates, classes)[..., truth]
    )
    return truth, lesion, margin


def _images(design: Simulation) -> tuple[np.ndarray, np.ndarray]:
    """Class positions (n,) and lesion positions (n,) of the test images."""
    truth = np.repeat(np.arange(len(design.support)), design.support)
    pairs = [(k, int(i / design.images_per_lesion)) for k, n in enumerate(design.support) for i in range(n)]
    return truth, np.unique(pairs, axis=0, return_inverse=True)[1].ravel()


def simulate_study(design: Simulation, studies: int, replicates: int, seed: int, arms: int = 2) -> Drawn:
    """``simulate_margins`` with predicted class positions (studies, arms, replicates, n) in place of margins.

    The true differences between the first arm and another are known: ``effect`` in target recall, ``effect``
    x target images / n in accuracy, ``effect`` / classes in macro recall. A wrong prediction is the largest
    class, or the target where that is the truth.
    """
    truth, lesion, margin = simulate_margins(design, studies, replicates, seed, arms)
    largest = int(np.argmax(design.support))
    wrong = np.where(truth == largest, design.target, largest)
    return truth, lesion, np.where(margin > 0, truth, wrong)


def _batches(studies: int, seed: int, size: int = 50) -> Iterator[tuple[int, int]]:
    """Sizes and seeds of the batches that ``studies`` are drawn in."""
    for number, start in enumerate(range(0, studies, size)):
        yield min(size, studies - start), seed * 1_000_003 + number


def _by_lesion(influence: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """Sums (..., L) of influences (..., n) over each lesion's images; ``lesion`` (n,) ascends."""
    return np.add.reduceat(influence, _starts(lesion), axis=-1)


def _starts(lesion: np.ndarray) -> np.ndarray:
    """Where each lesion's images begin."""
    return np.flatnonzero(np.diff(lesion, prepend=-1))


# --- how often the intervals are right ----------------------------------------------------------


def coverage(
    design: Simulation, replicates: int, studies: int = 2000, seed: int = 0
) -> dict[str, dict[str, float]]:
    """How often ``paired_difference`` covers the truth: per metric coverage, false_positives and mean width.

    Metrics: target_recall, accuracy, macro_recall; with no effect also target_precision, target_f1, macro_f1,
    whose true difference is then 0. ``false_positives`` is the share of studies with p < 0.05, which call the
    difference real: with an effect it is the power.
    """
    known = _known_differences(design)
    tallies = {name: np.zeros(3) for name in known}
    for size, batch_seed in _batches(studies, seed):
        truth, lesion, predicted = simulate_study(design, size, replicates, batch_seed)
        confusion = confusion_counts(truth, predicted, len(design.support))
        values, slopes = summarise(confusion, design.target), influences(confusion, design.target)
        study, arm, replicate = (axis[..., None] for axis in np.ogrid[:size, :2, :replicates])
        for name, difference in known.items():
            influence = _by_lesion(slopes[name][study, arm, replicate, truth, predicted], lesion)
            tallies[name] += _tally(values[name], influence, truth[_starts(lesion)], difference)
    return {name: _shares(tally, studies) for name, tally in tallies.items()}


def _known_differences(design: Simulation) -> dict[str, float]:
    """True differences between the two arms of ``coverage``, by metric."""
    known = {
        "target_recall": design.effect,
        "accuracy": design.effect * design.support[design.target] / sum(design.support),
        "macro_recall": design.effect / len(design.support),
    }
    return (
        known if design.effect else known | dict.fromkeys(("target_precision", "target_f1", "macro_f1"), 0.0)
    )


def score_coverage(
    design: Simulation, replicates: int, studies: int = 500, seed: int = 0
) -> dict[str, dict[str, float]]:
    """``coverage`` of the metrics that come from probabilities, for two procedures without a difference.

    ``effect`` is not used. The threshold of the operating point is found on validation images, as many as
    there are test images.
    """
    both = replace(design, support=tuple(2 * n for n in design.support), effect=0.0)
    test = np.concatenate([np.arange(2 * n) < n for n in design.support])
    tallies = {name: np.zeros(3) for name in (*SCORED, "net_benefit")}
    for size, batch_seed in _batches(studies, seed):
        truth, lesion, margin = simulate_margins(both, size, replicates, batch_seed)
        positive = truth == design.target
        score = special.expit(2 * np.where(positive, margin, -margin).astype(float))
        scored = [_scored(positive, one, test) for one in score.reshape(size * 2 * replicates, -1)]
        strata = truth[test][_starts(lesion[test])]
        for name, tally in tallies.items():
            values = np.array([one[name][0] for one in scored]).reshape(size, 2, replicates)
            images = np.array([one[name][1] for one in scored]).reshape(size, 2, replicates, -1)
            tally += _tally(values, _by_lesion(images, lesion[test]), strata, 0.0)
    return {name: _shares(tally, studies) for name, tally in tallies.items()}


def _scored(positive: np.ndarray, score: np.ndarray, test: np.ndarray) -> dict[str, Scored]:
    """Metrics of one simulated model's target probabilities on test images; the others are for validation."""
    threshold = operating_threshold(score[~test & ~positive], 0.95)
    probabilities = np.stack([1 - score[test], score[test]], axis=1)
    scores = Scores(positive[test].astype(int), probabilities, 1, threshold)
    found = {name: SCORE_METRICS[name](scores) for name in SCORED}
    benefit, influence = net_benefit(positive[test], score[test], np.array([NET_BENEFIT_AT]))
    return found | {"net_benefit": (benefit[0], influence[0])}


# --- errors of the primary test -----------------------------------------------------------------


def family_errors(
    design: Simulation, replicates: int, studies: int = 2000, seed: int = 0
) -> dict[str, float]:
    """False positives (p < 0.05) of the three primary contrasts where four procedures are all the same.

    On target recall. ``single``: of the first contrast alone; ``any_unadjusted``: of at least one of the
    three; ``any_holm``: the same after Holm's rule.
    """
    counts = np.zeros(3)
    for recall, influence in _null_recalls(design, replicates, studies, seed, arms=4):
        p = np.stack(
            [
                paired_difference(recall[:, a], recall[:, b], influence[:, a], influence[:, b]).p
                for a, b in FAMILY
            ],
            axis=-1,
        )
        real, adjusted = p < LEVEL, np.apply_along_axis(holm, -1, p) < LEVEL
        counts += real[:, 0].sum(), real.any(axis=-1).sum(), adjusted.any(axis=-1).sum()
    return dict(zip(("single", "any_unadjusted", "any_holm"), (counts / studies).tolist(), strict=True))


def look_errors(design: Simulation, looks: Sequence[int], studies: int = 2000, seed: int = 0) -> list[float]:
    """False positives (p < 0.05) of one contrast on target recall, without an effect, in a growing study.

    For each of the ``looks``, a number of replicates: the share of studies that were called real at that look
    or at one before it.
    """
    counts = np.zeros(len(looks))
    for recall, influence in _null_recalls(design, max(looks), studies, seed, arms=2):
        p = [
            paired_difference(recall[:, 0, :r], recall[:, 1, :r], influence[:, 0, :r], influence[:, 1, :r]).p
            for r in looks
        ]
        counts += np.logical_or.accumulate(np.array(p) < LEVEL).sum(axis=1)
    return (counts / studies).tolist()


def _null_recalls(
    design: Simulation, replicates: int, studies: int, seed: int, arms: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of studies of procedures that are all the same.

    Target recall (studies, arms, R), and each target lesion's influence on it (..., L).
    """
    for size, batch_seed in _batches(studies, seed):
        truth, lesion, margin = simulate_margins(
            replace(design, effect=0.0), size, replicates, batch_seed, arms
        )
        right, inside = margin > 0, truth == design.target
        recall = right[..., inside].mean(axis=-1)
        influence = (right[..., inside] - recall[..., None]) / inside.sum()
        yield recall, _by_lesion(influence, lesion[inside])


# --- tallies ------------------------------------------------------------------------------------


def _tally(values: np.ndarray, influence: np.ndarray, strata: np.ndarray, truth: float) -> np.ndarray:
    """Studies whose interval holds the truth, studies with p < 0.05, and the sum of the widths.

    ``values`` (studies, 2, R) and ``influence`` (studies, 2, R, L) of both arms.
    """
    found = paired_difference(values[:, 0], values[:, 1], influence[:, 0], influence[:, 1], strata)
    covered = (found.low <= truth) & (truth <= found.high)
    return np.array([covered.sum(), (found.p < LEVEL).sum(), (found.high - found.low).sum()])


def _shares(tally: np.ndarray, studies: int) -> dict[str, float]:
    return dict(zip(("coverage", "false_positives", "width"), (tally / studies).tolist(), strict=True))
