"""Part of the stage synthesis: can the classifier's frozen features tell synthetic images from real ones?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from helpers.classifier.inference import trunk_features
from helpers.data.arrays import load_images_through
from helpers.data.manifest import load_split
from helpers.data.resizing import Way
from helpers.data.splits import HELD_OUT, lesion_seen
from helpers.device import pick_device
from helpers.gan.assessment import ALL_HELD_OUT, UNSEEN
from helpers.gan.probe import FEWEST, separability
from helpers.params import Classifier, GanName, Params
from helpers.paths import RunPaths
from helpers.stages.photographs import load_photographs
from helpers.stages.target import load_gan_split
from helpers.stages.trunk import config_on_trunk

LARGEST = 500  # images of one source
ORIGINAL, ROUND_TRIP = "as they come", "after the round trip"
SYNTHETIC, TRAINING, BLURRED = "synthetic", "training", "blurred training"


@dataclass(frozen=True)
class _Sources:
    """Which images are compared: rows of the split, and of the synthetic images."""

    training: np.ndarray
    held_out: np.ndarray
    synthetic: np.ndarray
    lesions: np.ndarray  # str, of every row of the split
    held_out_words: str  # what is known of the held-out lesions


def probe_sources(
    run: RunPaths,
    params: Params,
    gan: GanName,
    images: np.ndarray,
    adapted: bool,
    class_name: str | None = None,
) -> pd.DataFrame:
    """How well a linear probe tells sources of one class's images from held-out real ones.

    ``class_name``: one of ``params.gan_classes``, the first by default. ``images``: the GAN's of that class,
    uint8 (N, R, R, 3). Compared are synthetic images, real training images and real training images that took
    the way of synthetic ones, as many of each; the last two are floors of what any training image, and blur
    alone, give. ``detail``: the images as the classifier sees them, or all of them after that way. ``trunk``:
    of ``classifier.weights``, and, if wanted, the ``adapted`` one. Columns: trunk, detail, compared, those of
    ``separability``, held_out.
    """
    replicate = params.judge_replicate(gan)
    name = class_name or params.gan_classes[0]
    sources = _sources(load_gan_split(run, params, gan), params, name, len(images))
    configs = {params.classifier.weights: params.classifier}
    if params.classifier.weights not in ("imagenet", "none"):
        configs = {"file": params.classifier}
    if adapted and params.classifier.adapt.epochs:
        split = load_split(run, params.part(replicate))
        configs["adapted"] = config_on_trunk(run, params, params.evaluation.reference, replicate, split)
    rows = []
    for trunk, config in configs.items():
        rows += [{"trunk": trunk, **row} for row in _compared(run, params, config, images, sources)]
    return pd.DataFrame(rows).assign(held_out=sources.held_out_words)


def _sources(split: pd.DataFrame, params: Params, class_name: str, synthetic: int) -> _Sources:
    of_class = (split["dx"] == class_name).to_numpy()
    trained = (split["split"] == "train").to_numpy()
    kept_out = of_class & split["split"].isin(HELD_OUT).to_numpy()
    new = kept_out & ~lesion_seen(split).to_numpy()
    lesions = split["lesion_id"].fillna(split["image_id"]).astype(str).to_numpy()
    unseen = len(np.unique(lesions[new])) >= FEWEST
    held_out = np.flatnonzero(new if unseen else kept_out)
    training = np.flatnonzero(of_class & trained)
    rng, count = np.random.default_rng([params.synthesis.seed, 2]), min(len(training), synthetic, LARGEST)
    return _Sources(
        _drawn(rng, training, count),
        _drawn(rng, held_out, min(len(held_out), LARGEST)),
        _drawn(rng, np.arange(synthetic), count),
        lesions,
        UNSEEN if unseen else ALL_HELD_OUT,
    )


def _drawn(rng: np.random.Generator, rows: np.ndarray, count: int) -> np.ndarray:
    return np.sort(rng.choice(rows, count, replace=False))


def _compared(
    run: RunPaths, params: Params, config: Classifier, images: np.ndarray, sources: _Sources
) -> list[dict[str, float | int | str]]:
    """The rows of one trunk."""
    device, size = pick_device(params.compute), config.image_size
    real = np.concatenate([sources.training, sources.held_out])
    places, features = len(sources.training), {}
    if params.data.detail == "full":
        features[ORIGINAL] = trunk_features(config, load_photographs(run, params)[real], device)
    if params.synthetic_side < size or params.trains_gan:  # else that way changes no pixel
        reduced = load_images_through(run, params.data, size, Way.of(params))
        features[ROUND_TRIP] = trunk_features(config, reduced[real], device)
    fake = trunk_features(config, images[sources.synthetic], device)
    fake_lesions = np.char.add("synthetic ", sources.synthetic.astype(str))
    rows: list[dict[str, float | int | str]] = []
    for detail, found in features.items():
        training, held_out = found[:places], found[places:]
        compared = {SYNTHETIC: (fake, fake_lesions), TRAINING: (training, sources.lesions[sources.training])}
        if detail == ORIGINAL and ROUND_TRIP in features:
            compared[BLURRED] = (features[ROUND_TRIP][:places], sources.lesions[sources.training])
        for name, (side, lesions) in compared.items():
            both = (lesions, sources.lesions[sources.held_out])
            with threadpool_limits(1, user_api="blas"):
                result = separability(side, held_out, both, params.synthesis.seed)
            rows.append({"detail": detail, "compared": name, **result})
    return rows
