"""The probe of sources: chance where there is nothing to tell, 1 where there is, lesions together."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from helpers.classifier.inference import trunk_features
from helpers.data.arrays import load_images
from helpers.data.manifest import load_split
from helpers.engine.key_parts import number_parameters
from helpers.engine.stages import Job, upstream
from helpers.gan import probe
from helpers.gan.probe import FEWEST, separability
from helpers.params import load_params
from helpers.report import synthesis as shown
from helpers.stages.probe import BLURRED, ORIGINAL, ROUND_TRIP, SYNTHETIC, TRAINING, probe_sources
from support.split_run import run_after_split


def lesions(name, count, photographs=1):
    return np.repeat([f"{name}{i}" for i in range(-(-count // photographs))], photographs)[:count]


def drawn(shift, count=60, features=20, seed=0):
    return np.random.default_rng(seed).normal(size=(count, features)) + shift


def test_what_is_alike_comes_out_at_chance_and_what_differs_near_one():
    sides = lesions("a", 60), lesions("b", 60)
    values = [
        separability(drawn(0, seed=2 * seed), drawn(0, seed=2 * seed + 1), sides, 0)["auc"]
        for seed in range(8)
    ]
    assert abs(np.mean(values) - 0.5) < 0.05
    alike = separability(drawn(0), drawn(0, seed=1), sides, 0)
    assert alike["low"] < 0.5 < alike["high"] and alike["images"] == alike["others"] == 60
    apart = separability(drawn(1.0), drawn(0, seed=1), sides, 0)
    assert apart["auc"] > 0.97 and apart["low"] > 0.9 and apart["high"] <= 1
    assert separability(drawn(1.0), drawn(0, seed=1), sides, 0) == apart


def test_a_probe_that_tells_every_pair_is_not_surer_than_its_lesions_allow():
    found = separability(drawn(9.0, 30), drawn(0, 10, seed=1), (lesions("a", 30), lesions("b", 10)), 0)
    assert found["auc"] == found["high"] == 1
    assert found["low"] == pytest.approx(0.025 ** (1 / 10))  # Clopper and Pearson, 10 of 10


def test_photographs_of_a_lesion_never_stand_on_both_sides_of_a_fold():
    """Each lesion has a mark of its own, by which a probe that has seen it would tell it."""
    rng = np.random.default_rng(3)
    marks = rng.normal(size=(40, 80)) * 4
    photographs = np.repeat(marks, 3, axis=0) + rng.normal(size=(120, 80)) * 0.1
    names = np.repeat([f"l{i}" for i in range(40)], 3)
    first, second = photographs[:60], photographs[60:]
    together = separability(first, second, (names[:60], names[60:]), 0)["auc"]
    alone = separability(first, second, (lesions("a", 60), lesions("b", 60)), 0)["auc"]
    assert alone > 0.95 and together < 0.75


def test_it_agrees_with_scikit_learn_on_one_fold(monkeypatch):
    first, second = drawn(0.3, 40), drawn(0, 30, seed=1)
    monkeypatch.setattr(probe, "_probe", lambda learned, labels, tested: tested[:, 0])
    monkeypatch.setattr(probe, "REPEATS", 40)
    found = separability(first, second, (lesions("a", 40), lesions("b", 30)), 0)
    truth = roc_auc_score([1] * 40 + [0] * 30, np.concatenate([first, second])[:, 0])
    assert found["auc"] == pytest.approx(truth, abs=0.02), "forty times over, nearly every pair is compared"
    assert found["low"] < truth < found["high"]


def test_few_images_work_and_too_few_are_told():
    few = separability(drawn(2.0, 20), drawn(0, 20, seed=1), (lesions("a", 20), lesions("b", 20)), 0)
    assert few["auc"] > 0.95 and few["low"] > 0.7
    sides = lesions("a", 20), lesions("b", 20, photographs=3)
    assert len(np.unique(sides[1])) < FEWEST
    none = separability(drawn(2.0, 20), drawn(0, 20, seed=1), sides, 0)
    assert np.isnan([none["auc"], none["low"], none["high"]]).all() and none["others"] == 20


@pytest.fixture(scope="module")
def drawn_lesions(tmp_path_factory):
    with run_after_split(tmp_path_factory, "probe", load_params("smoke", DRAWN)) as run:
        yield run


DRAWN = [
    *("data.phantom.images=400", "data.split.by=lesion", "data.split.fractions=[0.5, 0.1, 0.4]"),
    *("classifier.image_size=64", "classifier.threads=1", "classifier.precision=float32"),
    "classifier.frozen_stages=6",  # later stages see less of an image's sharpness
]


def test_blur_alone_is_told_and_no_longer_after_the_round_trip(drawn_lesions):
    """The synthetic images are here the real training images, reduced: their blur is all that differs."""
    params, split = load_params("smoke", DRAWN), load_split(drawn_lesions)
    reduced = load_images(drawn_lesions, params.data, params.gan.resolution, params.gan.resize)
    images = reduced[((split["dx"] == "mel") & (split["split"] == "train")).to_numpy()]
    table = probe_sources(drawn_lesions, params, 0, images, adapted=False)
    assert table[["trunk", "detail", "compared"]].to_numpy().tolist() == [
        ["imagenet", ORIGINAL, SYNTHETIC],
        ["imagenet", ORIGINAL, TRAINING],
        ["imagenet", ORIGINAL, BLURRED],
        ["imagenet", ROUND_TRIP, SYNTHETIC],
        ["imagenet", ROUND_TRIP, TRAINING],
    ]
    area = table.set_index(["detail", "compared"])["auc"]
    assert area[ORIGINAL, SYNTHETIC] > 0.95 and area[ORIGINAL, BLURRED] > 0.95
    for source in (SYNTHETIC, TRAINING):
        assert area[ROUND_TRIP, source] < 0.75, "real images after the same way are alike"
    assert set(table["held_out"]) == {"of lesions not trained on"}
    assert (table["images"] == len(images)).all() and table["others"].nunique() == 1


def test_where_all_photographs_are_reduced_there_is_one_detail(drawn_lesions):
    params = load_params("smoke", [*DRAWN, "data.detail=gan"])
    images = np.zeros((30, 32, 32, 3), np.uint8)
    table = probe_sources(drawn_lesions, params, 0, images, adapted=True)
    assert set(table["detail"]) == {ROUND_TRIP} and table["compared"].tolist() == [SYNTHETIC, TRAINING]
    assert table["auc"].iloc[0] == 1


def test_the_probe_waits_for_the_adapted_trunk_and_its_key_holds_the_trunk():
    synthesis = Job("synthesis", {"seed": 0})
    adapted = load_params("smoke", ["classifier.adapt.epochs=2"])
    assert Job("trunk", {"trunk": "part-0"}) in upstream(synthesis, adapted)
    assert not [job for job in upstream(synthesis, load_params("smoke")) if job.stage == "trunk"]
    alone = "arms={filtered: {synthetic: {select: top, count: 6}}}", "evaluation.reference=filtered"
    values = number_parameters(synthesis, load_params("smoke", [*alone, "classifier.frozen_stages=5"]))
    assert values["probe"]["frozen_stages"] == 5 and "classifier" not in values


# --- what the page shows ------------------------------------------------------------------------


def told(auc=0.93, trunks=("imagenet",)):
    rows = [
        (trunk, detail, compared, 93, 40, auc, auc - 0.05, min(1, auc + 0.05), "of lesions not trained on")
        for trunk in trunks
        for detail, compared in (
            *((ORIGINAL, SYNTHETIC), (ORIGINAL, TRAINING), (ORIGINAL, BLURRED)),
            *((ROUND_TRIP, SYNTHETIC), (ROUND_TRIP, TRAINING)),
        )
    ]
    columns = ["trunk", "detail", "compared", "images", "others", "auc", "low", "high", "held_out"]
    return pd.DataFrame(rows, columns=columns)


def test_the_sentence_speaks_of_the_trunk_that_the_arms_stand_on():
    sentence = shown.probe.probe_sentence(told(trunks=("imagenet", "adapted")))
    assert "features of the adapted trunk" in sentence and "chance is 0.5" in sentence
    assert sentence.count("0.93 (0.88 to 0.98)") == 4
    assert "real, training, reduced and enlarged: 0.93" in sentence
    none = shown.probe.probe_sentence(told(auc=np.nan).assign(low=np.nan, high=np.nan))
    assert "cannot be told: a probe needs at least 8 lesions on either side, and 40 images" in none


def test_the_figure_marks_chance_and_has_a_panel_for_each_trunk():
    figure = shown.probe.probe_figure(told(trunks=("imagenet", "adapted")))
    assert [axes.get_title() or axes.get_title("left") for axes in figure.axes] == [
        "ImageNet trunk",
        "Adapted trunk",
    ]
    for axes in figure.axes:
        assert any(list(line.get_xdata()) == [0.5, 0.5] for line in axes.lines)
    assert shown.probe.probe_figure(told(auc=np.nan)) is None


def test_the_table_has_a_row_for_each_source():
    table = shown.probe.probe_table(told())
    assert len(table.shown) == 5
    assert table.shown.iloc[2].tolist() == [
        "ImageNet trunk",
        "as they come",
        "real, training, reduced and enlarged",
        "93",
        "40",
        "0.93 (0.88 to 0.98)",
    ]


def test_without_weights_all_images_pass_one_random_network(drawn_lesions):
    params = load_params("smoke", [*DRAWN, "classifier.weights=none"])
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    one, other = (trunk_features(params.classifier, images) for _ in range(2))
    assert np.array_equal(one, other)
