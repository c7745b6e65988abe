import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from helpers.classifier.arms import compose_training_set
from helpers.classifier.inference import load_classifier, predict_images
from helpers.classifier.training import train_classifier
from helpers.errors import DataError, MissingStageError, TrainingError
from helpers.params import Arm, Classifier

CONFIG = Classifier(
    backbone="efficientnet_lite0",
    image_size=32,
    frozen_stages=6,
    max_epochs=1,
    batch_size=12,
    threads=1,
    hidden=16,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a trained classifier, its test images, and the probabilities that training wrote."""
    folder = tmp_path_factory.mktemp("trained")
    split = pd.DataFrame(
        {
            "image_id": [f"i{i:02d}" for i in range(60)],
            "dx": ["bkl", "mel", "nv"] * 20,
            "split": ["train"] * 24 + ["validation"] * 12 + ["test"] * 24,
        }
    )
    images = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    train_classifier(compose_training_set(split, images, Arm(), "mel"), split, images, CONFIG, folder)
    predictions = pd.read_csv(folder / "predictions.csv").query("split == 'test'")
    return folder, images[36:], predictions.filter(like="p_").to_numpy()


def test_it_gives_what_training_wrote(trained):
    folder, images, written = trained
    before = torch.get_num_threads()
    found = predict_images(folder, images, CONFIG)
    assert found.dtype == np.float64 and np.array_equal(found, written)  # the same batches: the same bits
    assert torch.get_num_threads() == before
    one_by_one = np.concatenate(
        [predict_images(load_classifier(folder, CONFIG), images[i : i + 1], CONFIG) for i in range(3)]
    )
    assert np.abs(one_by_one - written[:3]).max() < 0.01  # bfloat16 trunk


def test_images_of_any_size_are_squashed_as_synthetic_ones_are(trained):
    folder, images, _ = trained
    large = [np.asarray(Image.fromarray(image).resize((50 + i, 40))) for i, image in enumerate(images[:5])]
    small = np.stack(
        [np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR)) for image in large]
    )
    assert np.array_equal(predict_images(folder, large, CONFIG), predict_images(folder, small, CONFIG))
    assert predict_images(folder, images[:0], CONFIG).shape == (0, 3)


def test_faults_are_sentences(trained, tmp_path):
    folder, images, _ = trained
    with pytest.raises(MissingStageError, match="classifier"):
        predict_images(tmp_path, images, CONFIG)
    with pytest.raises(TrainingError, match="train it again"):
        predict_images(folder, images, CONFIG.model_copy(update={"hidden": 8}))
    with pytest.raises(TrainingError, match="resnet50"):
        predict_images(folder, images, CONFIG.model_copy(update={"backbone": "resnet50", "frozen_stages": 4}))
    with pytest.raises(DataError, match="float64"):
        predict_images(folder, images / 255, CONFIG)
