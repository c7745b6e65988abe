"""The analysis of variance of trunks and heads."""

import numpy as np
import pytest


@pytest.fixture
def deviation(script):
    return script("trunk_deviation")


def test_the_variance_is_shared_out_between_trunks_and_heads(deviation):
    # heads of one trunk agree: all of it is the trunks'
    alike = np.repeat([[1.0], [2.0], [4.0]], 3, axis=1)
    found = deviation.components(alike)
    assert found["heads"] == 0 and found["share"] == 1
    assert found["both"] == pytest.approx(np.std([1, 2, 4], ddof=1))
    # trunks agree on average: all of it is the heads'
    found = deviation.components(np.array([[1.0, 3.0], [1.0, 3.0], [3.0, 1.0]]))
    assert found["trunks"] == 0 and found["share"] == 0 and found["both"] == pytest.approx(np.sqrt(2))
    assert deviation.components(np.ones((3, 2)))["share"] == 0


def test_known_deviations_are_found_in_many_draws(deviation):
    generator = np.random.default_rng(0)
    between = generator.normal(0, 2.0, (4000, 5, 1))
    drawn = between + generator.normal(0, 1.0, (4000, 5, 3))
    found = [deviation.components(values) for values in drawn]
    assert np.mean([each["heads"] ** 2 for each in found]) == pytest.approx(1.0, abs=0.03)
    assert np.mean([each["trunks"] ** 2 for each in found]) == pytest.approx(4.0, abs=0.15)


def test_the_interval_of_a_deviation_holds_it_as_often_as_it_says(deviation):
    generator = np.random.default_rng(1)
    ends = [deviation.interval(generator.normal(0, 3.0, 5).std(ddof=1), 4) for _ in range(2000)]
    assert 0.935 < np.mean([low <= 3.0 <= high for low, high in ends]) < 0.965
