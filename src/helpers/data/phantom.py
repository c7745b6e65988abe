"""Drawn dermatoscopic lesions in the layout of HAM10000: a data set that needs no download and no licence.

A lesion is drawn as a dermatologist would describe it: a patch of skin, an outline, and the structures of its class
(Kittler et al., J Am Acad Dermatol 74:1093, 2016), laid over one another as light meets them: pigments and blood absorb
(Beer-Lambert), scale, scars and veils cover. Everything is a function of the position on the skin, so that a second
photograph of the same lesion, from another angle and nearer, shows the same lesion. The camera then adds what does not
belong to the lesion: light, white balance, hair, gel bubbles, a ruler's marks, blur, noise and JPEG.

The drawings are not medical images. They exist to exercise the whole report, and the classes overlap on purpose:
atypical nevi look like melanomas, early melanomas look like nevi, and pigmented keratoses look like either.
"""

import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from helpers.errors import DataError
from helpers.files import locked, write_json, write_table
from helpers.fingerprints import source_digest

WIDTH, HEIGHT = 128, 96  # pixels
JPEG_QUALITY = 90
FIRST_IMAGE = 24306  # HAM10000's first photograph is ISIC_0024306
FLOOR = 20  # images that a rare class has at least, of REFERENCE_COUNT
REFERENCE_COUNT = 1200
SMALLEST_CLASS = 8  # images with which a stratified 70/15/15 split still works
MARKER = "phantom.json"
PARTS = ("HAM10000_images_part_1", "HAM10000_images_part_2")
CHUNK = 24  # photographs that a worker draws at a time

# Absorption of red, green and blue light per unit of amount.
MELANIN = np.array([0.52, 1.00, 1.25], np.float32)
BLOOD = np.array([0.22, 1.05, 0.80], np.float32)
DEEP_MELANIN = np.array([1.15, 0.85, 0.55], np.float32)  # seen through the dermis pigment turns blue-grey
WHITE = np.array([0.97, 0.92, 0.90], np.float32)
VEIL = np.array([0.52, 0.56, 0.68], np.float32)
KERATIN = np.array([0.93, 0.86, 0.70], np.float32)
PEARL = np.array([0.96, 0.80, 0.80], np.float32)


# --- What the collection holds ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClassFacts:
    """What HAM10000's metadata says of one class, to be imitated."""

    images: int  # photographs in HAM10000
    multiplicity: tuple[int, ...]  # lesions photographed once, twice, ...
    age: tuple[float, float]  # mean and standard deviation, years
    male: float  # share
    dx_types: dict[str, float]  # how the diagnosis was made
    sites: dict[str, float]  # where the lesion was, weights


