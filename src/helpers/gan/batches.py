"""Training images on the device: uint8 there, shuffled, mirrored and made float without a loader process."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

MIRRORED_AXES: dict[str, tuple[int, ...]] = {"none": (), "horizontal": (3,), "both": (3, 2)}


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
        for axis in MIRRORED_AXES[self.flips]:
            heads = torch.rand(len(batch), 1, 1, 1, generator=self.random, device=batch.device) < 0.5
            batch = torch.where(heads, batch.flip(axis), batch)
        return batch

    def state(self) -> dict[str, Any]:
        """The order of the images and how far it is used up."""
        return {"order": self.order, "position": self.position}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to a saved ``state``."""
        self.order, self.position = state["order"].to(self.order.device), state["position"]


def to_float(images: Tensor) -> Tensor:
    """uint8 (N, R, R, 3) to float32 (N, 3, R, R) from -1 to 1; channels-last in memory."""
    return images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_bytes(images: Tensor) -> np.ndarray:
    """Float (N, 3, R, R) from -1 to 1 to uint8 (N, R, R, 3); what lies outside is cut off."""
    levels = images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
