"""Results are not thrown away unasked."""

import sys

from helpers.errors import UserError


def ask_or_stop(sentence: str, question: str, way_out: str) -> None:
    """Say ``sentence``, and go on only where somebody at a terminal answers ``question`` with yes.

    Raises UserError with ``way_out`` where the answer is another one, and where nobody can be asked.
    """
    can_ask = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    if can_ask and input(f"{sentence} {question} [y/N] ").strip().lower() in ("y", "yes"):
        return
    raise UserError(f"{sentence} Nothing was touched. {way_out}")
