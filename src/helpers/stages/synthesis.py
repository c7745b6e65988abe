"""Stage synthesis: generate images with a trained GAN, score, rank and judge them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from helpers.classifier.inference import opinion
from helpers.data.by_class import join_classes, rows_of_class
from helpers.device import pick_device
from helpers.engine.stages import synthesis_tables
from helpers.files import read_table, write_table
from helpers.gan.assessment import Comparison, assess_images
from helpers.gan.synthesis import synthesize
from helpers.params import GanName, Params
from helpers.paths import RunPaths, class_folders, require
from helpers.stages import given
from helpers.stages.probe import probe_sources
from helpers.stages.target import TargetImages, load_target_images, load_training_images


@dataclass(frozen=True)
class Synthetic:
    """The images of one GAN and what is known of them."""

    images: np.ndarray  # uint8 (N, R, R, 3), memory-mapped; N is 0 where they stayed on another machine
    tables: dict[str, pd.DataFrame]  # by name of its file, see engine.stages.synthesis_tables

    def of_class(self, name: str) -> "Synthetic":
        """The images of one class alone, whose ``scores`` count them from 0; all where there is one class."""
        tables = {table: rows_of_class(rows, name) for table, rows in self.tables.items()}
        index = tables["scores"]["index"]
        first = int(index.min())
        tables["scores"] = tables["scores"].assign(index=index - first)
        return Synthetic(self.images[first : first + len(index)], tables)


def generate(run: RunPaths, params: Params, gan: GanName, second_opinion: bool = True) -> Synthetic:
    """Generate the images of one of ``params.gans()``, score them, compare them with real ones.

    Where ``synthesis.folder`` gives the images, they are read in place of being generated, and no critic
    scores them; the tables of ``helpers.stages.given`` are added.

    Where ``params.judge_of`` names an arm, a classifier of it (``params.judge_replicate``) gives its opinion
    on every image, unless no ``second_opinion`` is asked for; and the probe of sources works in the features
    of its adapted trunk too, where there is one, beside those of ``classifier.weights``. Neither is asked
    about a GAN that must not see photographs which they saw. What is finished is read as it is. Raises
    MissingStageError where the GAN, or that classifier or trunk, is not trained yet.
    """
    from helpers.engine.by_hand import seal_by_hand
    from helpers.engine.plan import is_finished

    if not is_finished(run, params, "synthesis", seed=gan):
        _generate(run, params, gan, second_opinion)
        if second_opinion:  # without it some columns are empty, which no start would leave so
            seal_by_hand(run, params, "synthesis", seed=gan)
    folder = run.synthetic(gan)
    tables = {name: read_table(folder / f"{name}.csv") for name in synthesis_tables(params)}
    if not (folder / "images.npy").exists():  # a notebook shows what was brought from another machine
        return Synthetic(np.zeros((0, params.synthetic_side, params.synthetic_side, 3), np.uint8), tables)
    return Synthetic(np.load(folder / "images.npy", mmap_mode="r"), tables)


def _generate(run: RunPaths, params: Params, gan: GanName, second_opinion: bool) -> None:
    names, folder, device = params.gan_classes, run.synthetic(gan), pick_device(params.compute)
    if params.trains_gan:
        for networks in class_folders(run.gan(gan), params.separate_classes):
            require(networks / "generator.safetensors", "gan")
        real, labels = load_training_images(run, params, gan)
        synthesize(run.gan(gan), folder, params.gan, params.synthesis, real, device, labels, names)
    else:
        torch.set_num_threads(params.gan.threads)  # as ``synthesize`` does
        given.take(folder, params)
    images = np.load(folder / "images.npy", mmap_mode="r")
    called = None
    judge = params.judge_of(gan)
    if second_opinion and judge:
        classifier = run.classifier(judge, params.judge_replicate(gan))
        called = opinion(classifier, images, params.classifier, device)
    targets = {name: load_target_images(run, params, gan, name) for name in names}
    comparisons = _comparisons(targets, called)
    asked = params.selectors_asked_for
    assess_images(folder, run.data, params.synthesis, comparisons, device, asked)
    if not params.trains_gan:
        given.hold_against_photographs(run, params, gan, targets[names[0]], images, called, device)
    parts = zip(names, np.split(images, len(names)), strict=True)
    adapted = second_opinion and not params.reference_saw_more(gan)
    probed = {name: probe_sources(run, params, gan, part, adapted, name) for name, part in parts}
    write_table(folder / "source-probe.csv", join_classes(probed))


def _comparisons(
    targets: Mapping[str, TargetImages], called: tuple[np.ndarray, list[str]] | None
) -> dict[str, Comparison]:
    """By class: real images, and what the judge calls the synthetic ones, if it was asked (``opinion``)."""
    opinions: list[tuple[np.ndarray, ...]] = [()] * len(targets)
    if called is not None:
        found, classes = called
        parts = zip(targets, np.split(found, len(targets)), strict=True)
        opinions = [(part[:, classes.index(name)], part) for name, part in parts]
    return {
        name: Comparison(own.trained, own.held_out, own.unseen, *said)
        for (name, own), said in zip(targets.items(), opinions, strict=True)
    }
