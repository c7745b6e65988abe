"""Numbers in parameter files and behind --set: decimal as they stand there, or refused by a sentence."""

import pytest

from helpers.errors import ParameterError
from helpers.params import load_params, parse_yaml, yaml_text


def by_set(tmp_path, key: str, text: str):
    """What --set makes of a value."""
    return load_params("quick", [f"{key}={text}"])


def in_a_file(tmp_path, key: str, text: str):
    """What a file makes of the same value."""
    section, name = key.split(".")
    path = tmp_path / "it.yaml"
    path.write_text(f"extends: quick\n{section}:\n  {name}: {text}\n")
    return load_params(path)


EITHER_WAY = pytest.mark.parametrize("read", [by_set, in_a_file])


@EITHER_WAY
@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("gan.steps", "010", 10),
        ("gan.steps", "0500", 500),
        ("gan.steps", "1_000", 1000),
        ("gan.steps", "+5", 5),
        ("gan.steps", "1e3", 1000),
        ("gan.steps", "0x10", 16),
        ("gan.seeds", "[0, 010]", (0, 10)),
        ("gan.lr_generator", "1e-3", 1e-3),
        ("gan.lr_generator", "1.0e-3", 1e-3),
        ("gan.lr_generator", "5.E-5", 5e-5),
        ("gan.lr_generator", ".5e-3", 5e-4),
        ("gan.lr_generator", ".01", 0.01),
        ("gan.lr_generator", "0.05", 0.05),
        ("synthesis.keep_fraction", "1", 1.0),
        # a class may be called so
        ("data.target_class", "010", "010"),
        ("data.target_class", "1:30", "1:30"),
        ("data.target_class", "1_000", "1_000"),
    ],
)
def test_a_number_is_read_as_it_stands_there(tmp_path, read, key, text, value):
    section, name = key.split(".")
    found = getattr(getattr(read(tmp_path, key, text), section), name)
    assert found == value and type(found) is type(value)


@EITHER_WAY
@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        ("gan.steps", "1:30", "gan.steps must be a whole number, not '1:30'."),
        ("gan.lr_generator", "1:30.5", "gan.lr_generator must be a number, not '1:30.5'."),
        ("gan.steps", "0o10", "gan.steps must be a whole number, not '0o10'."),
        ("gan.steps", "0b11", "gan.steps must be a whole number, not '0b11'."),
        ("gan.steps", f"0x{'f' * 4000}", "gan.steps must be a whole number, not '0xfff"),
        ("gan.steps", "-05", "gan.steps must be at least 1, not '-05'."),
        ("gan.resolution", "064", "gan.resolution must be one of 32, 64 or 128, not '064'."),
        ("gan.steps", ".inf", "gan.steps must be a finite number, not inf."),
        ("gan.lr_generator", ".NaN", "gan.lr_generator must be a finite number, not nan."),
    ],
)
def test_another_way_of_counting_is_refused(tmp_path, read, key, text, sentence):
    with pytest.raises(ParameterError) as told:
        read(tmp_path, key, text)
    assert sentence in str(told.value)


@pytest.mark.parametrize(
    "value",
    [
        "010",
        "1:30",
        "0x10",
        "1_000",
        "1e3",
        ".5e3",
        "5.",
        ".inf",
        "true",
        "yes",
        8,
        1e-5,
        1e16,
        0.5,
        True,
    ],
)
def test_what_is_written_is_read_again(value):
    found = parse_yaml(yaml_text({"it": value}), "it")["it"]
    assert found == value and type(found) is type(value)
    assert (f"'{value}'" in yaml_text({"it": value})) == isinstance(value, str)  # for other readers, too
