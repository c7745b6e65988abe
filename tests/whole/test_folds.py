"""A study of folds: each part of the split by itself, and no weight that has seen what it is tested on."""

import shutil

import pandas as pd
import pytest

from helpers import paths
from helpers.data.manifest import load_split
from helpers.data.prepare import prepare_data
from helpers.data.trained_on import TRAINED_ON
from helpers.errors import DataError, MissingStageError
from helpers.files import write_json
from helpers.params import load_params
from helpers.paths import RunPaths
from helpers.stages import classifier, gan
from helpers.stages.target import load_target_images

FOLDS = ["data.split={by: lesion, folds: 2, repeats: 2}", "replicates=4", "gan.seeds=[0, 1, 2, 3]"]


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """A run whose images are shared out, by its name and parameters."""
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)

    def prepare(name: str, *overrides: str):
        params, run = load_params("smoke", list(overrides)), RunPaths(name)
        run.data.mkdir(parents=True)
        return params, run, prepare_data(run, params.data)

    return prepare


def test_each_part_of_the_split_is_read_by_its_number(prepared):
    params, run, first = prepared("folds", *FOLDS)
    written = pd.read_csv(run.split)
    assert [name for name in written if name.startswith("split")] == [
        "split",
        "split_1",
        "split_2",
        "split_3",
    ]
    for part in range(params.parts):
        split = load_split(run, part)
        assert (
            list(split) == list(first)
            and split["split"].tolist() == written[["split", "split_1", "split_2", "split_3"][part]].tolist()
        )
    pd.testing.assert_frame_equal(first, load_split(run))
    assert ((load_split(run, 0)["split"] == "test") != (load_split(run, 1)["split"] == "test")).all()
    with pytest.raises(DataError, match="no part 4"):
        load_split(run, 4)
    for seed in params.gan.seeds:
        split = load_split(run, seed)
        target = (split["dx"] == "mel") & (split["split"] == "train")
        assert len(load_target_images(run, params, seed).trained) == target.sum()


@pytest.mark.parametrize("by", ["lesion", "image"])
def test_a_gan_that_was_trained_on_what_a_replicate_tests_is_refused(prepared, monkeypatch, by):
    monkeypatch.setattr(gan, "train_gan", lambda *_, **__: None)
    # by lesion the folders of two folds are swapped; by image, those of two splits
    swapped = FOLDS if by == "lesion" else ["replicates=2"]
    params, run, split = prepared("swapped", *swapped)
    for seed in params.gan.seeds:
        gan.train(run, params, seed)
    with pytest.raises(MissingStageError, match="scores.csv"):  # the guard has let it pass to the images
        classifier.compose(run, params, "filtered", 0)
    first = run.gan(0)
    if by == "lesion":
        shutil.rmtree(first)
        shutil.copytree(run.gan(1), first)
    else:
        ids = split.loc[split["split"] == "test", "image_id"].tolist()[:2]
        write_json(first / TRAINED_ON, {"by": "image", "ids": ids})
    with pytest.raises(DataError, match=rf"was trained on .* {by}s that validate or test here .*--force gan"):
        classifier.compose(run, params, "filtered", 0)
    (first / TRAINED_ON).unlink()
    with pytest.raises(MissingStageError, match="run the stage 'gan' first"):
        classifier.compose(run, params, "filtered", 0)
