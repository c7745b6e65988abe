"""Fixtures that all tests share."""

import os
import signal

import hypothesis
import pytest

from helpers.quick_notebooks import skip_address_grammar
from support.project import copy_project

skip_address_grammar()  # before a test imports nbformat

if "PYTEST_XDIST_WORKER" in os.environ:
    # workers share the cores: more threads than cores spin while they wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config):
    """`make test` draws the same examples each time; `make test-all` draws new ones."""
    hypothesis.settings.register_profile("seeded", derandomize=True, database=None)
    if "not long" in (config.option.markexpr or ""):
        hypothesis.settings.load_profile("seeded")


def pytest_collection_modifyitems(items):
    """Whole runs first: a worker that began with them last would work alone at the end."""
    dear = ("whole", "engine")
    items.sort(key=lambda item: dear.index(room) if (room := item.path.parent.name) in dear else len(dear))


@pytest.fixture(scope="session")
def project_copy(tmp_path_factory):
    """A function that makes another copy of the project in a folder with a space and a brace in its name."""
    return lambda name="a project {copied}": copy_project(tmp_path_factory.mktemp("work") / name)


@pytest.fixture
def captures(monkeypatch):
    """CUDA's functions that helpers/graphs.py calls, on the CPU; the graphs that were recorded."""
    from support.cuda_graphs import stand_in

    return stand_in(monkeypatch)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working folder of a test that calls the front door in its own process; the runs lie in it."""
    from helpers import paths

    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path / "artifacts")
    monkeypatch.setattr(paths, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(paths, "DOWNLOADS", tmp_path / "downloads")
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)
