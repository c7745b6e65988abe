"""What readers could tell: made-up readers of known skill are recovered, and chance is called chance."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from helpers.evaluation.bootstrap import crossed_bootstrap, crossed_error
from helpers.evaluation.confusion import summarise
from helpers.evaluation.intervals import paired_difference
from helpers.paths import RunPaths
from helpers.readers.analysis import agreement, each_reader, misleading, overall
from helpers.readers.answers import read_readings
from helpers.readers.key import Chosen as Image
from helpers.readers.key import Key, write_key
from support.made_up_readers import answers, chances, put

CLASSES = ("bcc", "mel", "nv")
STUDIES = 120


def a_key(images: int = 40) -> Key:
    """A study whose first images are synthetic."""
    origins = {f"{n:012x}": {"kind": "synthetic" if n < images // 2 else "real"} for n in range(images)}
    return Key("0" * 10, "", "mel", CLASSES, {"from": "all"}, origins, np.zeros((images, 4, 4, 3), np.uint8))


def written(place, images: int = 40) -> tuple[RunPaths, Key]:
    """The same with a run, as it is read back."""
    from helpers.readers.key import read_key

    run = RunPaths("study")
    chosen = [
        Image(np.full((4, 4, 3), n, np.uint8), {"kind": "synthetic" if n % 2 else "real", "gan_seed": 0})
        for n in range(images)
    ]
    chosen = sorted(chosen, key=lambda each: each.id)
    path = write_key(run, chosen, "mel", CLASSES, {"images": images, "from": "all", "seed": 0})
    return run, read_key(run, path.stem.removeprefix("key-"))


def readings(key: Key, right: np.ndarray, random):
    """What ``read_readings`` makes of answers, without files; ``right`` is (readers, images)."""
    from helpers.readers import answers as module

    tables = []
    for number, each in enumerate(right):
        found = module.AnswerFile.model_validate(answers(key, f"R{number}", each, random))
        tables.append(module._table(found, key))
    return module.Readings(key, pd.concat(tables), pd.DataFrame(), [])


@pytest.mark.parametrize(("skill", "readers"), [(0.7, 5), (0.5, 5), (0.85, 3)])
def test_the_interval_holds_the_expected_skill_in_most_studies(skill, readers):
    """Readers and images are drawn anew in each made-up study; the estimand is the mean over both."""
    random = np.random.default_rng(7)
    key = a_key()
    many = chances(random, 4000, 400, skill)
    truth = float(many.mean())
    held = []
    for _ in range(STUDIES):
        odds = chances(random, readers, 40, skill)
        row = overall(readings(key, random.random(odds.shape) < odds, random)).iloc[0]
        held.append(row["low"] <= truth <= row["high"])
    assert 0.89 <= np.mean(held) <= 1


def test_guessing_readers_give_an_interval_that_holds_a_half():
    random = np.random.default_rng(3)
    rows = [overall(readings(a_key(), random.random((5, 40)) < 0.5, random)).iloc[0] for _ in range(STUDIES)]
    held = np.mean([row["low"] <= 0.5 <= row["high"] for row in rows])
    assert held >= 0.9
    assert abs(np.mean([row["share"] for row in rows]) - 0.5) < 0.02


def test_its_standard_error_is_that_of_the_crossed_bootstrap():
    """The project's own resampling of readers and images, of the same answers."""
    random = np.random.default_rng(11)
    odds = chances(random, 6, 40, 0.75)
    right = random.random(odds.shape) < odds
    kind = np.repeat([1, 0], 20)
    predicted = np.where(right, kind, 1 - kind)
    resampled = crossed_bootstrap(
        kind, predicted[None], np.arange(40), 2, lambda counts: summarise(counts, None), 4000, 1
    )
    expected = crossed_error(resampled["accuracy"][..., 0])
    nothing = np.zeros((6, 40))
    found = paired_difference(right.mean(axis=1), nothing[:, 0], right / 40, nothing, kind)
    assert float(found.standard_error) == pytest.approx(expected, rel=0.06)
    row = overall(readings(a_key(), right, random)).iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((float(found.low), float(found.high)))


