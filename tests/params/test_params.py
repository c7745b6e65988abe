"""Parameters: the paper's values as defaults, files that extend one another, a sentence for every mistake."""

import re

import pytest
import yaml

from helpers.errors import ParameterError
from helpers.params import (
    Params,
    comparable_values,
    departures,
    describe,
    flatten,
    load_params,
    merge,
    result_values,
    validate,
)
from support.project import ROOT

FILES = sorted(path.stem for path in (ROOT / "params").glob("*.yaml"))


def test_the_files_are_there_and_valid():
    assert [
        *("fullsize-rigorous", "judge", "laptop", "laptop-rigorous", "paper", "quick"),
        *("quick-diffusion", "rigorous", "smoke"),
        *("study", "study-classes", "study-diffusion", "study-equal", "study-frozen", "study-jitter"),
        *("study-selectors", "study-whole"),
    ] == FILES
    for name in FILES:
        assert load_params(name).description


def test_the_paper_file_says_every_default_and_departs_from_none():
    paper = load_params("paper")
    assert departures(paper) == []
    assert paper == Params(description=paper.description)
    values = {
        key
        for key in flatten(yaml.safe_load((ROOT / "params/paper.yaml").read_text()))
        if not key.startswith("arms.")
    }
    silent = {
        "phantom",
        "precision",
        "threads",
        "checkpoint_minutes",
        "log_every",
        "sample_every",
        "initial_weights",
        "steps",
        "root",
        "columns",
        "seed",
        "batch_size",
        "compute",
        "evaluation",
        "report",
        "arms",
        "device",
        "external_root",
        # of the other recipe, of what is looked at, and of speed
        "r1_weight",
        "r1_every",
        "path_length_weight",
        "path_length_every",
        "augment_target",
        "augment_kimg",
        "min_diversity",
        "tensorboard",
        "export_png",
        "features",
        "feature_weights",
        "fidelity_images",
        "fidelity_draws",
        "bank",
        "warmup_epochs",
    }
    unsaid = {
        key for key in flatten(paper.as_dict()) if key not in values and not silent & set(key.split("."))
    }
    assert unsaid <= {"description"}, f"paper.yaml does not say {sorted(unsaid)}"


def test_golden_values_of_the_paper():
    paper = load_params("paper")
    assert (
        paper.gan.epochs,
        paper.gan.batch_size,
        paper.gan.n_critic,
        paper.gan.gradient_penalty,
        paper.gan.ema_decay,
    ) == (600, 16, 3, 10, 0.9995)
    assert (paper.gan.lr_generator, paper.gan.lr_discriminator, paper.gan.resolution, paper.gan.resize) == (
        5e-5,
        8e-5,
        128,
        "nearest",
    )
    assert (paper.synthesis.count, paper.synthesis.keep_fraction) == (1000, 0.3)
    assert (paper.classifier.learning_rate, paper.classifier.batch_size, paper.classifier.max_epochs) == (
        1e-3,
        64,
        100,
    )
    assert (
        paper.classifier.scheduler_patience,
        paper.classifier.early_stopping_patience,
        paper.classifier.rotation,
    ) == (5, 15, 20)
    assert paper.arms["filtered"].synthetic.count == 300 and list(paper.arms) == [
        "baseline",
        "filtered",
        "all",
    ]


def test_every_parameter_says_what_it_means():
    for key in flatten(Params().as_dict()):
        assert describe(key), key


def test_replicates_take_the_gans_in_turn():
    rigorous = load_params("rigorous", ["gan.seeds=[0, 1, 2]"])
    assert [rigorous.gan_seed(r) for r in range(rigorous.replicates)] == [0, 1, 2, 0, 1]
    assert rigorous.data.split.by == "lesion" and rigorous.replicates == 5


def test_overrides_reach_deep_and_add_arms():
    params = load_params(
        "quick",
        ["gan.steps=50", "gan.lr_generator=5e-5", "arms.weighted={loss: balanced}", "data.split.by=lesion"],
    )
    assert params.gan.steps == 50 and params.gan.lr_generator == 5e-5 and params.data.split.by == "lesion"
    assert list(params.arms) == ["baseline", "filtered", "all", "weighted"]


def test_values_survive_the_way_to_a_notebook_and_back():
    for name in FILES:
        params = load_params(name)
        assert validate(params.as_dict()) == params


def test_departures_name_both_values():
    rows = {row["parameter"]: row for row in departures(load_params("paper", ["gan.epochs=3"]))}
    assert rows == {
        "gan.epochs": {
            "parameter": "gan.epochs",
            "meaning": describe("gan.epochs"),
            "paper": 600,
            "this_run": 3,
        }
    }


UNLIKE_RESULTS = {
    "gan": {"seeds", "checkpoint_minutes", "log_every", "sample_every", "min_diversity", "tensorboard"},
    "classifier": {"checkpoint_minutes"},
    "data": {"root", "external_root"},
    "report": {"title", "protocol"},
    "synthesis": {"folder"},
    "evaluation": set(),
    "compute": set(),
}


