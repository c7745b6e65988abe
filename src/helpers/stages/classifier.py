"""Stage classifier: train one replicate of an arm and predict with it.

It predicts the held-out and the external images.
"""

import json
from typing import Any

from helpers.classifier.arms import TrainingSet, compose_training_set, replicate_seed, training_seed
from helpers.classifier.inference import predict_images
from helpers.classifier.training import train_classifier
from helpers.data.arrays import load_reduced
from helpers.data.external import load_external, write_external_predictions
from helpers.data.manifest import load_split
from helpers.data.resizing import Way
from helpers.data.trained_on import refuse_leak
from helpers.data.withholding import mark_withheld
from helpers.device import pick_device
from helpers.params import Params
from helpers.paths import RunPaths
from helpers.stages.photographs import load_photographs
from helpers.stages.trunk import config_on_trunk


def compose(run: RunPaths, params: Params, arm: str, replicate: int) -> TrainingSet:
    """What an arm's replicate trains on.

    These are photographs of the training part, and synthetic images, or photographs that took their way,
    where the arm has any. Raises DataError where the GAN of those images was trained on lesions that
    this replicate holds out or, where the GAN must not see them, withholds.
    """
    wanted = params.arms[arm]
    split, target = load_split(run, params.part(replicate)), params.data.target_class
    folder, withheld = None, params.withhold_seed(replicate)
    if wanted.uses_gan:
        name = params.gan_name(arm, replicate)
        if params.trains_gan:  # of images in a folder nobody knows what their generator has seen
            refuse_leak(run.gan(name), "gan", mark_withheld(split, params.gan_lack(arm), withheld))
        folder = run.synthetic(name)
    images, way = load_photographs(run, params), Way.of_all(params)
    reduced = load_reduced(run, params) if wanted.blurs else None
    seed = replicate_seed(params, arm, replicate)
    return compose_training_set(
        split, images, wanted, target, folder, seed, reduced, way, withheld, params.gan_classes
    )


def train(run: RunPaths, params: Params, arm: str, replicate: int) -> dict[str, Any]:
    """Train one classifier and write its predictions, history and weights; the content of summary.json.

    Goes on from a checkpoint of the same training. Raises MissingStageError where a stage before is not
    finished, DataError where its trunk was trained on what it is tested on, TrainingError or UserError where
    the training cannot go on.
    """
    from helpers.engine.by_hand import seal_by_hand
    from helpers.engine.plan import is_finished

    directory = run.classifier(arm, replicate)
    if is_finished(run, params, "classifier", arm=arm, replicate=replicate):
        return json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    split, device = load_split(run, params.part(replicate)), pick_device(params.compute)
    config = config_on_trunk(run, params, arm, replicate, split)
    images = load_photographs(run, params)
    part = f"part-{params.part(replicate)}" if params.parts > 1 else None
    summary = train_classifier(
        compose(run, params, arm, replicate),
        split,
        images,
        config,
        directory,
        device,
        training_seed(params, arm, replicate),
        name=arm,
        replicate=replicate,
        gan_seed=params.gan_name(arm, replicate) if params.arms[arm].uses_gan else None,
        # a bank holds one part's photographs, and a new one replaces that of its folder
        bank_folder=run.banks(params.trunk(arm, replicate) or part),
        way=Way.of(params),
    )
    way = Way.of_all(params) or Way(params.classifier.image_size, "bilinear")
    external = load_external(run, params.data, way.resolution, way.resize)  # enlarged as it is predicted
    write_external_predictions(
        directory, external, lambda new: predict_images(directory, new, config, device)
    )
    seal_by_hand(run, params, "classifier", arm=arm, replicate=replicate)
    return summary
