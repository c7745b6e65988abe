"""Growths of the dermis: dermatofibromas and vascular lesions."""

import numpy as np

from helpers.data.phantom.brushes import cloud, disc, outline, scatter, step
from helpers.data.phantom.pigments import BLOOD, DEEP_MELANIN, MELANIN, absorb, cover
from helpers.data.phantom.plane import Plane
from helpers.data.phantom.structures import globules, network


def draw_dermatofibroma(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """df: a central white patch, around it a fine pale network that fades into the skin."""
    depth = outline(rng, plane, rng.uniform(0.02, 0.06), rng.uniform(1.0, 1.35), 0.04)
    body = step(depth, -0.15, rng.uniform(0.3, 0.5))
    absorb(image, body * rng.uniform(0.0, 0.35), BLOOD)
    lines = network(rng, plane, rng.uniform(0.14, 0.19), 0.55)
    absorb(
        image,
        body * rng.uniform(0.3, 0.85) * (0.5 + 0.8 * lines) * (0.6 + 0.8 * cloud(rng, plane, 1.8)),
        MELANIN,
    )
    x, y = scatter(rng, 1, 0.15)[0]
    patch = disc(plane, x, y, rng.uniform(0.28, 0.5), 0.55, rng.uniform(1, 1.4), rng.uniform(0, np.pi))
    cover(
        image,
        rng.uniform(0.25, 0.8) * patch * (0.65 + 0.5 * cloud(rng, plane, 5.0)),
        np.array([0.95, 0.84, 0.82], np.float32),
    )


def draw_vascular(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """vasc: red to purple lacunae, round and sharply bordered, parted by pale septa; some are blue-black."""
    depth = outline(rng, plane, rng.uniform(0.03, 0.09), rng.uniform(1.0, 1.4), 0.03)
    body = step(depth, -0.06, 0.12)
    absorb(image, body * rng.uniform(0.5, 1.2), BLOOD)
    cover(image, rng.uniform(0.0, 0.3) * body, np.array([0.80, 0.60, 0.72], np.float32))
    lacunae = globules(rng, plane, int(rng.integers(7, 18)), rng.uniform(0.18, 0.30), 0.75, 0.25)
    absorb(image, step(body, 0.1, 0.6) * lacunae * rng.uniform(0.7, 1.5), BLOOD)
    absorb(
        image,
        step(body, 0.1, 0.6) * lacunae * rng.choice([0.05, 0.4, 1.1], p=[0.5, 0.35, 0.15]),
        DEEP_MELANIN,
    )
