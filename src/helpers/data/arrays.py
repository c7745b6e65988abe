"""All images of a run as one array on disk: decoded once per size, memory-mapped from then on."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from helpers.data.dataset import Dataset
from helpers.data.decoding import decode, resize_image
from helpers.data.manifest import data_checksum, load_manifest, load_split
from helpers.data.parallel import in_parallel
from helpers.data.resizing import Way, resize_images
from helpers.data.sources import open_source
from helpers.errors import DataError
from helpers.files import (
    atomic_path,
    digest,
    file_digest,
    locked,
    open_whole_array,
    row_blocks,
    write_json,
)
from helpers.fingerprints import code_fingerprint
from helpers.params import Data, Params
from helpers.paths import RunPaths


def load_images(run: RunPaths, data: Data, size: int, resize: str) -> np.memmap:
    """All images as uint8 (N, size, size, 3), read-only and memory-mapped, rows as in split.csv.

    Decoded in parallel on the first call, by one job while others wait; built again where the data, the
    decoding or the file have changed. ``resize`` is one of ``decoding.FILTERS``. Raises MissingStageError
    before the stage 'eda', DataError where the images are no longer those that it verified.
    """
    split, manifest = load_split(run), load_manifest(run)
    path = run.data / f"images-{size}-{resize}.npy"
    shape = (len(split), size, size, 3)
    key = digest(manifest["checksum"], size, resize, code_fingerprint("helpers.data.decoding"))

    def write() -> str:
        with open_source(run, data) as dataset:
            return _decode_own(dataset, path, size, resize, list(split["image_id"]), manifest["checksum"])

    return kept_array(path, key, shape, write)


def load_reduced(run: RunPaths, params: Params) -> np.memmap:
    """All images in the size of the synthetic ones, reduced as those are: otherwise as ``load_images``."""
    way = Way.of(params)
    return load_images(run, params.data, way.resolution, way.resize)


def load_images_through(run: RunPaths, data: Data, size: int, way: Way) -> np.memmap:
    """All images after the way of synthetic ones, enlarged to ``size``: otherwise as ``load_images``."""
    reduced, checksum = load_images(run, data, way.resolution, way.resize), load_manifest(run)["checksum"]
    path = run.data / f"images-{size}-through-{way.resolution}-{way.resize}.npy"
    key = digest(checksum, size, way.resolution, way.resize, code_fingerprint("helpers.data.resizing"))
    shape = (len(reduced), size, size, 3)

    def write() -> str:
        with atomic_path(path) as temporary:
            array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            done = 0
            for block in row_blocks(reduced):
                array[done : done + len(block)] = resize_images(block, size)
                done += len(block)
            array.flush()
            return file_digest(temporary, length=64)

    return kept_array(path, key, shape, write)


def kept_array(path: Path, key: str, shape: tuple[int, ...], write: Callable[[], str]) -> np.memmap:
    """The uint8 array in ``path``, read-only and memory-mapped; a sidecar (.json) holds its key and SHA-256.

    Where it is not whole, or of another ``key`` or ``shape``, ``write`` makes it anew in ``path`` and returns
    its SHA-256 (64 digits), while other jobs wait.
    """
    with locked(path):
        if not _is_current(path, key, shape):
            # leftovers of a job that was killed: the lock says that no other job is writing now
            for leftover in path.parent.glob(f".{path.stem}.*.tmp.npy"):
                leftover.unlink(missing_ok=True)
            write_json(path.with_suffix(".json"), {"key": key, "sha256": write()})
    return np.load(path, mmap_mode="r", allow_pickle=False)


def write_decoded(
    dataset: Dataset,
    path: Path,
    size: int,
    resize: str,
    broken: str,
    accept: Callable[[list[str]], None] | None = None,
) -> str:
    """Write all images of ``dataset`` as uint8 (N, size, size, 3), in its order; return the file's SHA-256.

    It goes row by row, so that memory stays small. An image that cannot be decoded raises DataError with the
    words ``broken``, in which {name} and {error} are filled in. ``accept`` gets the SHA-256 of each image's
    encoded bytes before the array is put in its place, and may raise.
    """
    ids = list(dataset.metadata["image_id"])
    with atomic_path(path) as temporary:
        shape = (len(ids), size, size, 3)
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)

        def fill(row: int) -> str:
            try:
                content = dataset.read(ids[row])
                array[row] = resize_image(decode(content), size, resize)
            except (OSError, DataError) as error:
                raise DataError(broken.format(name=dataset.images[ids[row]].name, error=error)) from None
            return hashlib.sha256(content).hexdigest()

        hashes = list(in_parallel(fill, range(len(ids)), f"decoding to {size} px"))
        if accept is not None:
            accept(hashes)
        array.flush()
        return file_digest(temporary, length=64)


def _decode_own(dataset: Dataset, path: Path, size: int, resize: str, ids: list[str], checksum: str) -> str:
    """``write_decoded`` for the run's own images, which must still be those that the stage 'eda' verified."""
    if list(dataset.metadata["image_id"]) != ids:
        raise _changed(dataset)

    def accept(hashes: list[str]) -> None:
        if data_checksum(dataset.metadata, zip(ids, hashes, strict=True)) != checksum:
            raise _changed(dataset)

    broken = "{name} is broken ({error}), and was not when the stage 'eda' ran: get it anew."
    return write_decoded(dataset, path, size, resize, broken, accept)


def _changed(dataset: Dataset) -> DataError:
    return DataError(
        f"The data in {dataset.root} have changed since the stage 'eda' verified them: run it again "
        "(python run_all.py --force eda)."
    )


def _is_current(path: Path, key: str, shape: tuple[int, ...]) -> bool:
    """Whether the array on disk has this key and shape and is whole."""
    array = open_whole_array(path, key=key)
    return array is not None and array.shape == shape and array.dtype == np.uint8
