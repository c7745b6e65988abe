"""Every path of the project and of a run, named once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.errors import MissingStageError, ParameterError

ROOT = Path(__file__).resolve().parents[2]
PARAMS = ROOT / "params"
NOTEBOOKS = ROOT / "notebooks"
ARTIFACTS = ROOT / "artifacts"
REPORTS = ROOT / "reports"
DOWNLOADS = ROOT / "data"

# what can be a folder's name on every system
FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TAKEN = ("examples", "parts", "index.html")  # names in reports/ that are no run's


@dataclass(frozen=True)
class RunPaths:
    """The files of one run: ``artifacts/<run>`` and ``reports/<run>``.

    Raises ParameterError for a run name that could not be a folder's name on every system.
    """

    run: str

    def __post_init__(self) -> None:
        if not FOLDER_NAME.fullmatch(self.run):
            raise ParameterError(
                f"'{self.run}' cannot name a run: use letters, digits, dots, dashes and underscores, "
                "at most 64, and begin with a letter or digit; --run NAME gives another name."
            )
        if self.run.lower() in TAKEN:
            raise ParameterError(
                f"'{self.run}' cannot name a run, because reports/{self.run.lower()} is something else: "
                "--run NAME gives another name."
            )

    @property
    def folder(self) -> Path:
        return ARTIFACTS / self.run

    @property
    def params(self) -> Path:
        return self.folder / "params.json"

    # data
    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def split(self) -> Path:
        return self.data / "split.csv"

    @property
    def manifest(self) -> Path:
        return self.data / "manifest.json"

    @property
    def duplicates(self) -> Path:
        return self.data / "duplicates.csv"

    # generative model
    def gan(self, name: int | str) -> Path:
        return self.folder / "gan" / f"seed-{name}"

    def synthetic(self, gan: int | str) -> Path:
        return self.folder / "synthetic" / f"seed-{gan}"

    # classifier
    def trunk(self, name: str) -> Path:
        return self.folder / "trunk" / name

    def banks(self, shared_by: str | None = None) -> Path:
        """Where the trainings that share a trunk or a part of the split keep the trunk's outputs."""
        return self.folder / "classifier" / "bank" / (shared_by or "")

    def classifier(self, arm: str, replicate: int) -> Path:
        return self.folder / "classifier" / arm / f"replicate-{replicate}"

    # reader study
    @property
    def readers(self) -> Path:
        return self.folder / "readers"

    @property
    def reader_answers(self) -> Path:
        return self.readers / "answers"

    @property
    def reader_study(self) -> Path:
        return REPORTS / self.run / "reader-study.html"

    # evaluation and page
    @property
    def evaluation(self) -> Path:
        return self.folder / "evaluation"

    @property
    def notebooks(self) -> Path:
        return self.folder / "notebooks"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def provenance(self) -> Path:
        return self.folder / "provenance.json"

    @property
    def report(self) -> Path:
        return REPORTS / self.run / "report.html"

    @property
    def figures(self) -> Path:
        return REPORTS / self.run / "figures"

    @property
    def tables(self) -> Path:
        return REPORTS / self.run / "tables"


def from_project(path: Path | str) -> Path:
    """The absolute path of one that a parameter gives: absolute, from a home by ``~``, or from the project.

    It is never taken from the working folder, because a job runs in another folder than its reader.
    """
    return ROOT / Path(path).expanduser()


def as_typed(path: Path) -> str:
    """A path as the user would type it: relative to the project where it lies inside."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def runs_here() -> str:
    """The names of the runs on this machine, as a clause."""
    names = sorted(path.name for path in ARTIFACTS.glob("[!.]*") if path.is_dir())
    return f"runs here: {', '.join(names)}" if names else "there are no runs here yet"


def class_folders(directory: Path | str, separate: Sequence[str] = ()) -> list[Path]:
    """Where the networks of a GAN lie in its ``directory``: there, or in a folder for each separate class."""
    return [Path(directory) / name for name in separate] or [Path(directory)]


def require(path: Path, stage: str) -> Path:
    """Return ``path``, or raise MissingStageError that names the stage which writes it."""
    if not path.exists():
        how = f"python run_all.py --until {stage} with the run's --params and --set"
        by_hand = "" if stage == "trunk" else ", or its notebook"
        raise MissingStageError(
            f"{as_typed(path)} does not exist yet: run the stage '{stage}' first ({how}{by_hand})."
        )
    return path
