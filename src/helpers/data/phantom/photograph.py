"""One photograph: skin, lesion, artefacts, light and the camera's sensor."""

import numpy as np
from scipy import ndimage

from helpers.data.phantom.artefacts import add_bubbles, add_hair, add_ruler
from helpers.data.phantom.brushes import cloud, noise, step
from helpers.data.phantom.diagnoses import LESIONS
from helpers.data.phantom.pigments import BLOOD, MELANIN, absorb
from helpers.data.phantom.plane import Plane, frame, view


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
