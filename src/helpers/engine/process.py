"""Processes of a run: they die with their parent, or with their ticket.

No new run starts while one of them still writes.
"""

import ctypes
import fcntl
import os
import secrets
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers import JOBS_LOCK_VARIABLE
from helpers.errors import UserError

TICKET_VARIABLE = (
    "REPORT_TICKET"  # the start of the front door that a job belongs to; jobs run by hand have none
)
ORPHAN_PATIENCE = 20.0  # seconds given to the processes of a killed run to end
TICKET_INTERVAL = 3.0  # seconds between two looks at the ticket

_held: dict[str, int] = {}


def die_with_parent() -> None:
    """Kill this process when its parent ends, however it ends.

    Linux does it at once (prctl's parent-death signal); elsewhere a thread looks every half second.
    """
    parent = os.getppid()
    if sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the request was in force
            os.kill(os.getpid(), signal.SIGKILL)
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def join_run() -> None:
    """Make this process one of its run's; doing so twice changes nothing.

    It dies with its parent, ends with its ticket, and shares the run's lock of jobs.
    """
    path = os.environ.get(JOBS_LOCK_VARIABLE)
    if not path or path in _held:
        return
    die_with_parent()
    end_with_ticket(Path(path).parent)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except OSError:
        return  # a file system without locks: the parent-death signal remains
    _held[path] = descriptor  # kept open, and so held, for as long as the process lives


def end_with_ticket(folder: Path) -> None:
    """Kill this process once the start of the front door that it belongs to is over.

    On a cluster a job outlives the machine, or the queue, that its run was started from: the parent-death
    signal ends at the node's edge. Every start therefore writes a ticket into the run's folder, and a job
    whose ticket is no longer there ends within seconds, whether it was running or still waiting in the queue.
    """
    ticket = os.environ.get(TICKET_VARIABLE)
    if not ticket:
        return

    def retired() -> bool:
        try:
            return held_ticket(folder) != ticket
        except OSError:  # a shared file system that is away for a while
            return False

    def watch() -> None:
        while not retired():
            time.sleep(TICKET_INTERVAL)
        os.kill(os.getpid(), signal.SIGKILL)

    if retired():
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Thread(target=watch, daemon=True, name="ticket-watch").start()


def held_ticket(folder: Path) -> str:
    """The ticket of the start that holds a run's folder; raises OSError where none was written."""
    return (folder / ".ticket").read_text(encoding="utf-8")


def write_ticket(folder: Path) -> str:
    """Write a new ticket for a run and return it: jobs that hold another one end."""
    ticket = secrets.token_hex(16)
    # in place and of one length: a reader on another machine sees the old or the new one, and needs no
    # renamed file's name
    descriptor = os.open(folder / ".ticket", os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(descriptor, ticket.encode(), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return ticket


def refuse_beside_a_start(folder: Path) -> None:
    """Raise UserError where a job is run by hand while a start of the front door makes its run.

    A start holds the run's lock for itself; jobs by hand, which have no ticket, look whether it does.
    """
    if os.environ.get(TICKET_VARIABLE):
        return
    try:
        descriptor = os.open(folder / ".lock", os.O_RDONLY)
    except OSError:  # no start has been here yet
        return
    try:
        with suppress(OSError):  # a file system without locks
            _hold(descriptor, fcntl.LOCK_SH, folder, "and then run the job by hand")
    finally:
        os.close(descriptor)


def _hold(descriptor: int, kind: int, folder: Path, otherwise: str) -> None:
    """Take a run's lock, or raise UserError that names who holds it, as the holder wrote there."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
        raise UserError(
            f"The run '{folder.name}' is being made by {holder}: wait for it, {otherwise}."
        ) from None


@contextmanager
def run_lock(folder: Path):
    """Hold a run's folder for this process alone, with a ticket that this run's jobs hold.

    Raises UserError, naming the holder, where another run holds it, and where processes of an
    interrupted run do not end. The kernel frees the lock when this process ends, so a killed
    run leaves nothing to be removed by hand.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except PermissionError as error:
        raise UserError(
            f"{error.filename} cannot be written by this user: the results lie in the project's folder, so "
            "copy or clone the project to a folder of your own."
        ) from None
    try:
        _hold(descriptor, fcntl.LOCK_EX, folder, "or give this one a name of its own by --run NAME")
        os.ftruncate(descriptor, 0)
        os.pwrite(
            descriptor, f"process {os.getpid()}, started {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode(), 0
        )
        write_ticket(folder)
        _wait_for_orphans(folder / ".jobs.lock")
        try:
            yield
        finally:
            with suppress(OSError):  # a full disk: the jobs are ended by the engine, too
                write_ticket(folder)
    finally:
        os.close(descriptor)


def _wait_for_orphans(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        until = time.monotonic() + ORPHAN_PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > until:
                    raise UserError(
                        "Processes of an interrupted run, or a job that was started by hand, still hold "
                        f"{path} after {ORPHAN_PATIENCE:.0f} s: wait for them, or end them (pgrep -f "
                        "helpers.engine.job; pgrep -f ipykernel; on a cluster, squeue and scancel) and "
                        "start again."
                    ) from None
                time.sleep(0.2)
    finally:
        os.close(descriptor)
