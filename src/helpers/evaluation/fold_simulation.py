"""Simulated studies of folds with real learners, on which the intervals of folds are tested.

Lesions with photographs are drawn and dealt into folds, and two procedures are trained and tested on each
part, as a study does it. What the intervals should hold is known from trainings on lesions drawn anew.
benchmarks/fold_coverage.py writes the tables of docs/statistics.md from these functions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from helpers.evaluation.fold_learners import Drawn, Folded, Model, draw, train
from helpers.evaluation.intervals import (
    Difference,
    corrected_half_width,
    fold_difference,
    paired_difference,
)
from helpers.evaluation.scores import Scored, operating_threshold, roc_auc_influence
from helpers.evaluation.significance import holm

METRICS = ("accuracy", "target_recall", "target_roc_auc", "target_operating_recall")
SPECIFICITY = 0.9  # of the operating point
VALIDATION = 0.125
LEVEL, POWER = 0.05, 0.8
# the primary tests of docs/protocol.md: filtered - baseline, filtered - blurred, all - blurred_more
CONTRASTS = ((1, 0), (1, 2), (3, 4))
FAMILY = [(metric, pair) for metric in ("target_recall", "target_roc_auc") for pair in CONTRASTS]
LARGE = 5_000  # lesions of the test set that true differences are measured on


def measure(positive: np.ndarray, score: np.ndarray, threshold: float) -> dict[str, Scored]:
    """METRICS of one model, each with the influence of every image."""
    called = score >= 0.5
    return {
        "accuracy": _share(called == positive),
        "target_recall": _share(called, positive),
        "target_roc_auc": (_roc_auc(positive, score), roc_auc_influence(positive, score)),
        "target_operating_recall": _share(score >= threshold, positive),
    }


def _roc_auc(positive: np.ndarray, score: np.ndarray) -> float:
    """From ranks (Mann and Whitney), which takes a tenth of scikit-learn's time on so few images."""
    found, others = int(positive.sum()), int((~positive).sum())
    return float((stats.rankdata(score)[positive].sum() - found * (found + 1) / 2) / (found * others))


def _share(right: np.ndarray, inside: np.ndarray | None = None) -> Scored:
    """The share of images (n,) that are ``right``, of those ``inside`` (None: of all)."""
    inside = np.ones(len(right), bool) if inside is None else inside
    share = right[inside].mean()
    return share, np.where(inside, right - share, 0.0) / inside.sum()


@dataclass(frozen=True)
class FoldedStudy:
    """One study: metrics of its P procedures by part, (P, J), and each part's lesions with their influences.

    ``influence`` has for each part an array (P, L_p), ``lesion`` the positions (L_p,), ``strata`` the classes
    (L,) of all lesions. ``external`` and ``external_influence`` are the same models on one other test set.
    """

    values: dict[str, np.ndarray]
    influence: dict[str, list[np.ndarray]]
    lesion: list[np.ndarray]
    strata: np.ndarray
    external: dict[str, np.ndarray]  # (P, J)
    external_influence: dict[str, np.ndarray]  # (P, J, L)
    external_strata: np.ndarray

    def difference(self, metric: str, folds: int, pair: tuple[int, int] = (0, 1)) -> Difference:
        """The interval of a procedure less another, both by their places."""
        one, other = pair
        gaps = [part[one] - part[other] for part in self.influence[metric]]
        values = self.values[metric]
        return fold_difference(values[one] - values[other], gaps, self.lesion, self.strata, folds)

    def mean(self, metric: str, folds: int) -> Difference:
        """The interval of the first procedure's mean."""
        own = [one[0] for one in self.influence[metric]]
        return fold_difference(self.values[metric][0], own, self.lesion, self.strata, folds)

    def first(self, parts: int) -> "FoldedStudy":
        """The study as it would be with its first parts alone."""
        return replace(
            self,
            values={name: each[:, :parts] for name, each in self.values.items()},
            influence={name: each[:parts] for name, each in self.influence.items()},
            lesion=self.lesion[:parts],
            external={name: each[:, :parts] for name, each in self.external.items()},
            external_influence={name: each[:, :parts] for name, each in self.external_influence.items()},
        )

    def external_difference(self, metric: str, folds: int) -> Difference:
        """The interval of the difference on the external test set."""
        values, influence = self.external[metric], self.external_influence[metric]
        shared = tested_per_trained(folds)
        return paired_difference(
            values[0], values[1], influence[0], influence[1], self.external_strata, shared=shared
        )


