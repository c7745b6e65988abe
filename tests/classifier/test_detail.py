"""How much detail images keep: `data.detail` for all, `classifier.detail_jitter` in training alone."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from helpers import paths
from helpers.classifier import inference
from helpers.classifier.arms import compose_training_set
from helpers.classifier.augmentation import Augmentation, augment
from helpers.classifier.detail import reduce_detail
from helpers.classifier.folder_images import folder_images
from helpers.classifier.training import train_classifier
from helpers.data.arrays import load_images
from helpers.data.decoding import decode, resize_image
from helpers.data.ham10000 import open_dataset
from helpers.data.phantom.writing import draw_dataset
from helpers.data.prepare import prepare_data
from helpers.data.resizing import Way, resize_images
from helpers.engine.key_parts import number_parameters
from helpers.engine.stages import Job
from helpers.errors import ParameterError
from helpers.gan.sharpness import sharpness
from helpers.params import Arm, Classifier, SyntheticImages, departures, load_params
from helpers.paths import RunPaths
from helpers.report.page.facts import detail_sentence
from helpers.report.results.external import EXTERNAL, SYNTHETIC, sharpness_sentence, sharpness_table
from helpers.stages.classifier import compose, train
from helpers.stages.photographs import load_photographs
from helpers.stages.sharpness import external_sharpness

REDUCED = [
    "data.detail=gan",
    "arms.oversampled={oversample: {class: mel, count: 9}}",
    "arms.blurred={oversample: {class: mel, count: 9, through: synthesis}}",
]
ALIKE = ["arms={baseline: {}, gan: {}, full: {}}", "classifier.max_epochs=1", "classifier.threads=1"]


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


@pytest.fixture
def external(tmp_path):
    """The folder of an external test set of drawn lesions, and its decoded photographs in their order."""
    folder = tmp_path / "external"
    with open_dataset(draw_dataset(tmp_path / "drawn", images=56, seed=7)) as dataset:
        drawn = {f"E{row}": dataset.read(name) for row, name in enumerate(dataset.metadata["image_id"])}
        table = dataset.metadata[["dx"]].assign(image_id=list(drawn))
    folder.mkdir()
    table.to_csv(folder / "test-ground-truth.csv", index=False)
    for name, content in drawn.items():
        (folder / f"{name}.jpg").write_bytes(content)
    return folder, [decode(content) for content in drawn.values()]


def test_photographs_of_an_external_test_set_take_it_too(run, external, monkeypatch):
    folder, photographs = external
    alike = [f"data.external_root={folder}", "gan.resize=area", *ALIKE]
    params = {detail: load_params("smoke", [f"data.detail={detail}", *alike]) for detail in ("gan", "full")}
    size, gan = params["gan"].classifier.image_size, params["gan"].gan
    reduced = np.stack([resize_image(each, gan.resolution, gan.resize) for each in photographs])
    sharp = np.stack([resize_image(each, size, "bilinear") for each in photographs])
    assert not np.array_equal(resize_images(reduced, size), sharp)
    found = {detail: seen_outside(run, wanted, detail, monkeypatch) for detail, wanted in params.items()}
    assert found["gan"].tobytes() == resize_images(reduced, size).tobytes()
    assert found["full"].tobytes() == sharp.tobytes()


def test_the_sharpness_of_an_external_test_set_is_told_as_the_classifier_sees_it(run, external):
    folder, photographs = external
    params = {
        detail: load_params("smoke", [f"data.detail={detail}", f"data.external_root={folder}"])
        for detail in ("full", "gan")
    }
    synthetic = images(20, params["full"].gan.resolution)
    run.synthetic(0).mkdir(parents=True)
    np.save(run.synthetic(0) / "images.npy", synthetic)
    found = external_sharpness(run, params["full"]).set_index(["images", "class"])
    size = params["full"].classifier.image_size
    new = sharpness(np.stack([resize_image(each, size, "bilinear") for each in photographs]))
    assert found.loc[(EXTERNAL, "all"), "median"] == np.median(new)
    own, label = load_photographs(run, params["full"]), pd.read_csv(run.split)["dx"]
    assert found.loc[("photographs of the run", "mel"), "median"] == np.median(sharpness(own[label == "mel"]))
    shown = found.loc[(SYNTHETIC, "mel")]
    assert shown["median"] == np.median(sharpness(resize_images(synthetic, size))) and shown["number"] == 20
    share = found.loc[(EXTERNAL, "mel"), "of_own"]
    assert f"has {100 * share:.0f} % of the sharpness" in sharpness_sentence(found.reset_index(), "mel")
    assert len(sharpness_table(found.reset_index()).shown) == len(found) == 6
    reduced = external_sharpness(run, params["gan"]).set_index(["images", "class"])["median"]
    assert len(reduced) == 5 and reduced["photographs of the run", "mel"] == found["median"].iloc[2]
    assert (reduced <= found["median"][reduced.index]).all()
    assert reduced[EXTERNAL, "all"] < 0.9 * found.loc[(EXTERNAL, "all"), "median"]
    nothing = external_sharpness(run, load_params("smoke"))
    assert sharpness_sentence(nothing, "mel") is None and sharpness_table(nothing) is None


def seen_outside(run, params, arm, monkeypatch):
    """The images, uint8, of the external test set as a newly trained network is given them."""
    seen, plain = [], inference.plain
    with monkeypatch.context() as patched:
        patched.setattr(
            inference, "plain", lambda batch, *rest: seen.append(np.array(batch)) or plain(batch, *rest)
        )
        train(run, params, arm, 0)
    return np.concatenate(seen)


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


def images(count=12, side=24):
    return np.random.default_rng(3).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def generator():
    return torch.Generator().manual_seed(5)


def test_detail_is_lost_by_the_filters_of_synthetic_images():
    for resize in ("area", "nearest"):
        whole = torch.from_numpy(images(4)).permute(0, 3, 1, 2).float() / 255
        draws = torch.tensor([0.0, 0.39, 0.8, 0.41])
        found = reduce_detail(whole.clone(), draws, 0.4, Way(8, resize), "cpu")
        assert torch.equal(found[2:], whole[2:]), "draws of the probability and above leave an image as it is"
        for row, side in ((0, 8), (1, 23)):
            small = resize_image(Image.fromarray(images(4)[row]), side, resize)
            expected = resize_images(small[None], 24)[0].astype(float)
            assert np.abs(found[row].permute(1, 2, 0).numpy() * 255 - expected).max() < 2.5, (resize, side)


def test_detail_jitter_of_none_changes_no_bit_and_of_all_keeps_the_other_draws():
    source, base = images(), Augmentation()
    none = Augmentation.of(Classifier(), Way(8, "area"))
    assert none == base
    assert torch.equal(augment(source, base, generator()), augment(source, none, generator()))
    lossy = Augmentation(detail_jitter=1.0, way=Way(8, "area"))
    changed = augment(source, lossy, generator())
    assert torch.equal(changed, augment(source, lossy, generator()))
    assert not torch.isclose(changed, augment(source, base, generator())).flatten(1).all(1).any()
    grey = np.full((6, 24, 24, 3), 90, np.uint8)  # without detail there is none to lose
    lossless = augment(grey, lossy, generator()) - augment(grey, base, generator())
    assert lossless.abs().max() < 1e-5


def test_sizes_are_as_likely_from_the_gans_up_and_as_many_images_as_asked():
    probe = torch.zeros(2000, 3, 16, 16)
    probe[:, :, 0, 0] = 1
    draws = torch.rand(2000, generator=generator())
    found = reduce_detail(probe.clone(), draws, 0.25, Way(12, "area"), "cpu")
    changed = ~(found == probe).flatten(1).all(1)
    assert torch.equal(changed, draws < 0.25)
    kinds, counts = torch.unique(found[changed][:, 0].flatten(1), dim=0, return_counts=True)
    assert len(kinds) == 4 and counts.min() > 0.18 * counts.sum(), "12, 13, 14 and 15 pixels"


def test_a_training_takes_it_from_the_bank_and_without(tmp_path):
    parts = ["train"] * 24 + ["validation"] * 6 + ["test"] * 6
    split = pd.DataFrame({"image_id": range(36), "dx": ["bkl", "mel", "nv"] * 12, "split": parts})
    data = (split.astype({"image_id": str}), images(36, 32))
    chosen = compose_training_set(*data, Arm(), "mel")
    settings = {"backbone": "efficientnet_lite0", "image_size": 32, "frozen_stages": 6, "max_epochs": 1}
    settings |= {"threads": 1, "hidden": 16, "batch_size": 12}
    scores = {}
    for name, changes in {
        "off": {},
        "live": {"detail_jitter": 0.5},
        "banked": {"detail_jitter": 0.5, "bank": 2},
    }.items():
        folder, own = tmp_path / name, Classifier(**settings | changes)
        train_classifier(chosen, *data, own, folder, bank_folder=folder / "bank", way=Way(8, "area"))
        scores[name] = (folder / "history.csv").read_text()
    assert len(set(scores.values())) == 3


def test_a_size_that_takes_no_detail_is_refused():
    with pytest.raises(ParameterError, match=r"detail_jitter reduces images to gan.resolution \(128\)"):
        load_params("smoke", ["gan.resolution=128", "classifier.detail_jitter=0.5"])
    values = number_parameters(
        Job("classifier", {"arm": "baseline", "replicate": 0}),
        load_params("smoke", ["classifier.detail_jitter=0.5"]),
    )
    assert values["gan"]["resolution"] == 32
