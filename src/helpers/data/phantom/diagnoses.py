"""The seven diagnoses: which growth is drawn for each, and how often it looks like another diagnosis."""

from collections.abc import Callable

import numpy as np

from helpers.data.phantom.dermal import draw_dermatofibroma, draw_vascular
from helpers.data.phantom.epidermal import draw_actinic, draw_basal_cell, draw_keratosis
from helpers.data.phantom.melanocytic import draw_melanocytic
from helpers.data.phantom.plane import Plane


def draw_naevus(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """nv: one or two browns, a regular network or globules, symmetric, an even border.

    Some are atypical; a few are papillomatous, like a keratosis.
    """
    if rng.random() < 0.06:
        draw_keratosis(rng, image, plane, typical=rng.uniform(0.0, 0.5))
    else:
        draw_melanocytic(rng, image, plane, rng.beta(1.2, 3.0))


def draw_melanoma(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """mel: asymmetric, irregular, several colours, veil, blotches, regression; early ones look like naevi."""
    draw_melanocytic(rng, image, plane, rng.beta(2.8, 1.7))


def draw_keratosis_or_imitator(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """bkl: most look stuck on the skin; flat ones with a network imitate a naevus, at times a melanoma."""
    if rng.random() < 0.3:
        draw_melanocytic(rng, image, plane, rng.beta(1.5, 2.5))
    else:
        draw_keratosis(rng, image, plane, typical=rng.uniform(0.1, 1.0))


def draw_basal_cell_or_imitator(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """bcc: a pearly nodule.

    The superficial kind imitates an actinic keratosis, the heavily pigmented one a melanoma.
    """
    kind = rng.choice(["nodular", "superficial", "pigmented"], p=[0.76, 0.14, 0.10])
    if kind == "superficial":
        draw_actinic(rng, image, plane)
    elif kind == "pigmented":
        draw_melanocytic(rng, image, plane, rng.uniform(0.4, 0.9))
    else:
        draw_basal_cell(rng, image, plane)


def draw_actinic_or_imitator(rng: np.random.Generator, image: np.ndarray, plane: Plane) -> None:
    """akiec: a scaly pink patch; the pigmented kind imitates a keratosis."""
    if rng.random() < 0.2:
        draw_keratosis(rng, image, plane, typical=rng.uniform(0.1, 0.8))
    else:
        draw_actinic(rng, image, plane)


# how a lesion of each class is drawn: (random numbers, image to draw on, plane)
LESIONS: dict[str, Callable[[np.random.Generator, np.ndarray, Plane], None]] = {
    "akiec": draw_actinic_or_imitator,
    "bcc": draw_basal_cell_or_imitator,
    "bkl": draw_keratosis_or_imitator,
    "df": draw_dermatofibroma,
    "mel": draw_melanoma,
    "nv": draw_naevus,
    "vasc": draw_vascular,
}
