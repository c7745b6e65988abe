"""Arrays of rows (images, features) that may exceed the memory: written, taken and compared in blocks."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from helpers.files import row_blocks

ROWS = 512  # rows of a block


def take_rows(array: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """``array[indices]`` for distinct indices, read block by block: only what is taken stays in memory."""
    places = np.full(len(array), -1)
    places[indices] = np.arange(len(indices))
    taken = np.empty((len(indices), *array.shape[1:]), array.dtype)
    start = 0
    for block in row_blocks(array, ROWS):
        place = places[start : start + len(block)]
        taken[place[place >= 0]] = block[place >= 0]
        start += len(block)
    return taken


def write_rows(path: Path, blocks: Iterator[np.ndarray], count: int) -> None:
    """Write blocks of rows, ``count`` rows together, as one .npy file, each block as soon as it comes."""
    with open(path, "wb") as file:
        for number, block in enumerate(blocks):
            if number == 0:
                header = {
                    "descr": np.lib.format.dtype_to_descr(block.dtype),
                    "fortran_order": False,
                    "shape": (count, *block.shape[1:]),
                }
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(block).data)


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Euclidean distances (float64, N x M) of the rows of two arrays (N, D) and (M, D)."""
    # float64, because the squares of two nearly equal rows cancel
    first, second = first.astype(np.float64), second.astype(np.float64)
    squares = np.square(first).sum(1)[:, None] + np.square(second).sum(1)[None] - 2 * first @ second.T
    return np.sqrt(np.maximum(squares, 0))


def nearest(
    blocks: Iterable[np.ndarray], real: np.ndarray, neighbours: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance of every row of ``blocks`` (n, D) to its ``neighbours`` nearest rows of ``real`` (M, D).

    The second array holds the index of the nearest row.
    """
    means, indices = [], []
    neighbours = min(neighbours, len(real))
    for block in blocks:
        among = distances(block, real)
        indices.append(among.argmin(1))
        means.append(np.partition(among, neighbours - 1, axis=1)[:, :neighbours].mean(1))
    return np.concatenate(means), np.concatenate(indices)
