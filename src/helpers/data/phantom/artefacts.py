"""What lies between lens and skin: hair, bubbles in the gel, the marks of a ruler."""

import numpy as np

from helpers.data.phantom.brushes import disc, scatter, strand
from helpers.data.phantom.pigments import WHITE, cover
from helpers.data.phantom.plane import Plane


def add_hair(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """Hairs across the photograph, mostly none or a few, roughly in one direction."""
    count = int(rng.choice([0, 3, 8, 16], p=[0.66, 0.18, 0.12, 0.04]) * rng.uniform(0.5, 1.3))
    direction, colour = rng.uniform(0, np.pi), rng.choice([0.10, 0.22, 0.75], p=[0.6, 0.32, 0.08])
    tint = np.float32(colour) * np.array([1.0, 0.82, 0.68], np.float32)
    for _ in range(count):
        start = (rng.uniform(-1.5, 1.2), rng.uniform(-1.1, 1.1))
        hair = strand(
            plane,
            start,
            direction + rng.normal(0, 0.45),
            rng.uniform(0.6, 2.2),
            rng.uniform(0.012, 0.024),
            rng.normal(0, 0.15),
        )
        cover(image, 0.7 * hair, tint)


def add_bubbles(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """Bubbles in the immersion gel: bright rings with a dark rim, in one photograph of fourteen."""
    if rng.random() > 0.07:
        return
    for x, y in scatter(rng, int(rng.integers(2, 9)), 1.2):
        radius = rng.uniform(0.03, 0.09)
        ring = disc(plane, x, y, radius, 0.15) - disc(plane, x, y, radius * 0.65, 0.3)
        cover(image, 0.5 * np.clip(ring, 0, 1), WHITE)
        cover(
            image,
            0.7 * disc(plane, x - radius * 0.3, y - radius * 0.3, radius * 0.22, 0.5),
            np.ones(3, np.float32),
        )


def add_ruler(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """The dermatoscope's scale: short dark marks along an edge, in one photograph of twelve."""
    if rng.random() > 0.08:
        return
    height, side = rng.uniform(0.78, 0.95), rng.choice([-1.0, 1.0])
    spacing, first = rng.uniform(0.09, 0.14), rng.uniform(-1.3, 0.3)
    for mark in range(int(rng.integers(5, 11))):
        length = 0.13 if mark % 5 == 0 else 0.07
        tick = strand(plane, (first + mark * spacing, side * height), side * np.pi / 2, length, 0.022, 0.0)
        cover(image, 0.85 * tick, np.array([0.08, 0.08, 0.10], np.float32))
