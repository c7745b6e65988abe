"""Pictures that a reader can ask: what stands behind the images of a figure, and where the filter cuts."""

import base64
import io
import json

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from helpers.gan.memorisation import measure_memorisation
from helpers.paths import RunPaths
from helpers.report import synthesis as shown
from helpers.report.page.pictures import figure_html
from helpers.report.page.sliders import filter_table
from helpers.report.publish import _lay_out
from support.report_run import fake_params


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def real():
    return np.random.default_rng(1).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def scores():
    order = np.arange(12)
    return pd.DataFrame({"index": order, "score": 5.0 - order, "rank": order + 1, "selected": order < 4})


MEMORISATION = pd.DataFrame({"space": ["net", "pixels"], "threshold": [1.0, 23.4]})


@pytest.fixture(scope="module")
def drawn(real, images, scores):
    return shown.scores.synthetic_samples(list(real[:4]), images, scores, columns=4)


def test_the_nearest_are_those_of_the_memorisation(images, real):
    features = tuple(part.reshape(len(part), -1)[:, :5].astype(np.float32) for part in (images, real, real))
    _, pairs = measure_memorisation(images, real, real[:0], features, "net", seed=0)
    indices, mirrored, distances = shown.neighbours.nearest_training(images, real)
    for pair in pairs[pairs["space"] == "pixels"].itertuples():
        found = indices[pair.synthetic_index, 0], mirrored[pair.synthetic_index, 0]
        assert found == (pair.training_index, pair.mirrored)
        assert distances[pair.synthetic_index, 0] == pytest.approx(pair.distance, rel=1e-5)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert all(len(set(row)) == shown.neighbours.COUNT for row in indices)


def test_a_repeated_training_image_is_found_though_it_is_mirrored(images, real):
    repeated = real[[7], ::-1]
    indices, mirrored, distances = shown.neighbours.nearest_training(repeated, real)
    assert (indices[0, 0], mirrored[0, 0], distances[0, 0]) == (7, 2, 0)


def test_every_synthetic_image_has_its_box_and_tiles(drawn, images, real, scores):
    behind = shown.neighbours.training_images_behind(drawn, images, real, scores, MEMORISATION, "show")
    _lay_out(drawn)
    data = behind.as_dict(drawn)
    assert len(data["spots"]) == 3 * 4  # kept, best and worst
    assert data["spots"][4]["name"] == "Synthetic image with score 5"  # the best one
    for spot in data["spots"]:
        left, top, width, height = spot["box"]
        assert min(left, top) > 0 and left + width <= 100 and top + height <= 100
        assert [words.split()[0] for _, words in spot["tiles"]] == ["this"] + ["distance"] * 3
    tops = [spot["box"][1] for spot in data["spots"]]
    assert tops == sorted(tops)
    row = Image.open(io.BytesIO(base64.b64decode(data["sprite"].split(",")[1])))
    last = max(place for spot in data["spots"] for place, _ in spot["tiles"])
    assert row.size == (data["side"] * (last + 1), data["side"])
    assert data["note"].endswith("5 % are nearer than 23.4.")


@pytest.mark.parametrize("policy", ["omit", "blur"])
def test_no_photograph_is_embedded_that_may_not_be_shown(drawn, images, real, scores, policy):
    found = shown.neighbours.training_images_behind(drawn, images, real, scores, MEMORISATION, policy)
    assert found is None


def test_only_a_numbered_figure_carries_it():
    label = {"caption": "A picture", "behind": {"sprite": "data:,", "side": 4, "spots": [], "note": "<b>"}}
    tag = BeautifulSoup(figure_html("data:,", label, None, 4), "html.parser").figure
    assert json.loads(tag["data-behind"]) == label["behind"]
    assert "data-behind" not in figure_html("data:,", label, None)


def test_the_filters_strip_is_sorted_and_dimmed_where_it_cuts(tmp_path, monkeypatch, scores):
    """White, the best, to black: a picture row whose pixels tell the order."""
    monkeypatch.setattr("helpers.paths.ARTIFACTS", tmp_path)
    run = RunPaths("strip")
    folder = run.synthetic(0)
    folder.mkdir(parents=True)
    rows = [
        {"set": "kept", "fraction": fraction, "measure": "precision", "value": 0.5, "low": 0.4, "high": 0.6}
        | {"features": "inception", "images": 12}
        for fraction in (0.1, 0.25, 1.0)
    ]
    pd.DataFrame(rows).to_csv(folder / "filter-sweep.csv", index=False)
    assert "<img" not in filter_table(run, fake_params())
    shuffled = np.random.default_rng(0).permutation(12)
    scores.assign(index=shuffled).to_csv(folder / "scores.csv", index=False)
    grey = np.empty((12, 16, 16, 3), np.uint8)
    grey[shuffled] = (240 - 20 * np.arange(12))[:, None, None, None]
    np.save(folder / "images.npy", grey)
    strip = BeautifulSoup(filter_table(run, fake_params()), "html.parser").select_one(".strip")
    assert strip.select_one(".dim")["style"] == "left:25%"  # without a script: the share nearest to the run's
    row = Image.open(io.BytesIO(base64.b64decode(strip.img["src"].split(",")[1]))).convert("L")
    assert row.size == (12 * 16, 16)
    shades = [row.getpixel((16 * place + 8, 8)) for place in range(12)]
    assert shades == sorted(shades, reverse=True) and shades[0] - shades[-1] > 200
