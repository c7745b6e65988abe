"""A notebook's parameters: the file, and what the notebook changes laid over it."""

import json
import re
from typing import get_args

import pytest

from helpers.errors import ParameterError
from helpers.params import (
    Arm,
    Params,
    arm_meaning,
    flatten,
    load_params,
    notebook_params,
    notebook_paths,
    own_paths,
    parameter_rows,
    public_parameters,
    section,
    validate,
)
from helpers.report.page.protocol import protocol_words
from support.project import ROOT

WEIGHTED = {"baseline": {}, "weighted": {"loss": "balanced"}}


def test_without_changes_it_is_the_file():
    assert notebook_params("params/quick.yaml", gan={}, arms=None, replicates=None) == load_params("quick")


def test_changes_are_laid_over_the_file_as_a_file_that_extends_it_would(tmp_path):
    changes = {"gan": {"steps": 7}, "data": {"split": {"by": "lesion"}}, "arms": WEIGHTED, "replicates": 2}
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({"extends": str(ROOT / "params/quick.yaml"), **changes}))
    expected = load_params(path)
    found = notebook_params("params/quick.yaml", **changes)
    assert found.as_dict() | {"description": ""} == expected.as_dict()
    assert found.gan.batch_size == load_params("quick").gan.batch_size and list(found.arms) == list(WEIGHTED)


def test_whole_sections_are_taken_as_papermill_gives_them():
    smoke = load_params("smoke")
    values = smoke.as_dict()
    whole = {name: values[name] for name in ("data", "gan", "synthesis", "classifier", "arms", "evaluation")}
    found = notebook_params("params/quick.yaml", **whole, replicates=smoke.replicates)
    assert found.as_dict() | {"description": ""} == values | {"description": ""}


def test_a_section_may_be_the_text_that_papermill_makes_of_an_option():
    assert notebook_params("quick", gan="{steps: 7, lr_generator: 5e-5}").gan.lr_generator == 5e-5
    with pytest.raises(ParameterError, match="the parameter 'gan' of this notebook is not valid YAML"):
        notebook_params("quick", gan="{steps: 7")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"gan": {"stepz": 3}},
            "quick.yaml with this notebook's changes: 'gan.stepz' is not a parameter (did you mean "
            "'steps'?).",
        ),
        ({"gan": {"epochs": 0}}, "gan.epochs must be at least 1, not 0."),
        ({"gan": 3}, "gan must be a section with keys of its own, not 3."),
        ({"data": {"split": {"by": "patient"}}}, "data.split.by must be one of 'image' or 'lesion'"),
        ({"arms": {"weighted": {}}}, "evaluation.reference is 'baseline', and there is no such arm"),
        ({"synthesis": {"count": 20}}, "arms.filtered asks for 36 synthetic images"),
    ],
)
def test_a_mistake_is_a_sentence_with_section_and_key(changes, sentence):
    with pytest.raises(ParameterError) as told:
        notebook_params("params/quick.yaml", **changes)
    assert sentence in str(told.value)


def test_the_complete_parameters_of_a_run_are_read_from_json(tmp_path):
    params = load_params("laptop-rigorous", ["gan.lr_generator=5e-5"])
    path = tmp_path / "params.json"
    path.write_text(json.dumps(params.as_dict()))
    found = notebook_params(path)
    assert found == params and list(found.arms) == list(params.arms)
    path.write_text("{")
    with pytest.raises(ParameterError, match="params.json is not valid JSON"):
        notebook_params(path)


def test_a_relative_path_is_found_below_the_working_folder_and_then_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert notebook_params("params/quick.yaml") == notebook_params("quick") == load_params("quick")
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "quick.yaml").write_text("replicates: 2\n")
    assert notebook_params("params/quick.yaml").replicates == 2
    with pytest.raises(ParameterError, match="There is no parameter file"):
        notebook_params("params/quikc.yaml")


def test_a_run_is_called_as_its_parameter_file_unless_it_has_a_name():
    assert notebook_paths(None, "params/quick.yaml").run == notebook_paths(None, "quick").run == "quick"
    assert notebook_paths(None, "artifacts/mine/params.json").run == "mine"
    assert notebook_paths("other", "params/quick.yaml").run == "other"
    assert notebook_paths(2024, "params/quick.yaml").run == "2024"  # papermill -p makes a number of it
    with pytest.raises(ParameterError, match="cannot name a run"):
        notebook_paths("", "params/quick.yaml")


