"""Drawn lesions: no download, no licence, no patient."""

from typing import TYPE_CHECKING

from helpers.data.classes import CLASS_NAMES
from helpers.data.sources import Source
from helpers.progress import Progress

if TYPE_CHECKING:
    from helpers.data.dataset import Dataset
    from helpers.params import Data
    from helpers.paths import RunPaths


def _open(run: "RunPaths", data: "Data") -> "Dataset":
    """Draw the lesions into the run's folder, unless they are there, and open them."""
    from helpers.data.ham10000 import open_dataset
    from helpers.data.phantom.writing import draw_dataset

    count, seed = data.phantom.images, data.phantom.seed
    with _LateBar("drawing lesions", count) as bar:
        folder = draw_dataset(run.data / "phantom", images=count, seed=seed, progress=bar.update)
    return open_dataset(folder)


class _LateBar:
    """A progress bar that appears with its first step: not at all where the work was done before."""

    def __init__(self, label: str, total: int):
        self.label, self.total = label, total
        self.progress: Progress | None = None

    def update(self, done: int) -> None:
        if self.progress is None:
            self.progress = Progress(self.label, total=self.total, unit="image")
        self.progress.update(done)

    def __enter__(self) -> "_LateBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self.progress is not None:
            self.progress.close()


SOURCE = Source(
    open=_open,
    title="drawn by the project",
    phrase="drawn lesions, which say nothing about patients",
    short_phrase="drawn lesions, a demonstration",
    sentence=(
        "**This run uses drawn lesions: {counted}, painted by the project itself.** They show that the "
        "whole chain works and what its figures look like. They are no photographs, and nothing here has a "
        "clinical meaning; the real data set takes one parameter, `data.source: ham10000`."
    ),
    folder_of="HAM10000",
    lesions_way_out="draw them again",  # drawn metadata always name the lesion
    class_names=CLASS_NAMES,
    beside_paper=True,  # the drawings have the paper's classes in the paper's mix
    private=False,
    drawn=True,
    takes_folder=False,
    own_parameters=("phantom",),
    seeds=lambda data: {"drawing": data.phantom.seed},
)
