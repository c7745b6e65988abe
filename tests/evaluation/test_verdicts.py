"""From an interval to a verdict: the rule of docs/statistics.md, in every case."""

import math
from itertools import combinations_with_replacement, product

import numpy as np
import pytest

from helpers.evaluation.verdicts import (
    BLUR_MARGIN,
    MINIMUM_REPLICATES,
    Cause,
    Direction,
    Gain,
    Verdict,
    cause,
    gain_of,
    verdict,
    verdict_of,
)
from helpers.paths import ROOT


def intervals(number: int, seed: int) -> list[tuple[float, float]]:
    """Random intervals around 0 and the smallest effects, those that touch them, and none at all."""
    generator = np.random.default_rng(seed)
    ends = np.sort(generator.normal(0.01, 0.03, (number, 2)), axis=1).tolist()
    touching = combinations_with_replacement([-0.02, 0.0, 0.01, 0.02, 0.05], 2)
    return [*map(tuple, ends), *touching, (math.nan, math.nan)]


@pytest.mark.parametrize("smallest_effect", [0.0, 0.01, 0.02, 0.05])
@pytest.mark.parametrize("replicates", [0, 1, 2, 3, 10, None])
def test_each_verdict_is_told_from_where_the_interval_lies(smallest_effect, replicates):
    for low, high in intervals(500, seed=1):
        found = verdict(low, high, replicates, smallest_effect)
        if replicates in (0, 1, 2):
            assert found == Verdict(Direction.NOT_TESTED, Gain.TOO_FEW)
            continue
        none = math.isnan(low)
        assert (found.direction is Direction.NOT_TESTED) == none
        assert (found.direction is Direction.HIGHER) == (low > 0)
        assert (found.direction is Direction.LOWER) == (high < 0)
        assert (found.gain in (Gain.SUPPORTED, Gain.NEGLIGIBLE)) == (low > 0)
        assert (found.gain in (Gain.EXCLUDED, Gain.NEGLIGIBLE)) == (high < smallest_effect)
        assert found.excludes_zero == (low > 0 or high < 0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.05, Gain.SUPPORTED),
        (-0.03, 0.019, Gain.EXCLUDED),
        (0.001, 0.015, Gain.NEGLIGIBLE),
        (-0.01, 0.03, Gain.UNDECIDED),
        (0.0, 0.03, Gain.UNDECIDED),
        (-0.01, 0.02, Gain.UNDECIDED),
        (math.nan, math.nan, Gain.NOT_TESTED),
    ],
)
def test_gain(low, high, expected):
    assert verdict(low, high).gain == verdict(low, high, MINIMUM_REPLICATES, 0.02).gain == expected


def test_too_few_replicates_are_named_with_their_number_and_in_short():
    found = verdict(0.01, 0.05, 2)
    assert found.gain == "not tested (needs 3 replicates)" and found.gain.short == "not tested"
    assert {gain.short for gain in Gain} == set(Gain) - {Gain.TOO_FEW}


@pytest.mark.parametrize("row", [{}, {"low": None, "high": None}, {"low": math.nan, "high": math.nan}])
def test_a_row_without_an_interval_or_without_replicates(row):
    assert verdict_of(row) == Verdict(Direction.NOT_TESTED, Gain.TOO_FEW)
    assert verdict_of(row | {"replicates": 3}) == Verdict(Direction.NOT_TESTED, Gain.NOT_TESTED)


def test_a_row_is_judged_as_its_interval():
    for low, high in intervals(100, seed=2):
        for replicates in (1, 3, 8):
            row = {"low": low, "high": high, "replicates": replicates, "metric": "accuracy"}
            assert verdict_of(row, 0.01) == verdict(low, high, replicates, 0.01)


def test_one_thing_that_speaks_for_a_gain_and_one_against():
    assert [gain_of(*case) for case in product((True, False), repeat=2)] == [
        Gain.NEGLIGIBLE,
        Gain.SUPPORTED,
        Gain.EXCLUDED,
        Gain.UNDECIDED,
    ]


