"""Properties that hold whatever the input, tried by hypothesis.

Inputs are parameters, splits, metrics, archives, tables and pictures.
"""

import contextlib
import io
import json
import types
import typing
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import BaseModel
from sklearn import metrics as reference

from helpers.data.archives import FileTree
from helpers.data.classes import CLASSES
from helpers.data.decoding import decode
from helpers.data.splits import SPLITS, lesion_seen, split_metadata
from helpers.errors import DataError, ParameterError
from helpers.params import Params, departures, flatten, load_params, merge, parse_yaml, validate, yaml_text
from helpers.params.section import Variants
from support.one_model import metrics_of
from support.small_data import encoded, load_metadata

pytestmark = pytest.mark.filterwarnings("ignore")
QUICK = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# --- parameters ---------------------------------------------------------------------------------------


def values(field) -> st.SearchStrategy:
    """Values that one field allows, by its type and limits."""
    for mark in field.metadata:
        if isinstance(mark, Variants):
            return st.sampled_from(mark.names())
    limits = {
        name: getattr(limit, name)
        for limit in field.metadata
        for name in ("ge", "gt", "le", "lt", "min_length", "max_length")
        if hasattr(limit, name)
    }
    return _of(field.annotation, limits)


def _of(kind, limits) -> st.SearchStrategy:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return st.sampled_from(parts)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([st.none() if part is type(None) else _of(part, limits) for part in parts])
    if origin is typing.Annotated:
        inner = {
            name: getattr(limit, name)
            for extra in parts[1:]
            for limit in getattr(extra, "metadata", [extra])
            for name in ("ge", "gt", "le", "lt")
            if hasattr(limit, name)
        }
        return _of(parts[0], inner)
    if origin is list:
        return st.lists(_of(parts[0], {}), max_size=3, unique=True)
    if origin is tuple and parts[-1] is Ellipsis:
        return st.lists(_of(parts[0], {}), min_size=1, max_size=4, unique=True)
    if origin is tuple:
        return st.tuples(*(_of(part, {}) for part in parts)).map(list)
    if origin is dict:
        return st.dictionaries(_of(parts[0], {}), _of(parts[1], {}), max_size=3)
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.integers(limits.get("ge", 0), limits.get("le", 10**6))
    if kind is float:
        return st.floats(
            limits.get("ge", limits.get("gt", 0.0)),
            limits.get("le", limits.get("lt", 1e6)),
            exclude_min="gt" in limits,
            exclude_max="lt" in limits,
        )
    if kind is str:
        return st.text(
            st.characters(codec="utf-8", exclude_characters="\0~"),
            min_size=limits.get("min_length", 1),
            max_size=20,
        )
    raise AssertionError(f"no strategy for {kind}")


def sections(model: type[BaseModel]) -> st.SearchStrategy:
    """Some of a section's values."""
    optional = {}
    for name, field in model.model_fields.items():
        if name in ("arms", "fractions"):
            continue
        inner = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        optional[field.alias or name] = sections(field.annotation) if inner else values(field)
    return st.fixed_dictionaries({}, optional=optional)


def valid(mapping) -> Params:
    try:
        return validate({**mapping, "evaluation": mapping.get("evaluation", {}) | {"reference": "baseline"}})
    except ParameterError as error:
        # what two values say together is refused by sentences of their own; a value alone is within its
        # limits
        assert " must be " not in str(error), error
        assume(False)


@QUICK
@given(sections(Params))
@example({"description": "one\x85two"})
@example({"description": "0E0"})
def test_parameters_survive_every_way_that_they_go(mapping):
    params = valid(mapping)
    plain = params.as_dict()
    assert validate(plain) == params
    assert validate(json.loads(json.dumps(plain))) == params  # params.json
    assert validate(parse_yaml(yaml_text(plain), "it")) == params
    assert flatten(validate(merge(Params().as_dict(), plain)).as_dict()) == flatten(plain)
    changed = {row["parameter"] for row in departures(params)}
    assert all(flatten(plain).get(key) != flatten(Params().as_dict()).get(key) for key in changed)


