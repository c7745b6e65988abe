"""Means, differences and their intervals: every metric of every arm, from one study's predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from helpers.data.selection import wanted_count
from helpers.evaluation import metrics, statistics
from helpers.evaluation.controls import controls, outcome
from helpers.evaluation.study import Study
from helpers.params import Params

COMPARED = (*metrics.METRICS, *metrics.PROBABILITY_METRICS)
CLASS_METRICS = (*metrics.CLASS_RATIOS, "roc_auc", "average_precision")
NAMED = (("filtered", "baseline"), ("filtered", "random"), ("all", "baseline"), ("filtered", "all"))
PRIMARY = NAMED[:3]  # on the target's recall; everything else is exploratory
MINIMUM_LESIONS = 5  # of a kind, for an interval of the leak: fewer do not tell how lesions differ
THRESHOLDS = np.arange(1, 51) / 100  # threshold probabilities of the decision curve
INTERVAL = [
    "standard_deviation",
    "low",
    "high",
    "replicates",
    "method",
    "standard_error",
    "degrees_of_freedom",
]


def roles(params: Params) -> dict[str, str]:
    """Which arm of the run plays each of the paper's: baseline, filtered, all; and random, where there is one.

    An arm of that name is taken, or else the first whose recipe is the role's and nothing more. The random arm must have as many images as
    the filtered one: with another number, quality and number could not be told apart.
    """

    def images(name: str) -> int:
        added = params.arms[name].synthetic
        return wanted_count(params.synthesis.count, added.count, added.fraction)

    chosen = {"baseline": params.evaluation.reference}
    for role, select in (("filtered", "top"), ("all", "all"), ("random", "random")):
        fitting = [
            name
            for name, arm in params.arms.items()
            if arm.uses_gan and arm.synthetic.select == select and arm == type(arm)(synthetic=arm.synthetic)
        ]
        if role == "filtered":
            fitting = [name for name in fitting if params.arms[name].synthetic.rank == "critic"]
        if role == "random" and "filtered" in chosen:
            fitting = [name for name in fitting if images(name) == images(chosen["filtered"])]
        if fitting:
            chosen[role] = role if role in fitting else fitting[0]
    return chosen


class Inference:
    """Values and influences of a study, computed once for all of its intervals.

    ``values`` holds each metric of each arm and replicate, (A, R); ``influence`` each lesion's influence on it, (A, R, L). Names: COMPARED,
    and ``<metric>_<class>`` for CLASS_METRICS. A metric that is nowhere defined (no target, an absent class) is left out.
    """

    def __init__(self, study: Study, params: Params):
        self.study, self.params = study, params
        self.confidence = params.evaluation.confidence
        self.values: dict[str, np.ndarray] = {}
        self.influence: dict[str, np.ndarray] = {}
        self._add_counted()
        self._add_scored()

    def _add(self, name: str, values: np.ndarray, influence: np.ndarray) -> None:
        """Keep a metric with the influence (A, R, n) of each image."""
        if np.isfinite(values).all():
            self.values[name], self.influence[name] = values, self.study.of_lesions(influence)

    def _add_counted(self) -> None:
        """Metrics of the confusion matrix. An external test set may lack a class: balanced accuracy is over those that have images, and no target has no recall."""
        study = self.study
        summary, slopes = (
            metrics.summarise(study.confusion, study.target),
            metrics.influences(study.confusion, study.target),
        )
        ratios = metrics.class_ratios(study.confusion)
        present = np.unique(study.truth)
        summary["balanced_accuracy"] = ratios["recall"][..., present].mean(axis=-1)
        slopes["balanced_accuracy"] = np.mean([slopes[f"recall_{k}"] for k in present], axis=0)
        undefined = () if study.target in present else ("target_precision", "target_recall", "target_f1")
        for name in metrics.METRICS:
            if name in slopes and name not in undefined:
                self._add(name, summary[name], self._at_images(slopes[name]))
        for ratio in metrics.CLASS_RATIOS:
            for k in present:
                self._add(
                    f"{ratio}_{study.classes[k]}",
                    ratios[ratio][..., k],
                    self._at_images(slopes[f"{ratio}_{k}"]),
                )

    def _at_images(self, slopes: np.ndarray) -> np.ndarray:
        """Influence (A, R, n) of each image from slopes (A, R, K, K)."""
        arm, replicate = np.ogrid[: len(self.study.arms), : len(self.study.replicates)]
        return slopes[arm[..., None], replicate[..., None], self.study.truth, self.study.predicted]

    def _add_scored(self) -> None:
        """Metrics of the probabilities, model by model."""
        study = self.study
        found: dict[str, list[metrics.Scored]] = {}
        for pair in np.ndindex(study.thresholds.shape):
            one = metrics.probability_metrics(
                study.truth, study.probabilities[pair], study.target, study.thresholds[pair]
            )
            for area, classes in metrics.class_areas(study.truth, study.probabilities[pair]).items():
                one |= {f"{area}_{name}": scored for name, scored in zip(study.classes, classes, strict=True)}
            for name, scored in one.items():
                found.setdefault(name, []).append(scored)
        for name in list(found):
            scored = found.pop(name)  # what is kept besides is by lesion
            values, influence = (
                np.array([value for value, _ in scored]),
                np.stack([influence for _, influence in scored]),
            )
            self._add(
                name, values.reshape(study.thresholds.shape), influence.reshape(*study.thresholds.shape, -1)
            )

    @cached_property
    def resampled(self) -> dict[str, np.ndarray]:
        """The crossed bootstrap's metrics; empty where there are too few replicates for any interval."""
        study, evaluation = self.study, self.params.evaluation
        if len(study.replicates) < statistics.MINIMUM_REPLICATES:
            return {}
        return statistics.crossed_bootstrap(
            study.truth,
            study.predicted,
            study.lesion,
            len(study.classes),
            lambda c: metrics.summarise(c, study.target),
            evaluation.bootstrap,
            evaluation.seed,
        )

    # differences

    def compare(self, arm: str, reference: str, metric: str) -> dict[str, object]:
        """One row: the arm minus the reference on one metric."""
        study, values, influence = self.study, self.values[metric], self.influence[metric]
        first, second = study.arms.index(arm), study.arms.index(reference)
        found = statistics.paired_difference(
            values[first], values[second], influence[first], influence[second], study.strata, self.confidence
        )
        low, high, most = np.nan, np.nan, _range(metric)
        if metric in self.resampled and np.isfinite(found.standard_error):
            spread = statistics.crossed_error(
                self.resampled[metric][..., first] - self.resampled[metric][..., second]
            )
            half = statistics.student_quantile(0.5 + self.confidence / 2, found.degrees_of_freedom) * spread
            low, high = np.clip([found.estimate - half, found.estimate + half], -most, most)
        return {
            "arm": arm,
            "reference": reference,
            "metric": metric,
            "arm_mean": values[first].mean(),
            "reference_mean": values[second].mean(),
            "difference": found.estimate,
            "low": np.clip(found.low, -most, most),
            "high": np.clip(found.high, -most, most),
            "replicates": found.replicates,
            "method": method(found),
            "standard_error": found.standard_error,
            "degrees_of_freedom": found.degrees_of_freedom,
            "p": found.p,
            "bootstrap_low": low,
            "bootstrap_high": high,
            "role": "exploratory",
        }

    def comparisons(self) -> pd.DataFrame:
        """Each arm against the reference, all metrics; those that are primary contrasts are marked so."""
        reference = self.params.evaluation.reference
        pairs = [(arm, reference) for arm in self.study.arms if arm != reference]
        table = _differences(
            [self.compare(*pair, metric) for pair in pairs for metric in COMPARED if metric in self.values]
        )
        part = roles(self.params)
        primary = [part.get(first) for first, second in PRIMARY if second == "baseline"]
        table.loc[table["arm"].isin(primary) & table["metric"].eq("target_recall"), "role"] = "primary"
        return table

    def contrasts(self) -> pd.DataFrame:
        """The contrasts named beforehand, all metrics and each class's recall; primary ones adjusted by Holm.

        Primary: target recall of filtered - baseline, filtered - random, all - baseline, as far as the run has
        those arms. The rest is exploratory.
        """
        part = roles(self.params)
        wanted = [*COMPARED, *(f"recall_{name}" for name in self.study.classes)]
        rows = []
        for first, second in NAMED:
            if first in part and second in part and part[first] != part[second]:
                pair = part[first], part[second]
                rows += [
                    {"contrast": f"{first} - {second}"} | self.compare(*pair, metric)
                    for metric in wanted
                    if metric in self.values
                ]
        table = _differences(rows, "contrast")
        primary = table["contrast"].isin([" - ".join(pair) for pair in PRIMARY]) & table["metric"].eq(
            "target_recall"
        )
        table.loc[primary, "role"] = "primary"
        table["p_holm"] = np.nan
        table.loc[primary, "p_holm"] = statistics.holm(table.loc[primary, "p"].to_numpy(float))
        return table

    def controls(self) -> pd.DataFrame:
        """The run's controls (``helpers.evaluation.controls``), all metrics, with what each interval shows; all of it exploratory."""
        rows = []
        for control in controls(self.params):
            for metric in (name for name in COMPARED if name in self.values):
                row = self.compare(control.arm, control.reference, metric)
                first = {
                    "control": control.role,
                    "contrast": control.contrast,
                    "fraction": np.nan if control.fraction is None else control.fraction,
                }
                rows.append(first | row | {"outcome": outcome(row)})
        table = _differences(rows, "control", "contrast", "fraction")
        return table.assign(outcome=pd.Series([row["outcome"] for row in rows], dtype=str))

    # arms

    def arms(self) -> pd.DataFrame:
        """Each arm's mean, standard deviation over replicates and interval, by metric."""
        rows = [
            (arm, metric, *self._mean(metric, index))
            for index, arm in enumerate(self.study.arms)
            for metric in COMPARED
            if metric in self.values
        ]
        return _means(rows, "arm", "metric")

    def arms_per_class(self) -> pd.DataFrame:
        """``arms`` for the metrics of every class, with the class's number of images."""
        counts = np.bincount(self.study.truth, minlength=len(self.study.classes))
        rows = [
            (arm, name, int(counts[k]), metric, *self._mean(f"{metric}_{name}", index))
            for index, arm in enumerate(self.study.arms)
            for k, name in enumerate(self.study.classes)
            for metric in CLASS_METRICS
            if f"{metric}_{name}" in self.values
        ]
        return _means(rows, "arm", "class", "images", "metric")

    def _mean(self, metric: str, index: int) -> tuple:
        values = self.values[metric][index]
        found = statistics.mean_interval(
            values, self.influence[metric][index], self.study.strata, self.confidence
        )
        return _row(
            values, found, np.clip(found.low, 0, _range(metric)), np.clip(found.high, 0, _range(metric))
        )

    def decision_curve(self) -> pd.DataFrame:
        """Net benefit of calling the target from each threshold probability on, by arm, with ``all``: of calling every image the target."""
        study, rows = self.study, []
        if study.target is None:
            return _means(rows, "arm", "threshold").assign(act_on_all=pd.Series(dtype=float))
        positive = study.truth == study.target
        for index, arm in enumerate(study.arms):
            benefit, influence = metrics.net_benefit(
                positive, study.probabilities[index, ..., study.target], THRESHOLDS
            )
            found = statistics.mean_interval(
                benefit.T, study.of_lesions(influence).swapaxes(0, 1), study.strata, self.confidence
            )
            for place, threshold in enumerate(THRESHOLDS):
                one = statistics.Difference(
                    *(
                        value[place] if isinstance(value, np.ndarray) else value
                        for value in vars(found).values()
                    )
                )
                rows.append((arm, threshold, *_row(benefit[:, place], one, one.low, one.high)))
        everyone = dict(
            zip(THRESHOLDS, metrics.net_benefit(positive, np.ones(len(positive)), THRESHOLDS)[0], strict=True)
        )
        table = _means(rows, "arm", "threshold")
        return table.assign(act_on_all=table["threshold"].map(everyone))

    def leak(self) -> pd.DataFrame:
        """Recall on test lesions that were and were not trained on, within each class, and their difference with its interval.

        The two groups differ in their mix of classes, so only within a class do they compare; ``mean of classes`` weighs those classes alike
        that have MINIMUM_LESIONS of either kind. Empty where no lesion is known or one kind is absent.
        """
        study = self.study
        both = [k for k in range(len(study.classes)) if {0, 1} <= set(study.seen[study.truth == k])]
        right = (study.predicted == study.truth).astype(float)
        parts = {
            k: {
                seen: _share(right, (study.truth == k) & (study.seen == seen), study.lesion)
                for seen in (1, 0)
            }
            for k in both
        }
        enough = [k for k in both if min(part.lesions for part in parts[k].values()) >= MINIMUM_LESIONS]
        rows = []
        for index, arm in enumerate(study.arms):
            for k in both:
                rows.append(
                    self._gap(arm, study.classes[k], index, {seen: [parts[k][seen]] for seen in (1, 0)})
                )
            if enough:
                rows.append(
                    self._gap(
                        arm,
                        "mean of classes",
                        index,
                        {seen: [parts[k][seen] for k in enough] for seen in (1, 0)},
                    )
                )
        columns = [
            "arm",
            "class",
            "seen_images",
            "unseen_images",
            "seen_recall",
            "unseen_recall",
            "difference",
            "low",
            "high",
            "replicates",
            "method",
        ]
        return pd.DataFrame(rows, columns=columns).astype(
            dict.fromkeys(["seen_recall", "unseen_recall", "difference", "low", "high"], float)
        )

    def _gap(self, arm: str, name: str, index: int, parts: dict[int, list["_Share"]]) -> tuple:
        """A row of ``leak``; several classes are averaged."""
        counts = [sum(part.images for part in parts[seen]) for seen in (1, 0)]
        values = [np.mean([part.share[index] for part in parts[seen]], axis=0) for seen in (1, 0)]
        influence = [
            self.study.of_lesions(np.mean([part.influence[index] for part in parts[seen]], axis=0))
            for seen in (1, 0)
        ]
        lesion_seen = self.study.seen[np.unique(self.study.lesion, return_index=True)[1]]
        found = statistics.paired_difference(
            *values, *influence, 2 * self.study.strata + (lesion_seen == 1), self.confidence
        )
        ends, how = (found.low, found.high), method(found)
        if (
            np.isfinite(found.low)
            and min(part.lesions for seen in (1, 0) for part in parts[seen]) < MINIMUM_LESIONS
        ):
            ends, how = (np.nan, np.nan), f"fewer than {MINIMUM_LESIONS} lesions of a kind"
        return (
            arm,
            name,
            *counts,
            values[0].mean(),
            values[1].mean(),
            found.estimate,
            *ends,
            found.replicates,
            how,
        )


