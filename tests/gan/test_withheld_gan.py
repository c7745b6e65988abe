"""GANs that must not see what an arm withholds: which a run has, what they learn from, what is refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from helpers import paths
from helpers.data.manifest import load_split
from helpers.data.prepare import prepare_data
from helpers.data.trained_on import TRAINED_ON
from helpers.engine.key_parts import number_parameters
from helpers.engine.keys import Keys
from helpers.engine.plan import wanted_jobs
from helpers.engine.stages import Job, jobs, outputs, upstream, wildcard
from helpers.errors import DataError, ParameterError
from helpers.params import load_params
from helpers.paths import RunPaths
from helpers.report.page.shown import SECTIONS, shown_jobs
from helpers.stages import classifier, gan, probe, synthesis
from helpers.stages.target import load_gan_split, load_target_images
from support.split_run import run_after_split

LACK = "withhold: {class: target, fraction: 0.5}"
ARMS = [
    f"arms.withheld={{{LACK}}}",
    f"arms.restored={{{LACK}, synthetic: {{select: all}}}}",
    f"arms.few={{{LACK}, synthetic: {{select: top, count: 6}}}}",
]
WITHOUT = "arms.moles={withhold: {class: nv}, synthetic: {select: all}}"  # its GAN learns no moles
SMALL = [
    *("data.split.by=lesion", "classifier.image_size=32", "classifier.threads=1", "synthesis.count=10"),
    *("gan.steps=2", "gan.threads=1", "synthesis.fidelity_draws=2", "classifier.precision=float32"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two replicates that share a GAN, after its split and the GANs and images of its arms."""
    params = load_params("smoke", [*SMALL, *ARMS, "replicates=2"])
    with run_after_split(tmp_path_factory, "withheld", params) as found:
        for name in params.gans():
            gan.train(found, params, name)
        synthesis.generate(found, params, "0-restored")  # it waits for no classifier
        yield found


@pytest.fixture
def params():
    return load_params("smoke", [*SMALL, *ARMS, "replicates=2"])


def target_lesions(split: pd.DataFrame, rows) -> set[str]:
    return set(split.iloc[list(rows)].query("dx == 'mel'")["lesion_id"])


def test_a_run_has_one_more_gan_for_each_that_serves_an_arm_which_withholds():
    params = load_params("smoke", [*ARMS, WITHOUT, "replicates=2", "gan.seeds=[4, 0, 7]"])
    assert list(params.gans()) == [4, 0, 7, "4-restored", "0-restored"], "the third serves no replicate"
    assert params.gans()["4-restored"] == params.arms["restored"].withhold and params.gans()[4] is None
    assert [params.gan_name("few", r) for r in (0, 1)] == ["4-restored", "0-restored"]
    assert [params.gan_name(arm, 1) for arm in ("filtered", "moles")] == [0, 0]
    assert params.seed_of_gan("4-restored") == 4
    with pytest.raises(ParameterError, match="no GAN '7-restored'; the GANs are 4, 0, 7, 4-restored"):
        params.seed_of_gan("7-restored")


def test_its_jobs_stand_beside_those_of_the_others(params, run):
    every = list(jobs(params))
    assert [job.name for job in every if job.stage in ("gan", "synthesis")] == [
        *("gan-seed-0", "gan-seed-0-restored", "synthesis-seed-0", "synthesis-seed-0-restored")
    ]
    made, own = Job("gan", {"seed": "0-restored"}), Job("synthesis", {"seed": "0-restored"})
    assert made.title == "gan seed 0-restored"
    assert made.notebook_file == "02_gan_training-seed-0-restored.ipynb"
    assert all(path.parent == run.folder / "gan/seed-0-restored" for path in outputs(made, run, params))
    assert upstream(own, params) == [Job("eda"), made]
    for arm, before in (("restored", own), ("few", own), ("filtered", Job("synthesis", {"seed": 0}))):
        assert before in upstream(Job("classifier", {"arm": arm, "replicate": 1}), params)
    early = [job for job in wanted_jobs(params, until="synthesis") if job.stage == "classifier"]
    assert early == [Job("classifier", {"arm": "baseline", "replicate": 0})]
    assert early[0] in upstream(Job("synthesis", {"seed": 0}), params)
    told = [(wildcard("seed", word), wildcard("arm", "7")) for word in ("3", "3-restored")]
    assert told == [(3, "7"), ("3-restored", "7")]
    assert {name for _, name in shown_jobs(params) if name.startswith("02")} == {
        "02_gan_training-seed-0.ipynb"
    }
    assert [section.jobs(params) for section in SECTIONS] == [1, 2, 2, 12, 1]


