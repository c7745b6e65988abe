"""What is measured on a graphics card is prepared without one."""

import json
from pathlib import Path

import pytest

from helpers.params import load_params


@pytest.fixture
def card(script):
    return script("card")


def test_each_file_of_images_has_a_stylegan2_of_its_own(card):
    alone = [part.name for part in card.parts(Path("out"), [], rehearse=False)]
    assert alone[-3:] == ["gan-training", "stylegan2-training", "diffusion-training"]
    files = [Path("first.npy"), Path("second.npy")]
    found = {part.name: part.words for part in card.parts(Path("out"), files, rehearse=False)}
    assert list(found)[:-3] == alone[:-2]
    assert {"stylegan2-training-0", "stylegan2-training-1"} <= found.keys()
    assert (
        "second.npy" in found["stylegan2-training-1"]
        and "out/stylegan2-training-1" in found["stylegan2-training-1"]
    )
    assert "first.npy" in found["gan-training"] and "first.npy" in found["diffusion-training"]


def test_the_trainings_have_valid_parameters_at_the_papers_size(card):
    recipes = []
    for file, changes in card.TRAININGS.values():
        gan = load_params(file, changes).gan
        assert gan.resolution == card.PAPER_SIZE
        recipes.append(gan.recipe)
    assert recipes == ["paper", "stylegan2", "diffusion"]


def test_an_unknown_part_is_named(card, tmp_path, capsys):
    with pytest.raises(SystemExit):
        card.main([str(tmp_path), "--only", "gan-trainin"])
    assert "no part gan-trainin; there are gan-profile" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_rehearsal_runs_every_part_to_its_end(card, tmp_path):
    assert card.main([str(tmp_path), "--rehearse", "--minutes", "50"]) == 0
    told = json.loads((tmp_path / "card.json").read_text())["parts"]
    assert {part["ended"] for part in told.values()} == {"finished"} and len(told) == 8
    for name in card.TRAININGS:
        assert (tmp_path / name / "generator.safetensors").is_file()
