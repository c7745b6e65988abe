"""The errors that a user sees as a sentence, never as a traceback."""

import difflib
import unicodedata
from collections.abc import Iterable

# Characters that make a terminal show text backwards.
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """``text`` on one line and without characters that control a terminal; file names may hold such.

    Line breaks and tabs become spaces. Other control characters, and bytes that are not text, are written as
    escapes such as ``\\x1b``.
    """
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in "\n\r\t":
        return " "
    controls = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in TURNS
    return character.encode("unicode_escape").decode("ascii") if controls else character


def near_name(name: str, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """``name``'s nearest among the known ones, capitals or not; None where none is as alike as ``cutoff``.

    ``cutoff`` is between 0, where all are alike, and 1, where only the same letters are.
    """
    folded: dict[str, str] = {}
    for each in known:
        folded.setdefault(each.casefold(), each)
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=cutoff)
    return folded[found[0]] if found else None


def did_you_mean(names: Iterable[str]) -> str:
    """The names that may have been meant, as the end of a sentence; empty where there are none."""
    *others, last = [f"'{name}'" for name in names] or [""]
    return f" (did you mean {', '.join(others)}{' or ' if others else ''}{last}?)" if last else ""


def nearest(name: str, known: Iterable[str], ending: str = "") -> str:
    """``name``'s nearest among the known ones, as the end of a sentence; empty where none is near."""
    near = near_name(name, known)
    return did_you_mean([] if near is None else [f"{near}{ending}"])


class UserError(Exception):
    """A mistake that the user can correct. Its text is one printable line: what is wrong, and what to do."""

    def __str__(self) -> str:
        return printable(super().__str__())

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class ParameterError(UserError):
    """A parameter file or an override is wrong."""


class DataError(UserError):
    """The data folder is missing, incomplete or damaged."""


class MissingStageError(UserError):
    """A stage was started before the stage whose files it reads."""


class TrainingError(UserError):
    """A training that cannot go on, or trained weights that do not fit the parameters."""
