"""The paper's claims and numbers."""

import pandas as pd

from helpers.report.table import Table


def claims_table(claims: pd.DataFrame) -> Table:
    """evaluation/claims.csv; the bare numbers behind its sentences are saved and not shown, nor are the
    paper's columns where they are empty.
    """
    numbers = tuple(name for name in ("metric", "difference", "low", "high") if name in claims)
    empty = tuple(
        name
        for name in ("paper", "paper_test_set")
        if name in claims and claims[name].fillna("").eq("").all()
    )
    return Table(claims.reset_index(drop=True), hidden=numbers + empty)


def audit_table(audit: pd.DataFrame) -> Table:
    """What the paper's numbers say of its statements."""
    return Table(audit.reset_index(drop=True), headers={"says": "the paper says"})
