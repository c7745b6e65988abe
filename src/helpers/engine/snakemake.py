"""The engine's command line, and running it. Nothing here schedules; Snakemake does.

Snakemake's map holds the tasks that the plan calls stale and nothing else: their names stand in
``artifacts/<run>/to-do.json``. Each has a stamp in ``artifacts/<run>/stamps``, an empty file that stands for
it in the map. All of them are asked for by name (``--forcerun``): where a map also holds what is fresh,
Snakemake first runs the jobs that are stale by themselves, then those behind them, and so on, and each such
round waits for the longest job of the one before. What it has to say comes as events from its logger plugin
(``snakemake_logger_plugin_report``).
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from helpers.cores import allowed_cores
from helpers.engine.cards import count_gpus
from helpers.engine.process import TICKET_VARIABLE, die_with_parent, held_ticket
from helpers.engine.profiles import Profile
from helpers.engine.runfile import RunFile
from helpers.engine.stages import STAGES, Task
from helpers.engine.surroundings import MEMORY, project_path, writable_home
from helpers.files import write_json
from helpers.paths import ROOT, RunPaths

GRACE = 4.0  # seconds between asking the engine to stop and stopping it


def stamp(task: Task) -> str:
    """The empty file that stands for a task in the engine's map, in the run's folder."""
    return f"stamps/{'notebooks/' if task.notebook else ''}{task.job.name}"


def to_do_path(run: RunPaths) -> Path:
    """Where the engine reads which tasks are to be made."""
    return run.folder / "to-do.json"


def draw_map(runfile: RunFile, to_do: Collection[Task]) -> None:
    """Tell the engine what this start is to make, and let every task of it have its stamp."""
    run = runfile.run
    (run.folder / "stamps/notebooks").mkdir(parents=True, exist_ok=True)
    for task in to_do:
        (run.folder / stamp(task)).touch()
    write_json(to_do_path(run), [task.name for task in to_do])


def command(
    runfile: RunFile,
    cores: int | None,
    profile: Profile,
    only: str | None = None,
) -> list[str]:
    """Snakemake's command line without its targets.

    A profile says how much may run at once; ``cores``, where given, limits that.
    """
    on_cpu = runfile.params.compute.device == "cpu"
    gpus = 0 if on_cpu else profile.gpus if profile.elsewhere else count_gpus()
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    words += [
        "--directory",
        str(runfile.run.folder),
        "--config",
        f"run=artifacts/{runfile.run.run}",
        f"gpus={gpus}",
    ]
    words += ["--nolock", "--drop-metadata", "--rerun-incomplete"]  # what a killed engine left says nothing
    words += ["--keep-going", "--nocolor", "--logger", "report"]
    if not profile.elsewhere:
        words += ["--resources", f"gpu={gpus}"]
    if cores or not profile.counts_jobs:
        words += ["--cores", str(cores or allowed_cores())]
    if profile.folder:
        words += ["--profile", str(profile.folder)]
    if only is None:
        return words
    notebook = [f"{only}_notebook"] if STAGES[only].notebook else []
    return [*words, "--allowed-rules", only, *notebook]


def environment(run: RunPaths) -> dict[str, str]:
    """Environment of the engine and its jobs: this project's code, no surprises from outside."""
    from snakemake_logger_plugin_report import EVENTS_VARIABLE  # it loads packages of Snakemake

    clean = {key: value for key, value in os.environ.items() if not key.startswith(("SNAKEMAKE_", "REPORT_"))}
    # a profile's commands find this Python
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return writable_home(clean) | {
        "PYTHONPATH": project_path(os.environ),
        "PATH": path,
        "PYTHONIOENCODING": "utf-8",  # of logs, whatever the terminal's is
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
        "GLIBC_TUNABLES": os.environ.get("GLIBC_TUNABLES", MEMORY),
        "PYTHONDONTWRITEBYTECODE": "",  # each job would compile all that it imports, for half its start
        EVENTS_VARIABLE: str(events_path(run)),
        TICKET_VARIABLE: held_ticket(run.folder),
    }


def events_path(run: RunPaths) -> Path:
    """Where the engine's events of this start are."""
    return run.logs / "engine.events.jsonl"


def events(run: RunPaths) -> list[dict[str, Any]]:
    """The errors of this start, a mapping each.

    It holds ``event``, ``message`` and, of a job, its ``rule``, what was ``said``, and ``logs``.
    """
    try:
        lines = events_path(run).read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]
    except (OSError, ValueError):
        return []


def execute(
    base: list[str], stale: Collection[Task], run: RunPaths, profile: Profile, tick: Callable[[], None]
) -> int:
    """Let the engine run the ``stale`` tasks to the end, and return its exit code.

    ``tick`` is called five times a second.

    On KeyboardInterrupt or SystemExit from a signal the engine and all jobs are ended first.
    """
    run.logs.mkdir(parents=True, exist_ok=True)
    events_path(run).unlink(missing_ok=True)
    with open(run.logs / "engine.log", "w", encoding="utf-8") as log:
        engine = subprocess.Popen(
            [*base, "--forcerun", *map(stamp, stale), "--", *map(stamp, stale)],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment(run),
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=_engine_process,
        )
        try:
            while engine.poll() is None:
                tick()
                time.sleep(0.2)
        finally:
            # on a cluster an interrupt makes it take its jobs back; a termination would wait for them
            _end(engine, signal.SIGINT if profile.elsewhere else signal.SIGTERM)
    tick()
    return engine.returncode


def _engine_process() -> None:
    """Prepare the engine's process, before it starts.

    It dies with the front door, and a Ctrl-C reaches it from any shell.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        die_with_parent()


def _end(engine: subprocess.Popen, politely: signal.Signals) -> None:
    """End the engine and its jobs: politely, then for good. Kernels die with their jobs."""
    for request, patience in ((politely, GRACE), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(engine.pid, request)
        except (ProcessLookupError, PermissionError):
            return
        try:
            engine.wait(patience)
        except subprocess.TimeoutExpired:
            continue