def test_other_runs_have_the_jobs_and_keys_that_they_had():
    plain = load_params("smoke", ["replicates=2", ARMS[0], WITHOUT])
    assert list(plain.gans()) == [0] and plain.withhold_seed(1) is None
    more = load_params("smoke", ["replicates=2", ARMS[0], WITHOUT, *ARMS[1:]])
    keys = [Keys(RunPaths("keys"), params) for params in (plain, more)]
    for job in jobs(plain):
        values = number_parameters(job, plain)
        assert "withhold_seed" not in values and (job.stage == "trunk" or "withhold" not in values)
        other = job.stage in ("evaluation", "report") or job.wildcards.get("arm") in ("withheld", "moles")
        assert (keys[0].key(job) != keys[1].key(job)) == other, job.name


def test_its_key_holds_what_it_must_not_see():
    def key(name, *changes):
        return Keys(RunPaths("keys"), load_params("smoke", [*ARMS, *changes])).key(Job("gan", {"seed": name}))

    own, other = key("0-restored"), "arms.restored={withhold: {fraction: 0.25}, synthetic: {select: all}}"
    assert own != key(0) and own != key("0-restored", other) and own != key("0-restored", "classifier.seed=5")
    assert key(0) == key(0, other) == key(0, "classifier.seed=5")


@pytest.mark.parametrize("adapt", [0, 2])
def test_replicates_that_share_a_gan_withhold_the_same_photographs(run, adapt):
    """Training set, trunk and GAN lack the same; without a trunk each GAN lacks photographs of its own."""
    words = ["replicates=4", "gan.seeds=[0, 1]", f"classifier.adapt.epochs={adapt}"]
    params, split = load_params("smoke", [*SMALL, *ARMS, *words]), load_split(run)
    kept = [set(classifier.compose(run, params, "withheld", r).photographs) for r in range(4)]
    assert kept[0] == kept[2] and kept[1] == kept[3] and (kept[0] == kept[1]) == bool(adapt)
    for replicate, rows in enumerate(kept):
        learned = load_gan_split(run, params, params.gan_name("restored", replicate))["split"] == "train"
        assert set(np.flatnonzero(learned)) == rows
    gone = set(np.flatnonzero(split["split"] == "train")) - kept[0]
    assert gone and set(split.iloc[list(gone)]["dx"]) == {"mel"}


def test_gans_of_folds_lack_photographs_of_their_own_part(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)
    folds = ["data.split={by: lesion, folds: 2}", "replicates=4", "gan.seeds=[3, 8]"]
    run, params = RunPaths("folds"), load_params("smoke", [*SMALL, *ARMS, *folds])
    run.data.mkdir(parents=True)
    prepare_data(run, params.data)
    assert list(params.gans()) == [3, 8, "3-restored", "8-restored"]
    for replicate in range(4):
        name = params.gan_name("restored", replicate)
        assert params.gan_part(name) == params.part(replicate) == params.part(params.judge_replicate(name))
        own, part = load_gan_split(run, params, name), load_split(run, params.part(replicate))
        gone = own["split"] == "withheld"
        assert (part["split"][gone] == "train").all() and (own["split"] == part["split"])[~gone].all()
        kept = classifier.compose(run, params, "withheld", replicate).photographs
        assert set(kept) == set(np.flatnonzero(own["split"] == "train"))