@pytest.mark.parametrize("section", UNLIKE_RESULTS)
def test_result_values_leave_out_what_changes_no_result(section):
    params = load_params("quick")
    whole, kept = params.as_dict()[section], result_values(getattr(params, section))
    assert set(whole) - set(kept) == UNLIKE_RESULTS[section]
    assert kept == {key: value for key, value in whole.items() if key in kept}


def test_a_parameter_that_came_later_is_in_no_key_until_it_is_used():
    default, used = (load_params("paper", [f"gan.penalty_share={share}"]).gan for share in (1, 0.5))
    assert "penalty_share" not in result_values(default) and result_values(used)["penalty_share"] == 0.5


def test_comparable_values_leave_out_places_pace_and_words():
    params = load_params("quick")
    assert set(flatten(params.as_dict())) - set(comparable_values(params)) == {
        "description",
        "report.title",
        "report.protocol",
        "data.root",
        "data.external_root",
        "synthesis.folder",
        "gan.checkpoint_minutes",
        "classifier.checkpoint_minutes",
    }


def test_merge_lays_sections_over_one_another():
    assert merge({"a": {"b": 1, "c": 2}, "arms": {"x": 1}}, {"a": {"c": 3}, "arms": {"y": 1}}) == {
        "a": {"b": 1, "c": 3},
        "arms": {"y": 1},
    }


MISTAKES = [
    ("gan.epohcs=3", "'gan.epohcs' is not a parameter (did you mean 'epochs'?)"),
    ("epochs=3", "did you mean 'gan.epochs'?"),
    ("gann.epochs=3", "'gann' is not a parameter (did you mean 'gan'?)"),
    ("data.split.bye=image", "did you mean 'by'?"),
    ("arms.filtered.synthetic.selct=top", "did you mean 'select'?"),
    ("arms.x.synthetik={}", "did you mean 'synthetic'?"),
    ("gan.epochs=0", "gan.epochs must be at least 1, not 0."),
    ("gan.epochs=many", "gan.epochs must be a whole number, not 'many'."),
    ("gan.epochs=1.5", "gan.epochs must be a whole number, not 1.5."),
    ("gan.resolution=50", "gan.resolution must be one of 32, 64 or 128, not 50."),
    ("gan.lr_generator=-1", "gan.lr_generator must be more than 0, not -1."),
    ("gan.lr_generator=.nan", "gan.lr_generator must be a finite number"),
    ("gan.seeds=[]", "gan.seeds must hold at least 1 value, not 0."),
    ("gan.seeds=[1, 1]", "one stands twice"),
    ("gan=3", "gan must be a section with keys of its own, not 3."),
    ("data.split.fractions=[0.5, 0.3, 0.1]", "must sum to 1, not to 0.9"),
    ("data.source=isic", "data.source must be one of 'folder', 'ham10000' or 'phantom', not 'isic'."),
    ("data.source=fantom", "not 'fantom' (did you mean 'phantom'?)."),
    (
        "gan.recipe=papr",
        "gan.recipe must be one of 'diffusion', 'paper' or 'stylegan2', not 'papr' (did you mean 'paper'?).",
    ),
    ("arms.x={synthetic: {select: top, count: 3, rank: divers}}", "not 'divers' (did you mean 'diverse'?)."),
    ("classifier.backbone=resnet", "not 'resnet' (did you mean 'resnet50'?)."),
    ("classifier.frozen_stages=10", "frozen_stages is 10, and efficientnet_lite0 has 9 stages; give 0 to 9"),
    ("arms.x={synthetic: {select: top, count: 3000}}", "synthesis.count generates only 120"),
    ("arms.x={synthetic: {select: top}}", "needs 'count', 'counts', 'fraction' or 'share'"),
    ("arms.x={synthetic: {select: top, count: 3, fraction: 0.1}}", "not both"),
    ("arms.x={synthetic: {select: all, count: 3}}", "takes every image"),
    ("arms.x={synthetic: {}}", "say which images"),
    ("arms.Baseline={}", "differ only in upper and lower case"),
    ("arms.a b={}", "section.key=value"),
    ("evaluation.reference=none", "there is no such arm"),
    ("replicates=0", "replicates must be at least 1, not 0."),
    ("report.real_images=hide", "report.real_images must be one of"),
    ("gan.epochs", "--set takes section.key=value"),
    ("=3", "--set takes section.key=value"),
    ("gan.adam_betas=[0.5]", "gan.adam_betas.1 is missing"),
    ("gan.epochs=[", "is not valid YAML"),
]


