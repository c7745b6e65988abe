"""What a finished job says of itself: its key, how it was made, and the seal of its files.

The seal holds each file's size and SHA-256.

The numbers of a job have one record, what is shown of it another, so that a picture drawn anew leaves the
account of the training as it was. Each record has a checksum of its own. The arrays that jobs share (decoded
images, features, banks) have their SHA-256 in a sidecar, and are looked at whenever there is work to do.
"""

import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from helpers.cores import allowed_cores
from helpers.engine.stages import OF_ALL, Job, is_shown, outputs, reads_large_files, upstream
from helpers.errors import MissingStageError, UserError
from helpers.files import digest, file_digest, json_text, write_json
from helpers.params import Params
from helpers.paths import RunPaths

WHOLE = 64  # hexadecimal digits of a SHA-256
LARGE = 4e9  # bytes from which on the reader is told why nothing happens for a while
READERS = min(8, allowed_cores())
PARTS = {"key", "code", "parts", "variant", "files"}  # what every record of numbers holds
VIEW_PARTS = {"key", "code", "parameters", "numbers", "files"}  # what every record of a notebook holds
CACHES = (
    "data/images-*.json",
    "data/external-*.json",
    "data/features-*.json",
    "synthetic/*/features-*.json",
    "classifier/bank/**/*.json",
)


def record_path(run: RunPaths, job: Job) -> Path:
    """Where a finished job says of itself how its numbers came to be."""
    return run.logs / f"{job.name}.record.json"


def view_path(run: RunPaths, job: Job) -> Path:
    """Where a job says what its executed notebook shows."""
    return run.logs / f"{job.name}.view.json"


def put_aside(run: RunPaths, job: Job) -> None:
    """Make a job stale whatever its key says, as ``--force`` does.

    What its record said is kept, to be compared with the new result.
    """
    if record_path(run, job).exists():
        os.replace(record_path(run, job), _earlier(run, job))


def _earlier(run: RunPaths, job: Job) -> Path:
    return run.logs / f"{job.name}.earlier.json"


def read_record(run: RunPaths, job: Job) -> dict[str, Any] | None:
    """What a job said of its numbers, with the record's ``checksum``; None where there is no whole record.

    A record that an earlier version of the project wrote has another form, and counts as none.
    """
    return _of_numbers(record_path(run, job))


def _of_numbers(path: Path) -> dict[str, Any] | None:
    """A whole record of numbers in today's form; None otherwise."""
    record = read_sealed(path)
    return record if record and record.keys() >= PARTS else None


def read_view(run: RunPaths, job: Job) -> dict[str, Any] | None:
    """What a job said of its executed notebook; None where there is no whole record in today's form."""
    view = read_sealed(view_path(run, job))
    return view if view and view.keys() >= VIEW_PARTS else None


def read_sealed(path: Path) -> dict[str, Any] | None:
    """A record, as long as its checksum is right; None otherwise."""
    try:
        return whole(path.read_bytes())
    except OSError:
        return None


def whole(text: bytes) -> dict[str, Any] | None:
    """A record from its file's bytes, as long as its checksum is right; None otherwise."""
    try:
        record = json.loads(text)
        bare = {key: value for key, value in record.items() if key != "checksum"}
        return record if record["checksum"] == digest(bare, length=WHOLE) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """A record as it is written: with its checksum."""
    bare = {key: value for key, value in json.loads(json_text(record)).items() if key != "checksum"}
    return bare | {"checksum": digest(bare, length=WHOLE)}


def write_record(run: RunPaths, job: Job, params: Params, record: dict[str, Any]) -> None:
    """Write a finished job's record with the seals of its files.

    Where the same key has given another result than before, as a graphics card may, the result's digest
    stands in it as ``variant``: the jobs behind it, which read the earlier result, get another key by that.
    The last result of each earlier key is remembered in ``results``, so that this holds as well when the
    parameters were others in between.
    """
    files = _seal(outputs(job, run, params), run)
    earlier = read_record(run, job) or _of_numbers(_earlier(run, job)) or {}
    results = dict(earlier.get("results", {}))
    if earlier:
        results[earlier["key"]] = [result(earlier), earlier["variant"]]
    now = digest(files)
    then, variant = results.get(record["key"], (now, ""))
    variant = variant if then == now else now
    _write(record_path(run, job), record | {"variant": variant, "files": files, "results": results})
    _earlier(run, job).unlink(missing_ok=True)


def result(record: dict[str, Any]) -> str:
    """A digest of the files that a job wrote, also where they were brought here with fewer digits."""
    return record.get("result") or digest(record["files"])


def numbers(key: str, variant: str) -> str:
    """The numbers that a notebook shows, as its record tells them: their key, and which of its results."""
    return f"{key} {variant}"


def write_view(run: RunPaths, job: Job, record: dict[str, Any]) -> None:
    """Write the record of a job's executed notebook."""
    _write(view_path(run, job), record | {"files": _seal([run.notebooks / str(job.notebook_file)], run)})


