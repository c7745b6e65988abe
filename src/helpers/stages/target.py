"""The images of the target class at the resolution of the synthetic ones.

There are those that it learns from, and those that were held out.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.arrays import load_reduced
from helpers.data.manifest import load_split
from helpers.data.splits import HELD_OUT, lesion_seen
from helpers.data.withholding import mark_withheld
from helpers.params import GanName, Params
from helpers.paths import RunPaths


@dataclass(frozen=True)
class TargetImages:
    """uint8 images (N, R, R, 3) of the target class."""

    trained: np.ndarray  # of the training part, without what the GAN must not see
    held_out: np.ndarray  # of the validation and the test part
    unseen: np.ndarray  # bool, for each held-out image: the GAN learns from no photograph of its lesion


def load_gan_split(run: RunPaths, params: Params, gan: GanName) -> pd.DataFrame:
    """The split of a GAN's part, in which the training images that it must not see are 'withheld'.

    Raises MissingStageError before the split is made.
    """
    split = load_split(run, params.gan_part(gan))
    return mark_withheld(split, params.gans().get(gan), params.gan_withhold_seed(gan))


def load_target_images(run: RunPaths, params: Params, gan: GanName) -> TargetImages:
    """The target class's images, reduced as synthetic ones are, for one of ``params.gans()``.

    Raises MissingStageError before the split is made.
    """
    split = load_gan_split(run, params, gan)
    pixels = load_reduced(run, params)
    of_class = (split["dx"] == params.data.target_class).to_numpy()
    trained = (split["split"] == "train").to_numpy()
    held_out = of_class & split["split"].isin(HELD_OUT).to_numpy()
    return TargetImages(
        pixels[of_class & trained], pixels[held_out], ~lesion_seen(split).to_numpy()[held_out]
    )
