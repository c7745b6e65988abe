"""A run's finished jobs are taken from one machine to another in one small file."""

import io
import json
import lzma
import re
import shutil
import tarfile
from hashlib import sha256

import pytest

from helpers.engine.packing import _with_fewer_digits
from helpers.engine.records import sealed
from helpers.files import json_text
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


def test_predictions_of_trunks_stay(there):
    trunk, adapted = "trunk/part-0/predictions.csv", (*TOY, "--set", "classifier.adapt.epochs=2")
    there.run(*adapted)
    there.here("--pack", "toy", "--to", "again.tar.xz")
    names = set(contents(there, "again.tar.xz"))
    assert "trunk/part-0/history.csv" in names and trunk not in names
    shutil.rmtree(there.folder / "artifacts/toy")
    there.here("--unpack", "again.tar.xz")
    assert not (there.folder / "artifacts/toy" / trunk).exists()
    (there.folder / "executed.txt").unlink()
    there.run(*adapted)
    assert "trunk-part-0" not in executed(there) and "evaluation" in executed(there)


def test_no_answer_changes_by_fewer_digits():
    table = b"image_id,label,p_mel,p_nv\na,mel,0.333331,0.333334\nb,nv,0.1234567,0.8765433\n"
    kept = _with_fewer_digits(table).decode().splitlines()
    assert kept == ["image_id,label,p_mel,p_nv", "a,mel,0.333331,0.333334", "b,nv,0.12346,0.87654"]
    assert _with_fewer_digits(b"epoch,loss\n1,0.123456789\n") == b"epoch,loss\n1,0.123456789\n"


def test_probabilities_are_taken_with_five_digits(there):
    folder = there.folder / "artifacts/toy/classifier/filtered/replicate-0"
    rows = "image_id,label,p_mel,p_nv\nNA,01,0.1234567891234,0.8765432108766\n001,1e5,0.5,0.25\n"
    (folder / "predictions.csv").write_text(rows)
    there.python(SEAL)
    there.here("--pack", "toy", "--to", "again.tar.xz")
    files = contents(there, "again.tar.xz")
    taken = files["classifier/filtered/replicate-0/predictions.csv"]
    assert taken == b"image_id,label,p_mel,p_nv\nNA,01,0.12346,0.87654\n001,1e5,0.5,0.25\n"
    shutil.rmtree(folder)
    there.here("--unpack", "again.tar.xz")
    assert (folder / "predictions.csv").read_bytes() == taken
    assert set(reasons(there)) == {"evaluation", "report"}  # they read other digits now
    (there.folder / "others").mkdir()
    (there.folder / "others/predictions.csv").write_text(rows)
    try:
        there.run(*TOY, "--force", "classifier", "--until", "classifier")
    finally:
        shutil.rmtree(there.folder / "others")
    record = json.loads(
        (there.folder / "artifacts/toy/logs/classifier-filtered-replicate-0.record.json").read_text()
    )
    assert record["variant"] == ""  # the same result as there, whose digits are all here now


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


def test_selectors_are_compared_on_images_that_are_made_anew_and_no_arm_is(there):
    nearest = (*TOY, "--set", "arms.nearest={synthetic: {select: top, rank: distance, count: 2}}")
    there.run(*nearest)
    there.here("--pack", "toy", "--to", "again.tar.xz")
    shutil.rmtree(there.folder / "artifacts/toy")
    (there.folder / "executed.txt").unlink()
    there.here("--unpack", "again.tar.xz")
    told = {title: why for title, why in reasons(there, *nearest[2:]).items() if "shown anew" not in why}
    assert told.pop("synthesis seed 0").endswith("and evaluation reads them")
    assert set(told) == {"gan seed 0", "classifier baseline, replicate 0", "evaluation", "report"}
    there.run(*nearest)
    assert not [name for name in executed(there) if "nearest" in name or "filtered" in name]


def test_a_picture_comes_when_its_images_are_made(elsewhere):
    elsewhere.here("--unpack", PART)
    elsewhere.run(*TOY)
    (elsewhere.folder / "artifacts/toy/synthetic/seed-0/images.npy").write_text("synthesis-seed-0")
    assert reasons(elsewhere)["synthesis seed 0"].startswith("shown anew")


def test_the_command_that_made_the_run_is_told(elsewhere):
    told = elsewhere.here("--unpack", PART).stdout
    assert "goes on from here, with your folders: python run_all.py --params params/toy.yaml" in told
    files = contents(elsewhere)  # a file of an earlier version does not say it
    part = {name: value for name, value in json.loads(files["part.json"]).items() if name != "command"}
    earlier = packed(elsewhere, files | {"part.json": json_text(part).encode()})
    said = elsewhere.here("--unpack", earlier).stdout
    assert "The command that made 'toy', with its --params and --set, goes on from here." in said


