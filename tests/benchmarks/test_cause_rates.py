"""Studies whose truth is known: the rule names the blur, the synthesis, or nothing."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from helpers.evaluation.verdicts import Cause

STUDIES = 20


@pytest.fixture
def rates(script):
    return script("cause_rates")


def made_up_pool(rates):
    """Two classes that overlap in one feature, of four; blur is another feature, which no class has."""
    random = np.random.default_rng(99)  # studies draw with small seeds of their own
    truth = (random.random(1600) < 0.15).astype(int)
    sharp = random.normal(size=(1600, 4))
    sharp[:, 0] += 1.5 * truth
    return rates.Pool(("mel", "nv"), 1 - truth, np.arange(1600), sharp, sharp + [0, 3, 0, 0])


def test_a_shortcut_by_blur_is_called_blur_and_sharp_new_lesions_are_not(rates, monkeypatch):
    monkeypatch.setattr(rates, "EPOCHS", 6)
    pool = made_up_pool(rates)
    blur = replace(rates.KINDS["blur, classes weighted"], trainings=4)
    assert rates.run_study(pool, blur, seed=0) is Cause.BLUR
    # what is added is as sharp as the rest: it cannot be a matter of blur
    assert rates.run_study(pool, replace(blur, new=True), seed=0) is not Cause.BLUR


def test_weights_give_each_class_the_same_part(rates):
    truth = np.array([0, 0, 0, 1])
    weights = rates._weights(truth, 3).numpy()
    assert weights[0] * 3 == pytest.approx(weights[1] * 1) and np.isfinite(weights[2])


@pytest.mark.long
def test_each_kind_of_study_has_its_verdict_as_often_as_the_documents_say(rates):
    pool = rates.draw_pool(4000)
    found = {
        name: Counter(rates.run_study(pool, rates.KINDS[name], seed) for seed in range(STUDIES))
        for name in ("blur, classes weighted", "help", "help, no image sharper", "small")
    }
    assert found["blur, classes weighted"][Cause.BLUR] >= 0.8 * STUDIES
    assert found["help"][Cause.SYNTHESIS] >= 0.8 * STUDIES
    assert found["small"][Cause.UNTOLD] >= 0.8 * STUDIES
    # eleven of twenty in the page's table, which has a deviation of 2.2
    assert found["help, no image sharper"][Cause.SYNTHESIS] >= 6
    assert not found["blur, classes weighted"][Cause.SYNTHESIS]
    assert not found["help"][Cause.BLUR] and not found["help, no image sharper"][Cause.BLUR]
