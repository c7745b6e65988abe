"""How sharp an image is: the fine detail that it holds, measured against its own contrast."""

import numpy as np

from helpers.files import row_blocks
from helpers.gan.rows import ROWS

GREY = np.array([0.299, 0.587, 0.114], np.float32)  # luminance of RGB, Rec. 601


def sharpness(images: np.ndarray) -> np.ndarray:
    """Standard deviation of the Laplacian over that of the luminance, of images uint8 (N, R, R, 3): (N,).

    The variance of the Laplacian is a usual measure of focus (Pech-Pacheco et al. 2000). It is divided by the
    image's contrast, so that a pale lesion is not taken for a blurred one. Only images of equal size may be
    compared. An image of one colour has 0.
    """
    return np.concatenate([_of_block(block) for block in row_blocks(images, ROWS)])


def _of_block(block: np.ndarray) -> np.ndarray:
    grey = block.astype(np.float32) @ GREY
    inner = grey[:, 1:-1, 1:-1]
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    detail, contrast = (around - 4 * inner).std((1, 2)), grey.std((1, 2))
    return np.divide(detail, contrast, out=np.zeros_like(detail), where=contrast > 0).astype(np.float64)
