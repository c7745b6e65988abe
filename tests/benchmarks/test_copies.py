"""The script that asks whether synthetic images are copies of training photographs."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def copies(script):
    return script("copies")


def made(copies, copied: float, seed: int, count: int = 400):
    """Points for photographs of 180 lesions, 120 of them trained on, and synthetic ones: a share are copies,
    and the rest are drawn like the photographs, but nearer to the usual one.
    """
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, 180)
    lesions = np.repeat(np.arange(180), counts)
    centres = rng.normal(size=(180, 8))
    photographs = centres[lesions] + 0.1 * rng.normal(size=(len(lesions), 8))
    trained = int(counts[:120].sum())
    images = 0.5 * rng.normal(size=(count, 8))
    planted = rng.choice(trained, int(copied * count))
    images[: len(planted)] = photographs[planted] + 0.01 * rng.normal(size=(len(planted), 8))
    nearest = copies.nearest_photograph("features", images, photographs)
    return copies.share_of_trained(nearest, lesions, trained, 200, seed)


def test_copies_are_found_and_crowding_alone_is_not_taken_for_them(copies):
    assert all(made(copies, 0.8, seed)["p"] < 0.05 for seed in range(5))
    without = [made(copies, 0, seed) for seed in range(40)]
    assert sum(found["p"] < 0.05 for found in without) <= 6  # two are expected
    assert np.mean([found["share"] - found["expected"] for found in without]) == pytest.approx(0, abs=0.02)
    assert all(found["low"] <= found["expected"] <= found["high"] for found in without)


def test_a_copy_raises_the_share_by_the_part_that_was_held_out(copies):
    raised = [made(copies, 0.2, seed)["share"] - made(copies, 0, seed)["share"] for seed in range(10)]
    assert np.mean(raised) == pytest.approx(0.2 / 3, abs=0.03)


def test_lesions_are_those_of_the_photographs_that_are_compared(copies):
    split = pd.DataFrame(
        [
            ("mel", "train", "a"),
            ("mel", "withheld", "b"),
            ("mel", "test", "a"),  # of a lesion that is trained on
            ("nv", "test", "c"),
            ("mel", "validation", "d"),
            ("mel", "test", None),
            ("mel", "train", "e"),
        ],
        columns=["dx", "split", "lesion_id"],
    ).assign(image_id=range(7))
    trained, held_out = copies.lesions_of(split, "mel")
    assert trained.tolist() == ["a", "e"] and held_out.tolist() == ["d", 5]


def test_in_pixels_a_mirrored_copy_is_one(copies):
    rng = np.random.default_rng(0)
    photographs = rng.integers(0, 255, (5, 8, 8, 3), dtype=np.uint8)
    assert copies.nearest_photograph("pixels", photographs[:, ::-1], photographs).tolist() == [0, 1, 2, 3, 4]


def test_a_run_that_does_not_exist_ends_in_a_sentence(copies, place, capsys):
    assert copies.main(["nothing"]) == 2
    assert "copies.py: " in capsys.readouterr().err
