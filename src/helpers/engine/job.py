"""One task of a run: ``python -m helpers.engine.job RUN STAGE [key=value …] [notebook]``.

Any task can be run by hand like this.

It makes the numbers of a job by the function of its stage, or, with the word ``notebook``, executes the
stage's notebook, which reads these numbers and shows them; and it leaves a record behind. Exit codes: 0 done,
2 a mistake of the user's, 1 anything else.
"""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from helpers.data.wording import shown
from helpers.engine.account import account
from helpers.engine.by_hand import SHOW_ONLY_VARIABLE, take_note_away
from helpers.engine.cards import one_card, visible_cards
from helpers.engine.keys import Keys, view_key
from helpers.engine.notebook import NotebookFailed, execute_notebook, kernel_environment
from helpers.engine.plan import has_numbers
from helpers.engine.process import join_run, refuse_beside_a_start
from helpers.engine.records import (
    elsewhere,
    put_aside,
    read_record,
    require_whole_inputs,
    write_record,
    write_view,
)
from helpers.engine.runfile import RunFile, load_runfile
from helpers.engine.stages import STAGES, Job, Task, job_parameters, jobs, tasks, threads, wildcard
from helpers.errors import MissingStageError, TrainingError, UserError
from helpers.files import write_json
from helpers.paths import NOTEBOOKS, RunPaths

NOTEBOOK = "notebook"  # the word that asks for it


def main(arguments: list[str]) -> int:
    """Run one task; tell the front door how it goes by files in the run's logs."""
    run, task = _task_asked_for(arguments)
    runfile = load_runfile(run)
    job = task.job
    if job not in (every := list(jobs(runfile.params))):
        near = [other.words for other in every if other.stage == job.stage] or list(STAGES)
        raise UserError(f"The run '{run.run}' has no job '{' '.join(arguments[1:])}'; it has {shown(near)}.")
    if task not in tasks(job, runfile.params):
        raise UserError(f"The page shows no notebook of {job.title}.{_way_to_look(job)}")
    refuse_beside_a_start(run.folder)
    run.logs.mkdir(parents=True, exist_ok=True)
    for stale in ("failure", "progress"):
        (run.logs / f"{task.name}.{stale}.json").unlink(missing_ok=True)
    status = run.logs / f"{task.name}.progress.json"
    os.environ.update(kernel_environment(status, run.folder / ".jobs.lock"))
    join_run()
    _tell(run, task, "started")
    try:
        (_show if task.notebook else _make)(runfile, task)
    except Exception as error:
        failure = error.details if isinstance(error, NotebookFailed) else _plain_failure(error, task, run)
        with suppress(OSError):  # of a full disk the front door learns by itself
            told = {"job": task.name, "title": task.title}
            write_json(run.logs / f"{task.name}.failure.json", failure | told)
        _tell(run, task, "failed")
        print(failure["sentence"], file=sys.stderr)
        return 2 if failure["user"] else 1
    _tell(run, task, "finished")
    return 0


def _way_to_look(job: Job) -> str:
    """Where the course of a job can be seen that has no notebook on the page."""
    if job.stage == "report":
        return ""
    notebook = STAGES[job.stage].notebook or STAGES["classifier"].notebook  # which shows trunks too
    return f" To look at it, open notebook {notebook} in JupyterLab (make lab): it reads what is finished."


def _task_asked_for(words: list[str]) -> tuple[RunPaths, Task]:
    """The run and the task that the words of a command line name."""
    notebook = words[-1:] == [NOTEBOOK]
    try:
        run, stage, *pairs = words[:-1] if notebook else words
        told = dict(pair.split("=", 1) for pair in pairs)
        job = Job(stage, {name: wildcard(name, text) for name, text in told.items()})
        return RunPaths(run), Task(job, notebook)
    except ValueError:
        raise UserError(
            "A job is told as RUN STAGE [seed=0 | trunk=part-0 | arm=NAME replicate=0], "
            "such as: quick classifier arm=filtered replicate=2. The word 'notebook' behind it executes the "
            "notebook that shows it, where the page has one, such as: quick gan seed=0 notebook."
        ) from None


