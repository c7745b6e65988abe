"""Files that are either whole or absent: written under a temporary name, flushed, renamed."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is flushed and renamed to ``path``.

    On an exception the temporary file is removed and ``path`` is left as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # the ending is kept, for writers such as numpy.save and PIL choose by it
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> Path:
    """Write ``text`` (UTF-8) to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def write_if_changed(path: Path | str, text: str) -> Path:
    """Write ``text`` atomically, unless the file holds just that: then its time stays, and nothing after it is stale."""
    path = Path(path)
    return path if path.is_file() and path.read_bytes() == text.encode() else write_text(path, text)


def json_text(value: Any) -> str:
    """``value`` as the project writes JSON: indented, any script as it is, a line's end at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


def write_json(path: Path | str, value: Any) -> Path:
    """Write ``value`` as indented JSON to ``path`` atomically."""
    return write_text(path, json_text(value))


def write_table(path: Path | str, table: "pandas.DataFrame", **options: Any) -> Path:  # noqa: F821
    """Write a DataFrame as CSV (no index, floats to the last bit) to ``path`` atomically."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", **options)
    return Path(path)


def write_array(path: Path | str, array: np.ndarray) -> Path:
    """Write one array as ``.npy`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        np.save(temporary, array, allow_pickle=False)
    return Path(path)


def digest(*values: Any, length: int = 16) -> str:
    """A short hexadecimal SHA-256 of JSON-like values, equal for equal values on any machine."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def file_digest(path: Path | str, length: int = 16) -> str:
    """A short hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:length]
