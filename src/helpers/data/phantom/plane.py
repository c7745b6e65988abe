"""The skin as a plane: where each pixel of a photograph lies on it."""

from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 128, 96  # pixels of a photograph


@dataclass(frozen=True)
class Plane:
    """Where each pixel lies on the skin, in units of the lesion's radius, the lesion's centre at (0, 0)."""

    u: np.ndarray  # float32 (HEIGHT, WIDTH)
    v: np.ndarray
    pixel: float  # one pixel's size in the same unit

    def window(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        """The rows and columns within ``reach`` of (x, y), to draw a small thing without the whole frame."""
        along, across = self.u[0, 1] - self.u[0, 0], self.v[0, 1] - self.v[0, 0]
        du, dv = x - self.u[0, 0], y - self.v[0, 0]
        column, row = (along * du + across * dv) / self.pixel**2, (along * dv - across * du) / self.pixel**2
        size = reach / self.pixel + 2
        return slice(max(int(row - size), 0), max(int(row + size), 0)), slice(
            max(int(column - size), 0), max(int(column + size), 0)
        )

    def crop(self, window: tuple[slice, slice]) -> "Plane":
        return Plane(self.u[window], self.v[window], self.pixel)


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