@dataclass(frozen=True)
class _Share:
    """Some images: their number, their lesions, the share (A, R) that is right, and each image's influence (A, R, n) on it."""

    images: int
    lesions: int
    share: np.ndarray
    influence: np.ndarray


def _share(right: np.ndarray, inside: np.ndarray, lesion: np.ndarray) -> _Share:
    share = right[..., inside].mean(axis=-1)
    return _Share(
        int(inside.sum()),
        len(np.unique(lesion[inside])),
        share,
        np.where(inside, right - share[..., None], 0.0) / inside.sum(),
    )


def _row(values: np.ndarray, found: statistics.Difference, low: np.ndarray, high: np.ndarray) -> tuple:
    """mean and INTERVAL of replicates' ``values``."""
    deviation = values.std(ddof=1) if len(values) > 1 else np.nan
    return (
        values.mean(),
        deviation,
        low,
        high,
        len(values),
        method(found),
        found.standard_error,
        found.degrees_of_freedom,
    )


def _means(rows: Sequence[tuple], *first: str) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[*first, "mean", *INTERVAL])
    return table.astype(
        dict.fromkeys(
            ["mean", "standard_deviation", "low", "high", "standard_error", "degrees_of_freedom"], float
        )
    )


def _differences(rows: Sequence[dict[str, object]], *first: str) -> pd.DataFrame:
    numbers = [
        "arm_mean",
        "reference_mean",
        "difference",
        "low",
        "high",
        "standard_error",
        "degrees_of_freedom",
        "p",
        "bootstrap_low",
        "bootstrap_high",
    ]
    columns = [
        *first,
        "arm",
        "reference",
        "metric",
        *numbers[:5],
        "replicates",
        "method",
        *numbers[5:],
        "role",
    ]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(numbers, float))


def _range(metric: str) -> float:
    """The largest value of a metric, which no interval exceeds."""
    return 2.0 if metric == "brier_score" else 1.0


def method(found: statistics.Difference) -> str:
    """What the interval is, or why there is none."""
    if found.replicates < statistics.MINIMUM_REPLICATES:
        return "single runs"
    return "t interval, replicates and lesions" if np.isfinite(found.standard_error) else "no variation"
