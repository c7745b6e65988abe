"""Generation of synthetic images by seed, and their scores by the critic."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from helpers import params
from helpers.data.selection import wanted_count
from helpers.files import atomic_path, write_table
from helpers.gan.fidelity import measure_fidelity
from helpers.gan.networks import GROUP_SIZE, Discriminator, Generator
from helpers.gan.training import load_discriminator, load_generator, to_bytes, to_float
from helpers.progress import Progress

MEAN_STYLE_LATENTS = 4096  # latents whose mean style truncation pulls to


def synthesize(
    gan_directory: Path | str, directory: Path | str, config: params.Gan, synthesis: params.Synthesis, real_images: np.ndarray, device: str
) -> pd.DataFrame:
    """Generate and score ``synthesis.count`` images; return the scores: index, seed, score, rank (1 is best), selected (0/1).

    Image i depends on its own seed, ``synthesis.seed + i``, and on nothing else. ``real_images`` (uint8, N x R x R x 3) are
    the GAN's training images: three of them keep every scored image company. Writes images.npy (uint8, count x R x R x 3,
    as they come), scores.csv and fidelity.csv to ``directory``. Raises MissingStageError where no GAN was trained.
    """
    torch.set_num_threads(config.threads)
    generator, critic = load_generator(gan_directory, config, device), load_discriminator(gan_directory, config, device)
    references = reference_features(critic, real_images, synthesis.seed, device)
    seeds = np.arange(synthesis.seed, synthesis.seed + synthesis.count)
    directory, side = Path(directory), config.resolution
    scores = np.empty(synthesis.count)
    progress = Progress("Synthesis", synthesis.count, "image")
    done = 0
    with atomic_path(directory / "images.npy") as temporary:
        images = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=(synthesis.count, side, side, 3))
        for batch in generate(generator, seeds, synthesis.batch_size, synthesis.truncation):
            images[done : done + len(batch)] = batch
            scores[done : done + len(batch)] = score_images(critic, batch, references)
            done += len(batch)
            progress.update(done)
        images.flush()
        del images
    progress.close()
    table = rank_scores(seeds, scores, synthesis.keep_fraction)
    write_table(directory / "fidelity.csv", measure_fidelity(np.load(directory / "images.npy", mmap_mode="r"), table, real_images))
    write_table(directory / "scores.csv", table)
    return table


@torch.no_grad()
def generate(generator: Generator, seeds: np.ndarray, batch_size: int = 50, truncation: float = 1.0) -> Iterator[np.ndarray]:
    """Batches of images, uint8 (N, R, R, 3), one image per seed, in float32."""
    device = generator.constant.device
    mean = mean_style(generator) if truncation < 1 else None
    for start in range(0, len(seeds), batch_size):
        draws = [_draw(int(seed), generator.latent_size + generator.noise_size) for seed in seeds[start : start + batch_size]]
        latents, noise = torch.stack(draws).to(device).split([generator.latent_size, generator.noise_size], 1)
        yield to_bytes(generator(latents, noise, truncation, mean))


@torch.no_grad()
def mean_style(generator: Generator) -> Tensor:
    """The mean style of MEAN_STYLE_LATENTS latents, always the same ones."""
    latents = _draw(0, MEAN_STYLE_LATENTS * generator.latent_size).view(MEAN_STYLE_LATENTS, -1)
    return generator.mapping(latents.to(generator.constant.device)).mean(0)


def _draw(seed: int, size: int) -> Tensor:
    """Standard normal numbers of one seed, drawn on the CPU so that every device gets the same."""
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def reference_features(critic: Discriminator, real_images: np.ndarray, seed: int, device: str) -> Tensor:
    """Critic features (GROUP_SIZE - 1, C, 4, 4) of real images drawn by ``seed``: the company in which images are scored."""
    chosen = np.random.default_rng(seed).choice(len(real_images), GROUP_SIZE - 1, replace=len(real_images) < GROUP_SIZE - 1)
    images = np.stack([real_images[index] for index in chosen])
    return critic.features(to_float(torch.from_numpy(images).to(device)))


@torch.no_grad()
def score_images(critic: Discriminator, images: np.ndarray, references: Tensor) -> np.ndarray:
    """The critic's scores (float64, N) of uint8 images, in float32, each grouped with ``references``; higher is more like the training images.

    The images are scored as they are saved, so that anyone can compute the score again from images.npy.
    """
    return critic.score(to_float(torch.from_numpy(images).to(references.device)), references).double().cpu().numpy()


def rank_scores(seeds: np.ndarray, scores: np.ndarray, keep_fraction: float) -> pd.DataFrame:
    """One row per image: index, seed, score, rank (1 is best; of equal scores the earlier image), selected (the best ``keep_fraction``)."""
    rank = np.empty(len(scores), dtype=np.int64)
    rank[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    selected = (rank <= wanted_count(len(scores), fraction=keep_fraction)).astype(np.int64)
    return pd.DataFrame({"index": np.arange(len(scores)), "seed": seeds, "score": scores, "rank": rank, "selected": selected})
