"""Training of the GAN: the loop, its state on disk, and the files that the later stages read.

Read ``train_gan`` first, then ``Trainer.step``: n_critic critic steps on fresh batches, one generator step, one step of
the moving average. Networks and losses stand in files of their own. Everything random comes from two sources: one for
training, one for the sample grids, so that looking at the samples changes nothing.
"""

import hashlib
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from helpers import params
from helpers.checkpoints import load_latest, save_checkpoint
from helpers.device import describe_device, resolve_precision
from helpers.engine.code import source_digest
from helpers.errors import DataError, TrainingError
from helpers.files import atomic_path, digest, file_digest, write_json, write_table
from helpers.gan.losses import CriticLoss, critic_loss, generator_loss
from helpers.gan.networks import Discriminator, Generator, initial_deviation
from helpers.paths import ROOT, require
from helpers.progress import Progress

HISTORY_COLUMNS = ("step", "epoch", "generator_loss", "critic_loss", "score_real", "score_fake", "gradient_penalty", "gradient_norm")
CODE = ("gan/networks.py", "gan/losses.py", "gan/training.py")  # what makes a training's numbers
WITHOUT_EFFECT = {"seeds", "checkpoint_minutes", "log_every", "sample_every"}  # on the weights of one seed
MAPPING_RATE = 0.01  # of the other layers' learning rate, where rates are equalised
RUNAWAY_PENALTY = 1000.0  # a gradient of norm 30 where 1 is wanted; a critic was never seen to come back from there
HEALTH_EVERY = 50  # steps between two looks at the losses; a look makes a GPU wait
GRID = (6, 4)  # columns and rows of a sample grid
SAMPLE_SEED = 2**32  # above any seed that a parameter may have


def train_gan(images: np.ndarray, config: params.Gan, directory: Path | str, device: str, seed: int = 0, resume: bool = True) -> pd.DataFrame:
    """Train generator and critic on ``images`` (uint8, N x R x R x 3); return the history, one row per logged step.

    Goes on from the newest checkpoint in ``directory`` that belongs to these parameters, images, code, device kind and
    seed; on a CPU the result is then the same to the bit as without the interruption. Writes generator.safetensors (the
    moving average), discriminator.safetensors, history.csv, samples/step-<7 digits>.png, timing.json, checkpoint-*.pt.
    Raises DataError for unfit images, TrainingError when a loss is no longer a finite number.
    """
    images = _checked(images, config)
    torch.set_num_threads(config.threads)
    directory = Path(directory)
    trainer = Trainer(images, config, device, seed)
    fingerprint = training_fingerprint(images, config, device, seed)
    found = load_latest(directory, fingerprint, map_location=device) if resume else None
    if found is not None:
        trainer.load_state(found[1])
    else:
        for grid in (directory / "samples").glob("step-*.png"):
            grid.unlink()  # of another training

    progress = Progress("GAN", trainer.total_steps, "step")
    sitting = Sitting(trainer)
    with _matrix_precision(device):
        while trainer.steps < trainer.total_steps:
            trainer.step()
            step = trainer.steps
            last = step == trainer.total_steps
            if step % config.log_every == 0 or step == 1 or last:
                trainer.log()
            if step % HEALTH_EVERY == 0:
                trainer.check_health()
            if step % config.sample_every == 0 or step == 1 or last:
                write_samples(trainer, directory)
            if sitting.minutes_since_saved() >= config.checkpoint_minutes or last:
                trainer.check_health()  # a checkpoint is always a good one
                save_checkpoint(directory, step, trainer.state(sitting.seconds()), fingerprint)
                sitting.saved()
                write_history(trainer.history, directory)
            progress.update(step, f"{sitting.seconds_per_kimg():.1f} s/kimg")
    progress.close()

    write_weights(trainer, directory)
    write_json(directory / "timing.json", sitting.summary(config, device))
    return write_history(trainer.history, directory)


