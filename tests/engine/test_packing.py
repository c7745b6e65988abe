"""A run's finished jobs are taken from one machine to another in one small file."""

import io
import lzma
import re
import shutil
import tarfile

import pytest

from support import fake_stages

SEAL = """
from helpers.engine.records import read_record, write_record
from helpers.engine.stages import Job
from helpers.params import load_params
from helpers.paths import RunPaths

run, params, job = RunPaths("toy"), load_params("toy"), Job("classifier", {"arm": "filtered", "replicate": 0})
write_record(run, job, params, read_record(run, job))
"""
TOY = ("--params", "params/toy.yaml")
PART = "toy.tar.xz"


@pytest.fixture(scope="module")
def finished(project_copy):
    """A copied project with stand-ins after a whole run, and the file that was packed of it."""
    copied = project_copy()
    fake_stages.install(copied, kernels=False)
    copied.run(*TOY)
    copied.told = copied.here("--pack", "toy", "--to", PART).stdout
    copied.keep()
    return copied


@pytest.fixture
def there(finished):
    """The project on the machine that made the run."""
    yield finished
    finished.put_back()


@pytest.fixture
def elsewhere(there):
    """The project on another machine, to which only the packed file was brought."""
    shutil.rmtree(there.folder / "artifacts")
    (there.folder / "artifacts").mkdir()
    (there.folder / "executed.txt").unlink(missing_ok=True)
    return there


def reasons(project, *words) -> dict[str, str]:
    """Why a dry run calls jobs stale, by their titles."""
    told = project.here(*TOY, "--dry-run", *words).stdout
    return {title.strip(): reason for title, reason in re.findall(r"^  stale  (.{36}) (.+)$", told, re.M)}


def executed(project) -> list[str]:
    return (project.folder / "executed.txt").read_text().splitlines()


def contents(project, name: str = PART) -> dict[str, bytes]:
    with lzma.open(project.folder / name) as file, tarfile.open(fileobj=file) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def packed(project, files: dict[str, bytes], name: str = "other.tar.xz") -> str:
    """A file with these contents in the form of a packed run."""
    with lzma.open(project.folder / name, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return name


def test_networks_and_images_stay_and_the_rest_is_taken(finished):
    names = set(contents(finished))
    assert {"gan/seed-0/history.csv", "synthetic/seed-0/fidelity.csv"} <= names
    assert "classifier/filtered/replicate-0/predictions.csv" in names
    assert not [name for name in names if name.endswith(".ipynb")]  # which may show photographs
    assert not [name for name in names if name.endswith((".safetensors", ".npy"))]
    assert not [name for name in names if name.startswith(("logs/evaluation", "logs/report"))]
    assert finished.told.startswith(f"{PART}: 5 finished jobs, 0.0 MB.")


def test_probabilities_are_taken_with_six_digits(there):
    folder = there.folder / "artifacts/toy/classifier/filtered/replicate-0"
    rows = "image_id,label,p_mel,p_nv\nNA,mel,0.1234567891234,0.8765432108766\n"
    (folder / "predictions.csv").write_text(rows)
    there.python(SEAL)
    there.here("--pack", "toy", "--to", "again.tar.xz")
    files = contents(there, "again.tar.xz")
    taken = files["classifier/filtered/replicate-0/predictions.csv"]
    assert taken == b"image_id,label,p_mel,p_nv\nNA,mel,0.123457,0.876543\n"
    shutil.rmtree(folder)
    there.here("--unpack", "again.tar.xz")
    assert (folder / "predictions.csv").read_bytes() == taken
    assert set(reasons(there)) == {"evaluation", "report"}  # which read other digits now


def test_the_same_run_gives_the_same_bytes(there):
    there.here("--pack", "toy", "--to", "again.tar.xz")
    assert (there.folder / "again.tar.xz").read_bytes() == (there.folder / PART).read_bytes()


def test_on_another_machine_only_evaluation_and_page_are_made(elsewhere):
    told = elsewhere.here("--unpack", PART).stdout
    assert told.startswith("Run 'toy': 5 finished jobs put into artifacts/toy.")
    told = reasons(elsewhere)
    assert {title for title, why in told.items() if "shown anew" not in why} == {"evaluation", "report"}
    elsewhere.run(*TOY)
    assert [name for name in executed(elsewhere) if not name.endswith(" shown")] == ["evaluation"]
    assert (elsewhere.folder / "reports/toy/report.html").exists()
    assert reasons(elsewhere) == {}


def test_what_a_new_training_reads_is_made_anew_and_nothing_else(elsewhere):
    elsewhere.here("--unpack", PART)
    arm = ("--set", "arms.more={synthetic: {select: all}}")
    told = {title: why for title, why in reasons(elsewhere, *arm).items() if "shown anew" not in why}
    assert told.pop("synthesis seed 0") == (
        "its files stayed on another machine, and classifier more, replicate 0 reads them"
    )
    # the images need their generator, and a network for a second opinion
    assert told.pop("gan seed 0").endswith("and synthesis seed 0 reads them")
    assert told.pop("classifier baseline, replicate 0").endswith("and synthesis seed 0 reads them")
    assert set(told) == {"classifier more, replicate 0", "evaluation", "report"}
    elsewhere.run(*TOY, *arm)
    assert [name for name in executed(elsewhere) if "filtered" in name] == []
    assert reasons(elsewhere, *arm) == {}


def test_a_picture_comes_when_its_images_are_made(elsewhere):
    elsewhere.here("--unpack", PART)
    elsewhere.run(*TOY)
    (elsewhere.folder / "artifacts/toy/synthetic/seed-0/images.npy").write_text("synthesis-seed-0")
    assert reasons(elsewhere)["synthesis seed 0"].startswith("shown anew")


def test_a_missing_table_is_missed_all_the_same(elsewhere):
    elsewhere.here("--unpack", PART)
    (elsewhere.folder / "artifacts/toy/gan/seed-0/history.csv").unlink()
    assert reasons(elsewhere)["gan seed 0"] == "missing: history.csv"


def test_one_stage_alone_says_what_it_lacks(elsewhere):
    elsewhere.here("--unpack", PART)
    told = elsewhere.here(*TOY, "--only", "synthesis", "--force", "synthesis", code=2).stderr
    assert "is missing. run_all.py makes it anew (without --only)" in told


def test_jobs_that_are_finished_here_stay(there):
    weights = there.folder / "artifacts/toy/gan/seed-0/generator.safetensors"
    shutil.rmtree(there.folder / "artifacts/toy/classifier/filtered")
    told = there.here("--unpack", PART).stdout
    assert told.startswith("Run 'toy': 1 finished job put into artifacts/toy.")
    assert "4 finished jobs of the file are finished here already and stay as they are." in told
    assert weights.exists() and set(reasons(there)) == {"report"}  # which tells how each job was made


def test_what_was_unpacked_can_be_packed_again(elsewhere):
    elsewhere.here("--unpack", PART)
    elsewhere.run(*TOY)
    elsewhere.here("--pack", "toy", "--to", "again.tar.xz")
    assert (elsewhere.folder / "again.tar.xz").read_bytes() == (elsewhere.folder / PART).read_bytes()


def test_some_replicates_and_what_they_read(there):
    there.here("--pack", "toy", "--replicates", "0", "--to", "again.tar.xz")
    assert (there.folder / "again.tar.xz").read_bytes() == (there.folder / PART).read_bytes()
    told = there.here("--pack", "toy", "--replicates", "3", code=2).stderr
    assert "there is no replicate 3; the run has 1, from 0 on" in told


def test_a_run_without_finished_jobs_is_not_packed(there):
    for record in (there.folder / "artifacts/toy/logs").glob("*.record.json"):
        record.unlink()
    assert "has no finished job to pack" in there.here("--pack", "toy", code=2).stderr
    assert "has not been prepared" in there.here("--pack", "nothing", code=2).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "x"), "--to names the file that --pack writes"),
        (("--pack", "toy", "--unpack", PART), "contradict each other"),
        (("--unpack", "nowhere.tar.xz"), "there is no file nowhere.tar.xz"),
        (("--pack", "toy", "--to", "params"), "params cannot be written"),
    ],
)
def test_mistakes_are_told(there, words, said):
    assert said in there.here(*words, code=2).stderr


