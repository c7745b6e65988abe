"""How the learning rate of a training goes: it falls where nothing improves, or along a cosine.

Both are asked before each step and told of each epoch. A cosine is a function of the step alone; a plateau
remembers, and its memory is kept in checkpoints.
"""

import math
from typing import Any, Literal, Protocol

import torch

from helpers.params import Classifier as Config


class Schedule(Protocol):
    """What a training asks of its schedule."""

    def before_step(self, step: int) -> None:
        """Set the rate of step ``step``, counted from 0 over all epochs."""

    def after_epoch(self, row: dict[str, float]) -> None:
        """Take note of an epoch by its row of the history: ``validation_accuracy``, ``validation_loss``."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state``."""


class Plateau:
    """The rate falls by a factor where the monitored figure no longer improves: the paper's way."""

    def __init__(self, optimiser: torch.optim.Optimizer, config: Config):
        mode: Literal["max", "min"] = "max" if config.monitor == "accuracy" else "min"
        self.figure = f"validation_{config.monitor}"
        self.inner = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimiser, mode=mode, patience=config.scheduler_patience, factor=config.scheduler_factor
        )

    def before_step(self, step: int) -> None:
        """Within an epoch the rate stays."""

    def after_epoch(self, row: dict[str, float]) -> None:
        self.inner.step(row[self.figure])

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.inner.load_state_dict(state)


class Cosine:
    """The rate rises in proportion over the warm-up, then falls to 0 along half a cosine (Loshchilov and
    Hutter 2017) until the last epoch.
    """

    def __init__(self, optimiser: torch.optim.Optimizer, config: Config, steps: int):
        """``steps``: optimiser steps in an epoch."""
        self.optimiser, self.highest = optimiser, config.learning_rate
        self.rising, self.all = config.warmup_epochs * steps, config.max_epochs * steps

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0; positive at every step."""
        middle = step + 0.5  # of the step, so that neither the first nor the last has a rate of 0
        if middle < self.rising:
            return self.highest * middle / self.rising
        done = (middle - self.rising) / (self.all - self.rising)
        return self.highest * 0.5 * (1 + math.cos(math.pi * done))

    def before_step(self, step: int) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(step)

    def after_epoch(self, row: dict[str, float]) -> None:
        """The epochs' figures change nothing."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """There is nothing to remember."""


def make_schedule(optimiser: torch.optim.Optimizer, config: Config, steps: int) -> Schedule:
    """The schedule that ``config.schedule`` names, for trainings of ``steps`` steps an epoch."""
    return Cosine(optimiser, config, steps) if config.schedule == "cosine" else Plateau(optimiser, config)
