"""How sure a difference between two training procedures is.

The estimand everywhere: the difference between two *procedures* in an expected metric, over trainings
(replicates) and over lesions of this population. A study crosses the two: every replicate of every arm
predicts the same test lesions. This is the multiple-reader, multiple-case design of diagnostic radiology with
trainings as readers, and it is analysed as there.

For D_r the difference in replicate r, d_rl the influence of lesion l on it, and for a stratum s of m_s
lesions a factor m_s / (m_s - 1) on centred sums of squares (a lesion alone in its class is measured from 0
with factor 1):

    estimate = mean_r D_r
    V_R = sum_r (D_r - mean D)^2 / (R (R - 1))                          replicates (df R - 1)
    V_L = sum_s m_s/(m_s-1) sum_l (d_.l - d_.s)^2                       lesions, of replicate means
    V_E = sum_s m_s/(m_s-1) sum_rl (d_rl - d_r. - d_.l + d_..)^2 / (R (R - 1))   their interaction
    variance = V_R + max(V_L - V_E, 0)

V_R and V_L both contain the interaction, hence the subtraction. The degrees of freedom are Satterthwaite's
for the sum, 1 / (w^2 / (R - 1) + (1 - w)^2 / df_L), with w the share of V_R in it and df_L Satterthwaite's
over the strata of V_L. The plain rule trusts a V_R that is small by luck: at three replicates its 5 % test
errs in up to 7.8 % of studies. So w is computed with V_R times R / (R - 2), a factor found on simulated
studies: with it the test errs in 4 to 6 % of studies of the paper's size at 3, 5 and 10 replicates
(docs/statistics.md). Where all replicates differ by the same amount and the sum is 0, V_L stands in its
place.

With folds every part of the split has test lesions of its own, and nothing is crossed (``fold_difference``).
For D_p the mean difference in part p of J, S2 the variance of D_p within deals, and all sums over lesions
within classes as above:

    estimate = mean_p D_p
    V_L = variance of each lesion's summed influence over the parts, / J^2      (tested lesions)
    V_T = mean over parts of the variance of the lesions' influence             (a part's own lesions)
    E = max(S2 - V_T, 0)                                                        (trainings)
    variance = V_L (1 + TRAINED_ON) + E (1 / J + IN_COMMON)

V_L counts a lesion once, however many deals test it. S2 holds the chance of the tested lesions too, hence
the subtraction. What parts have in common they do not show: they are trained on nearly the same lesions,
and S2 / J alone is too small by that (Nadeau and Bengio 2003). A study of other photographs would test
other lesions and train on other lesions, so both components are enlarged, by two factors found on
simulated studies with real learners (docs/statistics.md). Degrees of freedom are Satterthwaite's, as for
a crossed study; E has J less the number of deals.

Sources: Obuchowski and Rockette, Commun Stat Simul 24:285 (1995); Hillis, Stat Med 26:596 (2007) for the
variance and max(., 0); Satterthwaite, Biometrics 2:110 (1946); Nadeau and Bengio, Mach Learn 52:239 (2003)
and Bouckaert and Frank, PAKDD, LNCS 3056:3 (2004) for trainings that share their data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy import special

from helpers.evaluation.verdicts import MINIMUM_REPLICATES

NO_VARIATION = 1e-20  # a smaller variance is the rounding of identical predictions
# parts of the variance of folds that no fold shows, found on simulated studies
TRAINED_ON = 2 / 3  # what lesions add by being trained on, of what they add by being tested
IN_COMMON = 0.1  # what all trainings of a study have in common, of the variance of one


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
    of: str = "replicates and lesions"  # what the interval holds the chance of

    def at(self, place: int) -> "Difference":
        """One of many differences."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        alike = {name: values.pop(name) for name in ("replicates", "of")}
        return Difference(**{name: value[place] for name, value in values.items()}, **alike)


