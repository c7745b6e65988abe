"""Intervals against SciPy and an analysis of variance."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from helpers.evaluation.intervals import paired_difference


def accuracy_study(seed=0, replicates=5, lesions=40):
    """Right answers (2, R, L) of two arms, one image a lesion, and their accuracies and influences."""
    generator = np.random.default_rng(seed)
    right = (
        generator.normal(size=(2, replicates, lesions))
        + generator.normal(size=(2, 1, lesions))
        + generator.normal(0, 0.3, (2, replicates, 1))
        > -0.5
    ).astype(float)
    values = right.mean(axis=-1)
    return right, values, (right - values[..., None]) / lesions


def test_without_lesion_variation_it_is_the_paired_t_test():
    generator = np.random.default_rng(1)
    first, second = generator.normal(0.7, 0.02, 6), generator.normal(0.68, 0.02, 6)
    nothing = np.zeros((6, 10))
    found = paired_difference(first, second, nothing, nothing)
    expected = stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    assert found.degrees_of_freedom == pytest.approx(5)
    assert (found.low, found.high, found.p) == pytest.approx((interval.low, interval.high, expected.pvalue))


def test_without_replicate_variation_it_is_the_paired_t_test_over_lesions():
    right, _, _ = accuracy_study(2, replicates=1, lesions=50)
    right = np.repeat(right, 4, axis=1)
    values = right.mean(axis=-1)
    influence = (right - values[..., None]) / 50
    found = paired_difference(values[0], values[1], influence[0], influence[1])
    expected = stats.ttest_rel(right[0, 0], right[1, 0])
    interval = expected.confidence_interval(0.95)
    assert found.degrees_of_freedom == pytest.approx(49)
    assert (found.low, found.high, found.p) == pytest.approx((interval.low, interval.high, expected.pvalue))


def test_variance_is_that_of_the_two_way_analysis_of_variance():
    right, values, influence = accuracy_study(3)
    found = paired_difference(values[0], values[1], influence[0], influence[1])
    difference = right[0] - right[1]
    replicates, lesions = difference.shape
    cells = pd.DataFrame(
        [(r, i, difference[r, i]) for r, i in np.ndindex(difference.shape)],
        columns=["replicate", "lesion", "d"],
    )
    mean_squares = anova_lm(ols("d ~ C(replicate) + C(lesion)", cells).fit())["sum_sq"] / [
        replicates - 1,
        lesions - 1,
        (replicates - 1) * (lesions - 1),
    ]
    by_replicate, by_lesion, rest = mean_squares
    assert found.variance_replicates == pytest.approx(by_replicate / (replicates * lesions))
    assert found.variance_lesions == pytest.approx(max(by_lesion - rest, 0) / (replicates * lesions))
    assert found.standard_error**2 == pytest.approx(found.variance_replicates + found.variance_lesions)


def test_photographs_of_one_lesion_count_as_one():
    right, values, influence = accuracy_study(4, lesions=30)
    once = paired_difference(values[0], values[1], influence[0], influence[1])
    # each lesion photographed three times with the same answers: same sums over lesions
    tripled = np.repeat(influence, 3, axis=-1) / 3
    summed = tripled.reshape(2, 5, 30, 3).sum(axis=-1)
    again = paired_difference(values[0], values[1], summed[0], summed[1])
    apart = paired_difference(values[0], values[1], tripled[0], tripled[1])
    assert again.standard_error == pytest.approx(once.standard_error)
    assert apart.variance_lesions < 0.5 * once.variance_lesions


def test_strata_take_the_class_mix_out_and_a_lone_lesion_is_no_fault():
    influence = np.zeros((2, 3, 5))
    influence[0] = [1, 1, -1, -1, 0.5]  # within strata nothing varies but the lone lesion
    found = paired_difference(np.ones(3), np.zeros(3), influence[0], influence[1], np.array([0, 0, 1, 1, 2]))
    assert found.variance_lesions == pytest.approx(0.25)
    assert found.degrees_of_freedom == pytest.approx(1)


def test_under_three_replicates_or_without_variation_there_is_no_interval():
    _, values, influence = accuracy_study(5, replicates=2)
    found = paired_difference(values[0], values[1], influence[0], influence[1])
    assert found.estimate == pytest.approx((values[0] - values[1]).mean())
    assert np.isnan([found.low, found.high, found.p, found.standard_error]).all()
    _, values, influence = accuracy_study(5)
    same = paired_difference(values[0], values[0], influence[0], influence[0])
    assert same.estimate == 0 and np.isnan([same.low, same.high, same.p]).all()


def test_equal_differences_in_all_replicates_leave_the_lesions_variance():
    influence = np.zeros((3, 4))
    influence[0, 0] = influence[1, 1] = influence[2, 2] = 0.3
    found = paired_difference(np.full(3, 0.6), np.full(3, 0.5), influence, np.zeros((3, 4)))
    assert found.standard_error > 0 and np.isfinite(found.low)


def test_many_differences_at_once_equal_one_by_one():
    studies = [accuracy_study(seed) for seed in range(4)]
    values, influence = np.stack([s[1] for s in studies]), np.stack([s[2] for s in studies])
    together = paired_difference(values[:, 0], values[:, 1], influence[:, 0], influence[:, 1])
    for i in range(4):
        alone = paired_difference(values[i, 0], values[i, 1], influence[i, 0], influence[i, 1])
        assert (together.low[i], together.high[i], together.p[i]) == pytest.approx(
            (alone.low, alone.high, alone.p)
        )
