"""Seals: the size and SHA-256 of every file that a finished job declared, so that a damaged one is found before it is used.

A job's record carries them, those of the files that it read, and a checksum of its own. The front door compares all of
them before each run, whatever the files' times say; a job compares those that it reads once more before it starts. The
arrays that jobs share (decoded images, features, banks) have their SHA-256 in a sidecar, and are looked at whenever there
is work to do.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from helpers.engine.stages import Job, inputs, jobs, outputs, upstream
from helpers.errors import UserError
from helpers.files import digest, file_digest, json_text, write_json
from helpers.params import Params
from helpers.paths import RunPaths

WHOLE = 64  # hexadecimal digits of a SHA-256
LARGE = 4e9  # bytes from which on the reader is told why nothing happens for a while
READERS = min(8, os.cpu_count() or 1)
CACHES = (
    "data/images-*.json",
    "data/features-*.json",
    "synthetic/*/features-*.json",
    "classifier/bank/*.json",
)


def write_record(run: RunPaths, job: Job, params: Params, record: dict[str, Any]) -> None:
    """Write a finished job's record with the seals of its outputs and of what it read."""
    sealed = {
        _name(path, run): {"bytes": path.stat().st_size, "sha256": file_digest(path, WHOLE)}
        for path in outputs(job, run, params)
    }
    record = record | {
        "files": sealed,
        "read": _read(job, run, params, _seals(_records(upstream(job, params), run))),
    }
    record = json.loads(json_text(record))  # as it will be read
    write_json(record_path(run, job), record | {"checksum": _checksum(record)})


def record_path(run: RunPaths, job: Job) -> Path:
    """Where a finished job says of itself what it did."""
    return run.logs / f"{job.name}.record.json"


def read_record(path: Path) -> dict[str, Any] | None:
    """A finished job's record; None where there is none, or where it is damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record if record.pop("checksum") == _checksum(record) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def damaged(
    run: RunPaths, params: Params, among: Iterable[Job], besides: tuple[str, ...] = ()
) -> dict[str, list[Path]]:
    """By job name, the files that are there and are not what the job wrote, or its record where that is damaged itself.

    A missing file is the engine's to see. ``besides``: endings of files that are not looked at.
    """
    found: dict[str, list[Path]] = {}
    to_read: list[tuple[str, Path, str]] = []
    for job in among:
        place = record_path(run, job)
        record = read_record(place)
        if record is None:
            found |= {job.name: [place]} if place.exists() else {}
            continue
        for path in outputs(job, run, params):
            seal = record["files"].get(_name(path, run))
            if seal is None or not path.exists() or path.suffix in besides:
                continue
            if path.stat().st_size != seal["bytes"]:
                found.setdefault(job.name, []).append(path)
            else:
                to_read.append((job.name, path, seal["sha256"]))
    for (name, path, sha256), is_now in zip(to_read, _digests([path for _, path, _ in to_read]), strict=True):
        if sha256 != is_now:
            found.setdefault(name, []).append(path)
    return found


def require_whole_inputs(run: RunPaths, params: Params, readers: Iterable[Job]) -> None:
    """Raises UserError, naming the file, where one that these jobs read is not what its job wrote."""
    readers = list(readers)
    # after the predictions nobody reads a network's weights
    besides = (".safetensors",) if all(job.stage in ("evaluation", "report") for job in readers) else ()
    read = {job.name: job for reader in readers for job in upstream(reader, params)}
    found = damaged(run, params, read.values(), besides)
    if found:
        name, paths = next(iter(found.items()))
        raise UserError(
            f"{_name(paths[0], run)} is damaged or was changed by hand: it is not what the job {name} wrote. run_all.py makes it anew (without --only)."
        )


def remove_damaged_caches(run: RunPaths) -> list[Path]:
    """Remove the arrays shared by jobs whose bytes are not those that were written, and return their paths; they are made anew when needed."""
    arrays, promised = [], []
    for sidecar in (path for pattern in CACHES for path in sorted(run.folder.glob(pattern))):
        array = sidecar.with_suffix(".npy")
        if array.exists():
            arrays.append(array)
            promised.append(_promised(sidecar))
    broken = [
        array
        for array, sha256, is_now in zip(arrays, promised, _digests(arrays), strict=True)
        if sha256 != is_now
    ]
    for array in broken:
        array.unlink()
    return broken


def _promised(sidecar: Path) -> str | None:
    try:
        return json.loads(sidecar.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def settle_times(paths: Iterable[Path]) -> None:
    """Set times that lie in the future, as a clock that jumped back leaves them, to now: the engine would find all that follows stale for ever."""
    now = time.time_ns()
    for path in paths:
        if path.exists() and path.stat().st_mtime_ns > now:
            os.utime(path, ns=(now, now))


def _records(among: Iterable[Job], run: RunPaths) -> dict[str, dict[str, Any]]:
    """What those of these jobs that have finished said of themselves, by job name."""
    return {job.name: record for job in among if (record := read_record(record_path(run, job)))}


def _seals(told: dict[str, dict[str, Any]]) -> dict[str, str]:
    """SHA-256 by name of every file that these records tell of."""
    return {name: seal["sha256"] for record in told.values() for name, seal in record["files"].items()}


def _read(job: Job, run: RunPaths, params: Params, seals: dict[str, str]) -> dict[str, str | None]:
    """The seals of the files that a job reads; None for one of which no record tells."""
    return {name: seals.get(name) for name in (_name(path, run) for path in inputs(job, run, params))}


def read_then_and_now(
    run: RunPaths, params: Params
) -> Iterator[tuple[Job, dict[str, str | None], dict[str, str | None]]]:
    """Every finished job with the seals of the files that it read, and those of the same files as they are told of now."""
    told = _records(jobs(params), run)
    seals = _seals(told)
    for job in jobs(params):
        if then := told.get(job.name, {}).get("read"):
            yield job, then, _read(job, run, params, seals)


def read_others(run: RunPaths, params: Params) -> set[str]:
    """Names of the finished jobs of whose inputs one has been made anew since, and came out otherwise; files' times may tell nothing of it."""
    return {
        job.name
        for job, then, now in read_then_and_now(run, params)
        if any(now.get(name) not in (None, seal) for name, seal in then.items())
    }


