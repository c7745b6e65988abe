"""Means, differences and their intervals: every metric of every arm, from one study's predictions."""

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from helpers.evaluation.bootstrap import crossed_bootstrap, crossed_error
from helpers.evaluation.confusion import summarise
from helpers.evaluation.controls import controls
from helpers.evaluation.intervals import Difference, mean_interval, paired_difference, student_quantile
from helpers.evaluation.measurements import CLASS_METRICS, Measurements, measure
from helpers.evaluation.metrics import METRICS, PROBABILITY_METRICS
from helpers.evaluation.roles import roles
from helpers.evaluation.scores import called_shares, net_benefit
from helpers.evaluation.significance import holm
from helpers.evaluation.study import Study
from helpers.evaluation.tables import differences, mean_row, means, method
from helpers.evaluation.verdicts import MINIMUM_REPLICATES, verdict_of
from helpers.params import Params

COMPARED = (*METRICS, *PROBABILITY_METRICS)
NAMED = (("filtered", "baseline"), ("filtered", "random"), ("all", "baseline"), ("filtered", "all"))
PRIMARY = NAMED[:3]  # on the target's recall; everything else is exploratory
THRESHOLDS = np.arange(1, 51) / 100  # threshold probabilities of the decision curve
CALLED = ("act_on_all", "recall", "false_alarms")  # its columns beside the net benefit


