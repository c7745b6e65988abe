"""The engine on stand-in notebooks: what is stale and what is not.

Also what happens when something fails or is killed.
"""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import time
from contextlib import contextmanager
from types import SimpleNamespace

import psutil
import pytest

from helpers import paths
from helpers.engine import start
from helpers.engine.plan import Planned
from helpers.engine.stages import Job
from helpers.errors import UserError
from helpers.params import load_params, validate
from helpers.paths import RunPaths
from support import fake_stages

TOY = ("--params", "params/toy.yaml")


@pytest.fixture(scope="module")
def finished(project_copy):
    """A copied project with stand-in notebooks after a whole run, in a folder whose name is a trap."""
    copied = project_copy()
    fake_stages.install(copied, kernels=False)
    copied.run(*TOY)
    copied.keep()
    return copied


@pytest.fixture
def project(finished):
    """The same for a test that may change the run's files and leave words for the stand-ins."""
    executed(finished)
    yield finished
    finished.put_back()
    for word in ("kernels", "pause", "fault", "paused"):
        (finished.folder / word).unlink(missing_ok=True)


def executed(project) -> list[str]:
    """Jobs executed since the last call.

    Notebooks whose numbers had been finished before stand there too, with ``shown``.
    """
    path = project.folder / "executed.txt"
    names = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    made = {name for name in names if not name.endswith(" shown")}
    return [name for name in names if name in made or name.removesuffix(" shown") not in made]


def plan(project, *words) -> str:
    """What a dry run prints."""
    return project.here(*TOY, "--dry-run", *words).stdout


def stale(project, *words) -> set[str]:
    """First words of the jobs that a dry run calls stale."""
    lines = plan(project, *words).splitlines()
    return {line.split()[1] for line in lines if line.strip().startswith("stale")}


def reasons(project, *words) -> dict[str, str]:
    """Why a dry run calls jobs stale, by their titles."""
    found = re.findall(r"^  stale  (.{36}) (.+)$", plan(project, *words), re.M)
    return {title.strip(): reason for title, reason in found}


def test_nothing_changed_runs_nothing(project):
    told = project.run(*TOY)
    assert executed(project) == []
    assert "every job is fresh" in told.stdout


def test_a_parameter_makes_its_stage_and_the_later_ones_stale(project):
    assert stale(project, "--set", "classifier.dropout=0.4") == {
        "synthesis",
        "classifier",
        "evaluation",
        "report",
    }
    assert stale(project, "--set", "gan.lr_generator=0.002") == {
        "gan",
        "synthesis",
        "classifier",
        "evaluation",
        "report",
    }
    assert stale(project, "--set", "evaluation.bootstrap=300") == {"evaluation", "report"}
    assert stale(project, "--set", "report.title=Another") == {"eda", "report"}  # whose notebook shows it
    assert stale(project, "--set", "gan.checkpoint_minutes=1") == set()  # it changes no number
    assert "classifier.dropout 0.5 -> 0.4" in plan(project, "--set", "classifier.dropout=0.4")


def test_the_baseline_does_not_wait_for_the_gan_parameters(project):
    told = plan(project, "--set", "gan.lr_generator=0.002")
    assert re.search(r"fresh\s+classifier baseline", told)
    assert re.search(r"stale\s+classifier filtered", told)


def test_a_new_arm_is_the_only_new_training(project):
    told = reasons(project, "--set", "arms.weighted={loss: balanced}")
    trained = [title for title, why in told.items() if title.startswith("classifier") and "shown" not in why]
    assert trained == ["classifier weighted, replicate 0"]


def test_an_arm_that_withholds_gets_a_gan_of_its_own(project):
    arm = "arms.restored={withhold: {class: target}, synthetic: {select: all}}"
    project.run(*TOY, "--run", "lacking", "--until", "classifier", "--set", arm)
    made = executed(project)
    own = ["gan-seed-0-restored", "synthesis-seed-0-restored", "classifier-restored-replicate-0"]
    assert [name for name in made if name in own] == own and len(made) == len(set(made)) == 8
    assert (project.folder / "artifacts/lacking/gan/seed-0-restored/generator.safetensors").is_file()


