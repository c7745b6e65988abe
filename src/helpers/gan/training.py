"""Training of the GAN: the loop, the step, and the state from which a training goes on.

Read ``train_gan`` first, then ``Trainer.step``: n_critic critic steps on fresh batches, one generator step, one step of
the moving average. Networks, losses, health and records stand in files of their own. Everything random comes from two
sources: one for training, one for the sample grids, so that looking at the samples changes nothing.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from helpers import params
from helpers.checkpoints import list_checkpoints, load_latest, remove_checkpoints, save_checkpoint
from helpers.device import resolve_precision
from helpers.errors import DataError, TrainingError
from helpers.files import array_digest, digest, file_digest, write_json
from helpers.fingerprints import source_digest
from helpers.gan import TRAINING_CODE
from helpers.gan.batches import ImageStream, to_bytes
from helpers.gan.graphs import GraphedStep
from helpers.gan.health import CHECK_EVERY, Vitals, mean_distance, real_distance, require_health
from helpers.gan.losses import CriticLoss, build_loss
from helpers.gan.networks import initial_deviation
from helpers.gan.records import Scalars, Sitting, sample_grid, sample_inputs, write_history, write_samples
from helpers.gan.weights import build_networks, initial_files, save_networks
from helpers.progress import Progress

MAPPING_RATE = 0.01  # of the other layers' learning rate, where rates are equalised


def train_gan(
    images: np.ndarray,
    config: params.Gan,
    directory: Path | str,
    device: str,
    seed: int = 0,
    resume: bool = True,
) -> pd.DataFrame:
    """Train generator and critic on ``images`` (uint8, N x R x R x 3); return the history, one row per logged step.

    Goes on from the newest checkpoint in ``directory`` that belongs to these parameters, images, code, device kind and
    seed, unless ``resume`` is false; on a CPU the result is then the same to the bit as without the interruption. Writes generator.safetensors (the
    moving average), discriminator.safetensors, history.csv, samples/step-<7 digits>.png, timing.json, checkpoint-*.pt.
    Raises DataError for unfit images, TrainingError when the training is sick (see ``health``).
    """
    images = _checked(images, config)
    torch.set_num_threads(config.threads)
    directory = Path(directory)
    trainer = Trainer(images, config, device, seed)
    fingerprint = training_fingerprint(images, config, device, seed)
    if not resume:
        remove_checkpoints(directory)
    found = load_latest(directory, fingerprint, map_location=device)
    if found is not None:
        trainer.load_state(found[1])
    else:
        for grid in (directory / "samples").glob("step-*.png"):
            grid.unlink()  # of another training

    progress = Progress("GAN", trainer.total_steps, "step")
    sitting = Sitting(config.batch_size * config.n_critic, trainer.steps, trainer.seconds_before)
    scalars = Scalars(directory, config.tensorboard, trainer.steps + 1)
    with fast_arithmetic(device):
        while trainer.steps < trainer.total_steps:
            trainer.step()
            step = trainer.steps
            last = step == trainer.total_steps
            if step % config.log_every == 0 or step == 1 or last:
                scalars.row(trainer.log())
            if step % config.sample_every == 0 or step == 1 or last:
                grid = sample_grid(trainer.samples())
                write_samples(grid, step, directory)
                scalars.grid(grid, step)
            due = sitting.minutes_since_saved() >= config.checkpoint_minutes or last
            if due or step % CHECK_EVERY == 0:
                _examine(trainer, directory)
            if due:  # and in good health
                save_checkpoint(directory, step, trainer.state(sitting.seconds()), fingerprint)
                sitting.saved()
                write_history(trainer.history, directory)
            progress.update(step, f"{sitting.seconds_per_kimg(step):.1f} s/kimg")
    progress.close()
    scalars.close()

    save_networks(trainer.average, trainer.critic, directory)
    write_json(directory / "timing.json", sitting.summary(trainer.steps, config, device, trainer.dtype))
    return write_history(trainer.history, directory)


def _examine(trainer: "Trainer", directory: Path) -> None:
    """Stop a sick training; its history stays to be looked at."""
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
    """Both networks, the generator's moving average, the optimisers, and where training stands."""

    def __init__(self, images: np.ndarray, config: params.Gan, device: str, seed: int):
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
        self.generator_optimiser = _adam(self.generator, config.lr_generator, config, device)
        self.critic_optimiser = _adam(self.critic, config.lr_discriminator, config, device)
        self.loss = build_loss(config, device)
        self.random = torch.Generator(device).manual_seed(seed)
        self.data = ImageStream(images, config.batch_size, config.flips, device, self.random)
        self.sample_inputs = sample_inputs(self.generator, seed, device)
        self.real_distance = real_distance(images)
        self.last_critic: CriticLoss | None = None
        self.last_generator: Tensor | None = None
        if device.startswith("cuda"):
            self.critic_step, self.generator_step = (
                GraphedStep(self.critic_step),
                GraphedStep(self.generator_step),
            )

    def step(self) -> None:
        """n_critic critic steps, one generator step with one step of the moving average."""
        for turn in range(self.config.n_critic):
            regularised = self.loss.critic_regularised(self.steps * self.config.n_critic + turn)
            real = self.data.next_batch()
            self.last_critic = self.critic_step(
                real, *self.draw_inputs(), self.draw_uniform(self.loss.critic_draws), regularised=regularised
            )
        regularised = self.loss.generator_regularised(self.steps)
        self.last_generator = self.generator_step(
            *self.draw_inputs(), self.draw_uniform(self.loss.generator_draws), regularised=regularised
        )
        self.steps += 1

    def critic_step(
        self, real: Tensor, latents: Tensor, noise: Tensor, draws: Tensor, regularised: bool = False
    ) -> CriticLoss:
        """Descend the critic's loss on one batch of real images and one of the generator's."""
        self.critic.update_spectral_norms()
        with self.autocast():
            with torch.no_grad():
                fake = self.generator(latents, noise)
            terms = self.loss.critic(self.critic, real, fake, draws, regularised)
        _descend(terms.loss, self.critic_optimiser, self.critic_weights)
        terms = replace(terms, **{field.name: getattr(terms, field.name).detach() for field in fields(terms)})
        self.loss.after_step(terms)
        return terms

    def generator_step(
        self, latents: Tensor, noise: Tensor, draws: Tensor, regularised: bool = False
    ) -> Tensor:
        """Descend the generator's loss on one batch, and move the average."""
        with self.autocast():
            loss = self.loss.generator(self.generator, self.critic, latents, noise, draws, regularised)
        _descend(loss, self.generator_optimiser, self.generator_weights)
        with torch.no_grad():  # or the average's history would grow with every step
            torch._foreach_lerp_(
                list(self.average.parameters()), list(self.generator.parameters()), 1 - self.config.ema_decay
            )
        return loss.detach()

    def autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.split(":")[0], dtype=self.dtype or torch.bfloat16, enabled=self.dtype is not None
        )

    def draw_inputs(self) -> tuple[Tensor, Tensor]:
        """Latents and noise of one batch."""
        sizes = self.generator.latent_size, self.generator.noise_size
        return tuple(
            torch.randn(self.config.batch_size, size, generator=self.random, device=self.device)
            for size in sizes
        )

    def draw_uniform(self, count: int) -> Tensor:
        """``count`` numbers from 0 to 1 for each image of a batch."""
        return torch.rand(self.config.batch_size, count, generator=self.random, device=self.device)

    @torch.no_grad()
    def samples(self) -> np.ndarray:
        """uint8 (24, R, R, 3): the moving average's images of the same latents as ever."""
        with self.autocast():
            return to_bytes(self.average(*self.sample_inputs))

    def log(self) -> list[float]:
        """Append this step's row to the history."""
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
        """What a look at the training's health sees; the diversity is that of the generator itself, which collapses long before its average."""
        with self.autocast():
            images = self.generator(*self.sample_inputs)
            score = self.critic(images).mean()
        diversity = mean_distance(images.clamp(-1, 1)) / self.real_distance
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
        for name in ("generator", "average", "critic", "generator_optimiser", "critic_optimiser"):
            getattr(self, name).load_state_dict(state[name])
        for name in ("loss", "data"):
            getattr(self, name).load_state(state[name])
        self.random.set_state(state["random"].cpu())


