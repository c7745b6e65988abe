"""How sure a difference between two training procedures is.

The estimand everywhere: the difference between two *procedures* in an expected metric, over trainings
(replicates) and over lesions of this population. A study crosses the two: every replicate of every
arm predicts the same test lesions. This is the multiple-reader, multiple-case design of diagnostic
radiology with trainings as readers, and it is analysed as there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse, special

from helpers.evaluation import metrics

MINIMUM_REPLICATES = 3
NO_VARIATION = 1e-20
BATCH = 200  # resamples at a time


@dataclass(frozen=True)
class Difference:
    """A difference with its t interval; arrays where many differences were asked for at once."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    standard_error: np.ndarray
    degrees_of_freedom: np.ndarray
    p: np.ndarray
    variance_replicates: np.ndarray
    variance_lesions: np.ndarray
    replicates: int


def paired_difference(
    arm: np.ndarray,
    reference: np.ndarray,
    arm_influence: np.ndarray,
    reference_influence: np.ndarray,
    strata: np.ndarray | None = None,
    confidence: float = 0.95,
) -> Difference:
    """Difference of the replicate means of two procedures, with its interval.

    Args:
        arm, reference: a metric of each replicate, (..., R), replicate r of both paired by seed.
        arm_influence, reference_influence: influence of each lesion on that metric, (..., R, L):
            the sum over the lesion's photographs of ``metrics.influences`` (lesions are clusters).
        strata: class of each lesion, (L,); the split fixes how many images each class has in the
            test set, so lesions vary within their class. None: one stratum.
        confidence: level of the interval, 0..1.

    With D_r the difference in replicate r, d_rl lesion l's influence on it, and for a stratum s of
    m_s lesions a factor m_s / (m_s - 1) on centred sums of squares (a lesion alone in its class is
    measured from 0 with factor 1):

        estimate = mean_r D_r
        V_R = sum_r (D_r - mean D)^2 / (R (R - 1))                          replicates (df R - 1)
        V_L = sum_s m_s/(m_s-1) sum_l (d_.l - d_.s)^2                       lesions, of replicate means
        V_E = sum_s m_s/(m_s-1) sum_rl (d_rl - d_r. - d_.l + d_..)^2 / (R (R - 1))   their interaction
        variance = V_R + max(V_L - V_E, 0)

    V_R and V_L both contain the interaction, hence the subtraction. The degrees of freedom are
    Satterthwaite's for the sum, 1 / (w^2 / (R - 1) + (1 - w)^2 / df_L), with w the share of V_R in it
    and df_L Satterthwaite's over the strata of V_L. The plain rule trusts a V_R that is small by luck:
    at three replicates its 5 % test errs in up to 7.8 % of studies. So w is computed with V_R times
    R / (R - 2), a factor found on simulated studies: with it the test errs in 4 to 6 % of studies of the
    paper's size at 3, 5 and 10 replicates (docs/statistics.md). Where all replicates differ by the same
    amount and the sum is 0, V_L stands in its place.

    Sources: Obuchowski and Rockette, Commun Stat Simul 24:285 (1995); Hillis, Stat Med 26:596 (2007)
    for variance and max(., 0); Satterthwaite, Biometrics 2:110 (1946).

    With fewer than three replicates, or no variation at all, everything but the estimate is NaN.
    """
    arm, reference = np.asarray(arm, float), np.asarray(reference, float)
    differences = arm - reference
    influence = np.asarray(arm_influence, float) - np.asarray(reference_influence, float)
    replicates, estimate = differences.shape[-1], differences.mean(axis=-1)
    unknown = np.full(estimate.shape, np.nan)
    if replicates < MINIMUM_REPLICATES:
        return Difference(estimate, *([unknown] * 7), replicates)

    by_replicates = differences.var(axis=-1, ddof=1) / replicates
    lesions, interaction, lesion_df = _lesion_variances(influence, strata)
    by_lesions = np.maximum(lesions - interaction, 0)
    # rounding of identical predictions is no variation
    by_lesions = np.where(by_replicates + by_lesions > NO_VARIATION, by_lesions, lesions)
    variance = by_replicates + by_lesions
    varies = variance > NO_VARIATION
    inflated = by_replicates * replicates / (replicates - 2)
    share = np.divide(inflated, inflated + by_lesions, out=np.ones_like(variance), where=varies)
    freedom = 1 / (share**2 / (replicates - 1) + (1 - share) ** 2 / lesion_df)
    error = np.where(varies, np.sqrt(variance), np.nan)
    half = student_quantile(0.5 + confidence / 2, freedom) * error
    p = 2 * special.stdtr(freedom, -np.abs(estimate) / error)
    return Difference(
        estimate,
        estimate - half,
        estimate + half,
        error,
        np.where(varies, freedom, np.nan),
        p,
        by_replicates,
        by_lesions,
        replicates,
    )


