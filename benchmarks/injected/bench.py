"""Copies of the project to do faults to, what an undisturbed run makes, and how an outcome is told."""

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.engine.stages import jobs
from helpers.params import load_params
from helpers.paths import ROOT

sys.path.insert(0, str(ROOT / "tests"))

from support import fake_stages
from support.project import Project, copy_project

SMOKE = ("--params", "params/smoke.yaml")
STAGES = tuple(dict.fromkeys(job.stage for job in jobs(load_params("smoke"))))  # that have a job there
TIMES = ("timing", "cost", "environment", "provenance")  # tables of times and machines


@dataclass
class Bench:
    """Copies of the project in one folder, and what an undisturbed run makes."""

    folder: Path
    seed: int
    kills: int

    @cached_property
    def source(self) -> Path:
        """The project as it is now, so that an edit in the meantime changes nothing."""
        place = self.folder / "source"
        return place if place.exists() else copy_project(place).folder

    def project(self, name: str) -> Project:
        """A fresh copy of the project, in a folder with a space and a brace in its name."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name} {{", dir=self.folder)) / "project"
        shutil.copytree(self.source, folder)
        return Project(folder)

    @cached_property
    def whole(self) -> Project:
        """A project after one undisturbed smoke run: the reference. Nobody changes it; in a kept folder it is
        used again.
        """
        project = Project(self.folder / "whole")
        if not (project.folder / "reports/smoke/report.html").exists():
            shutil.copytree(self.source, project.folder, dirs_exist_ok=True)
            project.run(*SMOKE, timeout=7200)
        return project

    @cached_property
    def stand_in(self) -> Project:
        """A project with stand-in notebooks, run once; faults are done to it one after the other."""
        project = self.project("stand-in")
        fake_stages.install(project)
        project.run(*SMOKE, timeout=7200)
        return project

    @cached_property
    def tables(self) -> dict[str, bytes]:
        """The undisturbed run's tables."""
        return tables(self.whole)

    def finished_copy(self) -> Project:
        """A copy of the undisturbed run, with its files' times."""
        target = Path(tempfile.mkdtemp(prefix="finished {", dir=self.folder)) / "project"
        shutil.copytree(self.whole.folder, target, symlinks=True)
        return Project(target)


def tables(project: Project, run: str = "smoke") -> dict[str, bytes]:
    """Every table of a run by name; tables and columns of times, and the run's own name, are left out."""
    found = {}
    for room in (f"artifacts/{run}", f"reports/{run}"):
        for path in sorted((project.folder / room).rglob("*.csv")):
            name = path.relative_to(project.folder / room).as_posix()
            if (
                "phantom" in path.parts
                or any(word in path.stem for word in TIMES)
                or any(part.startswith(".") for part in path.parts)
            ):
                continue
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
            timed = [column for column in table if re.search("second|minute|hour|time$|kimg|memory", column)]
            found[f"{room.split('/')[0]}/{name}"] = (
                table.drop(columns=timed).to_csv(index=False).encode() if timed else path.read_bytes()
            )
    return found


def differing(project: Project, bench: Bench, run: str = "smoke") -> list[str]:
    """Names of the tables that are not the undisturbed run's, to the byte."""
    now = tables(project, run)
    return sorted(name for name in {*now, *bench.tables} if now.get(name) != bench.tables.get(name))


def half_files(project: Project) -> list[str]:
    """Files under a final name that are not whole: each kind is read as far as its format can tell."""
    bad = []
    for room in ("artifacts", "reports"):
        for path in (project.folder / room).rglob("*"):
            parts = path.relative_to(project.folder).parts
            if (
                path.is_file()
                and not any(part.startswith(".") for part in parts)
                and not {"phantom", "logs"} & set(parts)
            ):
                try:
                    _read_whole(path)
                except Exception as error:
                    bad.append(f"{path.name} ({type(error).__name__})")
    return bad


def _read_whole(path: Path) -> None:
    if path.suffix == ".npy":
        np.load(path, mmap_mode="r", allow_pickle=False)
    elif path.suffix in (".json", ".ipynb"):
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".csv":
        if not path.read_bytes().endswith(b"\n"):
            raise ValueError("no end of line")
        pd.read_csv(path)
    elif path.suffix == ".safetensors":
        from safetensors import safe_open

        safe_open(path, "np")
    elif path.suffix == ".pt":
        import zipfile

        if zipfile.ZipFile(path).testzip():
            raise ValueError("checksum")
    elif path.suffix == ".html" and not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("no end")


@dataclass
class Outcome:
    """One injected fault."""

    fault: str
    case: str
    survived: bool
    note: str


@dataclass
class Checks:
    """What must hold after a fault; the first that does not is the note."""

    failed: list[str] = field(default_factory=list)

    def need(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.failed.append(otherwise)

    def sentence(self, code: int, out: str, err: str, expected: set[int], words: str = "") -> None:
        """The right exit code, words for the reader, and no traceback."""
        self.need(code in expected, f"exit code {code}: {err.strip()[-200:]}")
        self.need("Traceback" not in out + err, "a traceback")
        self.need(
            bool(re.search(words or "goes on from here", out + err)),
            f"not said: {words or 'goes on from here'}: {err.strip()[-200:]}",
        )

    def goes_on(self, project: Project, *words: str) -> None:
        """The same command ends well."""
        done = project.run(*SMOKE, *words, code=None, timeout=7200)
        self.need(
            done.returncode == 0, f"did not go on: exit {done.returncode}, {done.stderr.strip()[-300:]}"
        )

    def outcome(self, fault: str, case: str, note: str = "") -> Outcome:
        return Outcome(fault, case, not self.failed, "; ".join(self.failed) or note)


Fault = Callable[[Bench], Iterator[Outcome]]


def with_equal_tables(
    fault: str, told: list[tuple[Checks, str, str, str]], project: Project, bench: Bench
) -> Iterator[Outcome]:
    """The outcomes of faults done to one project, after its report is made and its tables are compared."""
    done = project.run(*SMOKE, code=None, timeout=7200)
    other = differing(project, bench)
    for checks, what, case, note in told:
        checks.need(done.returncode == 0, f"the report was not made: {done.stderr.strip()[-200:]}")
        checks.need(not other, f"tables differ: {other[:5]}")
        yield checks.outcome(f"{fault} {what}".strip(), case, note)


def last_sentence(text: str) -> str:
    """The first two lines of what was said, without the paths of logs."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("log:", "notebook:", "Finished jobs stay"))]
    return " ".join((said or lines or [""])[:2])[:240]
