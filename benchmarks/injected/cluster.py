"""A real Slurm with two nodes on 127.0.0.1, for as long as it is needed."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from helpers.paths import ROOT

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
        """Write the files of Slurm and munge."""
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
