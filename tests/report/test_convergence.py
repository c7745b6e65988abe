"""What is said of trainings that were cut off, and of those that were not."""

import math

import pandas as pd
import pytest

from helpers.params import Classifier
from helpers.report.results.convergence import (
    convergence,
    convergence_sentence,
    late_gain,
    unconverged_warning,
)

CONFIG = Classifier(max_epochs=10, early_stopping_patience=3)


def trainings(epochs, best, gain):
    return pd.DataFrame({"epochs": epochs, "best_epoch": best, "late_gain": gain})


def test_the_late_gain_is_that_of_the_last_fifth():
    accuracy = [0.5, 0.6, 0.7, 0.65, 0.72, 0.71, 0.74, 0.74, 0.73, 0.76]
    assert late_gain(pd.DataFrame({"validation_accuracy": accuracy})) == pytest.approx(0.02)
    assert late_gain(pd.DataFrame({"validation_accuracy": accuracy[:9] + [0.7]})) == 0
    assert math.isnan(late_gain(pd.DataFrame({"validation_accuracy": [0.5]})))


def test_trainings_that_were_cut_off_are_told_in_the_answer():
    found = convergence(trainings([10, 10, 6], [10, 9, 3], [0.02, 0.01, 0.0]), CONFIG)
    assert (found.by_patience, found.best_in_last, found.reached) == (1, 1, False)
    warning = unconverged_warning(found)
    assert "2 of 3 ended at the limit of 10 epochs" in warning and "+1.0 points" in warning
    assert "**not converged**" in convergence_sentence(found)


@pytest.mark.parametrize(
    "table",
    [
        trainings([6, 7, 10], [3, 4, 10], [0.02, 0.02, 0.02]),  # most of them waited in vain
        trainings(
            [10, 10, 10], [10, 8, 9], [0.001, 0.0, 0.0]
        ),  # at the limit, and nothing was gained any more
    ],
)
def test_trainings_that_had_converged_are_left_in_peace(table):
    found = convergence(table, CONFIG)
    assert found.reached and unconverged_warning(found) is None
    assert "not converged" not in convergence_sentence(found)


def test_trainings_of_one_epoch_have_not_converged():
    table = trainings([1, 1], [1, 1], [math.nan, math.nan])
    found = convergence(table, Classifier(max_epochs=1, early_stopping_patience=3))
    assert not found.reached and "nan" not in convergence_sentence(found) + unconverged_warning(found)


def test_a_planned_end_is_told():
    table = trainings([5, 5], [4, 5], [0.0, 0.001])
    planned = Classifier(max_epochs=5, early_stopping_patience=5, schedule="cosine")
    words = "2 at the limit of 5 epochs, over which the rate falls by a cosine; 1 had"
    assert words in convergence_sentence(convergence(table, planned))
    assert "cosine" not in convergence_sentence(convergence(table, CONFIG))


def test_nothing_is_said_of_what_is_not_known():
    assert convergence(pd.DataFrame(), CONFIG) is None
    assert convergence_sentence(None) is None and unconverged_warning(None) is None
