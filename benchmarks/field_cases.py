"""Try situations that users reported, each in a folder with two scripts, and print one table.

    python benchmarks/field_cases.py FOLDER            # every case below FOLDER
    python benchmarks/field_cases.py FOLDER 04 33      # those whose names begin so

A case is a folder with make.sh (arguments: the folder to make the input in, the Python) and run.sh
(arguments: the project, the Python, the folder with the input). The table says how each ended; what a
case printed is in a log of its own, because whether a user is well served only a reader can decide.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from helpers.paths import ARTIFACTS, ROOT

LOGS = ARTIFACTS / "field-cases"
SCRIPTS = ("make.sh", "run.sh")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds a folder for each case")
    parser.add_argument("names", nargs="*", help="how the names of the cases begin; none: all cases")
    parser.add_argument("--python", default=sys.executable, help="with which the cases run")
    parser.add_argument("--seconds", type=float, default=900, help="after which a script is stopped")
    options = parser.parse_args()
    cases = chosen(options.folder, options.names)
    if not cases:
        parser.error(f"{options.folder} has no folder with {' and '.join(SCRIPTS)} of such a name")
    print(f"{'case':42} {'status':>7} {'seconds':>8}  tracebacks, last lines", flush=True)
    for case in cases:
        print(row(case.name, *tried(case, options.python, options.seconds)), flush=True)
    print(f"what they printed: {LOGS}")


def chosen(folder: Path, names: list[str]) -> list[Path]:
    """The cases below ``folder`` in the order of their names; with ``names``, those that begin so."""
    cases = sorted(case for case in folder.resolve().iterdir() if all((case / s).is_file() for s in SCRIPTS))
    return [case for case in cases if not names or case.name.startswith(tuple(names))]


def tried(case: Path, python: str, seconds: float, logs: Path = LOGS) -> tuple[int | None, float, str]:
    """Make and run ``case``: the exit status (None: stopped after ``seconds``), the seconds, what it printed.

    The status is that of the first script that failed. The output is kept in ``logs``.
    """
    logs.mkdir(parents=True, exist_ok=True)
    log, began = logs / f"{case.name}.log", time.monotonic()
    with tempfile.TemporaryDirectory(prefix="field-case-") as work, open(log, "wb") as stream:
        data = str(Path(work) / case.name.split("-")[0])
        status = called(["sh", str(case / "make.sh"), data, python], stream.fileno(), seconds)
        if status == 0:
            Path(work).chmod(0o755)  # a case may run as another user
            command = ["sh", str(case / "run.sh"), str(ROOT), python, data]
            status = called(command, stream.fileno(), seconds)
    return status, time.monotonic() - began, log.read_text(encoding="utf-8", errors="replace")


def called(command: list[str], output: int, seconds: float) -> int | None:
    """The exit status of ``command``; None where it was stopped, with all that it started."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
    ) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None


def row(name: str, status: int | None, seconds: float, text: str) -> str:
    """A line of the table: how the case ended, how many tracebacks it printed, and its last two lines."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    last = " | ".join(line[:100] for line in lines[-2:])
    ended = "stopped" if status is None else status
    return f"{name[:42]:42} {ended:>7} {seconds:8.0f}  {text.count('Traceback (most recent')}, {last}"


if __name__ == "__main__":
    main()
