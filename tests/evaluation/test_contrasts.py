"""Which differences are tests that were named beforehand, and what Holm's rule makes of them."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from helpers.evaluation.inference import Inference
from helpers.evaluation.paper.claim_kinds import KeptClaim, Scale
from helpers.evaluation.roles import roles
from helpers.evaluation.study import Study
from helpers.evaluation.verdicts import Direction, verdict_of
from helpers.params import validate

TOP, ALL = {"synthetic": {"select": "top", "count": 300}}, {"synthetic": {"select": "all"}}
ARMS = {"baseline": {}, "filtered": TOP, "all": ALL}
REPLICATES = 4


def params(arms, **evaluation):
    return validate({"arms": arms, "replicates": REPLICATES, "evaluation": {"bootstrap": 200, **evaluation}})


def study(arms, score, truth=None, classes=("bkl", "mel", "nv")):
    """Trainings whose logits are ``score`` (A, R, n, K), one lesion an image."""
    odds = np.exp(score)
    return Study(
        arms=list(arms),
        replicates=list(range(REPLICATES)),
        classes=list(classes),
        target=1,
        truth=truth,
        probabilities=odds / odds.sum(axis=-1, keepdims=True),
        lesion=np.arange(len(truth)),
        lesion_names=np.array([f"L{k}" for k in range(len(truth))]),
        seen=np.zeros(len(truth), int),
        thresholds=np.full((len(arms), REPLICATES), 0.5),
        metadata=pd.DataFrame(
            {"age": 50.0, "sex": "male", "localization": "unknown"}, index=range(len(truth))
        ),
    )


def made_up(arms, seed=0, classes=3, images=300):
    """Classifiers that are mostly right; classes beyond ``classes`` have no images."""
    generator = np.random.default_rng(seed)
    truth = generator.permutation(np.resize(np.arange(classes), images))
    score = generator.normal(size=(len(arms), REPLICATES, images, 3))
    score[..., np.arange(images), truth] += 1
    return study(arms, score, truth)


def primary(inference):
    return inference.contrasts().query("role == 'primary'").reset_index(drop=True)


def test_a_test_that_was_named_stays_in_the_family_where_the_arms_never_differ():
    found = made_up(ARMS)
    found.probabilities[1] = found.probabilities[0]
    tested = primary(
        Inference([found], params(ARMS, primary_contrasts=["filtered - baseline", "all - baseline"]))
    )
    same, other = tested.to_dict("records")
    assert same["difference"] == 0 and np.isnan([same["p"], same["p_holm"]]).all()
    assert other["p_holm"] == pytest.approx(min(1, 2 * other["p"])) and other["p"] < 1


def test_arms_filtered_and_random_of_unlike_numbers_are_no_pair():
    for count, wanted in ((300, True), (100, False)):
        arms = ARMS | {"random": {"synthetic": {"select": "random", "count": count}}}
        names = Inference([made_up(arms)], params(arms)).contrasts()["contrast"].unique()
        assert ("filtered - random" in names) == wanted == ("random" in roles(params(arms)))


def test_a_contrast_is_the_same_test_whichever_arm_stands_first():
    found = made_up(ARMS, seed=3)
    turned = params(ARMS, primary_contrasts=["baseline - filtered", "baseline - all"])
    straight = params(ARMS, primary_contrasts=["filtered - baseline", "all - baseline"])
    one, other = (Inference([found], each) for each in (turned, straight))
    adjusted = multipletests(primary(other)["p"], method="holm")[1]
    for inference in (one, other):
        assert primary(inference)["p_holm"].to_numpy() == pytest.approx(adjusted)
        rows = inference.comparisons().query("metric == 'target_recall'").set_index("arm")
        assert rows.loc[["filtered", "all"], "p_holm"].to_numpy() == pytest.approx(adjusted)
        assert set(rows["role"]) == {"primary"}
        same = inference.contrasts().query("contrast == 'all - baseline' and metric == 'target_recall'")
        assert same["p_holm"].to_numpy() == pytest.approx(adjusted[1:])


def test_both_intervals_of_balanced_accuracy_are_over_the_classes_that_have_images():
    found = Inference([made_up(ARMS, classes=2)], params(ARMS))
    rows = [found.compare("filtered", "baseline", name) for name in ("balanced_accuracy", "macro_recall")]
    for end in ("", "bootstrap_"):  # macro recall counts the third class as 0
        balanced, macro = (row[f"{end}high"] - row[f"{end}low"] for row in rows)
        assert balanced == pytest.approx(1.5 * macro)


def test_where_all_images_are_of_one_class_there_is_no_specificity():
    generator = np.random.default_rng(0)
    score = generator.normal(size=(3, REPLICATES, 60, 3))
    alone = Inference([study(ARMS, score, np.ones(60, int))], params(ARMS))
    assert not {"target_specificity", "specificity_mel", "macro_specificity", "paper_bma"} & set(alone.values)
    assert {"target_recall", "accuracy", "balanced_accuracy"} <= set(alone.values)
    assert "target_specificity" in Inference([made_up(ARMS)], params(ARMS)).values


@pytest.mark.parametrize("p_holm", [np.nan, 0.01, 0.12])
def test_a_loss_that_holms_rule_does_not_leave_is_no_loss_of_a_claim_that_something_is_kept(p_holm):
    row = {"difference": -0.03, "low": -0.058, "high": -0.021, "replicates": 5, "p_holm": p_holm}
    rows = pd.DataFrame([row], index=["target_recall"])
    claim = KeptClaim("as many", contrast=("filtered", "all"), metric="target_recall")
    held = p_holm == 0.12
    found = claim.on_run(rows, Scale())
    assert found.told == ("undecided" if held else "a loss is shown")
    assert (verdict_of(row).direction is Direction.NOT_SHOWN) == held
