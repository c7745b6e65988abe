"""Stage trunk: fine-tune the whole network once, for the arms that then train new heads on its frozen stages.

A trunk learns from the real training photographs of its part of the split, without those that its arms
withhold, and never from a synthetic image.
"""

import json
from typing import Any

import pandas as pd

from helpers.classifier.arms import TrainingSet, compose_training_set
from helpers.classifier.training import train_classifier
from helpers.data.manifest import load_split
from helpers.data.resizing import Way
from helpers.data.trained_on import record_training, refuse_leak
from helpers.device import pick_device
from helpers.params import Arm, Classifier, Params
from helpers.paths import RunPaths, as_typed, require
from helpers.stages.photographs import load_photographs


def make(run: RunPaths, params: Params, trunk: str) -> dict[str, Any]:
    """Fine-tune the network of ``trunk``, one of ``params.trunks()``; the content of its summary.json.

    Writes what ``train_classifier`` writes, and what the trunk was trained on (``helpers.data.trained_on``).
    Goes on from a checkpoint of the same training. Raises MissingStageError before the split is made.
    """
    from helpers.engine.plan import is_finished

    directory, (part, _) = run.trunk(trunk), params.trunks()[trunk]
    if is_finished(run, params, "trunk", trunk=trunk):
        return json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    split, chosen = load_split(run, part), compose(run, params, trunk)
    summary = train_classifier(
        chosen,
        split,
        load_photographs(run, params),
        params.classifier.adapting(),
        directory,
        pick_device(params.compute),
        params.classifier.seed + part,
        name=trunk,
        way=Way.of(params),
    )
    record_training(directory, split.iloc[chosen.photographs], params.data.split.by)
    return summary


def compose(run: RunPaths, params: Params, trunk: str) -> TrainingSet:
    """The photographs that a trunk learns from: those of its part without what its arms withhold."""
    part, withheld = params.trunks()[trunk]
    images, recipe = load_photographs(run, params), Arm(withhold=withheld)
    split, target = load_split(run, part), params.data.target_class
    return compose_training_set(split, images, recipe, target, withhold_seed=params.withhold_seed(part))


def config_on_trunk(
    run: RunPaths, params: Params, arm: str, replicate: int, split: pd.DataFrame
) -> Classifier:
    """The classifier's parameters, with the weights of the adapted trunk where the run has one.

    Raises MissingStageError where the trunk is not adapted yet, and DataError where it was trained on what
    ``split`` holds out.
    """
    trunk = params.trunk(arm, replicate)
    if trunk is None:
        return params.classifier
    weights = require(run.trunk(trunk) / "model.safetensors", "trunk")
    refuse_leak(run.trunk(trunk), "trunk", split)
    return params.classifier.model_copy(update={"weights": as_typed(weights)})
