"""How much fine structure two photographs share, under turns, flips, shifts and small zooms."""

import numpy as np

SIDE = 72  # pixels of the centre square that is compared
TURNS = tuple((quarters, flipped) for quarters in range(4) for flipped in (False, True))
ZOOMS = ((1.0, 1.0), (1.0, 0.92), (0.92, 1.0), (1.0, 0.85), (0.85, 1.0))  # shares of the side that are seen
AS_THEY_ARE = ZOOMS[:1]
FINE = 1.2  # pixels; what is coarser than this is taken out, otherwise any two dark spots would be alike
NEIGHBOURHOOD = 4.0  # pixels, over which the contrast is made the same
NOISE = 0.3  # square grey levels; a plain area of less contrast is not raised to full contrast
BLOCK = 256  # pairs at a time


def likeness(
    images: np.ndarray, pairs: np.ndarray, zooms: tuple[tuple[float, float], ...] = ZOOMS
) -> np.ndarray:
    """The largest correlation of each pair of images over TURNS, ``zooms`` and shifts, (n,), from 0 to 1.

    ``images`` are grey levels (N, S, S), 0 to 255; ``pairs`` are their numbers (n, 2). Compared is
    ``structure``, so that light, colour and the outline of the lesion count little. Shifts are found by
    cross-correlation of the Fourier transforms; the edges are faded out.
    """
    used, places = np.unique(pairs, return_inverse=True)
    places, best = places.reshape(-1, 2), np.zeros(len(pairs), dtype=np.float32)
    for zoom, other_zoom in zooms:
        seen = structure(zoomed(images[used], zoom))
        others = seen if zoom == other_zoom else structure(zoomed(images[used], other_zoom))
        for start in range(0, len(pairs), BLOCK):
            block = slice(start, start + BLOCK)
            peaks = _peaks(seen[places[block, 0]], others[places[block, 1]])
            best[block] = np.maximum(best[block], peaks)
    return np.clip(best, 0, 1)


def _peaks(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The largest circular cross-correlation of each pair over all shifts and all TURNS, (n,).

    Half a turn is a conjugate spectrum and a flip a mirrored one, up to a shift, which does not matter here:
    two transforms of ``second`` give its eight versions.
    """
    from scipy import fft

    waves, best = fft.rfft2(first), np.full(len(first), -np.inf, dtype=np.float32)
    for version in (second, second.swapaxes(1, 2)):
        spectrum = fft.rfft2(version)
        for each in (spectrum, np.roll(spectrum[:, ::-1], 1, axis=1)):
            for product in (waves * each, waves * np.conj(each)):
                best = np.maximum(best, fft.irfft2(product, s=first.shape[1:]).max(axis=(1, 2)))
    return best


def structure(images: np.ndarray, fine: float = FINE) -> np.ndarray:
    """Grey levels (n, S, S) without what is coarser than ``fine``, of one local contrast, mean 0 and norm 1.

    An image without structure is all 0.
    """
    from scipy.ndimage import gaussian_filter

    images = images.astype(np.float32)
    detail = images - gaussian_filter(images, (0, fine, fine))
    spread = gaussian_filter(np.square(detail), (0, NEIGHBOURHOOD, NEIGHBOURHOOD))
    fade = np.hanning(images.shape[1] + 2)[1:-1].astype(np.float32)
    detail = detail / np.sqrt(spread + NOISE) * fade[:, None] * fade
    detail -= detail.mean(axis=(1, 2), keepdims=True)
    norms = np.sqrt(np.square(detail).sum(axis=(1, 2), keepdims=True))
    return np.where(norms > 1e-3, detail / np.maximum(norms, 1e-3), 0)


def turned(images: np.ndarray, turn: tuple[int, bool]) -> np.ndarray:
    """Square images (n, S, S) after quarter turns and, where the second is true, a flip."""
    images = np.rot90(images, turn[0], (1, 2))
    return np.ascontiguousarray(images[:, :, ::-1] if turn[1] else images)


def zoomed(images: np.ndarray, share: float) -> np.ndarray:
    """The central ``share`` (0 to 1) of the side of square images (n, S, S), enlarged linearly to S."""
    if share == 1:
        return images
    side = images.shape[1]
    places = (np.arange(side) + 0.5) * share + side * (1 - share) / 2 - 0.5
    weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(side))).astype(np.float32)
    return weights @ images.astype(np.float32) @ weights.T


def reduced(images: np.ndarray, side: int) -> np.ndarray:
    """Square images (n, S, S) as float32 averages (n, side, side); S is a multiple of ``side``."""
    step = images.shape[1] // side
    return images.reshape(-1, side, step, side, step).mean(axis=(2, 4), dtype=np.float32)
