"""The engine on stand-in notebooks: what is stale, what is not, and what happens when something fails or is killed."""

import json
import os
import random
import re
import shutil
import signal
import time

import psutil
import pytest

from support import fake_stages

SMOKE = ("--params", "params/smoke.yaml")


@pytest.fixture(scope="module")
def project(project_copy):
    """A copied project with stand-in notebooks, run once."""
    copied = project_copy()
    fake_stages.install(copied)
    copied.run(*SMOKE)
    return copied


def executed(project) -> list[str]:
    """Jobs executed since the last call."""
    path = project.folder / "executed.txt"
    names = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return names


@pytest.fixture(autouse=True)
def forget(request):
    if "project" in request.fixturenames:
        executed(request.getfixturevalue("project"))


def stale(project, *words) -> set[str]:
    """First words of the jobs that a dry run calls stale."""
    plan = project.run(*SMOKE, "--dry-run", *words).stdout
    return {line.split()[1] for line in plan.splitlines() if line.strip().startswith("stale")}


def test_nothing_changed_runs_nothing_and_is_quick(project):
    began = time.monotonic()
    told = project.run(*SMOKE)
    assert executed(project) == []
    assert time.monotonic() - began < 15
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
    assert stale(project, "--set", "report.title=Another") == {"report"}
    assert stale(project, "--set", "gan.checkpoint_minutes=1") == set()  # it changes no number
    plan = project.run(*SMOKE, "--dry-run", "--set", "classifier.dropout=0.4").stdout
    assert "classifier.dropout 0.5 -> 0.4" in plan


def test_the_baseline_does_not_wait_for_the_gan_parameters(project):
    plan = project.run(*SMOKE, "--dry-run", "--set", "gan.lr_generator=0.002").stdout
    assert re.search(r"fresh\s+classifier baseline", plan)
    assert re.search(r"stale\s+classifier filtered", plan)


def test_a_new_arm_is_the_only_new_training(project):
    plan = project.run(*SMOKE, "--dry-run", "--set", "arms.weighted={loss: balanced}").stdout
    assert re.findall(r"stale\s+classifier (\w+)", plan) == ["weighted"]


def _edited(project, path, old, new):
    """Replace text in a file of the copied project, and put it back afterwards."""
    from contextlib import contextmanager

    @contextmanager
    def edit():
        file = project.folder / path
        before = file.read_text()
        assert old in before
        file.write_text(before.replace(old, new, 1))
        try:
            yield
        finally:
            file.write_text(before)

    return edit()


def test_code_makes_stale_only_what_its_numbers_depend_on(project):
    helpers = "src/helpers"
    with _edited(project, f"{helpers}/gan/__init__.py", '"""', 'NEW = 1\n"""'):
        assert stale(project) == {"gan", "synthesis", "classifier", "evaluation", "report"}
    with _edited(project, f"{helpers}/classifier/__init__.py", '"""', 'NEW = 1\n"""'):
        assert stale(project) == {"synthesis", "classifier", "evaluation", "report"}
    with _edited(project, f"{helpers}/report/__init__.py", '"""', 'NEW = 1\n"""'):
        assert stale(project) == {"report"}
    with _edited(project, f"{helpers}/gan/__init__.py", '"""', '# a comment costs nothing\n"""'):
        assert stale(project) == set()


def test_prose_costs_a_training_nothing(project):
    with _edited(project, "notebooks/02_gan_training.ipynb", "# 02_gan_training", "# Other words"):
        assert stale(project) == {"report"}
    with _edited(project, "notebooks/05_evaluation.ipynb", "# 05_evaluation", "# Other words"):
        assert stale(project) == {"evaluation", "report"}


def test_accepted_code_keeps_results_until_the_next_change(project):
    path = "src/helpers/gan/__init__.py"
    with _edited(project, path, '"""', 'NEW = 1\n"""'):
        assert stale(project, "--accept-code", "gan", "--accept-code", "synthesis") == {
            "report"
        }  # the page says so
        assert "gan" in stale(project)  # a plan accepts nothing
        project.run(*SMOKE, "--accept-code", "gan", "--accept-code", "synthesis")
        assert executed(project) == []
        assert "gan" in json.loads((project.folder / "artifacts/smoke/run.json").read_text())["accepted"]
        assert stale(project) == set()
        with _edited(project, path, "NEW = 1", "NEW = 2"):
            assert "gan" in stale(project)
    assert stale(project) == {"report"}  # which still tells of the acceptance


