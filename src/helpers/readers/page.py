"""The page of a reader study: one HTML file that opens anywhere, asks the network for nothing, and does not
know which image is which.
"""

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image

from helpers.data.decoding import resize_image
from helpers.readers.answers import EXPERIENCE
from helpers.report.page.assets import script_hash, stylesheet

TEMPLATE = Path(__file__).with_name("template")
SIDE = 384  # pixels of a shown image; all are enlarged to it, real and synthetic alike
QUALITY = 92  # of JPEG, without subsampled colours


def study_page(study: str, images: Mapping[str, np.ndarray], classes: Mapping[str, str], drawn: bool) -> str:
    """The page as HTML.

    Args:
        study: the study's id.
        images: pixels, uint8 (R, R, 3), by neutral id; the page gives each reader an order of their own.
        classes: name for readers by class.
        drawn: whether the real images are drawings, which the page then says.
    """
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    script = (TEMPLATE / "study.js").read_text(encoding="utf-8")
    told = {
        "study": study,
        "images": {name: picture(pixels) for name, pixels in sorted(images.items())},
    }
    return environment.get_template("study.html.j2").render(
        css=Markup(stylesheet() + (TEMPLATE / "study.css").read_text(encoding="utf-8")),
        js=Markup(script),
        script_hash=script_hash(script),
        told=told,
        count=len(images),
        classes=classes,
        experience=EXPERIENCE,
        drawn=drawn,
    )


def picture(pixels: np.ndarray) -> str:
    """An image enlarged to SIDE as a data address; every image takes this one way."""
    buffer = io.BytesIO()
    enlarged = Image.fromarray(resize_image(Image.fromarray(pixels), SIDE, "bilinear"))
    enlarged.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
