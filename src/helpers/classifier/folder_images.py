"""Synthetic images that an arm takes from a folder: made by any generator, in any size."""

import re
from pathlib import Path

import numpy as np

from helpers.data.archives import CLUTTER, IMAGE_ENDINGS
from helpers.data.decoding import decode, resize_image
from helpers.data.resizing import Way, resize_images
from helpers.data.selection import wanted_count
from helpers.errors import DataError, ParameterError
from helpers.params import SyntheticImages
from helpers.paths import from_project

ENDINGS = (*IMAGE_ENDINGS, ".webp", ".bmp", ".tif", ".tiff")
HIDDEN = re.compile(CLUTTER, re.IGNORECASE)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")


def images_below(folder: Path) -> list[Path]:
    """The images in ``folder`` and its subfolders by their endings, in order of path.

    Hidden files and what systems and network drives keep, such as thumbnails, are passed over.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS
        and path.is_file()
        and not any(map(HIDDEN.search, path.relative_to(folder).parts))
    )


def folder_files(wanted: SyntheticImages) -> list[Path]:
    """The images in the arm's folder and its subfolders, in order of path.

    Raises ParameterError or DataError where they cannot serve the arm.
    """
    if wanted.folder is None:
        raise ParameterError("This arm takes images from a folder, and no folder was given.")
    folder = from_project(wanted.folder)
    if not folder.is_dir():
        raise ParameterError(
            f"The arm's folder of images, {folder}, does not exist; give a path from the project's folder or "
            "an absolute one."
        )
    paths = images_below(folder)
    if not paths:
        raise DataError(f"{folder} holds no image (looked for {', '.join(FORMATS)}).")
    if wanted.select in ("top", "bottom"):
        raise ParameterError(
            f"'select: {wanted.select}' needs the critic's scores, and the images of {folder} have none; use "
            "'random' or 'all'."
        )
    if wanted.count is not None and wanted.count > len(paths):
        raise ParameterError(
            f"{wanted.count:,} images of {folder} are asked for, and it holds {len(paths):,}: lower the "
            "arm's count, or use 'select: all'."
        )
    return paths


def folder_images(
    wanted: SyntheticImages, size: int, generator: np.random.Generator, way: Way | None = None
) -> np.ndarray:
    """The images of ``folder_files``, or as many as the arm wants, as uint8 (n, size, size, 3).

    ``generator`` decides which ones where the arm wants fewer than there are. ``way``: what every image of
    the run goes through; None: they keep their detail.
    """
    paths = folder_files(wanted)
    count = wanted_count(len(paths), wanted.count, wanted.fraction)
    if count < len(paths):
        chosen = np.sort(generator.choice(len(paths), size=count, replace=False))
        paths = [paths[index] for index in chosen]
    side, resize = (way.resolution, way.resize) if way else (size, "bilinear")
    images = np.empty((len(paths), side, side, 3), np.uint8)
    for row, path in zip(images, paths, strict=True):
        row[:] = read_image(path, side, resize)
    return resize_images(images, size)


def read_image(path: Path, size: int, resize: str = "bilinear") -> np.ndarray:
    """The image at ``path`` as uint8 (size, size, 3); raises DataError where it cannot be read."""
    try:
        return resize_image(decode(path, FORMATS), size, resize)
    except (OSError, DataError) as error:
        raise DataError(
            f"{path} cannot be read as an image ({error}): replace it or take it out of the folder."
        ) from error
