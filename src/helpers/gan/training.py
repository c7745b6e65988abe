"""Training of the GAN: the loop, the step, and the state from which a training goes on.

Read ``train_gan`` first, then ``Trainer.step``: it is Algorithm 1 of Gulrajani et al. (2017), "Improved
Training of Wasserstein GANs", with any recipe's loss in place of WGAN-GP's, and a moving average of the
generator. That it is so is proved by tests/gan/test_textbook.py, which compares gradients and courses with
the loop of benchmarks/gan_textbook.py, written as a textbook has it. Everything random comes from two
sources: one for training, one for the sample grids, so that looking at the samples changes nothing.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from helpers import params
from helpers.checkpoints import list_checkpoints, load_latest, remove_checkpoints, save_checkpoint
from helpers.device import resolve_precision
from helpers.errors import DataError, TrainingError
from helpers.files import array_digest, digest, file_digest, write_json
from helpers.fingerprints import code_fingerprint
from helpers.gan.batches import ClassTurns, ImageStream, to_bytes
from helpers.gan.draws import CriticDraws, GeneratorDraws, StepDraws
from helpers.gan.graphs import GraphedStep
from helpers.gan.health import CHECK_EVERY, Vitals, least_diversity, real_distances, require_health
from helpers.gan.losses import CriticLoss
from helpers.gan.optimisers import adam, descend
from helpers.gan.recipes import RECIPES
from helpers.gan.records import (
    Scalars,
    TrainingClock,
    sample_grid,
    sample_inputs,
    write_history,
    write_samples,
)
from helpers.gan.weights import build_networks, initial_files, save_networks
from helpers.progress import Progress


def train_gan(
    images: np.ndarray,
    config: params.Gan,
    directory: Path | str,
    device: str,
    seed: int = 0,
    resume: bool = True,
    labels: np.ndarray | None = None,
) -> pd.DataFrame:
    """Train generator and critic on ``images`` (uint8, N x R x R x 3); return the history of logged steps.

    ``labels`` (int64, N): the images' places in ``config.classes``, which a conditional GAN is told.

    Goes on from the newest checkpoint in ``directory`` that belongs to these parameters, images, code, device
    kind and seed, unless ``resume`` is false; on a CPU the result is then the same to the bit as without the
    interruption. Writes generator.safetensors (the moving average), discriminator.safetensors, history.csv,
    samples/step-<7 digits>.png, timing.json, checkpoint-*.pt. Raises DataError for unfit images,
    TrainingError when the training is sick (``health``).
    """
    images = _checked(images, config, labels)
    torch.set_num_threads(config.threads)
    directory = Path(directory)
    trainer = Trainer(images, config, device, seed, labels)
    fingerprint = training_fingerprint(images, config, device, seed, labels)
    _start_or_resume(trainer, directory, fingerprint, resume)
    progress = Progress("GAN", trainer.total_steps, "step")
    clock = TrainingClock(config.batch_size * config.n_critic, trainer.steps, trainer.seconds_before)
    scalars = Scalars(directory, config.tensorboard, trainer.steps + 1)
    with fast_arithmetic(device):
        while trainer.steps < trainer.total_steps:
            trainer.step()
            _record(trainer, directory, scalars)
            _check_and_save(trainer, directory, clock, fingerprint)
            progress.update(trainer.steps, f"{clock.seconds_per_kimg(trainer.steps):.1f} s/kimg")
    progress.close()
    scalars.close()
    save_networks(trainer.average, trainer.critic, directory)
    write_json(directory / "timing.json", clock.summary(trainer.steps, config, device, trainer.dtype))
    return write_history(trainer.history, directory)


def _start_or_resume(trainer: "Trainer", directory: Path, fingerprint: str, resume: bool) -> None:
    """Go on from the newest checkpoint with this fingerprint, or remove old sample grids and start."""
    if not resume:
        remove_checkpoints(directory)
    found = load_latest(directory, fingerprint, map_location=trainer.device)
    if found is not None:
        trainer.load_state(found[1])
        return
    for grid in (directory / "samples").glob("step-*.png"):
        grid.unlink()


def _record(trainer: "Trainer", directory: Path, scalars: Scalars) -> None:
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


def _check_and_save(trainer: "Trainer", directory: Path, clock: TrainingClock, fingerprint: str) -> None:
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
        write_history(trainer.history, directory)


def _check(trainer: "Trainer", directory: Path) -> None:
    """Stop a sick training with an error; its history is written before."""
    checkpoints = list_checkpoints(directory)
    good = (
        f"The last good checkpoint is {checkpoints[0][1]}."
        if checkpoints
        else "There is no checkpoint from before."
    )
    try:
        require_health(trainer.vitals(), trainer.steps, trainer.last_good, trainer.config.min_diversity, good)
    except TrainingError:
        write_history(trainer.history, directory)
        raise
    trainer.last_good = trainer.steps


class Trainer:
    """Both networks, the generator's moving average, the optimisers, and where training stands.

    ``update_fakes``, ``update_critic`` and ``update_generator`` run ``fakes``, ``critic_step`` and
    ``generator_step``: directly on a CPU, and from a CUDA graph on a GPU.
    """

    last_critic: CriticLoss
    last_generator: Tensor

    def __init__(
        self,
        images: np.ndarray,
        config: params.Gan,
        device: str,
        seed: int,
        labels: np.ndarray | None = None,
    ):
        self.config, self.device = config, device
        self.dtype = resolve_precision(config.precision, device)
        self.total_steps = total_steps(config, len(images))
        self.steps_per_epoch = steps_per_epoch(config, len(images))
        self.steps, self.last_good, self.seconds_before = 0, 0, 0.0
        self.history: list[list[float]] = []
        self.generator, self.critic = build_networks(config, seed, device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.generator_weights = [p for p in self.generator.parameters() if p.requires_grad]
        self.critic_weights = list(self.critic.parameters())
        self.generator_optimiser = adam(self.generator, config.lr_generator, config, device)
        self.critic_optimiser = adam(self.critic, config.lr_discriminator, config, device)
        self.loss = RECIPES.get(config.recipe).build_loss(config, device)
        self.random = torch.Generator(device).manual_seed(seed)
        self.data = ImageStream(images, config.batch_size, config.flips, device, self.random, labels)
        self.turns = ClassTurns(len(config.classes), config.batch_size, device)
        self.draws = StepDraws(
            config.batch_size,
            self.generator.latent_size,
            self.generator.noise_size,
            self.loss.critic_sizes,
            self.loss.generator_sizes,
            self.random,
        )
        self.sample_inputs = sample_inputs(self.generator, seed, device, len(config.classes))
        self.real_distances = real_distances(images, labels)
        run: Callable[..., Any] = GraphedStep if device.startswith("cuda") else lambda step: step
        self.update_fakes: Callable[..., Tensor] = run(self.fakes)
        self.update_critic: Callable[..., CriticLoss] = run(self.critic_step)
        self.update_generator: Callable[..., Tensor] = run(self.generator_step)

    def step(self) -> None:
        """n_critic critic steps on fresh batches, one generator step with one step of the moving average."""
        first = self.steps * self.config.n_critic
        turns = [self._turn(number) for number in range(first, first + self.config.n_critic)]
        last = self.draws.generator(self.turns.labels(self.steps))
        for turn, ((real, draws), fake) in enumerate(zip(turns, self._fakes(turns), strict=True)):
            regularised = self.loss.critic_regularised(first + turn)
            self.last_critic = self.update_critic(real, fake, *draws, regularised=regularised)
        regularised = self.loss.generator_regularised(self.steps)
        self.last_generator = self.update_generator(*last, regularised=regularised)
        self.steps += 1

    def _turn(self, number: int) -> tuple[Tensor, CriticDraws]:
        """The real images and the draws of critic step ``number``, counted from 0."""
        real = self.data.next_batch(self.turns.of_groups(number))
        return real, self.draws.critic(self.turns.labels(number))

    def _fakes(self, turns: list[tuple[Tensor, CriticDraws]]) -> tuple[Tensor, ...]:
        """A batch of the generator's images for each critic step, all from one pass: it stands still."""
        latents = torch.cat([draws.latents for _, draws in turns])
        noise = torch.cat([draws.noise for _, draws in turns])
        labels = torch.cat([draws.labels for _, draws in turns])
        return self.update_fakes(latents, noise, labels).split(self.config.batch_size)

    @torch.no_grad()
    def fakes(
        self, latents: Tensor, noise: Tensor, labels: Tensor | None = None, regularised: bool = False
    ) -> Tensor:
        """The generator's images (N, 3, R, R); nothing is ``regularised``."""
        with self.autocast():
            return self.generator(latents, noise, labels=labels)

    def critic_step(
        self, real: Tensor, fake: Tensor, *drawn: Tensor, regularised: bool = False
    ) -> CriticLoss:
        """Descend the critic's loss on one batch of real images and one of the generator's.

        ``drawn`` are the parts of CriticDraws, one by one, as a CUDA graph takes them.
        """
        draws = CriticDraws(*drawn)
        self.critic.update_spectral_norms()
        with self.autocast():
            terms = self.loss.critic(self.critic, real, fake, draws, regularised)
        descend(terms.loss, self.critic_optimiser, self.critic_weights)
        terms = CriticLoss(*(term.detach() for term in terms))
        self.loss.after_step(terms)
        return terms

    def generator_step(self, *drawn: Tensor, regularised: bool = False) -> Tensor:
        """Descend the generator's loss on one batch, and move the average.

        ``drawn`` are the parts of GeneratorDraws, one by one.
        """
        draws = GeneratorDraws(*drawn)
        with self.autocast():
            loss = self.loss.generator(self.generator, self.critic, draws, regularised)
        descend(loss, self.generator_optimiser, self.generator_weights)
        with torch.no_grad():  # or the average's history would grow with every step
            torch._foreach_lerp_(
                list(self.average.parameters()), list(self.generator.parameters()), 1 - self.config.ema_decay
            )
        return loss.detach()

    def autocast(self) -> torch.autocast:
        """The arithmetic of ``config.precision``."""
        return torch.autocast(
            self.device.split(":")[0], dtype=self.dtype or torch.bfloat16, enabled=self.dtype is not None
        )

    @torch.no_grad()
    def samples(self) -> np.ndarray:
        """uint8 (24, R, R, 3): the moving average's images of the fixed latents."""
        with self.autocast():
            latents, noise, labels = self.sample_inputs
            return to_bytes(self.average(latents, noise, labels=labels))

    def log(self) -> list[float]:
        """Append this step's row (records.HISTORY_COLUMNS) to the history, and return it."""
        terms = self.last_critic
        values = torch.stack(
            [
                self.last_generator,
                terms.loss,
                terms.score_real,
                terms.score_fake,
                terms.gradient_penalty,
                terms.gradient_norm,
            ]
        ).tolist()
        self.history.append([self.steps, round(self.steps / self.steps_per_epoch, 4), *values])
        return self.history[-1]

    @torch.no_grad()
    def vitals(self) -> Vitals:
        """What ``health`` looks at.

        The diversity is that of the generator itself, which collapses long before its average; of several
        classes, that of the one whose samples differ least.
        """
        latents, noise, labels = self.sample_inputs
        with self.autocast():
            images = self.generator(latents, noise, labels=labels)
            score = self.critic(images, labels).mean()
        diversity = least_diversity(images.clamp(-1, 1), labels, self.real_distances)
        return Vitals(
            self.last_generator, self.last_critic.loss, self.last_critic.gradient_penalty, score, diversity
        )

    def state(self, seconds: float) -> dict[str, Any]:
        """Everything that the rest of the training depends on."""
        return {
            "steps": self.steps,
            "seconds": seconds,
            "history": self.history,
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "critic": self.critic.state_dict(),
            "generator_optimiser": self.generator_optimiser.state_dict(),
            "critic_optimiser": self.critic_optimiser.state_dict(),
            "loss": self.loss.state(),
            "random": self.random.get_state(),
            "data": self.data.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to a saved ``state``."""
        self.steps, self.seconds_before, self.history = state["steps"], state["seconds"], state["history"]
        self.last_good = self.steps
        self.generator.load_state_dict(state["generator"])
        self.average.load_state_dict(state["average"])
        self.critic.load_state_dict(state["critic"])
        self.generator_optimiser.load_state_dict(state["generator_optimiser"])
        self.critic_optimiser.load_state_dict(state["critic_optimiser"])
        self.loss.load_state(state["loss"])
        self.data.load_state(state["data"])
        self.random.set_state(state["random"].cpu())


# --- length and fingerprint ---------------------------------------------------------------------


def steps_per_epoch(config: params.Gan, images: int) -> float:
    """Generator steps of one epoch.

    These are 48 for the paper's 779 images in batches of 16, or a third of that by ``data_passes``.
    """
    batches = max(1, images // config.batch_size)
    return batches if config.epoch == "generator_steps" else batches / config.n_critic


def total_steps(config: params.Gan, images: int) -> int:
    """Generator steps of the whole training: ``config.steps``, or ``config.epochs`` epochs."""
    if config.steps is not None:
        return config.steps
    return max(1, round(config.epochs * steps_per_epoch(config, images)))


def training_fingerprint(
    images: np.ndarray, config: params.Gan, device: str, seed: int, labels: np.ndarray | None = None
) -> str:
    """Equal for trainings that may go on from each other's checkpoints."""
    values = params.result_values(config)
    start = [file_digest(path) for path in initial_files(config)]
    code = code_fingerprint("helpers.gan.training", RECIPES.module(config.recipe))
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
    precision, benchmark = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    if device.startswith("cuda"):
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.benchmark = benchmark
