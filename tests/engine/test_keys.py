"""What is in a job's key: everything that its numbers depend on, files and identical arms included."""

import importlib.util
import os

from helpers.engine import data
from helpers.engine.data import data_fingerprint
from helpers.engine.key_parts import code_modules, number_parameters
from helpers.engine.keys import Keys
from helpers.engine.plan import wanted_jobs
from helpers.engine.stages import STAGES, Job, jobs, upstream
from helpers.fingerprints import WITHOUT_EFFECT_ON_NUMBERS, _read_source
from helpers.params import load_params
from helpers.paths import RunPaths
from support.code import imported_modules


def key(stage: str, *overrides: str, accepted=None, **wildcards) -> str:
    data._content.cache_clear()
    data._listing.cache_clear()
    return Keys(RunPaths("keys"), load_params("smoke", overrides), accepted).key(Job(stage, wildcards))


def test_no_two_jobs_have_one_key():
    params = load_params("smoke", ["replicates=2", "gan.seeds=[0, 1]"])
    keys = Keys(RunPaths("keys"), params)
    every = list(jobs(params))
    assert len({keys.key(job) for job in every}) == len(every)


def test_numbers_come_from_the_modules_that_their_stage_imports():
    params = load_params("smoke")
    found = {job.stage: imported_modules(*code_modules(job, params)) for job in jobs(params)}
    assert {"helpers.gan.training", "helpers.gan.losses", "helpers.data.splits"} <= set(found["gan"])
    assert not [
        name for name in found["gan"] if name.startswith(("helpers.classifier", "helpers.evaluation"))
    ]
    assert "helpers.data.external" not in found["gan"] and "helpers.data.external" in found["classifier"]
    assert not [name for name in found["gan"] + found["classifier"] if "helpers.gan.selectors" in name]
    for stage in ("eda", "gan", "synthesis", "classifier", "evaluation"):
        assert not [name for name in found[stage] if name.startswith("helpers.report")], stage


def test_synthesis_does_not_depend_on_the_code_of_the_training():
    params = load_params("smoke")
    found = {job.stage: imported_modules(*code_modules(job, params)) for job in jobs(params)}
    training = {f"helpers.gan.{name}" for name in ("training", "trainer", "adversarial", "health")}
    assert training <= set(found["gan"]) and not training & set(found["synthesis"])


def test_imports_for_types_alone_are_not_followed(tmp_path):
    path = tmp_path / "code.py"
    head, number = "from typing import TYPE_CHECKING\n\n", "NUMBER = 1\n"
    path.write_text(head + number)
    before = _read_source(path, 0, 0)
    path.write_text(f"{head}if TYPE_CHECKING:\n    from helpers.gan import health\n\n{number}")
    after = _read_source(path, 1, 0)
    assert after.digest == before.digest and after.imports == ()
    path.write_text(f"from helpers.gan import health\n\n{number}")
    assert _read_source(path, 2, 0).imports == ("helpers.gan.health",)


def test_what_cannot_change_a_number_is_a_short_list_with_reasons():
    assert len(WITHOUT_EFFECT_ON_NUMBERS) <= 8
    for name, reason in WITHOUT_EFFECT_ON_NUMBERS.items():
        assert importlib.util.find_spec(name) and len(reason.split()) >= 3
    every = {name for stage in STAGES.values() for name in imported_modules(stage.entry)}
    assert not any(name in WITHOUT_EFFECT_ON_NUMBERS for name in every)


def test_an_arm_that_repeats_an_earlier_one_gets_another_seed():
    params = load_params("smoke", ["arms.again={}"])
    values = number_parameters(Job("classifier", {"arm": "again", "replicate": 0}), params)
    assert values["identical_arms_before"] == 1
    # it repeats no arm any more, and trains with the seed of its replicate
    params = load_params("smoke", ["arms.again={}", "arms.baseline={loss: balanced}"])
    values = number_parameters(Job("classifier", {"arm": "again", "replicate": 0}), params)
    assert "identical_arms_before" not in values


def test_files_that_parameters_name_are_read(tmp_path):
    (tmp_path / "a.png").write_bytes(b"1")
    theirs = f"arms.theirs={{synthetic: {{folder: {tmp_path}}}}}"
    weights = tmp_path / "w.safetensors"
    first = key("classifier", theirs, arm="theirs", replicate=0)
    assert first == key("classifier", theirs, arm="theirs", replicate=0)
    (tmp_path / "a.png").write_bytes(b"2")
    second = key("classifier", theirs, arm="theirs", replicate=0)
    assert first != second
    (tmp_path / "notes.txt").write_bytes(b"nobody reads it")
    assert second == key("classifier", theirs, arm="theirs", replicate=0)
    weights.write_bytes(b"1")
    named = f"classifier.weights={weights}"
    before = key("classifier", named, arm="baseline", replicate=0)
    weights.write_bytes(b"2")
    assert before != key("classifier", named, arm="baseline", replicate=0)
    start = f"gan.initial_weights={tmp_path}"
    before = key("gan", start, seed=0)
    weights.write_bytes(b"3")
    assert before != key("gan", start, seed=0)


