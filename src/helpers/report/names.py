"""Names of classes in figures: of any number, length and script."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PARTS = re.compile(r"\s+|[^\s_/-]+[_/-]*|[_/-]+")  # where a line of a name may end
STRETCH = 1.4  # a word that is longer than the line by no more than this stays whole


def text_width(text: str) -> int:
    """The width of a text in Latin letters: a sign of Chinese, Japanese or Korean counts as two, an accent
    on a letter as none.
    """
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )


def wrapped(text: str, width: int) -> str:
    """A label broken into lines of at most ``width`` (``text_width``), between words, and within a word that
    is much longer.
    """
    lines = [""]
    for part in (piece for found in PARTS.findall(text) for piece in _pieces(found, width)):
        if part.isspace():
            lines[-1] += " " if lines[-1] else ""
        elif text_width(lines[-1]) + text_width(part) <= width or not lines[-1]:
            lines[-1] += part
        else:
            lines.append(part)
    return "\n".join(line.rstrip() for line in lines)


def _pieces(word: str, width: int) -> list[str]:
    """A word whole, or cut where it is far longer than a line."""
    if text_width(word) <= STRETCH * width:
        return [word]
    pieces = [""]
    for sign in word:
        if text_width(pieces[-1] + sign) > width:
            pieces.append("")
        pieces[-1] += sign
    return pieces


def row_labels(names: Sequence[str], width: int = 44) -> tuple[list[str], float]:
    """Names as labels of rows, broken into lines, and the room that the lines after the first need: inches
    for each row.
    """
    labels = [wrapped(name, width) for name in names]
    return labels, 0.14 * max((label.count("\n") for label in labels), default=0)


def title_room(titles: Iterable[str]) -> float:
    """The height that titles of several lines need beyond their first line, inches."""
    return 0.17 * max((title.count("\n") for title in titles), default=0)


def shortened(text: str, width: int) -> str:
    """The text, or its beginning and its end around an ellipsis where it is wider than ``width``."""
    if text_width(text) <= width:
        return text
    start, end, room = "", "", width - 1
    while text_width(start + text[len(start)]) <= room - room // 3:
        start += text[len(start)]
    while text_width(text[-len(end) - 1] + end) <= room - text_width(start):
        end = text[-len(end) - 1] + end
    return f"{start}\N{HORIZONTAL ELLIPSIS}{end}"


@dataclass(frozen=True)
class Labels:
    """What stands at an axis for each name, and the key where that is a number."""

    texts: tuple[str, ...]
    key: tuple[str, ...] = ()  # one entry for each name; empty where the names themselves stand there


def axis_labels(names: Sequence[str], width: int) -> Labels:
    """The names themselves where each is at most ``width`` wide, else their numbers and a key."""
    if max(map(text_width, names)) <= width:
        return Labels(tuple(names))
    numbers = [str(number) for number in range(1, len(names) + 1)]
    return Labels(
        tuple(numbers), tuple(f"{number}  {name}" for number, name in zip(numbers, names, strict=True))
    )
