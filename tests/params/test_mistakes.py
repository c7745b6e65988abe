"""Sentences for mistakes: the key that is meant, an example of what may stand there, and a way that works."""

import json
import re
import shlex

import pytest

from helpers.errors import ParameterError, did_you_mean, near_name, nearest
from helpers.params import Params, flatten, load_params, validate


def mistake(*overrides: str, file: str = "quick") -> str:
    with pytest.raises(ParameterError) as told:
        load_params(file, overrides)
    return str(told.value).removeprefix(f"{file}.yaml: ")


# --- a key that is none -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        # of the same section, though another section has the very name
        ("gan.seed", "'seeds'"),
        ("classifier.epochs", "'max_epochs'"),
        ("gan.epoch_s", "'epochs'"),
        # of a section in it
        ("arms.all.count", "'arms.all.synthetic.count' or 'arms.all.oversample.count'"),
        ("arms.all.select", "'arms.all.synthetic.select'"),
        (
            "arms.all.class",
            "'arms.all.synthetic.class', 'arms.all.oversample.class' or 'arms.all.withhold.class'",
        ),
        ("data.seed", "'data.split.seed' or 'data.phantom.seed'"),
        # elsewhere
        ("batch_size", "'gan.batch_size', 'synthesis.batch_size' or 'classifier.batch_size'"),
        ("seed", "'synthesis.seed', 'classifier.seed' or 'evaluation.seed'"),
        ("epochs", "'gan.epochs'"),
        ("images", "'data.phantom.images'"),
        ("loss", "'arms.<arm>.loss'"),
        ("gan.backbone", "'classifier.backbone'"),
        ("gan.replicates", "'replicates'"),
        # whatever the case
        ("GAN", "'gan'"),
        ("GAN.steps", "'gan'"),
        ("gan.Steps", "'steps'"),
        ("Batch_Size", "'gan.batch_size', 'synthesis.batch_size' or 'classifier.batch_size'"),
        ("arms.all.COUNT", "'arms.all.synthetic.count' or 'arms.all.oversample.count'"),
        ("arms.all.oversample.Class", "'class'"),
    ],
)
def test_the_key_that_is_meant_is_named_from_near_to_far(key, meant):
    assert mistake(f"{key}=4").endswith(f" is not a parameter (did you mean {meant}?).")


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("data.phantom.count", "images, seed"),  # not synthesis.count
        ("arms.all.foo", "synthetic, oversample, withhold, loss"),
        ("arms.all.withhold.seed", "class, fraction"),
        ("foo", ", ".join(Params.model_fields)),
    ],
)
def test_where_none_is_near_the_keys_of_the_section_are_listed(key, known):
    assert mistake(f"{key}=4") == f"'{key}' is not a parameter; known here: {known}."


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("GAN", ["data", "gan"], "gan"),
        ("ham1000", ["HAM10000", "folder"], "HAM10000"),
        ("straße", ["STRASSE"], "STRASSE"),
        ("x", ["gan"], None),
        ("x", [], None),
    ],
)
def test_names_are_alike_whatever_their_case(name, known, found):
    assert near_name(name, known) == found
    assert nearest(name, known, ".yaml") == (f" (did you mean '{found}.yaml'?)" if found else "")


def test_names_less_alike_than_asked_for_are_not_near():
    assert near_name("stepz", ["steps"], cutoff=0.7) == "steps"
    assert near_name("sxxxs", ["steps"], cutoff=0.7) is None


def test_several_names_are_an_enumeration():
    assert did_you_mean([]) == ""
    assert did_you_mean("a") == " (did you mean 'a'?)"
    assert did_you_mean("abc") == " (did you mean 'a', 'b' or 'c'?)"


def test_a_choice_in_capitals_is_met_with_the_right_one():
    assert mistake("data.source=HAM10000").endswith("not 'HAM10000' (did you mean 'ham10000'?).")


# --- lists and contrasts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "example"),
    [
        ("data.leave_out", "masks", "[masks]"),
        ("evaluation.primary_metrics", "recall", "[target_recall]"),
        ("evaluation.primary_contrasts", "filtered - baseline", "[filtered - baseline]"),
        ("gan.classes", "spitz", "[target, nv]"),
        ("gan.seeds", "1,2", "[0, 1]"),
        ("gan.adam_betas", "x", "[0.0, 0.9]"),
        ("data.split.fractions", "x", "[0.7, 0.15, 0.15]"),
    ],
)
def test_a_list_is_asked_for_by_an_example_that_is_right(key, value, example):
    assert mistake(f"{key}={value}") == f"{key} must be a list such as {example}, not '{value}'."
    folder = ["data.source=folder", "data.root=x"]
    assert load_params("quick", [*folder, f"{key}={example}"])


LISTS = [key for key, value in flatten(Params().as_dict()).items() if isinstance(value, list)]


@pytest.mark.parametrize("key", LISTS)
def test_every_list_has_an_example(key):
    assert f"{key} must be a list such as [" in mistake(f"{key}=oh!")
    assert f"{key} must be a list such as [" in mistake(f"{key}={{a: 1}}")


