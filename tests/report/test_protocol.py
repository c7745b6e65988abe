"""What was fixed before a study began stands on its page, with every departure from it."""

import hashlib

import pytest

from helpers.errors import ParameterError
from helpers.params import load_params
from helpers.report.page.protocol import PROTOCOL, departures_from, left_out, protocol_words


def test_a_run_without_a_protocol_says_nothing_of_one():
    assert protocol_words(load_params("quick")) == ""


def test_the_study_keeps_to_its_protocol_and_names_it_by_date_and_checksum():
    said = protocol_words(load_params("study"))
    assert hashlib.sha256(PROTOCOL.read_bytes()).hexdigest() in said
    assert "of 2026-11-28, with " in said and " additions up to 2026-" in said
    assert "Departures of this run from these: none." in said


def test_every_departure_is_told_and_the_place_of_the_data_is_none():
    changed = load_params("study", ["replicates=20", "classifier.bank=3", "data.root=/tmp", "report.title=x"])
    found = departures_from(load_params("study"), changed)
    assert found == ["classifier.bank: 3 in place of 5", "replicates: 20 in place of 10"]
    assert "from these: 2, classifier.bank: 3 in place of 5; replicates" in protocol_words(changed)


def test_an_arm_that_was_left_out_is_a_departure():
    fewer = load_params(
        "study",
        [
            "arms={baseline: {}, filtered: {synthetic: {select: top, count: 300}}, "
            "blurred: {oversample: {count: 300, through: synthesis}}, "
            "all: {synthetic: {select: all}}, "
            "blurred_more: {oversample: {count: 1000, through: synthesis}}}"
        ],
    )
    found = departures_from(load_params("study"), fewer)
    assert "arm again: left out" in found and not any(line.startswith("arms.again") for line in found)
    assert "arm again: added" in departures_from(fewer, load_params("study"))
    assert {"withheld", "restored", "again"} <= set(left_out(fewer)) and "all" not in left_out(fewer)
    assert not left_out(load_params("study")) and not left_out(load_params("quick"))


def test_a_protocol_without_its_parameter_file_is_a_sentence():
    with pytest.raises(ParameterError, match="There is no parameter file"):
        protocol_words(load_params("quick", ["report.protocol=nowhere"]))
