"""Growths of the epidermis: benign keratoses, actinic keratoses and basal cell carcinomas."""

import numpy as np

from helpers.data.phantom.brushes import cloud, disc, noise, outline, scatter, step
from helpers.data.phantom.pigments import BLOOD, DEEP_MELANIN, KERATIN, MELANIN, PEARL, WHITE, absorb, cover
from helpers.data.phantom.plane import Plane
from helpers.data.phantom.structures import arborising_vessels, globules, network


def draw_keratosis(rng: np.random.Generator, image: np.ndarray, plane: Plane, typical: float) -> None:
    """A growth that looks stuck on the skin: a sharp, moth-eaten border, wax, cysts, dark openings, furrows.

    ``typical`` (0..1) is how plain these signs are.
    """
    pigmented = rng.beta(1.3, 1.8)
    depth = outline(rng, plane, rng.uniform(0.03, 0.10), rng.uniform(1.0, 1.7), rng.uniform(0.03, 0.10))
    body = step(depth, -0.03, 0.06 + 0.3 * (1 - typical) * rng.random())
    absorb(image, rng.uniform(0.0, 0.25) * body, BLOOD)
    mottle, furrows = cloud(rng, plane, 2.4), np.abs(noise(rng, plane, 4.2) - 0.5)
    lines = network(rng, plane, rng.uniform(0.17, 0.25), 0.7)
    absorb(
        image,
        body * (0.30 + 1.15 * pigmented) * (0.45 + 0.8 * mottle + 0.5 * (1 - typical) * (lines - 0.3)),
        MELANIN,
    )
    absorb(image, body * typical * rng.uniform(0.0, 0.35), DEEP_MELANIN)
    absorb(image, body * typical * rng.uniform(0.0, 0.7) * (1 - step(furrows, 0.0, 0.12)), MELANIN)
    cover(image, typical * rng.uniform(0.05, 0.35) * body * step(mottle, 0.3, 0.8), KERATIN)
    openings = globules(rng, plane, int(rng.integers(0, 9)), 0.06, 0.75, 0.3)
    absorb(image, 1.1 * typical * body * openings, MELANIN)
    cysts = globules(rng, plane, int(rng.integers(0, 13)), 0.05, 0.75, 0.25)
    cover(image, 0.75 * typical * body * cysts, WHITE)


def draw_actinic(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """A vague pink to red patch with white-yellow scale, a strawberry pattern, dotted vessels, no network."""
    depth = outline(rng, plane, rng.uniform(0.06, 0.14), rng.uniform(1.0, 1.7), rng.uniform(0.08, 0.16))
    body = step(depth, -0.2, 0.3)
    mottle = cloud(rng, plane, 2.2)
    absorb(image, body * rng.uniform(0.12, 0.6) * (0.4 + mottle), BLOOD)
    absorb(image, body * rng.uniform(0.05, 0.75) * step(cloud(rng, plane, 2.6), 0.3, 0.75), MELANIN)
    follicles = network(rng, plane, rng.uniform(0.17, 0.24), 0.5)
    strawberry = rng.uniform(0.0, 0.55)
    absorb(image, 0.45 * strawberry * body * follicles, BLOOD)
    cover(image, 0.45 * strawberry * body * (1 - follicles), WHITE)
    scale = step(cloud(rng, plane, 4.5), rng.uniform(0.46, 0.60), 0.78)
    cover(image, rng.uniform(0.1, 0.75) * step(depth, -0.1, 0.5) * scale, KERATIN)
    dots = globules(rng, plane, 12, 0.04, 0.8, 0.2)
    absorb(image, rng.uniform(0.0, 1.2) * body * dots, BLOOD)


def draw_basal_cell(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """Pearly pink without a network, arborising vessels, blue-grey ovoid nests, at times an ulcer."""
    depth = outline(rng, plane, rng.uniform(0.04, 0.12), rng.uniform(1.0, 1.6), 0.06)
    body = step(depth, -0.12, 0.22)
    absorb(image, body * rng.uniform(0.1, 0.5) * (0.5 + cloud(rng, plane, 1.8)), BLOOD)
    cover(image, rng.uniform(0.15, 0.5) * body * cloud(rng, plane, 1.4), PEARL)
    absorb(image, body * rng.uniform(0.0, 0.7) * cloud(rng, plane, 2.0), MELANIN)
    nests = globules(rng, plane, int(rng.integers(0, 7)), rng.uniform(0.07, 0.15), 0.75, 0.4) * (
        0.5 + noise(rng, plane, 6.0)
    )
    absorb(image, rng.uniform(0.3, 1.4) * step(body, 0.0, 0.4) * nests, DEEP_MELANIN)
    absorb(image, rng.uniform(0.0, 0.5) * step(body, 0.0, 0.4) * nests, MELANIN)
    vessels = arborising_vessels(rng, plane, int(rng.integers(1, 4)))
    absorb(image, rng.uniform(0.15, 1.1) * vessels, BLOOD)
    ulcer = rng.random() < 0.25
    x, y = scatter(rng, 1, 0.4)[0]
    spot = disc(plane, x, y, rng.uniform(0.15, 0.28), 0.4, 1.3, rng.uniform(0, np.pi))
    if ulcer:
        absorb(image, 1.2 * spot * (0.4 + cloud(rng, plane, 5.0)), np.array([0.5, 1.3, 1.4], np.float32))
