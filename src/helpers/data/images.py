"""Photographs to arrays: verified, split and listed once, decoded once per size, memory-mapped from then on."""

import hashlib
import io
import json
import os
import re
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers import paths
from helpers.data import download, ham10000
from helpers.data.archives import shown
from helpers.data.folders import open_folder
from helpers.data.ham10000 import Dataset
from helpers.data.splits import split_metadata
from helpers.errors import DataError, ParameterError
from helpers.files import (
    atomic_path,
    digest,
    file_digest,
    json_text,
    locked,
    open_whole_array,
    write_if_changed,
    write_json,
)
from helpers.fingerprints import source_digest
from helpers.params import Data
from helpers.paths import RunPaths, require
from helpers.progress import Progress

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
}
MAX_PIXELS = 50_000_000  # 100 times HAM10000's; beyond lies a decompression bomb
MIN_SIDE = 8  # pixels
FORMATS = ("JPEG", "PNG")


# --- the stage 'eda' --------------------------------------------------------------------------------


def prepare_data(run: RunPaths, data: Data) -> pd.DataFrame:
    """Draw, fetch or open the data, verify every image, split, and write split.csv and manifest.json; returns the split table.

    Columns: image_id, lesion_id, dx, dx_type, age, sex, localization, split, in metadata order. Files whose bytes would not change are
    left untouched. Raises DataError with one sentence that names what is missing or broken.
    """
    with open_source(run, data) as dataset:
        metadata = dataset.metadata
        split = split_dataset(dataset, data)
        if not dataset.lesions_known:
            metadata = metadata.assign(
                lesion_id=None
            )  # each image its own lesion would pass for a split without a leak
        table = metadata.assign(split=split)[
            ["image_id", "lesion_id", "dx", "dx_type", "age", "sex", "localization", "split"]
        ]
        checks = verify_images(dataset)
        manifest = _manifest(data.source, dataset, checks)
    write_if_changed(run.split, table.to_csv(index=False, lineterminator="\n"))
    write_if_changed(run.manifest, json_text(manifest))
    return load_split(run)


def split_dataset(dataset: Dataset, data: Data) -> pd.Series:
    """The part that each image is in, as ``data.split`` asks; no image is read. Raises DataError where the data do not allow it."""
    classes = set(dataset.metadata["dx"])
    if data.target_class not in classes:
        raise DataError(
            f"data.target_class is '{data.target_class}', and the data have no such class; they have {', '.join(sorted(classes))}."
        )
    if data.split.by == "lesion" and not dataset.lesions_known:
        way_out = (
            "name it, or the patient, in a column lesion_id of a table"
            if data.source == "folder"
            else "add the challenge's LesionGroupings csv, use the official metadata"
        )
        raise DataError(
            f"{dataset.root} does not say which images show the same lesion, so data.split.by cannot be 'lesion': {way_out}, or split by 'image'."
        )
    return split_metadata(dataset.metadata, data.split.by, data.split.fractions, data.split.seed)


def load_split(run: RunPaths) -> pd.DataFrame:
    """The table that prepare_data wrote. Raises MissingStageError before that."""
    text = ["lesion_id", "image_id", "dx", "dx_type", "sex", "localization", "split"]
    return pd.read_csv(
        require(run.split, "eda"),
        dtype=dict.fromkeys(text, str),
        keep_default_na=False,
        na_values={"age": [""], "lesion_id": [""]},
    )


def load_manifest(run: RunPaths) -> dict[str, Any]:
    """The manifest that prepare_data wrote. Raises MissingStageError before that."""
    return json.loads(require(run.manifest, "eda").read_text(encoding="utf-8"))


def open_source(run: RunPaths, data: Data) -> Dataset:
    """The opened data set that ``data.source`` names: drawn, in the user's folder, or downloaded. Raises DataError."""
    if data.source == "phantom":
        from helpers.data.phantom import draw_dataset

        with _LateBar("drawing lesions", data.phantom.images) as bar:
            folder = draw_dataset(
                run.data / "phantom", images=data.phantom.images, seed=data.phantom.seed, progress=bar.update
            )
        return ham10000.open_dataset(folder)
    if data.source == "folder":
        return open_folder(_real_root(data.root), data.columns)
    dataset = ham10000.open_dataset(_real_root(data.root))
    if len(dataset.metadata) != ham10000.IMAGES:
        warnings.warn(
            f"{dataset.root} holds {len(dataset.metadata):,} of HAM10000's {ham10000.IMAGES:,} images.",
            stacklevel=2,
        )
    return dataset


def class_names(source: str) -> dict[str, str]:
    """Plain names of the classes of ``data.source``; none for one's own images, whose classes are called what they are called."""
    return {} if source == "folder" else dict(ham10000.CLASS_NAMES)


