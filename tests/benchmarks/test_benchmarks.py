"""Every benchmark says what it does when asked for help."""

import subprocess
import sys

import pytest

from support.project import ROOT

SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))


@pytest.mark.long
@pytest.mark.parametrize(
    "script", [path for path in SCRIPTS if "argparse" in path.read_text()], ids=lambda path: path.stem
)
def test_help_is_shown(script):
    told = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, cwd=ROOT)
    assert told.returncode == 0 and told.stdout.startswith("usage:"), told.stderr
