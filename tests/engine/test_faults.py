"""What the engine does about damaged files and records, without running it.

The same for results that come out otherwise, and for the cards of jobs.
"""

import json
import os
import threading

import numpy as np
import pytest

from helpers.engine import records
from helpers.engine.cards import one_card, visible_cards
from helpers.engine.plan import make_plan
from helpers.engine.runfile import RunFile, accepted_code, damaged_preparation, load_runfile
from helpers.engine.stages import is_shown, jobs, outputs, upstream
from helpers.errors import UserError
from helpers.files import atomic_path, file_digest, remove_leftovers, write_json, write_text
from helpers.params import load_params
from helpers.paths import RunPaths

PARAMS = load_params("smoke", [])
BY_NAME = {job.name: job for job in jobs(PARAMS)}
RECORD = {"code": "", "parts": {"parameters": {}, "code": {}, "data": ""}}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run whose files hold their own names."""
    monkeypatch.setattr("helpers.paths.ARTIFACTS", tmp_path / "artifacts")
    monkeypatch.setattr("helpers.paths.REPORTS", tmp_path / "reports")
    made = RunPaths("sealed")
    for job in BY_NAME.values():
        for path in outputs(job, made, PARAMS):
            write_text(path, f"{path.name} of {job.name}")
        # parameters with keys and values that JSON writes in its own way
        record = RECORD | {"job": job.name, "parameters": {10: (1, 2), 2: 0.1}, "key": f"key of {job.name}"}
        records.write_record(made, job, PARAMS, record)
        if is_shown(job, PARAMS):
            write_text(made.notebooks / str(job.notebook_file), job.name)
            seen = {"key": "", "code": {}, "parameters": {}, "numbers": f"{record['key']} "}
            records.write_view(made, job, seen)
    return made


def flip(path) -> None:
    """Turn one bit, and leave the file's size and times as they were."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def cut(path) -> None:
    """Lose the file's second half."""
    os.truncate(path, path.stat().st_size // 2)


def found(run) -> dict:
    """By job name, its files that are missing or not what its record says."""
    told = {job.name: record for job in BY_NAME.values() if (record := records.read_record(run, job))}
    return records.faults(run, told)


@pytest.mark.parametrize("harm", [flip, cut])
def test_every_declared_file_and_every_record_is_sealed(run, harm):
    assert found(run) == {}
    for job in BY_NAME.values():
        for path in outputs(job, run, PARAMS):
            content = path.read_bytes()
            harm(path)
            faults = found(run)
            assert list(faults) == [job.name] and not faults[job.name][0][1]
            assert os.path.normpath(faults[job.name][0][0]) == str(path)
            path.unlink()
            assert [missing for _, missing in found(run)[job.name]] == [True]
            path.write_bytes(content)
        place = records.record_path(run, job)
        content = place.read_bytes()
        harm(place)
        assert records.read_record(run, job) is None
        place.write_bytes(content)
    assert found(run) == {} and all(records.read_record(run, job) for job in BY_NAME.values())


def test_a_record_without_its_checksum_is_damaged(run):
    place = records.record_path(run, BY_NAME["eda"])
    bare = {key: value for key, value in json.loads(place.read_text()).items() if key != "checksum"}
    for text in ("", "{", "[]", "{}", "3", '{"job": 3}', json.dumps(bare)):
        place.write_text(text)
        assert records.read_record(run, BY_NAME["eda"]) is None


def test_a_record_of_an_earlier_version_is_told_as_such(run):
    place = records.record_path(run, BY_NAME["eda"])
    record = json.loads(place.read_text())
    old = {key: value for key, value in record.items() if key not in ("checksum", "parts", "variant")}
    records._write(place, old)
    assert records.read_record(run, BY_NAME["eda"]) is None
    planned = {item.job.name: item for item in make_plan(run, PARAMS, {})}
    assert planned["eda"].reason == "made by an earlier version of this project"
    assert not planned["eda"].damaged
    records.write_record(run, BY_NAME["eda"], PARAMS, RECORD | {"job": "eda", "key": old["key"]})
    assert records.read_record(run, BY_NAME["eda"])["variant"] == ""


def test_a_result_that_came_out_otherwise_by_the_same_key_is_told(run):
    job = BY_NAME["gan-seed-0"]
    path = run.gan(0) / "generator.safetensors"
    before = records.read_record(run, job)
    assert before["variant"] == ""

    def written(text: str, key: str = before["key"]) -> str:
        write_text(path, text)
        records.write_record(run, job, PARAMS, RECORD | {"job": job.name, "key": key})
        return records.read_record(run, job)["variant"]

    assert written(path.read_text()) == ""
    other = written("as another card rounds")
    assert other != "" and written("as another card rounds") == other
    records.put_aside(run, job)  # as --force does
    assert records.read_record(run, job) is None
    assert written("as another card rounds") == other and written("again otherwise") not in ("", other)
    assert written("new code", key="another") == ""
    # the first key again, after others in between: its own last result counts
    assert written("again otherwise") == written("again otherwise") != ""
    written("new code", key="another")
    assert written("a third time") not in ("", other)


def test_a_job_refuses_what_it_would_read(run):
    reads = {job.name: {other.name for other in upstream(job, PARAMS)} for job in BY_NAME.values()}
    assert reads["eda"] == set() and reads["gan-seed-0"] == reads["classifier-baseline-replicate-0"] == {
        "eda"
    }
    assert reads["synthesis-seed-0"] == {"eda", "gan-seed-0", "classifier-baseline-replicate-0"}
    assert reads["classifier-filtered-replicate-0"] == {"eda", "synthesis-seed-0"}
    assert reads["evaluation"] == set(BY_NAME) - {"evaluation", "report"} and reads["report"] == set(
        BY_NAME
    ) - {"report"}
    flip(run.synthetic(0) / "images.npy")
    for name, others in reads.items():
        if "synthesis-seed-0" in others:
            with pytest.raises(
                UserError, match="synthetic/seed-0/images.npy is damaged or was changed by hand"
            ):
                records.require_whole_inputs(run, PARAMS, BY_NAME[name])
        else:
            records.require_whole_inputs(run, PARAMS, BY_NAME[name])


def test_shared_arrays_are_read_whole_before_work(run):
    for name in (
        "data/images-32-area",
        "data/external-32-area",
        "data/features-x-1",
        "classifier/bank/train-1",
        "synthetic/seed-0/features-x-2",
    ):
        path = run.folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.arange(1000))
        write_json(path.with_suffix(".json"), {"sha256": file_digest(path, 64)})
    assert records.remove_damaged_caches(run) == []
    flip(run.data / "images-32-area.npy")
    flip(run.data / "external-32-area.npy")
    (run.folder / "classifier/bank/train-1.json").write_text("{")
    gone = records.remove_damaged_caches(run)
    assert {path.name for path in gone} == {
        "images-32-area.npy",
        "external-32-area.npy",
        "train-1.npy",
    } and not any(path.exists() for path in gone)
    assert (run.data / "features-x-1.npy").exists()


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_weights_are_readable_by_whom_every_other_file_is(tmp_path, umask):
    from safetensors.numpy import save_file

    before = os.umask(umask)
    try:
        with atomic_path(tmp_path / "w.safetensors") as temporary:
            save_file({"a": np.zeros(3)}, temporary)
        write_text(tmp_path / "a.txt", "a")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~umask}