def test_trainings_from_elsewhere_are_not_made_anew_unasked(elsewhere):
    elsewhere.here("--unpack", PART)
    changed = (*TOY, "--set", "classifier.max_epochs=3")
    told = elsewhere.here(*changed, code=2).stderr
    assert "2 trainings of the run 'toy' came from another machine" in told and "max_epochs" in told
    assert not (elsewhere.folder / "executed.txt").exists()
    elsewhere.run(*changed, "--force", "classifier")
    assert "classifier-filtered-replicate-0" in executed(elsewhere)


def test_a_missing_table_is_missed_all_the_same(elsewhere):
    elsewhere.here("--unpack", PART)
    (elsewhere.folder / "artifacts/toy/gan/seed-0/history.csv").unlink()
    assert reasons(elsewhere)["gan seed 0"] == "missing: history.csv"


def test_one_stage_alone_says_what_it_lacks(elsewhere):
    elsewhere.here("--unpack", PART)
    told = elsewhere.here(*TOY, "--only", "synthesis", "--force", "synthesis", code=2).stderr
    assert "stayed on another machine. run_all.py makes it anew (without --only)" in told
    assert reasons(elsewhere, "--force", "synthesis")["gan seed 0"].startswith("its files stayed")


def test_jobs_that_are_finished_here_stay(there):
    weights = there.folder / "artifacts/toy/gan/seed-0/generator.safetensors"
    shutil.rmtree(there.folder / "artifacts/toy/classifier/filtered")
    told = there.here("--unpack", PART).stdout
    assert told.startswith("Run 'toy': 1 finished job put into artifacts/toy.")
    assert (
        "Finished here already, and left as they are: eda, gan-seed-0, synthesis-seed-0 and 1 more." in told
    )
    assert "other parameters" not in told
    assert weights.exists() and set(reasons(there)) == {"report"}  # which tells how each job was made


def test_several_files_at_once(elsewhere):
    told = elsewhere.here("--unpack", PART, PART).stdout
    assert "5 finished jobs put into" in told and "0 finished jobs put into" in told


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


def test_what_is_not_finished_is_named_and_large_files_are_not_asked_for(there):
    (there.folder / "artifacts/toy/gan/seed-0/generator.safetensors").unlink()
    (there.folder / "artifacts/toy/classifier/filtered/replicate-0/history.csv").write_text("changed")
    told = there.here("--pack", "toy", "--to", "again.tar.xz").stdout
    assert told.startswith("again.tar.xz: 4 finished jobs")
    assert "Not finished, and not in it: classifier filtered, replicate 0." in told


def test_a_run_without_finished_jobs_is_not_packed(there):
    for record in (there.folder / "artifacts/toy/logs").glob("*.record.json"):
        record.unlink()
    assert "has no finished job to pack" in there.here("--pack", "toy", code=2).stderr
    assert "There is no run 'nothing' in" in there.here("--pack", "nothing", code=2).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "x"), "--to names the file that --pack writes"),
        (("--pack", "toy", "--unpack", PART), "--pack and --unpack are two commands"),
        (("--list", "--pack", "toy"), "--list and --pack are two commands"),
        (("--compare", "toy", "toy", "--reader-study", "toy"), "--compare and --reader-study are two"),
        (("--list", "--images", "20"), "--images belongs to a reader study"),
        (("--reader-study", "toy", "--to", "x"), "--to names the file that --pack writes"),
        (("--pack", "toy", "--to", "~nobody-here/x.tar.xz"), "--to: there is no folder ~nobody-here"),
        (("--unpack", "nowhere.tar.xz"), "there is no file nowhere.tar.xz"),
        (("--pack", "toy", "--to", "params"), "params cannot be written"),
        (("--pack", "toy", "--to", "."), "--to: . cannot be written"),
        (("--pack", "toy", "--to", "nowhere/x.tar.xz"), "--to: there is no folder nowhere: make it first"),
        (("--unpack", PART, "--dry-run"), "--dry-run says nothing beside --unpack"),
        (("--unpack", PART, "--replicates", "0"), "--replicates says nothing beside --unpack"),
        (("--pack", "toy", "--set", "gan.steps=1"), "--set says nothing beside --pack"),
        (("--compare", "toy", "toy", "--dry-run"), "--dry-run says nothing beside --compare"),
        (("--compare", "toy", "toy", "--arms", "baseline"), "--arms says nothing beside --compare"),
        (("--list", "--dry-run"), "--dry-run says nothing beside --list"),
        (("--reader-study", "toy", "--dry-run"), "--dry-run says nothing beside --reader-study"),
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


GAN = {"stage": "gan", "wildcards": {"seed": 0}}


