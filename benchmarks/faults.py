"""Does a run survive? Injects each fault for real, goes on by the same command, and prints one table; ends
with ``survived N of N``.

Run: make faults, or python benchmarks/faults.py [NAME ...] [--quick]

Runs of ``params/smoke.yaml`` in copies of the project, whole ones where the work itself matters, and ones
with stand-in notebooks where the engine is meant. Linux; mounts and memory limits need root, and what is not
allowed here is said and counted as not survived.
"""

import argparse
import base64
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

import fake_stages  # noqa: E402
from conftest import Project, copy_project  # noqa: E402

SMOKE = ("--params", "params/smoke.yaml")
STAGES = ("eda", "gan", "synthesis", "classifier", "evaluation", "report")
TIMES = ("timing", "cost", "environment", "provenance")  # tables of times and machines
ARTEFACTS = (
    "data/split.csv",
    "data/manifest.json",
    "gan/seed-0/generator.safetensors",
    "synthetic/seed-0/images.npy",
    "synthetic/seed-0/scores.csv",
    "classifier/all/replicate-0/predictions.csv",
    "classifier/all/replicate-0/model.safetensors",
    "evaluation/metrics.csv",
    "notebooks/05_evaluation.ipynb",
    "logs/gan-seed-0.record.json",
)
NS = 10**9


# --- what the faults are done to ------------------------------------------------------------------


@dataclass
class Bench:
    """Copies of the project in one folder, and what an undisturbed run makes."""

    folder: Path
    seed: int
    kills: int

    @cached_property
    def source(self) -> Path:
        """The project as it is now, so that an edit in the meantime changes nothing."""
        place = self.folder / "source"
        return place if place.exists() else copy_project(place).folder

    def project(self, name: str) -> Project:
        """A fresh copy of the project, in a folder with a space and a brace in its name."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name} {{", dir=self.folder)) / "project"
        shutil.copytree(self.source, folder)
        return Project(folder)

    @cached_property
    def whole(self) -> Project:
        """A project after one undisturbed smoke run: the reference. Nobody changes it; in a kept folder it is
        used again.
        """
        project = Project(self.folder / "whole")
        if not (project.folder / "reports/smoke/report.html").exists():
            shutil.copytree(self.source, project.folder, dirs_exist_ok=True)
            project.run(*SMOKE, timeout=7200)
        return project

    @cached_property
    def stand_in(self) -> Project:
        """A project with stand-in notebooks, run once; faults are done to it one after the other."""
        project = self.project("stand-in")
        fake_stages.install(project)
        project.run(*SMOKE, timeout=7200)
        return project

    @cached_property
    def tables(self) -> dict[str, bytes]:
        """The undisturbed run's tables."""
        return tables(self.whole)

    def finished_copy(self) -> Project:
        """A copy of the undisturbed run, with its files' times."""
        target = Path(tempfile.mkdtemp(prefix="finished {", dir=self.folder)) / "project"
        shutil.copytree(self.whole.folder, target, symlinks=True)
        return Project(target)


def tables(project: Project, run: str = "smoke") -> dict[str, bytes]:
    """Every table of a run by name; tables and columns of times, and the run's own name, are left out."""
    found = {}
    for room in (f"artifacts/{run}", f"reports/{run}"):
        for path in sorted((project.folder / room).rglob("*.csv")):
            name = path.relative_to(project.folder / room).as_posix()
            if (
                "phantom" in path.parts
                or any(word in path.stem for word in TIMES)
                or any(part.startswith(".") for part in path.parts)
            ):
                continue
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
            timed = [column for column in table if re.search("second|minute|hour|time$|kimg|memory", column)]
            found[f"{room.split('/')[0]}/{name}"] = (
                table.drop(columns=timed).to_csv(index=False).encode() if timed else path.read_bytes()
            )
    return found


def differing(project: Project, bench: Bench, run: str = "smoke") -> list[str]:
    """Names of the tables that are not the undisturbed run's, to the byte."""
    now = tables(project, run)
    return sorted(name for name in {*now, *bench.tables} if now.get(name) != bench.tables.get(name))


