"""Finished jobs of a run as one small file, by which they are taken from one machine to another.

``run_all.py --pack RUN --to FILE`` writes it, ``--unpack FILE`` puts its jobs beside those that are finished
here. It holds their tables, histories, predictions and records, which the evaluation and the page read, and
no picture. Networks and images, which are nearly all of a run's size, stay where they were made, and so do
the predictions of trunks, which nothing reads. The records
name them (``elsewhere``), and a job whose files are asked for by a new training is made anew (``plan``).
Probabilities are written with five digits, which makes the file less than half as large, changes no answer
and moves no metric that is shown; ``result`` in the record remembers the digest of the files as they were.
"""

import argparse
import io
import json
import lzma
import tarfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from helpers.engine.changes import listed
from helpers.engine.plan import EVERY_TRAINING, Share, wanted_jobs
from helpers.engine.process import run_lock
from helpers.engine.records import (
    PARTS,
    elsewhere,
    faults,
    here,
    name_in_run,
    path_in_run,
    read_record,
    record_path,
    result,
    sealed,
    whole,
)
from helpers.engine.runfile import load_runfile
from helpers.engine.stages import OF_ALL, STAGES, Job, own_folder
from helpers.errors import UserError
from helpers.files import atomic_path, file_digest, json_text
from helpers.paths import RunPaths, as_typed

LARGE = (".safetensors", ".npy")  # networks and images
PROBABILITIES, DIGITS = "predictions", 5  # the tables that hold them, and the digits that are taken along
BESIDE = "timing.json"  # of a training's folder, which the page reads though it is no result
FORM = 1  # of the file
LARGEST = 2e9  # bytes of contents, beyond which a file is no part of a run
MOST = 200_000  # files, likewise
SHARED = ("eda", "gan", "trunk", "synthesis")  # stages whose jobs several trainings may read
OTHERS = {  # options that say nothing here
    "--dry-run": "dry_run",
    "--run": "run",
    "--set": "overrides",
    "--data-root": "data_root",
    "--until": "until",
    "--only": "only",
    "--force": "force",
    "--accept-code": "accept_code",
    "--profile": "profile",
}

Files = dict[str, bytes]  # by their path from the run's folder
Record = dict[str, Any]


@dataclass(frozen=True)
class Packed:
    """What a file of finished jobs holds."""

    jobs: list[Job]
    unfinished: list[Job]  # asked for, and not in it
    left_out: int  # bytes of networks and images


@dataclass(frozen=True)
class Unpacked:
    """What became of the jobs in such a file, by their names."""

    run: RunPaths
    taken: list[str]
    kept: list[str]  # finished here already
    other: list[str]  # of these, the ones with other parameters, code or data than in the file


def add_options(page: argparse.ArgumentParser) -> None:
    """``--pack RUN``, ``--to FILE`` and ``--unpack FILE``."""
    parts = page.add_argument_group("one run on several machines (docs/clusters.md)")
    parts.add_argument(
        "--pack",
        metavar="RUN",
        help="write a run's finished jobs, or those of --replicates and --arms, into one small file, "
        "without networks and images",
    )
    parts.add_argument("--to", metavar="FILE", help="the file that --pack writes (default: RUN.tar.xz)")
    parts.add_argument(
        "--unpack",
        metavar="FILE",
        nargs="+",
        help="put the jobs of such files beside those that are finished here",
    )


def asked_for(options: argparse.Namespace) -> bool:
    """Whether packing or unpacking is asked for. Raises UserError for options that do not go together."""
    if options.to is not None and options.pack is None:
        raise UserError("--to names the file that --pack writes: give --pack RUN with it.")
    if options.pack is not None and options.unpack is not None:
        raise UserError("--pack and --unpack contradict each other: give one of them.")
    asked = "--pack" if options.pack is not None else "--unpack" if options.unpack is not None else None
    others = OTHERS if options.unpack is None else OTHERS | {"--replicates": "replicates", "--arms": "arms"}
    useless = next((name for name, field in others.items() if getattr(options, field)), None)
    if asked and useless:
        raise UserError(f"{useless} says nothing beside {asked}: leave it out.")
    return asked is not None