def test_what_killed_writers_left_is_told_by_its_name(tmp_path):
    left = [".images.4711.tmp.npy", ".run.12.tmp.json", ".HAM10000_metadata.3.tmp"]
    kept = [".lock", ".images-32-area.lock", ".train-1.partial", "a.1.tmp.csv", "images.npy"]
    (tmp_path / "deep").mkdir()
    for name in left + kept:
        (tmp_path / "deep" / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == sorted(kept)


@pytest.mark.parametrize("name", ["params.json", "run.json"])
@pytest.mark.parametrize("harm", [flip, cut])
def test_a_damaged_preparation_is_noticed(run, name, harm):
    runfile = RunFile(run, PARAMS, {}, ["python", "run_all.py"])
    assert not damaged_preparation(run)  # there is none yet
    runfile.save()
    assert not damaged_preparation(run) and load_runfile(run).params == PARAMS
    harm(run.folder / name)
    assert damaged_preparation(run)
    with pytest.raises(UserError, match="damaged"):
        load_runfile(run)
    runfile.save()
    assert not damaged_preparation(run)


@pytest.mark.parametrize("text", ['{"gan": ', '{"gan": {"code": 1}}', "[1]"])
def test_a_damaged_acceptance_is_named(run, text):
    (run.folder / "accepted.json").write_text(text)
    with pytest.raises(UserError, match="accepted.json is damaged: remove it"):
        accepted_code(run, PARAMS, [])


def test_each_job_gets_a_card_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.paths.ARTIFACTS", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0, GPU-7f,-1")
    cards = visible_cards()
    assert cards == ["0", "GPU-7f"]
    held = []
    with one_card(cards) as first, one_card(cards) as second:
        assert {first, second} == {"0", "GPU-7f"} and os.environ["CUDA_VISIBLE_DEVICES"] == second
        waiting = threading.Thread(target=lambda: held.append(one_card(cards).__enter__()), daemon=True)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()  # both are held
    waiting.join(10)
    assert held and held[0] in cards
    with one_card(["0"]) as only:
        assert only is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_cards() == []
