"""Metrics and statistics of written predictions, and the paper's own numbers."""
