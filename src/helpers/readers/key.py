"""The key of a reader study: which image is which. It stays with the run, and no reader sees it.

It lies in ``artifacts/<run>/readers``: key-<study>.json, images-<study>.npy with the pixels in the order of
the key, machine-<study>.json, and answers/, into which the readers' files are put.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from helpers.errors import UserError
from helpers.files import atomic_path, digest, write_json
from helpers.paths import RunPaths, as_typed

REAL, SYNTHETIC = "real", "synthetic"
ID_DIGITS = 12
STUDY_DIGITS = 10


@dataclass(frozen=True)
class Chosen:
    """One image of a study: its pixels, uint8 (R, R, 3), and what the key says of it."""

    pixels: np.ndarray
    origin: dict[str, Any]

    @property
    def id(self) -> str:
        """A name that tells nothing but the pixels themselves: hexadecimal digits of their SHA-256."""
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()[:ID_DIGITS]


@dataclass(frozen=True)
class Key:
    """One study: its id, when it was made, what it was drawn from, its classes and what each image is."""

    study: str
    made: str  # date and time, UTC
    target: str  # the class of all images
    classes: tuple[str, ...]  # the diagnoses that a reader chooses from
    draw: dict[str, Any]  # images, from, seed
    origins: dict[str, dict[str, Any]]  # by image id, in the order of the ids
    pixels: np.ndarray  # uint8 (n, R, R, 3), in the same order

    @property
    def synthetic(self) -> dict[str, bool]:
        """Whether each image is synthetic, by id."""
        return {name: origin["kind"] == SYNTHETIC for name, origin in self.origins.items()}


def study_id(images: Sequence[Chosen], classes: Sequence[str]) -> str:
    """The name of a study, equal for equal images and classes; it tells nothing else."""
    return digest([image.id for image in images], list(classes), length=STUDY_DIGITS)


def write_key(
    run: RunPaths, images: Sequence[Chosen], target: str, classes: Sequence[str], draw: dict[str, Any]
) -> Path:
    """Write the key and the pixels of a study, and make the folder for the answers; the key's path."""
    study = study_id(images, classes)
    run.reader_answers.mkdir(parents=True, exist_ok=True)
    with atomic_path(run.readers / f"images-{study}.npy") as temporary:
        np.save(temporary, np.stack([image.pixels for image in images]))
    content = {
        "study": study,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "target": target,
        "classes": list(classes),
        "draw": draw,
        "origins": {image.id: image.origin for image in images},
    }
    return write_json(key_path(run, study), content)


def key_path(run: RunPaths, study: str) -> Path:
    """Where the key of a study lies."""
    return run.readers / f"key-{study}.json"


def machine_path(run: RunPaths, study: str) -> Path:
    """Where the answers of the program in a reader's place lie; they are shown beside readers' alone."""
    return run.readers / f"machine-{study}.json"


def read_key(run: RunPaths, study: str) -> Key:
    """The key of a study, with its pixels. Raises UserError where one of its files is missing or damaged."""
    path = key_path(run, study)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        pixels = np.load(run.readers / f"images-{study}.npy", allow_pickle=False)
        key = Key(**content | {"classes": tuple(content["classes"])}, pixels=pixels)
        if key.study != study or len(pixels) != len(key.synthetic):
            raise ValueError("they do not belong together")
        return key
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise UserError(
            f"{as_typed(path)} or the images beside it are damaged ({error}): the same --reader-study "
            "command as before writes them anew."
        ) from None