@contextmanager
def _edited(project, path, old, new):
    """Replace text in a file of the copied project, and put it back afterwards."""
    file = project.folder / path
    before = file.read_text()
    assert old in before
    file.write_text(before.replace(old, new, 1))
    try:
        yield
    finally:
        file.write_text(before)


def test_code_makes_stale_only_what_its_numbers_depend_on(project):
    helpers = "src/helpers"
    with _edited(project, f"{helpers}/gan/health.py", "CHECK_EVERY = ", "NEW = CHECK_EVERY = "):
        told = reasons(project)
        assert set(told) >= {
            "gan seed 0",
            "synthesis seed 0",
            "classifier filtered, replicate 0",
            "evaluation",
            "report",
        }
        assert told["gan seed 0"] == "its code changed: gan/health.py"
        assert told["synthesis seed 0"] == "an earlier stage is made anew"
        assert "classifier baseline, replicate 0" not in told and "eda" not in told
    with _edited(project, f"{helpers}/classifier/training.py", '"""', 'NEW = 1\n"""'):
        told = reasons(project)
        assert {title.split()[0] for title in told} == {"synthesis", "classifier", "evaluation", "report"}
    with _edited(project, f"{helpers}/gan/health.py", "CHECK_EVERY = ", "# costs nothing\nCHECK_EVERY = "):
        assert stale(project) == set()


def test_a_new_module_and_its_call_are_found(project):
    with _edited(
        project,
        "src/helpers/gan/health.py",
        "CHECK_EVERY = ",
        "from helpers.gan import more\n\nCHECK_EVERY = ",
    ):
        (project.folder / "src/helpers/gan/more.py").write_text("NUMBER = 1\n")
        first = reasons(project)["gan seed 0"]
        project.here(*TOY, "--accept-code", "gan")
        assert "gan/more.py" in first and "gan" not in stale(project)
        (project.folder / "src/helpers/gan/more.py").write_text("NUMBER = 2\n")
        assert reasons(project)["gan seed 0"] == "its code changed: gan/health.py, gan/more.py"
    (project.folder / "src/helpers/gan/more.py").unlink()


def test_what_is_shown_is_drawn_anew_over_finished_numbers(project):
    with _edited(project, "notebooks/02_gan_training.ipynb", "# 02_gan_training", "# Other words"):
        told = reasons(project)
        assert set(told) == {"gan seed 0", "report"}
        assert told["gan seed 0"] == "shown anew: notebooks/02_gan_training.ipynb"
        record = project.folder / "artifacts/toy/logs/gan-seed-0.record.json"
        before = record.read_bytes()
        project.here(*TOY)
        assert executed(project) == ["gan-seed-0 shown"]
        assert record.read_bytes() == before  # the account of the training stays
        assert stale(project) == set()


def test_what_readers_answered_is_shown_anew_and_trains_nothing(project):
    readers = project.folder / "artifacts/toy/readers"
    (readers / "answers").mkdir(parents=True)
    (readers / "key-0123456789.json").write_text("{}")
    assert stale(project) == set()  # without answers nothing of a study is shown
    (readers / "answers/R1.json").write_text("{}")
    told = reasons(project)
    assert set(told) == {"evaluation", "report"}
    changed = "answers/R1.json, key-0123456789.json"
    assert told["evaluation"] == f"shown anew: what readers answered changed: {changed}"
    project.here(*TOY)
    assert executed(project) == ["evaluation shown"] and stale(project) == set()
    (readers / "answers/R1.json").write_text("{ }")
    assert reasons(project)["evaluation"].endswith("changed: answers/R1.json")
    shutil.rmtree(readers)
    assert stale(project) == {"evaluation", "report"}


