"""Layers that absorb light or cover what lies below, and their colours. They change the image in place."""

import numpy as np

# Absorption of red, green and blue light per unit of amount.
MELANIN = np.array([0.52, 1.00, 1.25], np.float32)
BLOOD = np.array([0.22, 1.05, 0.80], np.float32)
DEEP_MELANIN = np.array([1.15, 0.85, 0.55], np.float32)  # seen through the dermis pigment turns blue-grey
WHITE = np.array([0.97, 0.92, 0.90], np.float32)
VEIL = np.array([0.52, 0.56, 0.68], np.float32)
KERATIN = np.array([0.93, 0.86, 0.70], np.float32)
PEARL = np.array([0.96, 0.80, 0.80], np.float32)


def absorb(image: np.ndarray, amount: np.ndarray | float, absorption: np.ndarray) -> None:
    """Darken ``image`` (float32, HEIGHT x WIDTH x 3) in place by ``amount`` of a pigment (Beer-Lambert)."""
    image *= np.exp(-np.asarray(amount, np.float32)[..., None] * absorption)


def cover(image: np.ndarray, share: np.ndarray, colour: np.ndarray) -> None:
    """Lay a coat of ``colour`` over ``image`` in place; ``share`` is its opacity, 0..1."""
    image += np.clip(share, 0, 1)[..., None] * (colour - image)
