"""The page: executed notebooks and a run's tables as one HTML file, two runs side by side, and the list of runs."""
