"""Stage gan: train one generative adversarial network on the training images of its classes."""

import pandas as pd

from helpers.data.trained_on import record_training
from helpers.device import pick_device
from helpers.errors import ParameterError
from helpers.files import read_table
from helpers.gan.training import train_gan
from helpers.params import GanName, Params
from helpers.paths import RunPaths
from helpers.stages.target import load_gan_split, load_training_images, require_enough


def train(run: RunPaths, params: Params, gan: GanName) -> pd.DataFrame:
    """Train one of ``params.gans()``; the history, one row a logged step.

    Writes what ``train_gan`` writes, and what it was trained on (``helpers.data.trained_on``). Goes on from a
    checkpoint of the same training. Raises MissingStageError before the split is made, DataError for unfit
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
    history = train_gan(images, params.gan, directory, pick_device(params.compute), seed, labels=labels)
    record_training(directory, split[split["dx"].isin(params.gan_classes)], params.data.split.by)
    seal_by_hand(run, params, "gan", seed=gan)
    return history
