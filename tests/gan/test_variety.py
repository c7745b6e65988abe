"""The count of different images in a sample, on made-up sets where the right count is known."""

import numpy as np
import pytest

from helpers.evaluation.paper import published
from helpers.gan.fidelity import synthetic_sets
from helpers.gan.variety import (
    DIFFERENT,
    QUANTILE,
    SAMPLE,
    count_different,
    different_images,
    usual_nearness,
)

NEAR = 0.5


def lesions(count, seed=0, size=24):
    """Features of as many different images: independent, and therefore far apart."""
    return np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)


def repeated(different, count, seed=0, noise=0.001):
    """``count`` images of ``different`` lesions in any order, each repeated about equally often."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(np.arange(count) % different)
    chosen = lesions(different, seed)[places]
    return chosen + noise * rng.normal(size=chosen.shape).astype(np.float32)


@pytest.mark.parametrize("different", [1, 2, 15, 31, 32])
def test_the_right_count_of_a_sample(different):
    assert different_images(repeated(different, SAMPLE), NEAR) == different
    assert different_images(repeated(different, SAMPLE, noise=0), NEAR) == different  # to the last bit


def test_all_equal_all_different_one_and_none():
    assert different_images(np.ones((SAMPLE, 8), np.float32), NEAR) == 1
    assert different_images(lesions(SAMPLE), NEAR) == SAMPLE
    assert different_images(lesions(1), NEAR) == 1 and different_images(lesions(0), NEAR) == 0


def test_a_chain_of_small_steps_is_not_one_image():
    chain = np.arange(10.0)[:, None]  # each 1 from the next, the ends 9 apart
    assert different_images(chain, 1.0) == 5
    assert different_images(chain, 0.9) == 10 and different_images(chain, 9.0) == 1


def test_the_order_of_the_images_does_not_matter():
    sample = repeated(15, SAMPLE)
    assert {
        different_images(sample[np.random.default_rng(s).permutation(SAMPLE)], NEAR) for s in range(5)
    } == {15}


def test_the_sample_is_as_large_as_the_papers():
    shown = published()["figures"].set_index("quantity").loc["sample_images", "low"]
    assert shown == SAMPLE


def test_the_yardstick_is_that_of_real_images():
    real = lesions(400, 1)
    nearness = usual_nearness(real, SAMPLE, 40, 0)
    sample = real[:SAMPLE].astype(float)
    apart = np.linalg.norm(sample[:, None] - sample[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (apart.min(1) <= nearness).mean() == pytest.approx(QUANTILE, abs=0.1)
    assert usual_nearness(2 * real, SAMPLE, 40, 0) == pytest.approx(2 * nearness)


def test_a_collapsed_generator_is_told_from_one_that_is_not():
    real, held_out = lesions(300, 1), lesions(100, 2)
    images = np.concatenate([lesions(60, 3), repeated(15, 140, 4)])
    sets = synthetic_sets(images, np.arange(200) < 60, held_out)
    found = count_different(sets, real, 30, 0, "random").set_index("set")
    assert set(found["measure"]) == {DIFFERENT} and set(found["images"]) == {SAMPLE}
    assert found.loc["kept", "value"] > 29 and found.loc["real", "value"] > 29
    # 32 draws without replacement from 15 lesions show nearly all of them, and no more
    assert 12 < found.loc["dropped", "value"] <= 15 and found.loc["dropped", "high"] <= 15
    assert found.loc["dropped", "difference_high"] < 0 < found.loc["kept", "difference_low"]
    assert np.isnan(found.loc["random", "difference"])


def test_few_images_make_a_small_sample():
    sets = synthetic_sets(lesions(40, 3), np.arange(40) < 10, lesions(12, 2))
    found = count_different(sets, lesions(50, 1), 20, 0, "random")
    assert set(found["images"]) == {10} and (found["value"] <= 10).all()
    again = count_different(sets, lesions(50, 1), 20, 0, "random")
    assert found.equals(again)
