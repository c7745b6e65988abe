"""What a notebook computed by hand with other parameters is not thrown away unasked."""

import json
import subprocess
import sys

import pytest

from helpers import JOBS_LOCK_VARIABLE
from helpers.engine import by_hand
from helpers.engine.keys import Keys
from helpers.engine.plan import is_finished
from helpers.engine.process import run_lock
from helpers.engine.records import read_record
from helpers.engine.stages import Job, outputs
from helpers.errors import MissingStageError, UserError
from helpers.files import write_text
from helpers.params import load_params
from helpers.paths import RunPaths

JOB = Job("classifier", {"arm": "baseline", "replicate": 0})
EVALUATION = Job("evaluation")
EDA = Job("eda")


@pytest.fixture
def run(place, monkeypatch):
    monkeypatch.delenv(JOBS_LOCK_VARIABLE, raising=False)
    return RunPaths("lab")


def ask(run, *overrides, jobs=(JOB,)):
    params = load_params("smoke", list(overrides))
    by_hand.ask_before_throwing_away(run, jobs, Keys(run, params, {}))


def retrain(run, *overrides):
    assert not is_finished(
        run, load_params("smoke", list(overrides)), "classifier", arm="baseline", replicate=0
    )


def test_a_notebook_by_hand_leaves_a_note_and_a_job_of_a_start_does_not(run, monkeypatch):
    monkeypatch.setenv(JOBS_LOCK_VARIABLE, str(run.folder / ".jobs.lock"))
    retrain(run)
    assert not by_hand.note_path(run, JOB).exists()
    monkeypatch.delenv(JOBS_LOCK_VARIABLE)
    retrain(run)
    assert by_hand.note_path(run, JOB).exists()


def test_other_parameters_are_named_with_both_ways_out(run):
    retrain(run, "classifier.frozen_stages=4")
    with pytest.raises(UserError) as mistake:
        ask(run)
    told = str(mistake.value)
    assert "classifier.frozen_stages 4 in place of" in told and "Nothing was touched" in told
    assert "--force classifier" in told and "add --set classifier.frozen_stages=4" in told


@pytest.mark.parametrize(("others", "said"), [(1, "(and 1 more job) was"), (2, "(and 2 more jobs) was")])
def test_further_results_are_counted(run, others, said):
    params = load_params("smoke", ["classifier.frozen_stages=4"])
    filtered, gan = Job("classifier", {"arm": "filtered", "replicate": 0}), Job("gan", {"seed": 0})
    trained = [JOB, filtered, gan][: others + 1]
    for job in trained:
        by_hand.leave_note(run, job, Keys(run, params))
    with pytest.raises(UserError) as mistake:
        ask(run, "gan.steps=3", jobs=trained)
    assert said in str(mistake.value)


def test_nothing_is_asked_where_the_parameters_are_these_or_the_job_stays(run):
    ask(run)
    retrain(run, "classifier.frozen_stages=4")
    ask(run, jobs=())
    ask(run, "classifier.frozen_stages=4")
    by_hand.take_note_away(run, JOB)
    ask(run)


def test_the_end_of_the_input_is_no_yes(run, monkeypatch):
    def ended(question):
        raise EOFError

    retrain(run, "classifier.frozen_stages=4")
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", ended)
    with pytest.raises(UserError, match="Nothing was touched"):
        ask(run)


@pytest.mark.parametrize(("answer", "goes_on"), [("y", True), ("Yes", True), ("", False), ("n", False)])
def test_at_a_terminal_the_answer_counts(run, monkeypatch, answer, goes_on):
    retrain(run, "classifier.frozen_stages=4")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    if goes_on:
        ask(run)
    else:
        with pytest.raises(UserError, match="Nothing was touched"):
            ask(run)


def test_a_finished_notebook_is_taken_as_it_is_with_its_parameters_and_never_as_another_command_s(run):
    hand, other = load_params("smoke", ["evaluation.bootstrap=150"]), load_params("smoke")
    assert not is_finished(run, hand, "evaluation")
    for path in outputs(EVALUATION, run, hand):
        write_text(path, path.name)
    by_hand.seal_by_hand(run, hand, "evaluation")
    record = read_record(run, EVALUATION)
    assert record["by_hand"] and record["parts"]["parameters"]["evaluation"]["bootstrap"] == 150
    assert is_finished(run, hand, "evaluation")
    with pytest.raises(
        UserError, match=r"bootstrap 150 in place of 200.*add --set evaluation\.bootstrap=150"
    ):
        by_hand.refuse_a_mixture(run, [EVALUATION], Keys(run, other, {}))
    by_hand.refuse_a_mixture(run, [EVALUATION], Keys(run, hand, {}))


def test_a_result_whose_code_changed_meanwhile_gets_no_record(run, monkeypatch):
    hand = load_params("smoke")
    assert not is_finished(run, hand, "evaluation")
    for path in outputs(EVALUATION, run, hand):
        write_text(path, path.name)
    monkeypatch.setattr(Keys, "code", lambda self, job: "edited")
    by_hand.seal_by_hand(run, hand, "evaluation")
    assert read_record(run, EVALUATION) is None and by_hand.note_path(run, EVALUATION).exists()


def test_a_notebook_computes_nothing_beside_a_start(run):
    with run_lock(run.folder), pytest.raises(UserError, match="is being made by process"):
        retrain(run)
    assert not by_hand.note_path(run, JOB).exists()


def test_a_result_with_this_command_s_key_is_no_mixture(run, monkeypatch):
    params = load_params("smoke")
    assert not is_finished(run, params, "eda")
    for path in outputs(EDA, run, params):
        write_text(path, path.name)
    by_hand.seal_by_hand(run, params, "eda")
    monkeypatch.setattr(by_hand, "_other_parameters", lambda *words: [("data.root", "~/skin", "/home/skin")])
    by_hand.refuse_a_mixture(run, [EDA], Keys(run, params, {}))
    with pytest.raises(UserError, match="~/skin in place of"):
        by_hand.refuse_a_mixture(run, [JOB], Keys(run, params, {}))


def test_a_start_asks_while_a_notebook_computes_what_it_would_make(run):
    """Both would write into one folder; a notebook that is gone, or has finished, is not asked about."""
    retrain(run)
    ask(run)  # the note is of this process itself
    path = by_hand.note_path(run, JOB)
    note = json.loads(path.read_text())
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        path.write_text(json.dumps(note | {"process": other.pid}))
        with pytest.raises(UserError, match=f"is being computed by a notebook .process {other.pid}, since"):
            ask(run)
        path.write_text(json.dumps(note | {"process": other.pid, "host": "another"}))
        ask(run)
        path.write_text(json.dumps(note | {"process": other.pid}))
    finally:
        other.communicate(b"\n")
    ask(run)


def test_a_job_of_a_start_is_not_sealed_by_its_notebook(run, monkeypatch):
    monkeypatch.setenv(JOBS_LOCK_VARIABLE, str(run.folder / ".jobs.lock"))
    by_hand.seal_by_hand(run, load_params("smoke"), "evaluation")
    assert read_record(run, EVALUATION) is None


def test_a_notebook_that_the_engine_executes_computes_nothing(run, monkeypatch):
    monkeypatch.setenv(by_hand.SHOW_ONLY_VARIABLE, "1")
    with pytest.raises(MissingStageError, match="became stale while their notebook was executed"):
        is_finished(run, load_params("smoke", []), "evaluation")
