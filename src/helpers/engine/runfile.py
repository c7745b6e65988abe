"""The two files by which the front door tells the engine's jobs what to do: params.json and run.json."""

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from helpers.data.archives import IGNORED, TABLE_ENDINGS, FileTree
from helpers.engine.seals import read_record
from helpers.engine.stages import STAGES, Job, code_digest, jobs, relevant_parameters
from helpers.errors import DataError, UserError
from helpers.files import digest, file_digest, json_text, write_if_changed, write_json
from helpers.params import Params, flatten, validate
from helpers.paths import RunPaths, as_typed, from_project


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
        judged = ("classifier",) if self.params.judge else ()
        codes = {
            "eda": ("eda",),
            "gan": ("gan",),
            "synthesis": ("gan", "synthesis", *judged),
            "classifier": ("classifier",),
        }
        made_by = codes.get(job.stage, (job.stage,))
        depends: list[Any] = [
            relevant_parameters(job, self.params),
            [self.codes[stage] for stage in made_by],
            self.data,
        ]
        if files := named_files(job, self.params):
            depends.append(files)
        if job.stage == "report" and self.accepted:  # the page tells of it
            depends.append(self.accepted)
        return digest(*depends)

    def save(self) -> None:
        """Write params.json and run.json into the run's folder, untouched where nothing changed."""
        parameters = json_text(self.params.as_dict())
        record = {
            "run": self.run.run,
            "command": self.command,
            "data": self.data,
            "codes": self.codes,
            "accepted": self.accepted,
            "keys": {job.name: self.key(job) for job in jobs(self.params)},
        }
        write_if_changed(self.run.params, parameters)
        write_if_changed(
            self.run.folder / "run.json", json_text(record | {"checksum": _checksum(record, parameters)})
        )


def load_runfile(run: RunPaths) -> tuple[Params, dict[str, Any]]:
    """Params and run.json of a prepared run; raises UserError where the front door has not prepared it, or the two files are damaged."""
    again = f"start it by python run_all.py --run {run.run}."
    try:
        parameters = run.params.read_text(encoding="utf-8")
        params = json.loads(parameters)
        record = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
        checksum = record.pop("checksum")
    except OSError as error:
        raise UserError(
            f"The run '{run.run}' has not been prepared ({as_typed(run.folder)} holds no {Path(error.filename).name}): {again}"
        ) from None
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"params.json or run.json of the run '{run.run}' is damaged ({error}): {again}"
        ) from None
    if checksum != _checksum(record, parameters):
        raise UserError(
            f"params.json or run.json of the run '{run.run}' is damaged, or was changed by hand: {again}"
        )
    return validate(params, f"{run.params}"), record


def damaged_preparation(run: RunPaths) -> bool:
    """Whether params.json and run.json are there and do not belong together."""
    if not (run.params.exists() and (run.folder / "run.json").exists()):
        return False
    try:
        load_runfile(run)
    except UserError as error:
        return "damaged" in str(error)
    return False


def _checksum(record: dict[str, Any], parameters: str) -> str:
    return digest(record, parameters, length=64)


def named_files(job: Job, params: Params) -> dict[str, str]:
    """Fingerprints of the files that a job's parameters name: weights to start from, an arm's own images, the external test set."""
    arm = params.arms.get(job.wildcards.get("arm", ""))
    named: dict[str, str | None] = {}
    if job.stage in ("gan", "synthesis") or (arm and arm.uses_gan):
        named["gan.initial_weights"] = params.gan.initial_weights
    if arm:
        named["classifier.weights"] = (
            params.classifier.weights if params.classifier.weights not in ("imagenet", "none") else None
        )
        named["synthetic.folder"] = arm.synthetic.folder if arm.synthetic else None
    found = {key: _fingerprint(from_project(value)) for key, value in named.items() if value}
    if arm and params.data.external_root is not None:
        from helpers.data.external import HIDDEN

        found["data.external_root"] = _listing(from_project(params.data.external_root), HIDDEN)
    return found