def paired_difference(
    arm: np.ndarray,
    reference: np.ndarray | float,
    arm_influence: np.ndarray,
    reference_influence: np.ndarray | float,
    strata: np.ndarray | None = None,
    confidence: float = 0.95,
    shared: float = 0.0,
) -> Difference:
    """Difference of the replicate means of two procedures, with its interval (the module's formulas).

    Args:
        arm, reference: a metric of each replicate, (..., R), replicate r of both paired by seed.
        arm_influence, reference_influence: influence of each lesion on that metric, (..., R, L): the sum of
            its photographs' influences (``confusion.influences``), because lesions are clusters.
        strata: class of each lesion, (L,); the split fixes how many images each class has in the test set, so
            lesions vary within their class. None: one stratum.
        confidence: level of the interval, 0..1.
        shared: for trainings on folds that predict one external test set: lesions of a fold per lesion that a
            training sees (n_test / n_train). Such trainings share photographs, so that they differ less than
            trainings on photographs drawn anew would: V_R gets this share of their variance more (Nadeau and
            Bengio 2003).

    With fewer than MINIMUM_REPLICATES, or no variation at all, everything but the estimate is NaN.
    """
    differences = np.asarray(arm, float) - np.asarray(reference, float)
    influence = np.asarray(arm_influence, float) - np.asarray(reference_influence, float)
    replicates, estimate = differences.shape[-1], differences.mean(axis=-1)
    if replicates < MINIMUM_REPLICATES:
        return _no_interval(estimate, replicates)

    by_replicates = differences.var(axis=-1, ddof=1) * (1 / replicates + shared)
    by_lesions, lesion_freedom = _lesion_part(influence, strata, by_replicates)
    freedom = _degrees_of_freedom(by_replicates, by_lesions, lesion_freedom, replicates - 1)
    of = "replicates, shared photographs and lesions" if shared else "replicates and lesions"
    return _t_interval(estimate, by_replicates, by_lesions, freedom, confidence, replicates, of)


def fold_difference(
    differences: np.ndarray,
    influence: Sequence[np.ndarray],
    lesion: Sequence[np.ndarray],
    strata: np.ndarray,
    folds: int,
    confidence: float = 0.95,
) -> Difference:
    """Difference of two procedures from a study of folds, with its interval (the module's formulas).

    Args:
        differences: of each replicate, (..., R); replicate r is of part r mod J.
        influence: for each part, the influence of its lesions on the difference of its replicates' mean,
            (..., L_p).
        lesion: for each part, the positions (L_p,) of its lesions among those of the study.
        strata: class of each of the study's lesions, (L,).
        folds: parts of a deal; J is a multiple of it.
        confidence: level of the interval, 0..1.

    With fewer parts than MINIMUM_REPLICATES, or no variation at all, everything but the estimate is NaN.
    """
    parts, replicates = len(influence), differences.shape[-1]
    by_part = differences.reshape(*differences.shape[:-1], -1, parts).mean(axis=-2)
    estimate, deals = by_part.mean(axis=-1), parts // folds
    if parts < MINIMUM_REPLICATES:
        return _no_interval(estimate, replicates)
    summed = np.zeros((*estimate.shape, len(strata)))
    own = np.zeros(estimate.shape)
    for one, positions in zip(influence, lesion, strict=True):
        summed[..., positions] += one / parts
        own += _clustered(one, strata[positions])[0] / parts
    tested, lesion_freedom = _clustered(summed, strata)
    spread = by_part.reshape(*estimate.shape, deals, folds).var(axis=-1, ddof=1).mean(axis=-1)
    by_parts = np.maximum(spread - own, 0) * (1 / parts + IN_COMMON)
    by_lesions = tested * (1 + TRAINED_ON)
    freedom = _degrees_of_freedom(by_parts, by_lesions, lesion_freedom, parts - deals)
    of = "folds, shared photographs and lesions"
    return _t_interval(estimate, by_parts, by_lesions, freedom, confidence, replicates, of)


def corrected_half_width(
    differences: np.ndarray, tested_per_trained: float, confidence: float = 0.95
) -> np.ndarray:
    """Half of the corrected resampled t interval (Nadeau and Bengio 2003) of the mean of ``differences``.

    It is the usual interval for trainings of folds, and wider than ``fold_difference``. ``differences`` has
    one value for each replicate, (..., R); ``tested_per_trained`` is n_test / n_train.
    """
    replicates = differences.shape[-1]
    error = np.sqrt((1 / replicates + tested_per_trained) * differences.var(axis=-1, ddof=1))
    return student_quantile(0.5 + confidence / 2, np.asarray(replicates - 1.0)) * error


