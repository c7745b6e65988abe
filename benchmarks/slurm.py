"""A run on a real Slurm: its front door killed, then a node, and at the end the same tables as without a
cluster.

Run: python benchmarks/slurm.py [--install] [--params params/smoke.yaml]

Starts munged, slurmctld and two slurmd on 127.0.0.1, with everything they write in a temporary folder, and
stops them at the end. Both nodes are this machine and the work is done by the CPU. Each node claims a GPU
that is none, but that jobs hold GPUs is not shown by it: the jobs of the one run so far were listed with
none.
"""

import argparse
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from helpers.engine.process import TICKET_INTERVAL
from helpers.paths import ROOT, RunPaths

PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "srun", "scancel")
NODES = ("one", "two")
CONFIG = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SlurmdTimeout=20
KillWait=5
MinJobAge=86400
GresTypes=gpu
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} "
    "RealMemory=16000 Gres=gpu:1 State=UNKNOWN\n"
)


class Cluster:
    """Slurm's daemons on this machine, for as long as the ``with`` block lasts."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.where = {
            **os.environ,
            "PATH": f"{folder}/bin:{os.environ['PATH']}:/usr/sbin:/sbin",
            "SLURM_CONF": f"{folder}/slurm.conf",
        }
        self.daemons: list[int] = []
        self.door: subprocess.Popen | None = None

    def __enter__(self) -> "Cluster":
        try:
            self._configure()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _configure(self) -> None:
        for name in ("munge", "state", "bin", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir(mode=0o755)
        key = self.folder / "munge" / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        host, ports = socket.gethostname().split(".")[0], free_ports(1 + len(NODES))
        text = CONFIG.format(host=host, port=ports[0], user=getpass.getuser(), folder=self.folder)
        cpus = max(2, (os.cpu_count() or 1) // len(NODES))
        text += "".join(
            NODE.format(name=node, host=host, port=port, cpus=cpus)
            for node, port in zip(NODES, ports[1:], strict=True)
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(
            "".join(f"NodeName={node} Name=gpu File=/dev/null\n" for node in NODES)
        )
        # inside a job the executor drops SLURM_CONF with the rest of SLURM_*: a cluster has its file in the
        # usual place, this one has not
        wrapper = self.folder / "bin" / "srun"
        wrapper.write_text(
            f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun")} "$@"\n'
        )
        wrapper.chmod(0o755)

    def _start(self) -> None:
        munge = self.folder / "munge"
        files = {
            "socket": "socket",
            "key-file": "key",
            "log-file": "log",
            "pid-file": "pid",
            "seed-file": "seed",
        }
        self.call("munged", "--force", *(f"--{option}={munge / name}" for option, name in files.items()))
        self._remember(munge / "pid")
        self.call("slurmctld")
        self._remember(self.folder / "slurmctld.pid")
        for node in NODES:
            self.call("slurmd", "-N", node)
            self._remember(self.folder / f"slurmd-{node}.pid")
        wait(
            "both nodes to be idle",
            60,
            lambda: self.call("sinfo", "-h", "-N", "-o", "%T").split() == ["idle"] * len(NODES),
        )

    def _remember(self, file: Path) -> None:
        wait(file.name, 20, lambda: file.exists() and file.read_text().strip().isdigit())
        self.daemons.append(int(file.read_text()))

    def run(self, name: str, params: str, log: Path) -> subprocess.Popen:
        """Start the front door with the profile for Slurm."""
        self.door = front_door(name, params, log, self.where, "--profile", "slurm")
        return self.door

    def __exit__(self, *error: Any) -> None:
        if self.door and self.door.poll() is None:
            self.door.kill()
            self.door.wait()
        with suppress(OSError, subprocess.SubprocessError):
            self.call("scancel", "--user", getpass.getuser(), "--quiet")
            time.sleep(2)
        for node in NODES:
            kill_all(self.processes(node))
        for pid in reversed(self.daemons):
            with suppress(psutil.NoSuchProcess):
                kill_all([psutil.Process(pid)])

    def call(self, *words: str) -> str:
        """A command of Slurm's, to its end; what it prints."""
        return subprocess.run(
            words, env=self.where, check=True, capture_output=True, text=True, timeout=60
        ).stdout

    def jobs(self) -> pd.DataFrame:
        """A row for each job that was ever submitted: id, rule (with its wildcards), state, node, restarts,
        GPUs, memory, minutes.
        """
        rows = []
        for line in self.call("scontrol", "-o", "show", "jobs").splitlines():
            said = dict(pair.split("=", 1) for pair in line.split() if "=" in pair)
            if "Comment" not in said:
                continue
            tres = dict(pair.split("=", 1) for pair in said.get("TRES", "").split(",") if "=" in pair)
            rows.append(
                {
                    "job": int(said["JobId"]),
                    "rule": said["Comment"].removeprefix("rule_").replace("_wildcards_", " "),
                    "state": said["JobState"],
                    "node": said.get("NodeList", "").replace("(null)", ""),
                    "restarts": int(said.get("Restarts", 0)),
                    "cpus": said.get("NumCPUs"),
                    "memory": tres.get("mem"),
                    "gpus": int(tres.get("gres/gpu", 0)),
                    "limit": said.get("TimeLimit"),
                    "took": said.get("RunTime"),
                }
            )
        return pd.DataFrame(rows)

    def running(self) -> dict[str, str]:
        """Rule to node of what runs now."""
        jobs = self.jobs()
        return {} if jobs.empty else jobs[jobs["state"] == "RUNNING"].set_index("rule")["node"].to_dict()

    def processes(self, node: str) -> list[psutil.Process]:
        """Every process of a node's jobs, and what Slurm started to watch them."""
        found = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                inside = process.environ()
                if inside.get("SLURMD_NODENAME") == node and self.folder.as_posix() in inside.get("PATH", ""):
                    found[process.pid] = process
                    found |= {p.pid: p for p in process.parents() if p.name().startswith("slurmstepd")}
        return list(found.values())

    def kill(self, node: str) -> int:
        """Kill a node: slurmd and all that runs on it, at once; returns how many processes these were."""
        daemon = psutil.Process(int((self.folder / f"slurmd-{node}.pid").read_text()))
        victims = [daemon, *self.processes(node)]
        kill_all(victims)
        kill_all(self.processes(node))  # started in the meantime
        return len(victims)


