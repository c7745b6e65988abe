"""A run on a real Slurm whose front door is killed, then a node: its tables must be those without a cluster.

Run: python benchmarks/slurm.py [--install] [--params params/smoke.yaml]

Starts munged, slurmctld and two slurmd on 127.0.0.1, with everything they write in a temporary folder, and
stops them at the end. Both nodes are this machine and the work is done by the CPU. Each node claims a GPU
that does not exist. It is not shown that jobs hold GPUs: in the one run so far, Slurm listed the jobs with
none.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from injected.cluster import NODES, PACKAGES, Cluster, front_door, require_slurm, wait

from helpers.engine.process import TICKET_INTERVAL
from helpers.paths import RunPaths

Row = tuple[str, str, bool]  # what was done, what was seen, whether it was survived


class Scenario:
    """A run on the cluster, and what is done to it."""

    def __init__(self, cluster: Cluster, run: RunPaths, params: str, limit: float):
        self.cluster, self.run, self.params = cluster, run, params
        self.log = cluster.folder / "front-door.log"
        self.until = time.monotonic() + limit
        self.door = self._start()

    def _start(self) -> subprocess.Popen:
        return self.cluster.run(self.run.run, self.params, self.log)

    def left(self) -> float:
        """Seconds that are left before the program gives up."""
        return max(1.0, self.until - time.monotonic())

    def working(self, stage: str) -> dict[str, str]:
        """Rule to node of a stage's trainings at work; ends the program where the run has ended."""
        if self.door.poll() is not None:
            raise SystemExit(f"The run ended before its time:\n{self.log.read_text()}")
        found = {rule: node for rule, node in self.cluster.running().items() if rule.split()[0] == stage}
        return {rule: node for rule, node in found.items() if state(self.run, job_name(rule)) == "running"}

    def kill_front_door(self) -> Row:
        """Kill the front door in a GAN's training and start again: the jobs of the first start must end."""
        seen = wait("a GAN in training", self.left(), lambda: self.working("gan"))
        self.door.send_signal(signal.SIGKILL)
        self.door.wait()
        time.sleep(2)
        orphans = self.cluster.running()
        tell(
            f"killed the front door while Slurm ran {', '.join(sorted(seen))}; 2 s later Slurm still runs "
            f"{', '.join(sorted(orphans)) or 'nothing'}"
        )
        before, ticket = set(self.cluster.jobs()["job"]), self._ticket()
        self.door = self._start()
        wait("the next start's ticket", self.left(), lambda: self._ticket() != ticket)
        restarted = time.monotonic()

        def gone() -> bool:
            return not set(self.cluster.jobs().query("state == 'RUNNING'")["job"]) & before

        wait("the jobs of the killed run to end", self.left(), gone)
        took = time.monotonic() - restarted
        tell(
            f"started again: the jobs of the first start ended after {took:.1f} s "
            f"(they look every {TICKET_INTERVAL:.0f} s)"
        )
        note = f"{len(orphans)} jobs left on Slurm, gone {took:.1f} s after the next start's ticket"
        return "front door killed", note, bool(orphans)

    def _ticket(self) -> bytes:
        return (self.run.folder / ".ticket").read_bytes()

    def kill_node(self) -> Row:
        """Kill a node that trains an arm, with all that runs on it: the job must go to the other one."""

        def arms() -> dict[str, str]:
            return {rule: node for rule, node in self.working("classifier").items() if "baseline" not in rule}

        rule, node = next(iter(wait("an arm in training", self.left(), arms).items()))
        victims = self.cluster.kill(node)
        tell(f"killed the node '{node}', which ran {rule}: {victims} processes gone")
        code = self.door.wait(self.left())
        tell(f"the run ended with exit code {code}")
        jobs = self.cluster.jobs()
        print(self.log.read_text())
        print(jobs.to_string(index=False), flush=True)
        moved = jobs[(jobs["rule"] == rule) & (jobs["restarts"] > 0)]
        note = f"{rule} moved from {node} to {', '.join(moved['node']) or 'nowhere'}"
        return "node killed", note, code == 0 and not moved.empty and node not in set(moved["node"])

    def play(self) -> list[Row]:
        """Both faults, one after the other; the run must end well after both."""
        first = self.kill_front_door()
        second = self.kill_node()
        return [(*first[:2], first[2] and self.door.returncode == 0), second]


