"""What is said of a job that ended and left no error behind."""

import shutil

import pytest

from helpers import paths
from helpers.engine import failures
from helpers.engine.stages import Job, Task
from helpers.paths import RunPaths


@pytest.mark.parametrize(
    ("free", "said", "not_said"),
    [
        (1000, "It could not write, not even what went wrong.", "memory"),
        (10**9, "memory probably ran out", "is full"),
    ],
)
def test_a_full_disk_is_not_called_a_lack_of_memory(tmp_path, monkeypatch, capsys, free, said, not_said):
    for name in ("artifacts", "reports"):
        monkeypatch.setattr(paths, name.upper(), tmp_path / name)
    run = RunPaths("full")
    run.folder.mkdir(parents=True)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))
    failure = failures.died(run, Task(Job("gan", {"seed": 0}), notebook=False))
    assert failures.tell_failures(run, [failure], []) == 1
    told = capsys.readouterr().err
    assert said in told and not_said not in told
    assert ("is full (0.0 MB are free): make room." in told) == (free == 1000)