def _descend(loss: Tensor, optimiser: torch.optim.Optimizer, weights: Sequence[Tensor]) -> None:
    """One optimiser step on the gradient of ``loss`` by ``weights`` alone: the other network's gradients are never computed."""
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        # fused Adam walks through both as they lie in memory: another layout would give every weight another one's gradient
        weight.grad = (
            gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)
        )
    optimiser.step()


def _adam(network: nn.Module, rate: float, config: params.Gan, device: str) -> torch.optim.Adam:
    groups = learning_rates(network, rate, config.equalised)
    return torch.optim.Adam(groups, betas=config.adam_betas, fused=True, capturable=device.startswith("cuda"))


def learning_rates(network: nn.Module, rate: float, equalised: bool) -> list[dict[str, Any]]:
    """Parameter groups for Adam: one rate for all, or each weight's rate in proportion to He's deviation for its number of inputs.

    The second is ProGAN's equalised learning rate (Karras et al. 2018). Adam does not see the scale of a gradient, so that
    scaling the rate equals scaling the weight in the forward pass. The mapping learns 100 times slower (Karras et al. 2019).
    """
    trained = [p for p in network.parameters() if p.requires_grad]
    if not equalised:
        return [{"params": trained, "lr": rate}]
    factors = {id(p): 1.0 for p in trained}
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            factors[id(module.weight)] = initial_deviation(module.weight)
    for weight in getattr(network, "mapping", nn.Module()).parameters():
        factors[id(weight)] *= MAPPING_RATE
    return [
        {"params": [p for p in trained if factors[id(p)] == factor], "lr": rate * factor}
        for factor in dict.fromkeys(factors[id(p)] for p in trained)
    ]


