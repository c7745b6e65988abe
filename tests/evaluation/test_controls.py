"""Arms that test the study: they are found by their recipes.

Their effect is seen where the study has the power, and said to be missed where it has not.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from helpers import paths
from helpers.evaluation.controls import Control, controls
from helpers.evaluation.paper import claims, published_beside
from helpers.evaluation.results import evaluate
from helpers.evaluation.simulation import Simulation, coverage, simulate_margins
from helpers.evaluation.verdicts import verdict_of
from helpers.params import load_params, validate
from helpers.paths import RunPaths
from helpers.report import results, words
from helpers.report.page.answer import abstract, short_answer
from helpers.report.page.contrast_chart import contrast_chart
from helpers.report.page.control_sentences import controls as control_sentences
from helpers.report.page.headline import headline_caption
from helpers.report.page.results import read_results

CLASSES = ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]
DESIGN = Simulation(support=(20, 30, 60, 10, 160, 300, 10))


def study(**changes):
    """rigorous.yaml with three replicates, and what else is given."""
    values = load_params("rigorous").as_dict()
    for section, part in ({"replicates": 3, "evaluation": {"bootstrap": 100}} | changes).items():
        values[section] = {**values[section], **part} if isinstance(part, dict) else part
    return validate(values)


@pytest.fixture
def simulated(tmp_path, monkeypatch):
    """Writes the predictions of a whole study drawn by the simulator.

    In it withholding costs ``loss`` of the target's recall.
    """
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)

    def make(params, loss, seed):
        run, arms = (
            RunPaths(f"simulated-{seed}"),
            ["withheld", *(arm for arm in params.arms if arm != "withheld")],
        )
        both = replace(
            DESIGN, support=tuple(2 * n for n in DESIGN.support), effect=-loss
        )  # as many validation images as test images
        truth, lesion, margin = simulate_margins(both, 1, params.replicates, seed, arms=len(arms))
        part = np.where(np.concatenate([np.arange(2 * n) < n for n in DESIGN.support]), "test", "validation")
        labels = np.array(CLASSES)[truth]
        split = pd.DataFrame(
            {
                "image_id": [f"I{i}" for i in range(len(truth))],
                "lesion_id": [f"L{i}" for i in lesion],
                "dx": labels,
                "split": part,
            }
        )
        split = pd.concat(
            [split, split.head(1).assign(image_id="trained", lesion_id="trained", split="train")]
        )
        run.data.mkdir(parents=True)
        split.to_csv(run.split, index=False)
        for arm, own in zip(arms, margin[0], strict=True):
            for replicate, scores in enumerate(own):
                probabilities = np.full((len(truth), len(CLASSES)), 0.01)
                right = scores > 0
                answer = np.where(right, truth, np.where(truth == 5, 4, 5))
                probabilities[np.arange(len(truth)), answer] = 0.94
                table = split.iloc[:-1][["image_id", "split"]].assign(
                    label=labels, **{f"p_{c}": probabilities[:, k] for k, c in enumerate(CLASSES)}
                )
                run.classifier(arm, replicate).mkdir(parents=True)
                table.to_csv(run.classifier(arm, replicate) / "predictions.csv", index=False)
        return run

    return make


def recall(tables, role):
    return next(
        row
        for row in tables["controls"].to_dict("records")
        if row["control"] == role and row["metric"] == "target_recall"
    )


def test_controls_are_found_by_their_recipes():
    found = {control.role: control for control in controls(study())}
    assert found["again"] == Control("again", "again", "baseline") and found["weighted"].arm == "weighted"
    assert found["withheld"] == Control("withheld", "withheld", "baseline", 0.5)
    assert (
        found["restored"] == Control("restored", "restored", "withheld", 0.5)
        and found["restored"].contrast == "restored - withheld"
    )
    assert [control.arm for control in controls(study()) if control.role == "oversampled"] == [
        "oversampled",
        "oversampled_more",
    ]
    assert found["blurred"] == Control("blurred", "blurred_more", "baseline")
    beyond = [control.contrast for control in controls(study()) if control.role == "beyond blur"]
    assert beyond == ["filtered - blurred", "all - blurred_more", "random - blurred"]
    recipes = {
        "plain": {},
        "less": {"withhold": {"fraction": 0.9}},
        "filled": {"withhold": {"fraction": 0.8}, "synthetic": {"select": "all"}},
    }
    other = validate(
        {"arms": recipes | {"moles": {"withhold": {"class": "nv"}}}, "evaluation": {"reference": "plain"}}
    )
    assert controls(other) == [Control("withheld", "less", "plain", 0.9)], (
        "another class, or another share than the withheld arm's, is no control"
    )
    assert controls(validate({"arms": recipes, "evaluation": {"reference": "less"}})) == []


def test_a_study_with_power_sees_its_positive_control_and_no_effect_of_nothing(simulated):
    # by the simulator, three replicates of this size see a loss of 25 points in 9 of 10 studies
    assert (
        coverage(replace(DESIGN, effect=-0.25), 3, studies=200, seed=1)["target_recall"]["false_positives"]
        > 0.85
    )
    params = study()
    run = simulated(params, 0.25, seed=1)
    found = evaluate(run, params)
    again, withheld = recall(found, "again"), recall(found, "withheld")
    assert again["low"] < 0 < again["high"] and again["outcome"] == "no difference shown"
    assert withheld["high"] < 0 and withheld["outcome"] == "lower"
    restored = recall(found, "restored")
    values = found["metrics"].groupby("arm")["target_recall"].mean()
    assert restored["difference"] == pytest.approx(values["restored"] - values["withheld"])
    assert set(found["controls"]["role"]) == {"exploratory"}
    assert {
        "again - baseline",
        "withheld - baseline",
        "restored - withheld",
        "oversampled - baseline",
        "weighted - baseline",
    } <= set(found["controls"]["contrast"])
    same = found["comparisons"].query("arm == 'withheld' and metric == 'target_recall'").iloc[0]
    assert (same["low"], same["high"]) == (withheld["low"], withheld["high"])
    said = results.controls.controls_section(found["controls"], 160, "mel")
    assert (
        "The study sees the loss of half of the real images of mel" in said
        and "no difference is shown, as it should be" in said
    )
    assert "(*restored* \N{MINUS SIGN} *withheld*)" in said and "learned from the withheld ones" in said
    assert not found["claims"]["this_run"].str.contains("useless").any()
    told = " ".join(control_sentences(read_results(run, params)))
    area = found["controls"].query("control == 'restored' and metric == 'target_roc_auc'").iloc[0]
    assert ("the area under the ROC curve of melanoma changes by" in told) == (
        area["low"] > 0 or area["high"] < 0
    )
    assert (
        "The study sees the loss of half of the real melanoma images (arm withheld: " in told
        and "useless" not in told
    )


def test_a_study_without_power_says_that_it_cannot_call_synthesis_useless(simulated):
    params = study(gan={"seeds": [0]})
    run = simulated(params, 0.02, seed=2)
    found = evaluate(run, params)
    assert recall(found, "withheld")["outcome"] == "no difference shown"
    said = results.controls.controls_section(found["controls"], 160, "mel")
    assert (
        "This study could not see the loss of half of the real images of mel" in said
        and "so it cannot call synthesis useless." in said
    )
    own = found["claims"].set_index("claim")
    blind = own["this_run"].str.contains(
        "half of the real melanoma images was not seen either, so this study cannot call synthesis useless"
    )
    assert (
        set(own["metric"][blind]) == {"target_recall"}
        and blind.sum() == (own["metric"].eq("target_recall") & own["verdict"].ne("supported")).sum() > 0
    )
    told = " ".join(control_sentences(read_results(run, params)))
    assert (
        "This study could not see the loss of half of the real melanoma images (arm withheld: " in told
        and "cannot call synthesis useless." in told
    )


@pytest.mark.parametrize(
    ("change", "loss", "said"),
    [
        ((-0.05, 0.01), (-0.3, -0.1), "The study sees the loss of half of the real melanoma images"),
        ((-0.05, 0.01), (-0.3, 0.1), "This study could not see the loss of half of the real melanoma images"),
        ((-0.05, 0.01), None, "No arm of this run has real melanoma images taken away"),
        ((-0.05, 0.05), (-0.3, 0.1), "This study could not see the loss of half of the real melanoma images"),
        ((-0.05, 0.05), (-0.3, -0.1), None),
        ((-0.05, 0.05), None, None),
        ((0.03, 0.09), (-0.3, 0.1), None),
    ],
)
def test_the_answer_says_what_no_change_is_worth(simulated, change, loss, said):
    params = study(gan={"seeds": [0, 1, 2]})
    run = simulated(params, 0.02, seed=3)
    evaluate(run, params)
    if loss is None:
        arms = params.arms.items()
        params = params.model_copy(update={"arms": {name: arm for name, arm in arms if not arm.withhold}})
    page = read_results(run, params)
    table, compared = page.controls.copy(), page.comparisons.copy()
    of_recall = table["metric"] == "target_recall"
    table.loc[(table["control"] == "withheld") & of_recall, ["low", "high"]] = loss or (np.nan, np.nan)
    rows = (compared["arm"] == "filtered") & (compared["metric"] == "target_recall")
    compared.loc[rows, ["low", "high", "p_holm"]] = [*change, np.nan]
    told = abstract(replace(page, controls=table, comparisons=compared, contrasts=page.contrasts.iloc[:0]))
    starts = ("The study sees", "This study could not", "No arm of this run")
    found = [sentence for sentence in told if sentence.startswith(starts)]
    assert found == [] if said is None else found[0].startswith(said) and len(found) == 1


@pytest.mark.parametrize(
    ("high", "said"),
    [
        (
            0.0252,
            "by the usual corrected t interval for folds, which is wider, only one of 2.6 points or more.",
        ),
        (0.0199, "A gain of 2 points or more is excluded."),
        (np.nan, "A gain of 2 points or more is excluded."),
    ],
)
def test_the_answer_tells_the_gain_that_the_wider_interval_excludes(simulated, high, said):
    params = study(gan={"seeds": [0, 1, 2]})
    run = simulated(params, 0.02, seed=3)
    evaluate(run, params)
    page = read_results(run, params)
    compared = page.comparisons.copy()
    rows = (compared["arm"] == "filtered") & (compared["metric"] == "target_recall")
    compared.loc[rows, ["low", "high", "corrected_high", "p_holm"]] = [-0.03, 0.01, high, np.nan]
    page = replace(page, comparisons=compared, contrasts=page.contrasts.iloc[:0])
    assert short_answer(page).endswith(said)


@pytest.mark.parametrize(
    ("beyond", "alone", "said"),
    [
        (
            (-0.09, -0.01),
            (-0.1, -0.02),
            "it is the synthesis itself that changes melanoma recall, and not blur",
        ),
        (
            (-0.02, 0.02),
            (-0.1, -0.02),
            "blur explains the change of melanoma recall: such images alone (blurred) change",
        ),
        (
            (-0.02, 0.05),
            (-0.1, -0.02),
            "whether the synthesis or its blur changes melanoma recall cannot be told",
        ),
    ],
)
def test_the_answer_says_whether_synthesis_or_blur_changed_recall(simulated, beyond, alone, said):
    params = study(gan={"seeds": [0, 1, 2]})
    run = simulated(params, 0.02, seed=3)
    evaluate(run, params)
    page = read_results(run, params)
    table, compared = page.controls.copy(), page.comparisons.copy()
    pairs = ("filtered - blurred", beyond), ("blurred - baseline", alone), ("blurred - oversampled", alone)
    for contrast, ends in pairs:
        table.loc[table["contrast"] == contrast, ["low", "high"]] = ends
    for arm in ("filtered", "blurred"):
        rows = (compared["arm"] == arm) & (compared["metric"] == "target_recall")
        compared.loc[rows, ["low", "high", "p_holm"]] = [*alone, np.nan]
    page = replace(page, controls=table, comparisons=compared, contrasts=page.contrasts.iloc[:0])
    told = " ".join(abstract(page))
    assert said[1:] in told  # its first letter may be a capital
    same = "as many real images of the same sharpness (arm blurred)"
    shown = beyond[1] < 0
    assert (f"filtered differs from {same} by" in told) is shown
    assert (f"between filtered and {same} no difference is shown" in told) is not shown
    alone_told = "Blur by itself changes it, by a comparison that is exploratory" in told
    assert alone_told is not said.startswith("blur explains")  # which says it already
    rows = BeautifulSoup(contrast_chart(page), "html.parser").table.tbody.find_all("tr")
    names = [row.th.get_text() for row in rows]
    assert {f"blurred {words.MINUS} oversampled", f"filtered {words.MINUS} blurred"} <= set(names)
    equal = study(gan={"seeds": [0, 1, 2]}, data={"detail": "gan"})
    assert "sharpness (arm" not in " ".join(abstract(replace(page, params=equal)))


@pytest.mark.parametrize(
    ("low", "high", "replicates", "word", "said"),
    [
        (-0.3, -0.1, 3, "lower", "it can see effects of that size, and smaller ones may escape it"),
        (-0.3, 0.1, 3, "no difference shown", "cannot call synthesis useless"),
        (0.1, 0.3, 3, "higher", "went the wrong way"),
        (np.nan, np.nan, 3, "not tested", "is not tested"),
        (np.nan, np.nan, 1, "not tested", "is not tested"),
    ],
)
def test_words_are_no_stronger_than_the_interval(low, high, replicates, word, said):
    row = {
        "control": "withheld",
        "contrast": "withheld - baseline",
        "fraction": 0.9,
        "arm": "withheld",
        "reference": "baseline",
        "metric": "target_recall",
    }
    row |= {"difference": -0.1, "low": low, "high": high, "replicates": replicates, "method": "t"}
    assert verdict_of(row).direction == word
    section = results.controls.controls_section(pd.DataFrame([row]), 160, "mel")
    assert (
        "90 % of the real images of mel" in section
        and said in section
        and ("interval" in section)
        and ("no interval" in section) == np.isnan(low)
    )


def test_an_effect_of_nothing_is_told_as_the_one_in_twenty_that_it_is():
    row = {
        "control": "again",
        "fraction": np.nan,
        "arm": "again",
        "reference": "baseline",
        "metric": "target_recall",
        "difference": 0.2,
    }
    row |= {"low": 0.1, "high": 0.3, "replicates": 3}
    assert (
        "excludes zero where nothing was changed, as about one in 20 does"
        in results.controls.controls_section(pd.DataFrame([row]), 160, "mel")
    )
    nothing = pd.DataFrame([row]).iloc[:0]
    assert "whether the study would see such a loss is not known" in results.controls.controls_section(
        nothing, 160, "mel"
    )


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.3, "recall is higher"),
        (-0.3, -0.01, "recall is lower"),
        (-0.1, 0.3, "no difference is shown"),
        (np.nan, np.nan, "nothing follows from it"),
    ],
)
def test_what_synthetic_images_give_in_place_of_real_ones(low, high, said):
    withheld = {
        "control": "withheld",
        "fraction": 0.5,
        "arm": "withheld",
        "reference": "baseline",
        "metric": "target_recall",
        "difference": -0.2,
    }
    withheld |= {"low": -0.3, "high": -0.1, "replicates": 3}
    restored = withheld | {
        "control": "restored",
        "arm": "restored",
        "reference": "withheld",
        "difference": 0.1,
        "low": low,
        "high": high,
    }
    own = results.controls.controls_section(
        pd.DataFrame([withheld, restored]), 160, "mel", one_gan={"restored"}
    ).splitlines()[-1]
    minus = "\N{MINUS SIGN}"
    assert own.startswith(
        f"- Synthetic images in place of the withheld real ones (*restored* {minus} *withheld*): +10.0 "
        "points of recall of mel ("
    )
    assert (
        f", for this one GAN; {said}. The real ones (*baseline* {minus} *withheld*) give +20.0 points (95 % "
        "interval +10.0 to +30.0)." in own
    )
    assert own.endswith("No GAN of this run that supplies them learned from the withheld ones.")
    assert "for this one GAN" not in results.controls.controls_section(
        pd.DataFrame([withheld, restored]), 160, "mel"
    )


def test_what_a_blind_study_adds_to_the_claims_it_adds_to_no_supported_one():
    contrasts = pd.DataFrame(
        [
            ("filtered - baseline", "target_recall", 0.03, 0.01, 0.05, 3),
            ("all - baseline", "target_recall", 0.0, -0.015, 0.015, 3),
            ("filtered - random", "target_recall", 0.0, -0.1, 0.1, 3),
        ],
        columns=["contrast", "metric", "difference", "low", "high", "replicates"],
    )
    control = {
        "control": "withheld",
        "metric": "target_recall",
        "fraction": 0.5,
        "low": -0.1,
        "high": 0.1,
        "replicates": 3,
    }
    found = (
        claims({"contrasts": contrasts, "controls": pd.DataFrame([control])})
        .query("metric == 'target_recall'")
        .set_index("contrast")
        .drop("filtered - all")  # this run does not have it
    )
    assert found["verdict"].to_dict() == {
        "filtered - baseline": "supported",
        "all - baseline": "a gain of 2 points or more is excluded",
        "filtered - random": "undecided",
    }
    assert found["this_run"].str.contains("useless").to_dict() == {
        "filtered - baseline": False,
        "all - baseline": True,
        "filtered - random": True,
    }


def test_the_controls_table_shows_recall_and_ranking():
    params = study(replicates=1)
    assert {control.role for control in controls(params)} == {
        "again",
        "withheld",
        "restored",
        "oversampled",
        "blurred",
        "sharpness",
        "beyond blur",
        "weighted",
    }
    row = {
        "arm": "restored",
        "reference": "withheld",
        "metric": "target_roc_auc",
        "difference": 0.01,
        "low": -0.02,
        "high": 0.04,
        "bootstrap_low": np.nan,
    }
    row |= {"bootstrap_high": np.nan, "p": 0.4, "replicates": 3, "outcome": "no difference shown"}
    shown = results.controls.controls_table(pd.DataFrame([row]), 160, "mel").shown
    assert shown.iloc[0].tolist()[:5] == [
        "restored \N{MINUS SIGN} withheld",
        "ROC AUC of mel",
        "+1.00",
        "\N{MINUS SIGN}2.00 to +4.00",
        words.NONE,
    ]


def test_with_one_gan_everything_said_of_synthesis_is_said_of_it(simulated):
    one, three = study(gan={"seeds": [0]}), study()
    run = simulated(one, 0.1, seed=3)
    found = evaluate(run, one)
    said = {name: pieces(found, run, params) for name, params in (("one", one), ("three", three))}
    about = [
        text
        for text in said["one"]
        if not text.startswith("Real ")  # a control of blur, which no GAN made
        and any(
            word in text
            for word in (
                "*filtered*",
                "*all*",
                "*random*",
                "*restored*",
                "ynthetic",
                "Filtered",
                "named beforehand",
            )
        )
    ]
    assert len(about) >= 15 and all("this one GAN" in text for text in about), [
        text for text in about if "this one GAN" not in text
    ]
    assert not any("one GAN" in text for text in said["three"])
    assert not any(
        "GAN" in text
        for text in said["one"]
        if text.startswith(("- *again*", "- *weighted*", "- *withheld*", "- *oversampled*"))
    )


def pieces(found, run, params):
    """Every sentence and caption of the page that is made of the comparison, one by one."""
    gan, compared, contrasts = results.scope.single_gan_arms(params), found["comparisons"], found["contrasts"]
    external = found["arms"].query("metric == 'balanced_accuracy'").assign(images=590, target_images=160)
    texts = [
        results.scope.estimand_sentence(params).split(". ", 1)[1],
        results.contrasts.primary_sentence(contrasts, 0.02, "mel", gan),
        results.metrics.best_arm_sentence(found["metrics"], "accuracy", 590, gan),
        results.contrasts.named_contrasts_caption(contrasts, "mel", 160, one_gan=gan),
        results.differences.differences_caption(compared, "baseline", 590, one_gan=gan),
        results.external.external_section(
            external, compared, "baseline", published_beside("ham10000"), one_gan=gan
        ),
        headline_caption(read_results(run, params)),
    ]
    texts += results.differences.comparison_sentences(
        compared, "target_recall", 160, "mel", one_gan=gan
    ).splitlines()
    texts += results.controls.controls_section(found["controls"], 160, "mel", one_gan=gan).splitlines()
    page = read_results(run, params)
    texts += [text for text in [*abstract(page)[1:], *control_sentences(page)] if "useless" not in text]
    judged = claims(found, arms=None, one_gan=bool(gan))
    return texts + [
        f"{row.claim}: {row.this_run}"
        for row in judged.itertuples()
        if row.contrast and row.verdict != "not tested"  # the others are about no run
    ]
