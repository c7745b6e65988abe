"""Images of any sizes, brought to the side that the classifier takes."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from helpers.data.decoding import resize_image


def resize_images(images: np.ndarray | Sequence[np.ndarray], size: int) -> np.ndarray:
    """uint8 (n, R, R, 3), or n images of any sizes, to (n, size, size, 3).

    Bilinear with antialiasing, as the photographs are resized.
    """
    if isinstance(images, np.ndarray) and images.shape[1:3] == (size, size):
        return np.ascontiguousarray(images)
    return np.stack([resize_image(Image.fromarray(image), size, "bilinear") for image in images])
