"""The scripts of benchmarks/ as modules."""

import importlib

import pytest

from support.project import ROOT


@pytest.fixture
def script(monkeypatch):
    """A function that imports a script of benchmarks/ by its name."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module
