"""What a training leaves for people to look at: history, sample grids, TensorBoard, timing. None of it changes a weight."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from helpers import params
from helpers.device import describe_device
from helpers.files import atomic_path, write_table
from helpers.gan.networks import StyleGenerator

HISTORY_COLUMNS = (
    "step",
    "epoch",
    "generator_loss",
    "critic_loss",
    "score_real",
    "score_fake",
    "gradient_penalty",
    "gradient_norm",
)
GRID = (6, 4)  # columns and rows of a sample grid
SAMPLE_SEED = 2**32  # above any seed that a parameter may have


def write_history(rows: list[list[float]], directory: Path) -> pd.DataFrame:
    """history.csv as a whole, so that a resumed training repeats no row."""
    history = pd.DataFrame(rows, columns=HISTORY_COLUMNS).astype({"step": int})
    write_table(directory / "history.csv", history)
    return history


def sample_inputs(generator: StyleGenerator, seed: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents and noise of the sample grid: always the same, and from a source of their own, so that looking changes nothing."""
    random = torch.Generator().manual_seed(SAMPLE_SEED + seed)
    count = GRID[0] * GRID[1]
    return tuple(
        torch.randn(count, size, generator=random).to(device)
        for size in (generator.latent_size, generator.noise_size)
    )


def sample_grid(images: np.ndarray) -> np.ndarray:
    """uint8 (24, R, R, 3) side by side: one picture of GRID columns and rows."""
    columns, rows = GRID
    side = images.shape[1]
    return images.reshape(rows, columns, side, side, 3).swapaxes(1, 2).reshape(rows * side, columns * side, 3)


def write_samples(grid: np.ndarray, step: int, directory: Path) -> Path:
    """samples/step-<7 digits>.png."""
    path = directory / "samples" / f"step-{step:07d}.png"
    with atomic_path(path) as temporary:
        Image.fromarray(grid).save(temporary)
    return path


class Scalars:
    """TensorBoard's files in ``directory``/tensorboard; does nothing where ``wanted`` is false. A resumed training's later rows replace the old."""

    def __init__(self, directory: Path, wanted: bool, first_step: int):
        self.writer = None
        if wanted:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(directory / "tensorboard"), purge_step=first_step)

    def row(self, row: Sequence[float]) -> None:
        """One row of the history."""
        if self.writer:
            for name, value in zip(HISTORY_COLUMNS[1:], row[1:], strict=True):
                self.writer.add_scalar(name, value, int(row[0]))

    def grid(self, grid: np.ndarray, step: int) -> None:
        """One sample grid."""
        if self.writer:
            self.writer.add_image("samples", grid, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is still held back."""
        if self.writer:
            self.writer.close()


class Sitting:
    """The time that training takes, over all its sittings; in real images that the critic saw, by the thousand."""

    def __init__(self, images_per_step: int, steps_before: int = 0, seconds_before: float = 0.0):
        self.images_per_step, self.steps_before, self.seconds_before = (
            images_per_step,
            steps_before,
            seconds_before,
        )
        self.began = self.saved_at = time.monotonic()

    def seconds(self) -> float:
        """Of all sittings."""
        return self.seconds_before + time.monotonic() - self.began

    def minutes_since_saved(self) -> float:
        """Since the last checkpoint, or the beginning."""
        return (time.monotonic() - self.saved_at) / 60

    def saved(self) -> None:
        """A checkpoint was written."""
        self.saved_at = time.monotonic()

    def seconds_per_kimg(self, steps: int) -> float:
        """Of this sitting, which began at ``steps_before`` and stands at ``steps``."""
        return (
            (time.monotonic() - self.began)
            / max(1, (steps - self.steps_before) * self.images_per_step)
            * 1000
        )

    def summary(
        self, steps: int, config: params.Gan, device: str, dtype: torch.dtype | None
    ) -> dict[str, Any]:
        """What timing.json says: seconds of all sittings, images, s/kimg, and where and how it ran."""
        images = steps * self.images_per_step
        return {
            "seconds": round(self.seconds(), 1),
            "steps": steps,
            "images": images,
            "seconds_per_kimg": round(self.seconds() / images * 1000, 2),
            "device": describe_device(device),
            "threads": config.threads,
            "precision": "float32" if dtype is None else str(dtype).removeprefix("torch."),
            "cpu_cores": os.cpu_count(),
        }
