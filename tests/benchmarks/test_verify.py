"""The comparison with the tables kept: equal tables agree, a wrong count or a mean out of reach does not."""

import sys

import pandas as pd

from support.project import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
from verify import compare


def tables(images=100, mean=0.6):
    counts = pd.DataFrame(
        {"dx": ["mel", "mel", "nv"], "split": ["test", "train", "test"], "images": [20, 60, images]}
    )
    arms = pd.DataFrame(
        {
            "arm": "baseline",
            "metric": ["accuracy", "target_recall"],
            "mean": [0.8, mean],
            "standard_deviation": [0.01, 0.02],
            "replicates": 3,
        }
    )
    return {"counts": counts, "arms": arms}


def test_equal_tables_agree():
    assert compare(tables(), tables())["agrees"].all()


def test_one_image_is_too_many():
    rows = compare(tables(images=101), tables())
    assert list(rows["what"][~rows["agrees"]]) == ["nv, test"]


def test_a_mean_may_differ_by_chance_and_no_further():
    # Student's t at 0.9995 with 2 degrees of freedom is 31.6: 31.6 x 0.02 x sqrt(2 / 3) + 0.01 = 0.526
    assert compare(tables(mean=0.075), tables())["agrees"].all()
    rows = compare(tables(mean=0.073), tables())
    assert list(rows["what"][~rows["agrees"]]) == ["baseline, target_recall"]


def test_three_arms_know_their_spread_better():
    def three(mean):
        side = tables(mean=mean)
        return side | {
            "arms": pd.concat([side["arms"].assign(arm=arm) for arm in ("baseline", "filtered", "all")])
        }

    # 6 degrees of freedom: 5.96 x 0.02 x sqrt(2 / 3) + 0.01 = 0.107
    assert compare(three(0.70), three(0.6))["agrees"].all()
    assert not compare(three(0.71), three(0.6))["agrees"].all()


def test_one_replicate_goes_by_the_number_of_images():
    def one(mean):
        side = tables(mean=mean)
        return side | {"arms": side["arms"].assign(replicates=1, standard_deviation=None)}

    # 4 x sqrt(2 x 0.6 x 0.4 / 120) + 0.01 = 0.263
    assert compare(one(0.86), one(0.6))["agrees"].all()
    assert not compare(one(0.87), one(0.6))["agrees"].all()


def test_an_arm_that_is_missing_does_not_agree():
    found = tables()
    found["arms"] = found["arms"].iloc[:1]
    rows = compare(found, tables())
    assert list(rows["what"][~rows["agrees"]]) == ["baseline, target_recall"]
