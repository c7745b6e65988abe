"""The split of the paper to the image, the leak-free one, and what a split leaks."""

import numpy as np
import pandas as pd
import pytest

from helpers.data import splits
from helpers.data.selection import select_images, wanted_count
from helpers.data.splits import SPLITS, lesion_seen, lesion_table, split_quality
from helpers.errors import DataError, ParameterError
from helpers.params import Split
from helpers.report.eda import leak_sentence
from support.project import ROOT
from support.small_data import load_metadata

REAL = ROOT.parent / "shared" / "data" / "ham10000-200x150"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="HAM10000 is not here")
TEST_SUPPORT = {"akiec": 49, "bcc": 77, "bkl": 165, "df": 17, "mel": 167, "nv": 1006, "vasc": 22}
PAPER = Split()


def split_metadata(metadata, by=PAPER.by, fractions=PAPER.fractions, seed=PAPER.seed):
    """The split with the paper's parameters where none are given."""
    return splits.split_metadata(metadata, by, fractions, seed)


def split_folds(metadata, folds, repeats=1, validation=PAPER.fractions[1], seed=PAPER.seed):
    return splits.split_folds(metadata, folds, repeats, validation, seed)


def drawn_metadata(classes: dict[str, int], seed: int = 0) -> pd.DataFrame:
    """Metadata with 1 to 6 photographs per lesion, in random order."""
    rng = np.random.default_rng(seed)
    rows = []
    for dx, count in classes.items():
        lesion = 0
        while count:
            photographs = min(count, int(rng.choice([1, 1, 1, 2, 3, 6])))
            rows += [(f"{dx}-{lesion}", dx)] * photographs
            count, lesion = count - photographs, lesion + 1
    table = (
        pd.DataFrame(rows, columns=["lesion_id", "dx"])
        .sample(frac=1, random_state=seed)
        .reset_index(drop=True)
    )
    return table.assign(image_id=[f"I{i:05d}" for i in range(len(table))])


@pytest.fixture(scope="module")
def real():
    return load_metadata(REAL)


@needs_real
@pytest.mark.parametrize(
    ("seed", "leak", "target_leak"), [(42, 36.1, 63.5), (0, 36.4, 65.3), (123, 35.6, 62.9)]
)
def test_paper_split_to_the_image(real, seed, leak, target_leak):
    split = split_metadata(real, by="image", seed=seed)
    assert split.value_counts().to_dict() == {"train": 7010, "validation": 1502, "test": 1503}
    assert real["dx"][split == "test"].value_counts().sort_index().to_dict() == TEST_SUPPORT
    assert pd.crosstab(real["dx"], split).loc["mel", ["train", "validation", "test"]].tolist() == [
        779,
        167,
        167,
    ]
    quality = split_quality(real, split, target="mel")
    assert round(100 * quality["test_seen_share"], 1) == leak
    assert round(100 * quality["target_seen_share"], 1) == target_leak
    assert {name: row["images"] for name, row in quality["classes"].items()} == TEST_SUPPORT
    assert sum(row["seen"] for row in quality["classes"].values()) == quality["test_seen"]


@needs_real
def test_paper_split_is_scikit_learns(real):
    from sklearn.model_selection import train_test_split

    train, rest = train_test_split(real, test_size=0.30, stratify=real["dx"], random_state=42)
    validation, test = train_test_split(rest, test_size=0.50, stratify=rest["dx"], random_state=42)
    split = split_metadata(real, seed=42)
    for name, part in (("train", train), ("validation", validation), ("test", test)):
        assert set(real["image_id"][split == name]) == set(part["image_id"])


@needs_real
@pytest.mark.parametrize("seed", [0, 42])
def test_lesion_split_of_the_real_data(real, seed):
    split = split_metadata(real, by="lesion", seed=seed)
    shares = pd.crosstab(real["dx"], split, normalize="index")
    for name, fraction in (("train", 0.70), ("validation", 0.15), ("test", 0.15)):
        assert (shares[name] - fraction).abs().max() < 0.015
        assert abs((split == name).mean() - fraction) < 0.002
    quality = split_quality(real, split, target="mel")
    assert quality["test_seen"] == quality["validation_seen"] == quality["target_seen"] == 0
    assert real.groupby("lesion_id")["lesion_id"].count().shape == (7470,)
    assert (split.groupby(real["lesion_id"]).nunique() == 1).all()
    # the parts are alike in photographs per lesion, so none is easier by its duplicates
    photographs = (
        real.assign(split=split)
        .groupby("split")["lesion_id"]
        .agg(lambda column: len(column) / column.nunique())
    )
    assert photographs.max() - photographs.min() < 0.05


