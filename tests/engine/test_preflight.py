"""What a start downloads, and that a dry run names it."""

import pytest

from helpers import paths
from helpers.engine import cli, preflight
from helpers.errors import ParameterError
from helpers.params import load_params

EVERY_STAGE = {"eda", "gan", "trunk", "synthesis", "classifier", "evaluation", "report"}


@pytest.fixture(autouse=True)
def no_photographs(tmp_path, monkeypatch):
    """A project whose folder data/ is empty, as after cloning."""
    monkeypatch.setattr(paths, "DOWNLOADS", tmp_path)


def test_photographs_and_weights_are_named_where_a_job_reads_them():
    photographs, weights = preflight.downloads(load_params("paper"), EVERY_STAGE)
    assert "HAM10000" in photographs and "10.7910/DVN/DBW86T" in photographs
    assert "ImageNet weights of ResNet50" in weights
    assert preflight.downloads(load_params("paper"), {"eda"}) == [photographs]
    assert preflight.downloads(load_params("paper"), {"classifier"}) == [weights]
    assert preflight.downloads(load_params("paper"), {"gan", "evaluation", "report"}) == []


def test_nothing_is_downloaded_for_what_is_at_hand():
    assert preflight.downloads(load_params("quick"), EVERY_STAGE) == []
    own = load_params("paper", ["data.root=photographs", "classifier.weights=resnet50.pth"])
    assert preflight.downloads(own, EVERY_STAGE) == []


def test_the_inception_network_is_fetched_unless_a_file_is_named():
    inception = ["synthesis.features=inception"]
    (named,) = preflight.downloads(load_params("quick", inception), EVERY_STAGE)
    assert "Inception" in named
    named_file = load_params("quick", [*inception, "synthesis.feature_weights=weights.pth"])
    assert preflight.downloads(named_file, EVERY_STAGE) == []


def test_a_dry_run_says_what_is_downloaded(capsys):
    words = ["--run", "never-made", "--dry-run"]
    assert cli.main(["--params", "paper", *words]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("What is not at hand yet is downloaded first:") and "ResNet50" in said
    assert cli.main(["--params", "smoke", *words]) == 0
    assert "downloaded" not in capsys.readouterr().out


def test_filtered_and_random_of_unlike_numbers_cannot_be_planned():
    for number, refused in ((6, False), (4, True)):
        arms = [
            "arms.filtered={synthetic: {select: top, count: 6}}",
            f"arms.random={{synthetic: {{select: random, count: {number}}}}}",
        ]
        params = load_params("smoke", [*arms, "evaluation.primary_contrasts=[filtered - random]"])
        if refused:
            with pytest.raises(ParameterError, match="add different numbers of images"):
                preflight._check_contrasts(params)
        else:
            preflight._check_contrasts(params)
