"""Stage gan: train one generative adversarial network on the training images of its classes."""

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.by_class import join_classes
from helpers.data.trained_on import record_training
from helpers.device import pick_device
from helpers.errors import ParameterError, TrainingError
from helpers.files import read_table, write_table
from helpers.gan.training import train_gan
from helpers.params import GanName, Params
from helpers.paths import RunPaths, class_folders
from helpers.stages.target import load_gan_split, load_training_images, require_enough


def train(run: RunPaths, params: Params, gan: GanName) -> pd.DataFrame:
    """Train one of ``params.gans()``; the history, one row a logged step.

    Writes what ``train_gan`` writes, and what it was trained on (``helpers.data.trained_on``). Where every
    class has a GAN of its own (``params.separate_classes``), each has a folder with what ``train_gan``
    writes, and the history has a column class; one training follows another, all with one seed. Goes on from
    a checkpoint of the same training. Raises MissingStageError before the split is made, DataError for unfit
    images, TrainingError where the training is sick, ParameterError where the run trains no GAN.
    """
    from helpers.engine.by_hand import seal_by_hand
    from helpers.engine.plan import is_finished

    if not params.trains_gan:
        raise ParameterError(
            f"No GAN is trained in this run: its synthetic images come from synthesis.folder "
            f"({params.synthesis.folder}). Go on with notebook 03."
        )
    directory, seed = run.gan(gan), params.seed_of_gan(gan)
    if is_finished(run, params, "gan", seed=gan):
        return read_table(directory / "history.csv")
    split = load_gan_split(run, params, gan)
    require_enough(params, split)
    images, labels = load_training_images(run, params, gan)
    device = pick_device(params.compute)
    if labels is not None and params.separate_classes:
        history = _train_each(images, labels, params, directory, device, seed)
    else:
        history = train_gan(images, params.gan, directory, device, seed, labels=labels)
    record_training(directory, split[split["dx"].isin(params.gan_classes)], params.data.split.by)
    seal_by_hand(run, params, "gan", seed=gan)
    return history


def _train_each(
    images: np.ndarray, labels: np.ndarray, params: Params, directory: Path, device: str, seed: int
) -> pd.DataFrame:
    """A GAN for each class, trained on its images alone, as a run of that class alone would train it."""
    names, histories = params.separate_classes, {}
    for place, folder in enumerate(class_folders(directory, names)):
        name = names[place]
        own, title = params.gan.model_copy(update={"classes": (name,)}), f"GAN {place + 1} of {len(names)}"
        try:
            part = images[labels == place]
            histories[name] = train_gan(part, own, folder, device, seed, title=title, whole=False)
        except TrainingError as error:
            raise TrainingError(f"The GAN of the class '{name}': {error}") from None
    history = join_classes(histories)
    write_table(directory / "history.csv", history)
    return history
