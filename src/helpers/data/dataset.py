"""An opened data set: its metadata as a table, and its images as bytes on demand."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from helpers.data.archives import FileTree, Found

COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")


@dataclass
class Dataset:
    """An opened data set: its metadata in file order, and its images as bytes on demand.

    ``metadata`` has the seven columns of COLUMNS (age: float, years, NaN where unknown; the others text).
    ``lesions_known`` is false where the data do not say which images show the same lesion; every image then
    counts as a lesion of its own.
    """

    root: Path
    layout: str  # a few words for the manifest, such as 'zip archives'
    metadata: pd.DataFrame
    lesions_known: bool
    images: dict[str, Found] = field(repr=False)  # by image_id
    tree: FileTree = field(repr=False)
    survey: str = ""  # what was found, taken and passed over, a sentence; empty where all must be taken

    def read(self, image_id: str) -> bytes:
        """The encoded bytes of an image. Several threads may call it at once.

        Raises OSError where the bytes cannot be read.
        """
        return self.tree.read(self.images[image_id])

    def close(self) -> None:
        """Close the archives."""
        self.tree.close()

    def __enter__(self) -> "Dataset":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
