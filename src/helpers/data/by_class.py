"""Tables of several classes of synthetic images: joined into one, and taken apart again.

A table of one class has no column for it, so that a GAN of one class writes what it always wrote.
"""

from collections.abc import Mapping

import pandas as pd

CLASS = "class"  # the column


def join_classes(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The tables, by class, below one another, with the class as first column; one alone stays as it is."""
    if len(tables) == 1:
        return next(iter(tables.values()))
    parts = [table.assign(**{CLASS: name})[[CLASS, *table]] for name, table in tables.items()]
    return pd.concat(parts, ignore_index=True)


def rows_of_class(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of the class ``name``, without that column; all rows of a table that names no classes."""
    if CLASS not in table:
        return table
    return table[table[CLASS].astype(str) == name].drop(columns=CLASS).reset_index(drop=True)
