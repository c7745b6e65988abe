"""Small pieces of error sentences: a few names out of many, a counted noun."""

from collections.abc import Iterable, Sized


def shown(names: Iterable[str], limit: int = 5) -> str:
    """A few names for a sentence: ``'a, b, c, d, e and 12 more'``."""
    names = list(names)
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def plural(things: Sized, noun: str) -> str:
    """'1 row', '3 rows'."""
    return f"{len(things):,} {noun}{'' if len(things) == 1 else 's'}"
