"""The jobs of a packed file (``packing``) put beside those that are finished on this machine.

The file comes from elsewhere: nothing is written before all of it was compared with the records in it, and
nothing outside of the folders of its jobs.
"""

import io
import json
import lzma
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.engine.asking import ask_or_stop
from helpers.engine.keys import Keys
from helpers.engine.packing import FORM, Files, Record, seal_of, stays
from helpers.engine.plan import Planned
from helpers.engine.process import run_lock
from helpers.engine.records import (
    PARTS,
    elsewhere,
    faults,
    here,
    name_in_run,
    path_in_run,
    read_record,
    result,
    whole,
)
from helpers.engine.stages import OF_ALL, STAGES, Job, own_folder
from helpers.errors import UserError
from helpers.files import atomic_path, file_digest
from helpers.paths import RunPaths, as_typed
from helpers.report.words import counted

LARGEST = 2e9  # bytes of contents, beyond which a file is no part of a run
MOST = 200_000  # files, likewise
SHARED = ("eda", "gan", "trunk", "synthesis")  # stages whose jobs several trainings may read


@dataclass(frozen=True)
class Unpacked:
    """What became of the jobs in such a file, by their names."""

    run: RunPaths
    taken: list[str]
    kept: list[str]  # finished here already
    other: list[str]  # of these, the ones with other parameters, code or data than in the file
    command: str | None  # by which the run was made, with words in place of folders; None where it is unknown


def unpack(source: Path) -> Unpacked:
    """Put the jobs of a file that ``pack`` wrote into their run's folder.

    A job that is finished here stays as it is. Every file is compared with its record before anything is
    written. Raises UserError where the file cannot be read, is damaged or is no such file, where a GAN or
    trunk that others in it read came out otherwise here, and while a start makes the run.
    """
    run, command, parts = _parts(_read(source), source)
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
    return Unpacked(run, taken, list(kept), other, command)


def ask_before_losing(run: RunPaths, planned: Iterable[Planned], keys: Keys) -> None:
    """Ask whether trainings that came from another machine may be made anew here with another key.

    ``planned`` is what a start would do, ``keys`` are its jobs'. Raises UserError where the answer is no,
    and where nobody can be asked.
    """
    lost = [
        item
        for item in planned
        if item.job.stage == "classifier" and item.numbers and not item.forced
        if (record := read_record(run, item.job)) and elsewhere(run, record)
        if record["key"] != keys.key(item.job)
    ]
    if lost:
        ask_or_stop(
            f"{counted(len(lost), 'training')} of the run '{run.run}' came from another machine, and this "
            f"command would make {'it' if len(lost) == 1 else 'them'} anew: {lost[0].job.title} "
            f"({lost[0].reason}).",
            "Make them anew here, and lose those results?",
            "Give the parameters and the data that they were made with, and what is unpacked is kept; "
            "--dry-run shows it. --force classifier makes every training anew here.",
        )


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


def _parts(files: Files, source: Path) -> tuple[RunPaths, str | None, dict[str, tuple[Record, Files]]]:
    """The run that the file is of, the command that made it, and by each job's name its record and files."""
    try:
        told = json.loads(files.pop("part.json", b""))
        form, run, names = told["form"], RunPaths(str(told["run"])), [str(name) for name in told["jobs"]]
        command = None if told.get("command") is None else str(told["command"])
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
    return run, command, parts


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
    if not all(file in record["files"] and stays(Job(record["stage"], {}), file) for file in away):
        raise ValueError("its record leaves out what a training or the page reads")
    part: Files = {}
    for file, seal in (record["files"] | record.get("beside", {})).items():
        if not file.startswith(f"{folder}/") or ".." in Path(file).parts:
            raise ValueError(f"{file} would not lie in the job's own folder")
        if file not in away and seal_of(files.get(file, b"")) != seal:
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