def test_neither_the_gan_nor_its_arm_saw_the_withheld_lesions(run, params):
    split, own = load_split(run), load_gan_split(run, params, "0-restored")
    withheld = set(own.loc[own["split"] == "withheld", "lesion_id"])
    everything = json.loads((run.gan(0) / TRAINED_ON).read_text())
    recorded = json.loads((run.gan("0-restored") / TRAINED_ON).read_text())
    assert withheld and withheld < set(everything["ids"])
    assert set(recorded["ids"]) == set(everything["ids"]) - withheld
    for arm in ("restored", "few"):
        for replicate in range(params.replicates):
            chosen = classifier.compose(run, params, arm, replicate)
            assert target_lesions(split, chosen.photographs) == set(recorded["ids"]), (arm, replicate)
            assert len(chosen.synthetic) == (10 if arm == "restored" else 6)


def test_its_images_are_compared_with_the_photographs_that_it_was_trained_on(run, params):
    all_seen, own = load_target_images(run, params, 0), load_target_images(run, params, "0-restored")
    gone = (load_gan_split(run, params, "0-restored")["split"] == "withheld").sum()
    assert len(own.trained) == len(all_seen.trained) - gone and len(own.held_out) == len(all_seen.held_out)
    split = load_gan_split(run, params, "0-restored")
    sources = probe._sources(split, params, "mel", 10)
    assert set(split["split"].iloc[sources.training]) == {"train"}
    assert set(split["split"].iloc[sources.held_out]) <= {"validation", "test"}
    assert (run.synthetic("0-restored") / "source-probe.csv").is_file()


def test_a_gan_that_saw_what_its_arm_withholds_is_refused(run, params, tmp_path):
    aside, own = tmp_path / "aside", run.gan("0-restored")
    shutil.copytree(own, aside)
    try:
        shutil.copy(run.gan(0) / TRAINED_ON, own)
        with pytest.raises(
            DataError, match="lesions that validate or test here or are withheld .*--force gan"
        ):
            classifier.compose(run, params, "restored", 1)
    finally:
        shutil.copy(aside / TRAINED_ON, own)
    assert len(classifier.compose(run, params, "restored", 1))


def test_who_saw_more_than_a_gan_is_not_asked_about_its_images(run, params):
    """Nor is its trunk, so that the images of such a GAN wait for no training of the reference."""
    adapted = load_params("smoke", [*SMALL, *ARMS, "classifier.adapt.epochs=2"])
    for values in (params, adapted):
        asked = {
            name: {each.stage for each in upstream(Job("synthesis", {"seed": name}), values)}
            for name in values.gans()
        }
        assert asked["0-restored"] == {"eda", "gan"}
        assert asked[0] == {"eda", "gan", "classifier", *(["trunk"] if values is adapted else [])}
    assert "rank_classifier" not in pd.read_csv(run.synthetic("0-restored") / "scores.csv")
    alike = load_params("smoke", [*SMALL, *ARMS, "evaluation.reference=withheld"])
    assert alike.judge_of("0-restored") == alike.judge_of(0) == "withheld", "it saw no more than either"


def test_no_arm_that_withholds_selects_by_a_judge_that_saw_it():
    by_judge = f"{LACK}, synthetic: {{select: top, count: 6, rank: classifier}}"
    with pytest.raises(ParameterError, match="arms.judged withholds .* rank by 'critic'"):
        load_params("smoke", [f"arms.judged={{{by_judge}}}"])
    judge = ["evaluation.reference=withheld", ARMS[0], f"arms.judged={{{by_judge}}}"]
    assert "0-judged" in load_params("smoke", judge).gans(), "the judge lacks the same photographs"
    assert load_params("smoke", ["arms.judged={synthetic: {select: top, count: 6, rank: classifier}}"])


def test_a_reference_that_withholds_by_another_draw_saw_more():
    both = "arms={baseline: {WITHHOLD}, restored: {WITHHOLD, synthetic: {select: all}}}"
    both = both.replace("WITHHOLD", "withhold: {class: target, fraction: 0.5}")
    params = load_params(
        "smoke", [both, "gan.seeds=[0, 1]", "replicates=2", "evaluation.primary_contrasts=[]"]
    )
    assert not params.reference_saw_more("0-restored") and params.reference_saw_more("1-restored")
