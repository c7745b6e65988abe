"""A run after its stage eda, for fixtures whose scope is a module."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from helpers import paths
from helpers.data.prepare import prepare_data
from helpers.params import Params
from helpers.paths import RunPaths


@contextmanager
def run_after_split(
    tmp_path_factory: pytest.TempPathFactory, name: str, params: Params
) -> Iterator[RunPaths]:
    """The run ``name`` with its data and split; its files lie in a new folder while the block runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "ARTIFACTS", tmp_path_factory.mktemp(name))
        run = RunPaths(name)
        run.data.mkdir(parents=True)
        prepare_data(run, params.data)
        yield run