@QUICK
@given(sections(Params), st.data())
def test_one_value_by_set_is_that_value(mapping, data):
    flat = {
        key: value
        for key, value in flatten(valid(mapping).as_dict()).items()
        if not key.startswith("arms.") and key != "evaluation.reference"
    }
    key = data.draw(st.sampled_from(sorted(flat)))
    try:
        params = load_params("paper", [f"{key}={json.dumps(flat[key])}"])
    except ParameterError as error:
        assert " must be " not in str(error)
        return
    assert flatten(params.as_dict())[key] == flat[key]


TREES = st.recursive(
    st.integers() | st.none(),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "arms", "c"]), inner, max_size=3),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(st.sampled_from(["a", "b", "arms", "c"]), TREES, max_size=3)


@given(MAPPINGS, MAPPINGS)
def test_merging(base, changes):
    before = json.dumps([base, changes])
    merged = merge(base, changes)
    assert json.dumps([base, changes]) == before  # neither is touched
    assert (
        merge(merged, changes) == merged
        and merge(base, {}) == base
        and merge({}, changes) == changes
        and merge(base, base) == base
    )
    assert set(merged) == set(base) | set(changes)
    for key, value in changes.items():
        if key == "arms" or not (isinstance(value, dict) and isinstance(base.get(key), dict)):
            assert merged[key] == value
        else:
            assert merged[key] == merge(base[key], value)


@QUICK
@given(
    st.text()
    | st.lists(
        st.sampled_from(
            [
                "gan",
                ":",
                " ",
                "\n",
                "  ",
                "- ",
                "{",
                "}",
                "[",
                "&a",
                "*a",
                "!!",
                "|",
                "<<",
                "'",
                "#",
                "\t",
                "1e5",
                "2024-13-01",
                "\ud800",
                "? ",
            ]
        )
    ).map("".join)
)
@example("[" * 3000)
@example("- " * 3000)
@example("0o8: 0b2\n1__: _")
def test_any_text_is_yaml_or_a_sentence(text):
    try:
        parse_yaml(text, "it")
    except ParameterError as error:
        assert str(error).startswith(("it is not valid YAML", "it holds", "it, ")) and str(error).endswith(
            "."
        )


@QUICK
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text() | st.sampled_from(["gan", "arms", "data", "split", "baseline", "synthetic"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=10,
    )
)
def test_any_mapping_is_parameters_or_a_sentence(tree):
    try:
        validate({"gan": tree} if not isinstance(tree, dict) else tree)
    except ParameterError as error:
        assert str(error).startswith("the parameters: ")


# --- splits -------------------------------------------------------------------------------------------


