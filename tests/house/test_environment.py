"""The packages: pyproject.toml declares the direct ones, requirements.txt pins them all, environment.yml uses
the pins.
"""

import ast
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.project import ROOT

LOCK = "requirements.txt"
READY = ".venv/.ready"
COMMAND = f"uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 -o {LOCK}"


def direct() -> dict[str, Requirement]:
    """What pyproject.toml declares, extras included, by canonical name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    declared = [Requirement(line) for line in lines]
    assert len({canonicalize_name(each.name) for each in declared}) == len(declared)
    return {canonicalize_name(each.name): each for each in declared}


def locked() -> list[tuple[str, str, bool]]:
    """``(canonical name, version, whether it is meant for this platform and Python)`` of every pin."""
    lines = (ROOT / LOCK).read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.lstrip().startswith("#")]
    return [
        (
            canonicalize_name(pin.name),
            str(pin.specifier).removeprefix("=="),
            not pin.marker or pin.marker.evaluate(),
        )
        for pin in pins
    ]


def needed() -> dict[str, list[Requirement]]:
    """All that the direct packages and their own dependencies ask for here, by what the installed packages
    declare.
    """
    found: dict[str, list[Requirement]] = {}
    waiting, looked_at = list(direct().values()), set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        found.setdefault(name, []).append(wanted)
        if (name, *sorted(wanted.extras)) in looked_at:
            continue
        looked_at.add((name, *sorted(wanted.extras)))
        for line in metadata.requires(wanted.name) or []:
            further = Requirement(line)
            if not further.marker or any(
                further.marker.evaluate({"extra": extra}) for extra in {"", *wanted.extras}
            ):
                waiting.append(further)
    return found


def test_every_direct_package_is_pinned_within_its_range():
    pins = {name: version for name, version, _ in locked()}
    assert set(direct()) <= set(pins)
    outside = {
        name: pins[name] for name, wanted in direct().items() if not wanted.specifier.contains(pins[name])
    }
    assert not outside
    assert not direct()["torch"].specifier.contains("2.13.0")


def test_the_installed_packages_are_the_pinned_ones_and_none_is_missing_in_the_lock():
    pins = {name: version for name, version, here in locked() if here}
    wanted = needed()
    assert not set(wanted) - set(pins)
    installed = {name: metadata.version(name).split("+")[0] for name in wanted}
    assert installed == {name: pins[name] for name in wanted}
    assert not [
        f"{one} is not met by {installed[name]}"
        for name, several in wanted.items()
        for one in several
        if not one.specifier.contains(installed[name], prereleases=True)
    ]


def test_the_lock_says_how_it_is_made_and_names_no_host():
    text = (ROOT / LOCK).read_text(encoding="utf-8")
    assert text.splitlines()[1].strip("# ") == COMMAND
    assert "://" not in text and "--index" not in text and "--find-links" not in text


@pytest.mark.parametrize(
    ("uv", "torch", "said"),
    [
        ("echo uv", "", ["uv -r requirements.txt", "uv --no-deps -e ."]),
        ("false", "", ["pip installs instead", "pip -r requirements.txt", "pip --no-deps -e ."]),
        ("echo uv", "cpu", ["uv --torch-backend cpu -r .venv/cpu.txt", "uv --no-deps -e ."]),
        ("false", "cpu", ["TORCH=cpu needs uv and https://download.pytorch.org"]),
    ],
)
def test_make_installs_by_uv_or_else_by_pip(tmp_path, uv, torch, said):
    for name in ("Makefile", LOCK, "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".venv").mkdir()
    words = ["make", READY, "PYTHON=true", "PIP=echo pip", f"UV={uv}", f"TORCH={torch}"]
    told = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    places = [told.stdout.find(each) for each in said]
    assert -1 not in places and places == sorted(places)
    failed = uv == "false" and torch == "cpu"
    assert (told.returncode != 0) == failed and (tmp_path / READY).exists() != failed
    if torch:
        kept = {name for name, _, _ in locked()}
        cpu = {line.split("==")[0] for line in (tmp_path / ".venv/cpu.txt").read_text().splitlines()}
        assert "torch" in cpu and kept - cpu == {
            name for name in kept if name.startswith(("nvidia-", "cuda-", "triton"))
        }


def test_conda_installs_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    through_pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert through_pip == [f"-r {LOCK}", "-e ."]


def test_every_import_of_the_project_is_declared():
    modules = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    own_names = {
        "sklearn": "scikit-learn",
        "PIL": "pillow",
        "yaml": "pyyaml",
        "bs4": "beautifulsoup4",
    }
    own = {path.parent.name for path in (ROOT / "src").glob("*/__init__.py")}  # packages of the project
    foreign = {
        own_names.get(name, canonicalize_name(name))
        for name in modules - own
        if name not in sys.stdlib_module_names and name != "IPython"
    }
    assert foreign <= set(direct()), f"imported but not declared: {sorted(foreign - set(direct()))}"


@pytest.mark.parametrize(
    "spoil, sentence",
    [
        ("sys.version_info = (3, 9, 6)", "Python 3.11, 3.12 or 3.13 is needed, and this is 3.9."),
        ("sys.modules['numpy'] = None", "The package 'numpy' is not installed here."),
    ],
)
def test_a_bare_python_is_told_what_to_do(spoil, sentence):
    ast.parse((ROOT / "run_all.py").read_text(), feature_version=(3, 8))
    words = [
        sys.executable,
        "-c",
        f"import sys, runpy; {spoil}; runpy.run_path({str(ROOT / 'run_all.py')!r}, run_name='__main__')",
    ]
    told = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert (
        told.returncode == 2
        and told.stderr.startswith(f"run_all.py: {sentence} 'make report' installs")
        and len(told.stderr.splitlines()) == 1
    )
