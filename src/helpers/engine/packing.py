"""Finished jobs of a run as one small file, by which they are taken from one machine to another.

``run_all.py --pack RUN --to FILE`` writes it, ``--unpack FILE`` puts its jobs beside those that are finished
here. It holds their tables, histories, predictions and records, which the evaluation and the page read, and
no picture. Networks and images, which are nearly all of a run's size, stay where they were made. The records
name them (``elsewhere``), and a job whose files are asked for by a new training is made anew (``plan``).
Probabilities are written with six digits, which makes the file half as large and moves no metric that is
shown.
"""

import argparse
import io
import json
import lzma
import tarfile
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from helpers.engine.process import run_lock
from helpers.engine.records import (
    PARTS,
    elsewhere,
    faults,
    here,
    read_record,
    read_sealed,
    record_path,
    sealed,
    whole,
)
from helpers.engine.runfile import load_runfile
from helpers.engine.stages import OF_ALL, Job, jobs, with_upstream
from helpers.errors import UserError
from helpers.files import atomic_path, json_text
from helpers.params import Params
from helpers.paths import RunPaths, as_typed

LARGE = (".safetensors", ".npy")  # networks and images
PROBABILITIES, DIGITS = "predictions", 6  # the tables that hold them, and the digits that are taken along
BESIDE = "timing.json"  # of a training's folder, which the page reads though it is no result
FORM = 1  # of the file
LARGEST = 2e9  # bytes of contents, beyond which a file is no part of a run
RECORD = ".record.json"
FOLDERS = ("data", "gan", "trunk", "synthetic", "classifier")  # of a run, that jobs write to

Files = dict[str, bytes]  # by their path from the run's folder


@dataclass(frozen=True)
class Packed:
    """What a file of finished jobs holds."""

    jobs: int
    left_out: int  # bytes of networks and images


@dataclass(frozen=True)
class Unpacked:
    """What became of the jobs in such a file."""

    run: RunPaths
    taken: list[str]  # names of jobs
    kept: list[str]  # those that are finished here already


def add_options(page: argparse.ArgumentParser) -> None:
    """``--pack RUN``, ``--to FILE`` and ``--unpack FILE``."""
    parts = page.add_argument_group("one run on several machines (docs/clusters.md)")
    parts.add_argument(
        "--pack",
        metavar="RUN",
        help="write a run's finished jobs, or those of --replicates, into one small file, without networks "
        "and images",
    )
    parts.add_argument("--to", metavar="FILE", help="the file that --pack writes (default: RUN.tar.xz)")
    parts.add_argument(
        "--unpack", metavar="FILE", help="put the jobs of such a file beside those that are finished here"
    )


def asked_for(options: argparse.Namespace) -> bool:
    """Whether packing or unpacking is asked for. Raises UserError for options that do not go together."""
    if options.to is not None and options.pack is None:
        raise UserError("--to names the file that --pack writes: give --pack RUN with it.")
    if options.pack is not None and options.unpack is not None:
        raise UserError("--pack and --unpack contradict each other: give one of them.")
    return options.pack is not None or options.unpack is not None


def make(options: argparse.Namespace) -> int:
    """Pack or unpack, and say what was done; the exit code."""
    if options.unpack is not None:
        found = unpack(Path(options.unpack))
        print(f"Run '{found.run.run}': {_jobs(len(found.taken))} put into {as_typed(found.run.folder)}.")
        if found.kept:
            print(f"{_jobs(len(found.kept))} of the file are finished here already and stay as they are.")
        print("The command that makes this run goes on from here; with --dry-run it shows what is left.")
        return 0
    target = Path(options.to or f"{options.pack}.tar.xz")
    packed = pack(RunPaths(options.pack), target, options.replicates)
    print(
        f"{as_typed(target)}: {_jobs(packed.jobs)}, {target.stat().st_size / 1e6:.1f} MB. Networks and "
        f"images, {packed.left_out / 1e6:,.0f} MB, are not in it."
    )
    return 0


