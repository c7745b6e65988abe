import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers.classifier.arms import balanced_weights, compose_training_set, replicate_seed, training_seed
from helpers.data.resizing import resize_images
from helpers.errors import DataError, MissingStageError, ParameterError
from helpers.params import Params, validate

SIZE = 12


@pytest.fixture
def split():
    dx = ["mel"] * 20 + ["nv"] * 60 + ["bkl"] * 20
    parts = (["train"] * 7 + ["validation"] * 2 + ["test"]) * 10
    return pd.DataFrame({"image_id": [f"i{i:03d}" for i in range(100)], "dx": dx, "split": parts})


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (100, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture
def synthetic(tmp_path):
    folder = tmp_path / "seed-0"
    folder.mkdir()
    np.save(folder / "images.npy", np.repeat(np.arange(10, dtype=np.uint8), 8 * 8 * 3).reshape(10, 8, 8, 3))
    rank = np.random.default_rng(1).permutation(10) + 1
    pd.DataFrame({"index": range(10), "seed": range(10), "score": -rank, "rank": rank, "selected": 0}).to_csv(
        folder / "scores.csv", index=False
    )
    return folder


def compose(split, images, arm, folder=None, seed=0):
    return compose_training_set(
        split, images, validate({"arms": {"baseline": {}, "x": arm}}).arms["x"], "mel", folder, seed
    )


def test_the_baseline_is_the_training_images(split, images):
    chosen = compose(split, images, {})
    train = np.flatnonzero(split["split"] == "train")
    assert chosen.classes == ("bkl", "mel", "nv") and chosen.synthetic_images == 0 and len(chosen) == 70
    assert np.array_equal(chosen.photographs, train)
    assert [chosen.classes[label] for label in chosen.labels] == split["dx"].iloc[train].tolist()


def test_the_best_are_those_of_the_selector_that_the_arm_names(split, images, synthetic):
    by_distance = {"synthetic": {"select": "top", "count": 2, "rank": "distance"}}
    with pytest.raises(ParameterError, match="no column rank_distance.*run the stage 'synthesis' again, or"):
        compose(split, images, by_distance, synthetic)
    with pytest.raises(ParameterError, match="rank_classifier.*give notebook 03 the baseline classifier's"):
        compose(split, images, {"synthetic": {"select": "top", "count": 2, "rank": "classifier"}}, synthetic)
    scores = pd.read_csv(synthetic / "scores.csv")
    scores.assign(rank_distance=scores["rank"].to_numpy()[::-1]).to_csv(synthetic / "scores.csv", index=False)
    chosen = compose(split, images, by_distance, synthetic)
    assert chosen.pool_rows.tolist() == np.argsort(scores["rank"].to_numpy()[::-1])[:2].tolist()


@pytest.mark.parametrize(
    ("recipe", "count"),
    [
        ({"select": "top", "count": 3}, 3),
        ({"select": "bottom", "fraction": 0.4}, 4),
        ({"select": "all"}, 10),
        ({"select": "random", "count": 5}, 5),
    ],
)
def test_synthetic_images_join_the_target_class(split, images, synthetic, recipe, count):
    chosen = compose(split, images, {"synthetic": recipe}, synthetic)
    assert (
        chosen.synthetic_images == count
        and len(chosen) == 70 + count
        and chosen.synthetic.shape == (count, SIZE, SIZE, 3)
    )
    assert (chosen.labels[70:] == 1).all() and chosen.synthetic.dtype == np.uint8
    scores = pd.read_csv(synthetic / "scores.csv").set_index("rank")["index"]
    taken = set(chosen.synthetic[:, 0, 0, 0].tolist())  # image i is all of value i
    assert len(taken) == count
    if recipe["select"] == "top":
        assert taken == set(scores[[1, 2, 3]])
    if recipe["select"] == "bottom":
        assert taken == set(scores[[7, 8, 9, 10]])
    assert np.array_equal(chosen.synthetic, resize_images(chosen.pool[chosen.pool_rows], SIZE))


def test_random_choices_follow_the_seed(split, images, synthetic):
    for recipe in (
        {"synthetic": {"select": "random", "count": 5}},
        {"withhold": {"class": "mel"}},
        {"oversample": {"class": "nv", "count": 7}},
    ):
        digests = [compose(split, images, recipe, synthetic, seed).digest() for seed in (1, 1, 2)]
        assert digests[0] == digests[1] != digests[2]


def test_withhold_and_oversample(split, images):
    thinned = compose(split, images, {"withhold": {"class": "mel", "fraction": 0.5}})
    assert np.bincount(thinned.labels).tolist() == [14, 7, 42]
    few = compose(split, images, {"oversample": {"class": "mel", "count": 10}})
    assert np.bincount(few.labels).tolist() == [14, 24, 42] and len(set(few.photographs[70:])) == 10
    many = compose(split, images, {"oversample": {"class": "mel", "count": 30}})
    assert len(many) == 100 and (many.labels[70:] == 1).all()
    times = np.bincount(np.unique(many.photographs[70:], return_counts=True)[1])
    assert times.tolist() == [0, 0, 12, 2]  # of 14 melanomas each twice, and two of them once more
    both = compose(
        split,
        images,
        {"withhold": {"class": "mel", "fraction": 0.5}, "oversample": {"class": "mel", "count": 7}},
    )
    assert set(both.photographs[-7:]) <= set(thinned.photographs), "what was withheld must not come back"


def test_whole_lesions_are_withheld_and_others_in_another_replicate(split, images):
    split = split.assign(lesion_id=[f"L{row // 3}" if row % 10 else None for row in range(100)])
    training = split[split["split"] == "train"]
    mel = training[training["dx"] == "mel"]
    most, found = mel["lesion_id"].value_counts().max(), []
    for seed in range(6):
        chosen = compose(split, images, {"withhold": {"class": "mel", "fraction": 0.5}}, seed=seed)
        kept = mel.loc[mel.index.isin(chosen.photographs)]
        gone = mel.drop(kept.index)
        assert not set(kept["lesion_id"].dropna()) & set(gone["lesion_id"].dropna())
        assert abs(len(gone) - 7) <= most / 2, "half of 14, as nearly as whole lesions come"
        assert len(chosen) == 70 - len(gone), "no other class is touched"
        found.append(tuple(gone.index))
    assert len(set(found)) > 3 and most > 1


def test_photographs_take_the_way_of_synthetic_images(split, images):
    reduced = np.random.default_rng(2).integers(0, 256, (100, 8, 8, 3), dtype=np.uint8)
    params = validate(
        {
            "arms": {
                "sharp": {"oversample": {"class": "mel", "count": 10}},
                "blurred": {"oversample": {"class": "mel", "count": 10, "through": "synthesis"}},
            },
            "evaluation": {"reference": "sharp"},
        }
    )
    sharp, blurred = (
        compose_training_set(split, images, params.arms[name], "mel", None, 3, reduced)
        for name in ("sharp", "blurred")
    )
    again = sharp.photographs[70:]  # the same photographs, in the same order
    assert np.array_equal(blurred.photographs, sharp.photographs[:70])
    assert np.array_equal(blurred.labels, sharp.labels)
    assert np.array_equal(blurred.synthetic, resize_images(reduced[again], SIZE))
    assert np.array_equal(blurred.pool[blurred.pool_rows], reduced[again]) and len(blurred.pool) == 14
    assert blurred.synthetic_images == 0 and len(blurred.synthetic) == 10
    with pytest.raises(DataError, match="in the GAN's size"):
        compose_training_set(split, images, params.arms["blurred"], "mel", None, 3)
    with pytest.raises(ParameterError, match="do not go together"):
        both = {"oversample": {"through": "synthesis"}, "synthetic": {"select": "all"}}
        validate({"arms": {"baseline": {}, "both": both}})


def test_balanced_weights_have_mean_one(split, images):
    chosen = compose(split, images, {"loss": "balanced"})
    assert chosen.class_weights == pytest.approx([70 / 42, 70 / 42, 70 / 126])
    assert chosen.class_weights[chosen.labels].mean() == pytest.approx(1)
    assert balanced_weights(np.array([0, 0, 2]), 3) == pytest.approx([0.75, 0, 1.5])


def test_a_folder_of_anyone_s_images(split, images, tmp_path):
    folder = tmp_path / "their images"
    (folder / "more").mkdir(parents=True)
    Image.new("RGB", (30, 20), (200, 10, 10)).save(folder / "b.png")
    Image.new("L", (9, 9), 77).save(folder / "more" / "a.png")
    (folder / "notes.txt").write_text("no image")
    chosen = compose(split, images, {"synthetic": {"folder": str(folder), "class": "bkl"}})
    assert chosen.synthetic_images == 2 and (chosen.labels[70:] == 0).all()
    assert (
        chosen.synthetic[0, 5, 5].tolist() == [200, 10, 10] and chosen.synthetic[1, 5, 5].tolist() == [77] * 3
    )
    assert compose(split, images, {"synthetic": {"folder": str(folder), "count": 1}}).labels[-1] == 1
    with pytest.raises(ParameterError, match="critic's score"):
        compose(split, images, {"synthetic": {"folder": str(folder), "select": "top", "count": 1}})
    (folder / "broken.jpg").write_bytes(b"\xff\xd8half")
    with pytest.raises(DataError, match="broken.jpg"):
        compose(split, images, {"synthetic": {"folder": str(folder)}})


def test_faults_are_sentences(split, images, synthetic, tmp_path):
    with pytest.raises(ParameterError, match="classes are bkl, mel, nv"):
        compose(split, images, {"withhold": {"class": "melanoma"}})
    with pytest.raises(MissingStageError, match="synthesis"):
        compose(split, images, {"synthetic": {"select": "all"}}, tmp_path / "nowhere")
    with pytest.raises(ParameterError, match="only 10"):
        compose(split, images, {"synthetic": {"select": "top", "count": 11}}, synthetic)
    with pytest.raises(ParameterError, match="does not exist"):
        compose(split, images, {"synthetic": {"folder": str(tmp_path / "nowhere")}})
    with pytest.raises(DataError, match="rows"):
        compose(split, images[:50], {})


def test_replicates_are_paired_and_again_is_new():
    params = validate(
        {
            "arms": {"baseline": {}, "again": {}, "third": {}, "weighted": {"loss": "balanced"}},
            "replicates": 3,
        }
    )
    assert isinstance(params, Params)
    base = params.classifier.seed
    assert [replicate_seed(params, "baseline", r) for r in range(3)] == [base, base + 1, base + 2]
    assert replicate_seed(params, "weighted", 1) == base + 1
    assert len({replicate_seed(params, arm, 1) for arm in ("baseline", "again", "third")}) == 3
    assert [training_seed(params, "baseline", r) for r in range(3)] == [base, base + 1, base + 2]


def test_a_head_begins_elsewhere_than_the_head_with_which_its_trunk_was_trained():
    adapted = {"classifier": {"adapt": {"epochs": 2}}, "replicates": 3}
    params = validate({"arms": {"baseline": {}, "again": {}}, **adapted})
    heads = {training_seed(params, arm, r) for arm in params.arms for r in range(3)}
    assert len(heads) == 6 and not heads & {params.classifier.seed + part for part in range(3)}


def test_resizing_keeps_flat_colours_and_means():
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    small = resize_images(images, 8)
    assert small.shape == (2, 8, 8, 3) and abs(small.mean() - images.mean()) < 2
    assert resize_images(images, 32) is images
