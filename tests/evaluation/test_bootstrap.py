"""The crossed bootstrap against the algebra of the intervals."""

import numpy as np
import pytest

from helpers.evaluation.bootstrap import crossed_bootstrap, crossed_error
from helpers.evaluation.confusion import confusion_counts, influences, summarise
from helpers.evaluation.intervals import paired_difference
from helpers.evaluation.simulation import Simulation, simulate_study

QUICK = Simulation(support=(6, 9, 20, 4, 22, 115, 4))


def test_the_crossed_bootstrap_finds_the_same_standard_error():
    truth, lesion, predicted = simulate_study(Simulation(learned=0.1), 1, 5, seed=8)
    predicted, classes = predicted[0], 7
    confusion = confusion_counts(truth, predicted, classes)
    values, slopes = summarise(confusion, 4), influences(confusion, 4)
    first = np.unique(lesion, return_index=True)[1]
    drawn = crossed_bootstrap(truth, predicted, lesion, classes, lambda c: summarise(c, 4), 1500, seed=1)
    arm, replicate = np.ogrid[:2, :5]
    for name in ("accuracy", "target_recall", "target_precision", "macro_recall", "target_f1"):
        influence = np.add.reduceat(
            slopes[name][arm[..., None], replicate[..., None], truth, predicted], first, axis=-1
        )
        found = paired_difference(values[name][0], values[name][1], influence[0], influence[1], truth[first])
        assert drawn[name].shape == (3, 1500, 2)
        error = crossed_error(drawn[name][..., 0] - drawn[name][..., 1])
        assert error == pytest.approx(float(found.standard_error), rel=0.15), name


def test_the_crossed_bootstrap_repeats_and_has_the_replicates_variance():
    truth, lesion, predicted = simulate_study(QUICK, 1, 4, seed=9)
    first, second = (
        crossed_bootstrap(truth, predicted[0], lesion, 7, lambda c: summarise(c, 4), 4000, seed=2)["accuracy"]
        for _ in range(2)
    )
    assert (first == second).all()
    accuracy = (predicted[0] == truth).mean(axis=-1)
    assert first[2].var(axis=0) == pytest.approx(accuracy.var(axis=1, ddof=1) / 4, rel=0.1)
