"""Figures of the page: a notebook's picture as a data address, with its number, caption and size."""

import base64
import io
import json
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from helpers.report.page.captions import figcaption, plain_words

SHRINK_ABOVE = 50_000  # bytes; a larger PNG is stored as WebP where that is smaller
UNQUOTED = " !$&*+,-./:;=?@[]_{}"  # stand as they are in a drawing's address
TALL = 544  # pixels; a picture higher than that scrolls in the article, in a frame of page.css's 24rem
BROAD = 720  # pixels: a figure drawn for the page's whole width

Size = tuple[int, int] | None


def image_source(data: dict[str, Any]) -> str | None:
    """An output's picture as a data address: the drawing if there is one, else the pixels, else None."""
    if svg := data.get("image/svg+xml"):
        if "xmlns=" not in svg.split(">", 1)[0]:
            svg = svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        # in an image no script of the drawing runs, and its ids do not meet those of others
        # and as text it packs better than as base64
        return f"data:image/svg+xml,{urllib.parse.quote(svg, safe=UNQUOTED)}"
    if png := data.get("image/png"):
        return _address(*shrink(base64.b64decode(png)))
    if jpeg := data.get("image/jpeg"):
        return _address("image/jpeg", base64.b64decode(jpeg))
    return None


def _address(kind: str, raw: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


def shrink(png: bytes) -> tuple[str, bytes]:
    """A large PNG as WebP where that is clearly smaller: media type and bytes."""
    if len(png) <= SHRINK_ABOVE:
        return "image/png", png
    from PIL import Image

    buffer = io.BytesIO()
    try:
        Image.open(io.BytesIO(png)).save(buffer, "WEBP", quality=80, method=4)
    except (OSError, ValueError, KeyError):
        return "image/png", png
    return ("image/webp", buffer.getvalue()) if buffer.tell() < 0.8 * len(png) else ("image/png", png)


def size_of(output: Mapping[str, Any]) -> Size:
    """Width and height of an output's picture on the page in pixels, where known, so that no text jumps."""
    noted = output.get("metadata", {}).get("image/png") or {}
    if isinstance(noted, dict) and noted.get("width") and noted.get("height"):
        return int(noted["width"]), int(noted["height"])
    found = re.search(
        r"<svg\b[^>]*?\bviewBox=\"\s*[\d.-]+\s+[\d.-]+\s+([\d.]+)\s+([\d.]+)",
        output.get("data", {}).get("image/svg+xml") or "",
    )
    # a drawing counts in points, 3 of which make 4 pixels
    return (round(float(found[1]) * 4 / 3), round(float(found[2]) * 4 / 3)) if found else None


def figure_html(source: str, label: dict[str, Any], size: Size, number: int | None = None) -> Markup:
    """A figure: the picture as a button that enlarges it, number and caption below.

    What stands behind its images (``Behind.as_dict``) is data, which the page's script shows.
    """
    name, caption = (f"Figure {number}" if number else "Figure"), label.get("caption") or ""
    alt = plain_words(label.get("alt") or caption or "A picture that this notebook displays")
    # a button's name hides its image from who cannot see it, so that the name says what the image shows
    spoken = f"Enlarge {name[0].lower()}{name[1:]}: {alt}"
    # a drawing so wide that its words could not be read if it shrank pans in its box instead
    shape = " broad" if size and size[0] >= BROAD else ""
    # one so tall that its words would shrink on the screen scrolls down in its box
    shape += " tall" if size and size[1] > TALL else ""
    behind = label.get("behind") if number else None  # pictures that are not numbered are kept light
    return Markup(
        '<figure class="figure{}"{}{}><div class="pan"><button class="enlarge" type="button" '
        'aria-label="{}"><img loading="lazy" src="{}" alt="{}"{}></button></div>{}</figure>'
    ).format(
        shape,
        Markup(' id="figure-{}"').format(number) if number else "",
        Markup(' data-behind="{}"').format(json.dumps(behind, separators=(",", ":"))) if behind else "",
        spoken,
        source,
        alt,
        Markup(' width="{}" height="{}"').format(*size) if size else "",
        figcaption(name if number else "", caption),
    )
