"""Groups by age, sex and site: which are judged, by which images, and what the page says of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation.study import Study
from helpers.evaluation.subgroups import FEWEST, METRICS, subgroups
from helpers.params import Params, validate
from helpers.report.results import subgroups as shown

REPLICATES, EACH = 4, 30  # target images and others of each sex


def params(**changes) -> Params:
    arms = {"baseline": {}, "filtered": {"synthetic": {"select": "top", "count": 10}}}
    return validate({"arms": arms, "replicates": REPLICATES, **changes}, "test")


def drawn(men_lost: float = 0.0, seed: int = 0, males: int = EACH) -> Study:
    """Two arms on images of men and women; the second arm misses ``men_lost`` of the men's target images."""
    rng = np.random.default_rng(seed)
    sex = np.array(["male"] * males + ["female"] * EACH + ["male"] * EACH + ["female"] * EACH)
    truth = np.array([1] * (males + EACH) + [0] * (2 * EACH))
    score = np.clip(
        0.5 + np.where(truth == 1, 0.25, -0.25) + rng.normal(0, 0.15, (2, REPLICATES, len(truth))), 0, 1
    )
    hit = (truth == 1) & (sex == "male") & (rng.random(len(truth)) < men_lost)
    score[1][:, hit] *= 0.4
    count = len(truth)
    return Study(
        arms=["baseline", "filtered"],
        replicates=list(range(REPLICATES)),
        classes=["benign", "mel"],
        target=1,
        truth=truth,
        probabilities=np.stack([1 - score, score], axis=-1),
        lesion=np.arange(count),
        lesion_names=np.array([f"lesion {number}" for number in range(count)]),
        seen=np.zeros(count, int),
        thresholds=np.full((2, REPLICATES), 0.5),
        metadata=pd.DataFrame({"age": 50.0, "sex": sex, "localization": "unknown"}, index=range(count)),
    )


def by_arm(studies: list[Study], parameters: Params) -> pd.DataFrame:
    return subgroups(studies, parameters)["subgroups"]


def between_arms(study: Study, parameters: Params) -> pd.DataFrame:
    return subgroups([study], parameters)["subgroup_contrasts"]


def with_a_third_arm(study: Study) -> Study:
    """The study with an arm *all* that answers as its baseline does."""
    arms = {name: getattr(study, name)[[0, 1, 0]] for name in ("probabilities", "thresholds")}
    return replace(study, arms=[*study.arms, "all"], **arms)


THREE = {
    "baseline": {},
    "filtered": {"synthetic": {"select": "top", "count": 10}},
    "all": {"synthetic": {"select": "all"}},
}


def test_a_loss_in_one_group_is_found_there_and_not_in_the_other():
    table = by_arm([drawn(men_lost=0.8)], params())
    recall = table[(table["metric"] == "target_recall") & (table["arm"] == "filtered")].set_index("group")
    assert recall.loc["male", "difference_high"] < 0
    assert recall.loc["female", "difference_low"] < 0 < recall.loc["female", "difference_high"]


def test_a_group_is_measured_on_its_own_images_at_the_trainings_thresholds():
    study = drawn(men_lost=0.5)
    table = by_arm([study], params()).set_index(["group", "arm", "metric"]).sort_index()
    men = (study.metadata["sex"] == "male").to_numpy() & (study.truth == 1)
    expected = (study.predicted[1][:, men] == 1).mean()
    assert table.loc[("male", "filtered", "target_recall"), "mean"] == pytest.approx(expected)
    assert set(table.index.get_level_values("metric")) == set(METRICS)
    assert (table.loc["male", "target_images"] == EACH).all()


def test_a_group_with_too_few_target_images_is_counted_and_not_judged():
    table = by_arm([drawn(males=FEWEST - 1)], params())
    men = table[table["group"] == "male"]
    assert list(men["method"]) == ["too few"] and list(men["target_images"]) == [FEWEST - 1]
    assert men["mean"].isna().all()
    assert "have fewer, or none in some part" in shown.subgroup_sentence(
        table, ["filtered"], "baseline", "mel"
    )


def test_unknown_values_are_no_group_and_every_known_age_is_in_one():
    table = by_arm([drawn()], params())
    assert set(table["kind"]) == {"age", "sex"}
    assert set(table.loc[table["kind"] == "age", "group"]) == {"40 to 59"}


def test_images_of_two_deals_are_counted_once():
    split = {"by": "lesion", "folds": 2, "repeats": 2}
    both = params(data={"split": split}, gan={"seeds": [0, 1, 2, 3]})
    studies = [drawn(seed=seed) for seed in range(4)]
    table = by_arm(studies, both)
    assert set(table.loc[table["group"] == "male", "target_images"]) == {2 * EACH}


