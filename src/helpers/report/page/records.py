"""What the page reads of a run besides its tables: parameters, records of the jobs, single JSON files."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from helpers.data.wording import shown
from helpers.errors import MissingStageError
from helpers.params import PLACE, Params, changed_values, validate
from helpers.paths import RunPaths, require


def read_params(run: RunPaths) -> Params:
    """The parameters that the run was made with; raises MissingStageError where there is no run."""
    require(run.params, "eda")
    return validate(read_json(run.params), str(run.params.name))


def changed_since_its_page(run: RunPaths, params: Params) -> str:
    """In which parameters a run's page differs from params.json, as ``gan.steps 400 -> 500``; else empty.

    A start writes params.json before its first job, so that one that was not finished leaves both.
    """
    page = read_json(run.logs / "report.record.json", default={})
    then = page.get("parts", {}).get("parameters")
    changed = changed_values(then, params.as_dict()) if then else []
    return shown(f"{key} {before} -> {now}" for key, before, now in changed if before != PLACE)


def read_json(path: Path, default: Any = None) -> Any:
    """The value in a JSON file, ``default`` without the file. Raises MissingStageError if it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default
    except ValueError as error:
        raise MissingStageError(f"{path} is damaged ({error}): run the stage that writes it again.") from None


def read_records(run: RunPaths, params: Params) -> list[dict[str, Any]]:
    """What the engine noted of each job of the run: seconds, versions, device, code; sorted by job.

    A job that the run no longer has, such as a training of an arm that was taken out, keeps its record for
    the day when it comes back; it is left out here. So is what cannot be read: records of present jobs are
    whole, or their jobs would have been made anew.
    """
    found = []
    for path in sorted(run.logs.glob("*.record.json")):
        with suppress(ValueError):
            record = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(record, dict) and _is_of(record, params):
                found.append(record | {"job": record.get("job", "?")})
    return found


def _is_of(record: dict[str, Any], params: Params) -> bool:
    """Whether a run with these parameters has the job of a record."""
    values = record.get("wildcards", {})
    if "arm" in values:
        return values["arm"] in params.arms and values["replicate"] < params.replicates
    if "trunk" in values:
        return values["trunk"] in params.trunks()
    if "seed" in values:
        return values["seed"] in params.gans() and (params.trains_gan or record["stage"] != "gan")
    return True