def _jobs(count: int) -> str:
    return f"{count} finished {'job' if count == 1 else 'jobs'}"


# --- writing ------------------------------------------------------------------------------------


def pack(run: RunPaths, target: Path, replicates: Collection[int] = ()) -> Packed:
    """Write the finished jobs of a run, or what belongs to its ``replicates``, into ``target`` (tar, xz).

    Evaluation and page are not in it: where all trainings lie they are made in minutes. Raises UserError
    where nothing is finished, and where there is no such run or replicate. A start may be making the run
    meanwhile: what is taken is compared with its record.
    """
    params = load_runfile(run).params
    files: Files = {}
    names, left_out = [], 0
    for job in _of(params, replicates):
        record = read_record(run, job)
        part = _taken(run, record_path(run, job), record) if record else None
        if not record or part is None:
            continue
        names.append(job.name)
        files |= part
        left_out += sum(record["files"][file]["bytes"] for file in _left_out(record))
    if not names:
        raise UserError(f"The run '{run.run}' has no finished job to pack: make it first.")
    told = {"form": FORM, "run": run.run, "jobs": names}
    _write(target, {"part.json": json_text(told).encode()} | files)
    return Packed(len(names), left_out)


def _of(params: Params, replicates: Collection[int]) -> list[Job]:
    """The jobs of a run, or of some replicates and what they read, without those that read every training."""
    every = [job for job in jobs(params) if job.stage not in OF_ALL]
    if not replicates:
        return every
    if unknown := [number for number in replicates if number >= params.replicates]:
        raise UserError(
            f"--replicates: there is no replicate {unknown[0]}; the run has {params.replicates}, from 0 on."
        )
    trainings = [job for job in every if job.wildcards.get("replicate") in replicates]
    needed = {job.name for job in with_upstream(trainings, params)}
    return [job for job in every if job.name in needed]


def _left_out(record: dict[str, Any]) -> list[str]:
    return [file for file in record["files"] if file.endswith(LARGE)]


def _taken(run: RunPaths, place: Path, record: dict[str, Any]) -> Files | None:
    """What is taken along of a record and the files that it speaks of; None where one is not whole."""
    away = sorted({*_left_out(record), *elsewhere(run, record)})
    if faults(run, {place.name: here(run, record)}):
        return None
    files: Files = {}
    for file, seal in record["files"].items():
        if file in away:
            continue
        content = (run.folder / file).read_bytes()
        if sha256(content).hexdigest() != seal["sha256"]:  # it was made anew meanwhile
            return None
        files[file] = _with_fewer_digits(content) if Path(file).name.startswith(PROBABILITIES) else content
    told = record | {"files": record["files"] | {file: _seal(content) for file, content in files.items()}}
    told |= {"elsewhere": away} if away else {}
    beside = {(run.folder / file).with_name(BESIDE) for file in files}
    files |= {_name(path, run): path.read_bytes() for path in sorted(beside) if path.is_file()}
    return files | {_name(place, run): json_text(sealed(told)).encode()}