class Inference:
    """The intervals of a study, from measurements that are computed once.

    ``values`` holds each metric of each arm and replicate, (A, R); ``influence`` each lesion's influence on
    it, (A, R, L). Names: COMPARED, and ``<metric>_<class>`` for CLASS_METRICS. A metric that is not defined
    in every model (no target, an absent class) is left out. ``measurements`` has these too.
    """

    def __init__(self, study: Study, params: Params):
        self.study, self.params = study, params
        self.confidence = params.evaluation.confidence
        self.measurements: Measurements = measure(study)
        self.influence = self.measurements.influence
        self.values = {name: self.measurements.values[name] for name in self.influence}
        present = [study.classes[k] for k in np.unique(study.truth)]
        recalls = np.stack([self.values[f"recall_{name}"] for name in present], axis=-1)
        self.values["balanced_accuracy"] = recalls.mean(axis=-1)

    @cached_property
    def resampled(self) -> dict[str, np.ndarray]:
        """The crossed bootstrap's metrics; empty where there are too few replicates for any interval."""
        study, evaluation = self.study, self.params.evaluation
        if len(study.replicates) < MINIMUM_REPLICATES:
            return {}
        return crossed_bootstrap(
            study.truth,
            study.predicted,
            study.lesion,
            len(study.classes),
            lambda counts: summarise(counts, study.target),
            evaluation.bootstrap,
            evaluation.seed,
        )

    # differences

    def compare(self, arm: str, reference: str, metric: str) -> dict[str, Any]:
        """One row: the arm minus the reference on one metric."""
        study, values, influence = self.study, self.values[metric], self.influence[metric]
        first, second = study.arms.index(arm), study.arms.index(reference)
        found = paired_difference(
            values[first], values[second], influence[first], influence[second], study.strata, self.confidence
        )
        most = _largest(metric)
        low, high = self._bootstrap_interval(metric, first, second, found)
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

    def _bootstrap_interval(
        self, metric: str, first: int, second: int, found: Difference
    ) -> tuple[float, float]:
        """The same interval with the bootstrap's standard error; NaN where there is none."""
        if metric not in self.resampled or not np.isfinite(found.standard_error):
            return np.nan, np.nan
        resampled = self.resampled[metric]
        spread = crossed_error(resampled[..., first] - resampled[..., second])
        half = student_quantile(0.5 + self.confidence / 2, found.degrees_of_freedom) * spread
        most = _largest(metric)
        low, high = np.clip([found.estimate - half, found.estimate + half], -most, most)
        return low, high

    def comparisons(self) -> pd.DataFrame:
        """Each arm against the reference, all metrics; those that are primary contrasts are marked so."""
        reference = self.params.evaluation.reference
        pairs = [(arm, reference) for arm in self.study.arms if arm != reference]
        table = differences([self.compare(*pair, metric) for pair in pairs for metric in self._compared])
        part = roles(self.params)
        primary = [part.get(first) for first, second in PRIMARY if second == "baseline"]
        table.loc[table["arm"].isin(primary) & table["metric"].eq("target_recall"), "role"] = "primary"
        return table

    def contrasts(self) -> pd.DataFrame:
        """The contrasts named beforehand, all metrics and each class's recall; primary ones adjusted by Holm.

        Primary: target recall of filtered - baseline, filtered - random, all - baseline, as far as the run
            has
        those arms. The rest is exploratory.
        """
        part = roles(self.params)
        recalls = [name for name in self.study.classes if f"recall_{name}" in self.values]
        wanted = [*self._compared, *(f"recall_{name}" for name in recalls)]
        rows = []
        for first, second in NAMED:
            if first in part and second in part and part[first] != part[second]:
                rows += [
                    {"contrast": f"{first} - {second}"} | self.compare(part[first], part[second], metric)
                    for metric in wanted
                ]
        table = differences(rows, "contrast")
        named = table["contrast"].isin([" - ".join(pair) for pair in PRIMARY])
        primary = named & table["metric"].eq("target_recall")
        table.loc[primary, "role"] = "primary"
        table["p_holm"] = np.nan
        table.loc[primary, "p_holm"] = holm(table.loc[primary, "p"].to_numpy(float))
        return table

    def controls(self) -> pd.DataFrame:
        """The run's controls, all metrics, with what each interval shows; all of it is exploratory."""
        rows = []
        for control in controls(self.params):
            first = {
                "control": control.role,
                "contrast": control.contrast,
                "fraction": np.nan if control.fraction is None else control.fraction,
            }
            rows += [
                first | self.compare(control.arm, control.reference, metric) for metric in self._compared
            ]
        table = differences(rows, "control", "contrast", "fraction")
        outcomes = [verdict_of(row).direction.value for row in rows]
        return table.assign(outcome=pd.Series(outcomes, dtype=str))

    @property
    def _compared(self) -> list[str]:
        """The metrics of COMPARED that every model has."""
        return [metric for metric in COMPARED if metric in self.values]

    # arms

    def arms(self) -> pd.DataFrame:
        """Each arm's mean, standard deviation over replicates and interval, by metric."""
        rows = [
            (arm, metric, *self._mean(metric, index))
            for index, arm in enumerate(self.study.arms)
            for metric in self._compared
        ]
        return means(rows, "arm", "metric")

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
        return means(rows, "arm", "class", "images", "metric")

    def _mean(self, metric: str, index: int) -> tuple[Any, ...]:
        values, most = self.values[metric][index], _largest(metric)
        found = mean_interval(values, self.influence[metric][index], self.study.strata, self.confidence)
        return mean_row(values, found, np.clip(found.low, 0, most), np.clip(found.high, 0, most))

    def decision_curve(self) -> pd.DataFrame:
        """Net benefit of calling the target from each threshold probability on, by arm.

        ``act_on_all``: of calling every image the target. ``recall`` and ``false_alarms``: the share of the
        target's images and of the others that are called so, means over replicates.
        """
        study = self.study
        rows: list[tuple[Any, ...]] = []
        if study.target is None:
            return means(rows, "arm", "threshold").assign(**dict.fromkeys(CALLED, pd.Series(dtype=float)))
        positive, called = study.truth == study.target, []
        for index, arm in enumerate(study.arms):
            probabilities = study.probabilities[index, ..., study.target]
            called += called_shares(positive, probabilities, THRESHOLDS)
            benefit, influence = net_benefit(positive, probabilities, THRESHOLDS)
            by_lesion = study.of_lesions(influence).swapaxes(0, 1)
            found = mean_interval(benefit.T, by_lesion, study.strata, self.confidence)
            for place, threshold in enumerate(THRESHOLDS):
                one = found.at(place)
                rows.append((arm, threshold, *mean_row(benefit[:, place], one, one.low, one.high)))
        everyone, _ = net_benefit(positive, np.ones(len(positive)), THRESHOLDS)
        table = means(rows, "arm", "threshold")
        table["act_on_all"] = table["threshold"].map(dict(zip(THRESHOLDS, everyone, strict=True)))
        table[["recall", "false_alarms"]] = called
        return table


def _largest(metric: str) -> float:
    """The largest value of a metric, which no interval exceeds."""
    return 2.0 if metric == "brier_score" else 1.0