def half_files(project: Project) -> list[str]:
    """Files under a final name that are not whole: each kind is read as far as its format can tell."""
    bad = []
    for room in ("artifacts", "reports"):
        for path in (project.folder / room).rglob("*"):
            parts = path.relative_to(project.folder).parts
            if (
                path.is_file()
                and not any(part.startswith(".") for part in parts)
                and not {"phantom", "logs"} & set(parts)
            ):
                try:
                    _read_whole(path)
                except Exception as error:
                    bad.append(f"{path.name} ({type(error).__name__})")
    return bad


def _read_whole(path: Path) -> None:
    if path.suffix == ".npy":
        np.load(path, mmap_mode="r", allow_pickle=False)
    elif path.suffix in (".json", ".ipynb"):
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".csv":
        if not path.read_bytes().endswith(b"\n"):
            raise ValueError("no end of line")
        pd.read_csv(path)
    elif path.suffix == ".safetensors":
        from safetensors import safe_open

        safe_open(path, "np")
    elif path.suffix == ".pt":
        import zipfile

        if zipfile.ZipFile(path).testzip():
            raise ValueError("checksum")
    elif path.suffix == ".html" and not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("no end")


@dataclass
class Outcome:
    """One injected fault."""

    fault: str
    case: str
    survived: bool
    note: str


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


@dataclass
class Checks:
    """What must hold after a fault; the first that does not is the note."""

    failed: list[str] = field(default_factory=list)

    def need(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.failed.append(otherwise)

    def sentence(self, code: int, out: str, err: str, expected: set[int], words: str = "") -> None:
        """The right exit code, words for the reader, and no traceback."""
        self.need(code in expected, f"exit code {code}: {err.strip()[-200:]}")
        self.need("Traceback" not in out + err, "a traceback")
        self.need(
            bool(re.search(words or "goes on from here", out + err)),
            f"not said: {words or 'goes on from here'}: {err.strip()[-200:]}",
        )

    def goes_on(self, project: Project, *words: str) -> None:
        """The same command ends well."""
        done = project.run(*SMOKE, *words, code=None, timeout=7200)
        self.need(
            done.returncode == 0, f"did not go on: exit {done.returncode}, {done.stderr.strip()[-300:]}"
        )

    def outcome(self, fault: str, case: str, note: str = "") -> Outcome:
        return Outcome(fault, case, not self.failed, "; ".join(self.failed) or note)


def states(project: Project, run: str = "smoke") -> dict[str, str]:
    """What each job last said: started, running, finished, failed."""
    found = {}
    for path in (project.folder / "artifacts" / run / "logs").glob("*.state.json"):
        try:
            found[path.name.removesuffix(".state.json")] = json.loads(path.read_text())["state"]
        except (OSError, ValueError):
            continue
    return found


def finished(project: Project, run: str = "smoke") -> dict[str, int]:
    """Jobs that are done for the engine too, and when: their record is there, and the engine has none of
    their files marked as incomplete.
    """
    folder = project.folder / "artifacts" / run
    marked = {
        base64.b64decode(path.name).decode() for path in (folder / ".snakemake" / "incomplete").glob("*")
    }
    records = {path: json.loads(path.read_text()) for path in (folder / "logs").glob("*.record.json")}
    return {
        record["job"]: path.stat().st_mtime_ns
        for path, record in records.items()
        if not marked & set(record["files"])
    }


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
        "eda": ["data/split.csv", "data/manifest.json", "data/phantom"],
        "gan": ["gan"],
        "synthesis": ["synthetic"],
        "classifier": ["classifier/all", "classifier/filtered"],
        "evaluation": ["evaluation"],
        "report": ["provenance.json", project.folder / "reports" / run / "report.html"],
    }
    for place in places[stage]:
        path = folder / place
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


# --- the faults -----------------------------------------------------------------------------------

FAULTS: dict[str, Callable[[Bench], Iterator[Outcome]]] = {}


def fault(function: Callable[[Bench], Iterator[Outcome]]) -> Callable[[Bench], Iterator[Outcome]]:
    """Register a fault under its function's name."""
    FAULTS[function.__name__.replace("_", "-")] = function
    return function


