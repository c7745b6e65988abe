"""Notebook 03: figures, tables and sentences on the synthetic images, a module for each question."""

from helpers.report.synthesis import (
    classes,
    fidelity,
    given,
    memorisation,
    neighbours,
    probe,
    scored,
    scores,
    variety,
)

__all__ = [
    "classes",
    "fidelity",
    "given",
    "memorisation",
    "neighbours",
    "probe",
    "scored",
    "scores",
    "variety",
]
