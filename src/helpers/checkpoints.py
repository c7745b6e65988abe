"""Resumable states of a training: whole or absent, the last two kept, never those of another training.

A checkpoint holds a step, a state (tensors, numbers, texts, and dicts and lists of them), a
fingerprint of what is being trained, and a checksum of the three, because torch.load notices no flipped bit.
It is read with ``weights_only=True``: no code runs from it.
"""

import hashlib
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

from helpers.errors import UserError
from helpers.files import atomic_path, remove_leftovers

NAME = re.compile(r"checkpoint-(\d{9,})\.pt")
KEPT = 2  # the one before the newest stays, in case the newest is damaged
SET_ASIDE = re.compile(r"stale-(\d+)")


def list_checkpoints(directory: Path | str) -> list[tuple[int, Path]]:
    """``(step, path)`` of every checkpoint in ``directory``, newest first."""
    matches = [(NAME.fullmatch(path.name), path) for path in Path(directory).glob("checkpoint-*.pt")]
    return sorted(((int(match[1]), path) for match, path in matches if match), reverse=True)


def save_checkpoint(directory: Path | str, step: int, state: dict[str, Any], fingerprint: str) -> Path:
    """Write ``state`` at ``step`` (0 or more) to ``directory`` atomically, and remove all but the last two.

    Raises UserError where the file cannot be written (a full disk, mostly); what was there stays.
    """
    import torch

    path = Path(directory) / f"checkpoint-{step:09d}.pt"
    try:
        with atomic_path(path) as temporary:
            torch.save(
                {
                    "step": step,
                    "fingerprint": fingerprint,
                    "state": state,
                    "sha256": _checksum(step, fingerprint, state),
                },
                temporary,
            )
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"The checkpoint {path} could not be written ({error}): free some disk space and start again; "
            "the run resumes from the checkpoint before."
        ) from error
    for _, old in list_checkpoints(directory)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def load_latest(
    directory: Path | str, fingerprint: str, map_location: Any = "cpu"
) -> tuple[int, dict[str, Any]] | None:
    """``(step, state)`` of the newest whole checkpoint with this ``fingerprint``, or None.

    A damaged one is renamed to ``*.damaged`` with a warning, and the one before is tried. One with
    another fingerprint is moved to ``stale-<n>/`` with a warning: it belongs to another training.
    The last damaged one and the last two stale folders are kept.
    """
    directory = Path(directory)
    remove_leftovers(directory)  # of a training killed while it wrote
    stale = []
    found = None
    for step, path in list_checkpoints(directory):
        content = _read(path, map_location)
        if content is None:
            for older in directory.glob("checkpoint-*.damaged"):
                older.unlink()
            path.replace(path.with_suffix(".damaged"))
            warnings.warn(
                f"The checkpoint {path.name} in {directory} is damaged and was set aside; "
                "the one before is used, if there is one.",
                stacklevel=2,
            )
        elif content["fingerprint"] != fingerprint:
            stale.append(path)
        elif found is None:
            found = (step, content["state"])
    if stale:
        folder = _set_aside(directory, stale)
        warnings.warn(
            f"Checkpoints in {directory} belong to other parameters, images or code "
            f"and were moved to {folder.name}/; they are not resumed.",
            stacklevel=2,
        )
    return found


def _read(path: Path, map_location: Any) -> dict[str, Any] | None:
    """The checkpoint's content, or None where it is damaged."""
    import torch

    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
        whole = content["sha256"] == _checksum(content["step"], content["fingerprint"], content["state"])
    except (MemoryError, torch.OutOfMemoryError):
        raise  # the file may well be whole
    except Exception:  # a cut or changed file fails in many ways: zip, pickle, key, end of file
        return None
    return content if whole else None


def _checksum(*values: Any) -> str:
    """SHA-256 of nested values: of a tensor its type, shape and bytes, of anything else its text."""
    found = hashlib.sha256()
    _feed(found, values)
    return found.hexdigest()


def _feed(found: Any, value: Any) -> None:
    import torch

    if isinstance(value, torch.Tensor):
        found.update(f"{value.dtype}{tuple(value.shape)}".encode())
        found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    elif isinstance(value, (list, tuple, dict)):
        found.update(f"{len(value)} in {'{}' if isinstance(value, dict) else '[]'}".encode())
        for item in value.items() if isinstance(value, dict) else value:
            _feed(found, item)
    else:
        found.update(f"{value!r};".encode())


def _set_aside(directory: Path, paths: list[Path]) -> Path:
    """Move ``paths`` to the next ``stale-<n>/`` of ``directory``; of those before, the last one stays."""
    folders = sorted(
        (int(match[1]), path)
        for path in directory.glob("stale-*")
        if (match := SET_ASIDE.fullmatch(path.name))
    )
    for _, old in folders[: 1 - KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    folder = directory / f"stale-{folders[-1][0] + 1 if folders else 1}"
    folder.mkdir()
    for path in paths:
        path.replace(folder / path.name)
    return folder


def remove_checkpoints(directory: Path | str) -> None:
    """Remove the checkpoints of a training that is done."""
    for _, path in list_checkpoints(directory):
        path.unlink(missing_ok=True)