@pytest.mark.parametrize("by", ["image", "lesion"])
def test_split_depends_on_its_seed_alone(by):
    metadata = drawn_metadata({"a": 300, "b": 60, "c": 40})
    first = split_metadata(metadata, by, seed=7)
    assert first.equals(split_metadata(metadata, by, seed=7))
    assert not first.equals(split_metadata(metadata, by, seed=8))
    assert first.index.equals(metadata.index)


def test_lesion_split_ignores_the_order_of_rows():
    metadata = drawn_metadata({"a": 300, "b": 60})
    shuffled = metadata.sample(frac=1, random_state=3)
    assert (
        split_metadata(metadata, "lesion")
        .sort_index()
        .equals(split_metadata(shuffled, "lesion").sort_index())
    )


@pytest.mark.parametrize("seed", range(5))
def test_lesion_split_shares_of_drawn_classes(seed):
    metadata = drawn_metadata({"a": 800, "b": 140, "c": 90}, seed)
    split = split_metadata(metadata, "lesion", fractions=(0.6, 0.3, 0.1), seed=seed)
    shares = pd.crosstab(metadata["dx"], split, normalize="index")
    for name, fraction in (("train", 0.6), ("validation", 0.3), ("test", 0.1)):
        assert (shares[name] - fraction).abs().max() < 0.015
    assert (split.groupby(metadata["lesion_id"]).nunique() == 1).all()


def test_other_index_is_kept():
    metadata = drawn_metadata({"a": 100, "b": 50}).set_index("image_id", drop=False)
    for by in ("image", "lesion"):
        assert split_metadata(metadata, by).index.equals(metadata.index)


def test_lesion_with_two_labels_goes_by_the_majority():
    metadata = pd.DataFrame(
        {"lesion_id": ["x", "x", "x", "y", "y", "z"], "dx": ["mel", "nv", "mel", "nv", "mel", "nv"]}
    )
    table = lesion_table(metadata)
    assert table["dx"].to_dict() == {
        "x": "mel",
        "y": "mel",
        "z": "nv",
    }  # y is tied: the first in the alphabet
    assert table["images"].to_dict() == {"x": 3, "y": 2, "z": 1}


@pytest.mark.parametrize(("by", "count"), [("image", 1), ("image", 3), ("lesion", 2)])
def test_class_too_small_is_named(by, count):
    metadata = pd.concat(
        [
            drawn_metadata({"a": 100}),
            pd.DataFrame(
                {
                    "lesion_id": [f"r{i}" for i in range(count)],
                    "dx": "rare",
                    "image_id": [f"r{i}" for i in range(count)],
                }
            ),
        ]
    )
    with pytest.raises(DataError, match=rf"'rare' has {count} "):
        split_metadata(metadata.reset_index(drop=True), by)


def test_bad_arguments_are_sentences():
    metadata = drawn_metadata({"a": 100})
    with pytest.raises(ParameterError, match="'patient'"):
        split_metadata(metadata, "patient")
    with pytest.raises(ParameterError, match="sum to 1"):
        split_metadata(metadata, fractions=(0.5, 0.1, 0.1))


def test_quality_by_hand():
    metadata = pd.DataFrame({"lesion_id": list("aabbccd"), "dx": ["m", "m", "n", "n", "m", "m", "m"]})
    split = pd.Series(["train", "test", "train", "validation", "test", "test", "test"])
    quality = split_quality(metadata, split, target="m")
    assert (quality["test_images"], quality["test_seen"], quality["test_seen_share"]) == (4, 1, 0.25)
    assert (quality["validation_images"], quality["validation_seen"]) == (1, 1)
    assert quality["classes"]["n"]["images"] == 0
    assert (quality["target_images"], quality["target_seen"]) == (4, 1)
    assert lesion_seen(metadata.assign(split=split)).tolist() == [True, True, True, True, False, False, False]


# --- selection --------------------------------------------------------------------------------------

SCORES = pd.DataFrame(
    {"index": [3, 0, 2, 1, 4], "score": [0.1, 0.9, 0.5, 0.7, -1.0], "rank": [4, 1, 3, 2, 5]}
)


def test_selection_by_rank():
    assert select_images(SCORES, "top", count=2).tolist() == [0, 1]
    assert select_images(SCORES, "bottom", count=2).tolist() == [4, 3]
    assert select_images(SCORES, "all").tolist() == [0, 1, 2, 3, 4]
    assert select_images(SCORES, "top", fraction=0.5).tolist() == [0, 1, 2]  # 2.5 rounds up