def test_a_damaged_file_changes_nothing(elsewhere):
    place = elsewhere.folder / "half.tar.xz"
    place.write_bytes((elsewhere.folder / PART).read_bytes()[:-600])
    told = elsewhere.here("--unpack", "half.tar.xz", code=2).stderr
    assert "half.tar.xz cannot be read as a part of a run" in told and "copy it once more" in told
    assert not (elsewhere.folder / "artifacts/toy/logs").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: files.pop("part.json"), "does not say what it is"),
        (
            lambda files: files.update({"part.json": b'{"form": 2, "run": "toy", "jobs": []}'}),
            "another version",
        ),
        (
            lambda files: files.update({"part.json": b'{"form": 1, "run": "../toy", "jobs": []}'}),
            "cannot name",
        ),
        (
            lambda files: files.update({"gan/seed-0/history.csv": b"other"}),
            "history.csv is missing or damaged",
        ),
        (lambda files: files.pop("gan/seed-0/history.csv"), "history.csv is missing or damaged"),
        (
            lambda files: files.update({"logs/gan-seed-0.record.json": b"{}"}),
            "record.json is missing or damaged",
        ),
        (lambda files: files.update({"../../outside": b""}), "'../../outside' belongs to no job"),
    ],
)
def test_contents_that_are_no_part_of_a_run_are_refused(elsewhere, change, said):
    files = contents(elsewhere)
    change(files)
    assert said in elsewhere.here("--unpack", packed(elsewhere, files), code=2).stderr
    assert not (elsewhere.folder / "artifacts/toy/logs").exists()


def test_a_link_is_refused(elsewhere):
    with (
        lzma.open(elsewhere.folder / "link.tar.xz", "wb") as file,
        tarfile.open(fileobj=file, mode="w") as tar,
    ):
        entry = tarfile.TarInfo("data/split.csv")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    assert "holds what no part of a run holds" in elsewhere.here("--unpack", "link.tar.xz", code=2).stderr


def test_a_record_may_not_lead_out_of_the_run(elsewhere):
    from hashlib import sha256

    from helpers.engine.records import sealed
    from helpers.files import json_text

    record = {"key": "k", "code": "c", "parts": {}, "variant": ""}
    record |= {"files": {"gan/../../../outside": {"bytes": 1, "sha256": sha256(b"x").hexdigest()}}}
    files = {
        "part.json": b'{"form": 1, "run": "toy", "jobs": ["gan-seed-0"]}',
        "gan/../../../outside": b"x",
        "logs/gan-seed-0.record.json": json_text(sealed(record)).encode(),
    }
    assert "missing or damaged" in elsewhere.here("--unpack", packed(elsewhere, files), code=2).stderr