def _seal(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": sha256(content).hexdigest()}


def _with_fewer_digits(content: bytes) -> bytes:
    """A table of predictions with its probabilities in ``DIGITS`` digits; anything else as it is."""
    import pandas as pd

    table = pd.read_csv(io.BytesIO(content), keep_default_na=False)
    if table.filter(regex="^p_").empty:
        return content
    return table.to_csv(index=False, lineterminator="\n", float_format=f"%.{DIGITS}g").encode()


def _name(path: Path, run: RunPaths) -> str:
    return path.relative_to(run.folder).as_posix()


def _write(target: Path, files: Files) -> None:
    """A tar of these files, the same bytes for the same contents."""
    try:
        with (
            atomic_path(target) as temporary,
            lzma.open(temporary, "wb", preset=9) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    except OSError as error:
        raise UserError(f"{as_typed(target)} cannot be written ({error.strerror or error}).") from None


# --- reading ------------------------------------------------------------------------------------


def unpack(source: Path) -> Unpacked:
    """Put the jobs of a file that ``pack`` wrote into their run's folder.

    A job that is finished here stays as it is. Every file is compared with its record before anything is
    written. Raises UserError where the file cannot be read, is damaged or is no such file, and while a start
    makes the run.
    """
    files = _read(source)
    run, parts = _parts(files, source)
    run.folder.mkdir(parents=True, exist_ok=True)
    taken, kept = [], []
    with run_lock(run.folder):
        for name, part in parts.items():
            if _is_here(run, name):
                kept.append(name)
                continue
            taken.append(name)
            for file, content in part.items():
                with atomic_path(run.folder / file) as temporary:
                    temporary.write_bytes(content)
    return Unpacked(run, taken, kept)


def _is_here(run: RunPaths, name: str) -> bool:
    record = read_sealed(run.logs / f"{name}{RECORD}")
    return bool(record and record.keys() >= PARTS and not faults(run, {name: here(run, record)}))


def _read(source: Path) -> Files:
    """The contents of the file."""
    files: Files = {}
    left = LARGEST
    try:
        with lzma.open(source) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
            for entry in tar:
                left -= entry.size
                content = tar.extractfile(entry) if entry.isreg() and left > 0 else None
                if content is None:
                    raise UserError(f"{as_typed(source)} holds what no part of a run holds: {entry.name!r}.")
                files[entry.name] = content.read()
    except FileNotFoundError:
        raise UserError(f"--unpack: there is no file {as_typed(source)}.") from None
    except (OSError, EOFError, lzma.LZMAError, tarfile.TarError) as error:
        raise _unreadable(source, str(getattr(error, "strerror", None) or error)) from None
    return files


def _unreadable(source: Path, why: str) -> UserError:
    return UserError(
        f"{as_typed(source)} cannot be read as a part of a run ({why or 'it ends too early'}): copy it once "
        "more, or pack it anew where the run was made."
    )


def _parts(files: Files, source: Path) -> tuple[RunPaths, dict[str, Files]]:
    """The run that the file is of, and the files of each job, its record last: it speaks of the others."""
    try:
        told = json.loads(files.pop("part.json", b""))
        form, run, names = told["form"], RunPaths(told["run"]), list(told["jobs"])
    except (ValueError, KeyError, TypeError):
        raise _unreadable(source, "it does not say what it is") from None
    if form != FORM:
        raise _unreadable(source, "another version of this project wrote it")
    parts = {name: _part(files, name, source) for name in names}
    if rest := files.keys() - {file for part in parts.values() for file in part}:
        raise _unreadable(source, f"{min(rest)!r} belongs to no job")
    return run, parts


def _part(files: Files, name: str, source: Path) -> Files:
    """The files of a job, as far as they are in the file and what its record says."""
    part: Files = {}
    place = f"logs/{name}{RECORD}"
    record = whole(files.get(place, b""))
    if not (record and record.keys() >= PARTS):
        raise _unreadable(source, f"{place} is missing or damaged")
    for file, seal in record["files"].items():
        if file in record.get("elsewhere", []):
            continue
        content = files.get(file, b"")
        if sha256(content).hexdigest() != seal["sha256"] or not _is_inside(file):
            raise _unreadable(source, f"{file} is missing or damaged")
        part[file] = content
        beside = str(PurePosixPath(file).with_name(BESIDE))
        part |= {beside: files[beside]} if beside in files else {}
    return part | {place: files[place]}


def _is_inside(file: str) -> bool:
    """Whether a path leads into one of the folders of a run that jobs write to."""
    parts = PurePosixPath(file).parts
    return parts[0] in FOLDERS and ".." not in parts
