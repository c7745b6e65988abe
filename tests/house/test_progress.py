"""Where the progress of a loop goes: a file of the engine, a bar, or nowhere."""

import json
import os

import pytest

from helpers.gan.training import train_gan
from helpers.progress import STATUS_VARIABLE, Progress, show_no_progress
from support.small_gan import IMAGES, SMALL


@pytest.fixture(autouse=True)
def _outside_a_job(monkeypatch):
    monkeypatch.setenv(STATUS_VARIABLE, "later removed")  # so that it is put back as it was
    monkeypatch.delenv(STATUS_VARIABLE)


def go_on(capsys) -> str:
    """Everything that a loop of two steps prints."""
    progress = Progress("GAN", total=2)
    progress.update(1, "3.1 s/kimg")
    progress.update(2)
    progress.close()
    return capsys.readouterr().err


def test_the_engine_reads_a_file(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(STATUS_VARIABLE, str(tmp_path / "status.json"))
    show_no_progress()  # a job of the engine keeps its file
    assert go_on(capsys) == ""
    told = json.loads((tmp_path / "status.json").read_text())
    assert (told["label"], told["done"], told["total"]) == ("GAN", 2, 2)


def test_elsewhere_a_bar_is_shown(capsys):
    assert "GAN" in go_on(capsys)


def test_a_benchmark_shows_nothing_and_writes_no_file(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    show_no_progress()
    assert go_on(capsys) == "" and os.environ[STATUS_VARIABLE] == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("whole", [True, False])
def test_a_training_says_whether_it_is_all_of_its_job(tmp_path, monkeypatch, whole):
    monkeypatch.setenv(STATUS_VARIABLE, str(tmp_path / "status.json"))
    train_gan(IMAGES, SMALL, tmp_path / "gan", "cpu", whole=whole)
    assert json.loads((tmp_path / "status.json").read_text())["whole"] is whole
