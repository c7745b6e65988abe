"""A GAN that trains in a second, and what compares two of its trainings."""

import numpy as np
import torch

from helpers import params
from helpers.gan.training import train_gan
from helpers.gan.weights import load_discriminator, load_generator

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
SMALL = params.Gan(
    resolution=32,
    channel_scale=0.02,
    batch_size=4,
    steps=6,
    n_critic=2,
    threads=1,
    precision="float32",
    flips="both",
    log_every=2,
    sample_every=4,
    checkpoint_minutes=1e-9,
)


def train_here(directory, config):
    """What a process of its own does; it finds this function by its name."""
    train_gan(IMAGES, config, directory, "cpu", seed=4)


def weights(directory):
    return [load(directory, SMALL, "cpu").state_dict() for load in (load_generator, load_discriminator)]


def same(first, second):
    return all(torch.equal(a[key], b[key]) for a, b in zip(first, second, strict=True) for key in a)
