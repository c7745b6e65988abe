"""Metrics of the probabilities, each with the influence of every image on it.

scikit-learn gives the areas under the curves. It lacks influences, operating points, the expected calibration
error and the net benefit, and its Brier score refuses probabilities of single precision, whose sum is 1 only
to seven digits. A new metric is one function and one entry in SCORE_METRICS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

CALIBRATION_BINS = 10

Scored = tuple[float, np.ndarray]  # a metric, and the influence (n,) of each image on it


@dataclass(frozen=True)
class Scores:
    """One model's probabilities of n images and K classes.

    ``truth`` (n,) class positions; ``probabilities`` (n, K); ``target`` the target's position, None without
    one; ``threshold`` the target's probability of the operating point, found on other images
    (``operating_threshold``), NaN without one.
    """

    truth: np.ndarray
    probabilities: np.ndarray
    target: int | None
    threshold: float = float("nan")

    @cached_property
    def roc_auc(self) -> list[Scored]:
        """Areas under the ROC curve of every class against the rest."""
        return [(roc_auc(*column), roc_auc_influence(*column)) for column in self._columns]

    @cached_property
    def average_precision(self) -> list[Scored]:
        """Areas under the precision-recall curve of every class against the rest."""
        return [
            (average_precision(*column), average_precision_influence(*column)) for column in self._columns
        ]

    @property
    def _columns(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Whether the image is of the class, and its probability of it, by class."""
        return [(self.truth == k, self.probabilities[:, k]) for k in range(self.probabilities.shape[1])]

    @property
    def unknown(self) -> Scored:
        """What a metric is that these images do not define."""
        return float("nan"), np.full(len(self.truth), np.nan)


# --- the metrics --------------------------------------------------------------------------------


def target_roc_auc(scores: Scores) -> Scored:
    return scores.unknown if scores.target is None else scores.roc_auc[scores.target]


def target_average_precision(scores: Scores) -> Scored:
    return scores.unknown if scores.target is None else scores.average_precision[scores.target]


def target_operating_recall(scores: Scores) -> Scored:
    """Share of the target's images whose probability of it reaches the threshold."""
    if scores.target is None or not np.isfinite(scores.threshold):
        return scores.unknown
    found = scores.probabilities[:, scores.target] >= scores.threshold
    return _mean(found, scores.truth == scores.target)


def target_operating_specificity(scores: Scores) -> Scored:
    """Share of the other images whose probability of the target stays below the threshold."""
    if scores.target is None or not np.isfinite(scores.threshold):
        return scores.unknown
    left = scores.probabilities[:, scores.target] < scores.threshold
    return _mean(left, scores.truth != scores.target)


def target_calibration_error(scores: Scores) -> Scored:
    """The target's probability against how often it is the target."""
    if scores.target is None:
        return scores.unknown
    return calibration_error(scores.truth == scores.target, scores.probabilities[:, scores.target])


def macro_roc_auc(scores: Scores) -> Scored:
    """Mean over the classes that have images and are not alone."""
    return _mean_of_known(scores.roc_auc)


def macro_average_precision(scores: Scores) -> Scored:
    """Mean over the classes that have images."""
    return _mean_of_known(scores.average_precision)


def predicted_calibration_error(scores: Scores) -> Scored:
    """The probability of the predicted class against how often it is right."""
    right = scores.probabilities.argmax(axis=1) == scores.truth
    return calibration_error(right, scores.probabilities.max(axis=1))


def brier_score(scores: Scores) -> Scored:
    """Squared distance to the truth, summed over classes (0..2); Brier, Mon Weather Rev 78:1 (1950)."""
    truth = np.eye(scores.probabilities.shape[1])[scores.truth]
    return _mean(((scores.probabilities - truth) ** 2).sum(axis=1))


SCORE_METRICS: dict[str, Callable[[Scores], Scored]] = {
    "target_roc_auc": target_roc_auc,
    "target_average_precision": target_average_precision,
    "target_operating_recall": target_operating_recall,
    "target_operating_specificity": target_operating_specificity,
    "target_calibration_error": target_calibration_error,
    "macro_roc_auc": macro_roc_auc,
    "macro_average_precision": macro_average_precision,
    "calibration_error": predicted_calibration_error,
    "brier_score": brier_score,
}


def score_metrics(scores: Scores) -> dict[str, Scored]:
    """Every metric of SCORE_METRICS for one model; NaN where it is not defined."""
    return {name: metric(scores) for name, metric in SCORE_METRICS.items()}


# --- areas under curves -------------------------------------------------------------------------


def roc_auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve in 0..1; NaN where one of the two kinds is absent."""
    from sklearn.metrics import auc, roc_curve

    if positive.all() or not positive.any():
        return float("nan")
    false, true, _ = roc_curve(positive, score)
    return float(auc(false, true))  # three times as fast as roc_auc_score, which checks more


def roc_auc_influence(positive: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Influence (n,) of each image on the area under the ROC curve.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44:837 (1988).
    """
    if positive.all() or not positive.any():
        return np.full(len(score), np.nan)
    placed = _placements(positive, score)
    centred = placed - placed[positive].mean()
    return np.where(positive, centred / positive.sum(), centred / (~positive).sum())


