"""The structures that dermatoscopy knows, one function each."""

import numpy as np

from helpers.data.phantom.brushes import cloud, disc, noise, scatter, step, strand, strand_end
from helpers.data.phantom.pigments import DEEP_MELANIN, absorb, cover
from helpers.data.phantom.plane import Plane


def network(rng: np.random.Generator, plane: Plane, mesh: float, disorder: float) -> np.ndarray:
    """A pigment network: brown lines around pale holes, 0..1.

    ``mesh`` is the distance of the holes in lesion radii; ``disorder`` (0..1) bends the lines and varies
    their width.
    """
    bent_u = plane.u + np.float32(disorder * mesh * 2.2) * (noise(rng, plane, 2.6) - 0.5)
    bent_v = plane.v + np.float32(disorder * mesh * 2.2) * (noise(rng, plane, 2.6) - 0.5)
    turn, waves = rng.uniform(0, np.pi), np.float32(4 * np.pi / (np.sqrt(3) * mesh))
    total = np.zeros_like(plane.u)
    for third in range(3):
        angle = turn + third * np.pi / 3 * 2
        total += np.cos(waves * (bent_u * np.float32(np.cos(angle)) + bent_v * np.float32(np.sin(angle))))
    thickness: np.ndarray = 0.1 + np.float32(1.6 * disorder) * (noise(rng, plane, 2.0) - 0.5)
    patchy = 0.35 + 0.65 * step(noise(rng, plane, 2.2), 0.1, 0.6)
    return 0.45 + patchy * (0.55 - step(total, thickness - 1.1, thickness + 1.6))


def globules(
    rng: np.random.Generator,
    plane: Plane,
    count: int,
    size: float,
    spread: float,
    unevenness: float,
    centre: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Round clods of pigment, 0..1; ``unevenness`` lets their sizes differ."""
    field = np.zeros_like(plane.u)
    for x, y in scatter(rng, count, spread, centre):
        radius, elongation, turn, strength = (
            size * np.exp(unevenness * rng.normal()),
            rng.uniform(1, 1.4),
            rng.uniform(0, np.pi),
            rng.uniform(0.6, 1),
        )
        window = plane.window(x, y, radius * elongation * 1.6 + plane.pixel)
        clod = np.float32(strength) * disc(plane.crop(window), x, y, radius, 0.55, elongation, turn)
        field[window] = np.maximum(field[window], clod)
    return field


def streaks(rng: np.random.Generator, plane: Plane, count: int, sector: float) -> np.ndarray:
    """Radial streaks at the border, within a ``sector`` (radians) of it."""
    field = np.zeros_like(plane.u)
    middle = rng.uniform(0, 2 * np.pi)
    for angle in middle + rng.uniform(-sector / 2, sector / 2, count):
        start = (0.72 * np.cos(angle), 0.72 * np.sin(angle))
        np.maximum(
            field,
            strand(
                plane, start, angle + rng.normal(0, 0.2), rng.uniform(0.3, 0.55), 0.11, rng.normal(0, 0.1)
            ),
            out=field,
        )
    return field


def arborising_vessels(rng: np.random.Generator, plane: Plane, trunks: int) -> np.ndarray:
    """Bright red vessels that branch like a tree, thick trunk to fine twig."""
    field = np.zeros_like(plane.u)
    for _ in range(trunks):
        angle = rng.uniform(0, 2 * np.pi)
        start = (rng.uniform(0.6, 1.0) * np.cos(angle), rng.uniform(0.6, 1.0) * np.sin(angle))
        turn, length, bend, width = (
            angle + np.pi + rng.normal(0, 0.5),
            rng.uniform(0.8, 1.4),
            rng.normal(0, 0.25),
            rng.uniform(0.04, 0.075),
        )
        np.maximum(field, strand(plane, start, turn, length, width, bend, 0.02), out=field)
        for _ in range(3):
            share = rng.uniform(0.25, 0.8)
            twig = strand_end(start, turn, length, bend, share)
            heading = turn + 2 * bend * share + rng.choice([-1, 1]) * rng.uniform(0.4, 1.0)
            np.maximum(
                field,
                strand(plane, twig, heading, rng.uniform(0.3, 0.7), width * 0.6, rng.normal(0, 0.3), 0.03),
                out=field,
            )
    return field


def veil(rng: np.random.Generator, plane: Plane, x: float, y: float, radius: float) -> np.ndarray:
    """A structureless blue-white film with a vague border, 0..1."""
    return disc(plane, x, y, radius, 0.6, rng.uniform(1, 1.6), rng.uniform(0, np.pi)) * (
        0.55 + 0.6 * cloud(rng, plane, 2.5)
    )


def regression(
    rng: np.random.Generator,
    image: np.ndarray,
    plane: Plane,
    body: np.ndarray,
    x: float,
    y: float,
    strength: float,
) -> None:
    """A scar-like white area sprinkled with blue-grey pepper."""
    area = body * disc(plane, x, y, rng.uniform(0.3, 0.5), 0.5, rng.uniform(1, 1.8), rng.uniform(0, np.pi))
    cover(image, 0.75 * strength * area, np.array([0.90, 0.76, 0.74], np.float32))
    absorb(image, 0.9 * strength * area * step(noise(rng, plane, 13.0), 0.62, 0.8), DEEP_MELANIN)
