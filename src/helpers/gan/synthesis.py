"""Generation of synthetic images by seed, and their scores by the critic."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from helpers import params
from helpers.data.by_class import join_classes
from helpers.data.selection import wanted_count
from helpers.files import atomic_path, row_blocks, write_table
from helpers.gan.batches import to_bytes, to_float
from helpers.gan.filtering import score_stability
from helpers.gan.networks import GROUP_SIZE, Critic, Generator, StyleGenerator
from helpers.gan.recipes import RECIPES
from helpers.gan.rows import ROWS, write_rows
from helpers.gan.selectors import rank_by
from helpers.gan.weights import load_discriminator, load_generator
from helpers.paths import class_folders
from helpers.progress import Progress

# reference batches in which every image is scored: the first gives the score, the others its stability
REFERENCE_BATCHES = 3
MEAN_STYLE_LATENTS = 4096  # latents whose mean style is the centre of truncation


def synthesize(
    gan_directory: Path | str,
    directory: Path | str,
    config: params.Gan,
    synthesis: params.Synthesis,
    real_images: np.ndarray,
    device: str,
    labels: np.ndarray | None = None,
    names: Sequence[str] = ("",),
) -> pd.DataFrame:
    """Generate and score ``synthesis.count`` images of each class; return the scores as ``rank_scores`` does.

    Image i of a class depends on its own seed, ``synthesis.seed + i``, and its class, and on nothing else.
    ``gan_directory`` holds the networks, in a folder for each of ``names`` where ``config.one_each``.
    ``real_images`` (uint8, N x R x R x 3) are the GAN's training images: three of its class are the reference
    batch in which every image is scored. ``labels`` (N,) are their places in ``names``, those of the GAN's
    classes. Where the recipe has no critic, the table has the columns index and seed alone; scores and ranks
    come with the other selectors' columns (``assessment.assess_images``). Writes images.npy (uint8, R x R x 3
    each, class by class in the order of the seeds), scores.csv, score-stability.csv (how far other reference
    batches agree; empty without a critic) and, if asked for, png/ to ``directory``. Both tables have a column
    class where there are several classes, and ranks are those within a class. Raises MissingStageError where
    no GAN was trained.
    """
    torch.set_num_threads(config.threads)
    folders = class_folders(gan_directory, names if config.one_each else ())
    networks = [_load(folder, config, device) for folder in folders] * (len(names) // len(folders))
    has_critic = RECIPES.get(config.recipe).has_critic
    seeds = np.arange(synthesis.seed, synthesis.seed + synthesis.count)
    directory, keep = Path(directory), synthesis.keep_fraction
    scores = np.empty((len(names), synthesis.count, REFERENCE_BATCHES if has_critic else 0))
    labels = np.zeros(len(real_images), np.int64) if labels is None else labels
    with exact_convolutions(), atomic_path(directory / "images.npy") as temporary:
        batches = _batches(networks, real_images, labels, synthesis, scores)
        write_rows(temporary, batches, len(names) * synthesis.count)
    export_png(directory, wanted=synthesis.export_png)
    stability = {name: score_stability(each, keep) for name, each in zip(names, scores, strict=True)}
    write_table(directory / "score-stability.csv", join_classes(stability))
    rows = pd.DataFrame({"index": np.arange(len(seeds)), "seed": seeds})
    ranked = [rank_scores(seeds, each[:, 0], keep) if has_critic else rows for each in scores]
    table = join_classes(dict(zip(names, ranked, strict=True)))
    table["index"] = np.arange(len(table))
    write_table(directory / "scores.csv", table)
    return table


def _load(folder: Path, config: params.Gan, device: str) -> tuple[Generator, Critic | None]:
    """The trained generator in ``folder``, and the critic where the recipe has one."""
    has_critic = RECIPES.get(config.recipe).has_critic
    critic = load_discriminator(folder, config, device) if has_critic else None
    return load_generator(folder, config, device), critic


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Convolutions in float32 on a GPU, too; its default, TF32, is too coarse to tell scores apart."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def _scorer(
    critic: Critic, real_images: np.ndarray, seed: int, device: str, label: int
) -> Callable[[np.ndarray], np.ndarray]:
    """What scores a batch of images in REFERENCE_BATCHES reference batches, as ``score_images`` does."""
    references = [
        reference_features(critic, real_images, seed + batch, device) for batch in range(REFERENCE_BATCHES)
    ]
    return partial(score_images, critic, references=torch.stack(references), label=label)


def _batches(
    networks: Sequence[tuple[Generator, Critic | None]],
    real_images: np.ndarray,
    labels: np.ndarray,
    synthesis: params.Synthesis,
    scores: np.ndarray,
) -> Iterator[np.ndarray]:
    """Batches of images, class by class; fills ``scores`` (classes, N, batches), where a critic gives any.

    ``networks`` are those of each class, or the same for all.
    """
    seeds = np.arange(synthesis.seed, synthesis.seed + synthesis.count)
    progress = Progress("Synthesis", len(scores) * len(seeds), "image")
    flat, done = scores.reshape(len(scores) * len(seeds), scores.shape[-1]), 0
    for label, (generator, critic) in enumerate(networks):
        real = real_images[labels == label] if len(scores) > 1 else real_images
        device = str(next(generator.parameters()).device)
        score = _scorer(critic, real, synthesis.seed, device, label) if critic else None
        for batch in generate(generator, seeds, synthesis.batch_size, synthesis.truncation, label):
            if score:
                flat[done : done + len(batch)] = score(batch)
            done += len(batch)
            progress.update(done)
            yield batch
    progress.close()


def export_png(directory: Path, wanted: bool = True) -> None:
    """Write ``directory``/images.npy as png/00000.png and so on.

    PNG files of earlier images are removed, also where none are ``wanted``.
    """
    folder = Path(directory) / "png"
    shutil.rmtree(folder, ignore_errors=True)
    if not wanted:
        return
    images = np.load(Path(directory) / "images.npy", mmap_mode="r")
    folder.mkdir()
    index = 0
    for block in row_blocks(images, ROWS):
        for image in block:
            Image.fromarray(image).save(folder / f"{index:05d}.png")
            index += 1


@torch.no_grad()
def generate(
    generator: Generator,
    seeds: np.ndarray,
    batch_size: int = 50,
    truncation: float = 1.0,
    label: int = 0,
) -> Iterator[np.ndarray]:
    """Batches of images of the class ``label``, uint8 (N, R, R, 3), one image per seed, in float32."""
    device = next(generator.parameters()).device
    mean = mean_style(generator, label) if truncation < 1 and isinstance(generator, StyleGenerator) else None
    for start in range(0, len(seeds), batch_size):
        size = generator.latent_size + generator.noise_size
        draws = [_draw(int(seed), size) for seed in seeds[start : start + batch_size]]
        latents, noise = torch.stack(draws).to(device).split([generator.latent_size, generator.noise_size], 1)
        labels = torch.full((len(latents),), label, device=device)
        yield to_bytes(generator(latents, noise, truncation, mean, labels))


@torch.no_grad()
def mean_style(generator: StyleGenerator, label: int = 0) -> Tensor:
    """The mean style of MEAN_STYLE_LATENTS latents of the class ``label``, always the same ones."""
    latents = _draw(0, MEAN_STYLE_LATENTS * generator.latent_size).view(MEAN_STYLE_LATENTS, -1)
    device = generator.constant.device
    labels = torch.full((MEAN_STYLE_LATENTS,), label, device=device)
    return generator.mapping(latents.to(device), labels).mean(0)


def _draw(seed: int, size: int) -> Tensor:
    """``size`` standard normal numbers of one seed, drawn on the CPU so that every device gets the same."""
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def reference_features(critic: Critic, real_images: np.ndarray, seed: int, device: str) -> Tensor:
    """Critic features (GROUP_SIZE - 1, C, 4, 4) of a reference batch: real images drawn by ``seed``."""
    chosen = np.random.default_rng(seed).choice(
        len(real_images), GROUP_SIZE - 1, replace=len(real_images) < GROUP_SIZE - 1
    )
    images = np.stack([real_images[index] for index in chosen])
    return critic.features(to_float(torch.from_numpy(images).to(device)))


@torch.no_grad()
def score_images(critic: Critic, images: np.ndarray, references: Tensor, label: int = 0) -> np.ndarray:
    """The critic's scores (float64, N x S) of uint8 images; higher is more like the training images.

    ``label``: the class of the images and of the references.

    They are computed in float32. ``references`` (S, GROUP_SIZE - 1, C, 4, 4) are features of S reference
    batches. Each image makes a group with the same real images, so that its neighbours do not matter. The
    images are scored as they are saved, so that anyone can compute the score again from images.npy.
    """
    features = critic.features(to_float(torch.from_numpy(images).to(references.device))).unsqueeze(1)
    scores = []
    for reference in references:
        groups = torch.cat([features, reference.expand(len(features), *reference.shape)], 1)
        labels = torch.full((groups.shape[0] * groups.shape[1],), label, device=groups.device)
        scores.append(critic.head(groups.flatten(0, 1), labels).view(len(features), -1)[:, 0])
    return torch.stack(scores, 1).double().cpu().numpy()


def rank_scores(seeds: np.ndarray, scores: np.ndarray, keep_fraction: float) -> pd.DataFrame:
    """One row per image: index, seed, score, rank and selected (0/1).

    Rank 1 is best, of equal scores the earlier image; selected are the best ``keep_fraction``.
    """
    rank = rank_by(scores)
    selected = (rank <= wanted_count(len(scores), fraction=keep_fraction)).astype(np.int64)
    return pd.DataFrame(
        {"index": np.arange(len(scores)), "seed": seeds, "score": scores, "rank": rank, "selected": selected}
    )
