"""Notebook 05: figures, tables and sentences of the results, a module for each section."""

from helpers.report.results import (
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
    readers,
    scope,
    subgroups,
)

__all__ = [
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
    "readers",
    "scope",
    "subgroups",
]
