"""Notebook 03: figures, tables and sentences on the synthetic images, a module for each question."""

from helpers.report.synthesis import fidelity, memorisation, probe, scores, variety

__all__ = ["fidelity", "memorisation", "probe", "scores", "variety"]
