"""Images brought to the side that the classifier takes, and the way that synthetic images take to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from helpers.data.decoding import resize_image
from helpers.params import Params


@dataclass(frozen=True)
class Way:
    """What a photograph goes through to be as sharp as a synthetic image.

    It is reduced to a square of ``resolution`` pixels a side as ``resize`` says (one of
    ``decoding.FILTERS``), kept as bytes, and enlarged by ``resize_images``. Images of a folder are reduced as
    the classifier reduces photographs.
    """

    resolution: int
    resize: str

    @classmethod
    def of(cls, params: Params) -> "Way":
        """The way of the synthetic images of a run."""
        return cls(params.synthetic_side, params.gan.resize if params.trains_gan else "bilinear")

    @classmethod
    def of_all(cls, params: Params) -> "Way | None":
        """The way that every image of a run takes; None where photographs keep their detail."""
        return cls.of(params) if params.data.detail == "gan" else None


def resize_images(images: np.ndarray | Sequence[np.ndarray], size: int) -> np.ndarray:
    """uint8 (n, R, R, 3), or n images of any sizes, to (n, size, size, 3).

    Bilinear with antialiasing, as the photographs are resized.
    """
    if isinstance(images, np.ndarray) and images.shape[1:3] == (size, size):
        return np.ascontiguousarray(images)
    return np.stack([resize_image(Image.fromarray(image), size, "bilinear") for image in images])