def mean_interval(
    values: np.ndarray, influence: np.ndarray, strata: np.ndarray | None = None, confidence: float = 0.95
) -> Difference:
    """One procedure's expected metric with its interval: ``paired_difference`` from zero."""
    return paired_difference(
        values, np.zeros_like(values), influence, np.zeros_like(influence), strata, confidence
    )


def student_quantile(probability: float, freedom: np.ndarray) -> np.ndarray:
    """Quantile of Student's t, fractional degrees of freedom allowed."""
    return special.stdtrit(freedom, probability)


def _lesion_variances(
    influence: np.ndarray, strata: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """V_L, V_E and V_L's degrees of freedom of ``paired_difference``, from influences (..., R, L)."""
    replicates, lesions = influence.shape[-2:]
    strata = np.zeros(lesions, int) if strata is None else np.asarray(strata)
    means = influence.mean(axis=-2)
    between = np.zeros(means.shape[:-1])
    interaction, weighted = np.zeros_like(between), np.zeros_like(between)
    for stratum in np.unique(strata):
        inside = strata == stratum
        size = int(inside.sum())
        centre, factor, freedom = (1.0, size / (size - 1), size - 1) if size > 1 else (0.0, 1.0, 1)
        part = means[..., inside]
        centred = part - centre * part.mean(axis=-1, keepdims=True)
        variance = factor * (centred**2).sum(axis=-1)
        between += variance
        weighted += variance**2 / freedom
        residual = influence[..., inside] - part[..., None, :]
        residual = residual - centre * residual.mean(axis=-1, keepdims=True)
        interaction += factor * (residual**2).sum(axis=(-2, -1)) / (replicates * (replicates - 1))
    freedom = np.divide(between**2, weighted, out=np.ones_like(between), where=weighted > 0)
    return between, interaction, np.maximum(freedom, 1)


def crossed_bootstrap(
    truth: np.ndarray,
    predicted: np.ndarray,
    lesion: np.ndarray,
    classes: int,
    metric: Callable[[np.ndarray], dict[str, np.ndarray]],
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Each arm's metrics with replicates and lesions resampled independently of one another.

    Args:
        truth, predicted: class positions of the images, (n,), and those that each replicate of each arm gave them, (A, R, n).
        lesion: lesion positions of the images, (n,), all of which occur; lesions are drawn within their class.
        classes: K.
        metric: maps counts (..., K, K) to metrics (...), such as ``metrics.summarise``.
        resamples, seed: how many, and the seed of the draws.

    Returns for each metric an array (3, resamples, A): its mean over replicates with replicates and
    lesions resampled, with lesions alone, and with replicates alone. All arms share the draws, so
    the difference of two columns is the resampled difference; ``crossed_error`` makes a standard
    error of it. Small-sample correction: R - 1 of R replicates and m - 1 of m lesions of a class are
    drawn with replacement, which makes the two variances unbiased (Rao and Wu, J Am Stat Assoc
    83:231, 1988).
    """
    arms, replicates = predicted.shape[:2]
    strata = truth[np.unique(lesion, return_index=True)[1]]
    lesions = len(strata)
    generator = np.random.default_rng(seed)
    drawn = _draws(generator, resamples, replicates) / max(replicates - 1, 1)
    weights, scale = np.zeros((resamples, lesions), np.float32), np.ones(classes)
    for stratum in np.unique(strata):
        inside = np.flatnonzero(strata == stratum)
        weights[:, inside] = _draws(generator, resamples, len(inside))
        scale[stratum] = len(inside) / max(len(inside) - 1, 1)
    # each lesion's counts, nearly all of them 0; whole numbers below 2^24 are exact in float32, whatever the order of the sum
    cells = (
        np.arange(arms * replicates).reshape(arms, replicates, 1) * classes + truth
    ) * classes + predicted
    where = np.broadcast_to(lesion, cells.shape).ravel(), cells.ravel()
    by_lesion = sparse.coo_array(
        (np.ones(cells.size, np.float32), where), (lesions, arms * replicates * classes**2)
    ).tocsr()
    observed = metric(metrics.confusion_counts(truth, predicted, classes))
    found = {name: np.empty((3, resamples, arms)) for name in observed}
    for name, values in observed.items():
        found[name][2] = np.einsum("ar,br->ba", values, drawn)
    for start in range(0, resamples, BATCH):
        batch = slice(start, start + BATCH)
        counts = (
            np.ascontiguousarray(weights[batch] @ by_lesion).reshape(-1, arms, replicates, classes, classes)
            * scale[:, None]
        )
        for name, values in metric(counts).items():
            found[name][0, batch] = np.einsum("bar,br->ba", values, drawn[batch])
            found[name][1, batch] = values.mean(axis=-1)
    return found


def crossed_error(resampled: np.ndarray) -> float:
    """Standard error from (3, resamples) differences: both resampled, lesions alone, replicates alone.

    Resampling both counts the interaction of replicates and lesions three times (Owen, Ann Appl
    Stat 1:386, 2007), and each alone counts it once; what the first has beyond the two others is
    therefore the interaction, and it is taken from the lesions' part as in ``paired_difference``.
    """
    both, lesions, replicates = resampled.var(axis=-1, ddof=1)
    return float(np.sqrt(replicates + max(lesions - max(both - lesions - replicates, 0), 0)))


def _draws(generator: np.random.Generator, resamples: int, size: int) -> np.ndarray:
    """How often each of ``size`` things is drawn when size - 1 are drawn with replacement: (resamples, size)."""
    if size == 1:
        return np.ones((resamples, 1))
    drawn = np.empty((resamples, size), np.int32)
    for start in range(
        0, resamples, BATCH
    ):  # the picks of all at once would be the most that an evaluation holds
        rows = drawn[start : start + BATCH]
        picks = generator.integers(size, size=(len(rows), size - 1)) + size * np.arange(len(rows))[:, None]
        rows[:] = np.bincount(picks.ravel(), minlength=rows.size).reshape(rows.shape)
    return drawn


def holm(p: np.ndarray) -> np.ndarray:
    """P values adjusted by Holm's step-down rule (Scand J Stat 6:65, 1979); NaN stays NaN and is not counted."""
    p = np.asarray(p, float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def mcnemar(only_first: np.ndarray | int, only_second: np.ndarray | int) -> np.ndarray:
    """Exact two-sided McNemar p values from the discordant counts: right by one model only, by the other only.

    It compares two trained models on these very images: training's chance is not in it, and images of
    one lesion count as independent. Source: McNemar, Psychometrika 12:153 (1947), binomial form.
    """
    fewer, both = np.minimum(only_first, only_second), np.asarray(only_first) + np.asarray(only_second)
    return np.minimum(2 * special.bdtr(fewer, both, 0.5), 1)


def wilson(
    successes: np.ndarray | int, trials: np.ndarray | int, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval of a proportion, 0..1 (J Am Stat Assoc 22:209, 1927); (0, 1) without trials."""
    z2 = special.ndtri(0.5 + confidence / 2) ** 2
    trials = np.asarray(trials, float)
    centre = (np.asarray(successes, float) + z2 / 2) / (trials + z2)
    share = np.divide(
        successes, trials, out=np.zeros(np.broadcast(successes, trials).shape), where=trials > 0
    )
    half = np.sqrt(z2 * (share * (1 - share) * trials + z2 / 4)) / (trials + z2)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


# --- the simulator that the intervals are tested on ---------------------------------------------


@dataclass(frozen=True)
class Simulation:
    """Size and variation of simulated studies of two procedures; the defaults are the paper's test set.

    An image of class k is classified rightly where a normal variable of variance 1 about a mean that
    gives the class its recall is positive. ``variances`` are the shares of that variable's variance:
    lesion and image (difficulty, shared by all models), pair (shared by both arms' replicate r),
    replicate (a training's own shift, per class), learned (a lesion's difficulty for one procedure, in
    all of its trainings). The rest is each prediction's own. The defaults give the target's recall a
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


Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]
FAMILY = ((0, 1), (0, 2), (3, 1))  # filtered - baseline, filtered - random, all - baseline
NET_BENEFIT_AT = 0.1


def simulate_margins(design: Simulation, studies: int, replicates: int, seed: int, arms: int = 2) -> Drawn:
    """Draw ``studies`` studies of ``arms`` procedures, of which the first has ``effect`` more target recall than the others.

    Returns truth (n,) class positions, lesion (n,) lesion positions in ascending order, and margins (studies, arms, replicates, n): a
    prediction is right where its margin is positive.
    """
    generator = np.random.default_rng(seed)
    classes = len(design.support)
    truth = np.repeat(np.arange(classes), design.support)
    lesion = np.unique(
        [(k, int(i / design.images_per_lesion)) for k, n in enumerate(design.support) for i in range(n)],
        axis=0,
        return_inverse=True,
    )[1].ravel()
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


def simulate_study(design: Simulation, studies: int, replicates: int, seed: int, arms: int = 2) -> Drawn:
    """``simulate_margins`` with predicted class positions (studies, arms, replicates, n) in place of margins.

    The true differences between the first arm and another are known: ``effect`` in target recall, ``effect`` x target images / n in
    accuracy, ``effect`` / classes in macro recall. A wrong prediction is the largest class, or the target where that is the truth.
    """
    truth, lesion, margin = simulate_margins(design, studies, replicates, seed, arms)
    largest = int(np.argmax(design.support))
    wrong = np.where(truth == largest, design.target, largest)
    return truth, lesion, np.where(margin > 0, truth, wrong)


def _batches(studies: int, seed: int, size: int = 50) -> Iterator[tuple[int, int]]:
    """Sizes and seeds of the batches that ``studies`` are drawn in."""
    for number, start in enumerate(range(0, studies, size)):
        yield min(size, studies - start), seed * 1_000_003 + number


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


def coverage(
    design: Simulation, replicates: int, studies: int = 2000, seed: int = 0
) -> dict[str, dict[str, float]]:
    """How often ``paired_difference`` covers the truth: per metric coverage, false_positives (p < 0.05) and mean width.

    Metrics: target_recall, accuracy, macro_recall; with no effect also target_precision, target_f1,
    macro_f1, whose true difference is then 0. ``false_positives`` is the share of studies that call the
    difference real: with an effect it is the power.
    """
    known = _known_differences(design)
    tallies = {name: np.zeros(3) for name in known}
    for size, own in _batches(studies, seed):
        truth, lesion, predicted = simulate_study(design, size, replicates, own)
        confusion = metrics.confusion_counts(truth, predicted, len(design.support))
        values, slopes = (
            metrics.summarise(confusion, design.target),
            metrics.influences(confusion, design.target),
        )
        starts = np.flatnonzero(np.diff(lesion, prepend=-1))
        study, arm, replicate = (axis[..., None] for axis in np.ogrid[:size, :2, :replicates])
        for name, difference in known.items():
            influence = np.add.reduceat(
                slopes[name][study, arm, replicate, truth, predicted], starts, axis=-1
            )
            found = paired_difference(
                values[name][:, 0], values[name][:, 1], influence[:, 0], influence[:, 1], truth[starts]
            )
            tallies[name] += _tally(found, difference)
    return {name: _shares(tally, studies) for name, tally in tallies.items()}


def score_coverage(
    design: Simulation, replicates: int, studies: int = 500, seed: int = 0
) -> dict[str, dict[str, float]]:
    """``coverage`` of the metrics that come from probabilities, for two procedures without a difference (``effect`` is not used).

    The threshold of the operating point is found on validation images, as many as there are test images.
    """
    names = (
        "target_roc_auc",
        "target_average_precision",
        "target_operating_recall",
        "target_calibration_error",
        "net_benefit",
    )
    both = replace(design, support=tuple(2 * n for n in design.support), effect=0.0)
    tallies = {name: np.zeros(3) for name in names}
    for size, own in _batches(studies, seed):
        truth, lesion, margin = simulate_margins(both, size, replicates, own)
        test = np.concatenate([np.arange(2 * n) < n for n in design.support])
        positive = truth == design.target
        score = special.expit(2 * np.where(positive, margin, -margin).astype(float))
        starts = np.flatnonzero(np.diff(lesion[test], prepend=-1))
        scored = [
            [_scored(positive, one, test) for one in arm] for arm in score.reshape(size * 2, replicates, -1)
        ]
        for name in names:
            values = np.array([[one[name][0] for one in arm] for arm in scored]).reshape(size, 2, replicates)
            influence = np.array(
                [[np.add.reduceat(one[name][1], starts) for one in arm] for arm in scored]
            ).reshape(size, 2, replicates, -1)
            tallies[name] += _tally(
                paired_difference(
                    values[:, 0], values[:, 1], influence[:, 0], influence[:, 1], truth[test][starts]
                ),
                0.0,
            )
    return {name: _shares(tally, studies) for name, tally in tallies.items()}


def _scored(positive: np.ndarray, score: np.ndarray, test: np.ndarray) -> dict[str, metrics.Scored]:
    """Metrics of one simulated model's target probabilities on its test images, others being its validation images."""
    threshold = metrics.operating_threshold(score[~test & ~positive], 0.95)
    found = metrics.probability_metrics(
        positive[test].astype(int), np.stack([1 - score[test], score[test]], axis=1), 1, threshold
    )
    benefit, influence = metrics.net_benefit(positive[test], score[test], np.array([NET_BENEFIT_AT]))
    return found | {"net_benefit": (benefit[0], influence[0])}


def family_errors(
    design: Simulation, replicates: int, studies: int = 2000, seed: int = 0
) -> dict[str, float]:
    """False positives (p < 0.05) of the three primary contrasts on target recall where four procedures are all the same.

    ``single``: of the first contrast alone; ``any_unadjusted``: of at least one of the three; ``any_holm``: the same after Holm's rule.
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
        adjusted = np.apply_along_axis(holm, -1, p)
        counts += (p[:, 0] < 0.05).sum(), (p < 0.05).any(axis=-1).sum(), (adjusted < 0.05).any(axis=-1).sum()
    return dict(zip(("single", "any_unadjusted", "any_holm"), (counts / studies).tolist(), strict=True))


def look_errors(design: Simulation, looks: Sequence[int], studies: int = 2000, seed: int = 0) -> list[float]:
    """False positives (p < 0.05) of one contrast on target recall, without an effect, in a growing study: by each of its ``looks`` at so many replicates, or one before."""
    counts = np.zeros(len(looks))
    for recall, influence in _null_recalls(design, max(looks), studies, seed, arms=2):
        p = [
            paired_difference(recall[:, 0, :r], recall[:, 1, :r], influence[:, 0, :r], influence[:, 1, :r]).p
            for r in looks
        ]
        counts += np.logical_or.accumulate(np.array(p) < 0.05).sum(axis=1)
    return (counts / studies).tolist()


def _null_recalls(
    design: Simulation, replicates: int, studies: int, seed: int, arms: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of studies of procedures that are all the same: target recall (studies, arms, R) and each target lesion's influence on it (..., L)."""
    for size, own in _batches(studies, seed):
        truth, lesion, margin = simulate_margins(replace(design, effect=0.0), size, replicates, own, arms)
        right, inside = margin > 0, truth == design.target
        starts = np.flatnonzero(np.diff(lesion[inside], prepend=-1))
        recall = right[..., inside].mean(axis=-1)
        yield (
            recall,
            np.add.reduceat((right[..., inside] - recall[..., None]) / inside.sum(), starts, axis=-1),
        )


def _tally(found: Difference, truth: float) -> tuple[int, int, float]:
    return (
        ((found.low <= truth) & (truth <= found.high)).sum(),
        (found.p < 0.05).sum(),
        (found.high - found.low).sum(),
    )


def _shares(tally: np.ndarray, studies: int) -> dict[str, float]:
    return dict(zip(("coverage", "false_positives", "width"), (tally / studies).tolist(), strict=True))
