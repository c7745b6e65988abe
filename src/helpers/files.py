"""Files that are either whole or absent: written under a temporary name, flushed, renamed."""

import fcntl
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

BLOCK = 2**24  # bytes of an array read at a time
LEFTOVER = re.compile(r"\..+\.\d+\.tmp(\.\w+)?")  # what atomic_path calls a file until it is whole


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield an empty temporary file beside ``path``; on success it is flushed and renamed to ``path``.

    The file gets the mode that the umask gives. On an exception it is removed and ``path`` is left as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix is kept, because writers such as numpy.save and PIL choose the format by it
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        with open(temporary, "rb") as written:
            # safetensors replaces the file by one of its own, which only its owner can read
            os.fchmod(written.fileno(), mode)
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed writers left below ``folder``, while nobody writes there."""
    for place, _, names in os.walk(folder):
        for name in names:
            if LEFTOVER.fullmatch(name):
                Path(place, name).unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> Path:
    """Write ``text`` (UTF-8) to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def write_if_changed(path: Path | str, text: str) -> Path:
    """Write ``text`` atomically; a file that holds exactly this text already is not touched."""
    path = Path(path)
    return path if path.is_file() and path.read_bytes() == text.encode() else write_text(path, text)


def json_text(value: Any) -> str:
    """``value`` as the project writes JSON: indented, no character escaped, a line break at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


def write_json(path: Path | str, value: Any) -> Path:
    """Write ``value`` as indented JSON to ``path`` atomically."""
    return write_text(path, json_text(value))


def write_table(path: Path | str, table: "DataFrame", **options: Any) -> Path:
    """Write a DataFrame as CSV (no index, floats to the last bit) to ``path`` atomically."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", **options)
    return Path(path)


def read_table(path: Path | str, texts: Iterable[str] = ()) -> "DataFrame":
    """A table that ``write_table`` wrote, floats to the last bit.

    An empty one where the file is absent or empty. The columns ``texts`` stay text, whatever they look like.

    Only an empty field is a missing value: an arm or an image may be called ``NA``.
    """
    import pandas as pd

    try:
        return pd.read_csv(path, dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=[""])
    except (FileNotFoundError, pd.errors.EmptyDataError):
        return pd.DataFrame()


def digest(*values: Any, length: int = 16) -> str:
    """A short hexadecimal SHA-256 of JSON-like values, equal for equal values on any machine."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    # a file's name in a value may hold bytes that are not text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def file_digest(path: Path | str, length: int = 16) -> str:
    """A short hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:length]


def row_blocks(array: np.ndarray, rows: int | None = None) -> Iterator[np.ndarray]:
    """Copies of ``rows`` rows at a time (by default about BLOCK bytes); the last copy may hold fewer.

    Of a memory-mapped file no page stays in memory.
    """
    rows = rows or max(1, BLOCK * len(array) // max(1, array.nbytes))
    file = _mapped_file(array)
    for start in range(0, len(array), rows):
        # pages of a mapping count as the process's memory until it is closed: each block gets its own mapping
        source = array if file is None else np.load(file, mmap_mode="r")
        yield np.array(source[start : start + rows], order="C")


def _mapped_file(array: np.ndarray) -> Any:
    """The file of a memory-mapped array; None for a part of one, and for an array in memory."""
    if isinstance(array, np.memmap) and array.base is not None and not isinstance(array.base, np.ndarray):
        return array.filename
    return None


def array_digest(array: np.ndarray) -> str:
    """SHA-256 of an array's shape, type and values; read in blocks, so that a mapped file needs no memory."""
    found = hashlib.sha256(repr((array.shape, array.dtype.str)).encode())
    for block in row_blocks(array):
        found.update(block.data)
    return found.hexdigest()


def open_whole_array(path: Path, **expected: Any) -> np.memmap | None:
    """The array in ``path``, memory-mapped; None unless it is whole and its sidecar (.json) has ``expected``.

    The sidecar holds the ``sha256`` of the file, which is hashed again only if it is younger.
    """
    sidecar = path.with_suffix(".json")
    try:
        said = json.loads(sidecar.read_text(encoding="utf-8"))
        # this fails where the file is shorter than its header says
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if any(said[name] != value for name, value in expected.items()):
            return None
        if path.stat().st_mtime_ns >= sidecar.stat().st_mtime_ns:
            if file_digest(path, length=64) != said["sha256"]:
                return None
            os.utime(sidecar)
        return array
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time works on ``path``, a file or a folder; the lock file stands beside it.

    The lock ends with the process that holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f".{path.stem}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
