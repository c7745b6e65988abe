"""The images of the GAN's classes at the resolution of the synthetic ones.

There are those that it learns from, and those that were held out.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.arrays import load_reduced
from helpers.data.manifest import load_split
from helpers.data.selection import share_count
from helpers.data.splits import HELD_OUT, lesion_seen
from helpers.data.withholding import mark_withheld
from helpers.errors import ParameterError
from helpers.params import GanName, Params
from helpers.paths import RunPaths


@dataclass(frozen=True)
class TargetImages:
    """uint8 images (N, R, R, 3) of one of the GAN's classes."""

    trained: np.ndarray  # of the training part, without what the GAN must not see
    held_out: np.ndarray  # of the validation and the test part
    unseen: np.ndarray  # bool, for each held-out image: the GAN learns from no photograph of its lesion


def load_gan_split(run: RunPaths, params: Params, gan: GanName) -> pd.DataFrame:
    """The split of a GAN's part, in which the training images that it must not see are 'withheld'.

    Raises MissingStageError before the split is made, ParameterError for a class that the data do not have.
    """
    split = load_split(run, params.gan_part(gan))
    params.require_gan_classes(split["dx"].unique())
    return mark_withheld(split, params.gans().get(gan), params.gan_withhold_seed(gan))


def load_target_images(
    run: RunPaths, params: Params, gan: GanName, class_name: str | None = None
) -> TargetImages:
    """The images of one class, reduced as synthetic ones are, for one of ``params.gans()``.

    ``class_name``: one of ``params.gan_classes``, the first by default. Raises what ``load_gan_split`` does.
    """
    split = load_gan_split(run, params, gan)
    pixels = load_reduced(run, params)
    of_class = (split["dx"] == (class_name or params.gan_classes[0])).to_numpy()
    trained = (split["split"] == "train").to_numpy()
    held_out = of_class & split["split"].isin(HELD_OUT).to_numpy()
    return TargetImages(
        pixels[of_class & trained], pixels[held_out], ~lesion_seen(split).to_numpy()[held_out]
    )


def load_training_images(run: RunPaths, params: Params, gan: GanName) -> tuple[np.ndarray, np.ndarray | None]:
    """What one of ``params.gans()`` learns from: images of all its classes, and the classes' places.

    The images are uint8 (N, R, R, 3), class by class; the places in ``gan.classes``, int64 (N,), are None
    where there is one class. Raises what ``load_target_images`` raises.
    """
    parts = [load_target_images(run, params, gan, name).trained for name in params.gan_classes]
    if len(parts) == 1:
        return parts[0], None
    return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def require_enough(params: Params, split: pd.DataFrame) -> None:
    """Raise ParameterError where a class has too few photographs, or an arm asks for too many images.

    A GAN of one of several classes needs a batch of training images (without what it must not see). An arm's
    share of synthetic images is at most what synthesis.count makes; what an arm withholds or repeats is left
    out of account. ``split``: columns dx and split.
    """
    real = split.loc[split["split"] == "train", "dx"].value_counts()
    for name in params.separate_classes:
        if real.get(name, 0) < params.gan.batch_size:
            raise ParameterError(
                f"The class '{name}' has {real.get(name, 0):,} training images, and a GAN of its own needs "
                f"{params.gan.batch_size} (gan.batch_size) at least: set gan.conditional to true, and one "
                "GAN learns all of gan.classes, or leave the class out of gan.classes."
            )
    for arm, recipe in params.arms.items():
        share = recipe.synthetic.share if recipe.synthetic is not None and recipe.uses_gan else None
        wanted = (
            {} if share is None else {name: share_count(share, real[name]) for name in params.gan_classes}
        )
        name = max(wanted, key=wanted.__getitem__, default="")
        if wanted and wanted[name] > params.synthesis.count:
            raise ParameterError(
                f"arms.{arm} asks for a share of {share:g} of synthetic images, which for the class '{name}' "
                f"are {wanted[name]:,} beside {real[name]:,} photographs, and synthesis.count is "
                f"{params.synthesis.count:,}: raise it, lower the share, or leave the class out "
                "of gan.classes."
            )
