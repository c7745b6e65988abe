"""Where a run's numbers come from: seeds, parameters, data, code, threads, device, and the command that makes them again."""

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.errors import MissingStageError, ParameterError
from helpers.files import file_digest, write_json
from helpers.fingerprints import HELPERS, SOURCES
from helpers.params import Params, comparable_values, load_params, public_parameters, validate
from helpers.paths import PARAMS, ROOT, RunPaths, require


def read_params(run: RunPaths) -> Params:
    """The parameters that the run was made with; raises MissingStageError where there is no run."""
    require(run.params, "eda")
    return validate(read_json(run.params), str(run.params.name))


def read_json(path: Path, default: Any = None) -> Any:
    """The value in a JSON file; ``default`` where there is no such file. Raises MissingStageError for a damaged one."""
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


def collect(run: RunPaths, params: Params) -> dict[str, Any]:
    """The whole provenance of a run as plain values; no time stands in it, so that it can be compared byte for byte."""
    records = read_records(run)
    manifest = read_json(run.manifest, {})
    return {
        "run": run.run,
        "command": reproduction_command(run.run, params),
        "seeds": seeds(params),
        "data": {key: value for key, value in manifest.items() if key != "root"}
        | {"source": params.data.source},
        "code": {"digests": code_digests(), "commit": git_commit()},
        "versions": _united(records, "versions"),
        "device": devices(run, params),
        "host_cpu": sorted({str(record["host_cpu"]) for record in records if record.get("host_cpu")}),
        "threads": {"gan": params.gan.threads, "classifier": params.classifier.threads},
        "kept_over_code_changes": kept_results(run),
        "jobs": {record["job"]: {"code": record.get("code")} for record in records},
        "parameters": public_parameters(params),
    }


def write_provenance(run: RunPaths, params: Params) -> dict[str, Any]:
    """Write artifacts/<run>/provenance.json and return what stands in it."""
    provenance = collect(run, params)
    write_json(run.provenance, provenance)
    return provenance


def seeds(params: Params) -> dict[str, Any]:
    """Every seed of the run, by what it decides."""
    found: dict[str, Any] = {"split": params.data.split.seed}
    if params.data.source == "phantom":
        found["drawing"] = params.data.phantom.seed
    from helpers.classifier.arms import replicate_seed

    found |= {"gan": list(params.gan.seeds), "synthesis": params.synthesis.seed}
    for arm in params.arms:  # arms are paired by their seeds, but for one that repeats another
        name = f"classifier, arm {arm}" if params.identical_arms_before(arm) else "classifier"
        found[name] = [replicate_seed(params, arm, replicate) for replicate in range(params.replicates)]
    return found | {"bootstrap": params.evaluation.seed}


def code_digests() -> dict[str, str]:
    """A short SHA-256 per room of src/helpers and per notebook, over the bytes of its files."""
    from helpers.files import digest
    from helpers.paths import NOTEBOOKS

    rooms: dict[str, dict[str, str]] = {}
    for path in sorted(p for p in HELPERS.rglob("*") if p.suffix in SOURCES and "__pycache__" not in p.parts):
        place = path.relative_to(HELPERS)
        room = place.parts[0] if len(place.parts) > 1 else "helpers"
        rooms.setdefault(room, {})[place.as_posix()] = file_digest(path)
    notebooks = {path.stem: file_digest(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    return {room: digest(files) for room, files in rooms.items()} | notebooks


def devices(run: RunPaths, params: Params) -> list[str]:
    """What the trainings ran on, in words."""
    folders = [run.gan(seed) for seed in params.gan.seeds]
    folders += [
        run.classifier(arm, replicate) for arm in params.arms for replicate in range(params.replicates)
    ]
    found = {
        str(timing["device"])
        for folder in folders
        if isinstance(timing := read_json(folder / "timing.json", {}), dict) and timing.get("device")
    }
    processors = sorted({str(record["host_cpu"]) for record in read_records(run) if record.get("host_cpu")})
    return sorted(
        f"CPU ({' and '.join(processors)})"
        if device == "cpu" and processors
        else "CPU"
        if device == "cpu"
        else device
        for device in found
    )


def kept_results(run: RunPaths) -> list[str]:
    """The stages whose results were kept over a change of code that the user declared harmless."""
    accepted = read_json(run.folder / "run.json", {}).get("accepted") or {}
    return list(dict.fromkeys(job.split("-")[0] for job in accepted))


def git_commit() -> str | None:
    """The commit that is checked out, with '+ changes' where files differ from it; None outside git or without a commit."""
    if not (ROOT / ".git").exists():
        return None
    commit = _git("rev-parse", "HEAD")
    if commit and _git("status", "--porcelain", "--untracked-files=no"):
        return f"{commit} + changes"
    return commit


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def reproduction_command(run: str, params: Params) -> str | None:
    """The exact command that makes the run again; None where no parameter file and list of ``--set`` can say it."""
    known = sorted(PARAMS.glob("*.yaml"), key=lambda path: (path.stem != run, path.stem))
    options = [option for path in known if (option := _command_from(path, params)) is not None]
    if not options:
        return None
    path, changes = min(options, key=lambda option: len(option[1]))
    words = ["python", "run_all.py", "--params", f"params/{path.name}"]
    words += [] if path.stem == run else ["--run", run]
    for change in changes:
        words += ["--set", change]
    line = " ".join(shlex.quote(word) for word in words)
    return line + (f" --data-root {folder_word(params)}" if params.data.root else "")


def folder_word(params: Params) -> str:
    """What the page writes in place of the data's folder on this machine."""
    return "FOLDER_OF_IMAGES" if params.data.source == "folder" else "FOLDER_OF_HAM10000"


def _command_from(path: Path, params: Params) -> tuple[Path, list[str]] | None:
    """``path`` and the overrides that turn it into ``params``, or None where overrides cannot."""
    wanted = comparable_values(params)
    try:
        base = comparable_values(load_params(path))
        changes = [
            f"{key}={json.dumps(value, ensure_ascii=False)}"
            for key, value in wanted.items()
            if base.get(key, ...) != value
        ]
        # one's own images are no parameters without their folder, which --data-root will name
        made = comparable_values(
            load_params(path, [*changes, *(["data.root=FOLDER"] if params.data.root else [])])
        )
    except ParameterError:
        return None
    return (path, changes) if made == wanted else None


def _united(records: list[dict[str, Any]], key: str) -> dict[str, str]:
    """One value per name over all jobs; where jobs differ, all values."""
    values: dict[str, set[str]] = {}
    for record in records:
        mapping = record.get(key)
        for name, value in mapping.items() if isinstance(mapping, Mapping) else ():
            values.setdefault(name, set()).add(str(value))
    return {name: " and ".join(sorted(found)) for name, found in sorted(values.items())}
