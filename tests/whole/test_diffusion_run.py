"""The whole program with a recipe that has no critic: its files, its tables and what its page says."""

import pandas as pd
import pytest
import yaml

from helpers.paths import ROOT
from support.page_checks import check_text

pytestmark = pytest.mark.long


def test_a_run_without_a_critic_makes_its_report(project_copy):
    project = project_copy("diffusion")
    smoke = yaml.safe_load((ROOT / "params/smoke.yaml").read_text(encoding="utf-8"))
    quick = yaml.safe_load((ROOT / "params/quick-diffusion.yaml").read_text(encoding="utf-8"))
    smoke["gan"] = quick["gan"] | smoke["gan"] | {"diffusion": {"sampling_steps": 5}, "min_diversity": 0.0}
    smoke["synthesis"] |= quick["synthesis"]
    smoke["arms"]["filtered"]["synthetic"]["rank"] = "distance"
    (project.folder / "params/tiny.yaml").write_text(yaml.safe_dump(smoke), encoding="utf-8")
    assert "Report: reports/tiny/report.html" in project.run("--params", "params/tiny.yaml").stdout
    gan, made = (project.folder / "artifacts/tiny" / part / "seed-0" for part in ("gan", "synthetic"))
    assert not (gan / "discriminator.safetensors").exists() and (gan / "trained-on.json").is_file()
    scores = pd.read_csv(made / "scores.csv")
    assert (scores["rank"] == scores["rank_distance"]).all() and scores["selected"].sum() == 6
    page = (project.folder / "reports/tiny/report.html").read_text(encoding="utf-8")
    check_text(page, limit=5_000_000)
    for told in ("This run trains another network", "This run has no critic", "Figure 3", "Figure 4"):
        assert told in page
    assert "Nothing of the paper" in page
