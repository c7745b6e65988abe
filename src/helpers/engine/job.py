"""One job of a run: ``python -m helpers.engine.job RUN STAGE [key=value …]``.

Any job can be run by hand like this.

It executes the stage's notebook, or where it has none the stage itself, and leaves a record behind. Where the
numbers are finished already, the notebook reads them and only what is shown of them is made anew. Exit codes:
0 done, 2 a mistake of the user's, 1 anything else.
"""

import os
import sys
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from helpers import JOBS_LOCK_VARIABLE
from helpers.data.wording import shown
from helpers.engine.account import account
from helpers.engine.by_hand import take_note_away
from helpers.engine.cards import one_card, visible_cards
from helpers.engine.data import view_files
from helpers.engine.keys import Keys, view_key
from helpers.engine.notebook import execute_notebook, kernel_environment
from helpers.engine.plan import is_finished
from helpers.engine.process import join_run
from helpers.engine.records import require_whole_inputs, write_record, write_view
from helpers.engine.runfile import RunFile, load_runfile
from helpers.engine.stages import STAGES, Job, is_shown, job_parameters, jobs, threads, wildcard
from helpers.errors import UserError
from helpers.files import write_json
from helpers.params import Params
from helpers.paths import NOTEBOOKS, RunPaths


def main(arguments: list[str]) -> int:
    """Run one job; tell the front door how it goes by files in the run's logs."""
    run, job = _told(arguments)
    runfile = load_runfile(run)
    if job not in (every := list(jobs(runfile.params))):
        near = [other.title for other in every if other.stage == job.stage] or list(STAGES)
        raise UserError(f"The run '{run.run}' has no job '{' '.join(arguments[1:])}'; it has {shown(near)}.")
    run.logs.mkdir(parents=True, exist_ok=True)
    for stale in ("failure", "progress"):
        (run.logs / f"{job.name}.{stale}.json").unlink(missing_ok=True)
    os.environ[JOBS_LOCK_VARIABLE] = str(run.folder / ".jobs.lock")
    join_run()
    _tell(run, job, "started")
    try:
        _work(runfile, job)
    except Exception as error:
        failure = getattr(error, "details", None) or _plain_failure(error, job, run)
        with suppress(OSError):  # of a full disk the front door learns by itself
            write_json(run.logs / f"{job.name}.failure.json", failure | {"job": job.name, "title": job.title})
        _tell(run, job, "failed")
        print(failure["sentence"], file=sys.stderr)
        return 2 if failure["user"] else 1
    _tell(run, job, "finished")
    return 0


def _told(words: list[str]) -> tuple[RunPaths, Job]:
    try:
        run, stage, *pairs = words
        told = dict(pair.split("=", 1) for pair in pairs)
        return RunPaths(run), Job(stage, {name: wildcard(name, text) for name, text in told.items()})
    except ValueError:
        raise UserError(
            "A job is told as RUN STAGE [seed=0 | trunk=part-0 | arm=NAME replicate=0], "
            "such as: quick classifier arm=filtered replicate=2."
        ) from None


def _work(runfile: RunFile, job: Job) -> None:
    """Make a job's numbers, where they are not finished, and what is shown of them; write its records."""
    run, params = runfile.run, runfile.params
    began, started = time.monotonic(), datetime.now(UTC)
    require_whole_inputs(run, params, job)
    keys = Keys(run, params, runfile.accepted, recorded=list(STAGES))
    finished = is_finished(run, params, job.stage, **job.wildcards)
    key, code, parts = keys.key(job), keys.code(job), keys.parts(job)
    read = view_files(run, job)  # before the notebook reads them: what comes later is not shown yet
    on_card = STAGES[job.stage].on_card and params.compute.device != "cpu" and not finished
    with one_card(visible_cards() if on_card else []):
        _execute(run, params, job)
    told = account(job, started, time.monotonic() - began)
    if not finished:
        made = {"key": key, "code": code, "parts": parts, "threads": threads(job.stage, params)}
        write_record(run, job, params, told | made)
        take_note_away(run, job)
    if is_shown(job, params):
        keys = Keys(run, params, runfile.accepted, recorded=list(STAGES))
        shown = keys.view_parts(job) | read
        write_view(run, job, told | {"key": view_key(shown)} | shown)


def _execute(run: RunPaths, params: Params, job: Job) -> None:
    stage = STAGES[job.stage]
    os.environ.update(kernel_environment(run.logs / f"{job.name}.progress.json", run.folder / ".jobs.lock"))
    if stage.notebook is None:
        _tell(run, job, "running", 1, 1)
        import_module(stage.entry).make(run, params, **job.wildcards)
        return
    execute_notebook(
        NOTEBOOKS / f"{stage.notebook}.ipynb",
        run.notebooks / str(job.notebook_file),
        job_parameters(job, run.run),
        run.logs / f"{job.name}.log",
        lambda cell, cells: _tell(run, job, "running", cell, cells),
    )


def _tell(run: RunPaths, job: Job, state: str, cell: int = 0, cells: int = 0) -> None:
    told = {"job": job.name, "title": job.title, "state": state, "cell": cell, "cells": cells}
    with suppress(OSError):  # a courtesy: a full disk is for the results' writers to report
        write_json(run.logs / f"{job.name}.state.json", told | {"process": os.getpid()})


def _plain_failure(error: Exception, job: Job, run: RunPaths) -> dict[str, Any]:
    user = isinstance(error, UserError)
    log = run.logs / f"{job.name}.log"
    with suppress(OSError):
        log.write_text(traceback.format_exc(), encoding="utf-8")
    line = str(error) if user else f"{type(error).__name__}: {error}"
    where = {"notebook": None, "cell": None, "half": None, "log": str(log)}
    return where | {"error": line, "user": user, "sentence": f"{job.title}: {line}"}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as mistake:
        print(mistake, file=sys.stderr)
        sys.exit(2)