@pytest.mark.parametrize("key", flatten(Params().as_dict()))
@pytest.mark.parametrize("value", ["oh!", 3, 0.5, -1, True, None, [], [[]], [None], {}, {"a": "b"}])
def test_no_sentence_has_words_of_the_library(key, value):
    try:
        load_params("quick", [f"{key}={json.dumps(value)}"])
    except ParameterError as error:
        assert not re.search(r"[Ii]nput should|valid (list|tuple|dict)|type=", str(error))
        assert "be a list, not a list" not in str(error)


@pytest.mark.parametrize(
    "contrast", ["filtered-baseline", "filtered -baseline", "filtered", "a - b - c", "a -  b"]
)
def test_a_contrast_is_told_how_it_is_written(contrast):
    assert mistake(f"evaluation.primary_contrasts=[{contrast}]") == (
        f"evaluation.primary_contrasts.0: '{contrast}' is no contrast; write two arms with a minus between "
        "them and a space on either side of it, such as 'filtered - baseline'."
    )


def test_a_long_contrast_is_shown_in_part():
    assert f"'{'x' * 90}' is no contrast" in mistake(f"evaluation.primary_contrasts=[{'x' * 5000}]")


def test_an_arm_is_not_compared_with_itself():
    assert mistake("evaluation.primary_contrasts=[all - baseline, filtered - filtered]") == (
        "evaluation.primary_contrasts.1: 'filtered - filtered' compares an arm with itself; "
        "name two arms, or leave it out."
    )
    named = load_params("quick", ["arms.all-2={}", "evaluation.primary_contrasts=[all-2 - all]"])
    assert named.evaluation.primary_contrasts == ["all-2 - all"]


# --- a text that looks like a number ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("data.target_class=1", "1"),
        ("data.target_class=true", "true"),
        ("gan.classes=[1]", "1"),
        ("data.columns.class=2024", "2024"),
        ("report.title=2024", "2024"),
        ("arms.x={oversample: {class: 1}}", "1"),
    ],
)
def test_a_text_that_looks_like_a_number_is_told_how_it_is_quoted(tmp_path, override, text):
    """Both ways that the sentence shows are tried: the one of a file, and the one of a shell."""
    told = mistake("data.source=folder", "data.root=x", override)
    in_a_file, by_set = re.fullmatch(
        r'.* must be a text, not \w+ \(write it in quotes: ("\w+") in a file, (.+) after --set\)\.', told
    ).groups()
    assert in_a_file == f'"{text}"'
    (word,) = shlex.split(by_set)
    folder = ["data.source=folder", "data.root=x", "arms.x={}"]
    params = load_params("quick", [*folder, word])
    key = word.partition("=")[0]
    found = flatten(params.as_dict()).get(key)
    if key.startswith("arms."):
        found = params.arms["x"].oversample.class_
    elif key == "data.columns.class":
        found = params.data.columns["class"]
    assert found in (text, [text])
    path = tmp_path / "it.yaml"
    path.write_text(f"extends: quick\ndata: {{target_class: {in_a_file}}}\n")
    assert load_params(path).data.target_class == text


def test_a_number_whose_writing_is_lost_is_not_made_up():
    assert mistake("data.target_class=1.50") == (
        'data.target_class must be a text, not 1.5 (write it in quotes: "…" in a file, '
        "data.target_class='\"…\"' after --set)."
    )
    assert mistake("report.title=") == "report.title must be a text, not nothing."


# --- parameters that the source does not read ---------------------------------------------------------

READ_BY_ONE = [("leave_out", "[masks]"), ("columns", "{class: finding}")]


@pytest.mark.parametrize(("name", "value"), READ_BY_ONE)
@pytest.mark.parametrize(("file", "source"), [("quick", "phantom"), ("laptop", "ham10000")])
def test_what_another_source_alone_reads_is_refused(name, value, file, source):
    assert mistake(f"data.{name}={value}", file=file) == (
        f"data.{name} is read by source 'folder' alone, and the source here is '{source}': leave it out."
    )


@pytest.mark.parametrize(("name", "value"), READ_BY_ONE)
def test_the_source_that_reads_it_takes_it_and_the_default_goes_with_all(name, value):
    folder = ["data.source=folder", "data.root=x"]
    assert getattr(load_params("quick", [*folder, f"data.{name}={value}"]).data, name)
    empty = "[]" if name == "leave_out" else "{}"
    for file in ("quick", "laptop"):
        assert not getattr(load_params(file, [f"data.{name}={empty}"]).data, name)


def test_a_source_that_is_none_is_told_alone():
    assert mistake("data.source=flder", "data.leave_out=[masks]") == (
        "data.source must be one of 'folder', 'ham10000' or 'phantom', not 'flder' (did you mean 'folder'?)."
    )


def test_drawn_lesions_may_stay_described_beside_photographs():
    """quick.yaml says how many it draws, and --set data.source=ham10000 is its way to photographs."""
    assert (
        load_params("quick", ["data.source=ham10000", "data.phantom.images=200"]).data.phantom.images == 200
    )
    assert validate({"data": {"source": "ham10000", "phantom": {"images": 200}}})
