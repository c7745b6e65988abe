"""Figures, tables, notebook execution and the rendered page."""
