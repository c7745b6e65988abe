"""A run with as many arms as the study has, and one more: its article still ends after twelve screens."""

import pytest

from support.page_checks import CHROMIUM, article_screens, headless_chromium, open_page

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]

ARMS = """
extends: smoke.yaml
replicates: 3
classifier: {max_epochs: 1}
arms:
  baseline: {}
  filtered: {synthetic: {select: top, count: 6}}
  all: {synthetic: {select: all}}
  random: {synthetic: {select: random, count: 6}}
  blurred: {oversample: {class: target, count: 6, through: synthesis}}
  blurred_more: {oversample: {class: target, count: 20, through: synthesis}}
  oversampled: {oversample: {class: target, count: 6}}
  oversampled_more: {oversample: {class: target, count: 20}}
  withheld: {withhold: {class: target, fraction: 0.5}}
  restored: {withhold: {class: target, fraction: 0.5}, synthetic: {select: all}}
  again: {}
  weighted: {loss: balanced}
"""


def test_an_article_of_twelve_arms_ends_after_twelve_screens(project_copy):
    pytest.importorskip("playwright", reason="playwright is not installed")
    project = project_copy("arms")
    (project.folder / "params/arms.yaml").write_text(ARMS, encoding="utf-8")
    project.run("--params", "params/arms.yaml")
    address = (project.folder / "reports/arms/report.html").as_uri()
    with headless_chromium() as browser:
        assert article_screens(browser, address) <= 12
        page = open_page(browser, address, width=390)
        assert page.complaints == [] and page.evaluate("document.documentElement.scrollWidth") <= 390