def test_rows_tell_every_parameter_of_a_section_with_both_values_and_its_choices():
    rows = {
        row["parameter"]: row for row in parameter_rows(load_params("quick"), ["data", "gan", "replicates"])
    }
    assert {
        "data.root",
        "data.columns",
        "data.split.by",
        "data.phantom.seed",
        "gan.steps",
        "replicates",
    } <= set(rows)
    assert (rows["gan.steps"]["paper"], rows["gan.steps"]["this_run"]) == (None, 1000)
    assert rows["gan.flips"]["meaning"].endswith("(one of 'none', 'horizontal', 'both')")
    assert "one of" not in rows["gan.recipe"]["meaning"]  # its meaning names them all


def test_rows_tell_no_folder_of_this_machine():
    params = load_params("laptop", ["data.root=/home/me/photographs", "data.external_root=/home/me/others"])
    assert "/home/me" not in json.dumps(parameter_rows(params, ["data"]))


def path_parameters(model=Params, place=()):
    """Where the parameters take a path, by their types; 'arms' stands for any arm."""
    for name, info in model.model_fields.items():
        kinds = [info.annotation, *get_args(info.annotation)]
        marks = [*info.metadata, *(mark for kind in kinds for mark in getattr(kind, "__metadata__", ()))]
        if any(getattr(mark, "func", None) is section._path for mark in marks):
            yield (*place, name)
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, section.Section):
                yield from path_parameters(kind, (*place, name))


def test_every_parameter_that_takes_a_path_is_kept_private():
    values = {
        "data": {"root": "/a", "external_root": "/b"},
        "classifier": {"weights": "/d"},
        "arms": {"baseline": {}, "theirs": {"synthetic": {"folder": "/e"}}},
    }
    features = {"feature_weights": "/c"}
    given = validate(values | {"synthesis": features | {"folder": "/f", "filter": "classifier"}})
    trained = validate(values | {"synthesis": features, "gan": {"initial_weights": "/g"}})
    known = {path.place for path in [*own_paths(given), *own_paths(trained)]}
    assert {place for place in known if "theirs" in place} == {("arms", "theirs", "synthetic", "folder")}
    assert {tuple(name for name in place if name != "theirs") for place in known} == set(path_parameters())
    assert not own_paths(load_params("paper"))
    for params in (given, trained):
        values = flatten(public_parameters(params))
        assert not re.search(r"'/[a-g]'", str(values)) and values["classifier.weights"].startswith("(a file")


def test_rows_tell_what_an_arm_trains_on():
    rows = {row["parameter"]: row for row in parameter_rows(load_params("rigorous"), ["arms"])}
    assert rows["arms.baseline"]["meaning"] == "the real training images and nothing else"
    assert rows["arms.baseline"]["paper"] == rows["arms.baseline"]["this_run"]
    assert rows["arms.weighted"]["paper"] is None


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        (
            {"withhold": {"class": "mel", "fraction": 0.5}, "synthetic": {"select": "all"}},
            "without 50 % of the images of mel and with all synthetic images",
        ),
        (
            {"oversample": {"class": "mel", "count": 1000}, "loss": "balanced"},
            "with 1,000 images of mel once more and with rare classes weighing more in the loss",
        ),
        (
            {"synthetic": {"select": "bottom", "fraction": 0.25, "rank": "distance"}},
            "with the 25 % worst synthetic images, by nearness to real ones",
        ),
        ({"synthetic": {"select": "random", "count": 36}}, "with 36 randomly chosen synthetic images"),
        ({"synthetic": {"folder": "theirs"}}, "with all images of a folder"),
    ],
)
def test_an_arm_says_what_it_trains_on(arm, words):
    assert arm_meaning(Arm.model_validate(arm)) == f"the real training images, {words}"


def test_a_protocol_s_parameters_elsewhere_are_told_by_no_path(tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text("extends: study.yaml\n")
    private, shared, here = (
        validate({"report": {"protocol": str(name)}}) for name in (plan, "study", ROOT / "params/study.yaml")
    )
    assert str(ROOT) not in str(public_parameters(here))
    assert str(tmp_path) not in str(public_parameters(private)) and str(tmp_path) not in protocol_words(
        private
    )
    assert public_parameters(shared)["report"]["protocol"] == "study" and not own_paths(shared)