@pytest.mark.parametrize("override, sentence", MISTAKES, ids=[override for override, _ in MISTAKES])
def test_mistakes_in_overrides(override, sentence):
    with pytest.raises(ParameterError) as told:
        load_params("quick", [override])
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("- 1\n- 2\n", "holds a list, not a mapping"),
        ("gan:\n\tepochs: 3\n", "indented by spaces, and a tab"),
        ("gan: {epochs: 3}\ngan: {epochs: 4}\n", "'gan' stands twice"),
        ("gan:\n  epochs: 3\n  epochs: 4\n", "line 3: 'epochs' stands twice"),
        ("extends: it.yaml\n", "extends itself in a circle"),
        ("extends: quikc.yaml\n", "extends 'quikc.yaml', and there is no parameter file"),
        ("extends: [a, b]\n", "'extends' must name one parameter file"),
        ("1: 2\n", "is not a text"),
        ("gan: {epochs: 3\n", "is not valid YAML"),
        ("arms: {}\n", "arms must hold at least 1 value, not 0."),
        ("gan: !!python/object:os.system {}\n", "is not valid YAML"),
    ],
)
def test_mistakes_in_files(tmp_path, text, sentence):
    path = tmp_path / "it.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError) as told:
        load_params(path)
    assert sentence in str(told.value)


def test_a_file_with_a_byte_order_mark_and_crlf_is_read(tmp_path):
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbfgan:\r\n  epochs: 3\r\n")
    assert load_params(path).gan.epochs == 3


FOLDS = ("data.split.by=lesion", "data.split.folds=5")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("data.split.folds=5",), "write data.split.by: lesion"),
        (("data.split.by=lesion", "data.split.folds=1"), "write 0 for a single split"),
        (("data.split.by=lesion", "data.split.repeats=2"), "give data.split.folds too"),
        ((*FOLDS, "data.split.fractions=[0.1, 0.8, 0.1]"), "nothing to train on"),
        ((*FOLDS, "replicates=6"), "write replicates: 5"),
        ((*FOLDS, "replicates=5", "gan.seeds=[7]"), "write gan.seeds: [0, 1, 2, 3, 4]"),
    ],
)
def test_folds_that_do_not_fit_are_told_what_to_write(given, told):
    with pytest.raises(ParameterError) as error:
        load_params("quick", list(given))
    assert told in str(error.value)


def test_replicates_gans_and_judges_of_folds_are_of_one_part():
    params = load_params(
        "quick",
        ["data.split={by: lesion, folds: 3, repeats: 2}", "replicates=12", "gan.seeds=[9, 8, 7, 6, 5, 4]"],
    )
    assert params.parts == 6 and [params.part(r) for r in (0, 5, 6, 11)] == [0, 5, 0, 5]
    for replicate in range(12):
        assert params.gan_part(params.gan_seed(replicate)) == params.part(replicate)
    for seed in params.gan.seeds:
        assert params.part(params.judge_replicate(seed)) == params.gan_part(seed)
    with pytest.raises(ParameterError, match="no GAN with the seed 3"):
        params.gan_part(3)


def test_a_single_split_has_one_part_for_all():
    params = load_params("quick", ["replicates=4", "gan.seeds=[0, 1]"])
    assert params.parts == 1 and {params.part(r) for r in range(4)} == {0}
    assert params.gan_part(1) == 0 and params.judge_replicate(1) == 0


def test_the_study_is_the_one_that_its_protocol_describes():
    study, frozen = load_params("study"), load_params("study-frozen")
    assert (study.data.split.by, study.data.split.folds, study.data.split.repeats) == ("lesion", 5, 2)
    assert study.replicates == study.parts == len(study.gan.seeds) == 10
    assert len(study.evaluation.primary_contrasts) * len(study.evaluation.primary_metrics) == 6
    assert study.classifier.adapt.epochs == 8 and frozen.classifier.adapt.epochs == 0
    assert set(frozen.arms) == {"baseline", "filtered", "all", "blurred", "oversampled"}
    protocol = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    for arm in study.arms:
        assert arm in protocol
    for contrast in study.evaluation.primary_contrasts:
        assert contrast in protocol


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("evaluation.primary_contrasts=[filtered - nobody]", "there is no arm 'nobody'"),
        ("evaluation.primary_contrasts=[filtered]", "primary_contrasts"),
        ("evaluation.primary_metrics=[luck]", "there is no metric 'luck'; the metrics are accuracy"),
    ],
)
def test_a_primary_contrast_names_arms_and_metrics_that_there_are(change, said):
    with pytest.raises(ParameterError, match=re.escape(said)):
        load_params("quick", [change])


def test_a_judge_that_saw_what_an_arm_withholds_is_refused():
    """A reference that withholds as much lacks the same photographs only where one seed draws them."""
    lack = "withhold: {class: target, fraction: 0.5}"
    ranked = "synthetic: {select: top, count: 3, rank: classifier}"
    arms = f"arms={{baseline: {{{lack}}}, sure: {{{lack}, {ranked}}}}}"
    load_params("smoke", [arms])
    load_params("smoke", [arms, "gan.seeds=[0,1]", "replicates=2", "classifier.adapt.epochs=2"])
    with pytest.raises(ParameterError, match="asks a classifier of the arm baseline that saw some of them"):
        load_params("smoke", [arms, "gan.seeds=[0,1]", "replicates=2"])
