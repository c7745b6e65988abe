"""The pages: a run with its notebooks as one HTML file, two runs side by side, and the list of runs."""