def order_times(run: RunPaths, params: Params) -> None:
    """Make no file older than those that it was made from, as a copy without its times does: the engine would make it anew.

    Known by the seals: a job that read other files than are there now is left alone, as is one whose record tells of none.
    """
    for job, then, now in read_then_and_now(run, params):
        if then != now or None in now.values():
            continue
        newest = max(
            (path.stat().st_mtime_ns for path in inputs(job, run, params) if path.exists()), default=0
        )
        for path in outputs(job, run, params):
            if path.exists() and path.stat().st_mtime_ns < newest:
                os.utime(path, ns=(newest, newest))


def take_back_times(run: RunPaths, params: Params, broken: dict[str, list[Path]]) -> None:
    """Give damaged files the time of the oldest that their job wrote."""
    for job in jobs(params):
        if job.name in broken:
            moment = _oldest(job, run, params)
            for path in broken[job.name]:
                os.utime(path, ns=(moment, moment))


def _oldest(job: Job, run: RunPaths, params: Params) -> int:
    return min(path.stat().st_mtime_ns for path in outputs(job, run, params) if path.exists())


class Repair:
    """The making anew of damaged files. Those that come out as before get their old times back, so that nothing behind them is made anew.

    Use: make one, let the engine make each of ``targets``, call ``settle``.
    """

    def __init__(self, run: RunPaths, params: Params, broken: dict[str, list[Path]]):
        self.run, self.params = run, params
        self.jobs = [job for job in jobs(params) if job.name in broken]
        self.before = {job.name: (self._seals(job), _oldest(job, run, params)) for job in self.jobs}

    def _seals(self, job: Job) -> dict[str, Any]:
        return (read_record(record_path(self.run, job)) or {}).get("files", {})

    def targets(self) -> list[list[str]]:
        """What the engine is to make, one list after the other: it does not look at jobs behind the first stage while that is to be made."""
        first = [job for job in self.jobs if job.stage == "eda"]
        rest = [job for job in self.jobs if job.stage != "eda"]
        return [
            [_name(path, self.run) for job in part for path in outputs(job, self.run, self.params)]
            for part in (first, rest)
            if part
        ]

    def settle(self) -> None:
        """Give the files that are what they were their old times."""
        for job in self.jobs:
            seals, moment = self.before[job.name]
            now = self._seals(job)
            for path in outputs(job, self.run, self.params):
                name = _name(path, self.run)
                if path.exists() and name in seals and seals[name] == now.get(name):
                    os.utime(path, ns=(moment, moment))


def _digests(paths: list[Path]) -> list[str]:
    """SHA-256 of every file, several at a time: hashlib works outside the interpreter's lock."""
    size = sum(path.stat().st_size for path in paths)
    if size > LARGE:
        print(f"Comparing {size / 1e9:.0f} GB of files with their checksums ...", flush=True)
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(_digest_if_readable, paths))


def _digest_if_readable(path: Path) -> str:
    try:
        return file_digest(path, WHOLE)
    except OSError:  # a bad block of the disk
        return ""


def _name(path: Path, run: RunPaths) -> str:
    return os.path.relpath(path, run.folder)


def _checksum(record: dict[str, Any]) -> str:
    return digest(record, length=WHOLE)
