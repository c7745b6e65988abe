"""Notebook 02: the trainings of several classes, of one conditional GAN or of one GAN each."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.data.by_class import rows_of_class
from helpers.evaluation.paper import published_beside
from helpers.params import Params
from helpers.paths import RunPaths, class_folders
from helpers.report import film_strip
from helpers.report.gan import gan_sentence, gan_training, training_alt, training_caption
from helpers.report.publish import show_figure, show_text
from helpers.report.words import listed


class Training(NamedTuple):
    """The training of one GAN of a job, of which there are several where each class has its own."""

    name: str  # the class that it alone learns; empty where it learns all
    history: pd.DataFrame
    images: int  # that it learns from
    samples: Path  # folder of its sample grids

    @property
    def note(self) -> str:
        """What its captions begin with: the class, where it is one of several."""
        return f"The GAN of {self.name}. " if self.name else ""


def trainings(
    history: pd.DataFrame, params: Params, directory: Path, images: int, places: np.ndarray | None
) -> list[Training]:
    """The trainings of the job whose files lie in ``directory`` and that learnt from ``images`` images.

    ``places`` (N,) are the images' classes in ``gan.classes``, where there are several.
    """
    names = params.separate_classes
    if not names or places is None:
        return [Training("", history, images, directory / "samples")]
    counts = np.bincount(places, minlength=len(names))
    return [
        Training(name, rows_of_class(history, name), int(count), folder / "samples")
        for name, count, folder in zip(names, counts, class_folders(directory, names), strict=True)
    ]


def classes_sentence(params: Params) -> str | None:
    """How several classes are learnt: by one conditional GAN, or by one each; None for one class."""
    names = params.gan_classes
    if len(names) < 2:
        return None
    if params.separate_classes:
        return (
            f"There is a GAN for each of {listed(names)}, trained on the photographs of its class alone, "
            f"with the same parameters and seed. The training of {names[0]} is shown first; the other "
            "classes follow. A critic learns few photographs by heart: where a class has few, look for "
            "scores that run apart and for images that repeat."
        )
    return (
        f"This GAN is conditional: one pair of networks learns {listed(names)}, is told the class of every "
        "image, and sees every class equally often. The images of a rare class therefore come back more "
        "often than those of a common one."
    )


def film_strip_note(params: Params) -> str:
    """What the film strip's caption adds on a conditional GAN's classes; empty for a GAN of one class."""
    return f" The rows are of {listed(params.gan_classes)}, in this order." if params.gan.conditional else ""


def show_trainings(trainings: Iterable[Training], params: Params, run: RunPaths, gan: int | str) -> None:
    """Sentence, curves and film strip of each of these trainings, as of the first; nothing where none is.

    The paper's values stand beside the target's alone.
    """
    for each in trainings:
        paper = published_beside(params.data.source, each.name == params.data.target_class)
        show_text(each.note + gan_sentence(each.history, each.images, params.gan.batch_size))
        name, caption = f"{each.name}-seed-{gan}", each.note + training_caption(paper, each.history)
        figure, alt = gan_training(each.history, paper), training_alt(each.history)
        show_figure(figure, run, f"gan-training-{name}", caption, alt)
        caption = each.note + film_strip.caption(each.samples)
        show_figure(film_strip.film_strip(each.samples), run, f"film-strip-{name}", caption, film_strip.ALT)
