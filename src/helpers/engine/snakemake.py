"""The engine's command line: what it would do, and doing it. Nothing here schedules; Snakemake does."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.engine.cards import visible_cards
from helpers.engine.process import TICKET_VARIABLE, die_with_parent, held_ticket
from helpers.engine.profiles import Profile
from helpers.engine.runfile import RunFile, changed_parameters, records
from helpers.engine.seals import read_others
from helpers.engine.stages import STAGES, Job, jobs, judge, outputs
from helpers.errors import UserError
from helpers.paths import ROOT, RunPaths

GRACE = 4.0  # seconds between asking the engine to stop and stopping it


@dataclass(frozen=True)
class Planned:
    """A job and why it would run; no reason where it is fresh."""

    job: Job
    reason: str = ""
    changed: bool = False  # its record tells of other parameters, code, data or inputs than there are now

    @property
    def stale(self) -> bool:
        return bool(self.reason)


def count_gpus() -> int:
    """NVIDIA cards that the jobs of a run share."""
    return len(visible_cards())


def targets(runfile: RunFile, until: str | None = None, only: str | None = None) -> list[str]:
    """The files to be made: of all stages, of those up to ``until``, or of ``only``."""
    order = list(STAGES)
    wanted = [only] if only else order[: order.index(until) + 1] if until else order
    early = judge(runfile.params) if until == "synthesis" else None
    paths = [
        path
        for job in jobs(runfile.params)
        if job.stage in wanted or job == early
        for path in outputs(job, runfile.run, runfile.params)
    ]
    return [os.path.relpath(path, runfile.run.folder) for path in paths]


def command(
    runfile: RunFile, cores: int | None, force: list[str], profile: Profile, only: str | None = None
) -> list[str]:
    """Snakemake's command line without its targets. A profile says how much may run at once; ``cores``, where given, limits that."""
    gpus = (
        (profile.gpus if profile.elsewhere else count_gpus()) if runfile.params.compute.device != "cpu" else 0
    )
    words = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--directory",
        str(runfile.run.folder),
    ]
    words += [
        "--config",
        f"run={runfile.run.run}",
        f"gpus={gpus}",
        "--nolock",
        "--rerun-incomplete",
        "--keep-going",
        "--nocolor",
    ]
    words += ["--rerun-triggers", "mtime", "params", "input"]
    if not profile.elsewhere:
        words += ["--resources", f"gpu={gpus}"]
    if cores or not (profile.elsewhere and profile.counts_jobs):
        words += ["--cores", str(cores or os.cpu_count() or 1)]
    if profile.folder:
        words += ["--profile", str(profile.folder)]
    if force:
        words += ["--forcerun", *force]
    if only:
        words += ["--allowed-rules", only]
    return words


def environment() -> dict[str, str]:
    """Environment of the engine and its jobs: this project's code, no surprises from outside."""
    inherited = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    source = str(ROOT / "src")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("SNAKEMAKE_", "REPORT_"))}
    path = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )  # a profile's commands find this Python
    return clean | {
        "PYTHONPATH": os.pathsep.join([source, *(p for p in inherited if p != source)]),
        "PATH": path,
        "PYTHONUNBUFFERED": "1",
    }


def plan(runfile: RunFile, base: list[str], wanted: list[str]) -> list[Planned]:
    """Every wanted job, fresh or stale and why, by the engine's own dry run."""
    told = subprocess.run(
        [*base, "--dry-run", "--", *wanted], capture_output=True, text=True, env=environment(), cwd=ROOT
    )
    if told.returncode:
        raise UserError(_engine_error(told.stdout + told.stderr))
    reasons = _parse_reasons(told.stdout + told.stderr)
    before = records(runfile.run)
    others = read_others(runfile.run, runfile.params)
    wanted_files = set(wanted)
    planned = []
    for job in jobs(runfile.params):
        made = {
            os.path.relpath(path, runfile.run.folder) for path in outputs(job, runfile.run, runfile.params)
        }
        if not made & wanted_files:
            continue
        # the engine does not look at a job behind a stale one whose files are `ancient` to it: its key tells
        record = before.get(job.name)
        by_key, by_input = record is not None and record.get("key") != runfile.key(job), job.name in others
        reason = reasons.get(job.name, "Params" if by_key else "Updated input" if by_input else "")
        planned.append(
            Planned(job, _plain_reason(reason, job, runfile, record) if reason else "", by_key or by_input)
        )
    return planned


