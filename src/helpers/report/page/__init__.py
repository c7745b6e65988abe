"""The pages: a run with its notebooks as one HTML file, two runs side by side, and the list of runs."""

from helpers.quick_notebooks import skip_address_grammar

skip_address_grammar()  # before a module of this folder imports nbformat
