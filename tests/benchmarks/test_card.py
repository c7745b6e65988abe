"""What is measured on a graphics card is prepared without one."""

import json
from pathlib import Path

import pytest

from helpers.params import load_params


@pytest.fixture
def card(script):
    return script("card")


def test_each_fold_has_a_stylegan2_of_its_own(card):
    alone = [part.name for part in card.parts(Path("out"), None, rehearse=False)]
    trainings = ["gan-training", "stylegan2-training", "diffusion-training", "resnet50-training"]
    assert alone[-4:] == trainings
    found = {part.name: part.words for part in card.parts(Path("out"), Path("skin"), rehearse=False)}
    folds = [f"stylegan2-training-{fold}" for fold in range(5)]
    assert list(found) == [*alone[:-3], *folds, *alone[-2:], "classifier-training"]
    for name in [*folds, "gan-training", "classifier-training"]:
        words = found[name]
        assert words[words.index("--data-root") + 1] == "skin" and f"out/{name}" in words
    assert [found[name][found[name].index("--fold") + 1] for name in folds] == list("01234")


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
    sizes = []
    for fold in range(card.FOLDS):
        images, _ = load_training_images(run, params, fold)
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
    for file, changes in card.CLASSIFIERS.values():
        classifier = load_params(file, changes).classifier
        assert (classifier.image_size, classifier.frozen_stages, classifier.bank) == (224, 0, 0)


def test_an_unknown_part_is_named(card, tmp_path, capsys):
    with pytest.raises(SystemExit):
        card.main([str(tmp_path), "--only", "gan-trainin"])
    assert "no part gan-trainin; there are gan-profile" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("photographs", [False, True])
def test_the_rehearsal_runs_every_part_to_its_end(card, tmp_path, photographs):
    from helpers.data.phantom.writing import draw_dataset

    given = ["--data-root", str(draw_dataset(tmp_path / "skin", images=400, seed=1))] if photographs else []
    assert card.main([str(tmp_path), "--rehearse", "--minutes", "50", *given]) == 0
    told = json.loads((tmp_path / "card.json").read_text())["parts"]
    assert {part["ended"] for part in told.values()} == {"finished"}
    assert len(told) == (14 if photographs else 9)
    for name in told:
        if name.endswith("-training") and "classifier" not in name and "resnet" not in name:
            assert (tmp_path / name / "generator.safetensors").is_file()
    assert (tmp_path / "resnet50-training" / "model.safetensors").is_file()
