"""Situations of users: what is a case, and what the table says of each."""

import sys

import pytest


@pytest.fixture
def field_cases(script):
    return script("field_cases")


@pytest.fixture
def folder(tmp_path):
    scripts = {
        "01-well": ('mkdir "$1"; echo photograph > "$1/a"', 'test -f "$1/run_all.py"; cat "$3/a"; echo done'),
        "02-ill": ('mkdir "$1"', "echo 'Traceback (most recent call last):'; echo Lost; exit 3"),
        "03-unmade": ("exit 4", "echo never"),
        "notes": ("", None),
    }
    for name, (make, run) in scripts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "make.sh").write_text(make)
        if run is not None:
            (tmp_path / name / "run.sh").write_text(run)
    return tmp_path


def test_a_case_has_both_scripts(field_cases, folder):
    assert [case.name for case in field_cases.chosen(folder, [])] == ["01-well", "02-ill", "03-unmade"]
    assert [case.name for case in field_cases.chosen(folder, ["02", "01"])] == ["01-well", "02-ill"]


def test_the_table_says_how_a_case_ended(field_cases, folder):
    rows = {}
    for case in field_cases.chosen(folder, []):
        told = field_cases.tried(case, sys.executable, 60, folder / "logs")
        rows[case.name] = field_cases.row(case.name, *told).split(maxsplit=3)
    assert rows["01-well"][1] == "0" and rows["01-well"][3] == "0, photograph | done"
    assert rows["02-ill"][1] == "3" and rows["02-ill"][3].startswith("1, ")
    assert rows["03-unmade"][1] == "4" and "never" not in str(rows)
    assert (folder / "logs" / "01-well.log").read_text() == "photograph\ndone\n"


def test_a_case_that_does_not_end_is_stopped_with_what_it_started(field_cases, folder):
    (folder / "01-well" / "run.sh").write_text("sleep 600 & wait")
    status, _, _ = field_cases.tried(folder / "01-well", sys.executable, 1, folder / "logs")
    assert status is None and "stopped" in field_cases.row("01", status, 1, "")