@fault
def killed(bench: Bench) -> Iterator[Outcome]:
    """SIGKILL of the whole run at random moments over all stages, the same command each time."""
    moments = _moments(bench)
    project, checks, kept = bench.project("killed"), Checks(), {}
    for number, (stage, after) in enumerate(moments, start=1):
        process, anew = _in_the_midst(project, stage, after)
        if process is None:
            checks.need(False, f"kill {number}: the run was done before it could be killed in '{stage}'")
            break
        if anew:  # and with it what comes after
            kept = {
                name: moment
                for name, moment in kept.items()
                if list(STAGES).index(stage_of(name)) < list(STAGES).index(stage)
            }
        done = finished(project)
        everyone = family(process)
        if number % 2:
            process.kill()  # the front door alone, as when memory is short; the rest must end too
        else:
            for one in everyone:  # all at once, as a machine does that loses its power
                one.kill() if one.is_running() else None
        process.communicate()
        checks.need(not (left := survivors(everyone)), f"kill {number} in '{stage}': still there: {left}")
        again = [name for name, moment in kept.items() if done.get(name, moment) != moment]
        checks.need(not again, f"kill {number}: run again although finished: {again}")
        kept |= done
        print(
            f"    kill {number} of {len(moments)}: in '{stage}' after {after:.1f} s, {len(kept)} jobs "
            "finished so far",
            flush=True,
        )
    last = project.run(*SMOKE, code=None, timeout=7200)
    checks.need(last.returncode == 0, f"the last start ended with {last.returncode}: {last.stderr[-300:]}")
    now = {
        path.name.removesuffix(".record.json"): path.stat().st_mtime_ns
        for path in (project.folder / "artifacts/smoke/logs").glob("*.record.json")
    }
    again = [name for name, moment in kept.items() if now.get(name) != moment]
    checks.need(not again, f"run again although finished: {again}")
    checks.need(not (other := differing(project, bench)), f"tables differ: {other[:5]}")
    checks.need("every job is fresh" in project.run(*SMOKE, timeout=7200).stdout, "not fresh at the end")
    note = (
        f"{len(moments)} kills, {len(bench.tables)} tables equal to the byte, "
        f"{len(kept)} jobs finished before a kill and none made twice"
    )
    for stage in dict.fromkeys(stage for stage, _ in moments):
        times = sum(1 for other, _ in moments if other == stage)
        for _ in range(times):
            yield checks.outcome(
                "SIGKILL of the whole run", f"in {'the planning' if stage == 'plan' else stage}", note
            )


def _in_the_midst(project: Project, stage: str, after: float) -> tuple[subprocess.Popen | None, bool]:
    """A run ``after`` seconds into a stage, and whether that stage had to be forgotten: the machine may be
    faster than when the moments were drawn.
    """
    for turn in range(5):
        process = project.start(*SMOKE)
        if stage != "plan":
            wait_until(lambda: started(project, stage), process)
        wait_until(lambda: False, process, after / 2**turn)
        if process.poll() is None:
            return process, turn > 0
        process.communicate()
        if stage != "plan":
            forget(project, stage)
    return None, False


def _moments(bench: Bench) -> list[tuple[str, float]]:
    """Random moments of an undisturbed run in the order of its stages: which one, and seconds after its job
    began.
    """
    logs = bench.whole.folder / "artifacts/smoke/logs"
    seconds = {"plan": 3.0}
    for stage in STAGES:
        seconds[stage] = max(
            json.loads(path.read_text())["seconds"] for path in logs.glob(f"{stage}*.record.json")
        )
    moments = random.Random(bench.seed)
    at_least_one = list(seconds)
    chosen = at_least_one + moments.choices(
        list(seconds), weights=list(seconds.values()), k=max(0, bench.kills - len(at_least_one))
    )
    order = list(seconds)
    drawn = [(stage, moments.uniform(0, 0.9 * seconds[stage])) for stage in chosen]
    return sorted(drawn, key=lambda moment: (order.index(moment[0]), moment[1]))


@fault
def one_process_killed(bench: Bench) -> Iterator[Outcome]:
    """SIGKILL of one process of the chain: front door, engine, job, kernel. No orphan goes on writing."""
    project = bench.stand_in
    for victim in ("front door", "engine", "job", "kernel"):
        checks, run = Checks(), f"killed-{victim.replace(' ', '-')}"
        with paused(project, "eda") as reached:
            process = project.start(*SMOKE, "--run", run)
            wait_until(reached, process)
            everyone = family(process)
            match = {
                "front door": r"run_all\.py",
                "engine": r"-m snakemake",
                "job": r"helpers\.engine\.job",
                "kernel": "ipykernel",
            }[victim]
            next(one for one in everyone if re.search(match, " ".join(one.cmdline()))).kill()
            out, err = process.communicate(timeout=120)
            checks.need(not (left := survivors(everyone)), f"still there: {left}")
            if victim != "front door":
                checks.sentence(process.returncode, out, err, {1})
        checks.goes_on(project, "--run", run)
        yield checks.outcome(
            "SIGKILL of one process",
            victim,
            _last_sentence(err) if victim != "front door" else "the others end at once",
        )


