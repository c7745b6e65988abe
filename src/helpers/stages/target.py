"""The images of the target class at the GAN's resolution.

There are those that it learns from, and those that were held out.
"""

from dataclasses import dataclass

import numpy as np

from helpers.data.arrays import load_images
from helpers.data.manifest import load_split
from helpers.data.splits import lesion_seen
from helpers.params import Params
from helpers.paths import RunPaths


@dataclass(frozen=True)
class TargetImages:
    """uint8 images (N, R, R, 3) of the target class."""

    trained: np.ndarray  # of the training part
    held_out: np.ndarray  # of the validation and the test part
    unseen: np.ndarray  # bool, for each held-out image: no photograph of its lesion is in the training part


def load_target_images(run: RunPaths, params: Params, seed: int) -> TargetImages:
    """The target class's images, reduced as ``gan.resize`` says, for the GAN of ``seed``.

    Raises MissingStageError before the split is made.
    """
    split = load_split(run, params.gan_part(seed))
    pixels = load_images(run, params.data, params.gan.resolution, params.gan.resize)
    of_class = (split["dx"] == params.data.target_class).to_numpy()
    trained = (split["split"] == "train").to_numpy()
    held_out = of_class & ~trained
    return TargetImages(
        pixels[of_class & trained], pixels[held_out], ~lesion_seen(split).to_numpy()[held_out]
    )
