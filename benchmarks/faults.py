"""Does a run survive? Injects each fault for real, goes on by the same command, and prints one table.

The last line is ``survived N of N``.

Run: make faults, or python benchmarks/faults.py [NAME ...] [--quick]

The runs are those of ``params/smoke.yaml`` in copies of the project: whole ones where the work itself
matters, and ones with small stand-in notebooks where a fault concerns only the engine. It needs Linux. Mounts
and memory limits need root; what is not allowed here is said, and it is counted as not survived.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from injected.bench import Bench, Fault, Outcome
from injected.files import clock, damage, two_at_once
from injected.kills import killed, one_process_killed, signals
from injected.machine import disk_full, memory, read_only_reports

FAULTS: dict[str, Fault] = {
    each.__name__.replace("_", "-"): each
    for each in (
        *(killed, one_process_killed, signals),
        *(disk_full, read_only_reports, memory),
        *(clock, damage, two_at_once),
    )
}


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


def parser() -> argparse.ArgumentParser:
    """The command line's grammar and its help page."""
    page = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    page.add_argument(
        "names", nargs="*", metavar="NAME", help=f"faults to inject (default: all): {', '.join(FAULTS)}"
    )
    page.add_argument(
        "--kills",
        type=int,
        default=25,
        help="random moments of SIGKILL (default: 25, at least one in each stage)",
    )
    page.add_argument(
        "--quick", action="store_true", help="7 kills instead, one in each stage and one in the planning"
    )
    page.add_argument("--seed", type=int, default=1, help="of the random moments (default: 1)")
    page.add_argument(
        "--keep",
        metavar="FOLDER",
        type=Path,
        help="work in this folder and leave it, and use its undisturbed run again (default: a temporary one)",
    )
    return page


def main(arguments: list[str] | None = None) -> None:
    """Inject the faults, print the table, and end with exit code 0 where all of them were survived."""
    page = parser()
    options = page.parse_args(arguments)
    unknown = set(options.names) - set(FAULTS)
    if unknown:
        page.error(f"no fault is called {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    if sys.platform != "linux":
        page.error("the faults are injected by means of Linux")
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
