"""Files of answers: what counts, and one sentence for each file that does not."""

import json

import numpy as np
import pytest

from helpers.paths import RunPaths
from helpers.readers.answers import MACHINE, read_readings
from helpers.readers.key import Chosen, key_path, machine_path, read_key, write_key
from support.made_up_readers import answers, put

CLASSES = ("bcc", "mel", "nv")


def a_study(run, first=0):
    """A study of twelve images, as it is read back."""
    chosen = [
        Chosen(np.full((4, 4, 3), first + n, np.uint8), {"kind": "synthetic" if n % 2 else "real"})
        for n in range(12)
    ]
    path = write_key(run, sorted(chosen, key=lambda each: each.id), "mel", CLASSES, {"from": "all"})
    return read_key(run, path.stem.removeprefix("key-"))


@pytest.fixture
def run(place):
    return RunPaths("study")


@pytest.fixture
def key(run):
    return a_study(run)


def whole(key, code="R1", seed=0, **changes):
    random = np.random.default_rng(seed)
    return answers(key, code, random.random(12) < 0.7, random, **changes)


def changed(key, **values):
    """Answers whose first one says something else."""
    content = whole(key, "R9")
    content["answers"][0] |= values
    return content


def test_without_files_there_is_nothing(run):
    assert read_readings(run) is None
    a_study(run)
    assert read_readings(run) is None


def test_answers_meet_the_key(run, key):
    content = whole(key)
    put(run, "R1.json", content)
    found = read_readings(run)
    assert found.problems == [] and found.readers == ["R1"] and found.key.study == key.study
    table = found.table.set_index("image")
    for answer in content["answers"]:
        row = table.loc[answer["image"]]
        assert row["right"] == (answer["computed"] == key.synthetic[answer["image"]])
        assert row["diagnosed"] == (answer["diagnosis"] == "mel")
        assert (row["confidence"], row["seconds"]) == (answer["confidence"], answer["seconds"])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda key: "{", "it is damaged"),
        (lambda key: "[" * 100_000, "it is damaged"),
        (lambda key: "[1, 2]", "no file of a reader's answers (as a whole"),
        (lambda key: whole(key, "R9", answers=[]), "(answers: List should have at least 1 item"),
        (lambda key: whole(key, "R9", version=2), "(version: "),
        (lambda key: whole(key, "../R9"), "(reader: "),
        (lambda key: whole(key, "R9", study="f" * 10), "it answers the study ffffffffff"),
        (lambda key: changed(key, image="0" * 12), "the study has no image '000000000000'"),
        (lambda key: changed(key, image=list(key.origins)[1]), "more than once"),
        (lambda key: changed(key, diagnosis="wart"), "'wart' is none of the study's diagnoses"),
        (lambda key: changed(key, confidence=6), "(answers.0.confidence: "),
        (lambda key: changed(key, computed="yes"), "(answers.0.computed: "),
        (lambda key: changed(key, seconds=-1), "(answers.0.seconds: "),
    ],
)
def test_a_file_that_cannot_count_is_named_in_one_sentence_and_the_rest_counts(run, key, spoil, words):
    put(run, "R1.json", whole(key))
    put(run, "bad.json", spoil(key))
    found = read_readings(run)
    assert found.readers == ["R1"] and len(found.table) == 12
    assert len(found.problems) == 1
    assert found.problems[0].startswith("bad.json does not count: ") and words in found.problems[0]
    assert "\n" not in found.problems[0]


def test_of_two_files_of_a_reader_the_longer_counts(run, key):
    longer = whole(key, seed=1)
    put(run, "a.json", longer | {"answers": longer["answers"][:5]})
    put(run, "b.json", longer)
    put(run, "c.json", whole(key, seed=2))
    found = read_readings(run)
    assert len(found.table) == 12
    told = {answer["image"]: answer["computed"] for answer in longer["answers"]}
    assert dict(zip(found.table["image"], found.table["computed"], strict=True)) == told
    assert sorted(found.problems) == [
        "a.json does not count: R1 has answered in b.json, too, which counts.",
        "c.json does not count: R1 has answered in b.json, too, which counts.",
    ]


def test_answers_to_the_study_that_was_made_last_count(run, key, monkeypatch):
    content = json.loads(key_path(run, key.study).read_text())
    key_path(run, key.study).write_text(json.dumps(content | {"made": "2020-01-01T00:00:00+00:00"}))
    put(run, "old.json", whole(key))
    newer = a_study(run, first=100)
    assert read_readings(run).key.study == key.study  # nobody has answered the newer one
    put(run, "new.json", whole(newer, "R2"))
    found = read_readings(run)
    assert found.key.study == newer.study and found.readers == ["R2"]
    assert found.problems == [
        f"old.json does not count: it answers the study {key.study}, "
        f"and the answers to {newer.study} are counted."
    ]


def test_without_a_key_every_file_is_named(run, key):
    put(run, "R1.json", whole(key))
    key_path(run, key.study).unlink()
    found = read_readings(run)
    assert found.key is None and found.readers == []
    assert found.problems == [
        f"R1.json does not count: it answers the study {key.study}, which this run did not make."
    ]


@pytest.mark.parametrize("name", ["key", "images"])
def test_a_damaged_key_says_how_it_is_mended(run, key, name):
    put(run, "R1.json", whole(key))
    path = key_path(run, key.study) if name == "key" else run.readers / f"images-{key.study}.npy"
    path.write_bytes(b"\x93NUMPY")
    found = read_readings(run)
    assert found.key is None and len(found.problems) == 1
    assert "the same --reader-study command as before writes them anew" in found.problems[0]


def test_a_program_stands_apart(run, key):
    put(run, "R1.json", whole(key))
    program = whole(key, MACHINE)
    for answer in program["answers"]:
        answer |= {"diagnosis": None, "confidence": None, "seconds": None}
    put(run, "program.json", program)
    found = read_readings(run)
    assert found.readers == ["R1"] and set(found.table["reader"]) == {"R1"}
    assert set(found.machine["reader"]) == {MACHINE} and found.machine["confidence"].isna().all()
    assert found.machine["right"].mean() != 1
    own = [{"image": name, "computed": synthetic} for name, synthetic in key.synthetic.items()]
    machine_path(run, key.study).write_text(json.dumps(program | {"answers": own}))
    assert read_readings(run).machine["right"].mean() != 1  # a file that was laid there comes first
    (run.reader_answers / "program.json").unlink()
    found = read_readings(run)
    assert found.machine["right"].mean() == 1 and found.problems == []
