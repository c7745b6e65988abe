"""What the terminal shows during a run: one live line for each running job.

Where the output is no terminal, plain lines are printed.
"""

import io
import json

import pytest

from helpers.engine import start
from helpers.engine.forecast import Forecast, Progress
from helpers.engine.stages import Job, Task, jobs, tasks
from helpers.engine.view import View
from helpers.params import Params, load_params
from helpers.paths import RunPaths


def test_plain_lines_tell_stage_cell_inner_progress_and_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.paths.ARTIFACTS", tmp_path)
    run = RunPaths("shown")
    run.logs.mkdir(parents=True)
    view = View(run, Params(), [Task(Job("gan", {"seed": 0}))], stream=io.StringIO())
    state = {"job": "gan-seed-0", "title": "gan seed 0", "state": "running", "cell": 11, "cells": 14}
    (run.logs / "gan-seed-0.state.json").write_text(json.dumps(state))
    inner = {
        "label": "GAN",
        "unit": "step",
        "done": 240,
        "total": 400,
        "note": "3.1 s/kimg",
        "seconds_left": 65,
    }
    (run.logs / "gan-seed-0.progress.json").write_text(json.dumps(inner))
    with view:
        view.tick()
        view.tick()  # a second line only after half a minute
        (run.logs / "gan-seed-0.state.json").write_text(json.dumps(state | {"state": "finished"}))
        view.tick()
    first, last = view.stream.getvalue().splitlines()
    assert first.split() == [
        "gan",
        "seed",
        "0",
        "cell",
        "11/14",
        "GAN:",
        "step",
        "240/400",
        "3.1",
        "s/kimg",
        "1",
        "min",
        "05",
        "s",
        "left",
    ]
    assert last.startswith("done") and "[1/1]" in last and view.ended == {"gan-seed-0": "finished"}


# --- what is still to come ----------------------------------------------------------------------


@pytest.fixture
def quick() -> Params:
    return load_params("quick")  # one GAN, three arms, three replicates


def every(params: Params) -> list[Task]:
    """All that a whole run starts."""
    return [task for job in jobs(params) for task in tasks(job, params)]


def test_a_forecast_names_what_was_never_timed_here(quick):
    forecast = Forecast(quick, every(quick), slots=2)
    progress = Progress({"eda": 20.0}, {"gan-seed-0": 10.0}, {"gan-seed-0": 90.0})
    said = forecast.say(progress)
    assert said == (
        "still to come: synthesis, 9 classifiers, evaluation, 5 notebooks and the page; about 1 min 30 s, "
        "and what synthesis, 9 classifiers, evaluation, 5 notebooks and the page will take"
    )


def test_a_forecast_waits_for_what_a_job_reads_and_fills_all_slots(quick):
    forecast = Forecast(quick, every(quick), slots=2)
    baselines = {f"classifier-baseline-replicate-{r}": 20.0 for r in range(3)}
    progress = Progress({"eda": 20.0, **baselines}, {"gan-seed-0": 60.0}, {"gan-seed-0": 100.0})
    # 100 s of the GAN, then six trainings of 20 s, two at a time; the idle slot cannot begin earlier
    said = forecast.say(progress)
    assert "about 2 min 40 s, and what synthesis, evaluation, 5 notebooks and the page will take" in said


def test_a_forecast_of_a_finished_run_is_silent(quick):
    asked = every(quick)
    assert Forecast(quick, asked, 2).say(Progress({task.name: 1.0 for task in asked})) == ""


def test_a_forecast_leaves_out_what_a_failed_job_has_made_impossible(quick):
    baselines = {f"classifier-baseline-replicate-{number}" for number in range(3)}
    failed = {"gan-seed-0"}
    said = Forecast(quick, every(quick), slots=2).say(Progress({"eda": 20.0}, failed=failed))
    assert said.startswith(f"still to come: {len(baselines)} classifiers and ")
    assert "synthesis" not in said and "evaluation" not in said and "the page" not in said


def test_a_forecast_on_one_slot_adds_the_times_up(quick):
    asked = [Task(job) for job in jobs(quick) if job.stage == "classifier"]
    done = {asked[0].name: 30.0}
    said = Forecast(quick, asked, slots=1).say(Progress(done, {asked[1].name: 10.0}))
    assert said == "still to come: 7 classifiers; about 3 min 50 s"


def test_jobs_of_which_there_are_many_are_counted():
    study = load_params("study")
    said = Forecast(study, every(study), slots=2).say(Progress({"eda": 20.0}))
    assert said == (
        "still to come: 20 GANs, 20 trunks, synthesis, 110 classifiers, evaluation, 23 notebooks and the page"
    )


def test_a_notebook_tells_nothing_about_trainings(quick):
    asked = [task for task in every(quick) if task.job.stage == "classifier"]
    (notebook,) = (task.name for task in asked if task.notebook)
    running = asked[-1].name
    forecast = Forecast(quick, asked, slots=1)
    assert forecast.say(Progress({notebook: 10.0})) == "still to come: 9 classifiers"
    # one training that runs has 70 s behind it and expects 30 s more: eight others take as long
    said = forecast.say(Progress({notebook: 10.0}, {running: 70.0}, {running: 30.0}))
    assert said == "still to come: 8 classifiers; about 13 min 50 s"