@st.composite
def data_sets(draw):
    """Metadata of two to four classes with lesions photographed one to six times."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = []
    for name in draw(st.lists(st.sampled_from(CLASSES), min_size=2, max_size=4, unique=True)):
        for lesion in range(draw(st.integers(3, 60))):
            rows += [(f"{name}-{lesion}", name)] * int(rng.integers(1, 7))
    order = rng.permutation(len(rows))
    table = pd.DataFrame([rows[i] for i in order], columns=["lesion_id", "dx"])
    return table.assign(image_id=[f"I{n}" for n in range(len(table))])


FRACTIONS = st.sampled_from([(0.7, 0.15, 0.15), (0.5, 0.25, 0.25), (0.8, 0.1, 0.1), (0.34, 0.33, 0.33)])


@QUICK
@given(data_sets(), st.sampled_from(["image", "lesion"]), FRACTIONS, st.integers(0, 2**31 - 1))
def test_splits(table, by, fractions, seed):
    try:
        split = split_metadata(table, by, fractions, seed)
    except DataError as error:
        assert "too few to be in training, validation and test" in str(error)
        smallest = table.groupby("dx")["image_id" if by == "image" else "lesion_id"].nunique().min()
        assert smallest <= (3 if by == "lesion" else 2) / min(fractions)
        return
    assert split.index.equals(table.index) and set(split) <= set(
        SPLITS
    )  # a partition: each image has one part
    assert split.equals(split_metadata(table, by, fractions, seed))
    counts = pd.crosstab(table["dx"], split)[list(SPLITS)]
    assert (counts > 0).all(axis=None)
    expected = counts.sum(axis=1).to_numpy()[:, None] * np.asarray(fractions)
    # by image to a rounding in each of two halvings, by lesion to the photographs of one
    assert np.abs(counts.to_numpy() - expected).max() <= (2 if by == "image" else 6)
    if by == "lesion":
        assert (table.assign(split=split).groupby("lesion_id")["split"].nunique() == 1).all()
        assert not lesion_seen(table.assign(split=split))[split != "train"].any()


# --- metrics ------------------------------------------------------------------------------------------


@QUICK
@given(st.data(), st.integers(2, 7), st.integers(1, 60))
def test_metrics_are_scikit_learn_s(data, classes, size):
    names = list(CLASSES[:classes])
    truth = data.draw(st.lists(st.sampled_from(names), min_size=size, max_size=size))
    found = data.draw(st.lists(st.sampled_from(names), min_size=size, max_size=size))
    target = data.draw(st.sampled_from(names))
    ours = metrics_of(truth, found, names, target=target)
    options = {"labels": names, "zero_division": 0}
    assert ours["accuracy"] == pytest.approx(reference.accuracy_score(truth, found))
    for name, score in (
        ("precision", reference.precision_score),
        ("recall", reference.recall_score),
        ("f1", reference.f1_score),
    ):
        assert ours[f"macro_{name}"] == pytest.approx(score(truth, found, average="macro", **options))
        np.testing.assert_allclose(ours["per_class"][name], score(truth, found, average=None, **options))
        assert ours[f"target_{name}"] == pytest.approx(
            score(truth, found, average=None, **options)[names.index(target)]
        )
    others = (
        [[label != name for label in truth] for name in names],
        [[label != name for label in found] for name in names],
    )
    specificity = [reference.recall_score(a, b, zero_division=0) for a, b in zip(*others, strict=True)]
    np.testing.assert_allclose(ours["per_class"]["specificity"], specificity)
    assert ours["paper_bma"] == pytest.approx((ours["macro_recall"] + np.mean(specificity)) / 2)
    assert all(0 <= ours[name] <= 1 for name in ("accuracy", "macro_f1", "paper_bma", "target_specificity"))


@QUICK
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(8, 60), st.booleans())
def test_metrics_of_probabilities_are_scikit_learn_s(seed, classes, size, tied):
    rng = np.random.default_rng(seed)
    names = list(CLASSES[:classes])
    truth = np.array(names)[
        np.concatenate([np.arange(classes), rng.integers(0, classes, size)])
    ]  # each class at least once
    scores = rng.dirichlet(np.ones(classes), len(truth))
    scores = np.round(scores, 1) if tied else scores
    ours = metrics_of(truth, scores, names, target=names[0])
    found = np.array(names)[scores.argmax(axis=1)]
    assert ours["accuracy"] == pytest.approx(reference.accuracy_score(truth, found))
    is_target = truth == names[0]
    assert ours["target_roc_auc"] == pytest.approx(reference.roc_auc_score(is_target, scores[:, 0]))
    assert ours["target_average_precision"] == pytest.approx(
        reference.average_precision_score(is_target, scores[:, 0])
    )
    each = [reference.roc_auc_score(truth == name, scores[:, n]) for n, name in enumerate(names)]
    assert ours["macro_roc_auc"] == pytest.approx(np.mean(each))
    assert ours["brier_score"] == pytest.approx(
        ((scores - (truth[:, None] == np.array(names))) ** 2).sum(axis=1).mean()
    )


# --- archives, tables, pictures ---------------------------------------------------------------------------

PARTS = st.sampled_from(["..", ".", "", "a", "b.jpg", "C:", "\\", "/", "ü", "\x1b", "__MACOSX", "x.csv"])
NAMES = st.lists(PARTS, min_size=1, max_size=5).map("/".join)


@QUICK
@given(st.lists(st.tuples(NAMES, st.binary(max_size=300), st.booleans()), max_size=6))
def test_archives_are_read_as_they_are_or_refused_and_never_unpacked(tmp_path, members):
    folder = tmp_path / "in" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), zipfile.ZipFile(folder / "a.zip", "w") as archive:
        warnings.simplefilter("ignore")  # two of one name
        for name, content, packed in members:
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, content, zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
    try:
        tree = FileTree(folder)
    except DataError as error:
        assert "a.zip" in str(error)
        names = [name.replace("\\", "/") for name, _, _ in members]
        assert any(".." in name.split("/") or name.startswith(("/", "C:")) or not name for name in names)
    else:
        last = {name: content for name, content, _ in members}
        for file in tree.files:
            assert (
                tree.read(file) == last[file.member]
                and ".." not in file.name.split("/")
                and not file.member.startswith("/")
            )
        tree.close()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == [
        "in",
        "in/data",
        "in/data/a.zip",
    ]


def whole_archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(3):
            archive.writestr(f"a{n}.jpg", encoded(n))
        archive.writestr("HAM10000_metadata.csv", "lesion_id,image_id,dx\n" * 40)
    return buffer.getvalue()


WHOLE = whole_archive()


@QUICK
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, len(WHOLE)),
)
def test_a_damaged_archive_is_a_sentence(tmp_path, changes, kept):
    content = bytearray(WHOLE)
    for place, value in changes:
        content[place] = value
    (tmp_path / "a.zip").write_bytes(content[:kept] if kept % 3 == 0 else content)
    try:
        tree = FileTree(tmp_path / "a.zip")
        for file in tree.files:
            with contextlib.suppress(OSError):
                tree.read(file)
        tree.close()
        load_metadata(tmp_path / "a.zip")
    except DataError as error:
        assert str(error)


@QUICK
@given(
    st.binary(max_size=400)
    | st.lists(
        st.sampled_from(
            [
                b"lesion_id",
                b"image_id",
                b"dx",
                b"dx_type",
                b"age",
                b"sex",
                b"localization",
                b",",
                b";",
                b"\t",
                b"\n",
                b'"',
                b"\r",
                b"\0",
                b"mel",
                b"1",
            ]
        )
    ).map(b"".join)
)
def test_any_bytes_are_metadata_or_a_sentence(tmp_path, content):
    (tmp_path / "HAM10000_metadata.csv").write_bytes(content)
    try:
        table = load_metadata(tmp_path)
    except DataError as error:
        assert str(error)
    else:
        assert len(table) and table["dx"].isin(CLASSES).all()


PICTURES = [encoded(1), encoded(1, "PNG"), encoded(1, "JPEG", "CMYK"), encoded(1, "PNG", "P")]


@QUICK
@given(
    st.sampled_from(PICTURES),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8),
    st.integers(0, 3000),
)
def test_a_damaged_picture_is_a_picture_or_a_few_words(content, changes, kept):
    changed = bytearray(content)
    for place, value in changes:
        changed[place % len(changed)] = value
    try:
        picture = decode(bytes(changed[:kept] if kept < len(changed) else changed))
    except DataError as error:
        assert str(error) and not str(error).endswith(".")
    else:
        assert isinstance(picture, Image.Image) and picture.mode == "RGB"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_picture_or_a_few_words(content):
    with pytest.raises(DataError):
        decode(content)