FACTS = {
    "bkl": ClassFacts(
        1099,
        (440, 220, 55, 8, 2, 2),
        (64, 14),
        0.57,
        {"histo": 0.70, "consensus": 0.24, "confocal": 0.06},
        {
            "face": 29,
            "back": 18,
            "lower extremity": 16,
            "upper extremity": 9,
            "trunk": 7,
            "chest": 7,
            "abdomen": 4,
            "scalp": 3,
            "neck": 3,
            "unknown": 2,
        },
    ),
    "nv": ClassFacts(
        6705,
        (4415, 699, 268, 18, 2, 1),
        (46, 15),
        0.51,
        {"follow_up": 0.55, "histo": 0.37, "consensus": 0.08},
        {
            "lower extremity": 22,
            "back": 21,
            "trunk": 19,
            "abdomen": 13,
            "upper extremity": 10,
            "foot": 4,
            "chest": 3,
            "unknown": 3,
            "face": 2,
            "neck": 1,
            "hand": 1,
        },
    ),
    "df": ClassFacts(
        115,
        (39, 26, 8),
        (53, 13),
        0.55,
        {"consensus": 0.52, "histo": 0.48},
        {"lower extremity": 71, "upper extremity": 21, "abdomen": 4, "back": 2, "foot": 2},
    ),
    "mel": ClassFacts(
        1113,
        (230, 278, 100, 4, 1, 1),
        (61, 15),
        0.62,
        {"histo": 1.0},
        {
            "back": 29,
            "upper extremity": 19,
            "lower extremity": 17,
            "face": 9,
            "chest": 6,
            "abdomen": 6,
            "trunk": 4,
            "foot": 3,
            "neck": 3,
            "ear": 2,
            "scalp": 1,
            "unknown": 1,
        },
    ),
    "vasc": ClassFacts(
        142,
        (64, 25, 8, 1),
        (51, 21),
        0.49,
        {"consensus": 0.53, "histo": 0.47},
        {
            "trunk": 22,
            "lower extremity": 19,
            "abdomen": 19,
            "back": 15,
            "upper extremity": 8,
            "face": 6,
            "chest": 4,
            "hand": 4,
            "neck": 2,
            "scalp": 1,
        },
    ),
    "bcc": ClassFacts(
        514,
        (175, 118, 33, 1),
        (67, 13),
        0.62,
        {"histo": 1.0},
        {
            "back": 36,
            "face": 20,
            "lower extremity": 11,
            "upper extremity": 10,
            "chest": 9,
            "scalp": 4,
            "abdomen": 3,
            "neck": 3,
            "trunk": 2,
            "unknown": 1,
        },
    ),
    "akiec": ClassFacts(
        327,
        (151, 57, 18, 2),
        (67, 11),
        0.68,
        {"histo": 1.0},
        {
            "face": 35,
            "lower extremity": 20,
            "upper extremity": 19,
            "back": 9,
            "scalp": 4,
            "hand": 4,
            "chest": 4,
            "neck": 3,
            "abdomen": 2,
        },
    ),
}


def class_counts(images: int) -> dict[str, int]:
    """How many of ``images`` photographs each class gets; the sum is exact.

    HAM10000's proportions, but 20 at least of 1,200 (fewer of fewer, 8 at least); the commonest class makes room.
    """
    whole = sum(facts.images for facts in FACTS.values())
    floor = max(SMALLEST_CLASS, min(FLOOR, round(FLOOR * images / REFERENCE_COUNT)))
    counts = {name: max(floor, round(images * facts.images / whole)) for name, facts in FACTS.items()}
    counts["nv"] += images - sum(counts.values())
    return counts


def lesion_sizes(rng: np.random.Generator, images: int, multiplicity: tuple[int, ...]) -> np.ndarray:
    """Photographs per lesion, for as many lesions as ``images`` need; the sum is exact.

    The sizes are evenly spaced quantiles of HAM10000's distribution, so that even few lesions keep its mean.
    """
    shares = np.cumsum(multiplicity) / sum(multiplicity)
    mean = np.arange(1, len(shares) + 1) @ np.array(multiplicity) / sum(multiplicity)
    lesions = round(images / mean)
    sizes = 1 + np.searchsorted(shares, (np.arange(lesions) + 0.5) / lesions)
    rng.shuffle(sizes)
    while (missing := images - sizes.sum()) != 0:
        candidates = np.flatnonzero(sizes < len(multiplicity)) if missing > 0 else np.flatnonzero(sizes > 1)
        sizes[rng.choice(candidates)] += np.sign(missing)
    return sizes


