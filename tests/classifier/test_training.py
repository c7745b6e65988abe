import contextlib
import json
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from helpers.checkpoints import list_checkpoints
from helpers.classifier import augmentation, features, training
from helpers.classifier import bank as bank_module
from helpers.classifier.arms import TrainingSet, compose_training_set
from helpers.classifier.model import build_classifier
from helpers.errors import UserError
from helpers.params import Arm, Classifier, Oversample, Withhold, validate
from support.project import ROOT

FILES = ("predictions.csv", "history.csv", "summary.json", "model.safetensors")


def make_data():
    """Three classes told apart by colour, which a short training learns."""
    rng = np.random.default_rng(0)
    dx = np.array(["bkl", "mel", "nv"] * 20)
    split = pd.DataFrame(
        {
            "image_id": [f"i{i:02d}" for i in range(60)],
            "dx": dx,
            "split": ["train"] * 36 + ["validation"] * 12 + ["test"] * 12,
        }
    )
    images = rng.integers(0, 60, (60, 32, 32, 3), dtype=np.uint8)
    for channel, name in enumerate(("bkl", "mel", "nv")):
        images[dx == name, :, :, channel] += 150
    return split, images


@pytest.fixture
def data():
    return make_data()


def config(**changes):
    values = {
        "backbone": "efficientnet_lite0",
        "image_size": 32,
        "frozen_stages": 6,
        "max_epochs": 3,
        "batch_size": 12,
        "threads": 1,
        "hidden": 32,
        "jitter": 0.1,
    }
    return Classifier(**values | changes)


def train(data, directory, arm=None, **changes):
    chosen = compose_training_set(*data, arm or Arm(), "mel")
    return training.train_classifier(
        chosen,
        *data,
        config(**changes),
        directory,
        name="x",
        replicate=2,
        bank_folder=directory.parent / "bank",
    )


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_it_learns_and_writes_its_files(data, tmp_path, averaging):
    # sixty steps: the batch norms need them
    summary = train(data, tmp_path, max_epochs=10, batch_size=6, averaging=averaging)
    predictions = pd.read_csv(tmp_path / "predictions.csv")
    assert list(predictions) == ["image_id", "split", "label", "p_bkl", "p_mel", "p_nv"]
    held_out = data[0][data[0]["split"] != "train"]
    assert (
        predictions["image_id"].tolist() == held_out["image_id"].tolist()
        and predictions["label"].tolist() == held_out["dx"].tolist()
    )
    probabilities = predictions.filter(like="p_")
    assert np.allclose(probabilities.sum(axis=1), 1)
    validation = predictions[predictions["split"] == "validation"]
    right = (validation.filter(like="p_").idxmax(axis=1).str[2:] == validation["label"]).mean()
    assert right == pytest.approx(summary["best_validation_accuracy"]), (
        "the best epoch's weights were restored"
    )
    assert right >= 0.7  # chance is a third; 48 steps of a batch norm over six images are noisy
    history = pd.read_csv(tmp_path / "history.csv")
    assert list(history) == [
        "epoch",
        "learning_rate",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
    ]
    assert history["validation_accuracy"].max() == summary["best_validation_accuracy"]
    assert history["epoch"][history["validation_accuracy"].idxmax()] == summary["best_epoch"]
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert summary["training_images"] == 36 and summary["replicate"] == 2
    assert json.loads((tmp_path / "timing.json").read_text())["threads"] == 1


COSINE = {"schedule": "cosine", "warmup_epochs": 1, "weight_decay": 0.01}


