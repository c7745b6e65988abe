"""The files by which the front door tells the engine's jobs what to do.

They are params.json, run.json and accepted.json.
"""

import json
from dataclasses import dataclass
from typing import Any

from helpers.engine.keys import Keys
from helpers.engine.records import read_record
from helpers.engine.stages import Job, jobs
from helpers.errors import UserError
from helpers.files import digest, json_text, write_if_changed, write_json
from helpers.params import Params, validate
from helpers.paths import RunPaths, as_typed, runs_here

UNREADABLE = (OSError, ValueError, AttributeError, KeyError, TypeError)  # what reading a damaged file raises
Accepted = dict[str, dict[str, str]]  # by job: the code whose results are kept, and the code that made them


@dataclass(frozen=True)
class RunFile:
    """A run as its jobs see it."""

    run: RunPaths
    params: Params
    accepted: Accepted
    command: list[str]

    def save(self) -> None:
        """Write the three files into the run's folder, untouched where nothing changed."""
        parameters = json_text(self.params.as_dict())
        record = {"run": self.run.run, "command": self.command, "accepted": self.accepted}
        write_if_changed(self.run.params, parameters)
        write_if_changed(
            self.run.folder / "run.json", json_text(record | {"checksum": _checksum(record, parameters)})
        )
        accepted = self.run.folder / "accepted.json"
        if self.accepted or accepted.exists():
            write_json(accepted, self._of_other_parameters() | self.accepted)

    def _of_other_parameters(self) -> Accepted:
        """What was accepted of jobs that these parameters lack, such as more replicates: it is kept."""
        current = {job.name for job in jobs(self.params)}
        return {name: entry for name, entry in _read_accepted(self.run).items() if name not in current}


def load_runfile(run: RunPaths) -> RunFile:
    """A prepared run; raises UserError where the front door has not prepared it, or its files are damaged."""
    again = f"start it by python run_all.py --run {run.run} with its parameters (--params FILE)."
    try:
        params, record, whole = _read_preparation(run)
    except FileNotFoundError as error:
        if not run.folder.is_dir():
            raise UserError(
                f"There is no run '{run.run}' in {as_typed(run.folder.parent)} ({runs_here()})."
            ) from None
        name = str(error.filename).rpartition("/")[2]
        raise UserError(
            f"The run '{run.run}' has not been prepared ({as_typed(run.folder)} holds no {name}): {again}"
        ) from None
    except UNREADABLE as error:
        raise UserError(
            f"params.json or run.json of the run '{run.run}' is damaged ({error}): {again}"
        ) from None
    if not whole:
        raise UserError(
            f"params.json or run.json of the run '{run.run}' is damaged, or was changed by hand: {again}"
        )
    return RunFile(run, validate(params, f"{run.params}"), record["accepted"], record["command"])


def damaged_preparation(run: RunPaths) -> bool:
    """Whether params.json and run.json are there and do not belong together."""
    try:
        return not _read_preparation(run)[-1]
    except FileNotFoundError:
        return False
    except UNREADABLE:
        return True


def _read_preparation(run: RunPaths) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """The parameters of params.json, what run.json holds, and whether the two belong together."""
    parameters = run.params.read_text(encoding="utf-8")
    record = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    checksum = record.pop("checksum")
    return json.loads(parameters), record, checksum == _checksum(record, parameters)


def _checksum(record: dict[str, Any], parameters: str) -> str:
    return digest(record, parameters, length=64)


def accepted_code(run: RunPaths, params: Params, accept: list[str]) -> Accepted:
    """The results that are kept over a change of code.

    They are those accepted earlier, and those of the stages in ``accept``.

    An acceptance holds for just the present code: the next change makes the job stale again. Raises UserError
    where a stage has nothing finished to keep.
    """
    plain, current = Keys(run, params), {job.name: job for job in jobs(params)}
    accepted = {name: entry for name, entry in _read_accepted(run).items() if name in current}
    for stage in accept:
        made = [(job, record) for job in _of_stage(stage, current) if (record := read_record(run, job))]
        if not made:
            raise UserError(f"--accept-code {stage}: the run '{run.run}' has no finished '{stage}' to keep.")
        for job, record in made:
            accepted[job.name] = {"code": plain.code(job), "made_by": record["code"]}
    return {
        name: entry
        for name, entry in accepted.items()
        if entry["code"] == plain.code(current[name]) != entry["made_by"]
    }


def _of_stage(stage: str, current: dict[str, Job]) -> list[Job]:
    return [job for job in current.values() if job.stage == stage]


def _read_accepted(run: RunPaths) -> Accepted:
    file = run.folder / "accepted.json"
    if not file.exists():
        return {}
    try:
        accepted = json.loads(file.read_text(encoding="utf-8"))
        return {
            name: {"code": entry["code"], "made_by": entry["made_by"]} for name, entry in accepted.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(
            f"{as_typed(file)} is damaged: remove it, and "
            "repeat --accept-code for the stages that are to be kept."
        ) from None
