"""Training images on the device: uint8 there, shuffled, mirrored and made float without a loader process."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers.gan.networks import GROUP_SIZE

MIRRORED_AXES: dict[str, tuple[int, ...]] = {"none": (), "horizontal": (3,), "both": (3, 2)}


class ClassTurns:
    """Which classes the images of a training's batches are of: groups of one class, the classes in turn.

    Every class comes equally often, whatever its share of the training images: a class of a hundred images
    would else hardly be learnt beside one of thousands. A group is what minibatch standard deviation compares
    (networks.GROUP_SIZE), so that the critic sees how much the images of one class differ.
    """

    def __init__(self, classes: int, batch_size: int, device: str):
        self.group = math.gcd(batch_size, GROUP_SIZE)
        self.classes, self.groups = classes, batch_size // self.group
        self._labels = [
            torch.tensor(self.of_groups(batch), device=device).repeat_interleave(self.group)
            for batch in range(classes)
        ]

    def of_groups(self, batch: int) -> list[int]:
        """The classes of the groups of batch number ``batch``, counted from 0."""
        start = batch * self.groups
        return [(start + group) % self.classes for group in range(self.groups)]

    def labels(self, batch: int) -> Tensor:
        """The classes (N,) of the images of batch number ``batch``; int64, on the device."""
        return self._labels[batch % self.classes]


class _Shuffled:
    """Endless shuffled ``rows`` (n,): every one comes once before any comes again."""

    def __init__(self, rows: Tensor, random: torch.Generator):
        self.rows, self.random = rows, random
        self.order, self.position = rows[:0], 0

    def take(self, count: int) -> Tensor:
        """The next ``count`` rows."""
        while len(self.order) - self.position < count:
            shuffled = torch.randperm(len(self.rows), generator=self.random, device=self.rows.device)
            self.order, self.position = torch.cat([self.order[self.position :], self.rows[shuffled]]), 0
        self.position += count
        return self.order[self.position - count : self.position]


class ImageStream:
    """Endless batches of shuffled training images, which lie on the device as uint8.

    ``labels`` (N,) are the places of their classes (default: one class); each class is shuffled by itself.
    """

    def __init__(
        self,
        images: np.ndarray,
        batch_size: int,
        flips: str,
        device: str,
        random: torch.Generator,
        labels: np.ndarray | None = None,
    ):
        self.images = torch.from_numpy(images).to(device)
        self.batch_size, self.flips, self.random = batch_size, flips, random
        labels = np.zeros(len(images), np.int64) if labels is None else labels
        self.rows = [
            _Shuffled(torch.from_numpy(np.flatnonzero(labels == label)).to(device), random)
            for label in range(labels.max() + 1)
        ]

    def next_batch(self, groups: Sequence[int] = (0,)) -> Tensor:
        """(B, 3, R, R) float32 from -1 to 1, channels-last; ``groups``: the classes of equal parts of it.

        Every image of a class comes once before any of them comes again.
        """
        count = self.batch_size // len(groups)
        chosen = torch.cat([self.rows[label].take(count) for label in groups])
        return self._mirror(to_float(self.images[chosen]))

    def _mirror(self, batch: Tensor) -> Tensor:
        for axis in MIRRORED_AXES[self.flips]:
            heads = torch.rand(len(batch), 1, 1, 1, generator=self.random, device=batch.device) < 0.5
            batch = torch.where(heads, batch.flip(axis), batch)
        return batch

    def state(self) -> dict[str, Any]:
        """The order of the images and how far it is used up."""
        return {
            "orders": [rows.order for rows in self.rows],
            "positions": [rows.position for rows in self.rows],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to a saved ``state``."""
        for rows, order, position in zip(self.rows, state["orders"], state["positions"], strict=True):
            rows.order, rows.position = order.to(self.images.device), position


def to_float(images: Tensor) -> Tensor:
    """uint8 (N, R, R, 3) to float32 (N, 3, R, R) from -1 to 1; channels-last in memory."""
    return images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_bytes(images: Tensor) -> np.ndarray:
    """Float (N, 3, R, R) from -1 to 1 to uint8 (N, R, R, 3); what lies outside is cut off."""
    levels = images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