def test_a_deleted_middle_file_is_made_again(project):
    (project.folder / "artifacts/smoke/synthetic/seed-0/scores.csv").unlink()
    project.run(*SMOKE)
    made = executed(project)
    assert "synthesis-seed-0" in made and "evaluation" in made
    assert "gan-seed-0" not in made and "classifier-baseline-replicate-0" not in made


def test_the_baselines_opinion_comes_before_the_synthetic_images(project):
    folder = project.folder / "artifacts/smoke"
    (folder / "classifier/baseline/replicate-0/model.safetensors").unlink()
    assert "classifier baseline" in project.run(*SMOKE, "--until", "synthesis", "--dry-run").stdout
    refused = project.run(*SMOKE, "--only", "synthesis", code=2)
    assert "run the stage 'classifier' first" in refused.stderr
    project.run(*SMOKE)
    made = executed(project)
    assert (
        made.index("classifier-baseline-replicate-0")
        < made.index("synthesis-seed-0")
        < made.index("classifier-filtered-replicate-0")
    )
    assert "gan-seed-0" not in made


def test_a_new_first_notebook_does_not_cost_a_gan(project):
    with _edited(project, "notebooks/01_eda.ipynb", "import json, os, time", "import json, os, time, math"):
        project.run(*SMOKE)
        made = executed(project)
        assert "eda" in made and "gan-seed-0" not in made
    project.run(*SMOKE)


def test_a_stale_first_stage_hides_no_stale_gan(project):
    with _edited(project, "notebooks/01_eda.ipynb", "import json, os, time", "import json, os, time, cmath"):
        assert {"eda", "gan", "classifier"} <= stale(project, "--set", "gan.lr_generator=0.004")
        project.run(*SMOKE, "--set", "gan.lr_generator=0.004")
        made = executed(project)
        assert {"eda", "gan-seed-0", "synthesis-seed-0", "classifier-all-replicate-0", "evaluation"} <= set(
            made
        )
        assert stale(project, "--set", "gan.lr_generator=0.004") == set()
    project.run(*SMOKE)
    executed(project)


def test_a_failure_is_told_kept_apart_and_mended(project):
    page = project.folder / "reports/smoke/report.html"
    before = page.read_text()
    (project.folder / "fault").write_text("gan-seed-0")
    try:
        told = project.run(*SMOKE, "--set", "gan.lr_generator=0.003", code=1)
    finally:
        (project.folder / "fault").unlink()
    assert "02_gan_training.ipynb, cell 4" in told.stderr  # the injected parameters are cell 3
    assert "ValueError: a fault was asked for" in told.stderr
    assert (
        "gan-seed-0.ipynb (half executed)" in told.stderr
        and (project.folder / "artifacts/smoke/logs/gan-seed-0.ipynb").exists()
    )
    assert "Traceback" not in told.stderr
    assert not (project.folder / "artifacts/smoke/gan/seed-0/generator.safetensors").exists()
    # the old page must not pass for this run's
    executed(project)
    project.run(*SMOKE, "--set", "gan.lr_generator=0.003")
    made = executed(project)
    assert {"gan-seed-0", "synthesis-seed-0", "classifier-all-replicate-0", "evaluation"} <= set(made)
    assert page.read_text() != before
    project.run(*SMOKE)


