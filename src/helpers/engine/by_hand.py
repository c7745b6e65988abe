"""Results that a notebook in JupyterLab made with other parameters than the run's: nobody throws them away
unasked.

Before such a notebook computes, it leaves a note of its job and parameters. A start of the front door that
would make the job anew with other ones asks first. A job that the front door ran takes the note away.
"""

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.engine.changes import changed_values, listed
from helpers.engine.process import JOBS_LOCK_VARIABLE
from helpers.engine.stages import Job
from helpers.errors import UserError
from helpers.files import write_json
from helpers.paths import RunPaths

if TYPE_CHECKING:
    from helpers.engine.keys import Keys


def note_path(run: RunPaths, job: Job) -> Path:
    """Where a notebook that is run by hand says what it is about to compute."""
    return run.logs / f"{job.name}.by-hand.json"


def leave_note(run: RunPaths, job: Job, keys: "Keys") -> None:
    """Note that a job is computed by hand; a job of a start of the front door leaves none."""
    if JOBS_LOCK_VARIABLE in os.environ:
        return
    began = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(note_path(run, job), {"began": began, "parameters": keys.parts(job)["parameters"]})


def take_note_away(run: RunPaths, job: Job) -> None:
    """Forget what was computed by hand: its files are no longer there."""
    note_path(run, job).unlink(missing_ok=True)


def ask_before_throwing_away(run: RunPaths, doomed: Sequence[Job], keys: "Keys") -> None:
    """Ask whether results of notebooks run by hand may be made anew with this start's parameters.

    ``doomed`` are the jobs that would be. Raises UserError where the answer is no, and where nobody can be
    asked.
    """
    changed = [(job, told) for job in doomed if (told := _other_parameters(run, job, keys))]
    if not changed:
        return
    job, told = changed[0]
    rest = f" (and {len(changed) - 1} more jobs)" if len(changed) > 1 else ""
    question = (
        f"{job.title}{rest} was computed by a notebook outside of run_all.py with other parameters: {told}."
    )
    if sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        answer = input(
            f"{question} Make it anew with this command's parameters, and lose that result? [y/N] "
        )
        if answer.strip().lower() in ("y", "yes"):
            return
    stages = " ".join(f"--force {stage}" for stage in dict.fromkeys(each.stage for each, _ in changed))
    raise UserError(
        f"{question} Nothing was touched. {stages} makes it anew with this command's parameters; to have a "
        "page of the other ones, give them by --set SECTION.KEY=VALUE with a --run NAME of its own."
    )


def _other_parameters(run: RunPaths, job: Job, keys: "Keys") -> str:
    """How the parameters of a job computed by hand differ from these; empty where they do not."""
    try:
        note = json.loads(note_path(run, job).read_text(encoding="utf-8"))
        changed = changed_values(note["parameters"], keys.parts(job)["parameters"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    return listed([f"{name} {then} in place of {now}" for name, then, now in changed])
