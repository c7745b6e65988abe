"""Melanocytic growths, from a plain naevus to a melanoma."""

import numpy as np

from helpers.data.phantom.brushes import cloud, disc, noise, outline, scatter, step
from helpers.data.phantom.pigments import BLOOD, DEEP_MELANIN, MELANIN, VEIL, absorb, cover
from helpers.data.phantom.plane import Plane
from helpers.data.phantom.structures import globules, network, regression, streaks, veil


def draw_melanocytic(rng: np.random.Generator, image: np.ndarray, plane: Plane, atypia: float) -> None:
    """A naevus or a melanoma.

    The higher ``atypia`` (0..1), the more asymmetric and irregular it is, and the more colours and
    structures it has.
    """
    irregularity, raggedness = 0.03 + 0.13 * atypia, 0.02 + 0.10 * atypia
    depth = outline(rng, plane, irregularity, rng.uniform(1.0, 1.3 + 0.4 * atypia), raggedness)
    fade = rng.uniform(0.12, 0.45) * (1 - 0.5 * atypia)
    body = step(depth, -0.25 * fade, fade)
    amount = rng.uniform(0.45, 1.40) + 0.30 * atypia
    direction, centre_weight = rng.uniform(0, 2 * np.pi), rng.uniform(-0.15, 0.45)
    slope = np.float32(np.cos(direction)) * plane.u + np.float32(np.sin(direction)) * plane.v
    shade = (
        1
        + centre_weight * (depth - 0.5)
        + np.float32(0.75 * atypia) * slope
        + np.float32(0.3 + 1.7 * atypia) * (cloud(rng, plane, 1.5) - 0.5)
    )
    pattern = rng.choice(["reticular", "globular", "homogeneous"], p=[0.55, 0.25, 0.20])
    if pattern == "reticular":
        texture = 0.70 + 0.60 * network(rng, plane, rng.uniform(0.17, 0.25), 0.3 + 0.7 * atypia)
    elif pattern == "globular":
        texture = 0.80 + 0.60 * globules(rng, plane, 24, 0.07, 0.85, 0.1 + 0.45 * atypia)
    else:
        texture = 0.9 + 0.3 * noise(rng, plane, 4.0)
    absorb(image, body * rng.uniform(0.0, 0.3), BLOOD)
    absorb(image, np.maximum(amount * body * shade * texture, 0), MELANIN)
    _add_atypical_structures(rng, image, plane, body, atypia)


def _add_atypical_structures(
    rng: np.random.Generator, image: np.ndarray, plane: Plane, body: np.ndarray, atypia: float
) -> None:
    """Each of six signs of a melanoma, at a place of its own, with a chance that grows with ``atypia``."""
    places = [(float(x), float(y)) for x, y in scatter(rng, 6, 0.62)]
    present = rng.random(6) < np.clip(1.5 * atypia - 0.25, 0, 1) * np.array([0.6, 0.7, 0.6, 0.45, 0.45, 0.5])
    strength = 0.35 + 0.65 * atypia
    if present[0]:  # black blotch, off centre
        blotch = disc(
            plane, *places[0], rng.uniform(0.25, 0.45), 0.4, rng.uniform(1, 1.6), rng.uniform(0, np.pi)
        ) * (0.4 + cloud(rng, plane, 2.5))
        absorb(image, 1.9 * strength * body * blotch, np.array([0.95, 1.0, 1.05], np.float32))
    if present[1]:
        film = veil(rng, plane, *places[1], rng.uniform(0.35, 0.6))
        absorb(image, 0.8 * strength * body * film, DEEP_MELANIN)
        cover(image, 0.62 * strength * body * film, VEIL)
    if present[2]:
        clods = globules(rng, plane, int(rng.integers(5, 14)), 0.075, 0.45, 0.5, places[2])
        absorb(image, 1.7 * strength * step(body, 0.02, 0.3) * clods, np.array([0.8, 1.0, 1.1], np.float32))
    if present[3]:
        absorb(
            image,
            1.5 * strength * streaks(rng, plane, int(rng.integers(5, 12)), rng.uniform(0.8, 2.2)),
            MELANIN,
        )
    if present[4]:
        regression(rng, image, plane, body, *places[4], strength)
    if present[5]:  # a pink area, as new vessels make it
        pink = body * disc(plane, *places[5], rng.uniform(0.3, 0.5), 0.6)
        cover(image, 0.55 * strength * pink, np.array([0.85, 0.50, 0.50], np.float32))
