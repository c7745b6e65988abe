"""What the page reads of a run besides its tables: parameters, records of the jobs, single JSON files."""

import json
from pathlib import Path
from typing import Any

from helpers.errors import MissingStageError
from helpers.params import Params, validate
from helpers.paths import RunPaths, require


def read_params(run: RunPaths) -> Params:
    """The parameters that the run was made with; raises MissingStageError where there is no run."""
    require(run.params, "eda")
    return validate(read_json(run.params), str(run.params.name))


def read_json(path: Path, default: Any = None) -> Any:
    """The value in a JSON file, ``default`` without the file. Raises MissingStageError if it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default
    except ValueError as error:
        raise MissingStageError(f"{path} is damaged ({error}): run the stage that writes it again.") from None


def read_records(run: RunPaths) -> list[dict[str, Any]]:
    """What the engine noted of each job: seconds, versions, device, code; sorted by job."""
    records = [read_json(path, {}) for path in sorted(run.logs.glob("*.record.json"))]
    return [record | {"job": record.get("job", "?")} for record in records if isinstance(record, dict)]
