"""Notebook 05: figures, tables and sentences of the results, a module for each section."""

from helpers.report.results import (
    arms,
    claims,
    classes,
    contrasts,
    controls,
    convergence,
    counts,
    differences,
    dynamics,
    external,
    gan,
    lesions,
    metrics,
    probabilities,
    scope,
)

__all__ = [
    "arms",
    "claims",
    "classes",
    "contrasts",
    "controls",
    "convergence",
    "counts",
    "differences",
    "dynamics",
    "external",
    "gan",
    "lesions",
    "metrics",
    "probabilities",
    "scope",
]
