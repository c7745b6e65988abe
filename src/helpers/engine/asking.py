"""Results are not thrown away unasked."""

import sys

from helpers.errors import UserError


def ask_or_stop(sentence: str, question: str, way_out: str) -> None:
    """Say ``sentence``, and go on only where somebody at a terminal answers ``question`` with yes.

    Raises UserError with ``way_out`` where the answer is another one, and where nobody can be asked.
    """
    can_ask = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    if can_ask and _answer(f"{sentence} {question} [y/N] ") in ("y", "yes"):
        return
    raise UserError(f"{sentence} Nothing was touched. {way_out}")


def _answer(question: str) -> str:
    """What is typed, in small letters; empty where the input ends instead (Ctrl-D)."""
    try:
        return input(question).strip().lower()
    except EOFError:
        print()
        return ""
