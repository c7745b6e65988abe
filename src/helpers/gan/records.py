"""What a training records for people to look at: history, sample grids, TensorBoard, timing.

None of it changes a weight.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from helpers import params
from helpers.cores import allowed_cores
from helpers.device import describe_device
from helpers.files import atomic_path, write_table
from helpers.gan.networks import Generator

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

GRID = (6, 4)  # columns and rows of a sample grid
SAMPLE_SEED = 2**32  # above any seed that a parameter may have


def write_history(columns: Sequence[str], rows: list[list[float]], directory: Path) -> pd.DataFrame:
    """Write history.csv as a whole, so that a resumed training repeats no row; return it.

    A row is step, epoch and the ``columns`` of the recipe's trainer.
    """
    history = pd.DataFrame(rows, columns=["step", "epoch", *columns]).astype({"step": int})
    write_table(directory / "history.csv", history)
    return history


def sample_inputs(
    generator: Generator, seed: int, device: str, classes: int = 1
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Latents, noise and classes of the sample grid, in which one class follows another.

    They are the same for every grid of a training, and come from a source of their own, so that sampling does
    not change the training.
    """
    random = torch.Generator().manual_seed(SAMPLE_SEED + seed)
    count = GRID[0] * GRID[1]
    latents = torch.randn(count, generator.latent_size, generator=random)
    noise = torch.randn(count, generator.noise_size, generator=random)
    labels = torch.arange(count) * classes // count
    return latents.to(device), noise.to(device), labels.to(device)


def sample_grid(images: np.ndarray) -> np.ndarray:
    """uint8 (24, R, R, 3) side by side: one picture of GRID columns and rows."""
    columns, rows = GRID
    side = images.shape[1]
    return images.reshape(rows, columns, side, side, 3).swapaxes(1, 2).reshape(rows * side, columns * side, 3)


def write_samples(grid: np.ndarray, step: int, directory: Path) -> Path:
    """Write samples/step-<7 digits>.png in ``directory``; return its path."""
    path = directory / "samples" / f"step-{step:07d}.png"
    with atomic_path(path) as temporary:
        Image.fromarray(grid).save(temporary)
    return path


class Scalars:
    """TensorBoard's files in ``directory``/tensorboard; does nothing where ``wanted`` is false.

    ``columns`` are those of the trainer. Rows of an earlier start from ``first_step`` on are removed.
    """

    def __init__(self, directory: Path, wanted: bool, columns: Sequence[str], first_step: int):
        self.columns = columns
        self.writer: SummaryWriter | None = None
        if wanted:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(directory / "tensorboard"), purge_step=first_step)

    def row(self, row: Sequence[float]) -> None:
        """One row of the history."""
        if self.writer:
            for name, value in zip(("epoch", *self.columns), row[1:], strict=True):
                self.writer.add_scalar(name, value, int(row[0]))

    def grid(self, grid: np.ndarray, step: int) -> None:
        """One sample grid."""
        if self.writer:
            self.writer.add_image("samples", grid, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is still held back."""
        if self.writer:
            self.writer.close()


class TrainingClock:
    """The time that a training takes, over all its starts.

    ``steps_before`` and ``seconds_before`` are those of earlier starts. Rates are per thousand real images
    that were trained on.
    """

    def __init__(self, images_per_step: int, steps_before: int = 0, seconds_before: float = 0.0):
        self.images_per_step = images_per_step
        self.steps_before, self.seconds_before = steps_before, seconds_before
        self.began = self.saved_at = time.monotonic()

    def seconds(self) -> float:
        """Of all starts."""
        return self.seconds_before + time.monotonic() - self.began

    def minutes_since_saved(self) -> float:
        """Since the last checkpoint of this start, or its beginning."""
        return (time.monotonic() - self.saved_at) / 60

    def saved(self) -> None:
        """A checkpoint was written."""
        self.saved_at = time.monotonic()

    def seconds_per_kimg(self, steps: int) -> float:
        """Of this start, which has now come to ``steps``."""
        images = max(1, (steps - self.steps_before) * self.images_per_step)
        return (time.monotonic() - self.began) / images * 1000

    def summary(
        self, steps: int, config: params.Gan, device: str, dtype: torch.dtype | None, how: str
    ) -> dict[str, Any]:
        """What timing.json says: seconds of all starts, images, s/kimg, and where and ``how`` steps ran."""
        images = steps * self.images_per_step
        return {
            "seconds": round(self.seconds(), 1),
            "steps": steps,
            "images": images,
            "seconds_per_kimg": round(self.seconds() / images * 1000, 2),
            "device": describe_device(device),
            "threads": config.threads,
            "precision": "float32" if dtype is None else str(dtype).removeprefix("torch."),
            "cpu_cores": allowed_cores(),
            "steps_ran": how,
        }
