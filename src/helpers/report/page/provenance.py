"""Where a run's numbers come from: seeds, parameters, data, code, versions, threads and device."""

import subprocess
from collections.abc import Mapping
from typing import Any

from helpers import paths as places
from helpers.classifier.arms import training_seed
from helpers.data.sources import SOURCES as DATA_SOURCES
from helpers.files import digest, file_digest, write_json
from helpers.fingerprints import HELPERS, SOURCES
from helpers.params import Params, public_parameters
from helpers.paths import ROOT, RunPaths, class_folders
from helpers.report.page.records import read_json, read_records
from helpers.report.page.reproduction import reproduction_command


def collect(run: RunPaths, params: Params) -> dict[str, Any]:
    """The provenance of a run as plain values, without times: equal runs have equal provenance."""
    records = read_records(run, params)
    made = "gan" if params.trains_gan else "synthesis"
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
        "host_cpu": _processors(records),
        "threads": {made: params.gan.threads, "classifier": params.classifier.threads},
        "kept_over_code_changes": kept_results(run),
        "computed_by_hand": [record["job"] for record in records if record.get("by_hand")],
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
    found |= DATA_SOURCES.get(params.data.source).seeds(params.data)
    found |= {"gan": list(params.gan.seeds)} if params.trains_gan else {}
    found["synthesis"] = params.synthesis.seed
    for arm in params.arms:  # arms share their seeds, except one that repeats another arm's recipe
        name = f"classifier, arm {arm}" if params.identical_arms_before(arm) else "classifier"
        found[name] = [training_seed(params, arm, replicate) for replicate in range(params.replicates)]
    return found | {"bootstrap": params.evaluation.seed}


def code_digests() -> dict[str, str]:
    """A short SHA-256 for each folder of src/helpers and each notebook, over the bytes of its files."""
    rooms: dict[str, dict[str, str]] = {}
    for path in sorted(p for p in HELPERS.rglob("*") if p.suffix in SOURCES and "__pycache__" not in p.parts):
        place = path.relative_to(HELPERS)
        room = place.parts[0] if len(place.parts) > 1 else "helpers"
        rooms.setdefault(room, {})[place.as_posix()] = file_digest(path)
    notebooks = {path.stem: file_digest(path) for path in sorted(places.NOTEBOOKS.glob("*.ipynb"))}
    return {room: digest(files) for room, files in rooms.items()} | notebooks


def devices(run: RunPaths, params: Params) -> list[str]:
    """What the trainings ran on and in which precision, in words, such as 'CPU (AMD EPYC), bfloat16'."""
    separate = params.separate_classes
    folders = [folder for name in params.gans() for folder in class_folders(run.gan(name), separate)]
    folders += [run.trunk(name) for name in params.trunks()]
    folders += [run.classifier(arm, number) for arm in params.arms for number in range(params.replicates)]
    timings = [read_json(folder / "timing.json", {}) for folder in folders]
    told = [timing for timing in timings if isinstance(timing, dict) and timing.get("device")]
    return sorted(
        {", ".join(map(str, filter(None, (timing["device"], timing.get("precision"))))) for timing in told}
    )


def _processors(records: list[dict[str, Any]]) -> list[str]:
    return sorted({str(record["host_cpu"]) for record in records if record.get("host_cpu")})


def kept_results(run: RunPaths) -> list[str]:
    """The stages whose results were kept over a change of code that the user declared harmless."""
    accepted = read_json(run.folder / "run.json", {}).get("accepted") or {}
    return list(dict.fromkeys(job.split("-")[0] for job in accepted))


def git_commit() -> str | None:
    """The commit that is checked out, with '+ changes' where files differ from it; None without one."""
    if not (ROOT / ".git").exists():
        return None
    commit = _git("rev-parse", "HEAD")
    if commit and _git("status", "--porcelain", "--untracked-files=no"):
        return f"{commit} + changes"
    return commit


def _git(*arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _united(records: list[dict[str, Any]], key: str) -> dict[str, str]:
    """One value per name over all jobs; where jobs differ, all values."""
    values: dict[str, set[str]] = {}
    for record in records:
        mapping = record.get(key)
        for name, value in mapping.items() if isinstance(mapping, Mapping) else ():
            values.setdefault(name, set()).add(str(value))
    return {name: " and ".join(sorted(found)) for name, found in sorted(values.items())}
