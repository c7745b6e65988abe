"""The bank: outputs of the frozen trunk, computed once and shared by every training of a run.

The frozen stages never change, so their output for an image need not be computed again by each arm, replicate
and epoch. Augmentation would change the image each time; therefore the bank keeps K augmented variations of
each training image. The random numbers behind them come from the images' content, so that any job that comes
first builds the same bits, while the others wait. A file's key covers all that its content depends on.
"""

import errno
import math
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from helpers.classifier.augmentation import Augmentation, augment, plain
from helpers.classifier.backbones import BACKBONES
from helpers.classifier.model import Classifier
from helpers.data.resizing import resize_images
from helpers.errors import ParameterError, UserError
from helpers.files import array_digest, digest, file_digest, locked, open_whole_array, write_json
from helpers.fingerprints import code_fingerprint
from helpers.params import Classifier as Config
from helpers.progress import Progress

BATCH = 64  # images per pass of the trunk: fixed, because the last bits depend on the size of the batch


@dataclass(frozen=True)
class Bank:
    """Trunk outputs of some images, memory-mapped, and how they are stored."""

    outputs: np.ndarray  # int16 (images x copies, h, w, C): the bits of 16-bit floats
    dtype: torch.dtype  # bfloat16, or float16 for a trunk in float32
    copies: int  # variations per image, one after the other
    seconds: float  # that this process spent on building it

    def decode(self, bits: torch.Tensor) -> torch.Tensor:
        """Rows of ``outputs`` in the trunk's own form: (B, C, h, w), channels last."""
        return bits.view(self.dtype).permute(0, 3, 1, 2)


class BankMaker:
    """Builds or opens the banks of one network in one folder, ``artifacts/<run>/classifier/bank``."""

    def __init__(self, folder: Path | str, model: Classifier, config: Config, device: str):
        """Raises ParameterError where the network has no frozen stage."""
        if not config.frozen_stages:
            raise ParameterError(
                "classifier.bank keeps the outputs of frozen stages, and classifier.frozen_stages is 0: "
                "freeze some, or set the bank to 0."
            )
        self.folder, self.model, self.config, self.device = Path(folder), model, config, device
        size = config.image_size
        example = model.trunk(
            torch.zeros(1, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
        )
        _, channels, height, width = example.shape
        self.output = (height, width, channels)
        self.dtype = torch.bfloat16 if example.dtype == torch.bfloat16 else torch.float16
        settings = [getattr(config, key) for key in ("backbone", "image_size", "threads", "precision")]
        code = code_fingerprint("helpers.classifier.bank", BACKBONES.module(config.backbone))
        self.key = digest(settings, model.trunk_digest(), str(example.dtype), device.split(":")[0], code)

    def open(
        self, name: str, images: np.ndarray, content: str, rows: np.ndarray, augmentation: Augmentation | None
    ) -> Bank:
        """The bank of ``images[rows]``, built where it is missing.

        It holds ``config.bank`` variations of each, or the unchanged image's output where ``augmentation`` is
        None. ``images``: uint8 (N, R, R, 3), resized to ``config.image_size``; ``content``: their
        ``array_digest``; ``name``: of the kind of images, with which the file's name begins. A bank of this
        name with another key is removed. Raises UserError where the disk is too small.
        """
        copies = self.config.bank if augmentation else 1
        data = digest(content, array_digest(rows))
        key = digest(self.key, data, copies, asdict(augmentation) if augmentation else None)
        path = self.folder / f"{name}-{key}.npy"
        began = time.monotonic()
        with locked(self.folder / f"{name}.npy"):
            current = open_whole_array(path) is not None
            if not current:
                self._build(path, name, images, rows, augmentation, copies, int(data, 16))
        outputs = np.load(path, mmap_mode="r", allow_pickle=False)
        return Bank(
            outputs.reshape(-1, *self.output),
            self.dtype,
            copies,
            0.0 if current else time.monotonic() - began,
        )

    def _build(
        self,
        path: Path,
        name: str,
        images: np.ndarray,
        rows: np.ndarray,
        augmentation: Augmentation | None,
        copies: int,
        seed: int,
    ) -> None:
        """Write the outputs in the order of the images; continue a build that was cut off."""
        shape = (len(rows), copies, *self.output)
        partial = path.with_name(f".{path.stem}.partial")
        _remove_others(self.folder, name, keep=partial)
        progress = Progress(f"bank of {name} images", total=len(rows) * copies, unit="output")
        try:
            done = _begin(partial, shape)
            with open(partial, "ab") as file:
                for start in range(done, len(rows), BATCH):
                    batch = resize_images(images[rows[start : start + BATCH]], self.config.image_size)
                    outputs = [
                        self._outputs(batch, augmentation, np.random.SeedSequence([seed, start, copy]))
                        for copy in range(copies)
                    ]
                    file.write(np.stack(outputs, axis=1).data)
                    progress.update((start + len(batch)) * copies)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _cannot_write(partial, shape, error) from error
        finally:
            progress.close()
        os.replace(partial, path)
        write_json(path.with_suffix(".json"), {"sha256": file_digest(path, length=64)})

    def _outputs(
        self, batch: np.ndarray, augmentation: Augmentation | None, seed: np.random.SeedSequence
    ) -> np.ndarray:
        """int16 (B, h, w, C) of uint8 (B, S, S, 3)."""
        model = self.model
        if augmentation is None:
            inputs = plain(batch, model.mean, model.std, self.device)
        else:
            generator = torch.Generator().manual_seed(
                int(seed.generate_state(1, np.uint64)[0] >> np.uint64(1))
            )
            inputs = augment(batch, augmentation, generator, model.mean, model.std, self.device)
        outputs = model.trunk(inputs).to(self.dtype).permute(0, 2, 3, 1).contiguous()
        return outputs.view(torch.int16).cpu().numpy()


def _begin(path: Path, shape: tuple[int, ...]) -> int:
    """Make ``path`` an .npy file of int16 ``shape`` that holds its first rows only; their number.

    They are those of the whole batches that a build left that was cut off. Raises OSError where the rest will
    not fit on the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    there = path.stat().st_size if path.exists() else 0
    row_bytes = _bytes(shape) // shape[0]
    if shutil.disk_usage(path.parent).free + there < _bytes(shape):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with open(path, "r+b" if there else "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<i2", "fortran_order": False, "shape": shape})
        header = file.tell()
        done = max(0, there - header) // (row_bytes * BATCH) * BATCH
        file.truncate(header + done * row_bytes)
    return done


def _bytes(shape: tuple[int, ...]) -> int:
    return 2 * math.prod(shape)


def _cannot_write(path: Path, shape: tuple[int, ...], error: OSError) -> UserError:
    needed, free = _bytes(shape) / 1e9, shutil.disk_usage(path.parent).free / 1e9
    return UserError(
        f"The bank of {shape[0]:,} images with {shape[1]} outputs each takes {needed:.2g} GB in "
        f"{path.parent}, where {free:.2g} GB are free, and could not be written ({error.strerror}): make "
        "room, lower classifier.bank, or set it to 0."
    )


def _remove_others(folder: Path, name: str, keep: Path) -> None:
    """Remove the outputs of this name that were built with other parameters: they may take many gigabytes."""
    for pattern in (f"{name}-*.npy", f"{name}-*.json", f".{name}-*.partial"):
        for path in folder.glob(pattern):
            if path != keep:
                path.unlink(missing_ok=True)
