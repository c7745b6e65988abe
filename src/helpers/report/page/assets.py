"""The page's style, its one script and its templates."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from markupsafe import Markup

TEMPLATE = Path(__file__).with_name("template")


def stylesheet() -> str:
    """The page's style."""
    return _asset("page.css")


def assets() -> dict[str, Any]:
    """The style and the one script of every page, and the script's name in the page's security policy."""
    script = _asset("page.js")
    return {"css": Markup(stylesheet()), "js": Markup(script), "script_hash": script_hash(script)}


def script_hash(script: str) -> str:
    """The name by which the page's Content-Security-Policy allows this one script to run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def render_template(name: str, page: dict[str, Any]) -> str:
    """A page without notebooks: template/<name> with every page's style and script; values are escaped."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name).render(page=page | assets())


def _asset(name: str) -> str:
    return (TEMPLATE / name).read_text(encoding="utf-8")