def _make(runfile: RunFile, task: Task) -> None:
    """Make a job's numbers, where they are not finished, and write their record."""
    run, params, job, stage = runfile.run, runfile.params, task.job, STAGES[task.job.stage]
    began, started = time.monotonic(), datetime.now(UTC)
    require_whole_inputs(run, params, job)
    keys = Keys(run, params, runfile.accepted, recorded=list(STAGES))
    if has_numbers(keys, job):
        return
    if (record := read_record(run, job)) and elsewhere(run, record):
        put_aside(run, job)  # or its stage would take its files for finished
    key, code, parts = keys.key(job), keys.code(job), keys.parts(job)
    on_card = stage.on_card and params.compute.device != "cpu"
    _tell(run, task, "running")
    with one_card(visible_cards() if on_card else []), _output_to(run.logs / f"{task.name}.log"):
        make = getattr(import_module(stage.entry), stage.make)
        make(run, params, *(job.wildcards[name] for name in stage.wildcards))
    told = account(job, started, time.monotonic() - began)
    made = {"key": key, "code": code, "parts": parts, "threads": threads(job.stage, params)}
    write_record(run, job, params, told | made)
    take_note_away(run, job)


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """What is printed meanwhile goes into a file."""
    with open(log, "w", encoding="utf-8", buffering=1) as text, redirect_stdout(text), redirect_stderr(text):
        yield


def _show(runfile: RunFile, task: Task) -> None:
    """Execute the notebook that shows a job's finished numbers, and write its record."""
    run, params, job = runfile.run, runfile.params, task.job
    began, started = time.monotonic(), datetime.now(UTC)
    require_whole_inputs(run, params, job, shown_only=True)
    keys = Keys(run, params, runfile.accepted, recorded=list(STAGES))
    if not has_numbers(keys, job, shown_only=True):
        raise MissingStageError(
            f"The notebook of {job.title} shows numbers that are not finished: make them first, by the same "
            f"command without '{NOTEBOOK}', or by run_all.py."
        )
    seen = keys.view_parts(job)  # as it is before the notebook reads it: what comes later is not shown yet
    os.environ[SHOW_ONLY_VARIABLE] = "1"
    execute_notebook(
        NOTEBOOKS / f"{STAGES[job.stage].notebook}.ipynb",
        run.notebooks / str(job.notebook_file),
        job_parameters(job, run.run),
        run.logs / f"{task.name}.log",
        lambda cell, cells: _tell(run, task, "running", cell, cells),
    )
    told = account(job, started, time.monotonic() - began)
    write_view(run, job, told | {"key": view_key(seen)} | seen)


def _tell(run: RunPaths, task: Task, state: str, cell: int = 0, cells: int = 0) -> None:
    told = {"job": task.name, "title": task.title, "state": state, "cell": cell, "cells": cells}
    with suppress(OSError):  # a courtesy: a full disk is for the results' writers to report
        write_json(run.logs / f"{task.name}.state.json", told | {"process": os.getpid()})


def _plain_failure(error: Exception, task: Task, run: RunPaths) -> dict[str, Any]:
    told = isinstance(error, UserError)  # its text is the whole message
    log = run.logs / f"{task.name}.log"
    with suppress(OSError), open(log, "a", encoding="utf-8") as text:
        text.write(traceback.format_exc())
    line = str(error) if told else f"{type(error).__name__}: {error}"
    where = {"notebook": None, "cell": None, "half": None, "log": str(log)}
    user = told and not isinstance(error, TrainingError)
    return where | {"error": line, "user": user, "sentence": f"{task.title}: {line}"}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as mistake:
        print(mistake, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Interrupted. What was finished stays; the same command goes on from here.", file=sys.stderr)
        sys.exit(130)
