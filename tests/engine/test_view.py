"""What the terminal shows during a run: one live line for each running job.

Where the output is no terminal, plain lines are printed.
"""

import io
import json

from helpers.engine.view import View
from helpers.paths import RunPaths


def test_plain_lines_tell_stage_cell_inner_progress_and_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.paths.ARTIFACTS", tmp_path)
    run = RunPaths("shown")
    run.logs.mkdir(parents=True)
    view = View(run, ["gan-seed-0"], io.StringIO())
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
