"""Faults of the machine: a full disk, a folder that cannot be written to, too little memory."""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from injected.bench import (
    SMOKE,
    STAGES,
    Bench,
    Checks,
    Outcome,
    half_files,
    last_sentence,
    with_equal_tables,
)
from injected.watching import Watched, forget, paused, wait_until
from support.project import Project


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
                    last_sentence(failed.stderr),
                )
            )
        yield from with_equal_tables("disk full", told, project, bench)


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
        yield checks.outcome("reports folder read-only", case, last_sentence(failed.err))


def memory(bench: Bench) -> Iterator[Outcome]:
    """Too little memory: the kernel's killer (a memory cgroup), and a small address space (RLIMIT_AS)."""
    project, told = bench.finished_copy(), []
    for case in ("memory cgroup of 500 MB", "address space of 1.6 GB"):
        checks = Checks()
        forget(project, "gan")
        group = _memory_cgroup(500 * 2**20) if "cgroup" in case else None
        failed = subprocess.run(
            [sys.executable, "run_all.py", *SMOKE, "--until", "gan"],
            cwd=project.folder,
            env={**os.environ, "PYTHONPATH": str(project.folder / "src")},
            preexec_fn=_limited_by(group),
            capture_output=True,
            text=True,
            timeout=7200,
        )
        checks.sentence(failed.returncode, failed.stdout, failed.stderr, {1, 2}, "(?i)memory")
        checks.need(not (half := half_files(project)), f"half files: {half[:3]}")
        checks.goes_on(project, "--until", "gan")
        if group:
            wait_until(lambda group=group: not (group / "cgroup.procs").read_text().strip(), seconds=10)
            group.rmdir()
        _tell(case, failed, checks)
        told.append((checks, "", case, last_sentence(failed.stderr)))
    yield from with_equal_tables("memory", told, project, bench)


def _limited_by(group: Path | None) -> Callable[[], None]:
    """What puts a new process into a memory cgroup, or without one limits its address space to 1.6 GB."""

    def limited() -> None:
        if group:
            (group / "cgroup.procs").write_text(str(os.getpid()))
        else:
            resource.setrlimit(resource.RLIMIT_AS, (1600 * 2**20, 1600 * 2**20))

    return limited


def _tell(case: str, failed: subprocess.CompletedProcess, checks: Checks) -> None:
    said = " | ".join(failed.stderr.splitlines())[-400:]
    print(f"    {case}: exit {failed.returncode}, {said} {checks.failed}", flush=True)


def _memory_cgroup(size: int) -> Path:
    """A fresh memory cgroup (version 1 or 2) of this size without swap; raises OSError where that is not
    allowed.
    """
    first = Path("/sys/fs/cgroup/memory")
    folder = (first if first.is_dir() else Path("/sys/fs/cgroup")) / f"faults-{os.getpid()}-{time.time_ns()}"
    folder.mkdir()
    (folder / ("memory.limit_in_bytes" if first.is_dir() else "memory.max")).write_text(str(size))
    return folder