def _real_root(root: str | None) -> Path:
    """The user's folder; else the project's download, made where there is none."""
    if root is not None:
        return paths.from_project(root)
    return official_folder() or download.fetch(paths.DOWNLOADS / "ham10000")


def official_folder() -> Path | None:
    """The folder below data/ that holds HAM10000's official files: fetched, or put there by hand, which is as good."""
    return next(
        (
            folder
            for folder in (paths.DOWNLOADS / "ham10000", paths.DOWNLOADS)
            if _holds_official_files(folder)
        ),
        None,
    )


def _holds_official_files(folder: Path) -> bool:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    # folders too: a zip archive may have been unpacked and taken away
    wanted = [pattern.replace(r"\.zip", r"(\.zip)?") for pattern in download.WANTED]
    return all(any(re.fullmatch(pattern, name, re.IGNORECASE) for name in names) for pattern in wanted)


def verify_images(dataset: Dataset) -> pd.DataFrame:
    """Read and decode every image in parallel; one row per image in metadata order: image_id, sha256 (of its bytes), width, height.

    Raises DataError that names the broken ones: empty, cut off, neither JPEG nor PNG, too large, too small.
    """

    def check(image_id: str) -> tuple[str, str, int, int, str]:
        try:
            content = dataset.read(image_id)
            width, height = decode(content).size
            return image_id, hashlib.sha256(content).hexdigest(), width, height, ""
        except (OSError, DataError) as error:
            return image_id, "", 0, 0, str(getattr(error, "strerror", None) or error)

    ids = list(dataset.metadata["image_id"])
    rows = list(in_parallel(check, ids, "verifying images"))
    broken = [
        f"{dataset.images[image_id].name} ({fault})" for image_id, _, _, _, fault in sorted(rows) if fault
    ]
    if broken:
        verb, them = ("is", "it") if len(broken) == 1 else ("are", "them")
        raise DataError(
            f"{len(broken):,} of {len(rows):,} images {verb} broken: {shown(broken)}. Get {them} anew."
        )
    return pd.DataFrame([row[:4] for row in rows], columns=["image_id", "sha256", "width", "height"])


def _manifest(source: str, dataset: Dataset, checks: pd.DataFrame) -> dict[str, Any]:
    metadata = dataset.metadata
    (width, height), _ = max(
        checks.groupby(["width", "height"]).size().items(), key=lambda item: (item[1], item[0])
    )
    return {
        "source": source,
        "layout": dataset.layout,
        "images": len(metadata),
        "lesions": int(metadata["lesion_id"].nunique()) if dataset.lesions_known else 0,  # none is known
        "classes": {
            str(name): int(count) for name, count in metadata["dx"].value_counts().sort_index().items()
        },
        "checksum": _checksum(metadata, zip(checks["image_id"], checks["sha256"], strict=True)),
        "image_width": int(width),
        "image_height": int(height),
    }


