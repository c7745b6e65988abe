"""``extends``: where the other file is sought, and what is said where it is not; files that say nothing."""

import pytest

from helpers.errors import ParameterError
from helpers.params import load_params
from helpers.params.notebooks import notebook_paths
from helpers.params.reading import find_file
from support.project import ROOT


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def extending(folder, parent: str):
    path = folder / "g.yaml"
    path.write_text(f"extends: {parent}\nreplicates: 7\n")
    return path


def mistake(path) -> str:
    with pytest.raises(ParameterError) as told:
        load_params(path)
    return str(told.value)


@pytest.mark.parametrize(
    "parent", ["quick.yaml", "quick", "params/quick.yaml", str(ROOT / "params/quick.yaml")]
)
def test_a_file_elsewhere_extends_one_of_the_project(tmp_path, parent):
    params = load_params(extending(tmp_path, parent))
    assert params.replicates == 7 and params.gan.steps == load_params("quick").gan.steps


def test_a_file_beside_it_comes_before_the_project_s(tmp_path):
    (tmp_path / "quick.yaml").write_text("gan: {steps: 3}\n")
    assert load_params(extending(tmp_path, "quick.yaml")).gan.steps == 3


def test_the_working_folder_plays_no_part(tmp_path, home):
    """A file means the same wherever its reader stands."""
    (tmp_path / "quick.yaml").write_text("gan: {steps: 3}\n")
    assert load_params(extending(home, "quick.yaml")).gan.steps == load_params("quick").gan.steps


def test_a_tilde_is_the_home(tmp_path, home):
    (home / "mine.yaml").write_text("gan: {steps: 3}\n")
    assert load_params(extending(tmp_path, "~/mine.yaml")).gan.steps == 3
    assert find_file("~/mine.yaml") == home / "mine.yaml" and load_params("~/mine.yaml").gan.steps == 3
    assert mistake("~/mime.yaml").startswith(
        f"There is no parameter file {home}/mime.yaml (did you mean 'mine.yaml'?)"
    )


QUICK = ROOT / "params/quick.yaml"


@pytest.mark.parametrize(
    ("parent", "sought"),
    [
        ("quikc", "{place}/quikc, nor {root}/quikc, nor {root}/params/quikc.yaml"),
        ("quikc.yaml", "{place}/quikc.yaml, nor {root}/quikc.yaml, nor {root}/params/quikc.yaml"),
        ("params/QUIK.yaml", "{place}/params/QUIK.yaml, nor {root}/params/QUIK.yaml"),
        ("~/quick.yaml", "{home}/quick.yaml"),
        ("/nowhere/quick.yaml", "/nowhere/quick.yaml"),
    ],
)
def test_one_that_is_nowhere_is_named_with_all_places(tmp_path, home, parent, sought):
    places = sought.format(place=tmp_path, root=ROOT, home=home)
    assert mistake(extending(tmp_path, parent)) == (
        f"g.yaml extends '{parent}', and there is no parameter file {places} (did you mean '{QUICK}'?); "
        "'python run_all.py --list' shows those there are."
    )


def test_the_file_itself_is_no_suggestion(tmp_path):
    assert "did you mean" not in mistake(extending(tmp_path, "gg.yaml"))
    (tmp_path / "ggg.yaml").write_text("replicates: 2\n")
    assert f"(did you mean '{tmp_path}/ggg.yaml'?)" in mistake(extending(tmp_path, "gg.yaml"))


def test_a_suggestion_for_params_is_no_circle(tmp_path):
    assert f"{tmp_path}/quick.yaml (did you mean '{QUICK}'?)" in mistake(tmp_path / "quick.yaml")


def test_a_folder_or_a_link_to_nothing_is_told_by_its_reader(tmp_path):
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert "cannot be read: Too many levels" in mistake(extending(tmp_path, "loop.yaml"))
    assert mistake(extending(tmp_path, "..")).endswith(
        "cannot be read: Is a directory; 'python run_all.py --list' shows those there are."
    )


@pytest.mark.parametrize("parent", ["x" * 5000, '"a\\ud800"', '"a\\nb"'])
def test_no_name_of_a_file_ends_in_a_traceback(tmp_path, parent):
    assert mistake(extending(tmp_path, parent)).startswith("g.yaml extends '")


@pytest.mark.parametrize("text", ["", "\n", "# nothing but a comment\n", "---\n", "{}\n"])
def test_an_empty_file_is_not_taken_for_the_paper_s(tmp_path, text):
    path = tmp_path / "it.yaml"
    path.write_text(text)
    sentence = "is empty: write 'extends: quick.yaml', or the values that differ from the defaults."
    assert mistake(path) == f"it.yaml {sentence}"
    assert mistake(extending(tmp_path, "it.yaml")) == f"it.yaml {sentence}"
    (tmp_path / "it.json").write_text("{}")
    assert mistake(tmp_path / "it.json") == f"it.json {sentence}"


@pytest.mark.parametrize("key", ["extend", "Extends", "EXTENDS", "extnds"])
def test_another_spelling_of_extends_is_met_with_the_right_one(tmp_path, key):
    path = tmp_path / "it.yaml"
    path.write_text(f"{key}: quick.yaml\n")
    assert mistake(path) == f"it.yaml: '{key}' is not a parameter (did you mean 'extends'?)."


@pytest.mark.parametrize("key", ["extends", "gan.extends"])
def test_extends_in_another_place_is_told_where_it_stands(key):
    with pytest.raises(ParameterError) as told:
        load_params("quick", [f"{key}=paper"])
    assert str(told.value) == (
        f"quick.yaml: '{key}' is not a parameter: 'extends' stands in a parameter file, beside its sections."
    )


def test_a_dot_in_a_name_begins_no_ending(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.params.reading.PARAMS", tmp_path)
    for name, number in (("lr-0", 3), ("lr-0.5", 5)):
        (tmp_path / f"{name}.yaml").write_text(f"gan: {{steps: {number}}}\n")
    assert load_params("lr-0.5").gan.steps == 5 and load_params("lr-0").gan.steps == 3
    assert load_params("lr-0.yaml").gan.steps == 3 and notebook_paths(None, "lr-0.5").run == "lr-0.5"
    assert "There is no parameter file" in mistake("lr-0.7")


@pytest.mark.parametrize("text", ["!!int ''", "!!bool x", "!!timestamp foo"])
def test_a_tag_before_what_it_is_not(tmp_path, text):
    (tmp_path / "it.yaml").write_text(f"gan: {{steps: {text}}}\n")
    assert "holds a value that cannot be read" in mistake(tmp_path / "it.yaml")
