"""Processes that are killed, and runs that are asked to stop."""

import json
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator

import psutil

from injected.bench import (
    SMOKE,
    STAGES,
    Bench,
    Checks,
    Outcome,
    differing,
    last_sentence,
    with_equal_tables,
)
from injected.watching import family, forget, made, paused, stage_of, started, survivors, wait_until
from support.project import Project


def killed(bench: Bench) -> Iterator[Outcome]:
    """SIGKILL of the whole run at random moments over all stages, the same command each time."""
    moments = _moments(bench)
    project, checks = bench.project("killed"), Checks()
    kept: dict[str, str] = {}  # jobs that were finished before a kill, and when
    for number, (stage, after) in enumerate(moments, start=1):
        process, anew = _in_the_midst(project, stage, after)
        if process is None:
            checks.need(False, f"kill {number}: the run was done before it could be killed in '{stage}'")
            break
        if anew:  # and with it what comes after
            earlier = STAGES[: STAGES.index(stage)]
            kept = {name: moment for name, moment in kept.items() if stage_of(name) in earlier}
        done = made(project)
        everyone = family(process)
        _kill(process, everyone, alone=number % 2 == 1)
        checks.need(not (left := survivors(everyone)), f"kill {number} in '{stage}': still there: {left}")
        again = [name for name, moment in kept.items() if done.get(name, moment) != moment]
        checks.need(not again, f"kill {number}: run again although finished: {again}")
        kept |= done
        where = f"in '{stage}' after {after:.1f} s"
        print(f"    kill {number} of {len(moments)}: {where}, {len(kept)} jobs finished so far", flush=True)
    _end_well(project, bench, checks, kept)
    note = (
        f"{len(moments)} kills, {len(bench.tables)} tables equal to the byte, "
        f"{len(kept)} jobs finished before a kill and none made twice"
    )
    for stage, _ in moments:
        case = f"in {'the planning' if stage == 'plan' else stage}"
        yield checks.outcome("SIGKILL of the whole run", case, note)


def _kill(process: subprocess.Popen, everyone: list[psutil.Process], alone: bool) -> None:
    """Kill the front door alone, as when memory is short, or all at once, as when the power is lost."""
    if alone:
        process.kill()
    else:
        for one in everyone:
            one.kill() if one.is_running() else None
    process.communicate()


def _end_well(project: Project, bench: Bench, checks: Checks, kept: dict[str, str]) -> None:
    """Let the run end, and see that nothing in ``kept`` was made twice and that the tables are right."""
    last = project.run(*SMOKE, code=None, timeout=7200)
    checks.need(last.returncode == 0, f"the last start ended with {last.returncode}: {last.stderr[-300:]}")
    now = made(project)
    again = [name for name, moment in kept.items() if now.get(name) != moment]
    checks.need(not again, f"run again although finished: {again}")
    checks.need(not (other := differing(project, bench)), f"tables differ: {other[:5]}")
    checks.need("every job is fresh" in project.run(*SMOKE, timeout=7200).stdout, "not fresh at the end")


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


def one_process_killed(bench: Bench) -> Iterator[Outcome]:
    """SIGKILL of one process of the chain: front door, engine, job, kernel. No orphan goes on writing."""
    project = bench.stand_in
    for victim in ("front door", "engine", "job", "kernel"):
        checks, run = Checks(), f"killed-{victim.replace(' ', '-')}"
        with paused(project, "eda shown") as reached:
            process = project.start(*SMOKE, "--run", run)
            wait_until(reached, process)
            everyone = family(process)
            match = {
                "front door": r"run_all\.py",
                "engine": r"-m snakemake",
                "job": r"helpers\.engine\.job .* notebook",
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
            last_sentence(err) if victim != "front door" else "the others end at once",
        )


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
    yield from with_equal_tables("signal", told, project, bench)