@cache
def _fingerprint(path: Path) -> str:
    """Content of a file, names and content of a folder's files; empty where there is nothing, which the job says itself."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    try:
        return (
            digest([(file.relative_to(path).as_posix(), file_digest(file)) for file in files])
            if files
            else ""
        )
    except OSError:
        return ""


def data_fingerprint(params: Params) -> str:
    """Fingerprint of the data's folder; a constant for drawn and fetched data."""
    if params.data.source == "phantom":
        return "phantom"
    from helpers.data.download import placed_by_hand

    root = Path(params.data.root) if params.data.root is not None else placed_by_hand()
    return "doi" if root is None else _listing(root, IGNORED)


@cache
def _listing(root: Path, ignored: re.Pattern[str]) -> str:
    """Names and sizes of the files that a loader sees, and the content of its tables."""
    listing = []
    with suppress(DataError):  # the loader says what is wrong
        tree = FileTree(root, ignored)
        for file in tree.files:
            is_table = file.ending in ("", *TABLE_ENDINGS) and file.size < 50_000_000
            with suppress(OSError):
                listing.append(
                    (file.name, file.size, hashlib.sha256(tree.read(file)).hexdigest() if is_table else "")
                )
        tree.close()
    return digest(sorted(listing))


def records(run: RunPaths) -> dict[str, dict[str, Any]]:
    """What finished jobs said of themselves, by job name; damaged records are left out."""
    found = (read_record(path) for path in sorted(run.logs.glob("*.record.json")))
    return {record["job"]: record for record in found if record}


def current_codes(
    run: RunPaths, params: Params, accept: list[str]
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The code fingerprint that each stage counts as made by, with changes of code that were accepted.

    ``accept`` names stages whose present results are to be kept over the present code. An acceptance
    holds for just this code: the next change makes the stage stale again.
    """
    now = {stage: code_digest(stage) for stage in STAGES}
    current = {job.name for job in jobs(params)}
    file = run.folder / "accepted.json"
    accepted = _read_accepted(file)
    for stage in accept:
        made_by = {r["code"] for r in records(run).values() if r["stage"] == stage and r["job"] in current}
        if not made_by:
            raise UserError(f"--accept-code {stage}: the run '{run.run}' has no finished '{stage}' to keep.")
        if len(made_by) > 1:
            raise UserError(
                f"--accept-code {stage}: its jobs were made by {len(made_by)} different versions of the code; run the stage once without it."
            )
        accepted[stage] = {"code": now[stage], "made_by": made_by.pop()}
    accepted = {
        stage: entry for stage, entry in accepted.items() if entry["code"] == now[stage] != entry["made_by"]
    }
    if accepted or file.exists():
        write_json(file, accepted)
    return now | {stage: entry["made_by"] for stage, entry in accepted.items()}, accepted


def _read_accepted(file: Path) -> dict[str, dict[str, str]]:
    if not file.exists():
        return {}
    try:
        accepted = json.loads(file.read_text(encoding="utf-8"))
        return {
            stage: {"code": entry["code"], "made_by": entry["made_by"]}
            for stage, entry in accepted.items()
            if stage in STAGES
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(
            f"{as_typed(file)} is damaged: remove it, and repeat --accept-code for the stages that are to be kept."
        ) from None


def changed_parameters(job: Job, params: Params, record: dict[str, Any] | None) -> list[str]:
    """What differs from the parameters that a finished job used, as ``gan.steps 400 -> 500``."""
    if not record or "parameters" not in record:
        return []
    then, now = (
        flatten(record["parameters"]),
        flatten(json.loads(json.dumps(relevant_parameters(job, params), default=str))),
    )
    return [
        f"{key} {then.get(key)} -> {now.get(key)}"
        for key in dict.fromkeys((*now, *then))
        if then.get(key) != now.get(key)
    ]