def kill_all(processes: list[psutil.Process]) -> None:
    """SIGKILL, and wait until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def wait(what: str, seconds: float, ready: Callable[[], Any]) -> Any:
    """The first true value of ``ready``; ends the program where it takes longer than ``seconds``."""
    until = time.monotonic() + seconds
    while not (value := ready()):
        if time.monotonic() > until:
            raise SystemExit(f"Waited {seconds:.0f} s in vain for {what}.")
        time.sleep(0.5)
    return value


def front_door(name: str, params: str, log: Path, where: dict[str, str], *words: str) -> subprocess.Popen:
    """Start ``run_all.py``; its output goes to ``log``."""
    with open(log, "a") as text:
        command = [sys.executable, str(ROOT / "run_all.py"), "--params", params, "--run", name, *words]
        return subprocess.Popen(
            command, cwd=ROOT, env=where, stdout=text, stderr=subprocess.STDOUT, start_new_session=True
        )


def state(run: RunPaths, job: str) -> str:
    """What a job last said of itself."""
    try:
        return json.loads((run.logs / f"{job}.state.json").read_text())["state"]
    except (OSError, ValueError):
        return ""


def scenario(cluster: Cluster, run: RunPaths, params: str, limit: float) -> list[tuple[str, str, bool]]:
    """The run with its two faults; a row for each: what was done, what was seen, whether it was survived."""
    log = cluster.folder / "front-door.log"
    began = time.monotonic()

    def left() -> float:
        return max(1.0, limit - (time.monotonic() - began))

    def working() -> dict[str, str]:
        if door.poll() is not None:
            raise SystemExit(f"The run ended before its time:\n{log.read_text()}")
        running = cluster.running()
        inside = {
            "gan": lambda rule: f"gan-seed-{rule[1]}",
            "classifier": lambda rule: "classifier-{}-replicate-{}".format(*rule[1].rsplit("_", 1)),
        }
        return {
            rule: node
            for rule, node in running.items()
            if rule.split()[0] in inside and state(run, inside[rule.split()[0]](rule.split())) == "running"
        }

    door = cluster.run(run.run, params, log)
    seen = wait(
        "a GAN in training",
        left(),
        lambda: {rule: node for rule, node in working().items() if rule.startswith("gan")} and working(),
    )
    door.send_signal(signal.SIGKILL)
    door.wait()
    time.sleep(2)
    orphans = cluster.running()
    tell(
        f"killed the front door while Slurm ran {', '.join(sorted(seen))}; 2 s later Slurm still runs "
        f"{', '.join(sorted(orphans)) or 'nothing'}"
    )
    before, ticket = set(cluster.jobs()["job"]), (run.folder / ".ticket").read_bytes()
    door = cluster.run(run.run, params, log)
    wait("the next start's ticket", left(), lambda: (run.folder / ".ticket").read_bytes() != ticket)
    restarted = time.monotonic()
    wait(
        "the jobs of the killed run to end",
        left(),
        lambda: not set(cluster.jobs().query("state == 'RUNNING'")["job"]) & before,
    )
    gone = time.monotonic() - restarted
    tell(
        f"started again: the jobs of the first start were gone after {gone:.1f} s (they look every "
        f"{TICKET_INTERVAL:.0f} s)"
    )

    seen = wait(
        "an arm in training",
        left(),
        lambda: {
            rule: node
            for rule, node in working().items()
            if rule.startswith("classifier") and "baseline" not in rule
        },
    )
    rule, node = next(iter(seen.items()))
    victims = cluster.kill(node)
    tell(f"pulled the plug of node '{node}', which ran {rule}: {victims} processes gone")
    code = door.wait(left())
    jobs = cluster.jobs()
    tell(f"the run ended with exit code {code}")
    print(log.read_text())
    print(jobs.to_string(index=False), flush=True)
    moved = jobs[(jobs["rule"] == rule) & (jobs["restarts"] > 0)]
    return [
        (
            "front door killed",
            f"{len(orphans)} jobs left on Slurm, gone {gone:.1f} s after the next start's ticket",
            bool(orphans) and code == 0,
        ),
        (
            "node killed",
            f"{rule} moved from {node} to {', '.join(moved['node']) or 'nowhere'}",
            code == 0 and not moved.empty and node not in set(moved["node"]),
        ),
    ]


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


def require_slurm(install: bool) -> None:
    """Install Debian's Slurm if asked to; ends the program where it is missing."""
    places = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    missing = [program for program in PROGRAMS if not shutil.which(program, path=places)]
    if missing and install:
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES], check=True)
        missing = [program for program in PROGRAMS if not shutil.which(program, path=places)]
    if missing:
        raise SystemExit(
            f"Not found: {', '.join(missing)}. Debian's packages {' and '.join(PACKAGES)} hold them: add "
            "--install to have them installed by apt-get."
        )


def main() -> None:
    """Print what happened, a row for each fault and the comparison; exit code 0 if all were survived and all
    tables are equal.
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--install",
        action="store_true",
        help=f"install Debian's {' and '.join(PACKAGES)} by apt-get where they are missing",
    )
    parser.add_argument("--params", default="params/smoke.yaml", help="parameter file of the run")
    parser.add_argument("--minutes", type=float, default=60, help="give up after so many minutes")
    parser.add_argument(
        "--reuse",
        action="store_true",
        help="compare with the local run of an earlier call instead of making it anew",
    )
    options = parser.parse_args()
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
            results = scenario(cluster, run, options.params, 60 * options.minutes)
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
