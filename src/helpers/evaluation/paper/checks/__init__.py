"""The audit: the paper's numbers held against one another and against whole numbers of test images.

Each module checks one subject and yields its findings.
"""

import pandas as pd

from helpers.evaluation.paper import tables
from helpers.evaluation.paper.checks import (
    classes,
    curves,
    data,
    design,
    evidence,
    matrices,
    melanoma,
    overall,
    sources,
    text,
    training,
)
from helpers.evaluation.paper.checks.finding import Paper
from helpers.evaluation.paper.counts import reconstructed_counts

SUBJECTS = (data, overall, melanoma, classes, matrices, text, design, curves, training, sources, evidence)


def audit() -> pd.DataFrame:
    """Every finding, a row each.

    Columns: finding, table (the paper's section), says (what is printed), computed, agrees (yes/no) and
    arithmetic. Everything computed comes from ``published``; a percentage agrees within ROUNDING points.
    """
    paper = Paper(tables.published(), tables.read_paper(), reconstructed_counts())
    return pd.DataFrame([finding.row() for subject in SUBJECTS for finding in subject.findings(paper)])
