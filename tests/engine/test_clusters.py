"""Jobs that leave this machine: profiles, what jobs ask for, and tickets."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.cores import allowed_cores
from helpers.engine import cards, profiles
from helpers.engine.cards import gpus_asked
from helpers.engine.failures import last_words
from helpers.engine.process import write_ticket
from helpers.engine.runfile import RunFile
from helpers.engine.snakemake import command, events_path
from helpers.engine.stages import STAGES
from helpers.errors import UserError
from helpers.params import load_params
from helpers.paths import ROOT, RunPaths

KEEPER = """
import os, sys, time
os.environ["REPORT_JOBS_LOCK"] = sys.argv[1] + "/.jobs.lock"
import helpers
print("joined", flush=True)
time.sleep(60)
"""


def runfile(*overrides: str) -> RunFile:
    return RunFile(RunPaths("any"), load_params(ROOT / "params" / "smoke.yaml", list(overrides)), {}, [])


@pytest.mark.parametrize(
    "name", sorted(path.parent.name for path in (ROOT / "profiles").glob("*/config.yaml"))
)
def test_a_kept_profile_sends_jobs_away_and_asks_for_gpus(name):
    profile = profiles.load_profile(name)
    assert profile.elsewhere and profile.counts_jobs and profile.gpus == 8
    words = command(runfile(), None, profile)
    assert "--cores" not in words and "--resources" not in words  # the profile's own count
    assert "gpus=8" in words and words[words.index("--profile") + 1] == str(ROOT / "profiles" / name)
    told = words[words.index("--config") + 1 : words.index("--nolock")]
    assert told == ["run=artifacts/any", "gpus=8"]
    assert "gpus=0" in command(runfile("compute.device=cpu"), None, profile)
    limited = command(runfile(), 12, profile)
    assert limited[limited.index("--cores") + 1] == "12"


def test_without_a_profile_this_machine_is_counted(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    words = command(runfile(), None, profiles.load_profile(None))
    assert words[words.index("--cores") + 1] == str(allowed_cores())
    assert "gpu=2" in words and "gpus=2" in words


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no profile"),
        ("- executor", "is no mapping"),
        ("executor: [", "cannot be read"),
        ("executor: nowhere", "pip install snakemake-executor-plugin-nowhere"),
    ],
)
def test_a_wrong_profile_is_answered_by_a_sentence(tmp_path, content, sentence):
    folder = tmp_path / "mine"
    if content is not None:
        folder.mkdir()
        (folder / "config.yaml").write_text(content)
    with pytest.raises(UserError, match=sentence):
        profiles.load_profile(str(folder))


def test_gpus_are_a_whole_number_in_either_notation(tmp_path):
    (tmp_path / "config.yaml").write_text("executor: slurm\nresources: [gpu=3, mem_mb=9000]\n")
    assert profiles.load_profile(str(tmp_path)).gpus == 3
    (tmp_path / "config.yaml").write_text("executor: slurm\nresources: {gpu: many}\n")
    with pytest.raises(UserError, match="not a whole number"):
        _ = profiles.load_profile(str(tmp_path)).gpus
    (tmp_path / "config.yaml").write_text("executor: slurm\nresources:\n  gpu:\n")
    with pytest.raises(UserError, match="not a whole number"):
        _ = profiles.load_profile(str(tmp_path)).gpus
    for stated, gpus in (("gpu=8", 8), ("8", 0), ("gpu=2 mem_mb=9000", 2)):
        (tmp_path / "config.yaml").write_text(f"executor: slurm\nresources: {stated}\n")
        assert profiles.load_profile(str(tmp_path)).gpus == gpus


def test_a_profile_of_this_machine_says_how_much_runs_at_once(tmp_path):
    (tmp_path / "config.yaml").write_text("cores: 1\n")
    words = command(runfile(), None, profiles.load_profile(str(tmp_path)))
    assert "--cores" not in words
    words = command(runfile(), 3, profiles.load_profile(str(tmp_path)))
    assert words[words.index("--cores") + 1] == "3"


def test_a_driver_that_hangs_counts_as_no_card(monkeypatch):
    def hang(words, **options):
        raise subprocess.TimeoutExpired(words, options["timeout"])

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(cards.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(cards.subprocess, "run", hang)
    assert cards.visible_cards() == []


def test_every_stage_says_what_it_needs():
    params = load_params(ROOT / "params" / "smoke.yaml", [])
    assert all(stage.memory_gb >= 4 and stage.minutes >= 60 for stage in STAGES.values())
    assert [gpus_asked(stage, params, 4) for stage in STAGES.values()] == [0, 1, 1, 1, 1, 0, 0]
    assert gpus_asked(STAGES["gan"], params, 0) == 0
    on_cpu = load_params(ROOT / "params" / "smoke.yaml", ["compute.device=cpu"])
    assert gpus_asked(STAGES["gan"], on_cpu, 4) == 0


SAID = {
    "event": "job_error",
    "message": "Error in rule eda, jobid: 1",
    "rule": "eda",
    "said": "SLURM-job '4' failed, SLURM status is: 'OUT_OF_MEMORY'.",
    "logs": ["/a folder/slurm_logs/rule_eda/4.log (check log file(s) for error details)"],
}


def test_what_the_cluster_said_of_a_failed_job_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.paths.ARTIFACTS", tmp_path)
    run = RunPaths("any")
    run.logs.mkdir(parents=True)
    assert last_words(run) == []
    events_path(run).write_text(json.dumps(SAID) + "\n")
    assert last_words(run) == [
        "eda: SLURM-job '4' failed, SLURM status is: 'OUT_OF_MEMORY'. (/a folder/slurm_logs/rule_eda/4.log)"
    ]
    own = {"event": "error", "message": "WorkflowError:\nNo disk.", "rule": None, "said": None, "logs": []}
    events_path(run).write_text(json.dumps(own) + "\n")
    assert last_words(run) == ["WorkflowError:\nNo disk."]


def keeper(folder: Path, ticket: str | None) -> subprocess.Popen:
    """A process of a job with a ticket."""
    given = {"REPORT_TICKET": ticket} if ticket else {}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("REPORT_")} | {
        "PYTHONPATH": str(ROOT / "src"),
        **given,
    }
    return subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(folder)], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_a_job_ends_with_its_ticket(tmp_path):
    ticket = write_ticket(tmp_path)
    valid, by_hand, too_late = keeper(tmp_path, ticket), keeper(tmp_path, None), keeper(tmp_path, "0" * 32)
    try:
        assert too_late.communicate(timeout=60)[0] == "" and too_late.returncode == -signal.SIGKILL
        assert valid.stdout.readline() == by_hand.stdout.readline() == "joined\n"
        assert write_ticket(tmp_path) != ticket and len((tmp_path / ".ticket").read_text()) == 32
        assert valid.wait(60) == -signal.SIGKILL
        assert by_hand.poll() is None
    finally:
        for process in (valid, by_hand, too_late):
            process.kill()
            process.wait()
