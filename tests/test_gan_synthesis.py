"""Generation by seed, scores that do not depend on neighbours, and pixel distances by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import params
from helpers.gan.fidelity import distances, flatten_images, measure_fidelity
from helpers.gan.networks import Discriminator, Generator
from helpers.gan.synthesis import generate, mean_style, rank_scores, reference_features, score_images, synthesize
from helpers.gan.training import load_discriminator, load_generator, train_gan

REAL = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
CONFIG = params.Gan(resolution=32, channel_scale=0.02, batch_size=4, steps=1, n_critic=1, threads=1, precision="float32")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    train_gan(REAL, CONFIG, directory / "gan", "cpu")
    scores = synthesize(directory / "gan", directory / "synthetic", CONFIG, params.Synthesis(count=20, batch_size=7), REAL, "cpu")
    return directory, scores


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return Generator(32, 0.05).eval()


@pytest.fixture(scope="module")
def critic():
    torch.manual_seed(0)
    return Discriminator(32, 0.05).eval()


def images_of(generator, seeds, batch_size, truncation=1.0):
    return np.concatenate(list(generate(generator, np.array(seeds), batch_size, truncation)))


def test_files(run):
    directory, scores = run
    images = np.load(directory / "synthetic/images.npy")
    assert images.shape == (20, 32, 32, 3) and images.dtype == np.uint8
    saved = pd.read_csv(directory / "synthetic/scores.csv")
    pd.testing.assert_frame_equal(saved, scores)
    assert list(saved.columns) == ["index", "seed", "score", "rank", "selected"]
    assert saved["selected"].sum() == 6 and sorted(saved["rank"]) == list(range(1, 21))
    assert saved.loc[saved["selected"] == 1, "score"].min() >= saved.loc[saved["selected"] == 0, "score"].max()
    assert set(pd.read_csv(directory / "synthetic/fidelity.csv").columns) == {"measure", "set", "value", "images"}
    assert sorted(path.name for path in (directory / "synthetic").iterdir()) == ["fidelity.csv", "images.npy", "scores.csv"]


def test_scores_can_be_computed_again_from_the_saved_images(run):
    directory, scores = run
    critic = load_discriminator(directory / "gan", CONFIG, "cpu")
    references = reference_features(critic, REAL, 0, "cpu")
    again = score_images(critic, np.load(directory / "synthetic/images.npy"), references)
    np.testing.assert_allclose(again, scores["score"], atol=1e-6)


def test_the_first_images_of_a_longer_run_are_those_of_a_shorter(run, tmp_path):
    directory, _ = run
    synthesize(directory / "gan", tmp_path, CONFIG, params.Synthesis(count=9, batch_size=9), REAL, "cpu")
    long, short = (np.load(folder / "images.npy").astype(int) for folder in (directory / "synthetic", tmp_path))
    assert np.abs(long[:9] - short).max() <= 1  # a last bit may fall on the other side of a rounding


def test_an_image_depends_on_its_own_seed_only(generator):
    alone = images_of(generator, [5], 1).astype(int)
    assert np.abs(images_of(generator, [3, 4, 5, 6], 4)[2] - alone[0]).max() <= 1
    assert np.array_equal(images_of(generator, [5, 5], 2)[0], images_of(generator, [5, 5], 2)[1])
    assert np.abs(images_of(generator, [6], 1) - alone).mean() > 1


def test_truncation_pulls_images_together(generator):
    spread = [images_of(generator, range(8), 8, truncation).std(0).mean() for truncation in (1.0, 0.5, 1e-6)]
    assert spread[0] > spread[1] > spread[2]
    assert torch.equal(mean_style(generator), mean_style(generator))


def test_a_score_does_not_depend_on_its_neighbours(critic):
    references = reference_features(critic, REAL, 0, "cpu")
    images = np.random.default_rng(1).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    scores = score_images(critic, images, references)
    for chosen in ([0], [3, 0], [5, 4, 3, 2, 1, 0]):
        np.testing.assert_allclose(score_images(critic, images[chosen], references), scores[chosen], atol=1e-6)
    assert np.array_equal(score_images(critic, images, references), scores)  # and scoring leaves the critic as it is


def test_a_score_is_that_of_a_group_with_the_references(critic):
    references = reference_features(critic, REAL, 7, "cpu")
    chosen = np.random.default_rng(7).choice(len(REAL), 3, replace=False)
    image = REAL[:1]
    group = torch.from_numpy(np.concatenate([image, REAL[chosen]])).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        expected = critic(group)[0].item()
    assert score_images(critic, image, references)[0] == pytest.approx(expected, abs=1e-6)


def test_ranks_by_hand():
    table = rank_scores(np.arange(10, 15), np.array([0.1, 0.9, 0.5, 0.9, -1.0]), 0.4)
    assert table["rank"].tolist() == [4, 1, 3, 2, 5]  # of equal scores the earlier image
    assert table["selected"].tolist() == [0, 1, 0, 1, 0]
    assert table["seed"].tolist() == [10, 11, 12, 13, 14]


def test_identical_seeds_identical_files(run, tmp_path):
    directory, _ = run
    synthesize(load_path := directory / "gan", tmp_path, CONFIG, params.Synthesis(count=20, batch_size=7), REAL, "cpu")
    assert load_generator(load_path, CONFIG, "cpu").resolution == 32
    for name in ("images.npy", "scores.csv", "fidelity.csv"):
        assert (tmp_path / name).read_bytes() == (directory / "synthetic" / name).read_bytes()


def test_pixel_distances_by_hand():
    grey = np.stack([np.full((32, 32, 3), value, np.uint8) for value in (10, 13, 20, 200)])
    np.testing.assert_allclose(distances(flatten_images(grey[:2]), flatten_images(grey[2:])), [[10, 190], [7, 187]])
    table = measure_fidelity(grey[:3], rank_scores(np.arange(3), np.array([3.0, 2.0, 1.0]), 0.67), grey[2:])
    value = table.set_index(["measure", "set"])["value"]
    assert value["nearest_training_distance", "kept"] == pytest.approx((10 + 7) / 2)
    assert value["pairwise_distance", "kept"] == pytest.approx(3)
    assert value["nearest_training_distance", "real"] == pytest.approx(180)
    assert ("pairwise_distance", "dropped") not in value  # one image has no other


def test_larger_images_are_averaged_first():
    checkers = np.indices((64, 64)).sum(0) % 2 * 200
    image = np.repeat(checkers[None, :, :, None], 3, 3).astype(np.uint8)
    assert np.all(flatten_images(image) == 100)
