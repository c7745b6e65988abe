"""What the training loop asks of a recipe's trainer, and what all trainers share."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers import params
from helpers.device import resolve_precision
from helpers.gan.batches import ClassTurns, ImageStream, to_bytes
from helpers.gan.health import real_distances
from helpers.gan.recipes import RECIPES
from helpers.gan.records import sample_inputs
from helpers.gan.weights import build_networks
from helpers.graphs import GraphedStep, how_steps_ran, on_device


class Trainer(ABC):
    """The generator, its moving average, the images, and where training stands.

    Everything random comes from two sources: one for training, one for the sample grids, so that looking at
    the samples changes nothing.
    """

    columns: tuple[str, ...]  # of history.csv after step and epoch, in the order of ``measurements``

    def __init__(
        self,
        images: np.ndarray,
        config: params.Gan,
        device: str,
        seed: int,
        labels: np.ndarray | None = None,
    ):
        """``labels`` (int64, N) are the places of the images' classes in ``config.classes``."""
        self.config, self.device = config, device
        self.dtype = resolve_precision(config.precision, device)
        self.total_steps = total_steps(config, len(images))
        self.steps_per_epoch = steps_per_epoch(config, len(images))
        self.images_per_step = config.batch_size * batches_per_step(config)
        self.steps, self.last_good, self.seconds_before = 0, 0, 0.0
        self.history: list[list[float]] = []
        self.networks = build_networks(config, seed, device)
        self.generator = self.networks[0]
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.generator_weights = [p for p in self.generator.parameters() if p.requires_grad]
        self.random = torch.Generator(device).manual_seed(seed)
        self.data = ImageStream(images, config.batch_size, config.flips, device, self.random, labels)
        self.turns = ClassTurns(len(config.classes), config.batch_size, device)
        self.sample_inputs = sample_inputs(self.generator, seed, device, len(config.classes))
        self.real_distances = real_distances(images, labels)
        self.graphed: list[GraphedStep] = []
        self.complete()

    @abstractmethod
    def complete(self) -> None:
        """Add what the recipe's training has besides: its loss, its optimisers. The constructor calls it."""

    @abstractmethod
    def step(self) -> None:
        """One step of the generator, with what belongs to it, and one of the moving average."""

    @abstractmethod
    def measurements(self) -> Tensor:
        """What the last step gave, a number for each of ``columns``; still on the device."""

    @abstractmethod
    def require_health(self, checkpoint: str) -> None:
        """Raise TrainingError where the training is sick; ``checkpoint`` is a sentence on where to go back.

        ``last_good`` is the step of the last check (0: there was none).
        """

    def compiled(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """``step`` itself on a CPU, and as a CUDA graph on a GPU."""
        found = on_device(step, self.device)
        if isinstance(found, GraphedStep):
            self.graphed.append(found)
        return found

    def how_steps_ran(self) -> str:
        """Of this start: 'one by one', 'CUDA graphs', or that graphs failed, and why."""
        return how_steps_ran(self.graphed)

    @torch.no_grad()
    def move_average(self, decay: float | None = None) -> None:
        """One step of the moving average, by ``gan.ema_decay`` where no ``decay`` is given."""
        weight = 1 - (self.config.ema_decay if decay is None else decay)
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), weight)

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
        """Append this step's row (step, epoch and ``columns``) to the history, and return it."""
        epoch = round(self.steps / self.steps_per_epoch, 4)
        self.history.append([self.steps, epoch, *self.measurements().tolist()])
        return self.history[-1]

    def state(self, seconds: float) -> dict[str, Any]:
        """Everything that the rest of the training depends on."""
        return {
            "steps": self.steps,
            "seconds": seconds,
            "history": self.history,
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "random": self.random.get_state(),
            "data": self.data.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to a saved ``state``."""
        self.steps, self.seconds_before, self.history = state["steps"], state["seconds"], state["history"]
        self.last_good = self.steps
        self.generator.load_state_dict(state["generator"])
        self.average.load_state_dict(state["average"])
        self.data.load_state(state["data"])
        self.random.set_state(state["random"].cpu())


def steps_per_epoch(config: params.Gan, images: int) -> float:
    """Generator steps of one epoch.

    These are 48 for the paper's 779 images in batches of 16, or a third of that by ``data_passes``.
    """
    batches = max(1, images // config.batch_size)
    return batches if config.epoch == "generator_steps" else batches / batches_per_step(config)


def batches_per_step(config: params.Gan) -> int:
    """Batches of real images that a generator step takes: the critic's, or 1 without a critic."""
    return config.n_critic if RECIPES.get(config.recipe).has_critic else 1


def total_steps(config: params.Gan, images: int) -> int:
    """Generator steps of the whole training: ``config.steps``, or ``config.epochs`` epochs."""
    if config.steps is not None:
        return config.steps
    return max(1, round(config.epochs * steps_per_epoch(config, images)))
