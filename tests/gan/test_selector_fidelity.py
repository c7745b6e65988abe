"""What each selector keeps is judged in features of a network that none of them used."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.by_class import join_classes
from helpers.files import write_table
from helpers.gan.fidelity import MEASURES
from helpers.params import load_params
from helpers.paths import RunPaths
from helpers.stages import selectors
from helpers.stages.target import TargetImages

ARMS = (
    "arms={baseline: {}, filtered: {synthetic: {select: top, count: 20}},"
    " near: {synthetic: {select: top, count: 20, rank: distance}}}"
)


@pytest.fixture
def compared(place, monkeypatch):
    """``compare_selectors`` of made-up features: the critic keeps near images, distance far ones."""
    generator = np.random.default_rng(0)
    real, images = generator.normal(size=(80, 8)), generator.normal(size=(60, 8))
    images[20:] += 4
    features = {len(images): images, 50: real[:50], 30: real[50:]}
    asked = []

    def image_features(pixels, folder, synthesis, device, label):
        asked.append(synthesis.features)
        assert synthesis.feature_weights is None, "a file is of the features that were asked for"
        return features[len(pixels)]

    pixels = {count: np.zeros((count, 4, 4, 3), np.uint8) for count in features}
    monkeypatch.setattr("helpers.gan.features.image_features", image_features)
    monkeypatch.setattr(
        selectors, "load_target_images", lambda *_: TargetImages(pixels[50], pixels[30], None)
    )

    def compare(*overrides, classes=()):
        run, params = RunPaths("selected"), load_params("smoke", list(overrides))
        gan = params.gan.seeds[0]
        run.synthetic(gan).mkdir(parents=True, exist_ok=True)
        np.save(run.synthetic(gan) / "images.npy", pixels[60])
        order = np.arange(1, 61 if not classes else 31)
        scores = pd.DataFrame({"rank": order, "rank_distance": order[::-1]})
        scores = join_classes(dict.fromkeys(classes, scores)) if classes else scores
        write_table(run.synthetic(gan) / "scores.csv", scores)
        return selectors.compare_selectors(run, params), set(asked)

    return compare


def test_the_nearer_set_has_the_smaller_distance_in_another_network(compared):
    table, asked = compared(ARMS)
    assert asked == {"efficientnet_lite2"} == set(table["features"])  # lite0 ranks and classifies
    assert table.groupby("selector")["measure"].apply(set).map(set(MEASURES).__eq__).all()
    distance = table[table["measure"] == "kernel_distance"].set_index("selector")
    assert distance.loc["critic", "difference_high"] < 0 < distance.loc["distance", "difference_low"]
    assert abs(distance.loc["real", "value"]) < distance.loc["random", "value"]
    assert distance.loc[["random", "real"], "difference"].isna().all()


@pytest.mark.parametrize("overrides", [(), (ARMS, "synthesis.features=efficientnet_lite2")])
def test_nothing_is_compared_without_two_selectors_or_without_another_network(compared, overrides):
    table, asked = compared(*overrides)
    assert table.empty and list(table) == list(selectors.COLUMNS) and not asked


def test_every_class_is_compared_by_itself(compared):
    """30 images of each class; of vasc only the critic keeps any, so that nothing is compared there."""
    arms = ARMS[:-1] + ", more: {synthetic: {select: top, counts: {vasc: 9}}}}"
    arms = arms.replace("count: 20", "counts: {mel: 12}")
    table, _ = compared(arms, "gan.classes=[target, vasc]", classes=("mel", "vasc"))
    assert list(table) == ["class", *selectors.COLUMNS] and set(table["class"]) == {"mel"}
    kept = table.groupby("selector")["kept"].first().to_dict()
    assert kept == {"critic": 12, "distance": 12, "random": 30, "real": 30}
    both, _ = compared(ARMS, "gan.classes=[target, vasc]", classes=("mel", "vasc"))
    distance = both[both["measure"] == "kernel_distance"].set_index(["class", "selector"])
    assert distance.loc[("mel", "critic"), "value"] < distance.loc[("vasc", "critic"), "value"]


def test_a_file_of_weights_is_not_given_to_another_network(compared):
    assert compared(ARMS, "synthesis.feature_weights=some.pth")[1] == {"efficientnet_lite2"}
