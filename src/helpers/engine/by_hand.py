"""Results that a notebook in JupyterLab made with other parameters than the run's: nobody throws them away
unasked.

Before such a notebook computes, it leaves a note of its job and parameters. When it has finished, it writes
the job's record, as a job of the front door does: a start with the same parameters takes its result as it is,
and the page says so. A start that would make the job anew with other parameters asks first. A job that the
front door ran takes the note away.
"""

import json
import os
import platform
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import JOBS_LOCK_VARIABLE
from helpers.data.wording import shown
from helpers.engine.asking import ask_or_stop
from helpers.engine.key_parts import number_parameters
from helpers.engine.records import read_record
from helpers.engine.stages import MOST, STAGES, Job, outputs, threads
from helpers.errors import UserError
from helpers.files import write_json
from helpers.params import Params, changed_values, override
from helpers.paths import RunPaths
from helpers.report.words import counted

if TYPE_CHECKING:
    from helpers.engine.keys import Keys

SHOW_ONLY_VARIABLE = "REPORT_SHOW_ONLY"  # set for a notebook that the engine executes: it computes nothing


def note_path(run: RunPaths, job: Job) -> Path:
    """Where a notebook that is run by hand says what it is about to compute."""
    return run.logs / f"{job.name}.by-hand.json"


def leave_note(run: RunPaths, job: Job, keys: "Keys") -> None:
    """Note that a job is computed by hand; a job of a start of the front door leaves none."""
    if JOBS_LOCK_VARIABLE in os.environ:
        return
    began = datetime.now(UTC).isoformat(timespec="seconds")
    told = {"began": began, "parameters": number_parameters(job, keys.params), "key": keys.key(job)}
    write_json(note_path(run, job), told | {"process": os.getpid(), "host": platform.node()})


def seal_by_hand(run: RunPaths, params: Params, stage: str, **wildcards: Any) -> None:
    """Write the record of a job that a notebook run by hand has just finished.

    A job of a start of the front door writes its own. Every stage with a notebook calls this at its end.
    Where a file of the job is missing, or its code or what it read was changed meanwhile, it gets no record,
    and the next start makes it anew; where a start made the job meanwhile, it has a record already.
    """
    job = Job(stage, wildcards)
    if JOBS_LOCK_VARIABLE in os.environ or not all(path.exists() for path in outputs(job, run, params)):
        return
    if not note_path(run, job).exists():  # a start has made the job meanwhile
        return
    from helpers.engine.account import account
    from helpers.engine.keys import Keys
    from helpers.engine.records import write_record
    from helpers.engine.runfile import accepted_code

    keys, note = Keys(run, params, accepted_code(run, params, []), recorded=list(STAGES)), _note(run, job)
    if note["key"] != keys.key(job):
        return
    began = datetime.fromisoformat(note["began"])
    made = {"key": note["key"], "code": keys.code(job), "parts": keys.parts(job), "by_hand": True}
    seconds = (datetime.now(UTC) - began).total_seconds()
    told = account(job, began, seconds) | made | {"threads": threads(stage, params)}
    write_record(run, job, params, told)


def take_note_away(run: RunPaths, job: Job) -> None:
    """Forget what was computed by hand: its files are no longer there."""
    note_path(run, job).unlink(missing_ok=True)


def ask_before_throwing_away(run: RunPaths, doomed: Sequence[Job], keys: "Keys") -> None:
    """Ask whether results of notebooks run by hand may be made anew with this start's parameters.

    ``doomed`` are the jobs that would be. Raises UserError where the answer is no, and where nobody can be
    asked. So it does where a notebook is computing one of them, or seems to: both would write the same files.
    """
    for job in doomed:
        if who := _computing(run, job):
            ask_or_stop(
                f"{job.title} is being computed by a notebook ({who}), or was interrupted there while its "
                "kernel goes on.",
                "Was it interrupted, so that this start may make it?",
                "Wait for that notebook, or shut its kernel down, and start again.",
            )
    found = _other_results(run, doomed, keys)
    if found is None:
        return
    force = " ".join(f"--force {stage}" for stage in found.stages)
    ask_or_stop(
        found.sentence,
        "Make it anew with this command's parameters, and lose that result?",
        f"{found.way_out} {force} makes it anew with this command's parameters.",
    )


def _computing(run: RunPaths, job: Job) -> str:
    """The process that began a job by hand, goes on and has not sealed it; empty without one.

    On another machine nobody can see whether it goes on.
    """
    try:
        note = _note(run, job)
        process, began = int(note["process"]), str(note["began"])
        if note["host"] != platform.node() or process == os.getpid():
            return ""
        os.kill(process, 0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    sealed = (read_record(run, job) or {}).get("key") == note["key"]
    return "" if sealed else f"process {process}, since {began}"


def refuse_a_mixture(run: RunPaths, read: Sequence[Job], keys: "Keys") -> None:
    """Raise UserError where a job that is about to be read was computed by hand with other parameters.

    So asks a start with ``--only``, which would otherwise show its result under this command's parameters.
    """
    found = _other_results(run, read, keys)
    if found is not None:
        raise UserError(f"{found.sentence} {found.way_out}")


@dataclass(frozen=True)
class _OtherResults:
    """Results of notebooks run by hand that have other parameters than the command's."""

    sentence: str  # which they are, and how they differ
    way_out: str  # how to have a page of them
    stages: list[str]


def _other_results(run: RunPaths, jobs: Sequence[Job], keys: "Keys") -> _OtherResults | None:
    """Those of these jobs; None where there are none."""
    changed = [
        (job, differences)
        for job in jobs
        if (read_record(run, job) or {}).get("key") != keys.key(job)
        and (differences := _other_parameters(run, job, keys))
    ]
    if not changed:
        return None
    job, differences = changed[0]
    rest = f" (and {counted(len(changed) - 1, 'more job')})" if len(changed) > 1 else ""
    told = shown([f"{name} {then} in place of {now}" for name, then, now in differences], MOST)
    return _OtherResults(
        f"{job.title}{rest} was computed by a notebook outside of run_all.py with other parameters: {told}.",
        f"To have a page of it, add {_as_options(differences)} to the command: that result is then kept as "
        "it is, and the rest is made to match it.",
        list(dict.fromkeys(each.stage for each, _ in changed)),
    )


def _as_options(differences: Sequence[tuple[str, Any, Any]]) -> str:
    """The options by which a command takes the parameters of a note, ready for a shell."""
    return " ".join(f"--set {shlex.quote(override(name, then))}" for name, then, _ in differences)


def _other_parameters(run: RunPaths, job: Job, keys: "Keys") -> list[tuple[str, Any, Any]]:
    """How the parameters of a job computed by hand differ from these: name, value then, value now."""
    try:
        return changed_values(_note(run, job)["parameters"], number_parameters(job, keys.params))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _note(run: RunPaths, job: Job) -> dict[str, Any]:
    return json.loads(note_path(run, job).read_text(encoding="utf-8"))
