"""Encoded images to pixels: checked, decoded to 8-bit RGB, resized. Nothing here knows of files of a run."""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.errors import DataError, ParameterError

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
}
MAX_PIXELS = 50_000_000  # 100 times HAM10000's; a larger image is taken for a decompression bomb
MIN_SIDE = 8  # pixels
FORMATS = ("JPEG", "PNG")
BEGINNINGS = {  # the first four bytes, or the third four, of what is often renamed to .jpg
    b"WEBP": "WebP",
    b"heic": "HEIC",
    b"mif1": "HEIC",
    b"avif": "AVIF",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"%PDF": "PDF",
    b"<!DO": "a web page",
    b"<htm": "a web page",
    b"vers": "a pointer of Git LFS",
}


def decode(content: bytes | Path, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """An encoded image (its bytes or its file), fully decoded, as 8-bit RGB, the way up it was taken.

    The orientation tag of a camera is followed. The format is read from the bytes, so a PNG named .jpg is
    decoded as a PNG. Only ``formats`` are tried, because PIL runs outside programs for some others. CMYK,
    palette and grey images are converted, deeper ones scaled as ``_eight_bits`` says; transparency is
    dropped. Raises DataError with a few words that follow a file name.
    """
    with _opened(content, formats) as opened:
        deep = opened.mode in ("RGB", "RGBA") and any(
            ";16" in str(tile[3]) for tile in getattr(opened, "tile", ())
        )
        opened.load()
        _turn_upright(opened)
        image: Image.Image = opened
        if image.mode.startswith("I") or image.mode == "F":
            image = Image.fromarray(_eight_bits(np.asarray(image)))
        image = image if image.mode == "RGB" else image.convert("RGB")
        if deep and 0 < np.asarray(image).max() < 16:  # PIL keeps the upper eight bits of sixteen
            raise DataError("16-bit colours of which only the lower bits are used: save it with 8 bits")
        return image


def _turn_upright(image: Image.Image) -> None:
    """Turn ``image`` as its orientation tag says; a tag that cannot be read says nothing."""
    with suppress(Exception):  # any error that broken metadata can make: the pixels are whole
        ImageOps.exif_transpose(image, in_place=True)


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Grey values of more than 8 bits, or fractions, as uint8 by the range that the image uses.

    Whole numbers count as 8, 12 or 16 bits, whichever holds the largest (cameras keep 12 bits in 16);
    fractions as 0 to 1 where they end there. Raises DataError for what has no such range.
    """
    low, high = values.min(), values.max()
    if not np.isfinite(low) or not np.isfinite(high) or low < 0 or high > 65535:
        raise DataError(f"grey values from {low:g} to {high:g}, of no known range: save it with 8 bits")
    if values.dtype.kind == "f":
        top = next(top for top in (1, 255, 4095, 65535) if high <= top)
        return np.rint(values * (255 / top)).astype(np.uint8)
    bits = next(bits for bits in (8, 12, 16) if high < 2**bits)
    return (values.astype(np.int64) >> (bits - 8)).astype(np.uint8)


def check_header(content: bytes | Path, formats: tuple[str, ...] = FORMATS) -> None:
    """Raise DataError for what the beginning of an image already tells; nothing is decoded.

    That is: an empty file, another format, too many pixels, too few.
    """
    with _opened(content, formats):
        pass


@contextmanager
def _opened(content: bytes | Path, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """An image of allowed format and size, not decoded yet.

    An error while it is open becomes a DataError.
    """
    if not (content if isinstance(content, bytes) else content.stat().st_size):
        raise DataError("empty")
    try:
        image = Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=formats)
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise DataError(f"{width} x {height} pixels, more than the {MAX_PIXELS // 10**6} million allowed")
        if min(width, height) < MIN_SIDE:
            raise DataError(f"only {width} x {height} pixels")
        yield image
    except UnidentifiedImageError:
        known = "neither JPEG nor PNG" if formats == FORMATS else f"none of {', '.join(formats)}"
        raise DataError(known + _kind(content)) from None
    except Image.DecompressionBombError:
        raise DataError(f"more than the {MAX_PIXELS // 10**6} million pixels allowed") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise DataError("cut off" if "truncated" in str(error).lower() else f"damaged: {error}") from None


def _kind(content: bytes | Path) -> str:
    """', but WebP', as the first bytes say; empty where they say nothing."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            content = file.read(16)
    known = [name for beginning, name in BEGINNINGS.items() if beginning in (content[:4], content[8:12])]
    return f", but {known[0]}" if known else ""


def resize_image(image: Image.Image, size: int, resize: str) -> np.ndarray:
    """The whole image squashed to ``size`` x ``size``, as the paper does: uint8 (size, size, 3).

    ``nearest`` takes one pixel per pixel and aliases; ``area`` averages the pixels that each one covers;
    ``bilinear`` averages under a triangle as wide as the reduction (antialiased). JPEG's scaled decoding
    would be faster, but gives other pixels, so it is not used. Raises ParameterError for another word.
    """
    if resize not in FILTERS:
        raise ParameterError(f"Images are resized by {', '.join(FILTERS)}, not by '{resize}'.")
    return np.asarray(image.resize((size, size), FILTERS[resize]))