def test_random_selection_is_without_replacement_and_by_seed():
    scores = pd.DataFrame({"index": range(1000), "rank": range(1, 1001)})
    chosen = select_images(scores, "random", count=300, seed=5)
    assert len(set(chosen)) == 300
    assert (
        chosen.tolist()
        == select_images(scores.sample(frac=1, random_state=1), "random", count=300, seed=5).tolist()
    )
    assert set(chosen) != set(select_images(scores, "random", count=300, seed=6))
    # uniform: the mean of 300 of 0..999 lies within 4 standard errors of 499.5
    assert abs(chosen.mean() - 499.5) < 4 * 288.7 / np.sqrt(300)


@pytest.mark.parametrize(
    ("fraction", "available", "count"),
    [(0.3, 1000, 300), (0.145, 100, 15), (0.001, 10, 1), (1.0, 7, 7), (0.5, 3, 2)],
)
def test_fraction_rounds_half_up_and_is_at_least_one(fraction, available, count):
    assert wanted_count(available, fraction=fraction) == count


def test_selection_refuses_in_sentences():
    with pytest.raises(ParameterError, match="6 synthetic images are asked for and only 5"):
        select_images(SCORES, "top", count=6)
    with pytest.raises(ParameterError, match="'best'"):
        select_images(SCORES, "best", count=1)
    with pytest.raises(ParameterError, match="needs a count"):
        select_images(SCORES, "top")
    with pytest.raises(ParameterError, match="drop the count"):
        select_images(SCORES, "all", count=3)
    with pytest.raises(ParameterError, match="not both"):
        select_images(SCORES, "top", count=1, fraction=0.5)


def test_unknown_lesions_are_not_called_unseen():
    table = pd.DataFrame(
        {"lesion_id": [None] * 4, "dx": ["mel", "nv"] * 2, "split": ["train", "test", "test", "train"]}
    )
    assert not lesion_seen(table).any()
    quality = split_quality(table, table["split"], "mel")
    assert not quality["lesions_known"]
    said = leak_sentence(quality, "mel", "image")
    assert "unknown" in said and "no test image" not in said


def test_every_image_is_tested_once_in_each_deal_and_no_lesion_is_on_two_sides():
    metadata = drawn_metadata({"mel": 120, "nv": 600, "df": 40})
    parts = split_folds(metadata, 5, repeats=2, validation=0.125, seed=3)
    assert len(parts) == 10
    for deal in (parts[:5], parts[5:]):
        tested = np.stack([(part == "test").to_numpy() for part in deal])
        assert (tested.sum(axis=0) == 1).all()
        assert np.ptp(tested.sum(axis=1)) <= 6, "the folds are of one size, to one lesion"
        shares = np.stack(
            [
                metadata.groupby("dx").size() / 5 - metadata[part == "test"].groupby("dx").size()
                for part in deal
            ]
        )
        assert np.abs(shares).max() < 6, "each fold has its fifth of every class, to one lesion"
    for part in parts:
        assert part.index.equals(metadata.index)
        lesions = {name: set(metadata["lesion_id"][part == name]) for name in SPLITS}
        assert not lesions["train"] & lesions["test"] and not lesions["validation"] & lesions["test"]
        assert not lesions["train"] & lesions["validation"]
        share = (part == "validation").groupby(metadata["dx"]).mean()
        assert (share - 0.125).abs().max() < 0.05
    assert not parts[0].equals(parts[5]), "the second deal is another one"
    again = split_folds(metadata, 5, repeats=2, validation=0.125, seed=3)
    assert all(a.equals(b) for a, b in zip(parts, again, strict=True))
    assert not parts[0].equals(split_folds(metadata, 5, validation=0.125, seed=4)[0])


def test_patients_with_several_diagnoses_are_dealt_into_folds_too():
    metadata = drawn_metadata({"mel": 120, "nv": 300})
    metadata["lesion_id"] = "patient " + (metadata.index % 90).astype(str)
    parts = split_folds(metadata, 3)
    assert (np.stack([part == "test" for part in parts]).sum(axis=0) == 1).all()
    for part in parts:
        assert (metadata["lesion_id"].groupby([metadata["lesion_id"], part]).ngroups) == 90
        assert (
            (metadata[part == "test"]["dx"].value_counts() / metadata["dx"].value_counts())
            .between(0.25, 0.42)
            .all()
        )


def test_a_class_with_fewer_lesions_than_folds_is_named():
    metadata = drawn_metadata({"mel": 120, "nv": 300, "rare": 3})
    with pytest.raises(DataError, match=r"The class 'rare' has .* too few"):
        split_folds(metadata, 5)
