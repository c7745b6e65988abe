"""The training loop: what it writes, that it resumes to the bit, and that it refuses what it should."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from helpers import params, paths
from helpers.checkpoints import list_checkpoints
from helpers.engine.stages import Job
from helpers.engine.start import forget_checkpoints
from helpers.errors import DataError, MissingStageError, TrainingError
from helpers.gan import training
from helpers.gan.adversarial import AdversarialTrainer
from helpers.gan.batches import ImageStream, to_bytes, to_float
from helpers.gan.trainer import steps_per_epoch, total_steps
from helpers.gan.training import train_gan
from helpers.gan.weights import load_generator
from support.small_gan import IMAGES, SMALL, same, weights


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("gan run")
    history = train_gan(IMAGES, SMALL, directory, "cpu", seed=1)
    return directory, history


class Interrupted(Exception):
    pass


def train_until(step, directory, monkeypatch):
    """Train, and break off in the middle of the step after ``step``."""
    ordinary = AdversarialTrainer.generator_step

    def breaking(self, *inputs, **options):
        if self.steps >= step:
            raise Interrupted
        return ordinary(self, *inputs, **options)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(AdversarialTrainer, "generator_step", breaking)
        train_gan(IMAGES, SMALL, directory, "cpu", seed=1)


def test_writes_what_later_stages_read(trained):
    directory, history = trained
    assert tuple(history.columns) == ("step", "epoch", *AdversarialTrainer.columns)
    assert history["step"].tolist() == [1, 2, 4, 6]
    assert history["epoch"].tolist() == [0.5, 1, 2, 3]  # ten images are two batches of four
    assert np.isfinite(history.to_numpy()).all()
    pd.testing.assert_frame_equal(pd.read_csv(directory / "history.csv"), history)
    assert sorted(path.name for path in (directory / "samples").iterdir()) == [
        "step-0000001.png",
        "step-0000004.png",
        "step-0000006.png",
    ]
    assert Image.open(directory / "samples/step-0000006.png").size == (6 * 32, 4 * 32)
    timing = json.loads((directory / "timing.json").read_text())
    assert timing["images"] == 6 * 2 * 4 and timing["threads"] == 1 and timing["precision"] == "float32"
    assert timing["steps_ran"] == "one by one"
    assert len(list_checkpoints(directory)) == 2


def test_same_seed_same_weights_and_another_seed_others(trained, tmp_path):
    train_gan(
        IMAGES,
        SMALL.model_copy(update={"sample_every": 1, "log_every": 1}),
        tmp_path / "again",
        "cpu",
        seed=1,
    )
    assert same(weights(trained[0]), weights(tmp_path / "again"))
    train_gan(IMAGES, SMALL, tmp_path / "other", "cpu", seed=2)
    assert not same(weights(trained[0]), weights(tmp_path / "other"))


@pytest.mark.parametrize("step", [1, 3, 5])
def test_resumes_to_the_bit(trained, tmp_path, monkeypatch, step):
    train_until(step, tmp_path, monkeypatch)
    assert not (tmp_path / "generator.safetensors").exists()
    history = train_gan(IMAGES, SMALL, tmp_path, "cpu", seed=1)
    assert same(weights(trained[0]), weights(tmp_path))
    pd.testing.assert_frame_equal(history, trained[1])


def test_forcing_the_stage_forgets_its_checkpoints(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)
    run = paths.RunPaths("forced")
    shutil.copytree(trained[0], run.gan(1))
    forget_checkpoints(run, [Job("evaluation"), Job("gan", {"seed": 2})])
    assert len(list_checkpoints(run.gan(1))) == 2
    forget_checkpoints(run, [Job("gan", {"seed": 1})])
    assert list_checkpoints(run.gan(1)) == []


def test_tensorboard_gets_what_the_history_has(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = train_gan(IMAGES, SMALL.model_copy(update={"tensorboard": True}), tmp_path, "cpu", seed=1)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"epoch", *AdversarialTrainer.columns}
    for name in {"epoch", *AdversarialTrainer.columns}:
        written = events.Scalars(name)
        assert [event.step for event in written] == history["step"].tolist()
        np.testing.assert_allclose([event.value for event in written], history[name], rtol=1e-6)
    assert [event.step for event in events.Images("samples")] == [1, 4, 6]


def test_a_finished_training_is_not_repeated(trained, tmp_path, monkeypatch):
    shutil.copytree(trained[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(AdversarialTrainer, "step", lambda self: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(train_gan(IMAGES, SMALL, tmp_path, "cpu", seed=1), trained[1])


def test_a_damaged_checkpoint_gives_way_to_the_one_before(trained, tmp_path, monkeypatch):
    train_until(4, tmp_path, monkeypatch)
    newest = list_checkpoints(tmp_path)[0][1]
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    with pytest.warns(UserWarning, match="damaged"):
        train_gan(IMAGES, SMALL, tmp_path, "cpu", seed=1)
    assert same(weights(trained[0]), weights(tmp_path))


@pytest.mark.parametrize("change", ["parameter", "images", "seed"])
def test_the_checkpoint_of_another_training_is_set_aside(trained, tmp_path, change):
    shutil.copytree(trained[0], tmp_path, dirs_exist_ok=True)
    config = SMALL.model_copy(update={"lr_generator": 1e-4}) if change == "parameter" else SMALL
    images = 255 - IMAGES if change == "images" else IMAGES
    with pytest.warns(UserWarning, match="stale"):
        history = train_gan(images, config, tmp_path, "cpu", seed=2 if change == "seed" else 1)
    assert not history.equals(trained[1])


def test_what_has_no_effect_does_not_cost_a_checkpoint():
    def print_of(**changes):
        return training.training_fingerprint(IMAGES, SMALL.model_copy(update=changes), "cpu", 1)

    assert print_of() == print_of(seeds=(1, 2), log_every=3, sample_every=9, checkpoint_minutes=2.0)
    assert print_of() != print_of(threads=2)


def test_moving_average_is_its_closed_form():
    trainer = AdversarialTrainer(IMAGES, SMALL.model_copy(update={"ema_decay": 0.8}), "cpu", 0)
    values = [trainer.generator.constant.detach().clone()]
    for _ in range(4):
        trainer.step()
        values.append(trainer.generator.constant.detach().clone())
    expected = 0.8**4 * values[0] + sum(0.2 * 0.8 ** (4 - i) * values[i] for i in range(1, 5))
    torch.testing.assert_close(trainer.average.constant, expected)


def test_the_moving_average_has_no_history():
    trainer = AdversarialTrainer(IMAGES, SMALL, "cpu", 0)
    trainer.step()
    assert not any(
        weight.requires_grad or weight.grad_fn for weight in trainer.average.parameters()
    )  # memory would grow with every step


def test_critic_trains_n_times_on_fresh_batches(monkeypatch):
    trainer = AdversarialTrainer(IMAGES, SMALL.model_copy(update={"n_critic": 3, "flips": "none"}), "cpu", 0)
    batches = []
    ordinary = trainer.update_critic
    monkeypatch.setattr(
        trainer,
        "update_critic",
        lambda real, *inputs, **options: (batches.append(real), ordinary(real, *inputs, **options))[1],
    )
    trainer.step()
    assert len(batches) == 3
    first_two = to_bytes(torch.cat(batches[:2]))
    assert len(np.unique(first_two.reshape(8, -1), axis=0)) == 8


def test_every_image_comes_once_before_any_comes_again():
    numbered = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1).repeat(3, 3)
    stream = ImageStream(numbered, 4, "none", "cpu", torch.Generator().manual_seed(0))
    seen = np.concatenate([to_bytes(stream.next_batch())[:, 0, 0, 0] for _ in range(5)])
    assert sorted(seen[:10]) == list(range(10)) and sorted(seen[10:]) == list(range(10))


def test_flips_mirror_and_nothing_else():
    stream = ImageStream(IMAGES[:1], 4, "both", "cpu", torch.Generator().manual_seed(0))
    batch = to_bytes(torch.cat([stream.next_batch() for _ in range(5)]))
    image = IMAGES[0]
    versions = [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]
    found = {
        next(i for i, version in enumerate(versions) if np.array_equal(version, other)) for other in batch
    }
    assert found == {0, 1, 2, 3}


def test_bytes_to_floats_and_back():
    assert np.array_equal(to_bytes(to_float(torch.from_numpy(IMAGES))), IMAGES)
    floats = to_float(torch.from_numpy(IMAGES))
    assert (
        floats.is_contiguous(memory_format=torch.channels_last) and floats.min() == -1 and floats.max() == 1
    )


def test_the_papers_amount_of_training():
    paper = params.Gan()
    assert steps_per_epoch(paper, 779) == 48 and total_steps(paper, 779) == 28_800
    passes = paper.model_copy(update={"epoch": "data_passes"})
    assert steps_per_epoch(passes, 779) == 16 and total_steps(passes, 779) == 9_600
    assert total_steps(paper.model_copy(update={"steps": 7}), 779) == 7


def test_initial_weights_are_a_start_and_no_resume(trained, tmp_path):
    trainer = AdversarialTrainer(
        IMAGES, SMALL.model_copy(update={"initial_weights": str(trained[0])}), "cpu", 5
    )
    assert trainer.steps == 0
    assert same([trainer.generator.state_dict(), trainer.critic.state_dict()], weights(trained[0]))


def test_unfit_images_and_missing_or_foreign_weights_are_sentences(trained, tmp_path):
    with pytest.raises(DataError, match="32 x 32 x 3"):
        train_gan(IMAGES[:, :16, :16], SMALL, tmp_path, "cpu")
    with pytest.raises(DataError, match="at least 2"):
        train_gan(IMAGES[:1], SMALL, tmp_path, "cpu")
    with pytest.raises(MissingStageError, match="gan"):
        load_generator(tmp_path, SMALL, "cpu")
    with pytest.raises(TrainingError, match="another gan.recipe, resolution"):
        load_generator(trained[0], SMALL.model_copy(update={"channel_scale": 0.1}), "cpu")
