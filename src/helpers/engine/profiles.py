"""Where a run's jobs are sent: this machine, or what a profile of the engine names (Slurm)."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from helpers.errors import UserError
from helpers.paths import ROOT

PROFILES = ROOT / "profiles"


@dataclass(frozen=True)
class Profile:
    """A file of settings of the engine. Without a name it stands for this machine."""

    name: str = ""
    folder: Path | None = None  # what the engine is given
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def elsewhere(self) -> bool:
        """Whether jobs leave this machine."""
        return self.settings.get("executor", "local") != "local"

    @property
    def gpus(self) -> int:
        """GPUs that the run may hold at once, by the profile's ``resources: {gpu: N}``."""
        stated = self.settings.get("resources") or {}
        listed = stated if isinstance(stated, list) else str(stated).split()
        pairs = stated if isinstance(stated, dict) else dict(str(pair).partition("=")[::2] for pair in listed)
        try:
            return int(pairs.get("gpu", 0))
        except (TypeError, ValueError):
            raise UserError(
                f"The profile '{self.name}' says resources: gpu: {pairs['gpu']}, which is not a whole number."
            ) from None

    @property
    def counts_jobs(self) -> bool:
        """Whether it says itself how much may run at once."""
        return "jobs" in self.settings or "cores" in self.settings


def load_profile(name: str | None) -> Profile:
    """The profile ``name``: a folder below profiles/, or a path.

    It can also be one that the engine finds in the user's own folder.

    Raises UserError where there is none, where it cannot be read, and where the package of its executor is
    missing.
    """
    if name is None:
        return Profile()
    from snakemake.cli import get_profile_dir  # costs a second, paid only where there is a profile

    found = get_profile_dir(str(PROFILES / name) if (PROFILES / name).is_dir() else name)
    if found is None:
        known = ", ".join(sorted(path.parent.name for path in PROFILES.glob("*/config.yaml"))) or "none"
        raise UserError(
            f"There is no profile '{name}'. Below profiles/ are: {known}; a path to a folder with a "
            "config.yaml will do as well."
        )
    folder, file = found
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"The profile {file} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(settings, dict):
        raise UserError(
            f"The profile {file} is no mapping of settings to values: it holds {type(settings).__name__}."
        )
    executor = str(settings.get("executor", "local"))
    package = f"snakemake-executor-plugin-{executor}"
    if executor not in ("local", "dryrun", "touch") and find_spec(package.replace("-", "_")) is None:
        raise UserError(
            f"The profile '{name}' sends jobs by the package {package}, which is not installed here: "
            f"pip install {package}"
        )
    return Profile(name, folder, settings)
