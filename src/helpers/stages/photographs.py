"""The photographs of a run as its classifiers see them."""

import numpy as np

from helpers.data.arrays import load_images, load_images_through
from helpers.data.resizing import Way
from helpers.params import Params
from helpers.paths import RunPaths


def load_photographs(run: RunPaths, params: Params) -> np.ndarray:
    """All photographs as uint8 (N, S, S, 3), with the detail that ``data.detail`` leaves them.

    S is ``classifier.image_size``; rows are as in split.csv. Raises what ``load_images`` raises.
    """
    size, way = params.classifier.image_size, Way.of_all(params)
    if way:
        return load_images_through(run, params.data, size, way)
    return load_images(run, params.data, size, "bilinear")
