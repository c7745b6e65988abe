"""Stage report: render the page from the executed notebooks and the run's tables."""

from helpers.params import Params
from helpers.paths import RunPaths
from helpers.report.page.render import render_report


def make(run: RunPaths, params: Params) -> None:
    """Write reports/<run>/report.html and provenance.json."""
    render_report(run.run)