def _placements(positive: np.ndarray, score: np.ndarray) -> np.ndarray:
    """For each image the share of images of the other kind that it is ranked rightly against (ties half)."""
    above, below = np.sort(score[positive]), np.sort(score[~positive])

    def share_under(values: np.ndarray, others: np.ndarray) -> np.ndarray:
        places = np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")
        return places / (2 * len(others))

    placed = np.empty(len(score))
    placed[positive] = share_under(score[positive], below)
    placed[~positive] = 1 - share_under(score[~positive], above)
    return placed


def average_precision(positive: np.ndarray, score: np.ndarray) -> float:
    """Average precision (the area under the step-wise precision-recall curve); NaN without positives."""
    from sklearn.metrics import precision_recall_curve

    if not positive.any():
        return float("nan")
    precision, recall, _ = precision_recall_curve(positive, score)
    return float(-np.sum(np.diff(recall) * precision[:-1]))  # the sum in average_precision_score


def average_precision_influence(positive: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Influence (n,) of each image on the average precision: its derivative by the image's weight.

    NaN without positives.
    """
    if not positive.any():
        return np.full(len(score), np.nan)
    levels, level = np.unique(-score, return_inverse=True)  # descending scores, ties together
    hits = np.bincount(level, weights=positive, minlength=len(levels))
    ranked, found = np.cumsum(np.bincount(level, minlength=len(levels))), np.cumsum(hits)
    precision, positives = found / ranked, positive.sum()
    area = (hits * precision).sum() / positives
    # an image ranked at a level or above changes the precision there: up by a positive, down by any
    up, down = (np.cumsum((hits * factor / ranked)[::-1])[::-1] for factor in (1.0, precision))
    return (np.where(positive, (precision[level] - area) + up[level], 0.0) - down[level]) / positives


# --- operating points, calibration and net benefit ----------------------------------------------


def operating_threshold(negative_scores: np.ndarray, specificity: float) -> float:
    """The least threshold with at least the share ``specificity`` of scores below it; NaN without scores."""
    if not len(negative_scores):
        return float("nan")
    # a share of 0.95 of 20 must not become 20 by a rounding error
    under = max(1, int(np.ceil(specificity * len(negative_scores) - 1e-9)))
    return float(np.nextafter(np.sort(negative_scores)[under - 1], np.inf))


def calibration_bins(score: np.ndarray, bins: int = CALIBRATION_BINS) -> np.ndarray:
    """Position of the equal bin of 0..1 that each probability lies in; 1 belongs to the last."""
    return np.clip((np.asarray(score) * bins).astype(int), 0, bins - 1)


def calibration_error(happened: np.ndarray, score: np.ndarray, bins: int = CALIBRATION_BINS) -> Scored:
    """Expected calibration error, with each image's influence on it.

    The mean distance of probability and frequency over equal bins, each weighted by its images. It is too
    large in small samples, the more so the more bins have few images; two arms share most of that. Source:
    Naeini, Cooper and Hauskrecht, AAAI 29:2901 (2015).
    """
    place, gap = calibration_bins(score, bins), score - happened
    sums = np.bincount(place, weights=gap, minlength=bins)
    error = float(np.abs(sums).sum() / len(score))
    return error, (np.sign(sums)[place] * gap - error) / len(score)


def net_benefit(
    positive: np.ndarray, score: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Net benefit (..., T) of acting from each threshold on, and each image's influence on it (..., T, n).

    ``positive`` (n,), ``score`` (..., n), ``thresholds`` (T,) in 0..1. It is the share of true positives less
    the share of false positives times the odds of the threshold, per image; acting on nobody has 0. Source:
    Vickers and Elkin, Med Decis Making 26:565 (2006).
    """
    gain = np.where(positive, 1.0, -(thresholds / (1 - thresholds))[:, None])
    gain = np.where(score[..., None, :] >= thresholds[:, None], gain, 0.0)
    benefit = gain.mean(axis=-1)
    return benefit, (gain - benefit[..., None]) / len(positive)


def called_shares(
    positive: np.ndarray, score: np.ndarray, thresholds: np.ndarray
) -> list[tuple[float, float]]:
    """The shares (0 to 1) of positive and of other images whose score reaches each threshold.

    ``positive`` (n,), ``score`` (R, n), ``thresholds`` (T,); means over the R replicates, a pair for each
    threshold. NaN where there are no such images.
    """

    def share(of: np.ndarray, threshold: float) -> float:
        return float((score[:, of] >= threshold).mean()) if of.any() else float("nan")

    return [(share(positive, threshold), share(~positive, threshold)) for threshold in thresholds]


# --- means --------------------------------------------------------------------------------------


def _mean(values: np.ndarray, inside: np.ndarray | None = None) -> Scored:
    """Mean of ``values`` over the images ``inside`` (None: all), NaN over none."""
    inside = np.ones(len(values), bool) if inside is None else inside
    if not inside.any():
        return float("nan"), np.full(len(values), np.nan)
    mean = float(values[inside].mean())
    return mean, np.where(inside, values - mean, 0.0) / inside.sum()


def _mean_of_known(parts: Sequence[Scored]) -> Scored:
    """Mean over the classes whose metric is defined; NaN where it is for none."""
    known = [part for part in parts if np.isfinite(part[0])]
    if not known:
        return float("nan"), np.full(len(parts[0][1]), np.nan)
    values, influences = zip(*known, strict=True)
    return float(np.mean(values)), np.mean(influences, axis=0)
