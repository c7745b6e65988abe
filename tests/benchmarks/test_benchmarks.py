"""Every benchmark says what it does when asked for help, and all that it imports is there."""

import ast
import importlib
import importlib.util
import subprocess
import sys

import pytest

from support.project import ROOT

FOLDER = ROOT / "benchmarks"
SCRIPTS = sorted(FOLDER.glob("*.py"))


@pytest.mark.long
@pytest.mark.parametrize(
    "script", [path for path in SCRIPTS if "argparse" in path.read_text()], ids=lambda path: path.stem
)
def test_help_is_shown(script):
    told = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, cwd=ROOT)
    assert told.returncode == 0 and told.stdout.startswith("usage:"), told.stderr


@pytest.mark.parametrize("script", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_what_a_benchmark_imports_from_the_project_is_there(script, monkeypatch):
    """Imports inside functions too: a measurement that takes hours must not end at its first line."""
    monkeypatch.syspath_prepend(str(FOLDER))
    missing = []
    for node in ast.walk(ast.parse(script.read_text())):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        for name in names if not isinstance(node, ast.ImportFrom) else [str(node.module)]:
            if importlib.util.find_spec(name) is None:
                missing.append(name)
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "helpers":
            module = importlib.import_module(str(node.module))
            for each in node.names:
                inner = f"{node.module}.{each.name}"
                if not hasattr(module, each.name) and importlib.util.find_spec(inner) is None:
                    missing.append(inner)
    assert not missing