def test_the_page_names_the_groups_that_differ_and_says_that_skin_tone_is_unknown():
    table = by_arm([drawn(men_lost=0.8)], params())
    arms = shown.arms_to_show(table, params())
    assert arms == ["filtered"]
    said = shown.subgroup_sentence(table, arms, "baseline", "mel")
    assert "*filtered* in the group male" in said and "Skin tone is not in the metadata" in said
    assert shown.subgroup_table(table, arms, "baseline", "mel").as_shown().rows == 3
    figure = shown.subgroup_figure(table, arms, "mel")
    assert len(figure.axes) == 3 and all(axes.get_title(loc="left") for axes in figure.axes)


def test_without_a_group_of_size_the_page_says_so():
    table = by_arm([drawn(males=5)], params())
    few = table[table["method"] == "too few"]
    assert shown.subgroup_figure(few, [], "mel") is None
    assert "the table has the counts of 1 group" in shown.subgroup_sentence(few, [], "baseline", "mel")


def test_a_contrast_between_other_arms_is_asked_in_each_group_too():
    study, three = with_a_third_arm(drawn(men_lost=0.8)), params(arms=THREE)
    table = between_arms(study, three)
    assert set(zip(table["arm"], table["reference"], strict=True)) == {("filtered", "all")}
    assert set(table["metric"]) == set(METRICS) and set(table["group"]) == {"40 to 59", "male", "female"}
    recall = table.query("metric == 'target_recall'").set_index("group")
    against = (
        by_arm([study], three).query("metric == 'target_recall' and arm == 'filtered'").set_index("group")
    )
    for ours, same in (("difference", "difference"), ("low", "difference_low"), ("high", "difference_high")):
        assert list(recall[ours]) == pytest.approx(list(against[same]))  # all answers as the baseline does
    said = shown.subgroup_contrasts_sentence(table, "mel")
    assert "(*filtered* − *all*), 2 of 3 intervals" in said
    assert "in the group male" in said and "in the group female" not in said
    shown_rows = shown.subgroup_contrasts_table(table).frame
    assert list(shown_rows["group"]) == ["40 to 59", "male", "female"]
    assert list(shown_rows["n"]) == [2 * EACH, EACH, EACH]


def test_a_contrast_with_the_reference_stands_in_one_table_alone():
    study = drawn()
    named = params(evaluation={"primary_contrasts": ["filtered - baseline"]})
    assert between_arms(study, named).empty
    turned = params(evaluation={"primary_contrasts": ["baseline - filtered"]})
    assert between_arms(study, turned).empty
    assert shown.subgroup_contrasts_table(between_arms(study, named)) is None
    assert shown.subgroup_contrasts_sentence(between_arms(study, named), "mel") is None


def test_two_names_of_one_contrast_are_asked_once():
    many = {name.replace("all", "many"): arm for name, arm in THREE.items()}  # in the role of all
    study = with_a_third_arm(drawn())
    study = replace(study, arms=["baseline", "filtered", "many"])
    table = between_arms(study, params(arms=many, evaluation={"primary_contrasts": ["filtered - many"]}))
    assert set(table["reference"]) == {"many"}
    assert not table.duplicated(["group", "arm", "reference", "metric"]).any()


def test_controls_are_asked_in_each_group_too():
    repeated = {"class": "target", "count": 10}
    arms = {
        "baseline": {},
        "filtered": {"oversample": repeated | {"through": "synthesis"}},
        "all": {"oversample": repeated},
    }
    table = between_arms(with_a_third_arm(drawn()), params(arms=arms))
    assert set(zip(table["arm"], table["reference"], strict=True)) == {("filtered", "all")}


def test_a_group_that_is_too_small_has_no_contrast():
    table = between_arms(with_a_third_arm(drawn(males=FEWEST - 1)), params(arms=THREE))
    assert "female" in set(table["group"]) and "male" not in set(table["group"])


def test_a_group_in_which_two_arms_find_the_same_images_says_so():
    same = drawn()
    same = with_a_third_arm(replace(same, probabilities=same.probabilities[[0, 0]]))
    tables = subgroups([same], params(arms=THREE))
    among = shown.subgroup_contrasts_table(tables["subgroup_contrasts"]).frame
    against = shown.subgroup_table(tables["subgroups"], ["filtered"], "baseline", "mel").frame
    assert all("(the trainings do not differ)" in cell for cell in among["filtered − all, points"])
    assert all("(the trainings do not differ)" in cell for cell in against["filtered − baseline, points"])


def test_without_intervals_or_groups_nothing_is_said_of_them():
    table = by_arm([drawn()], params())
    single = table.assign(**dict.fromkeys(["low", "high", "difference_low", "difference_high"], np.nan))
    assert "intervals" not in shown.subgroup_sentence(single, ["filtered"], "baseline", "mel")
    assert "intervals" in shown.subgroup_sentence(table, ["filtered"], "baseline", "mel")
    assert shown.subgroup_table(table[:0], ["filtered"], "baseline", "mel") is None