# --- how long, and what of ----------------------------------------------------------------------


def steps_per_epoch(config: params.Gan, images: int) -> float:
    """Generator steps of one epoch: 48 for the paper's 779 images in batches of 16, or a third of that by ``data_passes``."""
    batches = max(1, images // config.batch_size)
    return batches if config.epoch == "generator_steps" else batches / config.n_critic


def total_steps(config: params.Gan, images: int) -> int:
    """Generator steps of the whole training: ``config.steps``, or ``config.epochs`` epochs."""
    return (
        config.steps
        if config.steps is not None
        else max(1, round(config.epochs * steps_per_epoch(config, images)))
    )


def training_fingerprint(images: np.ndarray, config: params.Gan, device: str, seed: int) -> str:
    """Equal for trainings that may go on from each other's checkpoints."""
    values = params.result_values(config)
    start = [file_digest(path) for path in initial_files(config)]
    return digest(
        values, seed, device.split(":")[0], array_digest(images), start, source_digest(TRAINING_CODE)
    )


def _checked(images: np.ndarray, config: params.Gan) -> np.ndarray:
    side = config.resolution
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (side, side, 3):
        raise DataError(
            f"The GAN needs uint8 images of {side} x {side} x 3 (gan.resolution), not {images.dtype} of {' x '.join(map(str, images.shape[1:]))}."
        )
    if len(images) < 2:
        raise DataError(f"The GAN needs at least 2 training images of its class, not {len(images)}.")
    return np.ascontiguousarray(images)


@contextmanager
def fast_arithmetic(device: str) -> Iterator[None]:
    """On CUDA: TF32 for what autocast leaves in float32, and the fastest convolution algorithms; as it was afterwards."""
    precision, benchmark = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    if device.startswith("cuda"):
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.benchmark = benchmark
