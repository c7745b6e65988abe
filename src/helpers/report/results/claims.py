"""The paper's claims and numbers."""

import re

import pandas as pd

from helpers.evaluation.verdicts import Gain
from helpers.report.table import Table
from helpers.report.words import MINUS, counted


def claims_table(claims: pd.DataFrame) -> Table:
    """evaluation/claims.csv, grouped by the verdict; the bare numbers behind its sentences are saved and not
    shown, nor are the paper's columns where they are empty.
    """
    numbers = tuple(name for name in ("metric", "difference", "low", "high") if name in claims)
    empty = tuple(
        name
        for name in ("paper", "paper_test_set")
        if name in claims and claims[name].fillna("").eq("").all()
    )
    order = {verdict: place for place, verdict in enumerate(dict.fromkeys(claims["verdict"]))}
    grouped = claims.sort_values("verdict", key=lambda column: column.map(order), kind="stable")
    columns = ["verdict", *(name for name in claims if name != "verdict")]
    formats = {"this_run": _with_true_minus} if "this_run" in claims else {}
    return Table(grouped[columns].reset_index(drop=True), formats, hidden=numbers + empty, groups="verdict")


def _with_true_minus(text: str) -> str:
    """A sentence of the table whose negative numbers have a minus sign in place of a hyphen."""
    text = re.sub(r"(?<![\w.])[+-](0\.0+)(?![\d])", r"\1", text)  # nothing has no sign
    return re.sub(r"(?<![\w.])-(?=\d)", MINUS, text)


def audit_table(audit: pd.DataFrame) -> Table:
    """What the paper's numbers say of its statements."""
    return Table(audit.reset_index(drop=True), headers={"says": "the paper says"})


def claims_summary(claims: pd.DataFrame) -> Table:
    """How many of the paper's claims have each verdict, the most frequent first, and one of them."""
    verdicts = claims["verdict"].str.replace(r" of [\d.]+ points or more", "", regex=True)
    groups = claims.groupby(verdicts, sort=False)["claim"].agg(["size", "first"]).reset_index()
    frame = groups.sort_values("size", ascending=False, kind="stable").reset_index(drop=True)
    frame.columns = pd.Index(["verdict", "claims", "example"])
    return Table(frame, headers={"example": "one of them"})


def claims_sentence(claims: pd.DataFrame) -> str:
    """How many claims this run tests, and how many the paper's own numbers settle."""
    verdicts = claims["verdict"]
    settled, untested = verdicts.str.startswith("the audit"), verdicts.str.startswith(Gain.NOT_TESTED)
    tested = counted(int((~settled & ~untested).sum()), "claim")
    told = f"This run tests {tested} of the paper"
    if untested.any():
        told += (
            f" and cannot test {int(untested.sum())} more (no such arms, too few trainings, or no interval)"
        )
    against = int(verdicts.eq("the audit disagrees").sum())
    if not settled.any():
        return f"{told}."
    return (
        f"{told}. The paper's own tables and figures, read as counts and held against its text, settle "
        f"{int(settled.sum())}: they disagree with {against} of them."
    )