def job_name(rule: str) -> str:
    """``gan-seed-0`` of the rule ``gan 0``, ``classifier-all-replicate-1`` of ``classifier all_1``."""
    stage, wildcards = rule.split()
    if stage == "gan":
        return f"gan-seed-{wildcards}"
    return "classifier-{}-replicate-{}".format(*wildcards.rsplit("_", 1))


def state(run: RunPaths, job: str) -> str:
    """What a job last said of itself."""
    try:
        return json.loads((run.logs / f"{job}.state.json").read_text())["state"]
    except (OSError, ValueError):
        return ""


def compare(run: RunPaths, reference: RunPaths) -> pd.DataFrame:
    """A row for each table of the evaluation and each classifier's predictions: name, whether the bytes are
    the same.
    """
    names = sorted(
        path.relative_to(reference.folder)
        for part in ("data", "evaluation", "classifier", "synthetic")
        for path in (reference.folder / part).rglob("*.csv")
    )
    names = [name for name in names if name.name != "history.csv"]  # holds seconds
    same = [
        (run.folder / name).is_file()
        and (run.folder / name).read_bytes() == (reference.folder / name).read_bytes()
        for name in names
    ]
    return pd.DataFrame({"table": [str(name) for name in names], "same": same})


def tell(line: str) -> None:
    """A line with the time."""
    print(f"[{time.strftime('%H:%M:%S')}] {line}", flush=True)


def parser() -> argparse.ArgumentParser:
    """The command line's grammar and its help page."""
    page = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    page.add_argument(
        "--install",
        action="store_true",
        help=f"install Debian's {' and '.join(PACKAGES)} by apt-get where they are missing",
    )
    page.add_argument("--params", default="params/smoke.yaml", help="parameter file of the run")
    page.add_argument("--minutes", type=float, default=60, help="give up after so many minutes")
    page.add_argument(
        "--reuse",
        action="store_true",
        help="compare with the local run of an earlier call instead of making it anew",
    )
    return page


def main() -> None:
    """Print what happened, a row for each fault and the comparison.

    The exit code is 0 if all faults were survived and all tables are equal.
    """
    options = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped by a signal."))
    require_slurm(options.install)
    run, reference = RunPaths("on-slurm"), RunPaths("on-slurm-reference")
    for old in (run,) if options.reuse else (run, reference):
        shutil.rmtree(old.folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        if not options.reuse:
            tell("the same run without a cluster")
            local = front_door(
                reference.run, options.params, Path(folder) / "reference.log", dict(os.environ)
            )
            if local.wait(60 * options.minutes):
                raise SystemExit((Path(folder) / "reference.log").read_text())
        with Cluster(Path(folder)) as cluster:
            tell(
                f"{cluster.call('sinfo', '--version').strip()}, nodes {' and '.join(NODES)}, each claiming "
                "a GPU that is none"
            )
            results = Scenario(cluster, run, options.params, 60 * options.minutes).play()
    tables = compare(run, reference)
    print("\nfault | seen | survived\n--- | --- | ---")
    for fault, seen, survived in results:
        print(f"{fault} | {seen} | {'yes' if survived else 'NO'}")
    print(tables[~tables["same"]].to_string(index=False) if not tables["same"].all() else "")
    print(
        f"tables equal to the byte: {tables['same'].sum()} of {len(tables)}; survived "
        f"{sum(row[2] for row in results)} of {len(results)}"
    )
    sys.exit(not (tables["same"].all() and len(tables) and all(row[2] for row in results)))


if __name__ == "__main__":
    main()