def _checksum(metadata: pd.DataFrame, hashes: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over the metadata in file order and every image's own SHA-256; the same for the same data in any layout."""
    whole = hashlib.sha256(metadata[list(ham10000.COLUMNS)].to_csv(index=False, lineterminator="\n").encode())
    for image_id, sha256 in sorted(hashes):
        whole.update(f"{image_id} {sha256}\n".encode())
    return whole.hexdigest()


# --- decoding ---------------------------------------------------------------------------------------


def decode(content: bytes | Path, formats: tuple[str, ...] = FORMATS, upright: bool = False) -> Image.Image:
    """An encoded image (its bytes or its file), fully decoded, as 8-bit RGB; turned as its orientation tag says where ``upright``.

    The format is told by the bytes, so a PNG named .jpg is read as what it is; only ``formats`` are tried, for some that PIL knows run programs.
    CMYK, palette, grey and 16-bit images are converted, transparency is dropped. Raises DataError with a few words that follow a file name.
    """
    with _opened(content, formats) as image:
        image.load()
        if upright:
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            # PIL would clip 16-bit grey at 255
            image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
        return image if image.mode == "RGB" else image.convert("RGB")


def check_header(content: bytes | Path, formats: tuple[str, ...] = FORMATS) -> None:
    """Raise DataError for what the beginning of an image tells: empty, of another format, too large, too small. Nothing is decoded."""
    with _opened(content, formats):
        pass


@contextmanager
def _opened(content: bytes | Path, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """An image of allowed format and size, not decoded yet; what fails while it is open becomes a DataError."""
    if not (content if isinstance(content, bytes) else content.stat().st_size):
        raise DataError("empty")
    try:
        image = Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=formats)
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise DataError(f"{width} x {height} pixels, more than the {MAX_PIXELS // 10**6} million allowed")
        if min(width, height) < MIN_SIDE:
            raise DataError(f"only {width} x {height} pixels")
        yield image
    except UnidentifiedImageError:
        raise DataError(
            "neither JPEG nor PNG" if formats == FORMATS else f"none of {', '.join(formats)}"
        ) from None
    except Image.DecompressionBombError:
        raise DataError(f"more than the {MAX_PIXELS // 10**6} million pixels allowed") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise DataError("cut off" if "truncated" in str(error).lower() else f"damaged: {error}") from None


def resize_image(image: Image.Image, size: int, resize: str) -> np.ndarray:
    """The whole image squashed to ``size`` x ``size``, as the paper does: uint8 (size, size, 3).

    ``nearest`` takes one pixel per pixel and aliases; ``area`` averages the pixels that each one covers; ``bilinear`` averages under a
    triangle as wide as the reduction (antialiased). JPEG's scaled decoding would be faster and give other pixels, so it is not used.
    """
    if resize not in FILTERS:
        raise ParameterError(f"Images are resized by {', '.join(FILTERS)}, not by '{resize}'.")
    return np.asarray(image.resize((size, size), FILTERS[resize]))


def load_images(run: RunPaths, data: Data, size: int, resize: str) -> np.memmap:
    """All images as uint8 (N, size, size, 3), read-only and memory-mapped, rows as in split.csv.

    Decoded in parallel on the first call, by one job while others wait; built again where the data, the preprocessing or the file have
    changed. Raises MissingStageError before the stage 'eda', DataError where the images are no longer those that it verified.
    """
    split, manifest = load_split(run), load_manifest(run)
    path = run.data / f"images-{size}-{resize}.npy"
    shape = (len(split), size, size, 3)
    key = digest(manifest["checksum"], size, resize, source_digest(("data/images.py",)))
    with locked(path):
        if not _is_current(path, key, shape):
            for left in path.parent.glob(
                f".{path.stem}.*.tmp.npy"
            ):  # by a job that was killed; the lock says that none is at work
                left.unlink(missing_ok=True)
            sha256 = _decode_all(run, data, path, shape, resize, split, manifest["checksum"])
            write_json(path.with_suffix(".json"), {"key": key, "sha256": sha256})
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _decode_all(
    run: RunPaths,
    data: Data,
    path: Path,
    shape: tuple[int, ...],
    resize: str,
    split: pd.DataFrame,
    checksum: str,
) -> str:
    """Write the array row by row, so that memory stays small, and return its digest."""
    with open_source(run, data) as dataset, atomic_path(path) as temporary:
        if list(dataset.metadata["image_id"]) != list(split["image_id"]):
            raise _changed(dataset)
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)

        def fill(row: int) -> tuple[str, str]:
            image_id = split["image_id"].iat[row]
            try:
                content = dataset.read(image_id)
                array[row] = resize_image(decode(content), shape[1], resize)
            except (OSError, DataError) as error:
                raise DataError(
                    f"{dataset.images[image_id].name} is broken ({error}), and was not when the stage 'eda' ran: get it anew."
                ) from None
            return image_id, hashlib.sha256(content).hexdigest()

        hashes = list(in_parallel(fill, range(shape[0]), f"decoding to {shape[1]} px"))
        if _checksum(dataset.metadata, hashes) != checksum:
            raise _changed(dataset)
        array.flush()
        return file_digest(temporary, length=64)


def _changed(dataset: Dataset) -> DataError:
    return DataError(
        f"The data in {dataset.root} have changed since the stage 'eda' verified them: run it again (python run_all.py --force eda)."
    )


def _is_current(path: Path, key: str, shape: tuple[int, ...]) -> bool:
    """Whether the array on disk has this key and shape and is whole."""
    array = open_whole_array(path, key=key)
    return array is not None and array.shape == shape and array.dtype == np.uint8


# --- tools ------------------------------------------------------------------------------------------


def in_parallel(act: Callable[[Any], Any], items: Iterable[Any], label: str) -> Iterator[Any]:
    """``act`` of each item, in order, by threads (PIL and hashlib work outside the interpreter's lock), with a bar."""
    items = list(items)
    progress = Progress(label, total=len(items), unit="image")
    with ThreadPool(_threads()) as pool:
        try:
            for done, result in enumerate(pool.imap(act, items, chunksize=8), start=1):
                progress.update(done)
                yield result
        finally:
            progress.close()


class _LateBar:
    """A bar that appears with its first step: not at all where the work was done before."""

    def __init__(self, label: str, total: int):
        self.label, self.total, self.progress = label, total, None

    def update(self, done: int) -> None:
        if self.progress is None:
            self.progress = Progress(self.label, total=self.total, unit="image")
        self.progress.update(done)

    def __enter__(self) -> "_LateBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self.progress is not None:
            self.progress.close()


def _threads() -> int:
    """Threads for decoding; the pixels do not depend on them."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(16, max(1, available))
