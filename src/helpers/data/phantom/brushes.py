"""Brushes: soft steps, noise, discs, lines and outlines.

Each is a function of the position on the skin with values of about 0 to 1, one for each pixel of the plane.
"""

import numpy as np

from helpers.data.phantom.plane import Plane


def step(value: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
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
    coarse, middle, fine = (
        weight * noise(rng, plane, frequency * 2.1**octave) for octave, weight in enumerate((0.55, 0.3, 0.15))
    )
    return coarse + middle + fine


def disc(
    plane: Plane,
    x: float,
    y: float,
    radius: float,
    softness: float = 0.3,
    elongation: float = 1.0,
    turn: float = 0.0,
) -> np.ndarray:
    """A soft-edged ellipse: 1 inside, 0 outside.

    ``softness`` is the width of the edge as a share of ``radius``; ``turn`` is in radians.
    """
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
    """A curved line that starts at ``start`` in direction ``turn`` (radians) and tapers.

    It is 1 on the line and 0 away from it.
    """
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