def test_the_page_on_statistics_names_every_verdict():
    told = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert all(f"| {gain.short} |" in told for gain in Gain)


def row(low, high, replicates=8):
    return {"low": low, "high": high, "replicates": replicates}


LOST, GAINED, NONE = row(-0.10, -0.02), row(0.02, 0.10), row(-0.04, 0.01)
ALIKE = row(-0.03, 0.03)


@pytest.mark.parametrize(
    ("change", "beyond_blur", "blur", "sharpness", "expected"),
    [
        (LOST, row(-0.09, -0.01), LOST, LOST, Cause.SYNTHESIS),
        (LOST, row(-0.09, -0.001), NONE, None, Cause.SYNTHESIS),  # below 0, however little
        (GAINED, row(0.002, 0.02), LOST, None, Cause.SYNTHESIS),
        (LOST, row(0.01, 0.07), LOST, LOST, Cause.UNTOLD),  # the synthesis eases what blur did
        (NONE, row(0.01, 0.07), LOST, LOST, Cause.UNTOLD),  # nothing changed that could be explained
        (LOST, ALIKE, LOST, LOST, Cause.BLUR),
        (GAINED, ALIKE, GAINED, GAINED, Cause.BLUR),
        (LOST, ALIKE, LOST, None, Cause.UNTOLD),  # nobody knows what as many sharp ones do
        (LOST, ALIKE, LOST, NONE, Cause.UNTOLD),  # not the blur: as many as they are do the same
        (GAINED, ALIKE, GAINED, NONE, Cause.UNTOLD),
        (LOST, ALIKE, GAINED, LOST, Cause.UNTOLD),
        (LOST, ALIKE, NONE, LOST, Cause.UNTOLD),
        (LOST, row(-0.031, 0.01), LOST, LOST, Cause.UNTOLD),
        (LOST, row(-0.01, 0.031), LOST, LOST, Cause.UNTOLD),
        (LOST, row(-0.029, -0.001) | {"p_holm": 0.12}, LOST, LOST, Cause.UNTOLD),  # neither shown nor alike
        (LOST, row(-0.09, -0.01) | {"p_holm": 0.12}, LOST, LOST, Cause.UNTOLD),
        (LOST, row(-0.09, -0.01, replicates=2), LOST, LOST, Cause.UNTOLD),
        (LOST, row(-0.01, 0.01), row(-0.1, -0.02, replicates=2), LOST, Cause.UNTOLD),
        (LOST, row(math.nan, math.nan), LOST, LOST, Cause.UNTOLD),
        (row(None, None), row(None, None), row(None, None), None, Cause.UNTOLD),
    ],
)
def test_what_caused_a_change(change, beyond_blur, blur, sharpness, expected):
    assert cause(change, beyond_blur, blur, sharpness) is expected


def test_the_rule_of_the_cause_stands_in_the_docs():
    text = (ROOT / "docs/statistics.md").read_text(encoding="utf-8")
    assert f"within {100 * BLUR_MARGIN:g} points either way" in text


@pytest.mark.parametrize(
    ("p_holm", "direction", "gain"),
    [
        (0.049, Direction.HIGHER, Gain.SUPPORTED),
        (0.05, Direction.NOT_SHOWN, Gain.UNDECIDED),
        (math.nan, Direction.HIGHER, Gain.SUPPORTED),  # a contrast that is in no family
    ],
)
def test_a_primary_contrast_is_shown_only_after_holms_rule(p_holm, direction, gain):
    row = {"low": 0.01, "high": 0.05, "replicates": 5, "p_holm": p_holm}
    assert verdict_of(row) == Verdict(direction, gain)


def test_holms_rule_does_not_undo_the_exclusion_of_a_gain():
    row = {"low": -0.05, "high": -0.001, "replicates": 5, "p_holm": 0.2}
    assert verdict_of(row) == Verdict(Direction.NOT_SHOWN, Gain.EXCLUDED)
