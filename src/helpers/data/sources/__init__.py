"""Where a run's images come from: one module per source, named as in ``data.source``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.registry import Registry

if TYPE_CHECKING:
    from helpers.data.dataset import Dataset
    from helpers.params import Data
    from helpers.paths import RunPaths


def _accept_all(data: "Data") -> None:
    """The check of a source that takes every value of the section ``data``."""


def _no_folder(data: "Data") -> None:
    """The folder of a source that reads no files of the user's."""


def _no_seeds(data: "Data") -> dict[str, int]:
    """The seeds of a source that draws nothing at random."""
    return {}


@dataclass(frozen=True)
class Source:
    """One kind of data set: how it is opened, and what the rest of the project must know of it.

    Its functions take the section ``data`` of the parameters. To add a source, write one module here that
    holds a SOURCE; parameters are read before any of it is opened, so the module imports what is heavy
    inside its functions.
    """

    open: Callable[["RunPaths", "Data"], "Dataset"]  # may draw or download; raises DataError

    # its names for readers
    title: str  # in the head of the page
    phrase: str  # within a sentence
    short_phrase: str  # below the table on the terminal
    sentence: str  # about the data; '{counted}' in it becomes 'N images of M lesions in K classes'
    folder_of: str  # what lies in its folder, 'images', where the folder itself is not to be shown
    lesions_way_out: str  # what to do, a clause, where a split by lesion is impossible

    # what may be said and shown
    class_names: Mapping[str, str] = field(
        default_factory=dict
    )  # plain names; empty: any classes, as they are
    beside_paper: bool = False  # whether the paper's results may stand beside the run's
    private: bool = True  # whether report.real_images decides how its photographs are shown
    drawn: bool = False  # whether its images are drawings, which every page must say

    # its parameters
    takes_folder: bool = True  # whether data.root says where the images are
    own_parameters: tuple[str, ...] = ()  # fields of the section ``data`` that no other source reads
    refuse: Callable[["Data"], None] = (
        _accept_all  # raises ValueError, a sentence, for values that do not fit
    )
    folder: Callable[["Data"], Path | None] = _no_folder  # the user's files; None: drawn, or to be downloaded
    seeds: Callable[["Data"], dict[str, int]] = (
        _no_seeds  # seeds that the images depend on, by what they decide
    )


SOURCES = Registry[Source]("helpers.data.sources", "SOURCE", "data source")


def open_source(run: "RunPaths", data: "Data") -> "Dataset":
    """The opened data set that ``data.source`` names. Raises DataError where it is missing or broken."""
    return SOURCES.get(data.source).open(run, data)
