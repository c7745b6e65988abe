"""docs/paper-claims.md names rows of the claims and of the audit: those that exist, and every claim."""

import re

import pandas as pd
import pytest

from helpers.evaluation.paper import audit, claims
from helpers.evaluation.paper.claim_list import AUDITED
from helpers.paths import ROOT

NAMED = re.compile(r'(claim|audit) "([^"]+)"')


def rows():
    """(the assertion, its references) of every row of the document's tables."""
    text = (ROOT / "docs" / "paper-claims.md").read_text(encoding="utf-8")
    cells = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [(said.strip(), where.strip()) for said, where in cells if said.strip() != "the paper asserts"]


@pytest.fixture(scope="module")
def existing():
    empty = pd.DataFrame(columns=["contrast", "metric", "difference", "low", "high", "replicates"])
    return {"claim": set(claims({"contrasts": empty})["claim"]), "audit": set(audit()["finding"])}


def test_the_document_names_only_rows_that_exist(existing):
    named = [match for _, where in rows() for match in NAMED.findall(where)]
    assert len(named) > 90
    assert not [(kind, name) for kind, name in named if name not in existing[kind]]


def test_each_claim_is_named(existing):
    named = {name for _, where in rows() for kind, name in NAMED.findall(where) if kind == "claim"}
    assert existing["claim"] == named


def test_each_assertion_has_a_row_or_a_reason():
    assert len(rows()) > 70
    for said, where in rows():
        reason = re.match(r"none( among the claims)?: .{15,}", where)
        assert NAMED.search(where) or reason, said


def test_every_finding_that_disagrees_with_the_paper_is_in_the_document():
    named = {name for _, where in rows() for kind, name in NAMED.findall(where)}
    named |= {claim.finding for claim in AUDITED if claim.words in named}
    found = audit()
    wrong = found.loc[found["agrees"] == "no", "finding"]
    assert len(wrong) > 30
    assert not [name for name in wrong if name not in named and "orientation only" not in name]