def test_damaged_files_are_named_and_made_anew_alone(project):
    folder = project.folder / "artifacts/smoke"
    split, scores, array = (
        folder / "data/split.csv",
        folder / "synthetic/seed-0/scores.csv",
        folder / "data/images-9-area.npy",
    )
    before, changed = split.read_bytes(), split.stat()
    split.write_bytes(before + b"half a row\n")  # which has no class
    assert "split.csv is damaged or changed by hand" in project.run(*SMOKE, "--dry-run").stdout
    split.write_bytes(
        bytes([before[0] ^ 1]) + before[1:]
    )  # one bit, and as far as the times tell nothing happened
    os.utime(split, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    os.truncate(scores, 3)  # this one is new, and what reads it looks stale
    array.write_bytes(b"damaged")
    array.with_suffix(".json").write_text('{"sha256": "of the whole"}')
    leftover = folder / "evaluation/.metrics.4711.tmp.csv"
    leftover.touch()
    plan = project.run(*SMOKE, "--dry-run").stdout
    assert re.search(r"stale +eda +split.csv is damaged or changed by hand", plan)
    assert (
        re.search(r"stale +synthesis seed 0 +scores.csv is damaged or changed by hand", plan)
        and "\n2 of 8 jobs would run" in plan
    )
    assert (
        "scores.csv is damaged or was changed by hand"
        in project.run(*SMOKE, "--only", "classifier", code=2).stderr
    )
    told = project.run(*SMOKE).stdout
    assert (
        "split.csv is damaged or changed by hand: eda is made anew." in told
        and "images-9-area.npy is damaged" in told
    )
    assert set(executed(project)) <= {
        "eda",
        "synthesis-seed-0",
        "evaluation",
    }  # which shows the notebook of the first two
    assert split.read_bytes() == before and not leftover.exists() and not array.exists()
    assert "every job is fresh" in project.run(*SMOKE).stdout


@pytest.mark.long
def test_what_reads_a_mended_file_is_made_anew_where_it_came_out_otherwise(project):
    path = project.folder / "artifacts/smoke/synthetic/seed-0/images.npy"
    path.write_text("damaged")
    # as a graphics card rounds: the same code and parameters, another result
    with _edited(
        project, "notebooks/03_generation_filtering.ipynb", "BODY = {}", "BODY = {'images.npy': 'others'}"
    ):
        project.run(*SMOKE, "--accept-code", "synthesis")
    made = executed(project)
    assert made[0] == "synthesis-seed-0" and {
        "classifier-filtered-replicate-0",
        "classifier-all-replicate-0",
        "evaluation",
    } <= set(made)
    assert "classifier-baseline-replicate-0" not in made and "gan-seed-0" not in made


def test_what_is_stale_is_made_though_the_engine_has_forgotten(project):
    shutil.rmtree(project.folder / "artifacts/smoke/.snakemake/metadata")
    project.run(*SMOKE, "--set", "evaluation.bootstrap=300")
    assert executed(project) == ["evaluation"]


def test_a_clock_that_jumped_back_makes_nothing_stale(project):
    project.run(*SMOKE)
    executed(project)
    tomorrow = time.time_ns() + 86_400 * 10**9
    for path in (project.folder / "artifacts/smoke").rglob("*"):
        if path.is_file():
            os.utime(path, ns=(tomorrow, tomorrow))
    assert "every job is fresh" in project.run(*SMOKE).stdout


def _shuffle_times(folder, seed: int) -> None:
    """Times in an order of their own, as a copy without them has; all lie in the past."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for number, path in enumerate(random.Random(seed).sample(files, len(files))):
        moment = time.time_ns() - (len(files) + 10 - number) * 10**9
        os.utime(path, ns=(moment, moment))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_copy_without_its_times_stays_fresh(project, seed):
    project.run(*SMOKE)
    executed(project)
    _shuffle_times(project.folder / "artifacts/smoke", seed)
    assert stale(project) == set()
    assert "every job is fresh" in project.run(*SMOKE).stdout
    assert stale(project, "--set", "evaluation.bootstrap=300") == {"evaluation", "report"}


def test_what_read_another_file_is_stale_whatever_the_times_say(project):
    folder = project.folder / "artifacts/smoke"
    (folder / "gan/seed-0/generator.safetensors").write_text("damaged")
    (project.folder / "fault").write_text("synthesis-seed-0")
    # as a graphics card rounds: the same code and parameters, another result
    with _edited(
        project, "notebooks/02_gan_training.ipynb", "BODY = {}", "BODY = {'generator.safetensors': 'other'}"
    ):
        project.run(*SMOKE, "--accept-code", "gan", code=1)
        (project.folder / "fault").unlink()
        assert executed(project) == ["gan-seed-0"]
        for path in (folder / "gan/seed-0").iterdir():
            os.utime(path, ns=(1, 1))
        _shuffle_times(folder / "classifier", 3)
        told = project.run(*SMOKE, "--accept-code", "gan", "--dry-run").stdout
        assert re.search(r"stale  synthesis seed 0 .*(made anew|not made yet|missing)", told)
        project.run(*SMOKE, "--accept-code", "gan")
        made = executed(project)
        assert (
            made[0] == "synthesis-seed-0"
            and "evaluation" in made
            and "classifier-baseline-replicate-0" not in made
        )
    project.run(*SMOKE)
    executed(project)


def test_until_only_and_force(project):
    assert stale(project, "--force", "synthesis") >= {"synthesis", "evaluation", "report"}
    project.run(*SMOKE, "--run", "part", "--until", "gan")
    assert executed(project) == ["eda", "gan-seed-0"]
    told = project.run(*SMOKE, "--run", "part", "--only", "evaluation", code=2)
    assert "run the stage 'synthesis' first" in told.stderr
    project.run(*SMOKE, "--only", "evaluation", "--force", "evaluation")
    assert executed(project) == ["evaluation"]


def test_two_runs_at_once_and_two_names(project):
    (project.folder / "pause").touch()
    first = project.start(*SMOKE, "--run", "held", "--until", "eda")
    try:
        _wait_for(project.folder / "paused-eda")
        told = project.run(*SMOKE, "--run", "held", code=2)
        assert re.search(rf"being made by process {first.pid}", told.stderr)
        assert "--run NAME" in told.stderr
    finally:
        (project.folder / "pause").unlink()
    assert first.wait(60) == 0
    (project.folder / "paused-eda").unlink()


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


def _pids(pattern: str) -> list[int]:
    return [
        p.pid
        for p in psutil.process_iter(["cmdline"])
        if re.search(pattern, " ".join(p.info["cmdline"] or []))
    ]


@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks at processes through /proc")
@pytest.mark.parametrize("victim", ["front door", "engine", "job", "kernel"])
def test_no_orphan_goes_on_when_one_process_is_killed(project, victim):
    paused = project.folder / "paused-eda"
    paused.unlink(missing_ok=True)
    (project.folder / "pause").touch()
    name = f"killed-{victim.replace(' ', '-')}"
    process = project.start(*SMOKE, "--run", name, "--until", "eda")
    try:
        _wait_for(paused)
        kernel = int(paused.read_text())
        chain = {
            "front door": process.pid,
            "engine": _pids(rf"snakemake .*run={name}")[0],
            "job": _pids(rf"helpers\.engine\.job {name} eda")[0],
            "kernel": kernel,
        }
        os.kill(chain[victim], signal.SIGKILL)
        out, err = process.communicate(timeout=60)
        until = time.monotonic() + 10
        while any(_alive(pid) for pid in chain.values()) and time.monotonic() < until:
            time.sleep(0.05)
        assert [who for who, pid in chain.items() if _alive(pid)] == []
        if victim != "front door":
            assert process.returncode == 1 and "goes on from here" in err and "Traceback" not in err
    finally:
        (project.folder / "pause").unlink(missing_ok=True)
        process.kill()
    project.run(*SMOKE, "--run", name, "--until", "eda")  # no unlocking, nothing to remove
    assert (project.folder / "artifacts" / name / "data" / "split.csv").exists()


@pytest.mark.parametrize("request_, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_everything_soon(project, request_, code):
    paused = project.folder / "paused-eda"
    paused.unlink(missing_ok=True)
    (project.folder / "pause").touch()
    process = project.start(*SMOKE, "--run", "stopped", "--until", "eda")
    try:
        _wait_for(paused)
        kernel = int(paused.read_text())
        began = time.monotonic()
        process.send_signal(request_)
        out, err = process.communicate(timeout=30)
        assert time.monotonic() - began < 10
        assert process.returncode == code and "goes on from here" in err
        time.sleep(0.3)
        assert not _alive(kernel)
    finally:
        (project.folder / "pause").unlink()
        process.kill()