def plan_dataset(images: int, seed: int) -> "pandas.DataFrame":  # noqa: F821
    """The metadata of a drawn data set, one row per photograph, grouped by class as in HAM10000.

    Returns the seven official columns (age in years, NaN where missing) and ``number`` and ``photo``, which seed the
    drawing. Lesion and image ids are shuffled, so that neither tells the class.
    """
    import pandas as pd

    rng = np.random.default_rng(np.random.SeedSequence([seed, 0]))
    counts = class_counts(images)
    sizes = {name: lesion_sizes(rng, counts[name], facts.multiplicity) for name, facts in FACTS.items()}
    numbers = iter(rng.permutation(sum(len(of_class) for of_class in sizes.values())).tolist())
    rows = []
    for name, facts in FACTS.items():
        for size in sizes[name].tolist():
            number = next(numbers)
            described = {"dx": name, **_describe_patient(rng, facts)}
            rows += [
                {"lesion_id": f"HAM_{number:07d}", **described, "number": number, "photo": photo}
                for photo in range(size)
            ]
    metadata = pd.DataFrame(rows)
    metadata.insert(
        1, "image_id", [f"ISIC_{FIRST_IMAGE + place:07d}" for place in rng.permutation(images).tolist()]
    )
    return metadata


def _describe_patient(rng: np.random.Generator, facts: ClassFacts) -> dict:
    age = float(np.clip(5 * round(rng.normal(*facts.age) / 5), 0, 85))
    if rng.random() < 0.008:
        age = float("nan")
    sex = "male" if rng.random() < facts.male else "female"
    if rng.random() < 0.008:
        sex = "unknown"
    return {
        "dx_type": _choose(rng, facts.dx_types),
        "age": age,
        "sex": sex,
        "localization": _choose(rng, facts.sites),
    }


def _choose(rng: np.random.Generator, weights: dict[str, float]) -> str:
    shares = np.array(list(weights.values()), float)
    return list(weights)[rng.choice(len(shares), p=shares / shares.sum())]


# --- Fields: functions of the position on the skin -------------------------------------------------------------------------


