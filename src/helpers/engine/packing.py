"""Finished jobs of a run as one small file, by which they are taken from one machine to another.

``run_all.py --pack RUN --to FILE`` writes it, and ``--unpack FILE`` reads it (``unpacking``). It holds the
tables, histories, predictions and records of the jobs, which the evaluation and the page read, and no
picture. Networks and images, which are nearly all of a run's size, stay where they were made, and so do the
predictions of trunks, which nothing reads. The records name them (``elsewhere``), and a job whose files are
asked for by a new training is made anew (``plan``). Probabilities are written with five digits, which makes
the file less than half as large, changes no answer and moves no metric that is shown; ``result`` in the
record remembers the digest of the files as they were.
"""

import io
import lzma
import tarfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from helpers.engine.plan import EVERY_TRAINING, Share, wanted_jobs
from helpers.engine.records import (
    elsewhere,
    name_in_run,
    path_in_run,
    read_record,
    record_path,
    result,
    sealed,
)
from helpers.engine.runfile import load_runfile
from helpers.engine.stages import OF_ALL, Job
from helpers.errors import UserError
from helpers.files import atomic_path, json_text
from helpers.paths import RunPaths, as_typed
from helpers.report.page.reproduction import reproduction_command

LARGE = (".safetensors", ".npy")  # networks and images
PROBABILITIES, DIGITS = "predictions", 5  # the tables that hold them, and the digits that are taken along
BESIDE = "timing.json"  # of a training's folder, which the page reads though it is no result
FORM = 1  # of the file

Files = dict[str, bytes]  # by their path from the run's folder
Record = dict[str, Any]


@dataclass(frozen=True)
class Packed:
    """What a file of finished jobs holds."""

    jobs: list[Job]
    unfinished: list[Job]  # asked for, and not in it
    left_out: int  # bytes of what is not taken along (``stays``)


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
            left_out += sum(seal["bytes"] for file, seal in record["files"].items() if stays(job, file))
        else:
            unfinished.append(job)
    if not packed:
        raise UserError(f"The run '{run.run}' has no finished job to pack: make it first.")
    told = {"form": FORM, "run": run.run, "command": reproduction_command(run.run, params)}
    told["jobs"] = [job.name for job in packed]
    _write(target, {"part.json": json_text(told).encode()} | files)
    return Packed(packed, unfinished, left_out)


def _taken(run: RunPaths, job: Job, record: Record) -> Files | None:
    """What is taken along of a job, its record last; None where a file of it is not whole."""
    away = sorted({*(file for file in record["files"] if stays(job, file)), *elsewhere(run, record)})
    files, seals = {}, dict(record["files"])
    for file, seal in record["files"].items():
        if file in away:
            continue
        try:
            content = path_in_run(file, run).read_bytes()
        except OSError:
            return None
        if seal_of(content) != seal:
            return None
        if Path(file).name.startswith(PROBABILITIES):
            content = _with_fewer_digits(content)
        files[file], seals[file] = content, seal_of(content)
    beside = {file.removesuffix(Path(file).name) + BESIDE for file in files}
    found = {file: path_in_run(file, run).read_bytes() for file in beside if path_in_run(file, run).is_file()}
    told = record | {"files": seals, "beside": {file: seal_of(content) for file, content in found.items()}}
    told |= {"elsewhere": away, "result": result(record)}
    return files | found | {name_in_run(record_path(run, job), run): json_text(sealed(told)).encode()}


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


def stays(job: Job, file: str) -> bool:
    """Whether a file of a job is not taken along."""
    unread = job.stage == "trunk" and Path(file).name.startswith(PROBABILITIES)
    return unread or file.endswith(LARGE)


def seal_of(content: bytes) -> dict[str, Any]:
    """Size and SHA-256 of a file, as its job's record has them."""
    return {"bytes": len(content), "sha256": sha256(content).hexdigest()}
