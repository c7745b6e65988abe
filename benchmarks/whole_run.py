"""How long does a whole run take, from the command to the page, and the same command once more?

Run: python benchmarks/whole_run.py [--params quick] [--rounds 3] [--avx2] [--busy] [--keep]

Each round makes a run of its own from nothing, in which the seconds to the first figure (a file in
reports/<run>/figures) and to the end are taken, and then gives the same command five times more. Printed:
median, least and most. ``--avx2`` restricts PyTorch and oneDNN to AVX2 and float32, as on most processors;
``--busy`` keeps every core busy beside it by processes that only count. The runs are removed unless
``--keep``. The installation is not in it.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from helpers.cores import allowed_cores
from helpers.paths import ROOT, RunPaths

AGAIN = 5  # times that the finished run is asked for once more
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
FLOAT32 = ("--set", "gan.precision=float32", "--set", "classifier.precision=float32")
POLL = 0.2  # seconds between two looks for the first figure


def timed(words: list[str], environment: dict[str, str], run: RunPaths) -> tuple[float, float | None]:
    """Seconds of one start, and those until the first figure was there; None where there is none.

    Raises SystemExit with what the start said where it fails.
    """
    began, first = time.monotonic(), None
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        command = [sys.executable, str(ROOT / "run_all.py"), *words]
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(POLL)
                break
            if first is None and any(run.figures.glob("*")):
                first = time.monotonic() - began
        seconds = time.monotonic() - began
        if code:
            said.seek(0)
            raise SystemExit(f"run_all.py ended with code {code}:\n{said.read()}")
    return seconds, first


@contextlib.contextmanager
def busy_cores(wanted: bool) -> Iterator[None]:
    """Every core kept busy by a process that only counts."""
    count = "while True: pass"
    others = [
        subprocess.Popen([sys.executable, "-c", count]) for _ in range(allowed_cores() if wanted else 0)
    ]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def line(what: str, seconds: list[float]) -> str:
    """One row: median, least and most of these seconds."""
    found = statistics.median(seconds), min(seconds), max(seconds)
    return f"{what:<28}" + "".join(f"{value:>10.1f}" for value in found)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--params", default="quick", help="name of a parameter file (default: quick)")
    parser.add_argument("--rounds", type=int, default=3, help="runs made from nothing (default: 3)")
    parser.add_argument("--avx2", action="store_true", help="restricted to AVX2 and float32")
    parser.add_argument("--busy", action="store_true", help="every core busy with other work")
    parser.add_argument("--keep", action="store_true", help="do not remove the runs")
    options = parser.parse_args(arguments)
    environment = os.environ | (AVX2 if options.avx2 else {})
    whole, figure, again = [], [], []
    with busy_cores(options.busy):
        for number in range(options.rounds):
            run = RunPaths(f"whole-run-{os.getpid()}-{number}")
            words = ["--params", f"params/{options.params}.yaml", "--run", run.run]
            words += FLOAT32 if options.avx2 else ()
            try:
                seconds, first = timed(words, environment, run)
                whole.append(seconds)
                figure += [] if first is None else [first]
                again += [timed(words, environment, run)[0] for _ in range(AGAIN)]
            finally:
                if not options.keep:
                    for folder in (run.folder, run.report.parent):
                        shutil.rmtree(folder, ignore_errors=True)
            print(f"round {number + 1}: {whole[-1]:.0f} s", flush=True)
    print(f"{options.params}.yaml on {allowed_cores()} cores{', AVX2 and float32' * options.avx2}")
    print(f"{'seconds':<28}{'median':>10}{'least':>10}{'most':>10}")
    print(line("to the first figure", figure) if figure else "no figure was written")
    print(line("the run", whole))
    print(line("the same command again", again))


if __name__ == "__main__":
    main()