def _seal(paths: Iterable[Path], run: RunPaths) -> dict[str, dict[str, Any]]:
    return {
        name_in_run(path, run): {"bytes": path.stat().st_size, "sha256": file_digest(path, WHOLE)}
        for path in paths
    }


def _write(path: Path, record: dict[str, Any]) -> None:
    write_json(path, sealed(record))


# --- whether files are still what they were -----------------------------------------------------


def faults(run: RunPaths, told: dict[str, dict[str, Any]]) -> dict[str, list[tuple[Path, bool]]]:
    """By the name of each record in ``told``, the files that are not what it says.

    With each file stands whether it is missing.
    """
    found: dict[str, list[tuple[Path, bool]]] = {}
    to_read: list[tuple[str, Path, str]] = []
    for name, record in told.items():
        for file, seal in record["files"].items():
            path = path_in_run(file, run)
            if not path.exists():
                found.setdefault(name, []).append((path, True))
            elif path.stat().st_size != seal["bytes"]:
                found.setdefault(name, []).append((path, False))
            else:
                to_read.append((name, path, seal["sha256"]))
    for (name, path, sha256), now in zip(to_read, _digests([path for _, path, _ in to_read]), strict=True):
        if sha256 != now:
            found.setdefault(name, []).append((path, False))
    return found


def elsewhere(run: RunPaths, record: dict[str, Any]) -> list[str]:
    """The files of a job that stayed on the machine where it was made (``packing``) and are not here."""
    return [file for file in record.get("elsewhere", []) if not path_in_run(file, run).exists()]


def here(run: RunPaths, record: dict[str, Any]) -> dict[str, Any]:
    """A record of the files alone that should be on this machine."""
    away = elsewhere(run, record)
    return record | {"files": {file: seal for file, seal in record["files"].items() if file not in away}}


def require_whole_inputs(run: RunPaths, params: Params, job: Job, shown_only: bool = False) -> None:
    """Raise UserError where a file that ``job`` reads is missing or not what its job wrote.

    The error names the file and the job that wrote it. The page reads executed notebooks too, which must be
    of the present numbers. Evaluation, page and what is only shown of a job do without files that stayed on
    another machine.
    """
    told = {}
    for other in upstream(job, params):
        record = read_record(run, other)
        if record is None:
            raise MissingStageError(
                f"{job.title} reads what {other.title} writes, which is not finished: "
                f"run the stage '{other.stage}' first."
            )
        if shown_only or not reads_large_files(job, other, params):
            record = here(run, record)
        if job.stage in OF_ALL:  # after the predictions nobody reads a network's weights
            files = record["files"].items()
            record |= {"files": {file: seal for file, seal in files if Path(file).suffix != ".safetensors"}}
        told[other.name] = record
        if job.stage == "report" and is_shown(other, params):
            view = read_view(run, other)
            if view is None or view["numbers"] != numbers(record["key"], record["variant"]):
                raise MissingStageError(
                    f"The page shows the notebook of {other.title}, which was not executed with its present "
                    "numbers: run_all.py executes it (without --only)."
                )
            told[f"{other.name}.notebook"] = {"files": view["files"]}
    for name, paths in faults(run, told).items():
        path, missing = paths[0]
        what = (
            "stayed on another machine"
            if missing and name_in_run(path, run) in told[name].get("elsewhere", [])
            else "is missing"
            if missing
            else f"is damaged or was changed by hand: it is not what the job {name} wrote"
        )
        raise UserError(f"{name_in_run(path, run)} {what}. run_all.py makes it anew (without --only).")


def remove_damaged_caches(run: RunPaths) -> list[Path]:
    """Remove the arrays shared by jobs whose bytes are not those that were written; return their paths.

    They are made anew when they are needed.
    """
    sidecars = [path for pattern in CACHES for path in sorted(run.folder.glob(pattern))]
    arrays = [path.with_suffix(".npy") for path in sidecars if path.with_suffix(".npy").exists()]
    now = zip(arrays, _digests(arrays), strict=True)
    broken = [array for array, sha256 in now if sha256 != _promised(array.with_suffix(".json"))]
    for array in broken:
        array.unlink()
    return broken


def _promised(sidecar: Path) -> str | None:
    try:
        return json.loads(sidecar.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


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


def name_in_run(path: Path, run: RunPaths) -> str:
    """What a record calls a file: its path from the run's folder."""
    return os.path.relpath(path, run.folder)


def path_in_run(name: str, run: RunPaths) -> Path:
    """The file that a record calls ``name``.

    Its ``..`` are taken from the words of the path, as ``name_in_run`` wrote them, and not from the disk: a
    run's folder, or all of ``artifacts``, may be a link to another disk, whose parent is another folder.
    """
    return Path(os.path.normpath(run.folder / name))
