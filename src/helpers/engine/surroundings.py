"""What the user's machine brings along: a home that cannot be written to, packages of other software, the
terminal's encoding. Each is put right for this start and its jobs, or told in a sentence.
"""

import importlib.metadata
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.errors import UserError
from helpers.paths import ARTIFACTS, ROOT

HOMES = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")

# Of glibc's malloc (other libraries pass it over): large tensors stay in the process's memory from one use to
# the next and lie in huge pages where the kernel gives them. Else each is mapped anew, page by page.
MEMORY = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592"
)


def write_any_sign() -> None:
    """Let what is printed be written in any encoding: a sign that it does not have becomes an escape.

    Where an output is closed, as some schedulers leave it, nothing is printed.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (open to the end)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def absolute_folder(what: str, given: str) -> str:
    """The absolute path of a folder that a user gave as ``what``, links followed and ``~`` for a home.

    Raises UserError where it is no path of this system, with the path that it may have here.
    """
    path = os.path.realpath(os.path.expanduser(given))
    drive = re.match(r"([A-Za-z]):[\\/]", given)
    if drive and not os.path.exists(path):
        here = f"/mnt/{drive[1].lower()}/" + given[3:].replace("\\", "/")
        raise UserError(f"{what} is '{given}', as Windows writes a folder: in WSL its name is {here}.")
    if re.match(r"[a-z]+://", given):
        raise UserError(f"{what} is '{given}', an address: download what is there, and name its folder here.")
    return path


def writable_home(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, with a home below artifacts/ where its own cannot be written to: matplotlib, Jupyter
    and Snakemake keep small files there.
    """
    if _can_be_written(os.path.expanduser(environment.get("HOME", "~"))):
        return dict(environment)
    home = ARTIFACTS / ".home"
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in environment.items() if name not in HOMES or _can_be_written(value)}
    return kept | {"HOME": str(home)}


def _can_be_written(folder: str) -> bool:
    """Whether files can be made in a folder: tried, because a file system may be mounted for reading only."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def project_path(environment: Mapping[str, str]) -> str:
    """A PYTHONPATH for the jobs: this project's code, and of what was there only folders that hold a package
    of which this Python has none. Packages of other software never stand before those of this Python.
    """
    source = str(ROOT / "src")
    inherited = [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]
    needed = [part for part in dict.fromkeys(inherited) if part != source and _is_needed(part, inherited)]
    return os.pathsep.join([source, *needed])


def _is_needed(folder: str, inherited: Iterable[str]) -> bool:
    """Whether a declared package is found in this folder and not among this Python's own."""
    own = [part for part in sys.path if part and part not in set(inherited)]
    here = _packages([folder])
    known = _packages(own) if here else set()
    return bool({canonicalize_name(wanted.name) for wanted in declared_packages()} & here - known)


def _packages(folders: list[str]) -> set[str]:
    """The names of the packages that are installed in these folders."""
    return {canonicalize_name(found.name or "") for found in importlib.metadata.distributions(path=folders)}


def declared_packages() -> list[Requirement]:
    """The packages that pyproject.toml asks for, with their ranges."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(line) for line in project["dependencies"]]


def check_versions() -> None:
    """Raise UserError where an installed package is too old, or missing. Nothing is imported."""
    wrong = []
    for wanted in declared_packages():
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{wanted.name} is not installed")
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            wrong.append(f"{wanted.name} is {version} and must be {wanted.specifier}")
    if wrong:
        raise UserError(
            f"This Python ({sys.executable}) has not the packages that are needed: {'; '.join(wrong[:4])}"
            f"{f'; and {len(wrong) - 4} more' if len(wrong) > 4 else ''}. 'make report' installs them into "
            ".venv, and .venv/bin/python runs this."
        )
