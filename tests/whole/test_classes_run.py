"""The whole program with two classes that get synthetic images: one GAN each, and one conditional GAN."""

import json

import pandas as pd
import pytest

from support.page_checks import check_text

pytestmark = pytest.mark.long

TWO = """
extends: smoke.yaml
gan: {classes: [target, vasc], batch_size: 4}
arms:
  baseline: {}
  filtered: {synthetic: {select: top, count: 6}}
  near: {synthetic: {select: top, rank: distance, counts: {target: 6, vasc: 2}}}
  equal: {synthetic: {select: random, share: 0.2}}
"""


@pytest.fixture(scope="module")
def project(project_copy):
    """A copied project after a whole run with a GAN for each of two classes."""
    found = project_copy("classes")
    (found.folder / "params/two.yaml").write_text(TWO, encoding="utf-8")
    assert "Report: reports/two/report.html" in found.run("--params", "params/two.yaml").stdout
    return found


def test_every_class_has_its_networks_its_tables_and_its_place_on_the_page(project):
    run = project.folder / "artifacts/two"
    for name in ("mel", "vasc"):
        assert (run / "gan/seed-0" / name / "generator.safetensors").is_file()
    scores = pd.read_csv(run / "synthetic/seed-0/scores.csv")
    assert scores["class"].value_counts().to_dict() == {"mel": 20, "vasc": 20}
    selected = pd.read_csv(run / "evaluation/selectors.csv")
    assert set(selected["class"]) == {"mel", "vasc"}
    page = (project.folder / "reports/two/report.html").read_text(encoding="utf-8")
    check_text(page, limit=5_000_000)
    for told in (
        "a GAN for each of mel and vasc",
        "A GAN of its own paints each of mel and vasc",
        "The GAN of vasc. Training of the generative network",
        "This run, vasc",
        "are those of the class mel",
        "how near the kept images are to the real ones",
    ):
        assert told in page, told
    figures = {path.name for path in (project.folder / "reports/two/figures").iterdir()}
    expected = ("gan-training-vasc-seed-0", "film-strip-vasc-seed-0", "class-samples-seed-0", "selection")
    assert {f"{name}.png" for name in expected} <= figures


def test_one_conditional_gan_is_shown_by_the_same_notebooks(project):
    project.run("--params", "params/two.yaml", "--set", "gan.conditional=true", "--until", "synthesis")
    run = project.folder / "artifacts/two"
    assert (run / "gan/seed-0/generator.safetensors").is_file()
    shown = {
        name: json.loads((run / f"notebooks/{name}-seed-0.ipynb").read_text(encoding="utf-8"))["cells"]
        for name in ("02_gan_training", "03_generation_filtering")
    }
    told = {name: json.dumps(cells, ensure_ascii=False) for name, cells in shown.items()}
    assert "This GAN is conditional: one pair of networks learns mel and vasc" in told["02_gan_training"]
    assert "The rows are of mel and vasc, in this order" in told["02_gan_training"]
    assert "One conditional GAN paints mel and vasc" in told["03_generation_filtering"]
