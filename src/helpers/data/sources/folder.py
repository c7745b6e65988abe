"""The user's own images: a folder per class, or a table beside the images."""

from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.data.sources import Source

if TYPE_CHECKING:
    from helpers.data.dataset import Dataset
    from helpers.params import Data


def _open(run: paths.RunPaths, data: "Data") -> "Dataset":
    from helpers.data.folders import open_folder

    columns = {str(role): column for role, column in data.columns.items()}
    return open_folder(_folder(data), columns, data.leave_out, data.target_class)


def _folder(data: "Data") -> Path:
    assert data.root is not None  # _refuse has seen to it
    return paths.from_project(data.root)


def _refuse(data: "Data") -> None:
    """Raise ValueError where there is no folder, or a second test set, which would have other classes."""
    if data.root is None:
        raise ValueError("source 'folder' needs root, the folder with your images (or --data-root)")
    if data.external_root is not None:
        raise ValueError(
            "external_root is a test set with HAM10000's classes and does not go with source 'folder': "
            "leave it out"
        )


SOURCE = Source(
    open=_open,
    title="one's own, not the paper's",
    phrase="images of one's own",
    short_phrase="your own images",
    sentence=(
        "This run uses images of one's own: {counted}. They are not the paper's, so none of the paper's "
        "results stand beside them; what the paper did and claims is told, and its claims are tested here, "
        "on "
        "these images."
    ),
    folder_of="images",
    lesions_way_out="name it, or the patient, in a column lesion_id of a table",
    own_parameters=("columns", "leave_out"),
    refuse=_refuse,
    folder=_folder,
)
