"""The two files by which the front door tells the engine's jobs what to do: params.json and run.json."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.engine.stages import STAGES, Job, code_digest, jobs, relevant_parameters
from helpers.errors import UserError
from helpers.files import digest, write_json
from helpers.params import Params, flatten, validate
from helpers.paths import ROOT, RunPaths


@dataclass(frozen=True)
class RunFile:
    """A run as its jobs see it."""

    run: RunPaths
    params: Params
    codes: dict[str, str]  # fingerprint of the code that each stage's results count as made by
    accepted: dict[str, dict[str, str]]  # stages whose results are kept over a change of code
    data: str  # fingerprint of the data folder
    command: list[str]

    def key(self, job: Job) -> str:
        """What a job's results depend on, as one fingerprint: parameters, code, data and the code of the stages before it."""
        codes = {"eda": ("eda",), "gan": ("gan",), "synthesis": ("gan", "synthesis"), "classifier": ("classifier",)}
        made_by = codes.get(job.stage, (job.stage,))
        return digest(relevant_parameters(job, self.params), [self.codes[stage] for stage in made_by], self.data)

    def save(self) -> None:
        """Write params.json and run.json into the run's folder, untouched where nothing changed."""
        _write_if_new(self.run.params, self.params.as_dict())
        _write_if_new(
            self.run.folder / "run.json",
            {
                "run": self.run.run,
                "command": self.command,
                "data": self.data,
                "codes": self.codes,
                "accepted": self.accepted,
                "keys": {job.name: self.key(job) for job in jobs(self.params)},
            },
        )


def _write_if_new(path: Path, value: Any) -> None:
    if not path.exists() or json.loads(path.read_text(encoding="utf-8")) != json.loads(json.dumps(value)):
        write_json(path, value)


def load_runfile(run: RunPaths) -> tuple[Params, dict[str, Any]]:
    """Params and run.json of a prepared run; raises UserError where the front door has not prepared it."""
    try:
        params = json.loads(run.params.read_text(encoding="utf-8"))
        record = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"The run '{run.run}' has not been prepared ({error}): start it by python run_all.py --run {run.run}.") from None
    return validate(params, f"{run.params}"), record


def data_fingerprint(params: Params) -> str:
    """Names and sizes of the data folder's files, and the content of its tables; a constant for drawn and fetched data."""
    if params.data.source == "phantom":
        return "phantom"
    if params.data.root is None:
        return "doi"
    root = Path(params.data.root)
    listing = []
    for folder, names, files in os.walk(root):
        names.sort()
        for name in sorted(files):
            path = Path(folder, name)
            try:
                size = path.stat().st_size
                is_table = path.suffix.lower() in {".csv", ".tsv", ".tab", ".txt", ""} and size < 50_000_000
                content = hashlib.sha256(path.read_bytes()).hexdigest() if is_table else ""
            except OSError:
                continue  # the loader says what cannot be read
            listing.append((path.relative_to(root).as_posix(), size, content))
    return digest(sorted(listing))


def records(run: RunPaths) -> dict[str, dict[str, Any]]:
    """What finished jobs said of themselves, by job name."""
    found = {}
    for path in sorted(run.logs.glob("*.record.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            found[record["job"]] = record
        except (OSError, ValueError, KeyError):
            continue  # a damaged record only costs its explanation
    return found


def current_codes(run: RunPaths, accept: list[str]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The code fingerprint that each stage counts as made by, with changes of code that were accepted.

    ``accept`` names stages whose present results are to be kept over the present code. An acceptance
    holds for just this code: the next change makes the stage stale again.
    """
    now = {stage: code_digest(stage) for stage in STAGES}
    file = run.folder / "accepted.json"
    accepted: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for stage in accept:
        made_by = {r["code"] for r in records(run).values() if r["stage"] == stage}
        if not made_by:
            raise UserError(f"--accept-code {stage}: the run '{run.run}' has no finished '{stage}' to keep.")
        if len(made_by) > 1:
            raise UserError(f"--accept-code {stage}: its jobs were made by {len(made_by)} different versions of the code; run the stage once without it.")
        accepted[stage] = {"code": now[stage], "made_by": made_by.pop()}
    accepted = {stage: entry for stage, entry in accepted.items() if entry["code"] == now[stage] != entry["made_by"]}
    if accepted or file.exists():
        write_json(file, accepted)
    return now | {stage: entry["made_by"] for stage, entry in accepted.items()}, accepted


def changed_parameters(job: Job, params: Params, record: dict[str, Any] | None) -> list[str]:
    """What differs from the parameters that a finished job used, as ``gan.steps 400 -> 500``."""
    if not record or "parameters" not in record:
        return []
    then, now = flatten(record["parameters"]), flatten(json.loads(json.dumps(relevant_parameters(job, params), default=str)))
    return [f"{key} {then.get(key)} -> {now.get(key)}" for key in dict.fromkeys((*now, *then)) if then.get(key) != now.get(key)]


def shown(path: Path) -> str:
    """A path as the user would type it: relative to the project where it lies inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
