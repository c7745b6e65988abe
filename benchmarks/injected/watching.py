"""Starting the front door, waiting for a moment, and looking at jobs and processes from outside."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from injected.bench import STAGES
from support.project import Project


@dataclass
class Watched:
    """A front door that was started, and how it ended."""

    process: subprocess.Popen
    out: str = ""
    err: str = ""
    seconds: float = 0.0

    def end(self, patience: float = 3600) -> int:
        self.out, self.err = self.process.communicate(timeout=patience)
        return self.process.returncode


def states(project: Project, run: str = "smoke") -> dict[str, str]:
    """What each job last said: started, running, finished, failed."""
    found = {}
    for path in (project.folder / "artifacts" / run / "logs").glob("*.state.json"):
        try:
            found[path.name.removesuffix(".state.json")] = json.loads(path.read_text())["state"]
        except (OSError, ValueError):
            continue
    return found


def made(project: Project, stages: tuple[str, ...] = STAGES, run: str = "smoke") -> dict[str, str]:
    """When the jobs of these stages say that their numbers were finished, by job name."""
    paths = (project.folder / "artifacts" / run / "logs").glob("*.record.json")
    records = [json.loads(path.read_text()) for path in paths]
    return {record["job"]: record["finished"] for record in records if record["stage"] in stages}


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen | None = None, seconds: float = 1800
) -> bool:
    """Wait for a condition; False where the process ended, or the time was up, before it held."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until or (process is not None and process.poll() is not None):
            return condition()
        time.sleep(0.02)
    return True


def family(process: subprocess.Popen) -> list[psutil.Process]:
    """The front door and all that came of it."""
    try:
        door = psutil.Process(process.pid)
        return [door, *door.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def survivors(processes: list[psutil.Process], seconds: float = 10) -> list[str]:
    """Names of the processes that are still alive after a while."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [
        f"{process.pid} {' '.join(process.cmdline()[:4])}"
        for process in alive
        if process.status() != psutil.STATUS_ZOMBIE
    ]


def stage_of(job: str) -> str:
    return job.split("-")[0]


def started(project: Project, stage: str, run: str = "smoke") -> bool:
    """Whether a job of this stage is at work."""
    return any(
        stage_of(name) == stage and state in ("started", "running")
        for name, state in states(project, run).items()
    )


def forget(project: Project, stage: str, run: str = "smoke") -> None:
    """Remove a stage's files, its checkpoints too, so that it is to be made from the start."""
    folder = project.folder / "artifacts" / run
    places = {
        "eda": ["data/split.csv", "data/manifest.json", "data/duplicates.csv", "data/phantom"],
        "gan": ["gan"],
        "synthesis": ["synthetic"],
        "classifier": ["classifier/all", "classifier/filtered"],
        "evaluation": ["evaluation"],
        "report": ["provenance.json", project.folder / "reports" / run / "report.html"],
    }
    for place in places[stage]:
        path = folder / place
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextmanager
def paused(project: Project, task: str) -> Iterator[Callable[[], bool]]:
    """A stand-in waits while this lasts, such as 'eda' or 'eda shown'; yields whether it has come to that."""
    (project.folder / "paused").unlink(missing_ok=True)
    (project.folder / "pause").write_text(task)
    try:
        yield (project.folder / "paused").exists
    finally:
        (project.folder / "pause").unlink(missing_ok=True)
