"""Images that lose a random part of their detail, so that sharpness tells less of a class."""

from functools import cache

import numpy as np
import torch
from PIL import Image

from helpers.classifier.arrays import upload
from helpers.data.decoding import FILTERS
from helpers.data.resizing import Way


def reduce_detail(
    images: torch.Tensor, draws: torch.Tensor, probability: float, way: Way, device: str
) -> torch.Tensor:
    """Some of ``images``, float32 (B, 3, S, S) on ``device``, reduced and enlarged again, in place.

    An image loses detail where its draw (B, in 0..1, on the CPU) is below ``probability``. The same draw then
    says to how many pixels a side it is reduced: from ``way.resolution`` to S - 1, each as likely, by the
    filter ``way.resize``, and enlarged as synthetic images are, but not rounded to bytes in between.
    """
    size = images.shape[-1]
    rows = torch.nonzero(draws < probability).flatten()
    if not len(rows):
        return images
    lowest = min(way.resolution, size - 1)
    sides = lowest + (draws[rows] / probability * (size - lowest)).long().clamp_(max=size - lowest - 1)
    matrices = torch.stack([_matrix(size, side, way.resize) for side in sides.tolist()]).unsqueeze(1)
    matrices, places = upload(matrices, device), upload(rows, device)
    return images.index_copy_(0, places, matrices @ images[places] @ matrices.transpose(2, 3))


@cache
def _matrix(size: int, side: int, resize: str) -> torch.Tensor:
    """What reducing to ``side`` and enlarging to ``size`` makes of each column of an image: (S, S).

    Both are linear and treat rows and columns alike, so that an image X becomes ``M X M'``.
    """
    columns = Image.fromarray(np.eye(size, dtype=np.float32))
    reduced = columns.resize((size, side), FILTERS[resize])
    return torch.from_numpy(np.array(reduced.resize((size, size), FILTERS["bilinear"])))