@dataclass(frozen=True)
class Plane:
    """Where each pixel lies on the skin, in units of the lesion's radius, the lesion's centre at (0, 0)."""

    u: np.ndarray  # float32 (HEIGHT, WIDTH)
    v: np.ndarray
    pixel: float  # one pixel's size in the same unit

    def window(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        """The rows and columns within ``reach`` of (x, y): a small thing need not be looked for in the whole frame."""
        along, across = self.u[0, 1] - self.u[0, 0], self.v[0, 1] - self.v[0, 0]
        du, dv = x - self.u[0, 0], y - self.v[0, 0]
        column, row = (along * du + across * dv) / self.pixel**2, (along * dv - across * du) / self.pixel**2
        size = reach / self.pixel + 2
        return slice(max(int(row - size), 0), max(int(row + size), 0)), slice(
            max(int(column - size), 0), max(int(column + size), 0)
        )

    def crop(self, window: tuple[slice, slice]) -> "Plane":
        return Plane(self.u[window], self.v[window], self.pixel)


def step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """A smooth step from 0 (at ``low``) to 1 (at ``high``)."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def noise(rng: np.random.Generator, plane: Plane, frequency: float) -> np.ndarray:
    """Smooth random field in 0..1 with about ``frequency`` bumps per lesion radius."""
    lattice = np.pad(rng.random((32, 32), np.float32), (0, 1), mode="wrap").ravel()  # 33 x 33, seamless
    offset, turn = rng.uniform(0, 32, 2), rng.uniform(0, np.pi)
    x = (plane.u * np.float32(np.cos(turn)) + plane.v * np.float32(np.sin(turn))) * np.float32(
        frequency
    ) + np.float32(offset[0])
    y = (plane.v * np.float32(np.cos(turn)) - plane.u * np.float32(np.sin(turn))) * np.float32(
        frequency
    ) + np.float32(offset[1])
    left, top = np.floor(x), np.floor(y)
    x, y = x - left, y - top
    x, y = x * x * (3 - 2 * x), y * y * (3 - 2 * y)
    place = (top.astype(np.int32) & 31) * 33 + (left.astype(np.int32) & 31)
    upper = lattice.take(place) * (1 - x) + lattice.take(place + 1) * x
    lower = lattice.take(place + 33) * (1 - x) + lattice.take(place + 34) * x
    return upper * (1 - y) + lower * y


def cloud(rng: np.random.Generator, plane: Plane, frequency: float) -> np.ndarray:
    """Noise of three octaves in about 0..1, for blotches and mottled pigment."""
    return sum(
        weight * noise(rng, plane, frequency * 2.1**octave) for octave, weight in enumerate((0.55, 0.3, 0.15))
    )


def disc(
    plane: Plane,
    x: float,
    y: float,
    radius: float,
    softness: float = 0.3,
    elongation: float = 1.0,
    turn: float = 0.0,
) -> np.ndarray:
    """A soft-edged ellipse: 1 inside, 0 outside; ``softness`` is the width of the edge as a share of ``radius``."""
    du, dv = plane.u - np.float32(x), plane.v - np.float32(y)
    along = du * np.float32(np.cos(turn)) + dv * np.float32(np.sin(turn))
    across = dv * np.float32(np.cos(turn)) - du * np.float32(np.sin(turn))
    distance = np.hypot(along / np.float32(elongation), across)
    edge = max(softness * radius, 0.7 * plane.pixel)
    return 1 - step(distance, radius - edge, radius + edge)


def strand(
    plane: Plane,
    start: tuple[float, float],
    turn: float,
    length: float,
    width: float,
    bend: float,
    wiggle: float = 0.0,
) -> np.ndarray:
    """A curved line that starts at ``start`` in direction ``turn`` and tapers; 1 on the line, 0 away from it."""
    du, dv = plane.u - np.float32(start[0]), plane.v - np.float32(start[1])
    along = du * np.float32(np.cos(turn)) + dv * np.float32(np.sin(turn))
    across = dv * np.float32(np.cos(turn)) - du * np.float32(np.sin(turn))
    share = along / np.float32(length)
    across = np.abs(
        across - np.float32(bend * length) * share * share - np.float32(wiggle * length) * np.sin(share * 11)
    )
    half = width * (1 - 0.5 * np.clip(share, 0, 1)) / 2
    # a line thinner than a pixel is drawn a pixel wide but fainter
    shown = np.maximum(half, 0.6 * plane.pixel)
    line = (half / shown) * np.clip(1.25 - across / shown, 0, 1)
    return line * step(share, -0.02, 0.02) * (1 - step(share, 0.92, 1.0))


def strand_end(
    start: tuple[float, float], turn: float, length: float, bend: float, share: float
) -> tuple[float, float]:
    """The point at ``share`` of the way along a strand, where a branch can begin."""
    along, across = share * length, bend * length * share * share
    return start[0] + along * np.cos(turn) - across * np.sin(turn), start[1] + along * np.sin(
        turn
    ) + across * np.cos(turn)


def scatter(
    rng: np.random.Generator, count: int, spread: float, centre: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """``count`` points (count, 2), evenly over a disc of radius ``spread`` around ``centre``."""
    radius, angle = spread * np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
    return np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)], axis=1)


def outline(
    rng: np.random.Generator, plane: Plane, irregularity: float, elongation: float, raggedness: float = 0.0
) -> np.ndarray:
    """How deep each pixel lies inside the lesion, in lesion radii: 0 on the border, negative outside.

    ``irregularity`` moves the border in and out (bays and tongues), ``raggedness`` frays it.
    """
    turn = rng.uniform(0, np.pi)
    du = (plane.u * np.float32(np.cos(turn)) + plane.v * np.float32(np.sin(turn))) / np.float32(
        np.sqrt(elongation)
    )
    dv = (plane.v * np.float32(np.cos(turn)) - plane.u * np.float32(np.sin(turn))) * np.float32(
        np.sqrt(elongation)
    )
    angle = np.arctan2(dv, du)
    border = np.ones_like(du)
    for wave in range(2, 8):
        border += np.float32(irregularity * rng.normal() / wave**0.6) * np.cos(
            wave * angle + np.float32(rng.uniform(0, 2 * np.pi))
        )
    depth = np.maximum(border, 0.45) - np.hypot(du, dv)
    return (
        depth
        + np.float32(2 * raggedness) * (noise(rng, plane, 5.0) - 0.5)
        + np.float32(raggedness) * (noise(rng, plane, 11.0) - 0.5)
    )


# --- Light: layers that absorb or cover ---------------------------------------------------------------------------------------


def absorb(image: np.ndarray, amount: np.ndarray | float, absorption: np.ndarray) -> None:
    """Darken ``image`` (float32, HEIGHT x WIDTH x 3) in place by ``amount`` of a pigment (Beer-Lambert)."""
    image *= np.exp(-np.asarray(amount, np.float32)[..., None] * absorption)


def cover(image: np.ndarray, share: np.ndarray, colour: np.ndarray) -> None:
    """Lay a coat of ``colour`` over ``image`` in place; ``share`` is its opacity, 0..1."""
    image += np.clip(share, 0, 1)[..., None] * (colour - image)


def draw_skin(rng: np.random.Generator, plane: Plane) -> np.ndarray:
    """Skin without a lesion: a tone, a blush, mottling, fine creases and now and then freckles."""
    image = np.empty((*plane.u.shape, 3), np.float32)
    image[:] = np.array([0.95, 0.86, 0.83], np.float32)
    tone = rng.choice([0.03, 0.12, 0.22, 0.45], p=[0.36, 0.36, 0.22, 0.06]) * rng.uniform(0.7, 1.3)
    blush = rng.uniform(0.02, 0.26)
    absorb(image, tone * (0.7 + 0.6 * cloud(rng, plane, 1.6)), MELANIN)
    absorb(image, blush * (0.6 + 0.8 * noise(rng, plane, 1.3)), BLOOD)
    absorb(image, 0.05 * (1 - step(np.abs(noise(rng, plane, 9.0) - 0.5), 0.0, 0.1)), MELANIN)
    freckled = rng.choice([0.0, 0.22], p=[0.8, 0.2])
    absorb(image, freckled * step(cloud(rng, plane, 5.5), 0.50, 0.80), MELANIN)
    return image


# --- Structures: one function each ---------------------------------------------------------------------------------------------


def network(rng: np.random.Generator, plane: Plane, mesh: float, disorder: float) -> np.ndarray:
    """A pigment network: brown lines around pale holes, 0..1; ``mesh`` is the holes' distance in lesion radii."""
    bent_u = plane.u + np.float32(disorder * mesh * 2.2) * (noise(rng, plane, 2.6) - 0.5)
    bent_v = plane.v + np.float32(disorder * mesh * 2.2) * (noise(rng, plane, 2.6) - 0.5)
    turn, waves = rng.uniform(0, np.pi), np.float32(4 * np.pi / (np.sqrt(3) * mesh))
    total = np.zeros_like(plane.u)
    for third in range(3):
        angle = turn + third * np.pi / 3 * 2
        total += np.cos(waves * (bent_u * np.float32(np.cos(angle)) + bent_v * np.float32(np.sin(angle))))
    thickness = 0.1 + np.float32(1.6 * disorder) * (noise(rng, plane, 2.0) - 0.5)
    patchy = 0.35 + 0.65 * step(noise(rng, plane, 2.2), 0.1, 0.6)
    return 0.45 + patchy * (0.55 - step(total, thickness - 1.1, thickness + 1.6))


def globules(
    rng: np.random.Generator,
    plane: Plane,
    count: int,
    size: float,
    spread: float,
    unevenness: float,
    centre=(0.0, 0.0),
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


# --- Lesions: one function per class --------------------------------------------------------------------------------------------


def draw_melanocytic(rng: np.random.Generator, image: np.ndarray, plane: Plane, atypia: float) -> None:
    """A nevus or a melanoma: the higher ``atypia`` (0..1), the more of asymmetry, border, colours and structures."""
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
    places = scatter(rng, 6, 0.62)
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
        clods = globules(rng, plane, int(rng.integers(5, 14)), 0.075, 0.45, 0.5, tuple(places[2]))
        absorb(image, 1.7 * strength * step(body, 0.02, 0.3) * clods, np.array([0.8, 1.0, 1.1], np.float32))
    if present[3]:
        absorb(
            image,
            1.5 * strength * streaks(rng, plane, int(rng.integers(5, 12)), rng.uniform(0.8, 2.2)),
            MELANIN,
        )
    if present[4]:
        regression(rng, image, plane, body, *places[4], strength)
    if present[5]:  # pink area: new vessels
        pink = body * disc(plane, *places[5], rng.uniform(0.3, 0.5), 0.6)
        cover(image, 0.55 * strength * pink, np.array([0.85, 0.50, 0.50], np.float32))


def draw_nevus(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """nv: one or two browns, a regular network or globules, symmetric, an even border; some atypical, a few papillomatous."""
    if rng.random() < 0.06:
        draw_keratosis(rng, image, plane, typical=rng.uniform(0.0, 0.5))
    else:
        draw_melanocytic(rng, image, plane, rng.beta(1.2, 3.0))


def draw_melanoma(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """mel: asymmetric, irregular, several colours, veil, blotches, regression; early ones are still nevus-like."""
    draw_melanocytic(rng, image, plane, rng.beta(2.8, 1.7))


def draw_keratosis_or_imitator(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """bkl: mostly plainly stuck-on; the flat, reticulated kind imitates a nevus and at times a melanoma."""
    if rng.random() < 0.3:
        draw_melanocytic(rng, image, plane, rng.beta(1.5, 2.5))
    else:
        draw_keratosis(rng, image, plane, typical=rng.uniform(0.1, 1.0))


def draw_keratosis(rng: np.random.Generator, image: np.ndarray, plane: Plane, typical: float) -> None:
    """Stuck-on with a sharp, moth-eaten border, waxy, milia-like cysts, dark openings, furrows; ``typical`` (0..1) tells how much of it."""
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


def draw_basal_cell_or_imitator(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """bcc: a pearly nodule; the superficial kind imitates an actinic keratosis, the heavily pigmented one a melanoma."""
    kind = rng.choice(["nodular", "superficial", "pigmented"], p=[0.76, 0.14, 0.10])
    if kind == "superficial":
        draw_actinic(rng, image, plane)
    elif kind == "pigmented":
        draw_melanocytic(rng, image, plane, rng.uniform(0.4, 0.9))
    else:
        draw_basal_cell(rng, image, plane)


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
    spot = disc(plane, *scatter(rng, 1, 0.4)[0], rng.uniform(0.15, 0.28), 0.4, 1.3, rng.uniform(0, np.pi))
    if ulcer:
        absorb(image, 1.2 * spot * (0.4 + cloud(rng, plane, 5.0)), np.array([0.5, 1.3, 1.4], np.float32))


def draw_actinic_or_imitator(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """akiec: a scaly pink patch; the pigmented kind imitates a keratosis."""
    if rng.random() < 0.2:
        draw_keratosis(rng, image, plane, typical=rng.uniform(0.1, 0.8))
    else:
        draw_actinic(rng, image, plane)


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


LESIONS: dict[str, Callable[[np.random.Generator, np.ndarray, Plane], None]] = {
    "akiec": draw_actinic_or_imitator,
    "bcc": draw_basal_cell_or_imitator,
    "bkl": draw_keratosis_or_imitator,
    "df": draw_dermatofibroma,
    "mel": draw_melanoma,
    "nv": draw_nevus,
    "vasc": draw_vascular,
}


# --- The camera: what differs between photographs of one lesion ------------------------------------------------------------------


def view(rng: np.random.Generator, radius: float) -> Plane:
    """The skin as one photograph frames it: any angle, a little nearer or farther, not quite centred.

    ``radius`` is the lesion's radius as a share of half the frame's height.
    """
    scale = 1 / (radius * rng.uniform(0.88, 1.14))
    turn = rng.uniform(0, 2 * np.pi)
    shift_x, shift_y = rng.normal(0, 0.10), rng.normal(0, 0.06)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    x = (x - (WIDTH - 1) / 2) / (HEIGHT / 2) - np.float32(shift_x)
    y = (y - (HEIGHT - 1) / 2) / (HEIGHT / 2) - np.float32(shift_y)
    cos, sin = np.float32(np.cos(turn) * scale), np.float32(np.sin(turn) * scale)
    return Plane(cos * x - sin * y, sin * x + cos * y, pixel=scale * 2 / HEIGHT)


def frame() -> Plane:
    """The photograph itself as a plane: half its height is one unit."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    return Plane((x - (WIDTH - 1) / 2) / (HEIGHT / 2), (y - (HEIGHT - 1) / 2) / (HEIGHT / 2), 2 / HEIGHT)


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


def light(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> np.ndarray:
    """Exposure, white balance, an uneven lamp and the dark corners of a round lens."""
    direction, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.07)
    lamp = 1 + np.float32(tilt) * (
        np.float32(np.cos(direction)) * plane.u + np.float32(np.sin(direction)) * plane.v
    )
    distance = np.hypot(plane.u, plane.v)
    lamp = lamp - np.float32(rng.uniform(0.0, 0.10)) * distance * distance
    opening = rng.uniform(1.25, 1.5)
    if rng.random() < 0.12:
        lamp = lamp * (0.06 + 0.94 * (1 - step(distance, opening - 0.06, opening + 0.04)))
    balance = rng.uniform(0.88, 1.08) * np.exp(rng.normal(0, [0.025, 0.03, 0.05])).astype(np.float32)
    return image * lamp[..., None] * balance.astype(np.float32)


def expose(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Blur, sensor noise and rounding to uint8."""
    sigma = rng.choice([0.0, 0.45, 0.8], p=[0.45, 0.40, 0.15])
    if sigma:
        image = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    grain = rng.standard_normal(image.shape, np.float32)
    image = image + np.float32(rng.uniform(0.006, 0.018)) * grain
    return np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)


def draw_photograph(dx: str, seed: int, lesion: int, photo: int) -> np.ndarray:
    """One photograph of one lesion: uint8, (HEIGHT, WIDTH, 3), the same for the same four arguments.

    ``dx`` is one of HAM10000's seven codes; ``lesion`` and ``photo`` count from 0.
    """
    of_lesion = np.random.default_rng(np.random.SeedSequence([seed, 1, lesion]))
    of_photo = np.random.default_rng(np.random.SeedSequence([seed, 2, lesion, photo]))
    plane = view(of_photo, radius=of_lesion.uniform(0.50, 0.78))
    image = draw_skin(of_lesion, plane)
    LESIONS[dx](of_lesion, image, plane)
    screen = frame()
    add_bubbles(of_photo, image, screen)
    add_hair(of_photo, image, screen)
    add_ruler(of_photo, image, screen)
    return expose(of_photo, light(of_photo, image, screen))


# --- The data set on disk -------------------------------------------------------------------------------------------------------


def draw_dataset(
    folder: Path | str,
    images: int = 1200,
    seed: int = 1,
    progress: Callable[[int], None] | None = None,
    workers: int | None = None,
) -> Path:
    """Draw ``images`` photographs into ``folder`` in HAM10000's layout and return the folder.

    Parameters: ``images``, 56 at least; ``seed``, not negative; ``progress`` is called with the number drawn so far;
    ``workers`` processes (default: the processors, 8 at most), which change the time but not a byte.
    A second call with the same arguments returns at once; other arguments, a new version of the drawing or missing
    files draw it anew. The folder appears whole or not at all. Raises DataError for a folder that holds something
    else or cannot be written, and for too few images.
    """
    folder = Path(folder)
    smallest = SMALLEST_CLASS * len(FACTS)
    if images < smallest:
        raise DataError(
            f"{images} drawn images are too few: {smallest} are needed, {SMALLEST_CLASS} in each of {len(FACTS)} classes."
        )
    if seed < 0:
        raise DataError(f"The seed of the drawing is {seed}, but must not be negative.")
    arguments = {
        "code": source_digest(("data/phantom.py",)),
        "images": images,
        "seed": seed,
        "width": WIDTH,
        "height": HEIGHT,
    }
    _refuse_foreign(folder)
    if _finished(folder, arguments):
        return folder
    try:
        with locked(folder):  # a second job waits and finds it done
            if not _finished(folder, arguments):
                _draw_and_rename(folder, arguments, progress, workers)
    except OSError as error:
        raise DataError(
            f"The drawn images cannot be written to {folder}: {error.strerror or error}. Name another folder or free some space."
        ) from error
    return folder


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file, so the drawn images cannot be put there: name another folder.")
    if folder.is_dir() and not (folder / MARKER).exists() and any(folder.iterdir()):
        raise DataError(
            f"{folder} holds files that were not drawn here, so nothing was put there: name an empty or a new folder."
        )


def _finished(folder: Path, arguments: dict) -> bool:
    """Whether ``folder`` holds the whole data set that ``arguments`` describe."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    drawn = sum(1 for part in PARTS for _ in (folder / part).glob("*.jpg"))
    return (
        marker == arguments and drawn == arguments["images"] and (folder / "HAM10000_metadata.csv").exists()
    )


def _draw_and_rename(
    folder: Path, arguments: dict, progress: Callable[[int], None] | None, workers: int | None
) -> None:
    metadata = plan_dataset(arguments["images"], arguments["seed"])
    drawing = folder.parent / f".{folder.name}.drawing"
    shutil.rmtree(drawing, ignore_errors=True)  # left by a draw that was killed
    for part in PARTS:
        (drawing / part).mkdir(parents=True)
    try:
        half = FIRST_IMAGE + (arguments["images"] + 1) // 2
        tasks = [
            (
                str(drawing / PARTS[int(row.image_id[5:]) >= half] / f"{row.image_id}.jpg"),
                row.dx,
                arguments["seed"],
                row.number,
                row.photo,
            )
            for row in metadata.itertuples()
        ]
        _draw_files(tasks, progress or (lambda done: None), workers)
        write_table(drawing / "HAM10000_metadata.csv", metadata.drop(columns=["number", "photo"]))
        write_json(drawing / MARKER, arguments)
        if folder.exists():
            shutil.rmtree(folder)
        drawing.rename(folder)
    finally:
        shutil.rmtree(drawing, ignore_errors=True)


def _draw_files(tasks: list[tuple], progress: Callable[[int], None], workers: int | None) -> None:
    chunks = [tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK)]
    workers = min(workers or min(os.cpu_count() or 1, 8), len(chunks))
    done = 0
    if workers == 1:
        for chunk in chunks:
            done += _draw_chunk(chunk)
            progress(done)
        return
    # spawned, not forked: the caller may be a notebook's kernel, with threads of its own
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent) as pool:
        futures = [pool.submit(_draw_chunk, chunk) for chunk in chunks]
        try:
            for future in as_completed(futures):
                done += future.result()
                progress(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _draw_chunk(tasks: list[tuple]) -> int:
    for path, dx, seed, lesion, photo in tasks:
        Image.fromarray(draw_photograph(dx, seed, lesion, photo)).save(path, quality=JPEG_QUALITY)
    return len(tasks)


def _die_with_parent() -> None:
    """End this worker when the process that started it ends, even by a kill."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
