"""Stage classifier: train one replicate of an arm and predict with it.

It predicts the held-out and the external images.
"""

import json
from typing import Any

from helpers.classifier.arms import TrainingSet, compose_training_set, replicate_seed
from helpers.classifier.inference import predict_images
from helpers.classifier.training import train_classifier
from helpers.data.arrays import load_images
from helpers.data.external import load_external, write_external_predictions
from helpers.data.manifest import load_split
from helpers.data.trained_on import refuse_leak
from helpers.device import pick_device
from helpers.params import Params
from helpers.paths import RunPaths


def compose(run: RunPaths, params: Params, arm: str, replicate: int) -> TrainingSet:
    """What an arm's replicate trains on.

    These are photographs of the training part, and synthetic images, or photographs that took their way,
    where the arm has any. Raises DataError where the GAN of those images was trained on lesions that
    this replicate holds out.
    """
    wanted = params.arms[arm]
    split, target = load_split(run, params.part(replicate)), params.data.target_class
    folder = None
    if wanted.uses_gan:
        gan_seed = params.gan_seed(replicate)
        refuse_leak(run.gan(gan_seed), "gan", split)
        folder = run.synthetic(gan_seed)
    images = load_images(run, params.data, params.classifier.image_size, "bilinear")
    gan, reduced = params.gan, None
    if wanted.blurs:
        reduced = load_images(run, params.data, gan.resolution, gan.resize)
    seed = replicate_seed(params, arm, replicate)
    return compose_training_set(split, images, wanted, target, folder, seed, reduced)


def train(run: RunPaths, params: Params, arm: str, replicate: int) -> dict[str, Any]:
    """Train one classifier and write its predictions, history and weights; the content of summary.json.

    Goes on from a checkpoint of the same training. Raises MissingStageError where a stage before is not
    finished, TrainingError or UserError where the training cannot go on.
    """
    from helpers.engine.plan import is_finished

    directory = run.classifier(arm, replicate)
    if is_finished(run, params, "classifier", arm=arm, replicate=replicate):
        return json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    part, device = params.part(replicate), pick_device(params.compute)
    split, banks = load_split(run, part), directory.parents[1] / "bank"
    images = load_images(run, params.data, params.classifier.image_size, "bilinear")
    summary = train_classifier(
        compose(run, params, arm, replicate),
        split,
        images,
        params.classifier,
        directory,
        device,
        replicate_seed(params, arm, replicate),
        name=arm,
        replicate=replicate,
        gan_seed=params.gan_seed(replicate) if params.arms[arm].uses_gan else None,
        # a bank holds one part's photographs, and a new one replaces that of its folder
        bank_folder=banks / f"part-{part}" if params.parts > 1 else banks,
    )
    external = load_external(run, params.data, params.classifier.image_size)
    write_external_predictions(
        directory, external, lambda new: predict_images(directory, new, params.classifier, device)
    )
    return summary
