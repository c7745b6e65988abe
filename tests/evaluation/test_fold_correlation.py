"""What folds have in common, from differences whose correlation is known, and from simulated studies."""

import numpy as np
import pytest

from helpers.evaluation.fold_correlation import correlation_of_folds, detail
from helpers.evaluation.fold_learners import Folded, draw
from helpers.evaluation.fold_simulation import simulate


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("deals", [1, 2])
def test_the_correlation_of_folds_is_found_again(correlation, deals):
    generator = np.random.default_rng(1)
    studies, folds = 4000, 5
    common = generator.standard_normal((studies, 1, 1))
    own = generator.standard_normal((studies, deals, folds))
    differences = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    assert correlation_of_folds(3 * differences + 7) == pytest.approx(correlation, abs=0.04)


def test_nothing_varies():
    assert np.isnan(correlation_of_folds(np.ones((10, 1, 5))))


def test_the_first_parts_of_a_study_are_the_study_of_one_deal():
    whole = simulate(Folded(lesions=150), 5, 2, seed=4)
    first, alone = whole.first(5), simulate(Folded(lesions=150), 5, 1, seed=4)
    for metric in ("accuracy", "target_recall", "target_roc_auc"):
        assert np.array_equal(first.values[metric], alone.values[metric])
        assert first.difference(metric, 5) == alone.difference(metric, 5)


def test_lesions_are_photographed_twice_as_often_as_is_said():
    design = Folded(lesions=4000, share=0.25, twice=(0.2, 0.9))
    drawn = draw(design, np.random.default_rng(0))
    photographs = np.bincount(drawn.lesion)
    for stratum, chance in enumerate(design.twice):
        assert (photographs[drawn.strata == stratum] == 2).mean() == pytest.approx(chance, abs=0.03)


def test_trainings_of_their_own_chance_have_less_in_common():
    """Where two procedures differ by chance alone, nothing is shared but the tested lesions."""
    apart = detail(Folded(common=8, own=0, bootstrap=1.0), 5, 1, studies=60, seed=2)
    shared = detail(Folded(common=0, own=1, separation=0.3, share=0.4, balanced=False), 5, 1, 60, seed=2)
    assert apart["target_recall"]["correlation"] < shared["target_recall"]["correlation"] - 0.1
    for found in (*apart.values(), *shared.values()):
        assert found["seen"] < found["seen_of_family"]
        assert found["coverage"] == found["coverage_once"]  # of one deal
    assert all(found["coverage"] >= 0.85 for found in apart.values())
    # what folds share is in no spread between them: here the interval fails, and the page says so
    assert shared["target_recall"]["coverage"] < 0.75
