import json

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.checkpoints import list_checkpoints
from helpers.classifier import training
from helpers.classifier.arms import TrainingSet, compose_training_set
from helpers.errors import UserError
from helpers.params import Arm, Classifier

FILES = ("predictions.csv", "history.csv", "summary.json", "model.safetensors")


@pytest.fixture
def data():
    """Three classes told apart by colour, which a short training learns."""
    rng = np.random.default_rng(0)
    dx = np.array(["bkl", "mel", "nv"] * 20)
    split = pd.DataFrame({"image_id": [f"i{i:02d}" for i in range(60)], "dx": dx, "split": ["train"] * 36 + ["validation"] * 12 + ["test"] * 12})
    images = rng.integers(0, 60, (60, 32, 32, 3), dtype=np.uint8)
    for channel, name in enumerate(("bkl", "mel", "nv")):
        images[dx == name, :, :, channel] += 150
    return split, images


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
    arm = arm or Arm()
    chosen = compose_training_set(*data, arm, "mel")
    return training.train_classifier(chosen, *data, config(**changes), arm, directory, name="x", replicate=2)


def test_it_learns_and_writes_its_files(data, tmp_path):
    summary = train(data, tmp_path, max_epochs=10, batch_size=6)  # sixty steps: the batch norms need them
    predictions = pd.read_csv(tmp_path / "predictions.csv")
    assert list(predictions) == ["image_id", "split", "label", "p_bkl", "p_mel", "p_nv"]
    held_out = data[0][data[0]["split"] != "train"]
    assert predictions["image_id"].tolist() == held_out["image_id"].tolist() and predictions["label"].tolist() == held_out["dx"].tolist()
    probabilities = predictions.filter(like="p_")
    assert np.allclose(probabilities.sum(axis=1), 1)
    validation = predictions[predictions["split"] == "validation"]
    right = (validation.filter(like="p_").idxmax(axis=1).str[2:] == validation["label"]).mean()
    assert right == pytest.approx(summary["best_validation_accuracy"]), "the best epoch's weights were restored"
    assert right >= 0.9
    history = pd.read_csv(tmp_path / "history.csv")
    assert list(history) == ["epoch", "learning_rate", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    assert history["validation_accuracy"].max() == summary["best_validation_accuracy"]
    assert history["epoch"][history["validation_accuracy"].idxmax()] == summary["best_epoch"]
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert summary["training_images"] == 36 and summary["replicate"] == 2
    assert json.loads((tmp_path / "timing.json").read_text())["threads"] == 1


def test_a_killed_training_resumes_to_the_same_bits(data, tmp_path, monkeypatch):
    options = {"checkpoint_minutes": 1e-6, "scheduler_patience": 0, "monitor": "loss"}
    train(data, tmp_path / "whole", **options)
    saved, save = [], training.save_checkpoint

    def killed(*arguments):
        saved.append(save(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_checkpoint", killed)
    for _ in range(3):  # killed after every single epoch
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path / "cut", **options)
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
    monkeypatch.setattr(training.Trainer, "validate", lambda self: {"validation_loss": next(losses), "validation_accuracy": 0.5})
    summary = train(data, tmp_path, monitor="loss", max_epochs=20, early_stopping_patience=3, scheduler_patience=1)
    history = pd.read_csv(tmp_path / "history.csv")
    assert summary["epochs"] == 5 and summary["best_epoch"] == 2 and summary["best_validation_loss"] == 0.5
    assert history["learning_rate"].tolist() == pytest.approx([1e-3, 1e-3, 1e-3, 1e-3, 1e-4])


def test_frozen_weights_come_out_as_they_went_in(data, tmp_path):
    from safetensors.torch import load_file

    from helpers.classifier.model import build_classifier

    train(data, tmp_path, max_epochs=1)
    before, after = build_classifier("efficientnet_lite0", "imagenet", 3, 32, 0.5, 6), load_file(tmp_path / "model.safetensors")
    trained = before.trained_state()
    assert all(torch.equal(value, after[key]) for key, value in before.state_dict().items() if key not in trained)


def test_synthetic_images_stay_out_of_validation_and_test(data, tmp_path):
    split, images = data
    chosen = compose_training_set(split, images, Arm(), "mel")
    extras = np.full((4, 32, 32, 3), 99, np.uint8)
    joined = TrainingSet(np.append(chosen.labels, [1] * 4), chosen.sources, extras, chosen.classes, None)
    summary = training.train_classifier(joined, split, images, config(max_epochs=1), Arm(), tmp_path)
    assert summary["synthetic_images"] == 4 and summary["training_images"] == 40
    assert pd.read_csv(tmp_path / "predictions.csv")["image_id"].tolist() == split["image_id"][36:].tolist()


def test_a_loss_that_is_no_number_is_said(data, tmp_path):
    chosen = compose_training_set(*data, Arm(), "mel")
    broken = TrainingSet(chosen.labels, chosen.sources, chosen.extras, chosen.classes, np.full(3, np.inf))
    with pytest.raises(UserError, match="learning_rate"):
        training.train_classifier(broken, *data, config(max_epochs=1), Arm(), tmp_path)
