"""What is measured on a graphics card is prepared without one."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from helpers.params import load_params


@pytest.fixture
def card(script):
    return script("card")


def test_each_fold_has_a_stylegan2_of_its_own(card):
    def found(**given):
        return {part.name: part.words for part in card.parts(Path("out"), card.Given(**given), False)}

    classifiers = ["resnet50-frozen-training", "resnet50-whole-training"]
    gans = ["gan-training", "stylegan2-training", "diffusion-training"]
    alone = list(found())
    assert alone[-5:] == [*classifiers, *gans]
    folds = [f"stylegan2-training-{fold}" for fold in range(5)]
    trainings = ["gan-training", *folds, "diffusion-training"]
    with_root, with_file = found(data_root=Path("skin")), found(images=Path("melanomas"))
    assert list(with_root) == [*alone[:-3], "classifier-training", *trainings]
    assert list(with_file) == [*alone[:-3], *trainings]
    for given, words in (("--data-root", with_root), ("--images", with_file)):
        for name in [*folds, "gan-training"]:
            assert words[name][words[name].index(given) + 1] in ("skin", "melanomas")
            assert f"out/{name}" in words[name]
        assert [words[name][words[name].index("--fold") + 1] for name in folds] == list("01234")


def test_random_images_are_made_at_once(card, monkeypatch):
    """The dear part, of which there are few, is done once."""
    monkeypatch.setattr(card, "DRAWN", 4)
    images = card.random_images(10, 16)
    assert images.shape == (10, 16, 16, 3) and len({image.tobytes() for image in images}) == 10
    assert (images[8] == np.roll(images[0], 2, axis=1)).all()


def test_a_part_is_stopped_with_all_that_it_started(card, tmp_path):
    """And what it wrote until then is there."""
    code = "import subprocess, sys; print(1, flush=True); subprocess.run([sys.executable, '-c', %r])"
    place = str(tmp_path / "inner")
    inner = f"import os, time; open({place!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    parts = [
        card.Part("long", ("-c", code % inner), 0),
        card.Part("bad", ("-c", "raise SystemExit(3)"), 0),
        card.Part("late", ("-c", ""), 1e6),
    ]
    assert card.run_part(parts[0], tmp_path / "long.log", 5) == (None, None)
    assert (tmp_path / "long.log").read_text() == "1\n"
    status = Path("/proc", (tmp_path / "inner").read_text(), "stat")
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.05)
    assert card.run_parts(parts[1:], tmp_path, 1) == 1
    told = json.loads((tmp_path / "card.json").read_text())
    assert [part["ended"] for part in told["parts"].values()] == [
        "failed with code 3",
        "not begun: no time was left",
    ]
    assert told["torch"] and told["card"] is None and told["parts"]["bad"]["peak_card_bytes"] is None


def test_random_images_differ_and_fill_every_class_of_every_part(card):
    images, split = card.random_images(300, 32), card.random_split(300)
    assert images.shape == (300, 32, 32, 3) and images.dtype == "uint8" and images.std() > 20
    assert len({image.tobytes() for image in images}) == 300
    assert (split.groupby(["split", "dx"]).size() >= 10).all() and split["image_id"].is_unique


def test_the_folds_train_on_other_photographs(card, tmp_path, monkeypatch):
    """Each with the photographs of its own part, none of which it tests."""
    from helpers import paths
    from helpers.data.manifest import load_split
    from helpers.data.phantom.writing import draw_dataset
    from helpers.stages.target import load_training_images

    monkeypatch.setattr(paths, "ARTIFACTS", paths.ARTIFACTS)  # which ``study`` changes
    run, params = card.study(tmp_path / "data", draw_dataset(tmp_path / "skin", images=300, seed=1), 32)
    card.main([str(tmp_path / "melanomas"), "--write-images", str(tmp_path / "skin")])
    monkeypatch.setattr(paths, "ARTIFACTS", (tmp_path / "data").resolve())
    sizes = []
    for fold in range(card.FOLDS):
        images, _ = load_training_images(run, params, fold)
        assert (card.fold_images(tmp_path / "melanomas", fold, 32) == images).all()
        split = load_split(run, fold)
        melanomas = split[split["dx"] == "mel"]
        assert images.shape[1:] == (32, 32, 3)
        assert len(images) == (melanomas["split"] == "train").sum()
        sizes.append((melanomas["split"] == "test").sum())
    assert sum(sizes) == len(melanomas)


def test_the_trainings_have_valid_parameters_at_the_papers_size(card):
    recipes = []
    for file, changes in card.TRAININGS.values():
        gan = load_params(file, changes).gan
        assert gan.resolution == card.PAPER_SIZE
        recipes.append(gan.recipe)
    assert recipes == ["paper", "stylegan2", "diffusion"]
    stages = []
    for file, changes in card.CLASSIFIERS.values():
        classifier = load_params(file, changes).classifier
        assert (classifier.image_size, classifier.bank) == (224, 0)
        stages.append(classifier.frozen_stages)
    assert stages == [4, 0, 0]


def test_an_unknown_part_is_named(card, tmp_path, capsys):
    with pytest.raises(SystemExit):
        card.main([str(tmp_path), "--only", "gan-trainin"])
    assert "no part gan-trainin; there are gan-profile" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("given", "count"), [(None, 10), ("--images", 14), ("--data-root", 15)])
def test_the_rehearsal_runs_every_part_to_its_end(card, tmp_path, given, count):
    from helpers.data.phantom.writing import draw_dataset

    words = []
    if given is not None:
        skin, file = str(draw_dataset(tmp_path / "skin", images=400, seed=1)), str(tmp_path / "melanomas")
        assert card.main([file, "--write-images", skin]) == 0
        words = [given, skin if given == "--data-root" else file]
    assert card.main([str(tmp_path), "--rehearse", "--minutes", "50", *words]) == 0
    told = json.loads((tmp_path / "card.json").read_text())["parts"]
    assert {part["ended"] for part in told.values()} == {"finished"} and len(told) == count
    for name in told:
        if name.endswith("-training") and "classifier" not in name and "resnet" not in name:
            assert (tmp_path / name / "generator.safetensors").is_file()
    for name in ("resnet50-frozen-training", "resnet50-whole-training"):
        assert len((tmp_path / name / "history.csv").read_text().splitlines()) == 3
        assert json.loads((tmp_path / name / "timing.json").read_text())["images_per_second"] > 0
