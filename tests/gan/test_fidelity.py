"""Features and measures against closed forms and torch-fidelity; memorisation and filter on known answers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import linalg, stats

from helpers import params
from helpers.errors import ParameterError, UserError
from helpers.gan import assessment, features
from helpers.gan.features import build_extractor, image_features
from helpers.gan.fidelity import (
    MEASURES,
    density_and_coverage,
    fidelity_table,
    frechet_distance,
    measure_draws,
    measure_features,
)
from helpers.gan.filtering import correlations, score_stability, spearman, sweep
from helpers.gan.memorisation import closer_share, flatten_images, measure_memorisation
from helpers.gan.rows import distances, nearest
from helpers.gan.selectors import rank_by
from helpers.gan.variety import DIFFERENT

SYNTHESIS = params.Synthesis(count=40, fidelity_images=10, fidelity_draws=5)


def normal(count, seed=0, size=16, shift=0.0, scale=1.0):
    return (shift + scale * np.random.default_rng(seed).normal(size=(count, size))).astype(np.float32)


def pictures(count, seed=0, side=32):
    """Smooth random images, uint8."""
    coarse = torch.from_numpy(np.random.default_rng(seed).uniform(0, 255, (count, 3, 4, 4)))
    return (
        torch.nn.functional.interpolate(coarse, side, mode="bilinear")
        .permute(0, 2, 3, 1)
        .numpy()
        .astype(np.uint8)
    )


def value_of(table, name, column="value"):
    return table[table["set"] == name].set_index("measure")[column]


# --- features -----------------------------------------------------------------------------------


def test_features_do_not_depend_on_the_batch_and_are_extracted_once(tmp_path, monkeypatch):
    images = pictures(7)
    found = image_features(images, tmp_path / "a", SYNTHESIS, "cpu")
    assert found.shape == (7, 1280) and found.dtype == np.float32
    monkeypatch.setattr(features, "BATCH", 2)
    np.testing.assert_allclose(image_features(images, tmp_path / "b", SYNTHESIS, "cpu"), found, atol=1e-4)
    monkeypatch.setattr(features, "build_extractor", lambda *_: pytest.fail("the features were there"))
    assert np.array_equal(image_features(images, tmp_path / "a", SYNTHESIS, "cpu"), found)
    monkeypatch.undo()
    image_features(images[::-1].copy(), tmp_path / "a", SYNTHESIS, "cpu")
    assert len(list((tmp_path / "a").glob("*.npy"))) == 2  # other content is another file
    features.forget_features(tmp_path / "a", keep=[found])
    left = {path.name for path in (tmp_path / "a").iterdir()}
    assert left == {Path(found.filename).name, Path(found.filename).with_suffix(".json").name}


@pytest.mark.parametrize("number", [0, 2])
def test_lite_features_are_those_of_the_network_itself(number):
    from helpers.pretrained import efficientnet_lite, efficientnet_lite_imagenet, fill_weights

    network = efficientnet_lite(number).eval()
    fill_weights(network, efficientnet_lite_imagenet(number), "the package", "lite")
    images = torch.from_numpy(pictures(2, side=128)).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = network(images.float() / 127.5 - 1)
    found = build_extractor(f"efficientnet_lite{number}", None, "cpu")(images)[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_unfit_or_missing_weights_are_a_sentence(tmp_path, monkeypatch):
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ParameterError, match="does not fit efficientnet_lite0"):
        build_extractor("efficientnet_lite0", str(tmp_path / "other.pth"), "cpu")
    with pytest.raises(ParameterError, match="does not fit torch-fidelity's Inception"):
        build_extractor("inception", str(tmp_path / "other.pth"), "cpu")
    with pytest.raises(ParameterError, match="synthesis.feature_weights is .*no file"):
        build_extractor("inception", str(tmp_path / "nowhere.pth"), "cpu")

    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(
        UserError, match=r"could not be fetched \(OSError: no network\).*synthesis.feature_weights"
    ):
        build_extractor("inception", None, "cpu")


def test_inception_from_a_file_of_its_weights(tmp_path, monkeypatch):
    from torch_fidelity import feature_extractor_inceptionv3 as module

    with (
        monkeypatch.context() as patch
    ):  # a network with random weights, for none can be had without a download
        patch.setattr(module, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        own = module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], verbose=False)
    torch.save(own.state_dict(), tmp_path / "inception.pth")
    wanted = params.Synthesis(features="inception", feature_weights=str(tmp_path / "inception.pth"))
    found = image_features(pictures(2), tmp_path, wanted, "cpu")
    expected = own(torch.from_numpy(pictures(2)).permute(0, 3, 1, 2))[0]
    assert found.shape == (2, 2048)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_nearest_in_blocks_by_hand():
    real = np.array([[0.0, 0], [3, 4], [10, 0]])
    means, indices = nearest([np.array([[0.0, 0]]), np.array([[3.0, 3], [9, 0]])], real, neighbours=2)
    np.testing.assert_allclose(means, [2.5, (1 + 18**0.5) / 2, (1 + 52**0.5) / 2])
    assert indices.tolist() == [0, 1, 2]
    np.testing.assert_allclose(distances(real[:1], real), [[0, 5, 10]])


# --- measures -----------------------------------------------------------------------------------


def test_a_set_and_itself():
    same = normal(40)
    found = measure_features(same, same)
    assert found["frechet_distance"] == pytest.approx(0, abs=1e-9)
    assert (
        found["kernel_distance"] < 0
    )  # unbiased: the diagonal of one kernel matrix is left out, of the other it is not
    assert found["precision"] == found["recall"] == found["coverage"] == 1 and found["density"] > 1


def test_two_halves_of_one_law_are_no_distance_apart():
    found = np.array(
        [
            list(measure_features(normal(60, 2 * seed), normal(60, 2 * seed + 1)).values())
            for seed in range(30)
        ]
    )
    kernel = found[:, MEASURES.index("kernel_distance")]
    assert abs(kernel.mean()) < 3 * kernel.std() / 30**0.5
    assert found[:, MEASURES.index("density")].mean() == pytest.approx(1, abs=0.1)


def test_frechet_of_shifted_normal_laws_is_the_closed_form():
    shift, scale = 0.7, 2.0
    found = frechet_distance(normal(3000, 1, 4, shift, scale).astype(float), normal(3000, 2, 4).astype(float))
    assert found == pytest.approx(4 * shift**2 + 4 * (scale - 1) ** 2, rel=0.1)


@pytest.mark.parametrize("count", [12, 200])  # fewer and more images than features
def test_frechet_is_the_trace_formula(count):
    fake, real = (
        normal(count, 1, 30, 0.5).astype(float) @ np.diag(np.linspace(0.1, 2, 30)),
        normal(count + 3, 2, 30).astype(float),
    )
    one, two = np.cov(fake, rowvar=False), np.cov(real, rowvar=False)
    # the root through symmetric matrices, which singular ones have, too
    half = linalg.eigh(one)
    root = half[1] * np.sqrt(np.maximum(half[0], 0)) @ half[1].T
    common = np.sqrt(np.maximum(linalg.eigvalsh(root @ two @ root), 0)).sum()
    expected = np.square(fake.mean(0) - real.mean(0)).sum() + np.trace(one) + np.trace(two) - 2 * common
    assert frechet_distance(fake, real) == pytest.approx(expected, rel=1e-6)


def test_frechet_agrees_with_torch_fidelity_where_that_is_defined():
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    fake, real = normal(300, 1, 20, 0.3).astype(float), normal(300, 2, 20).astype(float)
    theirs = fid_statistics_to_metric(
        *(fid_features_to_statistics(torch.from_numpy(part)) for part in (fake, real)), verbose=False
    )
    assert frechet_distance(fake, real) == pytest.approx(theirs[KEY_METRIC_FID], rel=1e-6)


def test_kernel_distance_by_its_definition():
    fake, real = normal(9, 1, 5).astype(float), normal(9, 2, 5, 0.5).astype(float)
    kernel = lambda a, b: (a @ b / 5 + 1) ** 3  # noqa: E731
    pairs = [(i, j) for i in range(9) for j in range(9)]
    expected = sum(kernel(fake[i], fake[j]) + kernel(real[i], real[j]) for i, j in pairs if i != j) / 72
    expected -= 2 * sum(kernel(fake[i], real[j]) for i, j in pairs) / 81
    assert measure_features(fake, real)["kernel_distance"] == pytest.approx(expected, rel=1e-9)


def test_density_and_coverage_by_hand():
    real = np.array([[0.0], [1], [3], [10]])  # radii to the nearest other: 1, 1, 2, 7
    density, coverage = density_and_coverage(np.array([[0.5], [2.5], [50]]), real, 1)
    assert density == pytest.approx(
        (2 + 1 + 0) / 3
    )  # 0.5 lies in two neighbourhoods, 2.5 in that of 3 alone, 50 in none
    assert coverage == 0.75
    assert density_and_coverage(np.array([[4.0]]), real, 1) == (2.0, 0.5)


def test_neighbourhoods_are_those_of_scikit_learn():
    from sklearn.neighbors import NearestNeighbors

    fake, real = normal(50, 1, 6, 0.5).astype(float), normal(50, 2, 6).astype(float)
    radii = NearestNeighbors(n_neighbors=6).fit(real).kneighbors(real)[0][:, -1]
    within = NearestNeighbors(n_neighbors=50).fit(real).kneighbors(fake)
    inside = np.zeros((50, 50), bool)
    for row, (lengths, indices) in enumerate(zip(*within, strict=True)):
        inside[row, indices] = lengths <= radii[indices]
    found = measure_features(fake, real)
    assert found["precision"] == pytest.approx(inside.any(1).mean())
    assert found["density"] == pytest.approx(inside.sum() / (5 * 50))
    assert found["coverage"] == pytest.approx(inside.any(0).mean())


def test_draws_are_of_equal_size_share_their_real_images_and_do_not_repeat(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "helpers.gan.fidelity.measure_features",
        lambda fake, real: seen.append((fake, real)) or dict.fromkeys(MEASURES, 0.0),
    )
    pool, real = np.arange(30.0)[:, None], np.arange(100.0, 120)[:, None]
    sets = {"one": (pool, np.arange(12)), "two": (pool, np.arange(12, 30)), "small": (pool, np.arange(3))}
    found = measure_draws(sets, real, 8, 6, 0)
    assert set(found) == {"one", "two"} and found["one"].shape == (6, len(MEASURES))
    for (one, reference), (two, other) in zip(seen[::2], seen[1::2], strict=True):
        assert (
            np.array_equal(reference, other)
            and len(np.unique(reference)) == len(np.unique(one)) == len(np.unique(two)) == 8
        )
        assert one.max() < 12 <= two.min()


def test_the_table_sees_the_better_set_and_the_floor():
    good, bad = normal(60, 1), normal(140, 2, shift=1.0)
    table = fidelity_table(
        np.concatenate([good, bad]),
        np.arange(200) < 60,
        normal(80, 3),
        normal(50, 4),
        30,
        40,
        0,
        lambda done: None,
    )
    assert (
        set(table["set"]) == {"kept", "dropped", "random", "real"}
        and set(table["images"]) == {30}
        and set(table["draws"]) == {40}
    )
    difference = value_of(table, "kept", "difference")
    low, high = value_of(table, "kept", "difference_low"), value_of(table, "kept", "difference_high")
    for measure in ("kernel_distance", "frechet_distance"):
        assert high[measure] < 0 and difference[measure] < 0
    assert (
        low["precision"] > 0
        and difference["coverage"] > 0 > value_of(table, "dropped", "difference")["coverage"]
    )
    assert value_of(table, "real")["kernel_distance"] == pytest.approx(0, abs=0.1)
    assert (table["low"] <= table["value"] + 1e-12).all() and (table["value"] <= table["high"] + 1e-12).all()
    assert table.loc[table["set"].isin(["random", "real"]), "difference"].isna().all()


# --- memorisation -------------------------------------------------------------------------------


def test_memorisation_finds_planted_copies():
    real, new, fake = pictures(60, 1), pictures(40, 2), pictures(100, 3)
    fake[:15] = real[:15, :, ::-1]  # mirrored copies
    views = [flatten_images(part) for part in (fake, real, new)]
    shares, pairs = measure_memorisation(fake, real, new, tuple(views), "efficientnet_lite0", 0)
    pixels = shares.set_index("space").loc["pixels"]
    assert pixels["closer"] >= 15 and pixels["low"] > 0.05
    closest = pairs[pairs["space"] == "pixels"]
    assert (closest["synthetic_index"] == closest["training_index"]).all() and set(closest["mirrored"]) == {1}
    assert closest["distance"].max() < 0.01 and len(pairs) == 12
    assert (pairs.loc[pairs["space"] != "pixels", "mirrored"] == 0).all()


def test_memorisation_is_silent_on_independent_images():
    real, new, fake = pictures(60, 1), pictures(60, 2), pictures(200, 3)
    views = tuple(normal(count, seed) for seed, count in enumerate((200, 60, 60)))
    shares, _ = measure_memorisation(fake, real, new, views, "efficientnet_lite0", 0)
    assert (shares["low"] < 0.05).all() and (shares["high"] > 0.05).all()


def test_the_share_has_an_interval_and_needs_a_yardstick():
    nothing = closer_share(np.full(100, 9.0), np.linspace(1, 2, 40))
    assert nothing["closer"] == 0 and nothing["share"] == 0 and 0 < nothing["high"] < 0.06
    assert closer_share(np.linspace(0, 2, 100), np.linspace(1, 2, 40))["share"] == pytest.approx(
        0.53, abs=0.02
    )
    few = closer_share(np.ones(10), np.ones(3))
    assert (
        np.isnan([few["share"], few["low"], few["high"], few["threshold"]]).all() and few["median_real"] == 1
    )


def test_the_interval_covers_the_expected_share_of_independent_distances():
    rng = np.random.default_rng(0)
    rows = [closer_share(rng.normal(size=150), rng.normal(size=60), seed) for seed in range(60)]
    assert np.mean([row["low"] <= 0.05 <= row["high"] for row in rows]) >= 0.85


def test_larger_images_are_averaged_first():
    checkers = np.indices((64, 64)).sum(0) % 2 * 200
    image = np.repeat(checkers[None, :, :, None], 3, 3).astype(np.uint8)
    assert np.all(flatten_images(image) == 100)


# --- the filter ---------------------------------------------------------------------------------


def test_spearman_is_scipys_and_its_interval_covers():
    rng = np.random.default_rng(0)
    first = rng.normal(size=50)
    second = first + rng.normal(size=50)
    found = spearman(first, second)
    assert (
        found["correlation"] == pytest.approx(stats.spearmanr(first, second).statistic) and found["low"] > 0
    )
    covered = [
        low <= 0 <= high
        for _, low, high in (spearman(*rng.normal(size=(2, 30))).values() for _ in range(200))
    ]
    assert 0.9 <= np.mean(covered) <= 0.99
    assert np.isnan(spearman(np.ones(9), np.arange(9.0))["low"])
    table = correlations(pd.DataFrame({"score": first, "distance": -first, "probability": second}))
    assert table["correlation"].tolist() == pytest.approx([-1, found["correlation"]]) and table[
        "compared_with"
    ].tolist() == ["distance", "probability"]


def test_the_sweep_sees_a_critic_that_can_tell_and_one_that_cannot():
    quality = np.linspace(0, 1.5, 200)
    fake = normal(200, 1) + quality[:, None].astype(np.float32)
    real, new = normal(80, 2), normal(60, 3)
    told = []
    able = sweep(fake, rank_by(-quality), real, new, 150, 30, 0, told.append)
    blind = sweep(fake, np.random.default_rng(5).permutation(200) + 1, real, new, 150, 30, 0)
    assert set(able["images"]) == {20} and told[-1] == 30
    kept = able[able["set"] == "kept"]
    assert kept["fraction"].unique().tolist() == pytest.approx(np.arange(1, 11) / 10)
    strict = kept[np.isclose(kept["fraction"], 0.2)].set_index("measure")
    assert (strict.loc[["kernel_distance", "frechet_distance"], "difference_high"] < 0).all()
    middle = blind[(blind["set"] == "kept") & np.isclose(blind["fraction"], 0.3)].set_index("measure")
    assert (middle["difference_low"] <= 0).all() and (middle["difference_high"] >= 0).all()
    assert able[able["set"] == "real"]["fraction"].isna().all() and len(able[able["set"] == "real"]) == len(
        MEASURES
    )


def test_stability_by_hand():
    first = np.arange(10.0)
    swapped = first.copy()
    swapped[[6, 7]] = swapped[[7, 6]]
    table = score_stability(np.stack([first, first, swapped], 1), 0.3)
    assert table["kept_by_both"].tolist() == pytest.approx([1, 2 / 3, 2 / 3])
    assert table["rank_correlation"].tolist() == pytest.approx(
        [1, *[stats.spearmanr(first, swapped).statistic] * 2]
    )


# --- all of it ----------------------------------------------------------------------------------


@pytest.fixture
def generated(tmp_path):
    scores = pd.DataFrame(
        {
            "index": range(40),
            "seed": range(40),
            "score": np.linspace(1, 0, 40),
            "rank": range(1, 41),
            "selected": [1] * 12 + [0] * 28,
        }
    )
    scores.to_csv(tmp_path / "scores.csv", index=False)
    np.save(tmp_path / "images.npy", pictures(40, 1))
    return tmp_path


def test_assessment_writes_tidy_tables_that_can_be_made_again(generated):
    real, held_out = pictures(20, 2), pictures(14, 3)
    unseen = np.arange(14) < 8
    given = {"mel": assessment.Comparison(real, held_out, unseen, np.linspace(0, 1, 40))}
    first = assessment.assess_images(generated, generated / "data", SYNTHESIS, given, "cpu")
    files = {path.name: path.read_bytes() for path in generated.glob("*.csv")}
    assert set(files) == {
        f"{name}.csv"
        for name in (
            "scores",
            "fidelity",
            "memorisation",
            "memorisation-pairs",
            "filter-correlation",
            "filter-sweep",
        )
    }
    assert set(first["fidelity"]["images"]) == {8} and set(first["fidelity"]["held_out"]) == {
        assessment.UNSEEN
    }
    assert set(first["memorisation"]["held_out_images"]) == {8} and first["filter-correlation"][
        "compared_with"
    ].tolist() == ["distance", "probability"]
    assert set(first["filter-sweep"]["features"]) == {"efficientnet_lite0"} and set(
        first["filter-sweep"]["images"]
    ) == {4}
    again = assessment.assess_images(generated, generated / "data", SYNTHESIS, given, "cpu")
    assert files == {path.name: path.read_bytes() for path in generated.glob("*.csv")}
    pd.testing.assert_frame_equal(pd.read_csv(generated / "scores.csv"), again["scores"])
    assert (
        len(list(generated.glob("features-*.npy"))) == 1
        and len(list((generated / "data").glob("features-*.npy"))) == 2
    )


def test_the_floor_takes_all_held_out_images_where_new_lesions_are_few(generated):
    given = {"mel": assessment.Comparison(pictures(20, 2), pictures(14, 3), np.arange(14) < 2)}
    table = assessment.assess_images(generated, generated / "data", SYNTHESIS, given, "cpu")
    assert set(table["fidelity"]["held_out"]) == {assessment.ALL_HELD_OUT}
    sizes = table["fidelity"].groupby("measure")["images"].unique().map(list)
    assert sizes.pop(DIFFERENT) == [12]  # the smallest set has 12 images
    assert sizes.index.sort_values().tolist() == sorted(MEASURES) and all(size == [10] for size in sizes)
    assert table["memorisation"]["share"].isna().all() and "rank_classifier" not in table["scores"]