def test_a_notebook_waits_for_its_numbers_and_the_page_for_all(quick):
    names = {"gan-seed-0", "gan-seed-0.notebook", "report"}
    forecast = Forecast(quick, [task for task in every(quick) if task.name in names], slots=2)
    done = {"eda": 1.0, "eda.notebook": 9.0}
    said = forecast.say(Progress({"gan-seed-0.notebook": 9.0}, {"gan-seed-0": 5.0}, {"gan-seed-0": 60.0}))
    assert said == "still to come: the page; about 1 min 00 s, and what the page will take"
    said = forecast.say(Progress(done, {"gan-seed-0": 5.0}, {"gan-seed-0": 60.0}))
    assert said.startswith("still to come: 1 notebook and the page; about 1 min 00 s")


def test_plain_lines_say_what_is_to_come_once_something_ended(tmp_path, monkeypatch, quick):
    monkeypatch.setattr("helpers.paths.ARTIFACTS", tmp_path)
    run = RunPaths("shown")
    run.logs.mkdir(parents=True)
    stream = io.StringIO()
    view = View(run, quick, every(quick), slots=2, stream=stream)
    view.tick()
    assert stream.getvalue() == ""
    state = {"title": "eda", "state": "finished", "cell": 9, "cells": 9}
    (run.logs / "eda.state.json").write_text(json.dumps(state))
    view.tick()
    view.tick()  # a second line only after half a minute
    done, ahead = stream.getvalue().splitlines()
    assert done.startswith("done")
    assert ahead == "still to come: 1 GAN, synthesis, 9 classifiers, evaluation, 5 notebooks and the page"


@pytest.mark.parametrize(("device", "cards", "slots"), [("auto", 0, 8), ("auto", 1, 1), ("cpu", 1, 8)])
def test_each_training_holds_a_card(monkeypatch, device, cards, slots):
    monkeypatch.setattr(start, "count_gpus", lambda: cards)
    params = load_params("smoke", [f"compute.device={device}", "gan.threads=2"])
    assert start.jobs_at_once(params, cores=16) == slots


def test_a_task_that_is_made_a_second_time_is_followed_from_its_beginning(tmp_path, monkeypatch, quick):
    monkeypatch.setattr("helpers.paths.ARTIFACTS", tmp_path)
    run = RunPaths("shown")
    run.logs.mkdir(parents=True)
    eda, page = Task(Job("eda")), Task(Job("report"))
    view = View(run, quick, [eda], slots=2, stream=io.StringIO())
    state = {"title": "eda", "state": "finished", "cell": 0, "cells": 0}
    (run.logs / "eda.state.json").write_text(json.dumps(state))
    view.tick()
    assert view.ended == {"eda": "finished"}
    view.follow([eda, page])
    assert view.ended == {} and view.began == {} and list(view.tasks) == ["eda", "report"]
    (run.logs / "eda.state.json").write_text(json.dumps(state | {"state": "running"}))
    view.tick()
    assert list(view.began) == ["eda"] and "eda" in view.stream.getvalue().splitlines()[-1]
    assert "running" in view.stream.getvalue()


def test_a_job_that_a_cluster_tries_again_is_followed_again(tmp_path, monkeypatch, quick):
    monkeypatch.setattr("helpers.paths.ARTIFACTS", tmp_path)
    run = RunPaths("shown")
    run.logs.mkdir(parents=True)
    view = View(run, quick, [Task(Job("eda"))], slots=2, stream=io.StringIO())
    for state in ("started", "failed", "started", "finished"):
        told = {"title": "eda", "state": state, "cell": 0, "cells": 0}
        (run.logs / "eda.state.json").write_text(json.dumps(told))
        view.tick()
        assert bool(view.progress.failed) == (state == "failed")
    assert view.ended == {"eda": "finished"} and list(view.progress.ended) == ["eda"]
    lines = view.stream.getvalue().splitlines()
    assert lines[-1].startswith("done") and sum(line.startswith("FAILED") for line in lines) == 1


def test_only_the_main_loop_of_a_job_says_how_long_it_will_take(tmp_path, monkeypatch, quick):
    monkeypatch.setattr("helpers.paths.ARTIFACTS", tmp_path)
    run = RunPaths("shown")
    run.logs.mkdir(parents=True)
    name = Task(Job("gan", {"seed": 0})).name
    view = View(run, quick, [Task(Job("gan", {"seed": 0}))], slots=2, stream=io.StringIO())
    state = {"title": "gan", "state": "running", "cell": 0, "cells": 0}
    (run.logs / f"{name}.state.json").write_text(json.dumps(state))
    line = {"label": "it", "unit": "step", "total": 9, "note": ""}
    left = []
    for inner in (
        {"done": 3, "seconds_left": 4.0, "whole": False},  # such as the bank of a classifier
        {"done": 3, "seconds_left": 60.0, "whole": True},
        {"done": 9, "seconds_left": 0.0, "whole": True},
    ):
        (run.logs / f"{name}.progress.json").write_text(json.dumps(line | inner))
        view.tick()
        left.append(view.progress.left.get(name))
    assert left == [None, 60.0, None]
