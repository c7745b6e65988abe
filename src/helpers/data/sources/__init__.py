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


def _nothing_to_refuse(data: "Data") -> None:
    """The check of a source that takes every value of the section ``data``."""


def _no_folder(data: "Data") -> None:
    """The folder of a source that keeps no files of the user's."""


def _no_seeds(data: "Data") -> dict[str, int]:
    """The seeds of a source that draws nothing at random."""
    return {}


@dataclass(frozen=True)
class Source:
    """One kind of data set: how it is opened, and what the rest of the project must know of it.

    Its functions take the section ``data`` of the parameters. To add a source, write one module here with a SOURCE.
    """

    # --- for the stages
    open: "Callable[[RunPaths, Data], Dataset]"  # may draw or download; raises DataError
    refuse: Callable[["Data"], None] = (
        _nothing_to_refuse  # ValueError, a sentence, for values that do not fit
    )
    folder: Callable[["Data"], Path | None] = (
        _no_folder  # the user's files; None: drawn, or (to be) downloaded
    )
    seeds: Callable[["Data"], dict[str, int]] = (
        _no_seeds  # seeds that its images depend on, by what they decide
    )
    own_parameters: tuple[str, ...] = ()  # fields of the section ``data`` that no other source reads
    takes_folder: bool = True  # whether data.root says where the images are
    # --- what may be said and shown
    class_names: Mapping[str, str] = field(
        default_factory=dict
    )  # plain names; empty: classes are called as they are
    beside_paper: bool = False  # whether the paper's results may stand beside the run's
    private: bool = True  # whether its photographs fall under report.real_images
    drawn: bool = False  # whether its images are drawings, which every page must say
    lesions_way_out: str = "name the lesion of each image"  # a clause, where a split by lesion is impossible
    # --- its names for readers
    title: str = ""  # in the head of the page
    phrase: str = ""  # within a sentence
    short_phrase: str = ""  # below the table on the terminal
    sentence: str = (
        "This run uses {counted}."  # about the data; ``counted`` is 'N images of M lesions in K classes'
    )
    placeholder: str = "FOLDER_OF_IMAGES"  # written for the data's folder in commands that are shown


SOURCES = Registry[Source]("helpers.data.sources", "SOURCE", "data source")


def open_source(run: "RunPaths", data: "Data") -> "Dataset":
    """The opened data set that ``data.source`` names. Raises DataError where it is missing or broken."""
    return SOURCES.get(data.source).open(run, data)
