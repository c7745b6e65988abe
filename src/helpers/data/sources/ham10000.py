"""HAM10000, from the user's folder or from its official home."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.data.classes import CLASS_NAMES
from helpers.data.sources import Source

if TYPE_CHECKING:
    from helpers.data.dataset import Dataset
    from helpers.params import Data


def _open(run: paths.RunPaths, data: "Data") -> "Dataset":
    """Open the user's folder, or else the project's download, which is made where there is none."""
    from helpers.data.download import fetch, official_folder
    from helpers.data.ham10000 import IMAGES, open_dataset

    if data.root is not None:
        root = paths.from_project(data.root)
    else:
        root = official_folder() or fetch(paths.DOWNLOADS / "ham10000")
    dataset = open_dataset(root)
    if len(dataset.metadata) != IMAGES:
        warnings.warn(
            f"{dataset.root} holds {len(dataset.metadata):,} of HAM10000's {IMAGES:,} images.", stacklevel=3
        )
    return dataset


def _folder(data: "Data") -> Path | None:
    """The folder that the user names, or fills by hand; None where the project downloads the files itself."""
    from helpers.data.download import placed_by_hand

    return paths.from_project(data.root) if data.root is not None else placed_by_hand()


SOURCE = Source(
    open=_open,
    title="HAM10000, real dermatoscopic photographs",
    phrase="HAM10000",
    short_phrase="HAM10000",
    sentence="This run uses the photographs of HAM10000: {counted}.",
    folder_of="HAM10000",
    lesions_way_out="add the challenge's LesionGroupings csv, use the official metadata",
    class_names=CLASS_NAMES,
    beside_paper=True,
    folder=_folder,
)
