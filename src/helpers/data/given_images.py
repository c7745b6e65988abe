"""Synthetic images that anyone's generator made: read from a folder or a zip archive, as photographs are."""

import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.archives import CLUTTER, FileTree, Found
from helpers.data.decoding import check_header, decode, resize_image
from helpers.data.parallel import in_parallel
from helpers.data.resizing import Way
from helpers.data.survey import unopened_sentences, unread_sentence
from helpers.data.wording import plural, shown
from helpers.errors import DataError, ParameterError
from helpers.files import atomic_path, digest
from helpers.params import Params
from helpers.paths import from_project

HIDDEN = re.compile(CLUTTER, re.IGNORECASE)
FEWEST = 2  # images that can be compared at all


def take_images(params: Params, path: Path) -> pd.DataFrame:
    """Decode the images of ``synthesis.folder`` into ``path``; the files that they come from.

    Written is uint8 (N, S, S, 3), S = ``params.synthetic_side``, the whole image squashed as photographs are.
    N is the number of images in the folder, or ``synthesis.count``, drawn by ``synthesis.seed``, where it
    holds more. Columns: file (below the folder), width, height (pixels as it was given), found (images in
    the folder). Raises what ``check_given`` raises, and DataError for an image that cannot be read.
    """
    tree, found = _opened(params)
    try:
        files, side, resize = _chosen(params, found), params.synthetic_side, Way.of(params).resize
        with atomic_path(path) as temporary:
            shape = (len(files), side, side, 3)
            array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)

            def fill(row: int) -> tuple[int, int]:
                try:
                    image = decode(tree.read(files[row]))
                except (OSError, DataError) as error:
                    raise _broken(params, [f"{files[row].name} ({error})"]) from None
                array[row] = resize_image(image, side, resize)
                return image.size

            sizes = list(in_parallel(fill, range(len(files)), f"decoding to {side} px"))
            array.flush()
    finally:
        tree.close()
    names = [file.name for file in files]
    width, height = zip(*sizes, strict=True)
    return pd.DataFrame({"file": names, "width": width, "height": height, "found": len(found)})


def check_given(params: Params) -> None:
    """Raise what is wrong with ``synthesis.folder`` as far as it can be told without decoding an image.

    ParameterError where it shares files with the data or holds fewer images than an arm asks for, DataError
    where it does not exist, holds no image, or files that are called images and are none.
    """
    tree, found = _opened(params)
    broken = []
    try:
        for file in found:
            try:
                check_header(file.path if file.member is None else tree.read(file))
            except (OSError, DataError) as error:
                broken.append(f"{file.name} ({error})")
    finally:
        tree.close()
    if broken:
        raise _broken(params, broken)


@cache
def folder_digest(folder: Path) -> str:
    """Of names and content of the images in ``folder``; what nobody reads does not count.

    Empty where there are none, which the job itself reports.
    """
    listing = []
    with suppress(DataError, OSError):
        tree = FileTree(folder, HIDDEN)
        try:
            for file in filter(tree.is_image, tree.files):
                listing.append((file.name, hashlib.sha256(tree.read(file)).hexdigest()))
        finally:
            tree.close()
    return digest(sorted(listing)) if listing else ""


def _opened(params: Params) -> tuple[FileTree, list[Found]]:
    """The files of ``synthesis.folder`` and the images among them, in order of name."""
    assert params.synthesis.folder is not None
    folder = from_project(params.synthesis.folder)
    if not folder.exists():
        raise ParameterError(
            f"synthesis.folder {folder} does not exist: give a path from the project's folder or an absolute "
            "one."
        )
    refuse_overlap(folder, params, "synthesis.folder")
    tree = FileTree(folder, HIDDEN)
    found = sorted(filter(tree.is_image, tree.files), key=lambda file: file.name)
    try:
        _enough(params, folder, found, unread_sentence(tree) + unopened_sentences(tree))
    except BaseException:
        tree.close()
        raise
    return tree, found


def _enough(params: Params, folder: Path, found: list[Found], unread: str) -> None:
    """Raise DataError without images, ParameterError where an arm asks for more of them than are used."""
    if len(found) < FEWEST:
        many = "no image" if not found else "one image only"
        raise DataError(f"synthesis.folder {folder} holds {many} (looked for JPEG and PNG).{unread}")
    used = min(len(found), params.synthesis.count)
    for name, arm in params.arms.items():
        wanted = arm.synthetic.count if arm.uses_gan and arm.synthetic else None
        if wanted is not None and wanted > used:
            raise ParameterError(
                f"arms.{name} asks for {wanted:,} synthetic images, and of the {plural(found, 'image')} in "
                f"synthesis.folder {folder} {used:,} are used (synthesis.count: at most "
                f"{params.synthesis.count:,}): lower the arm's count, or give it a fraction instead."
            )


def refuse_overlap(folder: Path, params: Params, parameter: str) -> None:
    """Raise ParameterError where the folder lies in the data, or the data in the folder.

    ``parameter`` is the one that names the folder of synthetic images.
    """
    for name in ("root", "external_root"):
        value = getattr(params.data, name)
        if value is None:
            continue
        mine, data = folder.resolve(), from_project(value).resolve()
        if mine.is_relative_to(data) or data.is_relative_to(mine):
            raise ParameterError(
                f"{parameter} {folder} and data.{name} {data} share files, so that photographs would "
                "count as synthetic images, or synthetic images as photographs: keep them in separate "
                "folders."
            )


def _chosen(params: Params, found: list[Found]) -> list[Found]:
    count = params.synthesis.count
    if len(found) <= count:
        return found
    rows = np.random.default_rng(params.synthesis.seed).choice(len(found), size=count, replace=False)
    return [found[row] for row in np.sort(rows)]


def _broken(params: Params, told: Iterable[str]) -> DataError:
    told = list(told)
    return DataError(
        f"{plural(told, 'image')} of synthesis.folder {params.synthesis.folder} cannot be used: "
        f"{shown(told, 3)}. Replace or remove them."
    )
