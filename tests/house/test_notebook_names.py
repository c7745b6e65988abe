"""Which notebook a stage has is said by the engine, which executes it, and by the page, which shows it."""

import pytest

from helpers.engine.stages import STAGES, jobs
from helpers.params import load_params
from helpers.report.page.shown import SECTIONS, shown_jobs
from support.project import ROOT


def test_page_and_engine_name_the_same_notebook_of_each_stage():
    executed = {stage.name: stage.notebook for stage in STAGES.values() if stage.notebook}
    assert {section.stage: section.stem for section in SECTIONS} == executed
    assert len(SECTIONS) == len(executed)
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(executed.values())


@pytest.mark.parametrize("name", ["quick", "study", "judge"])  # of one part, of several, without a GAN
def test_what_the_page_shows_is_what_a_job_of_the_run_writes(name):
    """Where a letter differs, the notebook would be shown by nobody, and so never be executed."""
    params = load_params(name)
    written = [job.notebook_file for job in jobs(params) if job.notebook_file]
    shown = [file for _, file in shown_jobs(params)]
    assert shown and set(shown) <= set(written) and len(set(shown)) == len(shown)