def _no_interval(estimate: np.ndarray, replicates: int) -> Difference:
    none = np.full(estimate.shape, np.nan)
    return Difference(estimate, none, none, none, none, none, none, none, replicates)


def _t_interval(
    estimate: np.ndarray,
    by_replicates: np.ndarray,
    by_lesions: np.ndarray,
    freedom: np.ndarray,
    confidence: float,
    replicates: int,
    of: str,
) -> Difference:
    """Student's t interval; NaN where nothing varies."""
    variance = by_replicates + by_lesions
    varies = variance > NO_VARIATION
    error = np.where(varies, np.sqrt(variance), np.nan)
    half = student_quantile(0.5 + confidence / 2, freedom) * error
    return Difference(
        estimate=estimate,
        low=estimate - half,
        high=estimate + half,
        standard_error=error,
        degrees_of_freedom=np.where(varies, freedom, np.nan),
        p=2 * special.stdtr(freedom, -np.abs(estimate) / error),
        variance_replicates=by_replicates,
        variance_lesions=by_lesions,
        replicates=replicates,
        of=of,
    )


def student_quantile(probability: float, freedom: np.ndarray) -> np.ndarray:
    """Quantile of Student's t, fractional degrees of freedom allowed."""
    return special.stdtrit(freedom, probability)


def _degrees_of_freedom(
    by_replicates: np.ndarray, by_lesions: np.ndarray, lesion_freedom: np.ndarray, freedom: int
) -> np.ndarray:
    """Satterthwaite's degrees of freedom of the sum.

    The replicates' part, which has ``freedom`` = R - 1 of its own, is inflated by R / (R - 2).
    """
    variance = by_replicates + by_lesions
    inflated = by_replicates * (freedom + 1) / (freedom - 1)
    share = np.divide(
        inflated, inflated + by_lesions, out=np.ones_like(variance), where=variance > NO_VARIATION
    )
    return 1 / (share**2 / freedom + (1 - share) ** 2 / lesion_freedom)


def _lesion_part(
    influence: np.ndarray, strata: np.ndarray | None, by_replicates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """max(V_L - V_E, 0), or V_L where there would be no variance, and V_L's degrees of freedom."""
    lesions, interaction, freedom = _lesion_variances(influence, strata)
    beyond = np.maximum(lesions - interaction, 0)
    return np.where(by_replicates + beyond > NO_VARIATION, beyond, lesions), freedom


def _lesion_variances(
    influence: np.ndarray, strata: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """V_L, V_E and V_L's degrees of freedom, from influences (..., R, L)."""
    replicates, lesions = influence.shape[-2:]
    strata = np.zeros(lesions, int) if strata is None else np.asarray(strata)
    means = influence.mean(axis=-2)
    between, freedom = _clustered(means, strata)
    apart, _ = _clustered(influence - means[..., None, :], strata)
    return between, apart.sum(axis=-1) / (replicates * (replicates - 1)), freedom


def _clustered(influence: np.ndarray, strata: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance of a sum of influences (..., L) of lesions that vary within their strata, and its freedom."""
    total = np.zeros(influence.shape[:-1])
    weighted = np.zeros_like(total)
    for stratum in np.unique(strata):
        inside = strata == stratum
        size = int(inside.sum())
        centre, factor, freedom = (1.0, size / (size - 1), size - 1) if size > 1 else (0.0, 1.0, 1)
        part = influence[..., inside]
        centred = part - centre * part.mean(axis=-1, keepdims=True)
        variance = factor * (centred**2).sum(axis=-1)
        total += variance
        weighted += variance**2 / freedom
    satterthwaite = np.divide(total**2, weighted, out=np.ones_like(total), where=weighted > 0)
    return total, np.maximum(satterthwaite, 1)