@pytest.mark.parametrize(
    ("bank", "way"), [(0, {"scheduler_patience": 0}), (2, {}), (2, COSINE), (2, {"averaging": 0.9})]
)
def test_a_killed_training_resumes_to_the_same_bits(data, tmp_path, monkeypatch, bank, way):
    options = {"bank": bank, "checkpoint_minutes": 1e-6, "monitor": "loss", **way}
    train(data, tmp_path / "whole", **options)
    saved, save = [], training.save_checkpoint

    def killed(*arguments):
        saved.append(save(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_checkpoint", killed)
    for epochs in (1, 2, 3):  # killed after every single epoch
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path / "cut", **options)
        assert len(pd.read_csv(tmp_path / "cut" / "history.csv")) == min(epochs, 2)
    monkeypatch.setattr(training, "save_checkpoint", save)
    train(data, tmp_path / "cut", **options)
    assert len(saved) == 3
    for name in FILES:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes(), name


def test_a_checkpoint_of_other_parameters_is_set_aside(data, tmp_path):
    train(data, tmp_path, max_epochs=1)
    with pytest.warns(UserWarning, match="stale-1"):
        train(data, tmp_path, max_epochs=1, dropout=0.3)
    assert len(list_checkpoints(tmp_path)) == 1


def test_schedule_and_stopping_go_by_the_monitored_figure(data, tmp_path, monkeypatch):
    losses = iter([1.0, 0.5, 0.5, 0.6, 0.7, 0.8])
    monkeypatch.setattr(
        training.Trainer,
        "validate",
        lambda self: {"validation_loss": next(losses), "validation_accuracy": 0.5},
    )
    summary = train(
        data, tmp_path, monitor="loss", max_epochs=20, early_stopping_patience=3, scheduler_patience=1
    )
    history = pd.read_csv(tmp_path / "history.csv")
    assert summary["epochs"] == 5 and summary["best_epoch"] == 2 and summary["best_validation_loss"] == 0.5
    assert history["learning_rate"].tolist() == pytest.approx([1e-3, 1e-3, 1e-3, 1e-3, 1e-4])


def test_the_cosine_rises_falls_and_goes_by_the_step_alone(data, tmp_path):
    options = {"schedule": "cosine", "warmup_epochs": 1.5, "max_epochs": 6, "batch_size": 6}
    train(data, tmp_path, early_stopping_patience=6, **options)
    rates = pd.read_csv(tmp_path / "history.csv")["learning_rate"]  # of each epoch's last step
    steps = 6  # 36 images in batches of six
    done = (np.arange(1, 7) * steps - 0.5 - 1.5 * steps) / (4.5 * steps)
    expected = 1e-3 * 0.5 * (1 + np.cos(np.pi * done))
    expected[0] = 1e-3 * 5.5 / (1.5 * steps)
    assert rates.tolist() == pytest.approx(expected.tolist())


def test_weights_decay_only_where_it_is_asked_for(data, tmp_path):
    def trained(name, **changes):
        train(data, tmp_path / name, max_epochs=1, **changes)
        return load_file(tmp_path / name / "model.safetensors")

    plain, decayed = trained("plain"), trained("decayed", weight_decay=1.0)
    weight = next(name for name in plain if name.startswith("head") and plain[name].ndim == 2)
    assert np.linalg.norm(decayed[weight]) < np.linalg.norm(plain[weight])


@pytest.mark.parametrize("bank", [0, 2])
def test_frozen_weights_and_statistics_come_out_as_they_went_in(data, tmp_path, bank):
    before = build_classifier("efficientnet_lite0", "imagenet", 3, 32, 0.5, 6)
    train(data, tmp_path / "x", max_epochs=1, bank=bank)
    after, trained = load_file(tmp_path / "x" / "model.safetensors"), before.trained_state()
    frozen = before.state_dict().keys() - trained.keys()
    assert {
        "stages.stem.conv_stem.weight",
        "stages.block4.0.bn1.running_mean",
        "stages.block4.0.bn1.num_batches_tracked",
    } <= frozen
    assert all(torch.equal(before.state_dict()[key], after[key]) for key in frozen)
    assert not torch.equal(
        trained["stages.block5.0.bn1.running_mean"], after["stages.block5.0.bn1.running_mean"]
    )


@pytest.mark.parametrize("bank", [0, 2])
def test_synthetic_images_stay_out_of_validation_and_test(data, tmp_path, monkeypatch, bank):
    split, images = data
    chosen = compose_training_set(split, images, Arm(), "mel")
    extras = np.full((4, 32, 32, 3), 250, np.uint8)  # like no photograph
    joined = TrainingSet(np.append(chosen.labels, [1] * 4), chosen.photographs, extras, chosen.classes, None)
    varied, unvaried = _watch(monkeypatch)
    summary = training.train_classifier(
        joined, split, images, config(max_epochs=1, bank=bank), tmp_path / "x", bank_folder=tmp_path / "bank"
    )
    assert summary["synthetic_images"] == 4 and summary["training_images"] == 40
    assert (
        pd.read_csv(tmp_path / "x" / "predictions.csv")["image_id"].tolist()
        == split["image_id"][36:].tolist()
    )
    of_training, held_out = (
        {image.tobytes() for image in images[:36]},
        {image.tobytes() for image in images[36:]},
    )
    assert varied == of_training | {extras[0].tobytes()}, (
        "training sees the training photographs and the synthetic images"
    )
    assert unvaried == held_out, "validation and test see nothing but their photographs"


def test_anyone_s_images_of_any_size_stay_out_of_validation_and_test(data, tmp_path, monkeypatch):
    folder = tmp_path / "theirs"
    folder.mkdir()
    for index, (mode, size) in enumerate(
        (("RGB", (50, 20)), ("L", (8, 8)), ("RGBA", (32, 32)), ("P", (300, 200)))
    ):
        Image.new(mode, size, 250).save(folder / f"{index}.png")
    varied, unvaried = _watch(monkeypatch)
    summary = train(
        data,
        tmp_path / "x",
        validate({"arms": {"baseline": {"synthetic": {"folder": str(folder)}}}}).arms["baseline"],
        max_epochs=1,
    )
    assert summary["synthetic_images"] == 4
    assert unvaried == {image.tobytes() for image in data[1][36:]} and len(varied) > 36


def _watch(monkeypatch):
    """Sets that fill with the images that are augmented, and with those that are looked at as they are."""
    seen = []
    for name, function in (("augment", augmentation.augment), ("plain", augmentation.plain)):
        found = set()

        def watched(batch, *rest, found=found, function=function):
            found |= {image.tobytes() for image in np.asarray(batch)}
            return function(batch, *rest)

        monkeypatch.setattr(features, name, watched)
        monkeypatch.setattr(bank_module, name, watched)
        seen.append(found)
    return seen


def test_arms_and_replicates_share_their_banks(data, tmp_path):
    split, images = data
    pool = np.random.default_rng(1).integers(0, 256, (9, 20, 20, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", pool)
    pd.DataFrame({"index": range(9), "score": -np.arange(9.0), "rank": np.arange(9) + 1}).to_csv(
        tmp_path / "scores.csv", index=False
    )
    recipes = {
        "baseline": {},
        "few": {"synthetic": {"select": "top", "count": 2}},
        "all": {"synthetic": {"select": "all"}},
        "less": {"withhold": {}},
    }
    built, listed = {}, {}
    for name, arm in validate({"arms": recipes, "synthesis": {"count": 9}}).arms.items():
        chosen = compose_training_set(split, images, arm, "mel", tmp_path)
        training.train_classifier(
            chosen, split, images, config(max_epochs=1, bank=2), tmp_path / name / "replicate-0"
        )
        built[name] = (
            json.loads((tmp_path / name / "replicate-0" / "timing.json").read_text())["bank_seconds"] > 0
        )
        listed[name] = sorted(path.name.rsplit("-", 1)[0] for path in (tmp_path / "bank").glob("*.npy"))
    assert built == {"baseline": True, "few": True, "all": False, "less": False}
    assert (
        listed["baseline"] == ["held-out", "training"]
        and len(listed["less"]) == 3
        and listed["less"][1].startswith("synthetic-")
    )


def test_a_step_of_the_fused_optimiser_is_adam_s():
    """Fused Adam reads weights and gradients in the order of their memory, which must be the same."""
    steps = []
    for fused in (True, False):
        torch.manual_seed(0)
        model = build_classifier("efficientnet_lite0", "none", 3, 16, 0.0, 6).prepare("cpu", torch.bfloat16)
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        before = [weight.detach().clone() for weight in weights]
        features = model.trunk(torch.rand(6, 3, 64, 64).contiguous(memory_format=torch.channels_last))
        torch.nn.functional.cross_entropy(model.tail(features), torch.arange(6) % 3).backward()
        torch.optim.Adam(weights, lr=0.01, fused=fused).step()
        steps.append([after.detach() - start for after, start in zip(weights, before, strict=True)])
    assert (
        all(torch.allclose(one, two, atol=1e-6) for one, two in zip(*steps, strict=True))
        and steps[0][0].abs().max() > 0
    )


def test_equal_steps_are_equal(data, tmp_path):
    for name, arm in (("less", Arm(withhold=Withhold())), ("more", Arm(oversample=Oversample(count=30)))):
        arm = arm.with_target("mel")
        summary = train(data, tmp_path / name, arm, equal_steps=True, max_epochs=1)
        assert (summary["steps_per_epoch"], summary["images_per_epoch"]) == (3, 36)
        assert summary["training_images"] == {"less": 30, "more": 66}[name]
        assert (
            train(data, tmp_path / f"{name}-free", arm, max_epochs=1)["steps_per_epoch"]
            == {"less": 3, "more": 6}[name]
        )


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
sys.path.insert(0, sys.argv[2] + "/classifier")
import test_training as these
split, images = these.make_data()
options = {"max_epochs": 30, "checkpoint_minutes": 1e-6, "early_stopping_patience": 50}
these.train((split, images), Path(sys.argv[1]), bank=int(sys.argv[3]), **options)
"""


@pytest.mark.long
@pytest.mark.parametrize("bank", [0, 3])
def test_a_training_killed_at_random_moments_ends_in_the_same_bits(tmp_path, bank):
    def start(folder):
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, str(folder), str(ROOT / "tests"), str(bank)],
            stderr=subprocess.DEVNULL,
        )

    began = time.monotonic()
    assert start(tmp_path / "whole" / "x").wait() == 0
    whole = time.monotonic() - began
    random, cut_short = np.random.default_rng(bank), 0
    for _ in range(4):
        process = start(tmp_path / "cut" / "x")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=whole * random.uniform(0.6, 0.9))
        process.kill()
        process.wait()
        cut_short += (
            bool(list_checkpoints(tmp_path / "cut" / "x"))
            and not (tmp_path / "cut" / "x" / "summary.json").exists()
        )
    assert cut_short, "no training was killed between its first epoch and its last"
    assert start(tmp_path / "cut" / "x").wait() == 0
    for name in FILES:
        assert (tmp_path / "whole" / "x" / name).read_bytes() == (
            tmp_path / "cut" / "x" / name
        ).read_bytes(), name


def test_a_loss_that_is_no_number_is_said(data, tmp_path):
    chosen = compose_training_set(*data, Arm(), "mel")
    broken = TrainingSet(
        chosen.labels, chosen.photographs, chosen.synthetic, chosen.classes, np.full(3, np.inf)
    )
    with pytest.raises(UserError, match="learning_rate"):
        training.train_classifier(broken, *data, config(max_epochs=1), tmp_path / "x")
