"""A study of folds: each part of the split by itself, and no weight that has seen what it is tested on."""

import json
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


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_study_of_folds_runs_to_its_page(project_copy):
    project = project_copy()
    words = ("data.split={by: lesion, folds: 3}", "replicates=3", "gan.seeds=[0, 1, 2]")
    project.run(
        *("--params", "params/smoke.yaml", "--run", "folds"),
        *(word for value in words for word in ("--set", value)),
        timeout=3600,
    )
    run = project.folder / "artifacts/folds"
    split = pd.read_csv(run / "data/split.csv")
    for number in range(3):
        column = ["split", "split_1", "split_2"][number]
        predictions = pd.read_csv(run / f"classifier/filtered/replicate-{number}/predictions.csv")
        tested = predictions.loc[predictions["split"] == "test", "image_id"]
        assert set(tested) == set(split.loc[split[column] == "test", "image_id"])
        trained = json.loads((run / f"gan/seed-{number}" / TRAINED_ON).read_text())
        held_out = split.loc[split[column] != "train", "lesion_id"]
        assert trained["by"] == "lesion" and trained["ids"] and not set(trained["ids"]) & set(held_out)
    compared = pd.read_csv(run / "evaluation/comparisons.csv")
    assert set(compared["method"]) <= {"t interval, folds, shared photographs and lesions", "no variation"}
    page = (project.folder / "reports/folds/report.html").read_text(encoding="utf-8")
    assert (
        "dealt into 3 folds" in page and "judged on 160 test images, each time on those of the fold" in page
    )
    assert "and that of the lesions, and the interval is" not in page, "it is that of one split"