def make(options: argparse.Namespace) -> int:
    """Pack or unpack, and say what was done; the exit code."""
    if options.unpack is not None:
        for found in [unpack(Path(file)) for file in options.unpack]:
            _say_unpacked(found)
        print("The command that makes this run goes on from here; with --dry-run it shows what is left.")
        return 0
    target = Path(options.to or f"{options.pack}.tar.xz")
    packed = pack(RunPaths(options.pack), target, Share.asked_for(options))
    print(
        f"{as_typed(target)}: {_jobs(len(packed.jobs))}, {target.stat().st_size / 1e6:.1f} MB. Networks and "
        f"images, {packed.left_out / 1e6:,.0f} MB, are not in it."
    )
    if packed.unfinished:
        print(f"Not finished, and not in it: {listed([job.title for job in packed.unfinished])}.")
    return 0


def _say_unpacked(found: Unpacked) -> None:
    print(f"Run '{found.run.run}': {_jobs(len(found.taken))} put into {as_typed(found.run.folder)}.")
    if found.kept:
        print(f"Finished here already, and left as they are: {listed(found.kept)}.")
    if found.other:
        print(
            f"In the file they have other parameters, code or data: {listed(found.other)}. To take those of "
            f"the file, remove their records (*.record.json) from {as_typed(found.run.logs)} first."
        )


def _jobs(count: int) -> str:
    return f"{count} finished {'job' if count == 1 else 'jobs'}"


# --- writing ------------------------------------------------------------------------------------


def pack(run: RunPaths, target: Path, share: Share = EVERY_TRAINING) -> Packed:
    """Write the finished jobs of a run, or of a ``share`` of its trainings, into ``target`` (tar, xz).

    Evaluation and page are not in it: where all trainings lie they are made in minutes. Raises UserError
    where nothing is finished, and where there is no such run, replicate or arm. A start may be making the run
    meanwhile: what is taken is compared with its record.
    """
    params = load_runfile(run).params
    share.require(params)
    files: Files = {}
    packed, unfinished, left_out = [], [], 0
    for job in wanted_jobs(params, share=share):
        if job.stage in OF_ALL:
            continue
        record = read_record(run, job)
        part = _taken(run, job, record) if record else None
        if record and part:
            packed.append(job)
            files |= part
            left_out += sum(seal["bytes"] for file, seal in record["files"].items() if _stays(job, file))
        else:
            unfinished.append(job)
    if not packed:
        raise UserError(f"The run '{run.run}' has no finished job to pack: make it first.")
    told = {"form": FORM, "run": run.run, "jobs": [job.name for job in packed]}
    _write(target, {"part.json": json_text(told).encode()} | files)
    return Packed(packed, unfinished, left_out)


def _taken(run: RunPaths, job: Job, record: Record) -> Files | None:
    """What is taken along of a job, its record last; None where a file of it is not whole."""
    away = sorted({*(file for file in record["files"] if _stays(job, file)), *elsewhere(run, record)})
    files, seals = {}, dict(record["files"])
    for file, seal in record["files"].items():
        if file in away:
            continue
        try:
            content = path_in_run(file, run).read_bytes()
        except OSError:
            return None
        if _seal(content) != seal:
            return None
        if Path(file).name.startswith(PROBABILITIES):
            content = _with_fewer_digits(content)
        files[file], seals[file] = content, _seal(content)
    beside = {file.removesuffix(Path(file).name) + BESIDE for file in files}
    found = {file: path_in_run(file, run).read_bytes() for file in beside if path_in_run(file, run).is_file()}
    told = record | {"files": seals, "beside": {file: _seal(content) for file, content in found.items()}}
    told |= {"elsewhere": away, "result": result(record)}
    return files | found | {name_in_run(record_path(run, job), run): json_text(sealed(told)).encode()}


