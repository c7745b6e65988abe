"""What an arm trains on: the split's training images, thinned, repeated or joined by synthetic ones.

Synthetic images enter the training set only. The photographs stay in their memory-mapped array and are
referred to by index, so that 100,000 of them cost a few megabytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers.data.decoding import decode, resize_image
from helpers.data.selection import select_images, wanted_count
from helpers.errors import DataError, ParameterError
from helpers.files import array_digest, digest
from helpers.params import Arm, Params, SyntheticImages
from helpers.paths import from_project, require

IMAGE_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
WITHHOLD, OVERSAMPLE, SELECT = 1, 2, 3  # each random choice has a stream of its own


@dataclass(frozen=True)
class TrainingSet:
    """The images that one training sees: first photographs, by index, then extra (synthetic) ones."""

    labels: np.ndarray  # int64 (n,), positions in classes
    sources: np.ndarray  # int64 (photographs,), rows of the split and of the image array; repeats are allowed
    extras: np.ndarray  # uint8 (n - photographs, S, S, 3)
    classes: tuple[str, ...]  # sorted
    class_weights: np.ndarray | None  # float64 (classes,) of the loss; None: all equal
    pool: np.ndarray | None = (
        None  # uint8 (P, R, R, 3), what the extras were selected from, in its own size; None: the extras themselves
    )
    picks: np.ndarray | None = None  # int64 (extras,), the extras' places in the pool

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def synthetic_images(self) -> int:
        return len(self.extras)

    def digest(self) -> str:
        """A fingerprint of labels, selection, extra images and weights."""
        sums = [array_digest(array) for array in (self.labels, self.sources, self.extras)]
        weights = None if self.class_weights is None else self.class_weights.tolist()
        return digest(sums, self.classes, weights)


def replicate_seed(params: Params, arm: str, replicate: int) -> int:
    """Seed of one training: ``classifier.seed + replicate``, the same for every arm, so that replicates are paired.

    An arm with the same recipe as an earlier one (``again: {}`` beside ``baseline: {}``) is there to show
    what chance alone does: it gets seeds of its own, a million further on for each earlier twin.
    """
    if arm not in params.arms:
        raise ParameterError(f"There is no arm '{arm}'; the arms are {', '.join(params.arms)}.")
    return params.classifier.seed + replicate + 1_000_000 * params.identical_arms_before(arm)


def compose_training_set(
    split: pd.DataFrame,
    images: np.ndarray,
    arm: Arm,
    target_class: str,
    synthetic_folder: Path | str | None = None,
    seed: int = 0,
) -> TrainingSet:
    """The training set of ``arm``: withheld first, then oversampled from what is left, then joined by synthetic images.

    ``split``: columns dx and split, rows aligned with ``images`` (uint8 (N, S, S, 3)). ``synthetic_folder`` holds images.npy and
    scores.csv of the GAN that supplies the images; they get ``target_class``. ``seed`` is the replicate's and decides every random choice.
    Raises ParameterError for an unknown class or too many images, MissingStageError where there are no generated images.
    """
    if len(split) != len(images):
        raise DataError(
            f"split.csv has {len(split):,} rows and the image array {len(images):,}: run the stage 'eda' again."
        )
    classes = tuple(sorted(split["dx"].unique()))
    codes = split["dx"].map({name: code for code, name in enumerate(classes)}).to_numpy(np.int64)
    sources = np.flatnonzero((split["split"] == "train").to_numpy())
    if arm.withhold is not None:
        sources = _withhold(
            sources, codes, _code(arm.withhold.class_, classes, "withhold.class"), arm.withhold.fraction, seed
        )
    if arm.oversample is not None:
        sources = _oversample(
            sources,
            codes,
            _code(arm.oversample.class_, classes, "oversample.class"),
            arm.oversample.count,
            seed,
        )
    size = images.shape[1]
    labels, pool, picks = codes[sources], None, None
    extras = np.empty((0, size, size, 3), np.uint8)
    if arm.synthetic is not None:
        of_folder = arm.synthetic.folder is not None
        code = _code(
            (arm.synthetic.class_ if of_folder else None) or target_class,
            classes,
            "synthetic.class" if of_folder else "data.target_class",
        )
        if of_folder:
            extras = _folder_images(arm.synthetic, size, seed)
        else:
            pool, picks = _generated_images(arm.synthetic, synthetic_folder, seed)
            extras = resize_images(pool[picks], size)
        labels = np.concatenate([labels, np.full(len(extras), code, np.int64)])
    weights = balanced_weights(labels, len(classes)) if arm.loss == "balanced" else None
    # synthetic images, and test and validation photographs, must never meet
    assert (split["split"].to_numpy()[sources] == "train").all() and len(labels) == len(sources) + len(extras)
    return TrainingSet(labels, sources, extras, classes, weights, pool, picks)


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weight per class, proportional to 1 / its number of images, with mean 1 over the images; 0 for an absent class."""
    counts = np.bincount(labels, minlength=classes)
    present = counts > 0
    return np.where(present, len(labels) / (present.sum() * np.maximum(counts, 1)), 0.0)