@pytest.mark.parametrize(
    ("name", "told", "said"),
    [
        ("gan-seed-0", {"files": ["gan/seed-0/../../../outside"]}, "would not lie in the job's own folder"),
        ("gan-seed-0", {"files": ["data/split.csv"]}, "would not lie in the job's own folder"),
        (
            "gan-seed-0",
            {"files": ["gan/seed-0-restored/history.csv"]},
            "would not lie in the job's own folder",
        ),
        ("gan-seed-0", {"beside": ["artifacts/timing.json"]}, "would not lie in the job's own folder"),
        (
            "gan-seed-0",
            {"elsewhere": ["gan/seed-0/history.csv"]},
            "leaves out what a training or the page reads",
        ),
        ("gan-seed-0", {"elsewhere": 5}, "cannot be read as a part of a run"),
        ("gan-seed-0", {"files": 5}, "cannot be read as a part of a run"),
        ("gan-seed-1", {}, "its record is of another job"),
        ("gan-seed-../../outside", {"wildcards": {"seed": "../../outside"}}, "its record is of another job"),
        ("evaluation", {"stage": "evaluation", "wildcards": {}}, "its record is of another job"),
    ],
)
def test_a_record_may_not_lead_out_of_its_jobs_folder(elsewhere, name, told, said):
    files = {"gan/seed-0/history.csv": b"x"}
    names = {key: told[key] for key in ("files", "beside") if isinstance(told.get(key), list)}
    files |= {name: b"x" for part in names.values() for name in part}
    seal = {"bytes": 1, "sha256": sha256(b"x").hexdigest()}
    record = {"key": "k", "code": "c", "parts": {}, "variant": ""} | GAN
    record |= {"files": {"gan/seed-0/history.csv": seal}} | told
    record |= {key: dict.fromkeys(part, seal) for key, part in names.items()}
    files["part.json"] = json_text({"form": 1, "run": "toy", "jobs": [name]}).encode()
    files[f"logs/{name}.record.json"] = json_text(sealed(record)).encode()
    assert said in elsewhere.here("--unpack", packed(elsewhere, files), code=2).stderr
    assert not (elsewhere.folder / "artifacts/toy/gan").exists()


def test_a_file_that_would_fill_the_memory_is_refused(elsewhere, monkeypatch):
    monkeypatch.setattr("helpers.engine.unpacking.LARGEST", 20_000)
    files = {"part.json": b"{}", "a" * 200: b"", "long": bytes(30_000)}
    told = elsewhere.here("--unpack", packed(elsewhere, files), code=2).stderr
    assert "it holds more than a part of a run can" in told


def test_what_came_out_otherwise_on_two_machines_is_not_mixed(there):
    """Two machines trained the same GAN: a classifier of one does not belong to the images of the other."""
    (there.folder / "others").mkdir()
    (there.folder / "others/generator.safetensors").write_text("other bits")
    try:
        there.run(*TOY, "--force", "gan", "--until", "gan")
    finally:
        shutil.rmtree(there.folder / "others")
    shutil.rmtree(there.folder / "artifacts/toy/classifier/filtered")
    told = there.here("--unpack", PART)
    assert "finished here already" in told.stdout.lower()  # no training of the file read this GAN itself
    shutil.rmtree(there.folder / "artifacts/toy/synthetic")
    told = there.here("--unpack", PART, code=2).stderr
    assert "gan-seed-0 is finished here too and came out otherwise" in told
    assert not (there.folder / "artifacts/toy/synthetic").exists()


def test_a_job_with_other_parameters_is_named(there):
    there.run(*TOY, "--set", "gan.lr_generator=0.002", "--until", "gan")
    told = there.here("--unpack", PART).stdout
    assert "In the file they have other parameters, code or data: gan-seed-0." in told


def test_leftovers_of_an_interrupted_job_give_way(elsewhere):
    left = elsewhere.folder / "artifacts/toy/gan/seed-0/generator.safetensors"
    left.parent.mkdir(parents=True)
    left.write_text("half of it")
    elsewhere.here("--unpack", PART)
    assert not left.exists() and "gan seed 0" not in {
        title for title, why in reasons(elsewhere).items() if "shown anew" not in why
    }


def test_an_interrupted_start_costs_nothing_that_is_not_needed_any_more(elsewhere):
    elsewhere.here("--unpack", PART)
    (elsewhere.folder / "fault").write_text("gan-seed-0")
    elsewhere.run(*TOY, "--set", "arms.more={synthetic: {select: all}}", code=1)
    (elsewhere.folder / "fault").unlink()
    told = {title for title, why in reasons(elsewhere).items() if "shown anew" not in why}
    assert "synthesis seed 0" not in told and "classifier filtered, replicate 0" not in told