def test_a_notebook_shown_anew_waits_for_no_other_and_the_page_for_all(project):
    words = "# Other words"
    with (
        _edited(project, "notebooks/01_eda.ipynb", "# 01_eda", words),
        _edited(project, "notebooks/02_gan_training.ipynb", "# 02_gan_training", words),
    ):
        fault = project.folder / "fault"
        fault.write_text("eda shown")
        page = (project.folder / "reports/toy/report.html").read_bytes()
        project.here(*TOY, code=1)
        assert executed(project) == ["gan-seed-0 shown"]
        assert (project.folder / "reports/toy/report.html").read_bytes() == page
        fault.unlink()
        project.here(*TOY)
        assert executed(project) == ["eda shown"] and stale(project) == set()


def test_a_notebook_waits_for_numbers_before_its_own_that_are_made_anew(project):
    readers = project.folder / "artifacts/toy/readers/answers"
    readers.mkdir(parents=True)
    (readers / "R1.json").write_text("{}")
    (project.folder / "artifacts/toy/classifier/filtered/replicate-0/predictions.csv").unlink()
    assert set(reasons(project)) == {"classifier filtered, replicate 0", "evaluation", "report"}
    project.here(*TOY, "--cores", "4")  # room to begin all at once
    assert executed(project) == ["classifier-filtered-replicate-0", "evaluation shown"]
    assert stale(project) == set()


def test_a_notebook_edited_while_it_is_executed_is_executed_again(project):
    shutil.rmtree(project.folder / "artifacts/toy/notebooks")
    (project.folder / "pause").write_text("eda shown")
    process = project.start(*TOY, "--until", "eda")
    try:
        _wait_for(project.folder / "paused")
        with _edited(project, "notebooks/01_eda.ipynb", "# 01_eda", "# Other words"):
            (project.folder / "pause").unlink()
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, f"{out}\n{err}"
            assert executed(project) == ["eda shown", "eda shown"]  # the second time as it is now
            assert stale(project, "--until", "eda") == set()
    finally:
        process.kill()


def test_only_the_notebooks_that_the_page_shows_are_executed(project):
    notebooks = project.folder / "artifacts/toy/notebooks"
    assert sorted(path.stem for path in notebooks.iterdir()) == [
        *("01_eda", "02_gan_training-seed-0", "03_generation_filtering-seed-0"),
        *("04_classifier_training-baseline-replicate-0", "05_evaluation"),
    ]
    (notebooks / "04_classifier_training-baseline-replicate-0.ipynb").unlink()
    assert "missing" in reasons(project)["classifier baseline, replicate 0"]
    project.here(*TOY)
    assert executed(project) == ["classifier-baseline-replicate-0 shown"]


