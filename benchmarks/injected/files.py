"""Files from tomorrow, damaged files, and two runs at once."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from injected.bench import SMOKE, STAGES, Bench, Checks, Outcome, differing, last_sentence
from injected.watching import forget, made, started, wait_until
from support.project import Project

ARTEFACTS = (
    "data/split.csv",
    "data/manifest.json",
    "gan/seed-0/generator.safetensors",
    "synthetic/seed-0/images.npy",
    "synthetic/seed-0/scores.csv",
    "classifier/all/replicate-0/predictions.csv",
    "classifier/all/replicate-0/model.safetensors",
    "evaluation/metrics.csv",
    "notebooks/05_evaluation.ipynb",
    "logs/gan-seed-0.record.json",
)

NS = 10**9


def clock(bench: Bench) -> Iterator[Outcome]:
    """A clock that jumps back: every file so far is from tomorrow."""
    project = bench.finished_copy()
    for case, kept in (("after the whole run", STAGES), ("after the GAN", STAGES[:2])):
        checks = Checks()
        for stage in STAGES[len(kept) :]:
            forget(project, stage)
        before, tomorrow = made(project, kept), time.time_ns() + 86_400 * NS
        for path in (
            path
            for room in ("artifacts", "reports")
            for path in (project.folder / room / "smoke").rglob("*")
            if path.is_file()
        ):
            os.utime(path, ns=(tomorrow, tomorrow))
        checks.goes_on(project)
        checks.need(made(project, kept) == before, "something finished was made again")
        checks.need("every job is fresh" in project.run(*SMOKE, timeout=7200).stdout, "not fresh afterwards")
        checks.need(not (other := differing(project, bench)), f"tables differ: {other[:5]}")
        yield checks.outcome(
            "clock jumps back a day",
            case,
            "nothing finished was made again, and the next start finds all fresh",
        )


def flip(path: Path) -> None:
    """Turn one bit in the middle, and leave size and times as they were."""
    stat = path.stat()
    with open(path, "r+b") as file:
        file.seek(stat.st_size // 2)
        byte = file.read(1)
        file.seek(stat.st_size // 2)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def cut(path: Path) -> None:
    """Lose the second half, and keep the time."""
    stat = path.stat()
    os.truncate(path, stat.st_size // 2)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


HARMS = {flip: "a bit flipped", cut: "cut in half"}


def damage(bench: Bench) -> Iterator[Outcome]:
    """Truncated and bit-flipped files: each is named before use, then all are made anew."""
    project = bench.finished_copy()
    artifacts = project.folder / "artifacts/smoke"
    for harm in HARMS:
        for name in ARTEFACTS:
            yield _damaged_alone(project, artifacts / name, name, harm)
    yield _damaged_together(project, bench, artifacts)
    for harm in HARMS:
        yield _damaged_checkpoint(project, bench, artifacts / "gan/seed-0", harm)


def _damaged_alone(project: Project, path: Path, name: str, harm: Callable[[Path], None]) -> Outcome:
    """One damaged file, which the plan must name; it is as before at the end."""
    checks, stat, content = Checks(), path.stat(), path.read_bytes()
    harm(path)
    plan = project.run(*SMOKE, "--dry-run", code=None).stdout
    seen = re.search(rf"stale .*{re.escape(path.name)} is damaged", plan)
    checks.need(bool(seen), f"not seen: {plan[-300:]}")
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return checks.outcome("damage", f"{name}, {HARMS[harm]}", "named before use")


def _damaged_together(project: Project, bench: Bench, artifacts: Path) -> Outcome:
    """All these files and the shared arrays at once."""
    checks, before = Checks(), made(project)
    arrays = [path.relative_to(artifacts).as_posix() for path in sorted(artifacts.glob("data/*.npy"))]
    named = _named_in_place(artifacts)
    for number, name in enumerate((*ARTEFACTS, *arrays)):
        (flip if number % 2 else cut)(artifacts / name)
    told = project.run(*SMOKE, code=None, timeout=7200)
    checks.need(told.returncode == 0, f"exit {told.returncode}: {told.stderr[-300:]}")
    for name in (*ARTEFACTS, *arrays):
        checks.need(Path(named.get(name, name)).name in told.stdout, f"{name} was not named")
    checks.need(not (other := differing(project, bench)), f"tables differ: {other[:5]}")
    # what came out as it was makes nothing behind it stale
    again = [name for name, moment in made(project, ("classifier",)).items() if moment != before[name]]
    checks.need(all("-all-" in name for name in again), f"made again though whole: {again}")
    checks.need("every job is fresh" in project.run(*SMOKE, timeout=7200).stdout, "not fresh afterwards")
    note = "all named, or their job's record or numbers in their place; made anew, tables equal to the byte"
    return checks.outcome("damage", "all of these and the shared arrays at once", note)


def _named_in_place(artifacts: Path) -> dict[str, str]:
    """Files that another one is named for, by file.

    Where a job's record is damaged, nothing tells of its files. Where a job's numbers are damaged, its
    notebook is executed again in any case.
    """
    found = {}
    for name in ARTEFACTS:
        if name.endswith(".record.json"):
            found |= dict.fromkeys(json.loads((artifacts / name).read_text())["files"], name)
    return found | {"notebooks/05_evaluation.ipynb": "evaluation/metrics.csv"}


def _damaged_checkpoint(
    project: Project, bench: Bench, folder: Path, harm: Callable[[Path], None]
) -> Outcome:
    """A damaged checkpoint of a GAN that has to be trained again."""
    checks = Checks()
    harm(next(folder.glob("checkpoint-*.pt")))
    cut(folder / "generator.safetensors")
    checks.goes_on(project)
    checks.need(any(folder.glob("*.damaged")), "the checkpoint was not set aside")
    checks.need(not (other := differing(project, bench)), f"tables differ: {other[:5]}")
    for left in folder.glob("*.damaged"):
        left.unlink()
    case = f"a checkpoint, {HARMS[harm]}"
    return checks.outcome("damage", case, "set aside as *.damaged; trained anew to the same bits")


def two_at_once(bench: Bench) -> Iterator[Outcome]:
    """Two runs at once: on one folder the second says who holds it; two different ones are both right."""
    yield _on_one_folder(bench)
    checks, project = Checks(), bench.project("two")
    both = [project.start(*SMOKE, "--run", name) for name in ("left", "right")]
    for process in both:
        _, err = process.communicate(timeout=7200)
        checks.need(process.returncode == 0, f"exit {process.returncode}: {err[-200:]}")
    for name in ("left", "right"):
        checks.need(not (other := differing(project, bench, name)), f"tables of {name} differ: {other[:5]}")
    note = "both end in the tables of the undisturbed run"
    yield checks.outcome("two runs at once", "two different ones", note)


def _on_one_folder(bench: Bench) -> Outcome:
    checks, project = Checks(), bench.finished_copy()
    forget(project, "gan")
    first = project.start(*SMOKE)
    wait_until(lambda: started(project, "gan"), first)
    second = project.run(*SMOKE, code=None)
    holder = f"being made by process {first.pid}"
    checks.sentence(second.returncode, second.stdout, second.stderr, {2}, holder)
    plan = project.run(*SMOKE, "--dry-run", code=None)
    checks.need(
        plan.returncode == 0 and "jobs would run" in plan.stdout, f"no plan meanwhile: {plan.stderr[-200:]}"
    )
    _, err = first.communicate(timeout=7200)
    checks.need(first.returncode == 0, f"the first ended with {first.returncode}: {err[-200:]}")
    checks.need(not (other := differing(project, bench)), f"tables differ: {other[:5]}")
    return checks.outcome("two runs at once", "on one folder", last_sentence(second.stderr))
