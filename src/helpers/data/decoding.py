"""Encoded images to pixels: checked, decoded to 8-bit RGB, resized. Nothing here knows of files of a run."""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
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


def decode(content: bytes | Path, formats: tuple[str, ...] = FORMATS, upright: bool = False) -> Image.Image:
    """An encoded image (its bytes or its file), fully decoded, as 8-bit RGB.

    ``upright`` turns it as its orientation tag says. The format is read from the bytes, so a PNG named .jpg
    is decoded as a PNG. Only ``formats`` are tried, because PIL runs outside programs for some others. CMYK,
    palette, grey and 16-bit images are converted; transparency is dropped. Raises DataError with a few words
    that follow a file name.
    """
    with _opened(content, formats) as opened:
        opened.load()
        image: Image.Image = ImageOps.exif_transpose(opened) if upright else opened
        if image.mode.startswith("I"):
            # PIL would clip 16-bit grey at 255
            image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
        return image if image.mode == "RGB" else image.convert("RGB")


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
        raise DataError(known) from None
    except Image.DecompressionBombError:
        raise DataError(f"more than the {MAX_PIXELS // 10**6} million pixels allowed") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise DataError("cut off" if "truncated" in str(error).lower() else f"damaged: {error}") from None


def resize_image(image: Image.Image, size: int, resize: str) -> np.ndarray:
    """The whole image squashed to ``size`` x ``size``, as the paper does: uint8 (size, size, 3).

    ``nearest`` takes one pixel per pixel and aliases; ``area`` averages the pixels that each one covers;
    ``bilinear`` averages under a triangle as wide as the reduction (antialiased). JPEG's scaled decoding
    would be faster, but gives other pixels, so it is not used. Raises ParameterError for another word.
    """
    if resize not in FILTERS:
        raise ParameterError(f"Images are resized by {', '.join(FILTERS)}, not by '{resize}'.")
    return np.asarray(image.resize((size, size), FILTERS[resize]))
