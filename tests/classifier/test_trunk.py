"""The adapted trunk: what it learns from, who stands on it, and that nothing is tested on what it saw."""

import json

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from helpers.classifier.inference import predict_images
from helpers.data.manifest import load_split
from helpers.data.trained_on import TRAINED_ON, record_training, refuse_leak
from helpers.engine.key_parts import number_parameters
from helpers.engine.keys import Keys
from helpers.engine.stages import Job, jobs, outputs, upstream
from helpers.errors import DataError, MissingStageError, ParameterError
from helpers.params import Params, departures, load_params
from helpers.paths import RunPaths
from helpers.stages import classifier, trunk
from helpers.stages.photographs import load_photographs
from support.project import ROOT
from support.small_data import mistake
from support.split_run import run_after_split

WITHHELD = "{withhold: {class: mel, fraction: 0.5}"
ADAPTED = [
    "classifier.adapt.epochs=2",
    "classifier.image_size=32",
    "classifier.threads=1",
    "classifier.max_epochs=1",
    "classifier.precision=float32",
    "data.split.by=lesion",
    "replicates=2",
    f"arms={{baseline: {{}}, withheld: {WITHHELD}}}, restored: {WITHHELD}, loss: balanced}}}}",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run after its split and its trunk."""
    params = load_params("smoke", ADAPTED)
    with run_after_split(tmp_path_factory, "trunk", params) as found:
        trunk.make(found, params, "part-0")
        yield found


@pytest.fixture
def params() -> Params:
    return load_params("smoke", ADAPTED)


def test_a_trunk_is_a_job_before_the_trainings_that_stand_on_it(params):
    names = [job.wildcards["trunk"] for job in jobs(params) if job.stage == "trunk"]
    assert names == ["part-0", "part-0-withheld"] == list(params.trunks())
    for arm, name in (("baseline", "part-0"), ("withheld", names[1]), ("restored", names[1])):
        before = upstream(Job("classifier", {"arm": arm, "replicate": 1}), params)
        assert before == [Job("eda"), Job("trunk", {"trunk": name})]
    assert upstream(Job("trunk", {"trunk": names[1]}), params) == [Job("eda")]
    plain = load_params("smoke")
    assert plain.trunks() == {} and not [job for job in jobs(plain) if job.stage == "trunk"]


def test_its_key_holds_how_it_is_adapted_and_those_of_its_trainings_hold_it():
    def key(stage, *changes, **wildcards):
        return Keys(RunPaths("keys"), load_params("smoke", [*ADAPTED, *changes])).key(Job(stage, wildcards))

    own, arm = {"trunk": "part-0"}, {"arm": "baseline", "replicate": 0}
    for change in ("classifier.adapt.learning_rate=1e-4", "classifier.adapt.epochs=3", "data.detail=gan"):
        assert key("trunk", change, **own) != key("trunk", **own)
        assert key("classifier", change, **arm) != key("classifier", **arm)
    for change in ("classifier.learning_rate=1e-4", "classifier.frozen_stages=5", "classifier.bank=3"):
        assert key("trunk", change, **own) == key("trunk", **own), "it is not of the fine-tuning"
    assert key("trunk", trunk="part-0-withheld") != key("trunk", **own)
    values = number_parameters(Job("trunk", own), load_params("smoke", ADAPTED))["classifier"]
    assert values["frozen_stages"] == 0 and values["schedule"] == "cosine" and values["max_epochs"] == 2


def test_it_changes_the_frozen_stages_and_the_arms_keep_them(run, params):
    folder = run.trunk("part-0")
    assert all(path.exists() for path in outputs(Job("trunk", {"trunk": "part-0"}), run, params))
    adapted, summary = load_file(folder / "model.safetensors"), classifier.train(run, params, "baseline", 1)
    trained = load_file(run.classifier("baseline", 1) / "model.safetensors")
    frozen = [key for key in trained if key.startswith(("stages.stem", "stages.block4"))]
    assert len(frozen) > 20 and all((trained[key] == adapted[key]).all() for key in frozen)
    assert not (trained["head.4.weight"] == adapted["head.4.weight"]).all(), "its head is a new one"
    assert summary["trainable_parameters"] < summary["parameters"]
    assert json.loads((folder / "summary.json").read_text())["trainable_parameters"] == summary["parameters"]
    # a finished classifier brings its trunk along
    written = pd.read_csv(run.classifier("baseline", 1) / "predictions.csv").query("split == 'test'")
    rows = np.flatnonzero((load_split(run)["split"] == "test").to_numpy())
    images = np.array(load_photographs(run, params)[rows])
    found = predict_images(run.classifier("baseline", 1), images, params.classifier)
    assert np.abs(found - written.filter(like="p_").to_numpy()).max() < 1e-3  # a bank holds 16 bits


def test_no_trunk_saw_what_its_arm_must_not_see(run, params):
    split = load_split(run)
    seen = {name: set(trunk.compose(run, params, name).photographs) for name in params.trunks()}
    melanomas = {row for row in seen["part-0"] if split["dx"].iat[row] == "mel"}
    gone = seen["part-0"] - seen["part-0-withheld"]
    most = split["lesion_id"].iloc[list(melanomas)].value_counts().max()  # photographs of one lesion
    assert gone < melanomas and abs(len(gone) - len(melanomas) / 2) <= most / 2
    for arm in params.arms:
        for replicate in range(params.replicates):
            own = set(classifier.compose(run, params, arm, replicate).photographs)
            assert seen[params.trunk(arm, replicate)] == own, (arm, replicate)
    assert all((split["split"].iloc[list(rows)] == "train").all() for rows in seen.values())
    recorded = json.loads((run.trunk("part-0") / TRAINED_ON).read_text())
    assert recorded["by"] == "lesion"
    assert set(recorded["ids"]) == set(split["lesion_id"].iloc[list(seen["part-0"])])


def test_without_a_trunk_each_replicate_withholds_photographs_of_its_own(run):
    params = load_params("smoke", [*ADAPTED, "classifier.adapt.epochs=0"])
    first, second = (set(classifier.compose(run, params, "withheld", r).photographs) for r in (0, 1))
    assert first != second
    adapted = load_params("smoke", ADAPTED)
    assert set(classifier.compose(run, adapted, "withheld", 1).photographs) == first


def test_a_trunk_that_saw_what_is_tested_is_refused(run, params, tmp_path):
    split = load_split(run)
    refuse_leak(run.trunk("part-0"), "trunk", split)
    moved = split.assign(split=split["split"].replace({"train": "test", "test": "train"}))
    with pytest.raises(DataError, match="was trained on .* lesions that validate or test.*--force trunk"):
        trunk.config_on_trunk(run, params, "baseline", 0, moved)
    with pytest.raises(
        MissingStageError, match=r"run the stage .trunk. first \(python run_all.py --until trunk with the run"
    ):
        trunk.config_on_trunk(run, params, "withheld", 0, split)
    nameless = split.assign(lesion_id=np.nan)
    record_training(tmp_path, nameless, "lesion")
    refuse_leak(tmp_path, "trunk", nameless)
    record_training(tmp_path, nameless, "image")
    with pytest.raises(DataError, match="images that validate or test"):
        refuse_leak(tmp_path, "trunk", nameless.assign(split="test"))


def test_what_cannot_be_adapted_is_refused_and_off_is_no_departure():
    with pytest.raises(ParameterError, match=r"frozen_stages is 0"):
        load_params("smoke", ["classifier.adapt.epochs=2", "classifier.frozen_stages=0", "classifier.bank=0"])
    with pytest.raises(ParameterError, match="warmup_epochs is 2 of 2 epochs"):
        load_params("smoke", ["classifier.adapt.epochs=2", "classifier.adapt.warmup_epochs=2"])
    assert not [row for row in departures(load_params("smoke")) if "adapt" in row["parameter"]]
    assert "classifier.adapt.epochs" in {
        row["parameter"] for row in departures(load_params("smoke", ["classifier.adapt.epochs=2"]))
    }


def test_weights_of_another_network_are_refused(run, params):
    other = params.classifier.model_copy(
        update={
            "weights": str(run.trunk("part-0") / "model.safetensors"),
            "backbone": "efficientnet_lite2",
        }
    )
    with pytest.raises(ParameterError, match="holds a classifier on another network than efficientnet_lite2"):
        classifier_model(other)


def classifier_model(config):
    from helpers.classifier.model import build_classifier

    return build_classifier(config.backbone, config.weights, 3, 16, 0.5, config.frozen_stages)


def test_a_run_without_a_trunk_says_so(place, capsys):
    said = mistake(capsys, "--params", str(ROOT / "params/smoke.yaml"), "--only", "trunk", "--dry-run")
    assert "The run has no 'trunk': classifier.adapt.epochs is 0" in said
