"""One job of a run: ``python -m helpers.engine.job RUN STAGE [key=value …]``. Any job can be run by hand like this.

Exit codes: 0 done, 2 a mistake of the user's, 1 anything else.
"""

import os
import platform
import resource
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from helpers.data.wording import shown
from helpers.device import cpu_name, installed_version
from helpers.engine.cards import STAGES_ON_CARDS, one_card, visible_cards
from helpers.engine.process import JOBS_LOCK_VARIABLE, join_run
from helpers.engine.runfile import load_runfile
from helpers.engine.seals import require_whole_inputs, settle_times, write_record
from helpers.engine.stages import (
    STAGES,
    Job,
    jobs,
    outputs,
    papermill_parameters,
    relevant_parameters,
    upstream,
)
from helpers.errors import UserError
from helpers.files import write_json
from helpers.params import Params
from helpers.paths import NOTEBOOKS, RunPaths

RECORDED_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scikit-learn",
    "pandas",
    "pillow",
    "snakemake",
    "papermill",
)


def main(arguments: list[str]) -> int:
    """Run one job; tell the front door how it goes by files in the run's logs."""
    run, job = _told(arguments)
    params, runfile = load_runfile(run)
    if job not in (every := list(jobs(params))):
        near = [other.title for other in every if other.stage == job.stage] or list(STAGES)
        raise UserError(f"The run '{run.run}' has no job '{' '.join(arguments[1:])}'; it has {shown(near)}.")
    run.logs.mkdir(parents=True, exist_ok=True)
    state = run.logs / f"{job.name}.state.json"
    for stale in (run.logs / f"{job.name}.failure.json", run.logs / f"{job.name}.progress.json"):
        stale.unlink(missing_ok=True)
    os.environ[JOBS_LOCK_VARIABLE] = str(run.folder / ".jobs.lock")
    join_run()
    _tell(state, job, "started", 0, 0)
    began, started = time.monotonic(), datetime.now(UTC)
    try:
        require_whole_inputs(run, params, [job])
        settle_times(path for other in upstream(job, params) for path in outputs(other, run, params))
        cards = visible_cards() if job.stage in STAGES_ON_CARDS and params.compute.device != "cpu" else []
        with one_card(cards):
            _work(run, job, params, state)
        write_record(run, job, params, _record(job, params, runfile, started, time.monotonic() - began))
    except Exception as error:
        failure = getattr(error, "details", None) or _plain_failure(error, job, run)
        with suppress(OSError):  # of a full disk the front door learns by itself
            write_json(run.logs / f"{job.name}.failure.json", failure | {"job": job.name, "title": job.title})
        _tell(state, job, "failed", 0, 0)
        print(failure["sentence"], file=sys.stderr)
        return 2 if failure["user"] else 1
    _tell(state, job, "finished", 0, 0)
    return 0


def _told(words: list[str]) -> tuple[RunPaths, Job]:
    try:
        run, stage, *pairs = words
        wildcards: dict[str, Any] = dict(pair.split("=", 1) for pair in pairs)
        return RunPaths(run), Job(
            stage,
            {key: int(value) if key in ("seed", "replicate") else value for key, value in wildcards.items()},
        )
    except ValueError:
        raise UserError(
            "A job is told as RUN STAGE [seed=0 | arm=NAME replicate=0], such as: quick classifier arm=filtered replicate=2."
        ) from None


def _work(run: RunPaths, job: Job, params: Params, state: Path) -> None:
    if job.stage == "report":
        from helpers.report.html import render_report

        _tell(state, job, "running", 1, 1)
        render_report(run.run)
        return
    from helpers.report.notebooks import execute_notebook, kernel_environment

    os.environ.update(kernel_environment(run.logs / f"{job.name}.progress.json", run.folder / ".jobs.lock"))
    execute_notebook(
        NOTEBOOKS / f"{STAGES[job.stage].notebook}.ipynb",
        run.notebooks / job.notebook_file,
        papermill_parameters(job, params, run.run),
        run.logs / f"{job.name}.log",
        lambda cell, cells: _tell(state, job, "running", cell, cells),
    )


def _tell(path: Path, job: Job, state: str, cell: int, cells: int) -> None:
    with suppress(OSError):  # a courtesy: a full disk is for the results' writers to report
        write_json(
            path,
            {
                "job": job.name,
                "title": job.title,
                "state": state,
                "cell": cell,
                "cells": cells,
                "process": os.getpid(),
            },
        )


def _plain_failure(error: Exception, job: Job, run: RunPaths) -> dict[str, Any]:
    import traceback

    user = isinstance(error, UserError)
    log = run.logs / f"{job.name}.log"
    with suppress(OSError):
        log.write_text(traceback.format_exc(), encoding="utf-8")
    line = str(error) if user else f"{type(error).__name__}: {error}"
    return {
        "notebook": None,
        "cell": None,
        "error": line,
        "user": user,
        "log": str(log),
        "half": None,
        "sentence": f"{job.title}: {line}",
    }


def _record(
    job: Job, params: Params, runfile: dict[str, Any], started: datetime, seconds: float
) -> dict[str, Any]:
    """What is needed to say how a result came to be."""
    threads = {
        "gan": params.gan.threads,
        "synthesis": params.gan.threads,
        "classifier": params.classifier.threads,
    }.get(job.stage)
    usage = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "job": job.name,
        "stage": job.stage,
        "wildcards": job.wildcards,
        "notebook": job.notebook_file,
        "key": runfile["keys"][job.name],
        "code": runfile["codes"][job.stage],
        "parameters": relevant_parameters(job, params),
        "seconds": round(seconds, 1),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "threads": threads,
        "peak_memory_mb": round(usage / 1024 if sys.platform == "linux" else usage / 2**20),
        "versions": {
            "python": platform.python_version(),
            **{name: installed_version(name) for name in RECORDED_PACKAGES},
        },
        "host_cpu": cpu_name(),
        "system": platform.platform(terse=True),
    }


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as mistake:
        print(mistake, file=sys.stderr)
        sys.exit(2)
