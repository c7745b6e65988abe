"""Captions of the page's figures and tables."""

import re

from markupsafe import Markup, escape


def figcaption(name: str, caption: str) -> Markup:
    """The number of a figure or table, where it has one, and its caption; empty where it has neither."""
    if not (name or caption):
        return Markup("")
    lead = Markup("<b>{}</b> ").format(name) if name else ""
    return Markup("<figcaption>{}{}</figcaption>").format(lead, inline(caption))


def inline(text: str) -> Markup:
    """A caption, escaped, with its `code` and *emphasis*."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"(?<![*\w])\*([^*\s][^*]*)\*(?![*\w])", r"<em>\1</em>", marked))


def plain_words(text: str) -> str:
    """A caption without its marks."""
    return text.replace("`", "").replace("*", "")
