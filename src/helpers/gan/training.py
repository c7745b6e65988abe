"""Training of the generative network: the loop, and the state from which a training goes on.

Read ``train_gan`` first, then ``step`` of the recipe's trainer: adversarial.py where there is a critic,
diffusion.py where there is none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from helpers import params
from helpers.checkpoints import list_checkpoints, load_latest, save_checkpoint
from helpers.device import quickest_convolutions
from helpers.errors import DataError, TrainingError
from helpers.files import array_digest, digest, file_digest, write_json
from helpers.fingerprints import code_fingerprint
from helpers.gan.health import CHECK_EVERY
from helpers.gan.recipes import RECIPES
from helpers.gan.records import Scalars, TrainingClock, sample_grid, write_history, write_samples
from helpers.gan.trainer import Trainer
from helpers.gan.weights import initial_files, save_networks
from helpers.progress import Progress


def train_gan(
    images: np.ndarray,
    config: params.Gan,
    directory: Path | str,
    device: str,
    seed: int = 0,
    labels: np.ndarray | None = None,
    title: str = "GAN",
    whole: bool = True,
) -> pd.DataFrame:
    """Train ``config.recipe`` on ``images`` (uint8, N x R x R x 3); return the history of logged steps.

    ``labels`` (int64, N): the images' places in ``config.classes``, which a conditional GAN is told.
    ``title``: what its progress is called; ``whole``: it is the only GAN of its job.

    Goes on from the newest checkpoint in ``directory`` that belongs to these parameters, images, code, device
    kind and seed; on a CPU the result is then the same to the bit as without the
    interruption. Writes generator.safetensors (the moving average), discriminator.safetensors where there is
    a critic, history.csv, samples/step-<7 digits>.png, timing.json, checkpoint-*.pt. Raises DataError for
    unfit images, TrainingError when the training is sick (``health``).
    """
    images = _checked(images, config, labels)
    torch.set_num_threads(config.threads)
    directory = Path(directory)
    trainer = RECIPES.get(config.recipe).build_trainer(images, config, device, seed, labels)
    fingerprint = training_fingerprint(images, config, device, seed, labels)
    _start_or_resume(trainer, directory, fingerprint)
    progress = Progress(title, trainer.total_steps, "step", whole)
    clock = TrainingClock(trainer.images_per_step, trainer.steps, trainer.seconds_before)
    scalars = Scalars(directory, config.tensorboard, trainer.columns, trainer.steps + 1)
    with fast_arithmetic(device):
        while trainer.steps < trainer.total_steps:
            trainer.step()
            _record(trainer, directory, scalars)
            _check_and_save(trainer, directory, clock, fingerprint)
            progress.update(trainer.steps, f"{clock.seconds_per_kimg(trainer.steps):.1f} s/kimg")
    progress.close()
    scalars.close()
    save_networks(trainer.average, trainer.networks[1], directory)
    how = trainer.how_steps_ran()
    write_json(directory / "timing.json", clock.summary(trainer.steps, config, device, trainer.dtype, how))
    return write_history(trainer.columns, trainer.history, directory)


def _start_or_resume(trainer: Trainer, directory: Path, fingerprint: str) -> None:
    """Go on from the newest checkpoint with this fingerprint, or remove old sample grids and start."""
    found = load_latest(directory, fingerprint, map_location=trainer.device)
    if found is not None:
        trainer.load_state(found[1])
        return
    for grid in (directory / "samples").glob("step-*.png"):
        grid.unlink()


def _record(trainer: Trainer, directory: Path, scalars: Scalars) -> None:
    """Write a row of the history and a grid of samples where they are due.

    They are always due at the first and the last step.
    """
    step = trainer.steps
    at_an_end = step in (1, trainer.total_steps)
    if at_an_end or step % trainer.config.log_every == 0:
        scalars.row(trainer.log())
    if at_an_end or step % trainer.config.sample_every == 0:
        grid = sample_grid(trainer.samples())
        write_samples(grid, step, directory)
        scalars.grid(grid, step)


def _check_and_save(trainer: Trainer, directory: Path, clock: TrainingClock, fingerprint: str) -> None:
    """Check the training's health and save a checkpoint, where they are due.

    No checkpoint is saved without a check.
    """
    step = trainer.steps
    due = clock.minutes_since_saved() >= trainer.config.checkpoint_minutes or step == trainer.total_steps
    if due or step % CHECK_EVERY == 0:
        _check(trainer, directory)
    if due:
        save_checkpoint(directory, step, trainer.state(clock.seconds()), fingerprint)
        clock.saved()
        write_history(trainer.columns, trainer.history, directory)


def _check(trainer: Trainer, directory: Path) -> None:
    """Stop a sick training with an error; its history is written before."""
    checkpoints = list_checkpoints(directory)
    good = (
        f"The last good checkpoint is {checkpoints[0][1]}."
        if checkpoints
        else "There is no checkpoint from before."
    )
    try:
        trainer.require_health(good)
    except TrainingError:
        write_history(trainer.columns, trainer.history, directory)
        raise
    trainer.last_good = trainer.steps


def training_fingerprint(
    images: np.ndarray, config: params.Gan, device: str, seed: int, labels: np.ndarray | None = None
) -> str:
    """Equal for trainings that may go on from each other's checkpoints."""
    values = params.result_values(config)
    start = [file_digest(path) for path in initial_files(config)]
    modules = RECIPES.module(config.recipe), RECIPES.get(config.recipe).trainer[0]
    code = code_fingerprint("helpers.gan.training", *modules)
    shown = array_digest(images), None if labels is None else array_digest(labels)
    return digest(values, seed, device.split(":")[0], shown, start, code)


def _checked(images: np.ndarray, config: params.Gan, labels: np.ndarray | None) -> np.ndarray:
    side = config.resolution
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (side, side, 3):
        found = " x ".join(map(str, images.shape[1:]))
        raise DataError(
            f"The GAN needs uint8 images of {side} x {side} x 3 (gan.resolution), "
            f"not {images.dtype} of {found}."
        )
    if len(images) < 2:
        raise DataError(f"The GAN needs at least 2 training images of its class, not {len(images)}.")
    if config.conditional:
        assert labels is not None and len(labels) == len(
            images
        )  # a stage tells a conditional GAN all classes
        counts = np.bincount(labels, minlength=len(config.classes))
        if counts.min() < 2:
            raise DataError(
                f"The GAN needs at least 2 training images of every class, and has {counts.min()} of "
                f"'{config.classes[counts.argmin()]}': leave the class out of gan.classes."
            )
    return np.ascontiguousarray(images)


@contextmanager
def fast_arithmetic(device: str) -> Iterator[None]:
    """On CUDA: TF32 for what autocast leaves in float32, and the fastest convolution algorithms.

    Both settings are as before afterwards.
    """
    precision = torch.get_float32_matmul_precision()
    if device.startswith("cuda"):
        torch.set_float32_matmul_precision("high")
    try:
        with quickest_convolutions(device):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