def _stays(job: Job, file: str) -> bool:
    """Whether a file of a job is not taken along."""
    unread = job.stage == "trunk" and Path(file).name.startswith(PROBABILITIES)
    return unread or file.endswith(LARGE)


def _seal(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": sha256(content).hexdigest()}


def _with_fewer_digits(content: bytes) -> bytes:
    """A table of predictions with its probabilities in ``DIGITS`` digits; anything else as it is.

    An image whose answer, the class with the largest probability, would become another one keeps all digits.
    """
    import pandas as pd

    table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    columns = [name for name in table if name.startswith("p_")]
    if not columns:
        return content
    whole = table[columns].astype(float)
    short = whole.map(lambda value: f"{value:.{DIGITS}g}")
    same = short.astype(float).idxmax(axis=1) == whole.idxmax(axis=1)
    table.loc[same, columns] = short[same]
    return table.to_csv(index=False, lineterminator="\n").encode()


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
    except (OSError, ValueError) as error:  # a name such as '.' is no file's
        why = getattr(error, "strerror", None) or error
        raise UserError(f"--to: {as_typed(target)} cannot be written ({why}).") from None


# --- reading ------------------------------------------------------------------------------------


def unpack(source: Path) -> Unpacked:
    """Put the jobs of a file that ``pack`` wrote into their run's folder.

    A job that is finished here stays as it is. Every file is compared with its record before anything is
    written. Raises UserError where the file cannot be read, is damaged or is no such file, where a GAN or
    trunk that others in it read came out otherwise here, and while a start makes the run.
    """
    run, parts = _parts(_read(source), source)
    run.folder.mkdir(parents=True, exist_ok=True)
    with run_lock(run.folder):
        mine = {name: _finished_here(run, record) for name, (record, _) in parts.items()}
        taken = [name for name in parts if mine[name] is None]
        kept = {name: record for name, record in mine.items() if record is not None}
        _refuse_a_mixture(kept, parts, source)
        for name in taken:
            record, files = parts[name]
            _remove_leftovers(run, record)
            for file, content in files.items():
                with atomic_path(path_in_run(file, run)) as temporary:
                    temporary.write_bytes(content)
    other = [name for name, record in kept.items() if record["key"] != parts[name][0]["key"]]
    return Unpacked(run, taken, list(kept), other)


def _finished_here(run: RunPaths, theirs: Record) -> Record | None:
    """The record of the same job on this machine, where it is finished."""
    job = Job(theirs["stage"], theirs["wildcards"])
    record = read_record(run, job)
    return record if record and not faults(run, {job.name: here(run, record)}) else None


def _refuse_a_mixture(kept: dict[str, Record], parts: dict[str, tuple[Record, Files]], source: Path) -> None:
    """Raise UserError where trainings of the file read another result of a job than the one that is here."""
    for name, record in kept.items():
        theirs = parts[name][0]
        readers = [each for each, (other, _) in parts.items() if name in other["parts"].get("before", {})]
        alike = record["key"] != theirs["key"] or result(record) == result(theirs)
        if theirs["stage"] in SHARED and not alike and any(reader not in kept for reader in readers):
            raise UserError(
                f"{name} is finished here too and came out otherwise, as another processor may do it, and "
                f"{as_typed(source)} holds trainings that read the other result: they do not belong to this "
                "one. Share a run among machines only by replicates that share no GAN and no trunk."
            )


def _remove_leftovers(run: RunPaths, record: Record) -> None:
    """Remove what an interrupted job left here in the place of a file that stayed elsewhere."""
    for file in record["elsewhere"]:
        path = path_in_run(file, run)
        if path.is_file() and file_digest(path, 64) != record["files"][file]["sha256"]:
            path.unlink()


class _Bounded(io.RawIOBase):
    """A stream that ends in an error where it holds more than a part of a run can, headers included."""

    def __init__(self, stream: lzma.LZMAFile) -> None:
        self.stream, self.left = stream, LARGEST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self.stream.readinto(buffer)
        self.left -= count
        if self.left < 0:
            raise tarfile.ReadError("it holds more than a part of a run can")
        return count


def _read(source: Path) -> Files:
    """The contents of the file."""
    files: Files = {}
    try:
        with (
            lzma.open(source) as packed,
            tarfile.open(fileobj=io.BufferedReader(_Bounded(packed)), mode="r|") as tar,
        ):
            for entry in tar:
                content = tar.extractfile(entry) if entry.isreg() else None
                if content is None or entry.name in files or len(files) == MOST:
                    raise tarfile.ReadError(f"it holds what no part of a run holds: {entry.name!r}")
                files[entry.name] = content.read()
    except FileNotFoundError:
        raise UserError(f"--unpack: there is no file {as_typed(source)}.") from None
    except (OSError, EOFError, ValueError, lzma.LZMAError, tarfile.TarError) as error:
        raise _unreadable(source, str(getattr(error, "strerror", None) or error)) from None
    return files


def _unreadable(source: Path, why: str) -> UserError:
    return UserError(
        f"{as_typed(source)} cannot be read as a part of a run ({why or 'it ends too early'}): copy it once "
        "more, or pack it anew where the run was made."
    )


def _parts(files: Files, source: Path) -> tuple[RunPaths, dict[str, tuple[Record, Files]]]:
    """The run that the file is of, and by each job's name its record and files."""
    try:
        told = json.loads(files.pop("part.json", b""))
        form, run, names = told["form"], RunPaths(str(told["run"])), [str(name) for name in told["jobs"]]
    except (ValueError, KeyError, TypeError):
        raise _unreadable(source, "it does not say what it is") from None
    if form != FORM:
        raise _unreadable(source, "another version of this project wrote it")
    parts = {}
    for name in names:
        try:
            parts[name] = _part(run, files, name)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unreadable(source, f"{name}: {error}") from None
    if rest := files.keys() - {file for _, part in parts.values() for file in part}:
        raise _unreadable(source, f"{min(rest)!r} belongs to no job")
    return run, parts


def _part(run: RunPaths, files: Files, name: str) -> tuple[Record, Files]:
    """A job's record and its files, as far as they are in the file; the record last, it speaks of the others.

    Raises ValueError, or another error of an odd form, where they are not what the record says, or would lie
    elsewhere than in the job's own folder.
    """
    place = f"logs/{name}.record.json"
    record = whole(files.get(place, b""))
    if not (record and record.keys() >= PARTS):
        raise ValueError(f"{place} is missing or damaged")
    folder = _own_folder(run, name, record)
    away = record["elsewhere"] = list(record.get("elsewhere", []))
    if not all(file in record["files"] and _stays(Job(record["stage"], {}), file) for file in away):
        raise ValueError("its record leaves out what a training or the page reads")
    part: Files = {}
    for file, seal in (record["files"] | record.get("beside", {})).items():
        if not file.startswith(f"{folder}/") or ".." in Path(file).parts:
            raise ValueError(f"{file} would not lie in the job's own folder")
        if file not in away and _seal(files.get(file, b"")) != seal:
            raise ValueError(f"{file} is missing or damaged")
        part |= {} if file in away else {file: files[file]}
    return record, part | {place: files[place]}


def _own_folder(run: RunPaths, name: str, record: Record) -> str:
    """Where the files of a job lie, from the run's folder; ValueError where it is no job of that name."""
    job = Job(record["stage"], record["wildcards"])
    fits = job.stage in STAGES and job.stage not in OF_ALL and job.name == name
    if not fits or any("/" in str(value) or str(value).startswith(".") for value in job.wildcards.values()):
        raise ValueError("its record is of another job")
    return name_in_run(own_folder(job, run), run)