def test_a_habit_of_saying_computed_shows_as_sensitivity_and_specificity():
    random, key = np.random.default_rng(5), a_key(200)
    synthetic = np.array(list(key.synthetic.values()))
    right = random.random((4, 200)) < np.where(synthetic, 0.9, 0.3)
    found = overall(readings(key, right, random)).set_index("measure")
    assert found.loc["sensitivity", "share"] == pytest.approx(0.9, abs=0.05)
    assert found.loc["specificity", "share"] == pytest.approx(0.3, abs=0.08)
    both = found.loc[["sensitivity", "specificity"], "share"].mean()
    assert found.loc["told_apart", "share"] == pytest.approx(both)
    assert found.loc["sensitivity", "images"] == 100


def test_diagnoses_are_counted_by_kind():
    random, key = np.random.default_rng(6), a_key()
    found = readings(key, np.ones((3, 40), bool), random)
    found.table["diagnosed"] = found.table["synthetic"]
    rows = overall(found).set_index("measure")["share"]
    assert rows["diagnosis_synthetic"] == 1 and rows["diagnosis_real"] == 0


def test_under_three_readers_and_without_variation_there_is_no_interval():
    random = np.random.default_rng(8)
    two = overall(readings(a_key(), random.random((2, 40)) < 0.6, random))
    assert two["low"].isna().all() and two["share"].notna().all()
    alike = overall(readings(a_key(), np.ones((4, 40), bool), random)).set_index("measure")
    assert np.isnan(alike.loc["told_apart", "low"]) and alike.loc["told_apart", "share"] == 1


def test_each_reader_has_wilsons_interval():
    random = np.random.default_rng(9)
    right = random.random((3, 40)) < 0.7
    rows = each_reader(readings(a_key(), right, random).table)
    for row, own in zip(rows.itertuples(), right, strict=True):
        ends = proportion_confint(int(own.sum()), 40, method="wilson")
        assert (row.low, row.high) == pytest.approx(ends) and row.told_apart == own.mean()


def test_agreement_is_one_of_equal_readers_and_none_of_unrelated_ones():
    random, key = np.random.default_rng(10), a_key(400)
    same = random.random(400) < 0.6
    assert agreement(readings(key, np.stack([same] * 4), random)).computed == pytest.approx(1)
    assert agreement(readings(key, np.stack([same] * 2), random)).computed == pytest.approx(1)
    found = agreement(readings(key, random.random((5, 400)) < 0.5, random))
    assert abs(found.computed) < 0.05 and abs(found.diagnosis) < 0.05 and found.readers == 5
    assert agreement(readings(key, same[None], random)) is None


def test_fleiss_kappa_is_that_of_its_formula():
    """By hand: three readers, four images, 'computed' by 3, 2, 1 and 0 of them."""
    key = a_key(4)
    computed = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]], bool)
    synthetic = np.array(list(key.synthetic.values()))
    found = agreement(readings(key, computed == synthetic, np.random.default_rng(0)))
    observed, by_chance = (1 + 1 / 3 + 1 / 3 + 1) / 4, 0.5
    assert found.computed == pytest.approx((observed - by_chance) / (1 - by_chance))


def test_the_images_that_misled_most_come_first():
    key = a_key(6)
    right = np.array([[0, 1, 1, 1, 1, 0], [0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 0, 0]], bool)
    found = readings(key, right, np.random.default_rng(0))
    synthetic = misleading(found, "synthetic", 8)
    assert list(synthetic["image"]) == [f"{0:012x}", f"{1:012x}"] and list(synthetic["wrong"]) == [3, 1]
    assert list(misleading(found, "real", 1)["image"]) == [f"{5:012x}"]


def test_a_reader_who_stopped_counts_alone(place):
    run, key = written(place)
    random = np.random.default_rng(2)
    for code in ("R1", "R2", "R3"):
        put(run, f"{code}.json", answers(key, code, random.random(40) < 0.7, random))
    part = answers(key, "R4", np.zeros(40, bool), random)
    put(run, "R4.json", part | {"answers": part["answers"][:10]})
    found = read_readings(run)
    assert found.readers == ["R1", "R2", "R3", "R4"]
    assert set(overall(found)["readers"]) == {3}
    assert list(each_reader(found.table)["images"]) == [40, 40, 40, 10]
    assert agreement(found).readers == 3
