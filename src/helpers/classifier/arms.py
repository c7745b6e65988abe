"""What an arm trains on: training photographs, all, fewer or repeated ones, and synthetic images.

Synthetic images enter the training set only. The photographs stay in their memory-mapped array and are
referred to by index, so that 100,000 of them cost a few megabytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.classifier.folder_images import folder_images
from helpers.data.by_class import CLASS, rows_of_class
from helpers.data.resizing import Way, resize_images
from helpers.data.selection import select_images, share_count
from helpers.data.withholding import withheld_rows
from helpers.errors import DataError, ParameterError
from helpers.files import array_digest, digest
from helpers.params import Arm, Params, SyntheticImages
from helpers.paths import require

# streams of random numbers, which the orders of passes 2 and 3 use too
OVERSAMPLE, SELECT = 2, 3
ON_TRUNK = 10_000_000  # added to the seeds of trainings on adapted trunks


@dataclass(frozen=True)
class TrainingSet:
    """The images that one training sees: first photographs, by index, then synthetic images.

    In the place of synthetic images may stand photographs that took their way (``blurred``).
    """

    labels: np.ndarray  # int64 (n,), positions in classes
    photographs: np.ndarray  # int64 (p,), rows of the split and of the image array; repeats are allowed
    synthetic: np.ndarray  # uint8 (n - p, S, S, 3)
    classes: tuple[str, ...]  # sorted
    class_weights: np.ndarray | None  # float64 (classes,) of the loss; None: all equal
    # uint8 (P, R, R, 3), what the synthetic images are enlarged from; None: they come from a folder
    pool: np.ndarray | None = None
    pool_rows: np.ndarray | None = None  # int64 (n - p,), which rows of the pool the synthetic images are
    blurred: bool = False  # whether ``synthetic`` are photographs, reduced and enlarged

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def synthetic_images(self) -> int:
        """The number of synthetic images; photographs that took their way are none."""
        return 0 if self.blurred else len(self.synthetic)

    def digest(self) -> str:
        """A fingerprint of labels, photographs, synthetic images and weights."""
        sums = [array_digest(array) for array in (self.labels, self.photographs, self.synthetic)]
        weights = None if self.class_weights is None else self.class_weights.tolist()
        return digest(sums, self.classes, weights)


class Added(NamedTuple):
    """What an arm trains on beside the photographs that it refers to by index; as in ``TrainingSet``."""

    images: np.ndarray
    labels: np.ndarray
    pool: np.ndarray | None = None
    rows: np.ndarray | None = None


def replicate_seed(params: Params, arm: str, replicate: int) -> int:
    """Seed of one training: ``classifier.seed + replicate``, for every arm, so that replicates are paired.

    An arm with the same settings as an earlier one (``again: {}`` beside ``baseline: {}``) shows what chance
    alone does: it gets other seeds, a million higher for each such arm before it.
    """
    if arm not in params.arms:
        raise ParameterError(f"There is no arm '{arm}'; the arms are {', '.join(params.arms)}.")
    return params.classifier.seed + replicate + 1_000_000 * params.identical_arms_before(arm)


def training_seed(params: Params, arm: str, replicate: int) -> int:
    """Seed of a training's first weights, batches and augmentation: ``replicate_seed``, or on a trunk more.

    The trunk of a replicate is adapted with the same seed. A head that began with it would begin where the
    head began with which its trunk was trained, and be ahead of every head with another seed.
    """
    on_trunk = ON_TRUNK if params.classifier.adapt.epochs else 0
    return replicate_seed(params, arm, replicate) + on_trunk


def compose_training_set(
    split: pd.DataFrame,
    images: np.ndarray,
    arm: Arm,
    target_class: str,
    synthetic_folder: Path | str | None = None,
    seed: int = 0,
    reduced: np.ndarray | None = None,
    way: Way | None = None,
    withhold_seed: int | None = None,
    gan_classes: Sequence[str] = (),
) -> TrainingSet:
    """The training set of ``arm``.

    Images are withheld first, then oversampled from those that are left; synthetic images are added last.
    ``split``: columns dx, split and, where lesions are known, lesion_id; rows aligned with ``images`` (uint8
    (N, S, S, 3)). ``synthetic_folder`` holds images.npy and scores.csv of the GAN that supplies the images of
    ``gan_classes`` (default: ``target_class``, which the images of an arm's folder get). ``seed`` is the
    replicate's and decides every random choice. ``reduced``: all photographs in the GAN's size, uint8 (N, R,
    R, 3), for an arm whose repeated photographs take the way of synthetic images. ``way``: the way that every
    image of the run takes, where ``images`` have taken it. ``withhold_seed`` decides which photographs are
    withheld (default: ``seed``). Raises ParameterError for an unknown class or too many images,
    MissingStageError where there are no generated images.
    """
    if len(split) != len(images):
        raise DataError(
            f"split.csv has {len(split):,} rows and the image array {len(images):,}: run the stage 'eda' "
            "again."
        )
    classes = tuple(sorted(split["dx"].unique()))
    codes = split["dx"].map({name: code for code, name in enumerate(classes)}).to_numpy(np.int64)
    training = _training_rows(split, classes, arm, seed if withhold_seed is None else withhold_seed)
    again = _repeated(training, codes, classes, arm, seed)
    photographs = training if arm.blurs else np.concatenate([training, again])
    size = images.shape[1]
    if arm.blurs:
        added = _blurred(reduced, training, codes, again, size)
    elif arm.synthetic is None:
        added = Added(np.empty((0, size, size, 3), np.uint8), np.empty(0, np.int64))
    elif arm.synthetic.folder is not None:
        code = _class_code(arm.synthetic.class_ or target_class, classes, "synthetic.class")
        pictures = folder_images(arm.synthetic, size, _random(seed, SELECT), way)
        added = Added(pictures, np.full(len(pictures), code, np.int64))
    else:
        names = gan_classes or (target_class,)
        codes_of = {name: _class_code(name, classes, "gan.classes") for name in names}
        added = _of_classes(arm.synthetic, synthetic_folder, seed, codes_of, codes[photographs], size)
    labels = np.concatenate([codes[photographs], added.labels])
    weights = balanced_weights(labels, len(classes)) if arm.loss == "balanced" else None
    # Nothing but training photographs and synthetic images may be trained on.
    assert (split["split"].to_numpy()[photographs] == "train").all()
    assert len(labels) == len(photographs) + len(added.images)
    return TrainingSet(labels, photographs, added.images, classes, weights, added.pool, added.rows, arm.blurs)


def _blurred(
    reduced: np.ndarray | None, training: np.ndarray, codes: np.ndarray, again: np.ndarray, size: int
) -> Added:
    """The photographs of the rows ``again``, reduced to the GAN's size and enlarged to ``size``."""
    if reduced is None or len(reduced) != len(codes):
        raise DataError("Photographs that take the way of synthetic images are wanted in the GAN's size.")
    # of the whole class, so that arms and replicates share one bank of the trunk's outputs
    of_class = training[np.isin(codes[training], codes[again])]
    pool, rows = reduced[of_class], np.searchsorted(of_class, again)
    return Added(resize_images(pool[rows], size), codes[again], pool, rows)


def _of_classes(
    wanted: SyntheticImages,
    folder: Path | str | None,
    seed: int,
    codes: Mapping[str, int],
    real: np.ndarray,
    size: int,
) -> Added:
    """The GAN's images that an arm takes, enlarged to ``size``.

    ``codes`` are the places of the GAN's classes, ``real`` the labels of the real training images.
    """
    trained = {name: int((real == code).sum()) for name, code in codes.items()}
    pool, chosen = generated_images(wanted, folder, seed, trained)
    labels = [np.full(len(rows), codes[name], np.int64) for name, rows in chosen.items()]
    rows = np.concatenate(list(chosen.values()))
    return Added(resize_images(pool[rows], size), np.concatenate(labels), pool, rows)


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weight per class, proportional to 1 / its number of images, with mean 1 over the images.

    A class without images has weight 0.
    """
    counts = np.bincount(labels, minlength=classes)
    present = counts > 0
    return np.where(present, len(labels) / (present.sum() * np.maximum(counts, 1)), 0.0)


def generated_images(
    wanted: SyntheticImages, folder: Path | str | None, seed: int, trained: Mapping[str, int]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """All images of this run's GAN, memory-mapped in their own size, and the indices of the selected ones.

    These are by class. ``trained``: for each of the GAN's classes, in their order, how many real images of it
    the arm trains on, which a wanted share is reckoned from. Raises ParameterError for more images than
    there are, DataError where the folder holds those of other classes.
    """
    if folder is None or wanted.select is None:
        raise ParameterError(
            "This arm takes synthetic images, and no folder of them or no selection was given."
        )
    folder = Path(folder)
    scores = pd.read_csv(require(folder / "scores.csv", "synthesis"))
    generated = np.load(require(folder / "images.npy", "synthesis"), mmap_mode="r")
    if len(trained) > 1 and set(map(str, scores.get(CLASS, ()))) != set(trained):
        raise DataError(
            f"{folder} does not hold images of each of {', '.join(trained)} (gan.classes): run the stages "
            "'gan' and 'synthesis' again."
        )
    if len(scores) != len(generated):
        raise DataError(
            f"{folder} holds {len(generated):,} images and {len(scores):,} scores: run the stage 'synthesis' "
            "again."
        )
    random, chosen, by = _random(seed, SELECT), {}, wanted.selector
    for name, real in trained.items():
        own, stream = rows_of_class(scores, name), int(random.integers(2**31))
        count = wanted.count if wanted.share is None else share_count(wanted.share, real)
        count = count if wanted.counts is None else wanted.counts.get(name, 0)
        chosen[name] = (
            np.empty(0, np.int64)
            if count == 0
            else select_images(own, wanted.select, count, wanted.fraction, stream, by.rank, by.missing)
        )
    return generated, chosen


def _random(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, stream])


def _class_code(name: str, classes: tuple[str, ...], parameter: str) -> int:
    """The class's place in ``classes``."""
    if name not in classes:
        raise ParameterError(
            f"{parameter} is '{name}', and the data hold no such class; the classes are {', '.join(classes)}."
        )
    return classes.index(name)


def _training_rows(split: pd.DataFrame, classes: tuple[str, ...], arm: Arm, seed: int) -> np.ndarray:
    """Rows of the training photographs without those that the arm withholds."""
    training = np.flatnonzero((split["split"] == "train").to_numpy())
    if arm.withhold is None:
        return training
    _class_code(arm.withhold.class_, classes, "withhold.class")
    return np.setdiff1d(training, withheld_rows(split, arm.withhold, seed))


def _repeated(
    training: np.ndarray, codes: np.ndarray, classes: tuple[str, ...], arm: Arm, seed: int
) -> np.ndarray:
    """The rows of the training photographs that the arm takes once more."""
    if arm.oversample is None:
        return training[:0]
    code = _class_code(arm.oversample.class_, classes, "oversample.class")
    return _oversample(training, codes, code, arm.oversample.count, seed)


def _oversample(photographs: np.ndarray, codes: np.ndarray, code: int, count: int, seed: int) -> np.ndarray:
    """``count`` of one class's ``photographs``: all as often as they fit, and the rest at random."""
    of_class = photographs[codes[photographs] == code]
    if not len(of_class):
        raise ParameterError(
            f"oversample asks for {count} images of a class that has none in the training set."
        )
    rounds, rest = divmod(count, len(of_class))
    chosen = _random(seed, OVERSAMPLE).choice(of_class, size=rest, replace=False)
    return np.concatenate([*[of_class] * rounds, chosen])