def _rng(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, stream])


def _code(name: str, classes: tuple[str, ...], key: str) -> int:
    if name not in classes:
        raise ParameterError(
            f"{key} is '{name}', and the data hold no such class; the classes are {', '.join(classes)}."
        )
    return classes.index(name)


def _withhold(sources: np.ndarray, codes: np.ndarray, code: int, fraction: float, seed: int) -> np.ndarray:
    """``sources`` without a random ``fraction`` of one class."""
    of_class = sources[codes[sources] == code]
    count = wanted_count(len(of_class), fraction=fraction) if len(of_class) else 0
    gone = _rng(seed, WITHHOLD).choice(of_class, size=count, replace=False) if count else of_class
    return sources[~np.isin(sources, gone)]


def _oversample(sources: np.ndarray, codes: np.ndarray, code: int, count: int, seed: int) -> np.ndarray:
    """``sources`` and ``count`` of one class once more; with replacement only where the class is smaller."""
    of_class = sources[codes[sources] == code]
    if not len(of_class):
        raise ParameterError(
            f"oversample asks for {count} images of a class that has none in the training set."
        )
    again = _rng(seed, OVERSAMPLE).choice(of_class, size=count, replace=count > len(of_class))
    return np.concatenate([sources, again])


def _generated_images(
    wanted: SyntheticImages, folder: Path | str | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """All images of this run's GAN, memory-mapped in their own size, and the indices of the selected ones."""
    if folder is None:
        raise ParameterError("This arm takes synthetic images, and no folder of them was given.")
    folder = Path(folder)
    scores = pd.read_csv(require(folder / "scores.csv", "synthesis"))
    generated = np.load(require(folder / "images.npy", "synthesis"), mmap_mode="r")
    if len(scores) != len(generated):
        raise DataError(
            f"{folder} holds {len(generated):,} images and {len(scores):,} scores: run the stage 'synthesis' again."
        )
    stream = int(_rng(seed, SELECT).integers(2**31))
    return generated, select_images(
        scores, wanted.select, wanted.count, wanted.fraction, seed=stream, rank=wanted.rank
    )


def resize_images(images: np.ndarray | Sequence[np.ndarray], size: int) -> np.ndarray:
    """uint8 (n, R, R, 3), or n images of any sizes, to (n, size, size, 3), bilinear with antialiasing, as the photographs are resized."""
    if isinstance(images, np.ndarray) and images.shape[1:3] == (size, size):
        return np.ascontiguousarray(images)
    return np.stack([resize_image(Image.fromarray(image), size, "bilinear") for image in images])


def folder_files(wanted: SyntheticImages) -> list[Path]:
    """The images in the arm's folder and its subfolders, in order of path. Raises ParameterError or DataError where they cannot serve the arm."""
    folder = from_project(wanted.folder)
    if not folder.is_dir():
        raise ParameterError(
            f"The arm's folder of images, {folder}, does not exist; give a path from the project's folder or an absolute one."
        )
    paths = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS and path.is_file()
    )
    if not paths:
        raise DataError(f"{folder} holds no image (looked for {', '.join(sorted(IMAGE_ENDINGS))}).")
    if wanted.select in ("top", "bottom"):
        raise ParameterError(
            f"'select: {wanted.select}' goes by the critic's score, which the images of {folder} have none of; use 'random' or 'all'."
        )
    if wanted.count is not None and wanted.count > len(paths):
        raise ParameterError(
            f"{wanted.count:,} images of {folder} are asked for, and it holds {len(paths):,}: lower the arm's count, or use 'select: all'."
        )
    return paths


def _folder_images(wanted: SyntheticImages, size: int, seed: int) -> np.ndarray:
    """Anyone's images from a folder, as ``folder_files`` finds them, resized to ``size``."""
    paths = folder_files(wanted)
    count = wanted_count(len(paths), wanted.count, wanted.fraction)
    if count < len(paths):
        chosen = np.sort(_rng(seed, SELECT).choice(len(paths), size=count, replace=False))
        paths = [paths[index] for index in chosen]
    images = np.empty((len(paths), size, size, 3), np.uint8)
    for row, path in zip(images, paths, strict=True):
        row[:] = _read_image(path, size)
    return images


def _read_image(path: Path, size: int) -> np.ndarray:
    try:
        return resize_image(decode(path, FORMATS, upright=True), size, "bilinear")
    except (OSError, DataError) as error:
        raise DataError(
            f"{path} cannot be read as an image ({error}): replace it or take it out of the folder."
        ) from error
