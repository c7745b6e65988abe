"""Every health check fires on a training made to fail, within 50 steps, and not on a good one."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.checkpoints import list_checkpoints
from helpers.errors import DataError, TrainingError
from helpers.gan import health
from helpers.gan.adversarial import AdversarialTrainer
from helpers.gan.health import CHECK_EVERY, Vitals, mean_distance, real_distance, require_health
from helpers.gan.training import train_gan
from support.small_gan import IMAGES, SMALL

GOOD = {"generator_loss": 1.0, "critic_loss": -2.0, "gradient_penalty": 0.1, "score": 3.0, "diversity": 0.9}
LONG = SMALL.model_copy(
    update={
        "steps": 120,
        "n_critic": 1,
        "sample_every": 1000,
        "log_every": 1,
        "checkpoint_minutes": 600.0,
        "batch_size": 2,
    }
)


def look(**seen):
    require_health(
        Vitals(**{name: torch.tensor(value) for name, value in (GOOD | seen).items()}),
        150,
        100,
        0.1,
        "The last good checkpoint is c.pt.",
    )


def fail(config, directory):
    """The sentence with which a training ends."""
    with pytest.raises(TrainingError) as error:
        train_gan(IMAGES, config, directory, "cpu")
    return str(error.value)


def from_step(step, spoil, monkeypatch):
    """Spoil a good training after its step ``step``."""
    ordinary = AdversarialTrainer.step

    def spoiled(self):
        ordinary(self)
        if self.steps >= step:
            spoil(self)

    monkeypatch.setattr(AdversarialTrainer, "step", spoiled)


def test_a_good_training_passes():
    look()
    look(generator_loss=800.0, score=-800.0, gradient_penalty=0.5)  # what the paper reports


@pytest.mark.parametrize(
    "seen, sentence",
    [
        ({"critic_loss": float("nan")}, "no longer finite"),
        ({"generator_loss": float("inf")}, "no longer finite"),
        ({"gradient_penalty": 1500.0}, "The critic has run away: its gradient penalty is 1,500"),
        ({"score": -3e6}, "scores have run away to -3,000,000"),
        ({"diversity": float("nan")}, "no longer finite"),
        (
            {"diversity": 0.04},
            r"has collapsed: its samples differ from one another by 4.0 % .* gan.min_diversity is 10 %",
        ),
    ],
)
def test_each_sickness_is_named_with_its_time_and_the_way_back(seen, sentence):
    with pytest.raises(TrainingError, match=sentence) as error:
        look(**seen)
    assert "between steps 100 and 150. The last good checkpoint is c.pt." in str(error.value)


def test_a_good_training_is_left_alone(tmp_path):
    train_gan(IMAGES, LONG, tmp_path, "cpu")
    assert (tmp_path / "generator.safetensors").exists()


def test_infinite_weights_are_seen_within_fifty_steps(tmp_path, monkeypatch):
    from_step(55, lambda trainer: trainer.critic.output.weight.data.fill_(float("inf")), monkeypatch)
    sentence = fail(LONG, tmp_path)
    assert "no longer finite" in sentence and f"between steps {CHECK_EVERY} and {2 * CHECK_EVERY}" in sentence
    assert len(pd.read_csv(tmp_path / "history.csv")) == 2 * CHECK_EVERY  # the history stays to be looked at
    assert not (tmp_path / "generator.safetensors").exists()


def test_a_runaway_critic_is_seen_within_fifty_steps(tmp_path, monkeypatch):
    from_step(10, lambda trainer: trainer.critic.output.weight.data.mul_(2), monkeypatch)
    assert re.search(r"has run away.*by step 50\. There is no checkpoint from before", fail(LONG, tmp_path))


def test_a_collapsed_generator_is_seen_within_fifty_steps(tmp_path, monkeypatch):
    def collapse(trainer):
        for block in trainer.generator.blocks:
            for layer in (block.first, block.second):
                layer.style.weight.data.zero_()  # every latent code has the same style

    from_step(10, collapse, monkeypatch)
    assert re.search(r"has collapsed: .*by step 50\.", fail(LONG, tmp_path))
    train_gan(
        IMAGES, LONG.model_copy(update={"min_diversity": 0.0, "steps": 60}), tmp_path / "unwatched", "cpu"
    )


def test_the_sentence_names_the_last_good_checkpoint_and_nothing_sick_is_saved(tmp_path, monkeypatch):
    from_step(30, lambda trainer: trainer.critic.output.weight.data.fill_(float("nan")), monkeypatch)
    sentence = fail(LONG.model_copy(update={"checkpoint_minutes": 1e-9}), tmp_path)
    step, path = list_checkpoints(tmp_path)[0]
    assert str(path) in sentence and step in (29, 30)
    state = torch.load(path, weights_only=True)["state"]
    assert all(torch.isfinite(value).all() for value in state["critic"].values())


def test_copies_of_one_picture_are_refused_before_the_first_step(tmp_path):
    with pytest.raises(
        DataError, match=r"copies of one picture \(256 of 300 were compared\).*data\.target_class"
    ):
        train_gan(np.repeat(IMAGES[:1], 300, 0), LONG, tmp_path, "cpu")
    assert not list(tmp_path.iterdir())


def test_distances_are_what_they_say():
    half = torch.zeros(2, 3, 32, 32)
    half[1] = 1.0
    assert float(mean_distance(half)) == pytest.approx((3 * 32 * 32) ** 0.5)
    larger = half.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert float(mean_distance(larger)) == pytest.approx(float(mean_distance(half)))
    black_and_white = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    black_and_white[1] = 255
    assert real_distance(black_and_white) == pytest.approx(2 * (3 * 32 * 32) ** 0.5)
    assert real_distance(np.repeat(black_and_white, 400, 0)) < 2 * (3 * 32 * 32) ** 0.5
    assert health.CHECK_EVERY <= 50
