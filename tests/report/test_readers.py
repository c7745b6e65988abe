"""The section on a reader study: nothing without answers, sentences with the numbers, no picture too many."""

import json
import re

import numpy as np
import pytest
from bs4 import BeautifulSoup

from helpers.paths import RunPaths
from helpers.readers.answers import MACHINE
from helpers.readers.key import Chosen, read_key, write_key
from helpers.report.page.cell_html import markdown_html
from helpers.report.results import readers
from support.made_up_readers import answers, put

CONFIDENCE = 0.95
MAGENTA = np.array([255, 0, 255], np.uint8)


@pytest.fixture
def run(place):
    return RunPaths("study")


@pytest.fixture
def key(run):
    """Twenty images, real ones magenta, whose synthetic half is what the run holds."""
    run.synthetic(0).mkdir(parents=True)
    made = np.random.default_rng(0).integers(0, 100, (10, 8, 8, 3), dtype=np.uint8)
    np.save(run.synthetic(0) / "images.npy", made)
    images = [Chosen(each, {"kind": "synthetic", "gan_seed": 0, "index": n}) for n, each in enumerate(made)]
    for n in range(10):
        board = np.tile(MAGENTA, (8, 8, 1))
        board[0, 0] = n
        images.append(Chosen(board, {"kind": "real", "image_id": f"ISIC_{n}"}))
    images.sort(key=lambda each: each.id)
    path = write_key(run, images, "mel", ("mel", "nv"), {"images": 20, "from": "top", "seed": 0})
    return read_key(run, path.stem.removeprefix("key-"))


def answered(run, key, count, skill=0.7):
    random = np.random.default_rng(4)
    for number in range(1, count + 1):
        put(run, f"R{number}.json", answers(key, f"R{number}", random.random(20) < skill, random))
    return readers.study(run)


def test_without_answers_nothing_is_shown(run, key):
    found = readers.study(run)
    assert found is None and readers.readers_section(found, run, CONFIDENCE) is None
    assert readers.overall_table(found, CONFIDENCE) is None
    assert readers.readers_table(found, CONFIDENCE) is None
    assert readers.misleading_images(found, "show") is None


def test_sentences_have_the_numbers_of_the_tables(run, key):
    found = answered(run, key, 4)
    text = readers.readers_section(found, run, CONFIDENCE)
    assert text.startswith("### ") and "4 readers judged 20 images of mel" in text
    assert "that the filter kept, all reduced to 8 x 8 pixels" in text
    shown = readers.overall_table(found, CONFIDENCE).shown
    first = shown.iloc[0]
    assert first["Measure"] == "Told apart" and len(shown) == 5
    assert f"told the two apart in {first['Mean, %']} % of the cases" in text
    assert f"(95 % interval over readers and images: {first['Interval, %']})" in text
    assert "Fleiss' kappa" in text and "of 5 sure where they were right" in text
    assert list(readers.readers_table(found, CONFIDENCE).shown["Reader"]) == ["R1", "R2", "R3", "R4"]


def test_the_side_of_a_half_is_said(run, key):
    right = readers.readers_section(answered(run, key, 4, skill=0.97), run, CONFIDENCE)
    assert "and the interval lies above the 50 % that guessing gives" in right


def test_two_readers_have_no_interval_and_are_told_why(run, key):
    text = readers.readers_section(answered(run, key, 2), run, CONFIDENCE)
    assert "interval over readers and images needs 3 readers who judged all of them" in text
    assert "Cohen's kappa" in text and not re.search(r"\bnan\b", text)


def test_one_who_stopped_and_a_program_stand_apart(run, key):
    found = answered(run, key, 3)
    part = json.loads((run.reader_answers / "R3.json").read_text())
    put(run, "R3.json", part | {"answers": part["answers"][:7]})
    random = np.random.default_rng(0)
    program = answers(key, MACHINE, np.arange(20) > 1, random)
    for answer in program["answers"]:
        answer |= {"diagnosis": None, "confidence": None, "seconds": None}
    put(run, "program.json", program)
    found = readers.study(run)
    text = readers.readers_section(found, run, CONFIDENCE)
    assert "1 reader did not judge all of them" in text
    assert "A program in the place of a reader" in text and "told 90 % of 20 images apart" in text
    shown = readers.readers_table(found, CONFIDENCE).shown.set_index("Reader")
    assert list(shown.index) == ["R1", "R2", "R3", MACHINE]
    assert shown.loc[MACHINE, "Seconds an image"] == shown.loc[MACHINE, "Sure when right"] == "–"
    assert shown.loc["R3", "Images"] == "7"


def test_a_program_alone_is_no_reader(run, key):
    program = answers(key, MACHINE, np.arange(20) > 1, np.random.default_rng(0))
    put(run, "program.json", program)
    text = readers.readers_section(readers.study(run), run, CONFIDENCE)
    assert "No reader's answers count yet." in text and "0 readers" not in text
    assert "told 90 % of 20 images apart" in text


def test_files_that_do_not_count_are_said_as_text(run, key):
    put(run, "[x](y) *b* `c` <img src=x>.json", "{")
    text = readers.readers_section(readers.study(run), run, CONFIDENCE)
    page = BeautifulSoup(str(markdown_html(text)), "html.parser")
    assert not page.find_all(["a", "em", "code", "img"])
    assert "[x](y) *b* `c` <img src=x>.json does not count: it is damaged" in page.get_text()
    assert readers.overall_table(readers.study(run), CONFIDENCE) is None


def test_images_of_an_earlier_training_are_said_to_be(run, key):
    text = readers.readers_section(answered(run, key, 3), run, CONFIDENCE)
    assert "made anew" not in text
    np.save(run.synthetic(0) / "images.npy", np.zeros((10, 8, 8, 3), np.uint8))
    assert "made anew since" in readers.readers_section(readers.study(run), run, CONFIDENCE)
    np.save(run.synthetic(0) / "images.npy", np.zeros((0, 8, 8, 3), np.uint8))
    assert "made anew since" in readers.readers_section(readers.study(run), run, CONFIDENCE)
    (run.synthetic(0) / "images.npy").unlink()  # as where they stayed on another machine: nothing is known
    assert "made anew" not in readers.readers_section(readers.study(run), run, CONFIDENCE)


@pytest.mark.parametrize(("policy", "seen"), [("show", True), ("omit", False)])
def test_misleading_photographs_are_shown_as_the_run_allows(run, key, policy, seen):
    found = answered(run, key, 3, skill=0.2)
    figure = readers.misleading_images(found, policy)
    pixels = [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]
    magenta = sum(bool((picture == MAGENTA).all(axis=-1).any()) for picture in pixels)
    assert len(pixels) >= (10 if seen else 5) and (magenta > 0) == seen
    assert len({text.get_text() for axes in figure.axes for text in axes.texts}) == 1 + seen  # rows
    notes = [axes.get_xlabel() for axes in figure.axes if axes.images]
    assert all(note.endswith("of 3") for note in notes) and notes[0] >= notes[1]
