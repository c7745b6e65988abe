"""`data.detail: gan`: every photograph takes the way of synthetic images, and no other code does it twice."""

import numpy as np
import pytest
from PIL import Image

from helpers import paths
from helpers.classifier.folder_images import folder_images
from helpers.data.arrays import load_images
from helpers.data.prepare import prepare_data
from helpers.data.resizing import Way, resize_images
from helpers.engine.stages import Job, number_parameters
from helpers.params import SyntheticImages, departures, load_params
from helpers.paths import RunPaths
from helpers.report.page.facts import detail_sentence
from helpers.stages.classifier import compose
from helpers.stages.photographs import load_photographs

REDUCED = [
    "data.detail=gan",
    "arms.oversampled={oversample: {class: mel, count: 9}}",
    "arms.blurred={oversample: {class: mel, count: 9, through: synthesis}}",
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)
    found = RunPaths("detail")
    found.data.mkdir(parents=True)
    prepare_data(found, load_params("smoke").data)
    return found


def test_every_photograph_takes_the_way_of_synthetic_images(run):
    full, reduced = load_params("smoke"), load_params("smoke", REDUCED)
    size, gan = reduced.classifier.image_size, reduced.gan
    sharp, through = load_photographs(run, full), np.array(load_photographs(run, reduced))
    assert through.shape == sharp.shape == (len(sharp), size, size, 3) and through.dtype == np.uint8
    assert np.array_equal(
        through, resize_images(load_images(run, full.data, gan.resolution, gan.resize), size)
    )
    assert not np.array_equal(through, sharp)
    own = run.data / f"images-{size}-through-{gan.resolution}-{gan.resize}.npy"
    made = own.stat().st_mtime_ns
    assert np.array_equal(load_photographs(run, reduced), through) and own.stat().st_mtime_ns == made
    own.write_bytes(own.read_bytes()[:-1] + b"\0\1")
    assert np.array_equal(load_photographs(run, reduced), through), "a damaged array is made anew"


def test_blurred_arms_are_then_the_oversampled_ones(run):
    params = load_params("smoke", REDUCED)
    sharp, blurred = (compose(run, params, arm, 0) for arm in ("oversampled", "blurred"))
    photographs = load_photographs(run, params)
    assert np.array_equal(photographs[sharp.photographs[-9:]], blurred.synthetic)
    assert np.array_equal(sharp.labels, blurred.labels) and blurred.synthetic_images == 0


def test_images_of_a_folder_take_it_too(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    wanted = SyntheticImages(folder=str(tmp_path))
    found = folder_images(wanted, 48, np.random.default_rng(0), Way(16, "area"))
    small = np.asarray(Image.fromarray(pixels).resize((16, 16), Image.Resampling.BOX))
    assert np.array_equal(found, resize_images(small[None], 48))


def test_the_keys_of_classifiers_hold_it_and_the_split_does_not():
    full, reduced = load_params("smoke"), load_params("smoke", REDUCED[:1])
    job = Job("classifier", {"arm": "baseline", "replicate": 0})
    values = number_parameters(job, reduced)
    assert values["data"]["detail"] == "gan"
    assert values["gan"] == {"resolution": reduced.gan.resolution, "resize": reduced.gan.resize}
    assert "gan" not in number_parameters(job, full)
    assert number_parameters(Job("eda"), reduced) == number_parameters(Job("eda"), full)


def test_the_page_says_it_and_lists_it_as_a_departure():
    full, reduced = load_params("smoke"), load_params("smoke", REDUCED[:1])
    assert detail_sentence(full) == ""
    side = reduced.gan.resolution
    assert f"first reduced to {side} × {side} pixels as synthetic images are" in detail_sentence(reduced)
    assert "data.detail" in {row["parameter"] for row in departures(reduced)}