def simulate(design: Folded, folds: int, repeats: int, seed: int, external: int = 150) -> FoldedStudy:
    """Draw, deal, train and test one study."""
    generator = np.random.default_rng(seed)
    drawn, other = draw(design, generator), draw(design, generator, external)
    scored: list[list[dict[str, Scored]]] = []
    elsewhere: list[list[dict[str, Scored]]] = []
    lesion = []
    for tested, validating in _parts(drawn.strata, folds, repeats, generator):
        test = tested[drawn.lesion]
        lesions, place = np.unique(drawn.lesion[test], return_inverse=True)
        lesion.append(lesions)
        models = list(_procedures(design, drawn, tested, validating, generator))
        scored.append(
            [
                _summed(measure(drawn.positive[test], model(drawn.features[test]), at), place)
                for model, at in models
            ]
        )
        elsewhere.append(
            [
                _summed(measure(other.positive, model(other.features), at), other.lesion)
                for model, at in models
            ]
        )
    values, influence = _arranged(scored)
    outside, outside_influence = _arranged(elsewhere)
    stacked = {name: np.stack(found, axis=1) for name, found in outside_influence.items()}
    return FoldedStudy(values, influence, lesion, drawn.strata, outside, stacked, other.strata)


def _parts(
    strata: np.ndarray, folds: int, repeats: int, generator: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Which lesions each part tests and which it validates on, boolean (L,), dealt class by class."""
    for _ in range(repeats):
        fold, place = np.empty(len(strata), int), np.empty(len(strata))
        for stratum in np.unique(strata):
            inside = generator.permutation(np.flatnonzero(strata == stratum))
            fold[inside] = np.arange(len(inside)) % folds
        for tested in range(folds):
            for stratum in np.unique(strata):
                rest = generator.permutation(np.flatnonzero((strata == stratum) & (fold != tested)))
                place[rest] = np.arange(len(rest)) / len(rest)
            yield fold == tested, (fold != tested) & (place < VALIDATION / (1 - 1 / folds))


def _procedures(
    design: Folded,
    drawn: Drawn,
    tested: np.ndarray,
    validating: np.ndarray,
    generator: np.random.Generator,
) -> Iterator[tuple[Model, float]]:
    """The models of a part, each with the threshold of its operating point."""
    training, validation = (~tested & ~validating)[drawn.lesion], validating[drawn.lesion]
    for seen in design.features:
        model = _seeing(
            seen, train(design, drawn.features[training][:, seen], drawn.positive[training], generator)
        )
        yield model, operating_threshold(model(drawn.features[validation & ~drawn.positive]), SPECIFICITY)


def _seeing(seen: np.ndarray, model: Model) -> Model:
    """A model of some features, on all of them."""
    return lambda new: model(new[:, seen])


def _summed(found: dict[str, Scored], place: np.ndarray) -> dict[str, Scored]:
    """Influences of lesions, from those of images."""
    return {name: (value, np.bincount(place, influence)) for name, (value, influence) in found.items()}


def _arranged(
    scored: list[list[dict[str, Scored]]],
) -> tuple[dict[str, np.ndarray], dict[str, list[np.ndarray]]]:
    """Values (P, J) and the parts' influences (P, L_p), by metric."""
    values = {name: np.array([[one[name][0] for one in part] for part in scored]).T for name in METRICS}
    return values, {name: [np.stack([one[name][1] for one in part]) for part in scored] for name in METRICS}


def coverage(
    design: Folded, folds: int, repeats: int, studies: int = 400, seed: int = 0
) -> dict[str, dict[str, float]]:
    """How often the intervals hold the truth, by metric.

    ``coverage``: of the difference; ``false_positives``: studies with p < 0.05 (with an effect, the power);
    ``width``: mean width; ``seen``: the smallest difference that 80 % of studies would see, were the first
    procedure better by so much in each of them; ``corrected``: coverage of Nadeau and Bengio's corrected
    resampled t instead; ``mean``: of one procedure's mean; ``external``: of the difference on an external
    test set. All are shares, and differences between them.
    """
    true = truths(design, folds, 400, seed)
    tallies = {name: np.zeros(6) for name in METRICS}
    ends: dict[str, list[float]] = {name: [] for name in METRICS}
    for number in range(studies):
        study = simulate(design, folds, repeats, seed * 1_000_003 + number + 1)
        for name, tally in tallies.items():
            gap = float(true[name][0] - true[name][1]) if design.effect else 0.0
            found = study.difference(name, folds)
            tally += _tally(study, name, folds, found, gap, float(true[name][0]))
            ends[name].append(gap - float(found.low))
    keys = ("coverage", "false_positives", "width", "corrected", "mean", "external")
    return {
        name: dict(zip(keys, (tally / studies).tolist(), strict=True))
        | {"seen": float(np.nanquantile(ends[name], POWER))}
        for name, tally in tallies.items()
    }


def family_errors(
    design: Folded, folds: int, repeats: int, studies: int = 400, seed: int = 0
) -> dict[str, float]:
    """How often a study without any effect calls a contrast real, over FAMILY of five procedures.

    ``one``: share of the single tests with p < 0.05; ``any``: of the studies with such a test; ``holm``:
    of the studies where one stays below 0.05 by Holm's rule.
    """
    design = replace(design, procedures=1 + max(max(pair) for _, pair in FAMILY))
    found = np.zeros(3)
    for number in range(studies):
        study = simulate(design, folds, repeats, seed * 1_000_003 + number + 1)
        p = np.array([study.difference(metric, folds, pair).p for metric, pair in FAMILY], float)
        found += np.nanmean(p < LEVEL), (p < LEVEL).any(), (holm(p) < LEVEL).any()
    return dict(zip(("one", "any", "holm"), (found / studies).tolist(), strict=True))


def _tally(
    study: FoldedStudy, metric: str, folds: int, found: Difference, gap: float, mean: float
) -> np.ndarray:
    """One study's part of ``coverage``; ``gap`` and ``mean`` are the true difference and the true mean."""
    values = study.values[metric]
    half = corrected_half_width(values[0] - values[1], tested_per_trained(folds), 1 - LEVEL)
    held = holds(found, gap), holds(study.mean(metric, folds), mean)
    outside = holds(study.external_difference(metric, folds), gap)
    width = float(found.high - found.low)
    real, corrected = bool(found.p < LEVEL), bool(abs(found.estimate - gap) <= half)
    return np.array([held[0], real, width, corrected, held[1], outside], float)


def tested_per_trained(folds: int) -> float:
    """Lesions that a fold tests per lesion that it is trained on."""
    return (1 / folds) / (1 - 1 / folds - VALIDATION)


def holds(found: Difference, truth: float) -> bool:
    """Whether the interval holds the truth; an estimate that varies nowhere must be it."""
    if np.isnan(found.low):
        return bool(np.isclose(found.estimate, truth))
    return bool(found.low <= truth <= found.high)


def truths(
    design: Folded, folds: int, trainings: int, seed: int, lesions: int = LARGE
) -> dict[str, np.ndarray]:
    """Expected metrics (P,) of the procedures, over trainings on lesions drawn anew, on a large test set."""
    generator = np.random.default_rng(seed)
    population = draw(design, generator, lesions)
    found = []
    for _ in range(trainings):
        drawn = draw(design, generator)
        part = next(_parts(drawn.strata, folds, 1, generator))
        models = _procedures(design, drawn, *part, generator)
        found.append([measure(population.positive, model(population.features), at) for model, at in models])
    return {name: np.mean([[one[name][0] for one in pair] for pair in found], axis=0) for name in METRICS}
