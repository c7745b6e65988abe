"""Generation by seed, scores that do not depend on neighbours, PNG files, and bounded memory."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from helpers import params
from helpers.files import row_blocks
from helpers.gan.paper_networks import Discriminator, Generator
from helpers.gan.rows import take_rows, write_rows
from helpers.gan.synthesis import (
    REFERENCE_BATCHES,
    export_png,
    generate,
    mean_style,
    rank_scores,
    reference_features,
    score_images,
    synthesize,
)
from helpers.gan.training import train_gan
from helpers.gan.weights import load_discriminator, load_generator

REAL = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
CONFIG = params.Gan(
    resolution=32, channel_scale=0.02, batch_size=4, steps=1, n_critic=1, threads=1, precision="float32"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    train_gan(REAL, CONFIG, directory / "gan", "cpu")
    scores = synthesize(
        directory / "gan",
        directory / "synthetic",
        CONFIG,
        params.Synthesis(count=20, batch_size=7),
        REAL,
        "cpu",
    )
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


def references(critic, seeds=range(REFERENCE_BATCHES)):
    return torch.stack([reference_features(critic, REAL, seed, "cpu") for seed in seeds])


def test_files(run):
    directory, scores = run
    images = np.load(directory / "synthetic/images.npy")
    assert images.shape == (20, 32, 32, 3) and images.dtype == np.uint8
    saved = pd.read_csv(directory / "synthetic/scores.csv")
    pd.testing.assert_frame_equal(saved, scores)
    assert list(saved.columns) == ["index", "seed", "score", "rank", "selected"]
    assert saved["selected"].sum() == 6 and sorted(saved["rank"]) == list(range(1, 21))
    assert (
        saved.loc[saved["selected"] == 1, "score"].min() >= saved.loc[saved["selected"] == 0, "score"].max()
    )
    stability = pd.read_csv(directory / "synthetic/score-stability.csv")
    assert stability[["first_batch", "second_batch"]].to_numpy().tolist() == [[1, 2], [1, 3], [2, 3]]
    assert (
        stability["rank_correlation"].between(-1, 1).all() and stability["kept_by_both"].between(0, 1).all()
    )
    assert sorted(path.name for path in (directory / "synthetic").iterdir()) == [
        "images.npy",
        "score-stability.csv",
        "scores.csv",
    ]


def test_scores_can_be_computed_again_from_the_saved_images(run):
    directory, scores = run
    critic = load_discriminator(directory / "gan", CONFIG, "cpu")
    again = score_images(critic, np.load(directory / "synthetic/images.npy"), references(critic))
    np.testing.assert_allclose(again[:, 0], scores["score"], atol=1e-6)


def test_the_first_images_of_a_longer_run_are_those_of_a_shorter(run, tmp_path):
    directory, _ = run
    synthesize(directory / "gan", tmp_path, CONFIG, params.Synthesis(count=9, batch_size=9), REAL, "cpu")
    long, short = (
        np.load(folder / "images.npy").astype(int) for folder in (directory / "synthetic", tmp_path)
    )
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
    images = np.random.default_rng(1).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    scores = score_images(critic, images, references(critic))
    for chosen in ([0], [3, 0], [5, 4, 3, 2, 1, 0]):
        np.testing.assert_allclose(
            score_images(critic, images[chosen], references(critic)), scores[chosen], atol=1e-6
        )
    assert np.array_equal(
        score_images(critic, images, references(critic)), scores
    )  # and scoring leaves the critic as it is


def test_a_score_is_that_of_a_group_with_the_references(critic):
    chosen = np.random.default_rng(7).choice(len(REAL), 3, replace=False)
    image = REAL[:1]
    group = torch.from_numpy(np.concatenate([image, REAL[chosen]])).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        expected = critic(group)[0].item()
    assert score_images(critic, image, references(critic, [3, 7]))[0, 1] == pytest.approx(expected, abs=1e-6)


def test_ranks_by_hand():
    table = rank_scores(np.arange(10, 15), np.array([0.1, 0.9, 0.5, 0.9, -1.0]), 0.4)
    assert table["rank"].tolist() == [4, 1, 3, 2, 5]  # of equal scores the earlier image
    assert table["selected"].tolist() == [0, 1, 0, 1, 0]
    assert table["seed"].tolist() == [10, 11, 12, 13, 14]


def test_identical_seeds_identical_files(run, tmp_path):
    directory, _ = run
    synthesize(
        load_path := directory / "gan",
        tmp_path,
        CONFIG,
        params.Synthesis(count=20, batch_size=7),
        REAL,
        "cpu",
    )
    assert load_generator(load_path, CONFIG, "cpu").resolution == 32
    for name in ("images.npy", "scores.csv", "score-stability.csv"):
        assert (tmp_path / name).read_bytes() == (directory / "synthetic" / name).read_bytes()


def test_png_files_are_the_images_and_no_others_stay(run, tmp_path):
    directory, _ = run
    (tmp_path / "png").mkdir()
    (tmp_path / "png/00099.png").write_bytes(b"of an earlier run")
    asked = params.Synthesis(count=12, batch_size=7, export_png=True)
    synthesize(directory / "gan", tmp_path, CONFIG, asked, REAL, "cpu")
    images = np.load(tmp_path / "images.npy")
    files = sorted((tmp_path / "png").iterdir())
    assert [file.name for file in files] == [f"{index:05d}.png" for index in range(12)]
    for image, file in zip(images, files, strict=True):
        assert np.array_equal(np.asarray(Image.open(file)), image)
    export_png(tmp_path, wanted=False)
    assert not (tmp_path / "png").exists()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_images(tmp_path):
    blocks = (np.full((100, 128, 128, 3), value, np.uint8) for value in range(50))
    before = resident()
    peak = 0

    def told(parts):
        nonlocal peak
        for part in parts:
            peak = max(peak, resident() - before)
            yield part

    write_rows(tmp_path / "images.npy", told(blocks), 5000)  # 246 MB
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    values = [int(block[0, 0, 0, 0]) for block in told(row_blocks(images, 100))]
    assert values == list(range(50)) and images.shape == (5000, 128, 128, 3)
    assert peak < 40 * 2**20


def resident() -> int:
    """Bytes of memory that this process holds, pages of mapped files included."""
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return int(line.split()[1]) * 1024


def test_blocks_are_the_rows_of_arrays_slices_and_files(tmp_path):
    array = np.arange(70).reshape(10, 7)
    np.save(tmp_path / "rows.npy", array)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for source in (array, array[:, 1:3], mapped, mapped[2:7], mapped[::-1]):
        assert np.array_equal(np.concatenate(list(row_blocks(source, 3))), source)
        assert np.array_equal(take_rows(source, np.array([4, 0, 2])), source[[4, 0, 2]])
