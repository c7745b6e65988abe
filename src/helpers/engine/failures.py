"""Why a run failed, in sentences.

They tell of the cell and its error, what the engine said, and what is wrong with the machine.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from helpers.engine.notebook import PROBABLY_MEMORY
from helpers.engine.snakemake import events
from helpers.engine.stages import Task
from helpers.errors import printable
from helpers.paths import RunPaths, as_typed

LITTLE_ROOM = 5e6  # bytes below which a disk counts as full
NO_MEMORY = "MemoryError|bad_alloc|allocate memory|not enough memory|out of memory|failed to map segment"


def read_failures(run: RunPaths, names: list[str]) -> list[dict[str, Any]]:
    """What the failed ones of these jobs left behind."""
    paths = [run.logs / f"{name}.failure.json" for name in names]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def died(run: RunPaths, task: Task) -> dict[str, Any]:
    """The failure of a task that ended and left no error behind, as it must on a full disk."""
    log = str(run.logs / f"{task.name}.log")
    full = _free(run) < LITTLE_ROOM
    why = "It could not write, not even what went wrong." if full else f"Its process died. {PROBABLY_MEMORY}"
    return {"title": task.title, "error": why, "log": log, "user": False}


def tell_failures(run: RunPaths, failures: list[dict[str, Any]], unfinished: list[str]) -> int:
    """Say what failed and why, and what to do.

    Returns the exit code: 2 where the user can repair all of it, else 1.
    """
    for failure in failures:
        cell = f", cell {failure['cell']}" if failure.get("cell") else ""
        where = f" ({failure['notebook']}{cell})" if failure.get("notebook") else ""
        _say(f"\n{failure['title']} failed{where}:")
        _say(f"  {printable(failure['error'])}")
        _say(f"  log:      {as_typed(Path(failure['log']))}")
        if failure.get("half"):
            _say(f"  notebook: {as_typed(Path(failure['half']))} (half executed)")
    causes = _outer_causes(run, " ".join(failure["error"] for failure in failures))
    if not failures:
        names = ", ".join(unfinished[:3]) or "none"
        _say(f"\nThe engine ended before its time, while these were unfinished: {names}.")
        if not causes:
            said = last_words(run)
            _say("  " + "\n  ".join(map(printable, said)) if said else "  It said nothing.")
            causes = [
                "Where nobody ended it, the system did, mostly for want of memory: "
                "fewer jobs at once (--cores) need less."
            ]
        _say(f"  log:      {as_typed(run.logs / 'engine.log')}")
    for sentence in causes:
        _say(f"\n{sentence}")
    _say("\nFinished jobs stay finished; once the cause is mended, the same command goes on from here.")
    return 2 if failures and all(failure["user"] for failure in failures) else 1


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def last_words(run: RunPaths) -> list[str]:
    """What the engine, or a cluster through it, said of the failure: at most three lines."""
    told: dict[str, str] = {}
    for event in events(run):
        if event["rule"] and event["said"]:
            where = f" ({event['logs'][-1].split(' (check')[0]})" if event["logs"] else ""
            told[event["rule"]] = f"{event['rule']}: {event['said'].strip().splitlines()[0]}{where}"
        elif not event["rule"] and event["message"].strip():
            told[event["message"]] = event["message"].strip()[:400]
    return list(told.values())[:3]


def _free(run: RunPaths) -> int:
    """Bytes that the run's fuller disk has left."""
    folders = [folder for folder in (run.folder, run.report.parent) if folder.exists()]
    return min(shutil.disk_usage(folder).free for folder in folders)


def _outer_causes(run: RunPaths, errors: str) -> list[str]:
    """What is wrong with the machine, not with the run.

    On a full disk, for example, a job cannot even leave its error behind.
    """
    told, free = [], _free(run)
    if free < LITTLE_ROOM or "No space left" in errors:
        told.append(
            f"The disk of {as_typed(run.folder)} or of {as_typed(run.report.parent)} is full "
            f"({free / 1e6:.1f} MB are free): make room."
        )
    for folder in (run.folder, run.report.parent.parent):
        if folder.exists() and not os.access(folder, os.W_OK):
            told.append(f"{as_typed(folder)} cannot be written to any more.")
    if re.search(NO_MEMORY, errors):
        told.append(
            "Memory ran out: fewer jobs at once (--cores), a smaller batch or a smaller bank need less."
        )
    return told