def test_the_page_is_made_again_when_its_protocol_changes(tmp_path, monkeypatch):
    fixed, text = tmp_path / "fixed.yaml", tmp_path / "protocol.md"
    monkeypatch.setattr("helpers.report.page.protocol.PROTOCOL", text)
    told = f"report.protocol={fixed}"
    keys = set()
    for steps, words in ((3, "first"), (4, "first"), (4, "second")):
        fixed.write_text(f"gan: {{steps: {steps}}}\n")
        text.write_text(words)
        keys.add(key("report", told))
    assert len(keys) == 3 and key("report") not in keys


def test_a_corrected_external_test_set_is_predicted_anew(tmp_path):
    table = tmp_path / "ISIC2018_Task3_Test_GroundTruth.csv"
    table.write_text("image_id,dx\na,mel\n")
    external = f"data.external_root={tmp_path}"
    before = key("classifier", external, arm="baseline", replicate=0), key("gan", external, seed=0)
    assert before[0] != key("classifier", arm="baseline", replicate=0)
    table.write_text("image_id,dx\na,nv\n")
    after = key("classifier", external, arm="baseline", replicate=0), key("gan", external, seed=0)
    assert after[0] != before[0] and after[1] == before[1]


def test_what_a_parameter_names_may_be_moved(tmp_path):
    """Its content counts, not its place: a run can be gone on with on another machine."""
    keys = []
    for home in (tmp_path / "here", tmp_path / "there"):
        home.mkdir()
        (home / "ISIC2018_Task3_Test_GroundTruth.csv").write_text("image_id,dx\na,mel\n")
        (home / "a.png").write_bytes(b"1")
        (home / "weights.pth").write_bytes(b"1")
        places = (
            f"data.external_root={home}",
            f"arms.theirs={{synthetic: {{folder: {home}}}}}",
            f"classifier.weights={home}/weights.pth",
        )
        keys.append(key("classifier", *places, arm="theirs", replicate=0))
    assert keys[0] == keys[1]


def test_the_page_is_made_again_when_code_was_accepted():
    accepted = {"gan-seed-0": {"code": "new", "made_by": "old"}}
    assert key("report", accepted=accepted) != key("report")
    assert key("evaluation", accepted=accepted) == key("evaluation")


def test_the_data_fingerprint_sees_what_the_loader_sees(tmp_path):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    (home / "HAM10000_metadata.csv").write_text("image_id,dx\n")
    (elsewhere / "a.jpg").write_bytes(b"1")
    os.symlink(elsewhere, home / "images")
    params = load_params("smoke", ["data.source=ham10000", f"data.root={home}"])
    first = data_fingerprint(Job("eda"), params)
    data._listing.cache_clear()
    (home / ".DS_Store").write_bytes(b"a viewer's own")
    assert data_fingerprint(Job("eda"), params) == first
    data._listing.cache_clear()
    (elsewhere / "a.jpg").write_bytes(b"12")
    assert data_fingerprint(Job("eda"), params) != first


def test_code_has_one_fingerprint_in_every_python(tmp_path):
    """The values are literal.

    Whoever runs this in another version compares it with the one that they were written in.
    """
    code = (
        'def f(x: int, *, w=3):\n    "Words."\n    match x:\n        case [1, *_]:\n'
        '            return f"{x!r:<{w}}" + f"a" f"{x=}"\n    return [b"\\0", 1e300, ..., 2j]\n'
    )
    path = tmp_path / "code.py"
    path.write_text(code)
    assert _read_source(path, 0, len(code)).digest == "145a1b86a147579b"
    path.write_text("# A comment.\n" + code.replace('    "Words."\n', '    "Other words."\n\n'))
    assert _read_source(path, 1, len(code)).digest == "145a1b86a147579b"
    path.write_text(code.replace("1e300", "1e301"))
    assert _read_source(path, 2, len(code)).digest != "145a1b86a147579b"


def test_jobs_on_different_parts_of_the_split_have_the_part_in_their_keys():
    folds = ["data.split={by: lesion, folds: 2}", "replicates=4", "gan.seeds=[0, 1]"]
    params, single = load_params("smoke", folds), load_params("smoke", ["replicates=4", "gan.seeds=[0, 1]"])
    for job, part in (
        (Job("gan", {"seed": 1}), 1),
        (Job("synthesis", {"seed": 1}), 1),
        (Job("classifier", {"arm": "baseline", "replicate": 2}), 0),
        (Job("classifier", {"arm": "filtered", "replicate": 3}), 1),
    ):
        assert number_parameters(job, params)["part"] == part
        assert "part" not in number_parameters(job, single)
    # the classifier that judges a GAN's images is one of its own part
    assert Job("classifier", {"arm": "baseline", "replicate": 1}) in upstream(
        Job("synthesis", {"seed": 1}), params
    )
    assert Job("classifier", {"arm": "baseline", "replicate": 0}) in upstream(
        Job("synthesis", {"seed": 1}), single
    )
    assert key("gan", *folds, seed=1) != key("gan", *folds, "gan.seeds=[1, 0]", seed=1)
    early = wanted_jobs(params, until="synthesis")
    assert {job.wildcards["replicate"] for job in early if job.stage == "classifier"} == {0, 1}


def test_a_named_folder_that_changes_meanwhile_is_read_anew_for_the_next_plan(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    before = data._content(tmp_path / "a.txt", images=False)
    (tmp_path / "a.txt").write_text("two")
    assert data._content(tmp_path / "a.txt", images=False) == before  # in one plan it is read once
    data.forget_fingerprints()
    assert data._content(tmp_path / "a.txt", images=False) != before
