"""Means, differences and their intervals: every metric of every arm, from one study's predictions."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from helpers.evaluation.bootstrap import crossed_bootstrap, crossed_error
from helpers.evaluation.confusion import class_ratios, summarise
from helpers.evaluation.controls import controls
from helpers.evaluation.intervals import (
    Difference,
    corrected_half_width,
    fold_difference,
    paired_difference,
    student_quantile,
)
from helpers.evaluation.measurements import CLASS_METRICS, Measurements, measure
from helpers.evaluation.metrics import COMPARED, RECALL_OF
from helpers.evaluation.roles import roles, unlike_in_number
from helpers.evaluation.scores import called_shares, net_benefit
from helpers.evaluation.significance import holm
from helpers.evaluation.study import Study, by_replicate
from helpers.evaluation.tables import differences, mean_row, means, method
from helpers.evaluation.verdicts import MINIMUM_REPLICATES, verdict_of
from helpers.params import Params

# contrasts that every run makes where it has the arms; which are primary says params.evaluation
NAMED = ("filtered - baseline", "filtered - random", "all - baseline", "filtered - all")
THRESHOLDS = np.arange(1, 51) / 100  # threshold probabilities of the decision curve
CALLED = ("act_on_all", "recall", "false_alarms")  # its columns beside the net benefit


class Inference:
    """The intervals of a study, from measurements that are computed once.

    ``studies`` is one study, or one for each part of a split into folds. ``values`` holds each metric of each
    arm and replicate, (A, R); ``influence`` for each study each lesion's influence on it, (A, R / P, L).
    Names: COMPARED, and ``<metric>_<class>`` for CLASS_METRICS. A metric that is not defined in every model
    (no target, an absent class) is left out. ``measured`` has these too, for each study.
    """

    def __init__(self, studies: Sequence[Study], params: Params):
        self.studies, self.params = studies, params
        self.study = study = studies[0]  # arms, classes and target are those of every other
        self.confidence = params.evaluation.confidence
        self.measured: list[Measurements] = [measure(each) for each in studies]
        defined = [
            name
            for name in self.measured[0].influence
            if all(name in each.influence for each in self.measured)
        ]
        self.influence = {name: [each.influence[name] for each in self.measured] for name in defined}
        self.values = {name: by_replicate([each.values[name] for each in self.measured]) for name in defined}
        present = [f"{RECALL_OF}{name}" for name in study.classes if f"{RECALL_OF}{name}" in self.values]
        if present:  # by every part of the split; a group of patients may lack a class in some
            self.values["balanced_accuracy"] = np.stack([self.values[name] for name in present], -1).mean(-1)

    @cached_property
    def resampled(self) -> dict[str, np.ndarray]:
        """The crossed bootstrap's metrics; empty where nothing is crossed, and for too few replicates.

        Also empty where trainings share most of their photographs: it would not see that part.
        """
        study, evaluation = self.study, self.params.evaluation
        shares_photographs = len(self.studies) > 1 or self.params.data.split.tested_per_trained > 0
        if shares_photographs or len(study.replicates) < MINIMUM_REPLICATES:
            return {}
        return crossed_bootstrap(
            study.truth,
            study.predicted,
            study.lesion,
            len(study.classes),
            lambda counts: _summarised(counts, study),
            evaluation.bootstrap,
            evaluation.seed,
        )

    @cached_property
    def _lesions(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Positions of each study's lesions among all of them, and the class of each."""
        codes, _ = pd.factorize(np.concatenate([each.lesion_names for each in self.studies]))
        strata = np.zeros(codes.max() + 1, int)
        strata[codes] = np.concatenate([each.strata for each in self.studies])
        return np.split(codes, np.cumsum([len(each.strata) for each in self.studies])[:-1]), strata

    def _interval(self, values: np.ndarray, influence: Sequence[np.ndarray]) -> Difference:
        """The mean of ``values`` (..., R) from 0; ``influence`` (..., R / P, L) for each study."""
        split = self.params.data.split
        if len(self.studies) > 1:
            by_part = [each.mean(axis=-2) for each in influence]
            return fold_difference(values, by_part, *self._lesions, split.folds, self.confidence)
        return paired_difference(
            values, 0.0, influence[0], 0.0, self.study.strata, self.confidence, split.tested_per_trained
        )

    # differences

    def difference(self, arm: str, reference: str, metric: str) -> Difference:
        """The arm minus the reference on one metric."""
        values, influence = self.values[metric], self.influence[metric]
        first, second = self.study.arms.index(arm), self.study.arms.index(reference)
        return self._interval(
            values[first] - values[second], [each[first] - each[second] for each in influence]
        )

    def compare(self, arm: str, reference: str, metric: str) -> dict[str, Any]:
        """``difference`` as one row, with the same interval by bootstrap or, of folds, by the corrected t."""
        values, found, most = self.values[metric], self.difference(arm, reference, metric), _largest(metric)
        first, second = self.study.arms.index(arm), self.study.arms.index(reference)
        low, high = self._bootstrap_interval(metric, first, second, found)
        corrected_low, corrected_high = self._corrected_interval(metric, first, second, found)
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
            "corrected_low": corrected_low,
            "corrected_high": corrected_high,
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
        return _ends(found, half, metric)

    def _corrected_interval(
        self, metric: str, first: int, second: int, found: Difference
    ) -> tuple[float, float]:
        """The usual interval for trainings of folds (Nadeau and Bengio 2003); NaN where there is none."""
        if len(self.studies) == 1 or not np.isfinite(found.standard_error):
            return np.nan, np.nan
        changes, split = self.values[metric][first] - self.values[metric][second], self.params.data.split
        half = corrected_half_width(changes, split.tested_per_trained, self.confidence)
        return _ends(found, half, metric)

    def comparisons(self) -> pd.DataFrame:
        """Each arm against the reference, all metrics; those that are primary contrasts are marked so."""
        reference = self.params.evaluation.reference
        pairs = [(arm, reference) for arm in self.study.arms if arm != reference]
        wanted = [*self._compared, *self._recalls_beside_the_target]
        table = differences([self.compare(*pair, metric) for pair in pairs for metric in wanted])
        return self._with_roles(table)

    def _with_roles(self, table: pd.DataFrame) -> pd.DataFrame:
        """Differences with their role, and of primary contrasts the p value adjusted by Holm."""
        named = self.contrasts().query("role == 'primary'")
        tests = _tests(table)
        table.loc[tests.isin(_tests(named)), "role"] = "primary"
        return table.assign(
            p_holm=tests.map(dict(zip(_tests(named), named["p_holm"], strict=True))).astype(float)
        )

    def contrasts(self) -> pd.DataFrame:
        """The contrasts named beforehand, all metrics and each class's recall; primary ones adjusted by Holm.

        Primary: ``evaluation.primary_contrasts`` in ``primary_metrics``, as far as the run has those arms and
        metrics; they are one family. The rest is exploratory.
        """
        return self._contrasts.copy()

    @property
    def named_contrasts(self) -> list[tuple[str, str, str]]:
        """The contrasts of ``contrasts`` whose arms the run has: name, arm, and what it is compared with.

        These are the ones named beforehand, and NAMED, which every run makes. Arms filtered and random are
        not compared where they add different numbers of images.
        """
        part = {name: name for name in self.study.arms} | roles(self.params)
        found = []
        for name in dict.fromkeys([*self.params.evaluation.primary_contrasts, *NAMED]):
            arm, other = (part.get(each) for each in name.split(" - "))
            apart = {arm, other} == {"filtered", "random"} and unlike_in_number(self.params)
            if arm and other and arm != other and not apart:
                found.append((name, arm, other))
        return found

    @property
    def between_other_arms(self) -> list[tuple[str, str]]:
        """Arm and what it is compared with, of every contrast of the run without the reference arm.

        They are those of ``contrasts`` and of ``controls``; each pair stands once, as it is named first.
        """
        pairs = [(arm, other) for _, arm, other in self.named_contrasts]
        pairs += [(control.arm, control.reference) for control in controls(self.params)]
        others = {*self.study.arms} - {self.params.evaluation.reference}
        found = {frozenset(pair): pair for pair in reversed(pairs) if {*pair} <= others}
        return list(reversed(found.values()))

    @cached_property
    def _contrasts(self) -> pd.DataFrame:
        evaluation = self.params.evaluation
        recalls = [name for name in self.study.classes if f"{RECALL_OF}{name}" in self.values]
        wanted = [*self._compared, *(f"{RECALL_OF}{name}" for name in recalls)]
        rows = [
            {"contrast": contrast} | self.compare(arm, other, metric)
            for contrast, arm, other in self.named_contrasts
            for metric in wanted
        ]
        table = differences(rows, "contrast")
        named = table["contrast"].isin(evaluation.primary_contrasts)
        primary = named & table["metric"].isin(evaluation.primary_metrics)
        table.loc[primary, "role"] = "primary"
        tests, family = _tests(table), table[primary]
        # a test that was named stays in the family where the arms never differ
        p = family["p"].mask(family["p"].isna() & (family["replicates"] >= MINIMUM_REPLICATES), 1)
        adjusted = pd.Series(holm(p.to_numpy(float)), index=tests[primary])
        table["p_holm"] = tests.map(adjusted[~adjusted.index.duplicated()]).where(table["p"].notna())
        return table

    def controls(self) -> pd.DataFrame:
        """The run's controls, all metrics, with what each interval shows.

        It is exploratory, but for the primary contrasts among them.
        """
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
        table = self._with_roles(differences(rows, "control", "contrast", "fraction"))
        outcomes = [verdict_of(row).direction.value for row in table.to_dict("records")]
        return table.assign(outcome=pd.Series(outcomes, dtype=str))

    @property
    def _recalls_beside_the_target(self) -> list[str]:
        """The recalls of the other classes that get synthetic images; they are exploratory."""
        names = self.params.classes_beside_target
        return [f"{RECALL_OF}{name}" for name in names if f"{RECALL_OF}{name}" in self.values]

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
        truth = np.concatenate([each.truth for each in self.studies])
        counts = np.bincount(truth, minlength=len(self.study.classes))
        counts //= self.params.data.split.repeats  # each deal tests every image once
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
        found = self._interval(values, [each[index] for each in self.influence[metric]])
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
        called: list[tuple[float, float]] = []
        for index, arm in enumerate(study.arms):
            benefit, influence = self._net_benefits(index)
            found = self._interval(benefit, influence)
            called += self._called(index)
            for place, threshold in enumerate(THRESHOLDS):
                one = found.at(place)
                rows.append((arm, threshold, *mean_row(benefit[place], one, one.low, one.high)))
        positive = [each.truth == each.target for each in self.studies]
        everyone = np.mean(
            [net_benefit(each, np.ones(len(each)), THRESHOLDS)[0] for each in positive], axis=0
        )
        table = means(rows, "arm", "threshold")
        table["act_on_all"] = table["threshold"].map(dict(zip(THRESHOLDS, everyone, strict=True)))
        table[["recall", "false_alarms"]] = called
        return table

    def _called(self, index: int) -> list[tuple[float, float]]:
        """``called_shares`` of an arm at THRESHOLDS, the mean of its replicates."""
        shares = [
            called_shares(each.truth == each.target, each.probabilities[index, ..., each.target], THRESHOLDS)
            for each in self.studies
        ]
        return [(recall, alarms) for recall, alarms in np.mean(shares, axis=0)]

    def _net_benefits(self, index: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Net benefit (T, R) of an arm at THRESHOLDS, and each study's lesions' influences (T, R / P, L)."""
        values, influence = [], []
        for each in self.studies:
            score = each.probabilities[index, ..., each.target]
            benefit, by_image = net_benefit(each.truth == each.target, score, THRESHOLDS)
            values.append(benefit.T)
            influence.append(each.of_lesions(by_image).swapaxes(0, 1))
        return by_replicate(values), influence


def _tests(table: pd.DataFrame) -> pd.Series:
    """A key of each row's test: its two arms, whichever stands first, and its metric."""
    pairs = zip(table["arm"], table["reference"], table["metric"], strict=True)
    return pd.Series(["\t".join([*sorted(pair), metric]) for *pair, metric in pairs], table.index, dtype=str)


def _summarised(counts: np.ndarray, study: Study) -> dict[str, np.ndarray]:
    """``summarise`` with balanced accuracy over the classes that have images, as ``measure`` has it."""
    recalls = class_ratios(counts)["recall"][..., np.unique(study.truth)]
    return summarise(counts, study.target) | {"balanced_accuracy": recalls.mean(axis=-1)}


def _ends(found: Difference, half: np.ndarray, metric: str) -> tuple[float, float]:
    """The estimate less and plus ``half``, no farther out than a difference of the metric can be."""
    most = _largest(metric)
    low, high = np.clip([found.estimate - half, found.estimate + half], -most, most)
    return low, high


def _largest(metric: str) -> float:
    """The largest value of a metric, which no interval exceeds."""
    return 2.0 if metric == "brier_score" else 1.0
