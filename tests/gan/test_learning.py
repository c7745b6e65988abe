"""A whole small training learns, by the distance that the report itself uses, without a false alarm."""

import numpy as np
import pytest
from PIL import Image

from helpers.data.decoding import resize_image
from helpers.data.phantom.photograph import draw_photograph
from helpers.gan.adversarial import AdversarialTrainer
from helpers.gan.features import image_features
from helpers.gan.fidelity import measure_features
from helpers.gan.synthesis import generate
from helpers.gan.training import train_gan
from helpers.gan.weights import load_generator
from helpers.params import load_params

IMAGES = 100


@pytest.mark.long
def test_the_distance_to_the_real_images_halves(tmp_path):
    settings = load_params("params/quick.yaml")
    config = settings.gan.model_copy(update={"steps": 2000})
    drawn = (Image.fromarray(draw_photograph("mel", 1, lesion, 0)) for lesion in range(IMAGES))
    images = np.stack([resize_image(image, config.resolution, config.resize) for image in drawn])
    real = image_features(images, tmp_path, settings.synthesis, "cpu")

    def distance(generator):
        fake = np.concatenate(list(generate(generator.eval(), np.arange(IMAGES))))
        return measure_features(image_features(fake, tmp_path, settings.synthesis, "cpu"), real)[
            "kernel_distance"
        ]

    start = distance(AdversarialTrainer(images, config, "cpu", 0).average)
    train_gan(images, config, tmp_path / "gan", "cpu", seed=0)
    assert distance(load_generator(tmp_path / "gan", config, "cpu")) < start / 2
