"""No number of the README's answer was typed: each estimate with its interval stands in a table of the runs
kept under reports/examples.
"""

import re

import pandas as pd

from helpers.paths import REPORTS, ROOT

NUMBER = r"([+-]?\d+\.\d)"
INTERVAL = re.compile(rf"{NUMBER},? \(?{NUMBER} to {NUMBER}")


def rounded(*columns: pd.Series) -> set[tuple[str, ...]]:
    """Rows as texts of percentages with one decimal, without a plus sign."""
    return {
        tuple(f"{100 * value:.1f}".replace("-0.0", "0.0") for value in row)
        for row in zip(*columns, strict=True)
        if all(map(pd.notna, row))
    }


def kept_intervals() -> set[tuple[str, ...]]:
    """(estimate, low, high) of every row of every kept table that has them."""
    found = set()
    for path in (REPORTS / "examples").glob("*/**/*.csv"):
        table = pd.read_csv(path)
        for estimate, low, high in [
            ("mean", "low", "high"),
            ("difference", "low", "high"),
            ("share", "low", "high"),
        ]:
            if {estimate, low, high} <= set(table):
                found |= rounded(table[estimate], table[low], table[high])
    return found


def stated_intervals(text: str) -> list[tuple[str, ...]]:
    """(estimate, low, high) as they stand in prose and tables, signs made ASCII."""
    plain = text.replace("\N{MINUS SIGN}", "-")
    return [
        tuple(number.lstrip("+").replace("-0.0", "0.0") for number in match.groups())
        for match in INTERVAL.finditer(plain)
    ]


def test_every_interval_of_the_readme_stands_in_a_kept_table():
    stated = stated_intervals((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(stated) > 30
    assert not set(stated) - kept_intervals()
