"""A font for every sign: where the report's own has none, one of the system's that has it."""

import functools
import logging
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontEntry
from matplotlib.text import Text

OWN = "DejaVu Sans"  # comes with matplotlib, and is the first of report.mplstyle
UNSEEN = (
    "Cc",
    "Cf",
    "Cs",
    "Mn",
    "Me",
    "Zl",
    "Zp",
    "Zs",
)  # categories of signs that need no shape of their own


def lend_fonts(figure: Figure) -> str:
    """Give the texts of a figure fonts of the system for signs that the report's own font has not.

    Returns the signs that no font of the system has, sorted; they are drawn as boxes.
    """
    texts = figure.findobj(Text)
    needed = {sign for text in texts for sign in text.get_text() if not _has(_own_file(), sign)}
    if not needed:
        return ""
    lent, left = _fonts_for(frozenset(needed))
    for text in texts:
        if needed & set(text.get_text()):
            text.set_fontfamily(["sans-serif", *lent])
    return left


def no_font_note(signs: str, folder: str) -> str:
    """What a caption adds where no font has some ``signs`` of the figure; ``folder`` is that of the run's
    notebooks. Empty where there are none.
    """
    if not signs:
        return ""
    shown = signs if len(signs) <= 12 else f"{signs[:12]} (and {len(signs) - 12} more)"
    return (
        f" No font of this machine has the signs {shown}, and the PNG of this figure shows boxes in their "
        "place: install a font that has them (Noto Sans, for most scripts), remove the folder "
        f"{folder}, and start the same command again; nothing is trained anew."
    )


@contextmanager
def without_glyph_warnings() -> Iterator[None]:
    """Do not warn of signs without a shape: ``no_font_note`` says it once, in words."""
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            yield
    finally:
        log.setLevel(level)


@functools.cache
def _fonts_for(signs: frozenset[str]) -> tuple[list[str], str]:
    """Names of few fonts that have as many of the ``signs`` as can be, and the signs that none has."""
    left, names = set(signs), []
    found = [(entry, _signs_of(entry.fname, signs)) for entry in _system_fonts()]
    while left and found:
        entry, has = max(found, key=lambda pair: len(pair[1] & left))  # of equals the first, the plainest
        if not has & left:
            break
        names.append(entry.name)
        left -= has
    return names, "".join(sorted(left))


def _system_fonts() -> list[FontEntry]:
    """The system's fonts, plain ones first; those installed since matplotlib made its list, too."""
    manager = font_manager.fontManager
    known = {entry.fname for entry in manager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        try:
            manager.addfont(path)
        except (OSError, RuntimeError, ValueError):  # a damaged file, or a kind that matplotlib cannot read
            continue
    return sorted(manager.ttflist, key=_plainness)


def _plainness(entry: FontEntry) -> tuple[bool, bool, bool, bool, str]:
    name = entry.name.lower()
    plain = str(entry.weight) in ("400", "normal", "regular", "book") and entry.style == "normal"
    return not plain, "mono" in name, "serif" in name or "ming" in name, "sans" not in name, name


def _signs_of(path: str, signs: Iterable[str]) -> set[str]:
    try:
        return {sign for sign in signs if _has(path, sign)}
    except (OSError, RuntimeError, ValueError):
        return set()


def _has(path: str, sign: str) -> bool:
    return unicodedata.category(sign) in UNSEEN or ord(sign) in _charmap(path)


@functools.lru_cache(maxsize=4096)
def _charmap(path: str) -> frozenset[int]:
    """The code points that a font has shapes for; none for matplotlib's font of last resort, all boxes."""
    if Path(path).name.startswith("LastResort"):
        return frozenset()
    return frozenset(font_manager.get_font(path).get_charmap())


@functools.cache
def _own_file() -> str:
    return font_manager.findfont(OWN)