def _parse_reasons(text: str) -> dict[str, str]:
    """Job name to the engine's reason, from the blocks that a dry run prints."""
    reasons = {}
    for block in re.split(r"\n(?=(?:local)?rule )", text):
        rule = re.match(r"(?:local)?rule (\w+):", block)
        if not rule or rule.group(1) not in STAGES:
            continue
        stage = rule.group(1)
        reason = re.search(r"^\s+reason: (.+)$", block, re.M)
        found = re.search(r"^\s+wildcards: (.+)$", block, re.M)
        wildcards: dict[str, Any] = (
            dict(pair.split("=", 1) for pair in found.group(1).split(", ")) if found else {}
        )
        order = ("arm", "replicate") if stage == "classifier" else ("seed",)
        job = Job(stage, {name: wildcards[name] for name in order if name in wildcards})
        reasons[job.name] = reason.group(1) if reason else "not made yet"
    return reasons


def _plain_reason(reason: str, job: Job, runfile: RunFile, record: dict[str, Any] | None) -> str:
    """The engine's reason in the words of this project."""
    if record and record.get("key") != runfile.key(job):
        changed = changed_parameters(job, runfile.params, record)
        if changed:
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            return f"parameters changed: {', '.join(changed[:3])}{more}"
        if record.get("code") != runfile.codes[job.stage]:
            return "its code changed"
    missing = re.search(r"Missing output files: ([^;]+)", reason)
    if missing:
        return (
            "not made yet"
            if record is None
            else f"missing: {', '.join(Path(name.strip()).name for name in missing.group(1).split(',')[:2])}"
        )
    if "updated by another job" in reason or "Input files updated" in reason:
        return "an earlier stage is made anew"
    if "Updated input" in reason:
        return "a file that it reads was made anew"
    if "Forced" in reason:
        return "forced"
    if "incomplete" in reason.lower():
        return "was interrupted"
    if "Params" in reason or "Code" in reason:
        return "its parameters, code or data changed"
    return reason


def _engine_error(text: str) -> str:
    """The engine's complaint in one sentence."""
    missing = re.search(
        r"Missing input files for rule (\w+):.*?\n\s*affected files:\n((?:\s+\S.*\n)+)", text, re.S
    )
    if missing:
        names = ", ".join(line.strip() for line in missing.group(2).splitlines()[:3])
        return f"The stage '{missing.group(1)}' reads files that are not there ({names}): run the stages before it, for example without --only."
    lines = [
        line
        for line in text.splitlines()
        if line.strip() and not line.startswith(("Building", "Using", "Config", "host:"))
    ]
    return "The engine could not plan the run: " + " ".join(lines[-4:])


def last_words(run: RunPaths) -> list[str]:
    """Why the engine gave up, by its log: what a cluster said of each job that failed there, else the log's last three lines."""
    text = (run.logs / "engine.log").read_text(encoding="utf-8", errors="replace")
    said = {}
    for stage, rest in re.findall(r"^Error in rule (\w+):\n((?:\s+.*\n)+)", text, re.M):
        message, log = (re.search(rf"^\s+{name}: (.+)$", rest, re.M) for name in ("message", "log"))
        if message and message[1] != "None":
            where = f" ({log[1].split(' (check')[0]})" if log else ""
            said[stage] = f"{stage}: {message[1].split('For further error details')[0].strip()}{where}"
    return list(said.values())[:3] or text.strip().splitlines()[-3:]


def execute(
    base: list[str], wanted: list[str], run: RunPaths, profile: Profile, tick: Callable[[], None]
) -> int:
    """Run the engine to its end, calling ``tick`` five times a second; returns its exit code.

    On KeyboardInterrupt or SystemExit from a signal the engine and all jobs are ended first.
    """
    run.logs.mkdir(parents=True, exist_ok=True)
    with open(run.logs / "engine.log", "w", encoding="utf-8") as log:
        engine = subprocess.Popen(
            [*base, "--", *wanted],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment() | {TICKET_VARIABLE: held_ticket(run.folder)},
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=_engine_process,
        )
        try:
            while engine.poll() is None:
                tick()
                time.sleep(0.2)
        finally:
            # on a cluster an interrupt makes it take its jobs back; a termination would wait for them
            _end(engine, signal.SIGINT if profile.elsewhere else signal.SIGTERM)
    tick()
    return engine.returncode


def _engine_process() -> None:
    """In the engine's process, before it starts: it dies with the front door, and can be interrupted though started in a shell's background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        die_with_parent()


def _end(engine: subprocess.Popen, politely: signal.Signals) -> None:
    """End the engine and its jobs: politely, then for good. Kernels die with their jobs."""
    for request, patience in ((politely, GRACE), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(engine.pid, request)
        except (ProcessLookupError, PermissionError):
            return
        try:
            engine.wait(patience)
        except subprocess.TimeoutExpired:
            continue