def _everything(folder):
    """Every file below ``folder`` with its content's digest, its size and its time."""
    return {
        str(path): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_size,
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_dry_run_changes_no_file_and_no_time(project):
    before = _everything(project.folder)
    project.run(
        *TOY, "--dry-run", "--force", "gan", "--accept-code", "gan", "--set", "gan.lr_generator=0.002"
    )
    project.run(*TOY, "--dry-run", "--run", "never-made")
    assert _everything(project.folder) == before and not (project.folder / "artifacts/never-made").exists()


def test_accepted_code_keeps_results_until_the_next_change(project):
    path = "src/helpers/gan/health.py"
    with _edited(project, path, "CHECK_EVERY = ", "NEW = 1\nCHECK_EVERY = "):
        assert "gan" not in stale(project, "--accept-code", "gan")  # what it shows may be drawn anew
        assert "its code changed" in reasons(project)["gan seed 0"]  # a plan accepts nothing
        project.here(*TOY, "--accept-code", "gan")
        assert executed(project) == []
        told = json.loads((project.folder / "artifacts/toy/run.json").read_text())
        assert list(told["accepted"]) == ["gan-seed-0"]
        assert stale(project) == set()
        with _edited(project, path, "NEW = 1", "NEW = 2"):
            assert "its code changed" in reasons(project)["gan seed 0"]
    assert "report" in stale(project)  # which still tells of the acceptance


def test_a_result_made_anew_is_no_longer_kept_over_a_change_of_code(project):
    accepted = project.folder / "artifacts/toy/accepted.json"
    path = "src/helpers/gan/health.py"
    with _edited(project, path, "CHECK_EVERY = ", "NEW = 1\nCHECK_EVERY = "):
        project.here(*TOY, "--accept-code", "gan", "--accept-code", "classifier")
        assert "gan-seed-0" in json.loads(accepted.read_text())
        project.here(*TOY, "--force", "gan")
        assert "gan-seed-0" not in json.loads(accepted.read_text())
        assert stale(project) == set()
    assert "its code changed" in reasons(project)["gan seed 0"]  # it was made by the code as edited


def test_a_deleted_middle_file_is_made_again(project):
    (project.folder / "artifacts/toy/synthetic/seed-0/scores.csv").unlink()
    assert reasons(project)["synthesis seed 0"] == "missing: scores.csv"
    project.here(*TOY)
    # it came out as it was, so that nothing behind it is made anew but the page, which tells when it was made
    assert executed(project) == ["synthesis-seed-0"]


def test_the_baselines_opinion_comes_before_the_synthetic_images(project):
    folder = project.folder / "artifacts/toy"
    (folder / "logs/classifier-baseline-replicate-0.record.json").unlink()
    (folder / "logs/synthesis-seed-0.record.json").unlink()
    assert "classifier baseline" in plan(project, "--until", "synthesis")
    refused = project.here(*TOY, "--only", "synthesis", code=2)
    assert "run the stage 'classifier' first" in refused.stderr
    project.here(*TOY)
    assert executed(project) == ["classifier-baseline-replicate-0", "synthesis-seed-0"]


def test_new_code_of_a_stage_and_a_new_parameter_of_another_run_at_once(project):
    with _edited(project, "notebooks/01_eda.ipynb", "import json, os, time", "import json, os, time, math"):
        assert reasons(project)["eda"] == "shown anew: notebooks/01_eda.ipynb"
        project.here(*TOY, "--set", "gan.lr_generator=0.004")
        made = executed(project)
        assert {
            "eda shown",
            "gan-seed-0",
            "synthesis-seed-0",
            "classifier-filtered-replicate-0",
            "evaluation",
        } <= set(made)
        assert "classifier-baseline-replicate-0" not in made
        # at once: the engine's only map holds them, their notebooks and the page
        log = (project.folder / "artifacts/toy/logs/engine.log").read_text()
        assert re.search(r"^total +9$", log, re.M)
        assert stale(project, "--set", "gan.lr_generator=0.004") == set()


def test_a_failure_is_told_kept_apart_and_mended(project):
    page = project.folder / "reports/toy/report.html"
    before = page.read_text()
    (project.folder / "fault").write_text("gan-seed-0")
    told = project.here(*TOY, "--set", "gan.lr_generator=0.003", code=1)
    (project.folder / "fault").unlink()
    assert "gan seed 0 failed:" in told.stderr and "gan-seed-0.log" in told.stderr
    assert "ValueError: a fault was asked for" in told.stderr and "Traceback" not in told.stderr
    assert "Traceback" in (project.folder / "artifacts/toy/logs/gan-seed-0.log").read_text()
    # the old page must not pass for this run's
    executed(project)
    project.here(*TOY, "--set", "gan.lr_generator=0.003")
    made = executed(project)
    assert {"gan-seed-0", "synthesis-seed-0", "classifier-filtered-replicate-0", "evaluation"} <= set(made)
    assert page.read_text() != before


def test_a_notebook_that_fails_costs_no_numbers(project):
    page = project.folder / "reports/toy/report.html"
    before = page.read_text()
    (project.folder / "fault").write_text("gan-seed-0 shown")
    (project.folder / "kernels").touch()
    told = project.here(*TOY, "--set", "gan.lr_generator=0.003", code=1)
    (project.folder / "fault").unlink()
    (project.folder / "kernels").unlink()
    assert "02_gan_training.ipynb, cell 4" in told.stderr  # the injected parameters are cell 3
    assert "ValueError: a fault was asked for" in told.stderr and "Traceback" not in told.stderr
    half = "artifacts/toy/logs/gan-seed-0.notebook.ipynb"
    assert f"{half} (half executed)" in told.stderr and (project.folder / half).exists()
    made = executed(project)
    assert {"gan-seed-0", "synthesis-seed-0", "classifier-filtered-replicate-0", "evaluation"} <= set(made)
    assert page.read_text() == before
    project.here(*TOY, "--set", "gan.lr_generator=0.003")
    assert executed(project) == ["gan-seed-0 shown"] and page.read_text() != before


def test_damaged_files_are_named_and_made_anew_alone(project):
    folder = project.folder / "artifacts/toy"
    split, scores, array = (
        folder / "data/split.csv",
        folder / "synthetic/seed-0/scores.csv",
        folder / "data/images-9-area.npy",
    )
    before, changed = split.read_bytes(), split.stat()
    split.write_bytes(before + b"half a row\n")  # which has no class
    assert "split.csv is damaged or changed by hand" in plan(project)
    # one bit, and as far as the times tell nothing happened
    split.write_bytes(bytes([before[0] ^ 1]) + before[1:])
    os.utime(split, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    os.truncate(scores, 3)
    array.write_bytes(b"damaged")
    array.with_suffix(".json").write_text('{"sha256": "of the whole"}')
    leftover = folder / "evaluation/.metrics.4711.tmp.csv"
    leftover.touch()
    told = reasons(project)
    assert told["eda"] == "split.csv is damaged or changed by hand"
    assert told["synthesis seed 0"] == "scores.csv is damaged or changed by hand"
    assert set(told) == {"eda", "synthesis seed 0", "report"}
    refused = project.here(*TOY, "--only", "classifier", code=2)
    assert "split.csv is damaged or was changed by hand" in refused.stderr
    told = project.here(*TOY).stdout
    assert "split.csv is damaged or changed by hand: eda is made anew." in told
    assert "images-9-area.npy is damaged" in told
    assert executed(project) == ["eda", "synthesis-seed-0"]
    assert split.read_bytes() == before and not leftover.exists() and not array.exists()
    assert "every job is fresh" in project.here(*TOY).stdout


@contextmanager
def _another_result(project, name, text):
    """A file comes out otherwise, by the same code and parameters, as graphics cards round."""
    folder = project.folder / "others"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    try:
        yield
    finally:
        (folder / name).unlink()


def test_what_reads_a_file_that_came_out_otherwise_is_made_anew(project):
    folder = project.folder / "artifacts/toy"
    (folder / "gan/seed-0/generator.safetensors").write_text("damaged")
    with _another_result(project, "generator.safetensors", "other"):
        (project.folder / "fault").write_text("synthesis-seed-0")
        project.here(*TOY, code=1)
        (project.folder / "fault").unlink()
        assert executed(project) == ["gan-seed-0"]
        _shuffle_times(folder, 3)
        assert reasons(project)["synthesis seed 0"] == "an earlier stage is made anew"
        project.here(*TOY)
        made = executed(project)
        assert made[0] == "synthesis-seed-0" and "evaluation" in made
        assert "classifier-baseline-replicate-0" not in made and "gan-seed-0" not in made
        assert stale(project) == set()


def test_a_result_is_remembered_while_the_parameters_are_others(project):
    steps = ("--set", "gan.steps=14")
    project.here(*TOY, *steps, "--until", "gan")
    with _another_result(project, "generator.safetensors", "other"):
        project.here(*TOY, "--until", "gan")  # the first parameters again, and other bits
        told = reasons(project)
        assert told["synthesis seed 0"] == "an earlier stage is made anew"
        assert "gan seed 0" not in told and "classifier baseline, replicate 0" not in told


def test_the_page_is_made_of_notebooks_with_the_present_numbers_alone(project):
    steps = ("--set", "gan.steps=14")
    (project.folder / "fault").write_text("gan-seed-0 shown")
    project.here(*TOY, *steps, code=1)
    told = project.here(*TOY, *steps, "--only", "report", code=2)
    assert "The page shows the notebook of gan seed 0, which was not executed with its present" in told.stderr
    project.put_back()
    (project.folder / "artifacts/toy/notebooks/05_evaluation.ipynb").write_text("{}")
    told = project.here(*TOY, "--only", "report", code=2)
    assert "notebooks/05_evaluation.ipynb is damaged or was changed by hand" in told.stderr


def _shuffle_times(folder, seed: int) -> None:
    """Times in an order of their own, some of them in the future."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for number, path in enumerate(random.Random(seed).sample(files, len(files))):
        moment = time.time_ns() + (number - len(files) // 2) * 10**9
        os.utime(path, ns=(moment, moment))


def test_the_times_of_files_play_no_part(project):
    _shuffle_times(project.folder / "artifacts/toy", 1)
    assert "every job is fresh" in project.here(*TOY).stdout
    shutil.rmtree(project.folder / "artifacts/toy/.snakemake", ignore_errors=True)
    shutil.rmtree(project.folder / "artifacts/toy/stamps")
    assert "every job is fresh" in project.here(*TOY).stdout
    assert stale(project, "--set", "evaluation.bootstrap=300") == {"evaluation", "report"}
    project.here(*TOY, "--set", "evaluation.bootstrap=300")
    assert executed(project) == ["evaluation"]


def test_the_folder_of_a_run_may_be_a_link_to_another_disk(project, tmp_path):
    folder, disk = project.folder / "artifacts/toy", tmp_path / "disk/of/runs/toy"
    disk.parent.mkdir(parents=True)
    shutil.move(folder, disk)
    folder.symlink_to(disk)
    try:
        assert "every job is fresh" in project.here(*TOY).stdout  # the page too, which lies beside artifacts
        project.here(*TOY, "--force", "evaluation")
        assert executed(project) == ["evaluation"] and stale(project) == set()
    finally:
        folder.unlink()
        shutil.move(disk, folder)


def test_a_job_that_never_stays_fresh_ends_the_start(monkeypatch):
    job = Planned(Job("eda", {}), "missing: split.csv", numbers=True)
    view = SimpleNamespace(ended={"eda": "finished"}, tick=None, follow=lambda tasks: None)
    runfile = SimpleNamespace(run=RunPaths("toy"), params=load_params("smoke"))
    rounds = []
    monkeypatch.setattr(start, "command", lambda *words: [])
    monkeypatch.setattr(start, "draw_map", lambda *words: None)
    monkeypatch.setattr(start, "execute", lambda *words: rounds.append(words) and 0)
    monkeypatch.setattr(start, "_plan", lambda *words, **more: [job])
    options = SimpleNamespace(cores=1, profile=None, only=None)
    with pytest.raises(UserError, match=r"eda was made 4 times .* \(missing: split.csv\)"):
        start._make_stale(runfile, [job], options, view)
    assert len(rounds) == start.MOST_ROUNDS


def test_until_only_and_force(project):
    assert stale(project, "--force", "synthesis") >= {"synthesis", "evaluation", "report"}
    project.here(*TOY, "--run", "part", "--until", "gan")
    assert executed(project) == ["eda", "gan-seed-0"]
    told = project.here(*TOY, "--run", "part", "--only", "evaluation", code=2)
    assert "run the stage 'synthesis' first" in told.stderr
    project.here(*TOY, "--only", "evaluation", "--force", "evaluation")
    assert executed(project) == ["evaluation"]


@pytest.mark.parametrize("name", ["007", "1e3"])
def test_the_name_of_a_run_may_look_like_a_number(project, name):
    project.here(*TOY, "--run", name, "--until", "eda")
    assert (project.folder / "artifacts" / name / "data" / "split.csv").is_file()


def test_a_stage_without_a_job_is_told_with_its_reason(project):
    assert "synthesis.folder gives" in start._why_no_job(
        "gan", load_params("judge", ["synthesis.folder=theirs"])
    )
    told = project.here(*TOY, "--set", "arms={baseline: {}}", "--replicates", "0", "--only", "gan", code=2)
    assert "No job of the stage 'gan' is needed for these trainings" in told.stderr
    assert "classifier.adapt.epochs is 0" in project.here(*TOY, "--only", "trunk", code=2).stderr


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("notebooks/01_eda.ipynb", "{", "<<<<<<< HEAD\n{", "01_eda.ipynb is no notebook any more"),
        ("src/helpers/data/prepare.py", "import", "import(", "prepare.py, line "),
    ],
)
def test_a_broken_file_of_the_project_is_told_in_a_sentence(project, path, old, new, said):
    with _edited(project, path, old, new):
        told = project.here(*TOY, "--dry-run", code=2)
    assert said in told.stderr and "Traceback" not in told.stderr


def test_a_run_is_made_in_parts_by_its_arms(project):
    two = ("--run", "arms", "--set", "replicates=2")
    told = project.here(*TOY, *two, "--arms", "baseline", "--replicates", "0-1")
    first = [name for name in executed(project) if not name.endswith("shown")]
    assert first == ["eda", "classifier-baseline-replicate-0", "classifier-baseline-replicate-1"]
    assert "leave out --replicates and --arms to make them" in told.stdout
    project.here(*TOY, *two, "--arms", "filtered")
    rest = [name for name in executed(project) if not name.endswith("shown")]
    assert "gan-seed-0" in rest and "classifier-filtered-replicate-1" in rest and "evaluation" not in rest


def test_a_run_is_made_in_parts_by_its_replicates(project):
    two = ("--run", "in-parts", "--set", "replicates=2", "--set", "gan.seeds=[0, 1]")
    told = project.here(*TOY, *two, "--replicates", "1")
    first = executed(project)
    assert {"eda", "gan-seed-1", "classifier-baseline-replicate-1", "synthesis-seed-1"} <= set(first)
    # the baseline's first training gives its opinion on every GAN's images
    assert [name for name in first if name.endswith("-0")] == ["classifier-baseline-replicate-0"]
    assert not {"evaluation", "report"} & set(first)
    assert "The evaluation and the page need all trainings: leave out --replicates to" in told.stdout
    assert "nothing to do" in project.here(*TOY, *two, "--replicates", "1").stdout
    project.here(*TOY, *two)
    rest = [name for name in executed(project) if not name.endswith("shown")]
    assert {"gan-seed-0", "classifier-filtered-replicate-0", "evaluation"} <= set(rest)
    assert not set(first) & set(rest)


def test_two_runs_at_once_and_two_names(project):
    (project.folder / "pause").write_text("eda")
    first = project.start(*TOY, "--run", "held", "--until", "eda")
    try:
        _wait_for(project.folder / "paused")
        told = project.here(*TOY, "--run", "held", code=2)
        assert re.search(rf"being made by process {first.pid}", told.stderr)
        assert "--run NAME" in told.stderr
        project.python(
            "from helpers.engine.job import main\n"
            "from helpers.errors import UserError\n"
            "try:\n"
            "    main(['held', 'eda'])\n"
            "except UserError as error:\n"
            f"    assert 'is being made by process {first.pid}' in str(error), error\n"
            "else:\n"
            "    raise AssertionError('a job by hand began beside a start')\n"
        )
    finally:
        (project.folder / "pause").unlink()
    assert first.wait(60) == 0


def _wait_for(path, seconds=60):
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return open(f"/proc/{pid}/stat").read().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def _left(chain: dict[str, int], seconds=60) -> list[str]:
    """Which of these processes go on, although nothing lets them; the time is there against hanging alone."""
    until = time.monotonic() + seconds
    while any(_alive(pid) for pid in chain.values()) and time.monotonic() < until:
        time.sleep(0.05)
    return [who for who, pid in chain.items() if _alive(pid)]


def _pids(pattern: str) -> list[int]:
    return [
        p.pid
        for p in psutil.process_iter(["cmdline"])
        if re.search(pattern, " ".join(p.info["cmdline"] or []))
    ]


@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks at processes through /proc")
@pytest.mark.parametrize("victim", ["front door", "engine", "job", "kernel"])
def test_no_orphan_goes_on_when_one_process_is_killed(project, victim):
    paused = project.folder / "paused"
    (project.folder / "kernels").touch()
    (project.folder / "pause").write_text("eda shown")
    name = f"killed-{victim.replace(' ', '-')}"
    process = project.start(*TOY, "--run", name, "--until", "eda")
    try:
        _wait_for(paused)
        kernel = int(paused.read_text())
        chain = {
            "front door": process.pid,
            "engine": _pids(rf"snakemake .*run=artifacts/{name}")[0],
            "job": _pids(rf"helpers\.engine\.job {name} eda notebook")[0],
            "kernel": kernel,
        }
        os.kill(chain[victim], signal.SIGKILL)
        out, err = process.communicate(timeout=60)
        assert _left(chain) == []
        if victim != "front door":
            assert process.returncode == 1 and "goes on from here" in err and "Traceback" not in err
        if victim == "job":
            assert "eda, notebook failed:\n  Its process died." in err and "fewer jobs at once" in err
    finally:
        for word in ("kernels", "pause"):
            (project.folder / word).unlink()
        process.kill()
    project.here(*TOY, "--run", name, "--until", "eda")  # no unlocking, nothing to remove
    assert (project.folder / "artifacts" / name / "data" / "split.csv").exists()


@pytest.mark.parametrize("request_, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_everything(project, request_, code):
    paused = project.folder / "paused"
    (project.folder / "kernels").touch()
    (project.folder / "pause").write_text("eda shown")
    process = project.start(*TOY, "--run", "stopped", "--until", "eda")
    try:
        _wait_for(paused)
        kernel = int(paused.read_text())
        process.send_signal(request_)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code and "goes on from here" in err
        assert _left({"kernel": kernel}) == []
    finally:
        (project.folder / "pause").unlink()
        process.kill()


def test_the_numbers_at_the_end_are_also_those_of_the_classes_that_get_images(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)
    run = RunPaths("told")
    run.evaluation.mkdir(parents=True)
    (run.evaluation / "metrics.csv").write_text(
        "arm,accuracy,target_recall,macro_precision\nbaseline,0.8,0.4,0.6\nbaseline,0.9,0.6,0.6\n"
    )
    (run.evaluation / "per_class.csv").write_text(  # no image of df is tested in the second replicate
        "arm,class,recall\nbaseline,df,0.25\nbaseline,mel,0.4\nbaseline,df,\nbaseline,mel,0.6\n"
    )
    start._say_result(
        SimpleNamespace(run=run, params=validate({"gan": {"classes": ["df"]}, "arms": {"baseline": {}}}))
    )
    heads, numbers = capsys.readouterr().out.strip("\n").split("\n")[:2]
    assert "mel recall" in heads and heads.endswith("df recall")
    assert numbers.split() == ["baseline", "85.0%", "50.0%", "60.0%", "25.0%"]
    start._say_result(SimpleNamespace(run=run, params=validate({"arms": {"baseline": {}}})))
    assert "df" not in capsys.readouterr().out


def test_only_shows_nothing_under_other_parameters_than_it_was_made_with(project):
    told = project.here(*TOY, "--set", "classifier.dropout=0.4", "--only", "report", code=2).stderr
    assert "--only report would show under this command's parameters what classifier" in told
    assert "classifier.dropout 0.5 -> 0.4" in told
    assert "done   report" in project.here(*TOY, "--set", "report.title=Another", "--only", "report").stdout


def test_a_copied_run_gets_a_page_of_its_own(project):
    artifacts = project.folder / "artifacts"
    shutil.copytree(artifacts / "toy", artifacts / "copied")
    assert reasons(project, "--run", "copied") == {
        "report": "its record is of other files, as in a copied run"
    }
    project.here(*TOY, "--run", "copied")
    assert executed(project) == [], "everything else is taken over"
    assert (project.folder / "reports/copied/report.html").exists()


def test_force_of_a_stage_that_these_trainings_do_not_need(project):
    told = project.here(*TOY, "--arms", "baseline", "--force", "gan", "--dry-run", code=2).stderr
    assert (
        "No job of the stage 'gan' is needed for these trainings: leave out --replicates and --arms" in told
    )
    told = project.here("--list", "--params", "toy", code=2).stderr
    assert "--params says nothing beside --list: leave it out." in told
