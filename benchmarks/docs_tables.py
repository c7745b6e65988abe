"""Tables of simulated studies in a page of docs/, which several scripts write."""

from collections.abc import Sequence
from pathlib import Path

from helpers.files import write_text


def write_between(page: Path, marks: tuple[str, str], lines: Sequence[str]) -> None:
    """Put ``lines`` in the place of what stands between two marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(marks[0])
    text = "\n".join(lines).rstrip("\n")
    write_text(page, f"{before}{marks[0]}\n\n{text}\n\n{marks[1]}{rest.split(marks[1])[1]}")
