"""A program in the place of a reader: a linear probe, fitted to images of the run that are not in the study.

It answers the readers' question on the very images that they see. It knows far more examples than they do.
"""

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.data.arrays import load_reduced
from helpers.data.by_class import rows_of_class
from helpers.data.manifest import load_split
from helpers.files import read_table
from helpers.params import Params
from helpers.paths import RunPaths
from helpers.readers.answers import MACHINE
from helpers.readers.key import SYNTHETIC, Chosen

FEWEST = 8  # images of either kind to learn from; with fewer nothing is fitted
MOST = 1000  # images of either kind


def machine_answers(
    run: RunPaths, params: Params, images: Sequence[Chosen], study: str
) -> dict[str, Any] | None:
    """A file of answers by a logistic regression on standardised features, C = 1, both kinds weighed alike.

    The features are those of ``synthesis.features``; it learns from images at the GAN's size, whose lesions
    and synthetic images are not in the study. It names no diagnosis. None where either kind leaves fewer than
    FEWEST images to learn from. Raises UserError where the network's weights cannot be had.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from helpers.device import pick_device
    from helpers.gan.features import image_features

    random = np.random.default_rng(0)
    parts = [_other_real(run, params, images, random), _other_synthetic(run, params, images, random)]
    if min(map(len, parts)) < FEWEST:
        return None
    pixels = np.concatenate([*parts, np.stack([image.pixels for image in images])])
    with tempfile.TemporaryDirectory() as folder:
        device = pick_device(params.compute)
        features = np.array(image_features(pixels, folder, params.synthesis, device), np.float64)
    kinds = np.repeat([0, 1], list(map(len, parts)))
    probe = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    computed = probe.fit(features[: len(kinds)], kinds).predict(features[len(kinds) :])
    said = [{"image": image.id, "computed": bool(each)} for image, each in zip(images, computed, strict=True)]
    return {
        "format": "reader-study-answers",
        "version": 1,
        "study": study,
        "reader": MACHINE,
        "learnt_from": {"real": len(parts[0]), "synthetic": len(parts[1])},
        "answers": said,
    }


def _drawn(random: np.random.Generator, rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, drawn at random and sorted."""
    return np.sort(random.permutation(rows)[:most])


def _other_real(
    run: RunPaths, params: Params, images: Sequence[Chosen], random: np.random.Generator
) -> np.ndarray:
    """Real images of the target class, of lesions that the study does not show."""
    split = load_split(run)
    shown = {image.origin["image_id"] for image in images if image.origin["kind"] != SYNTHETIC}
    lesion = split["lesion_id"].fillna(split["image_id"])
    seen = lesion.isin(lesion[split["image_id"].isin(shown)])
    rows = np.flatnonzero(((split["dx"] == params.data.target_class) & ~seen).to_numpy())
    return load_reduced(run, params)[_drawn(random, rows, MOST)]


def _other_synthetic(
    run: RunPaths, params: Params, images: Sequence[Chosen], random: np.random.Generator
) -> np.ndarray:
    """Synthetic images of all GANs of the run that are not in the study."""
    shown = {(each.origin.get("gan_seed"), each.origin.get("index")) for each in images}
    found = []
    for seed in params.gan.seeds:
        pool = np.load(run.synthetic(seed) / "images.npy", mmap_mode="r")
        scores = rows_of_class(read_table(run.synthetic(seed) / "scores.csv"), params.data.target_class)
        rows = np.array([row for row in sorted(scores["index"]) if (seed, row) not in shown], int)
        found.append(pool[_drawn(random, rows, MOST // len(params.gan.seeds))])
    return np.concatenate(found)