class Trainer:
    """Both networks, the generator's moving average, the optimisers, and where training stands."""

    def __init__(self, images: np.ndarray, config: params.Gan, device: str, seed: int):
        self.config, self.device = config, device
        self.dtype = resolve_precision(config.precision, device)
        self.total_steps = total_steps(config, len(images))
        self.steps_per_epoch = steps_per_epoch(config, len(images))
        self.steps, self.seconds_before = 0, 0.0
        self.history: list[list[float]] = []
        self.generator, self.critic = build_networks(config, seed, device)
        self.average = build_networks(config, seed, device)[0].requires_grad_(False)
        self.average.load_state_dict(self.generator.state_dict())
        self.generator_weights = [p for p in self.generator.parameters() if p.requires_grad]
        self.critic_weights = list(self.critic.parameters())
        betas = config.adam_betas
        self.generator_optimiser = torch.optim.Adam(learning_rates(self.generator, config.lr_generator, config.equalised), betas=betas, fused=True)
        self.critic_optimiser = torch.optim.Adam(learning_rates(self.critic, config.lr_discriminator, config.equalised), betas=betas, fused=True)
        self.random = torch.Generator(device).manual_seed(seed)
        self.data = ImageStream(images, config.batch_size, config.flips, device, self.random)
        self.sample_inputs = _sample_inputs(self.generator, seed, device)
        self.last_critic: CriticLoss | None = None
        self.last_generator: Tensor | None = None

    def step(self) -> None:
        """n_critic critic steps, one generator step, one step of the moving average."""
        for _ in range(self.config.n_critic):
            self.last_critic = self.critic_step(self.data.next_batch(), *self.draw_inputs(), self.draw_mix())
        self.last_generator = self.generator_step(*self.draw_inputs())
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - self.config.ema_decay)
        self.steps += 1

    def critic_step(self, real: Tensor, latents: Tensor, noise: Tensor, mix: Tensor) -> CriticLoss:
        """Descend the critic's loss on one batch of real images and one of the generator's."""
        self.critic.update_spectral_norms()
        with self.autocast():
            with torch.no_grad():
                fake = self.generator(latents, noise)
            terms = critic_loss(self.critic, real, fake, mix, self.config.gradient_penalty, self.config.drift_penalty)
        _descend(terms.loss, self.critic_optimiser, self.critic_weights)
        return terms

    def generator_step(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Descend the generator's loss on one batch."""
        with self.autocast():
            loss = generator_loss(self.critic, self.generator(latents, noise))
        _descend(loss, self.generator_optimiser, self.generator_weights)
        return loss

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.split(":")[0], dtype=self.dtype or torch.bfloat16, enabled=self.dtype is not None)

    def draw_inputs(self) -> tuple[Tensor, Tensor]:
        """Latents and noise of one batch."""
        sizes = self.generator.latent_size, self.generator.noise_size
        return tuple(torch.randn(self.config.batch_size, size, generator=self.random, device=self.device) for size in sizes)

    def draw_mix(self) -> Tensor:
        """Where between real and fake the gradient is looked at."""
        return torch.rand(self.config.batch_size, generator=self.random, device=self.device)

    def log(self) -> None:
        """Append this step's row to the history; raise TrainingError where a value is not finite."""
        terms, loss = self.last_critic, self.last_generator
        values = torch.stack([loss, terms.loss, terms.score_real, terms.score_fake, terms.gradient_penalty, terms.gradient_norm]).detach().tolist()
        self._require_finite(values)
        self.history.append([self.steps, round(self.steps / self.steps_per_epoch, 4), *values])

    def check_health(self) -> None:
        """Raise TrainingError where a loss is not finite or the critic has run away; the history stays as it is."""
        values = torch.stack([self.last_generator, self.last_critic.loss, self.last_critic.gradient_penalty]).detach().tolist()
        self._require_finite(values)
        if values[-1] > RUNAWAY_PENALTY:
            calm = [row[0] for row in self.history if row[HISTORY_COLUMNS.index("gradient_penalty")] < 1]
            since = f"it was last below 1 at step {calm[-1]}" if calm else "it never was below 1"
            raise TrainingError(
                f"The critic has run away: its gradient penalty is {values[-1]:,.0f} at step {self.steps} ({since}), and what the generator learns from it "
                "is no longer images. Lower gan.lr_generator and gan.lr_discriminator, or end gan.steps before."
            )

    def _require_finite(self, values: Sequence[float]) -> None:
        if not all(map(math.isfinite, values)):
            good = f"the last finite losses were seen at step {self.history[-1][0]}" if self.history else "no step was finite"
            raise TrainingError(
                f"The GAN's losses are no longer finite numbers at step {self.steps} ({good}): lower gan.lr_generator or gan.lr_discriminator, "
                "or set gan.precision to float32. The last checkpoint is from before."
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
            "random": self.random.get_state(),
            "data": self.data.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to a saved ``state``."""
        self.steps, self.seconds_before, self.history = state["steps"], state["seconds"], state["history"]
        for name in ("generator", "average", "critic", "generator_optimiser", "critic_optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.random.set_state(state["random"].cpu())
        self.data.load_state(state["data"])


def _descend(loss: Tensor, optimiser: torch.optim.Optimizer, weights: Sequence[Tensor]) -> None:
    """One optimiser step on the gradient of ``loss`` by ``weights`` alone: the other network's gradients are never computed."""
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = gradient
    optimiser.step()


def learning_rates(network: nn.Module, rate: float, equalised: bool) -> list[dict[str, Any]]:
    """Parameter groups for Adam: one rate for all, or each weight's rate in proportion to its size at initialisation.

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
    return [{"params": [p for p in trained if factors[id(p)] == factor], "lr": rate * factor} for factor in dict.fromkeys(factors[id(p)] for p in trained)]


class ImageStream:
    """Endless batches of shuffled training images, which lie on the device as uint8."""

    def __init__(self, images: np.ndarray, batch_size: int, flips: str, device: str, random: torch.Generator):
        self.images = torch.from_numpy(images).to(device)
        self.batch_size, self.flips, self.random = batch_size, flips, random
        self.order = torch.empty(0, dtype=torch.int64, device=device)
        self.position = 0

    def next_batch(self) -> Tensor:
        """(B, 3, R, R) float32 from -1 to 1, channels-last; every image comes once before any comes again."""
        while len(self.order) - self.position < self.batch_size:
            shuffled = torch.randperm(len(self.images), generator=self.random, device=self.images.device)
            self.order, self.position = torch.cat([self.order[self.position :], shuffled]), 0
        chosen = self.order[self.position : self.position + self.batch_size]
        self.position += self.batch_size
        return self._mirror(to_float(self.images[chosen]))

    def _mirror(self, batch: Tensor) -> Tensor:
        for axis in {"none": (), "horizontal": (3,), "both": (3, 2)}[self.flips]:
            heads = torch.rand(len(batch), 1, 1, 1, generator=self.random, device=batch.device) < 0.5
            batch = torch.where(heads, batch.flip(axis), batch)
        return batch

    def state(self) -> dict[str, Any]:
        return {"order": self.order, "position": self.position}

    def load_state(self, state: dict[str, Any]) -> None:
        self.order, self.position = state["order"].to(self.order.device), state["position"]


def to_float(images: Tensor) -> Tensor:
    """uint8 (N, R, R, 3) to float32 (N, 3, R, R) from -1 to 1; channels-last without a copy."""
    return images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_bytes(images: Tensor) -> np.ndarray:
    """Float (N, 3, R, R) from -1 to 1 to uint8 (N, R, R, 3); what lies outside is cut off."""
    return images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


# --- how long, and what of ----------------------------------------------------------------------


def steps_per_epoch(config: params.Gan, images: int) -> float:
    """Generator steps of one epoch: 48 for the paper's 779 images in batches of 16, or a third of that by ``data_passes``."""
    batches = max(1, images // config.batch_size)
    return batches if config.epoch == "generator_steps" else batches / config.n_critic


def total_steps(config: params.Gan, images: int) -> int:
    """Generator steps of the whole training: ``config.steps``, or ``config.epochs`` epochs."""
    return config.steps if config.steps is not None else max(1, round(config.epochs * steps_per_epoch(config, images)))


def training_fingerprint(images: np.ndarray, config: params.Gan, device: str, seed: int) -> str:
    """Equal for trainings that may go on from each other's checkpoints."""
    values = {key: value for key, value in config.model_dump(mode="json").items() if key not in WITHOUT_EFFECT}
    content = hashlib.sha256(images).hexdigest()
    start = [file_digest(path) for path in _initial_files(config)]
    return digest(values, seed, device.split(":")[0], images.shape, content, start, source_digest(CODE))


def _checked(images: np.ndarray, config: params.Gan) -> np.ndarray:
    side = config.resolution
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (side, side, 3):
        raise DataError(f"The GAN needs uint8 images of {side} x {side} x 3 (gan.resolution), not {images.dtype} of {' x '.join(map(str, images.shape[1:]))}.")
    if len(images) < 2:
        raise DataError(f"The GAN needs at least 2 training images of its class, not {len(images)}.")
    return np.ascontiguousarray(images)


@contextmanager
def _matrix_precision(device: str) -> Iterator[None]:
    """TF32 for what autocast leaves in float32 on CUDA; as it was afterwards."""
    before = torch.get_float32_matmul_precision()
    if device.startswith("cuda"):
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


# --- networks -----------------------------------------------------------------------------------


def build_networks(config: params.Gan, seed: int, device: str) -> tuple[Generator, Discriminator]:
    """Both networks with weights drawn from ``seed`` (the same on any device), or read from ``config.initial_weights``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, critic = _empty_networks(config)
    for network, path in zip((generator, critic), _initial_files(config), strict=False):
        _load_weights(network, path)
    return tuple(network.to(device, memory_format=torch.channels_last) for network in (generator, critic))


def _empty_networks(config: params.Gan) -> tuple[Generator, Discriminator]:
    generator = Generator(config.resolution, config.channel_scale, config.style_order, config.rgb)
    return generator, Discriminator(config.resolution, config.channel_scale, config.spectral_norm)


def _initial_files(config: params.Gan) -> list[Path]:
    if config.initial_weights is None:
        return []
    given = Path(config.initial_weights).expanduser()
    folder = given if given.exists() else ROOT / given  # a job's working folder is not the reader's
    return [require(folder / f"{name}.safetensors", "gan") for name in ("generator", "discriminator")]


def load_generator(directory: Path | str, config: params.Gan, device: str) -> Generator:
    """The trained generator (moving average) of ``directory``; raises MissingStageError where there is none."""
    return _load_trained(_empty_networks(config)[0], Path(directory) / "generator.safetensors", device)


def load_discriminator(directory: Path | str, config: params.Gan, device: str) -> Discriminator:
    """The trained critic of ``directory``; raises MissingStageError where there is none."""
    return _load_trained(_empty_networks(config)[1], Path(directory) / "discriminator.safetensors", device)


def _load_trained(network: nn.Module, path: Path, device: str) -> Any:
    _load_weights(network, require(path, "gan"))
    return network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)


def _load_weights(network: nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise TrainingError(
            f"The weights in {path} were trained with another gan.resolution, channel_scale or spectral_norm: run the stage 'gan' anew ({_first_line(error)})."
        ) from None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[min(1, len(lines) - 1)].strip()


# --- files --------------------------------------------------------------------------------------


def write_weights(trainer: Trainer, directory: Path) -> None:
    """generator.safetensors (the moving average) and discriminator.safetensors."""
    for name, network in (("generator", trainer.average), ("discriminator", trainer.critic)):
        with atomic_path(directory / f"{name}.safetensors") as temporary:
            save_file({key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}, temporary)


def write_history(rows: list[list[float]], directory: Path) -> pd.DataFrame:
    """history.csv as a whole, so that a resumed training repeats no row."""
    history = pd.DataFrame(rows, columns=HISTORY_COLUMNS).astype({"step": int})
    write_table(directory / "history.csv", history)
    return history


def write_samples(trainer: Trainer, directory: Path) -> Path:
    """A grid of the moving average's images of the same latents as ever, as PNG."""
    with torch.no_grad(), trainer.autocast():
        images = to_bytes(trainer.average(*trainer.sample_inputs))
    columns, rows = GRID
    side = images.shape[1]
    grid = images.reshape(rows, columns, side, side, 3).swapaxes(1, 2).reshape(rows * side, columns * side, 3)
    path = directory / "samples" / f"step-{trainer.steps:07d}.png"
    with atomic_path(path) as temporary:
        Image.fromarray(grid).save(temporary)
    return path


def _sample_inputs(generator: Generator, seed: int, device: str) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(SAMPLE_SEED + seed)
    count = GRID[0] * GRID[1]
    return tuple(torch.randn(count, size, generator=random).to(device) for size in (generator.latent_size, generator.noise_size))


class Sitting:
    """The time that training takes, over all its sittings; in real images that the critic saw, by the thousand."""

    def __init__(self, trainer: Trainer):
        self.trainer, self.steps_before = trainer, trainer.steps
        self.began = self.saved_at = time.monotonic()

    def seconds(self) -> float:
        return self.trainer.seconds_before + time.monotonic() - self.began

    def minutes_since_saved(self) -> float:
        return (time.monotonic() - self.saved_at) / 60

    def saved(self) -> None:
        self.saved_at = time.monotonic()

    def seconds_per_kimg(self) -> float:
        images = (self.trainer.steps - self.steps_before) * self.images_per_step()
        return (time.monotonic() - self.began) / max(1, images) * 1000

    def images_per_step(self) -> int:
        return self.trainer.config.batch_size * self.trainer.config.n_critic

    def summary(self, config: params.Gan, device: str) -> dict[str, Any]:
        """What timing.json says: seconds of all sittings, images, s/kimg, and where and how it ran."""
        images = self.trainer.steps * self.images_per_step()
        return {
            "seconds": round(self.seconds(), 1),
            "steps": self.trainer.steps,
            "images": images,
            "seconds_per_kimg": round(self.seconds() / images * 1000, 2),
            "device": describe_device(device),
            "threads": config.threads,
            "precision": "float32" if self.trainer.dtype is None else str(self.trainer.dtype).removeprefix("torch."),
            "cpu_cores": os.cpu_count(),
        }