@contextmanager
def paused(project: Project, job: str) -> Iterator[Callable[[], bool]]:
    """Stand-in notebooks wait while this lasts; yields whether a job has come to its pause."""
    (project.folder / f"paused-{job}").unlink(missing_ok=True)
    (project.folder / "pause").touch()
    try:
        yield (project.folder / f"paused-{job}").exists
    finally:
        (project.folder / "pause").unlink(missing_ok=True)


def _last_sentence(text: str) -> str:
    """The first two lines of what was said, without the paths of logs."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("log:", "notebook:", "Finished jobs stay"))]
    return " ".join((said or lines or [""])[:2])[:240]


@fault
def signals(bench: Bench) -> Iterator[Outcome]:
    """SIGINT and SIGTERM in the midst of a training: within 10 s, no process left, 130 and 143."""
    project, told = bench.finished_copy(), []
    logs = project.folder / "artifacts/smoke/logs"
    for stage, request, code in (("gan", signal.SIGINT, 130), ("classifier", signal.SIGTERM, 143)):
        checks = Checks()
        forget(project, stage)
        for path in logs.glob("*.progress.json"):
            path.unlink()
        process = project.start(*SMOKE, "--until", stage)
        wait_until(
            lambda stage=stage: started(project, stage) and any(logs.glob(f"{stage}*.progress.json")), process
        )
        everyone, began = family(process), time.monotonic()
        process.send_signal(request)
        out, err = process.communicate(timeout=120)
        took = time.monotonic() - began
        checks.sentence(process.returncode, out, err, {code})
        checks.need(took < 10, f"took {took:.1f} s")
        checks.need(not (left := survivors(everyone, 2)), f"still there: {left}")
        checks.goes_on(project, "--until", stage)
        told.append(
            (
                checks,
                request.name,
                f"in {stage}",
                f"ended after {took:.1f} s with {code}, all {len(everyone)} processes gone",
            )
        )
    yield from _with_equal_tables("signal", told, project, bench)


def _with_equal_tables(
    fault: str, told: list[tuple[Checks, str, str, str]], project: Project, bench: Bench
) -> Iterator[Outcome]:
    """The outcomes of faults done to one project, after its report is made and its tables are compared."""
    done = project.run(*SMOKE, code=None, timeout=7200)
    other = differing(project, bench)
    for checks, what, case, note in told:
        checks.need(done.returncode == 0, f"the report was not made: {done.stderr.strip()[-200:]}")
        checks.need(not other, f"tables differ: {other[:5]}")
        yield checks.outcome(f"{fault} {what}".strip(), case, note)


@contextmanager
def small_disk(project: Project, megabytes: int) -> Iterator[Path]:
    """The project's artifacts and reports on a disk of their own (tmpfs), of this size."""
    disk = project.folder / "disk"
    disk.mkdir()
    _mount(["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(disk)])
    try:
        for room in ("artifacts", "reports"):
            if (project.folder / room).exists():
                shutil.copytree(project.folder / room, disk / room, symlinks=True)
                shutil.rmtree(project.folder / room)
            (disk / room).mkdir(exist_ok=True)
            (project.folder / room).symlink_to(disk / room)
        yield disk
    finally:
        _unmount(disk)


def _mount(words: list[str]) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True, text=True)


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def fill(disk: Path, leave: int) -> Path:
    """Write a file until only ``leave`` bytes are free."""
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file, suppress(OSError):
        while os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize > leave:
            file.write(bytes(4096))
    return filler


@fault
def disk_full(bench: Bench) -> Iterator[Outcome]:
    """A full disk (tmpfs) at every stage, and from the very first byte on."""
    project, told = bench.finished_copy(), []
    with small_disk(project, 500) as disk:
        for stage, leave in (*((stage, 200_000) for stage in STAGES), ("report", 0)):
            checks = Checks()
            forget(project, stage)
            filler = fill(disk, leave)
            failed = project.run(*SMOKE, "--until", stage, code=None, timeout=7200)
            checks.sentence(
                failed.returncode,
                failed.stdout,
                failed.stderr,
                {1, 2},
                "(?i)no space|disk space|is full|make room|free some space",
            )
            checks.need(not (half := half_files(project)), f"half files: {half[:3]}")
            filler.unlink()
            checks.goes_on(project, "--until", stage)
            print(
                f"    disk full in {stage}, {leave} bytes left: exit {failed.returncode}, "
                f"{' | '.join(failed.stderr.split(chr(10)))[-400:]} {checks.failed}",
                flush=True,
            )
            told.append(
                (
                    checks,
                    "",
                    f"in {stage}" if leave else "before the start, to the last byte",
                    _last_sentence(failed.stderr),
                )
            )
        yield from _with_equal_tables("disk full", told, project, bench)


@fault
def read_only_reports(bench: Bench) -> Iterator[Outcome]:
    """A reports folder that cannot be written: from the start, and from the midst of a run on."""
    project = bench.stand_in
    reports = project.folder / "reports"
    for case in ("from the start", "from the midst on"):
        checks, run = Checks(), f"frozen-{case.split()[-1]}"
        _mount(["-t", "tmpfs", "tmpfs", str(reports)])
        try:
            if case == "from the start":
                _mount(["-o", "remount,ro", str(reports)])
                failed = Watched(project.start(*SMOKE, "--run", run))
            else:
                with paused(project, "eda") as reached:
                    failed = Watched(project.start(*SMOKE, "--run", run))
                    wait_until(reached, failed.process)
                    _mount(["-o", "remount,ro", str(reports)])
            code = failed.end()
            checks.sentence(code, failed.out, failed.err, {1, 2}, "(?i)read-only|cannot be written to")
            _mount(["-o", "remount,rw", str(reports)])
            checks.goes_on(project, "--run", run)
        finally:
            _unmount(reports)
        yield checks.outcome("reports folder read-only", case, _last_sentence(failed.err))


@fault
def memory(bench: Bench) -> Iterator[Outcome]:
    """Too little memory: the kernel's killer (a memory cgroup), and an address space that is too small
    (RLIMIT_AS).
    """
    import resource

    project, told = bench.finished_copy(), []
    for case in ("memory cgroup of 500 MB", "address space of 1.6 GB"):
        checks = Checks()
        forget(project, "gan")
        limit = _memory_cgroup(500 * 2**20) if "cgroup" in case else None

        def limited(limit: Path | None = limit) -> None:
            if limit:
                (limit / "cgroup.procs").write_text(str(os.getpid()))
            else:
                resource.setrlimit(resource.RLIMIT_AS, (1600 * 2**20, 1600 * 2**20))

        environment = {**os.environ, "PYTHONPATH": str(project.folder / "src")}
        words = [sys.executable, "run_all.py", *SMOKE, "--until", "gan"]
        failed = subprocess.run(
            words,
            cwd=project.folder,
            env=environment,
            preexec_fn=limited,
            capture_output=True,
            text=True,
            timeout=7200,
        )
        checks.sentence(failed.returncode, failed.stdout, failed.stderr, {1, 2}, "(?i)memory")
        checks.need(not (half := half_files(project)), f"half files: {half[:3]}")
        checks.goes_on(project, "--until", "gan")
        if limit:
            wait_until(lambda limit=limit: not (limit / "cgroup.procs").read_text().strip(), seconds=10)
            limit.rmdir()
        print(
            f"    {case}: exit {failed.returncode}, {' | '.join(failed.stderr.split(chr(10)))[-400:]} "
            f"{checks.failed}",
            flush=True,
        )
        told.append((checks, "", case, _last_sentence(failed.stderr)))
    yield from _with_equal_tables("memory", told, project, bench)


def _memory_cgroup(size: int) -> Path:
    """A fresh memory cgroup (version 1 or 2) of this size without swap; raises OSError where that is not
    allowed.
    """
    first = Path("/sys/fs/cgroup/memory")
    folder = (first if first.is_dir() else Path("/sys/fs/cgroup")) / f"faults-{os.getpid()}-{time.time_ns()}"
    folder.mkdir()
    (folder / ("memory.limit_in_bytes" if first.is_dir() else "memory.max")).write_text(str(size))
    return folder


@fault
def clock(bench: Bench) -> Iterator[Outcome]:
    """A clock that jumps back: every file so far is from tomorrow."""
    project = bench.finished_copy()
    for case, kept in (("after the whole run", STAGES), ("after the GAN", STAGES[:2])):
        checks = Checks()
        for stage in STAGES[len(kept) :]:
            forget(project, stage)
        before, tomorrow = _made(project, kept), time.time_ns() + 86_400 * NS
        for path in (
            path
            for room in ("artifacts", "reports")
            for path in (project.folder / room / "smoke").rglob("*")
            if path.is_file()
        ):
            os.utime(path, ns=(tomorrow, tomorrow))
        checks.goes_on(project)
        checks.need(_made(project, kept) == before, "something finished was made again")
        checks.need("every job is fresh" in project.run(*SMOKE, timeout=7200).stdout, "not fresh afterwards")
        checks.need(not (other := differing(project, bench)), f"tables differ: {other[:5]}")
        yield checks.outcome(
            "clock jumps back a day",
            case,
            "nothing finished was made again, and the next start finds all fresh",
        )


def _made(project: Project, stages: tuple[str, ...]) -> dict[str, str]:
    """When the jobs of these stages say that they finished."""
    records = [
        json.loads(path.read_text())
        for path in (project.folder / "artifacts/smoke/logs").glob("*.record.json")
    ]
    return {record["job"]: record["finished"] for record in records if record["stage"] in stages}


def flip(path: Path) -> None:
    """Turn one bit in the middle, and leave size and times as they were."""
    stat = path.stat()
    with open(path, "r+b") as file:
        file.seek(stat.st_size // 2)
        byte = file.read(1)
        file.seek(stat.st_size // 2)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def cut(path: Path) -> None:
    """Lose the second half, and keep the time."""
    stat = path.stat()
    os.truncate(path, stat.st_size // 2)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


HARMS = {flip: "a bit flipped", cut: "cut in half"}


@fault
def damage(bench: Bench) -> Iterator[Outcome]:
    """Truncated and bit-flipped artefacts: each is named before use; then all at once are made anew, equal to
    the byte.
    """
    project = bench.finished_copy()
    artifacts = project.folder / "artifacts/smoke"
    for harm in (flip, cut):
        for name in ARTEFACTS:
            checks, path = Checks(), artifacts / name
            stat, content = path.stat(), path.read_bytes()
            harm(path)
            plan = project.run(*SMOKE, "--dry-run", code=None).stdout
            checks.need(
                bool(re.search(rf"stale .*{re.escape(path.name)} is damaged", plan)),
                f"not seen: {plan[-300:]}",
            )
            path.write_bytes(content)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            yield checks.outcome("damage", f"{name}, {HARMS[harm]}", "named before use")
    checks = Checks()
    arrays = [path.relative_to(artifacts).as_posix() for path in sorted(artifacts.glob("data/*.npy"))]
    # where a job's record is damaged, nothing tells of its files: the record is named in their place
    in_place = {
        file: name
        for name in ARTEFACTS
        if name.endswith(".record.json")
        for file in json.loads((artifacts / name).read_text())["files"]
    }
    for number, name in enumerate((*ARTEFACTS, *arrays)):
        (flip if number % 2 else cut)(artifacts / name)
    told = project.run(*SMOKE, code=None, timeout=7200)
    checks.need(told.returncode == 0, f"exit {told.returncode}: {told.stderr[-300:]}")
    for name in (*ARTEFACTS, *arrays):
        checks.need(Path(in_place.get(name, name)).name in told.stdout, f"{name} was not named")
    checks.need(not (other := differing(project, bench)), f"tables differ: {other[:5]}")
    checks.need("every job is fresh" in project.run(*SMOKE, timeout=7200).stdout, "not fresh afterwards")
    note = (
        "all named, or the record of their job where that is damaged too; made anew, tables equal to the byte"
    )
    yield checks.outcome("damage", "all of these and the shared arrays at once", note)
    for harm in (flip, cut):
        checks = Checks()
        harm(next((artifacts / "gan/seed-0").glob("checkpoint-*.pt")))
        cut(artifacts / "gan/seed-0/generator.safetensors")
        checks.goes_on(project)
        checks.need(any((artifacts / "gan/seed-0").glob("*.damaged")), "the checkpoint was not set aside")
        checks.need(not (other := differing(project, bench)), f"tables differ: {other[:5]}")
        for left in (artifacts / "gan/seed-0").glob("*.damaged"):
            left.unlink()
        yield checks.outcome(
            "damage", f"a checkpoint, {HARMS[harm]}", "set aside as *.damaged; trained anew to the same bits"
        )


@fault
def two_at_once(bench: Bench) -> Iterator[Outcome]:
    """Two runs at once: on one folder the second says who holds it; two different ones are both right."""
    checks = Checks()
    project = bench.finished_copy()
    forget(project, "gan")
    first = project.start(*SMOKE)
    wait_until(lambda: started(project, "gan"), first)
    second = project.run(*SMOKE, code=None)
    checks.sentence(
        second.returncode, second.stdout, second.stderr, {2}, f"being made by process {first.pid}"
    )
    out, err = first.communicate(timeout=7200)
    checks.need(first.returncode == 0, f"the first ended with {first.returncode}: {err[-200:]}")
    checks.need(not (other := differing(project, bench)), f"tables differ: {other[:5]}")
    yield checks.outcome("two runs at once", "on one folder", _last_sentence(second.stderr))
    checks = Checks()
    both = [project.start(*SMOKE, "--run", name) for name in ("left", "right")]
    for process in both:
        out, err = process.communicate(timeout=7200)
        checks.need(process.returncode == 0, f"exit {process.returncode}: {err[-200:]}")
    for name in ("left", "right"):
        checks.need(not (other := differing(project, bench, name)), f"tables of {name} differ: {other[:5]}")
    yield checks.outcome(
        "two runs at once", "two different ones", "both end in the tables of the undisturbed run"
    )


# --- the command line -----------------------------------------------------------------------------


def inject(bench: Bench, names: list[str]) -> list[Outcome]:
    """Every outcome of the named faults, told as they come."""
    outcomes = []
    for name in names:
        began = time.monotonic()
        try:
            found = list(FAULTS[name](bench))
        except Exception as error:
            found = [Outcome(name, "", False, f"{type(error).__name__}: {error}"[:300])]
        outcomes += found
        print(
            f"  {name}: {sum(one.survived for one in found)} of {len(found)}, "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )
        for one in found:
            if not one.survived:
                print(f"    NOT SURVIVED: {one.fault}, {one.case}: {one.note}", flush=True)
    return outcomes


def table(outcomes: list[Outcome]) -> str:
    """One row per kind of fault and case, in Markdown."""
    rows = pd.DataFrame([vars(one) for one in outcomes])
    grouped = (
        rows.groupby(["fault", "case", "note"], sort=False)["survived"].agg(["size", "sum"]).reset_index()
    )
    lines = ["| fault | where | injected | survived | what happens |", "|---|---|--:|--:|---|"]
    for row in grouped.itertuples():
        note = " ".join(str(row.note).replace("|", "/").split())
        lines.append(f"| {row.fault} | {row.case} | {row.size} | {row.sum} | {note} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"faults to inject (default: all): {', '.join(FAULTS)}"
    )
    parser.add_argument(
        "--kills",
        type=int,
        default=25,
        help="random moments of SIGKILL (default: 25, at least one in each stage)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="7 kills instead, one in each stage and one in the planning"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the random moments (default: 1)")
    parser.add_argument(
        "--keep",
        metavar="FOLDER",
        type=Path,
        help="work in this folder and leave it, and use its undisturbed run again (default: a temporary one)",
    )
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(FAULTS)
    if unknown:
        parser.error(f"no fault is called {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    if sys.platform != "linux":
        parser.error("the faults are injected by means of Linux")
    folder = options.keep or Path(tempfile.mkdtemp(prefix="faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    try:
        bench = Bench(folder.resolve(), options.seed, 7 if options.quick else options.kills)
        outcomes = inject(bench, options.names or list(FAULTS))
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{table(outcomes)}\n\n{(time.monotonic() - began) / 60:.0f} minutes")
    survived = sum(one.survived for one in outcomes)
    print(f"survived {survived} of {len(outcomes)}")
    sys.exit(survived != len(outcomes))


if __name__ == "__main__":
    main()
