"""The study itself, scaled to minutes on drawn lesions.

With nothing changed no effect is reported, and a known loss is.

The design has power by calculation. Trainings of a small head on a frozen trunk, at a low rate for as many
steps in every arm, lie close together, and half of the images are tested, 120 melanomas among them. Over 30
pilot trainings the difference between 10 % and all of the melanomas was 27 points with a standard deviation
of 5 between replicates, and 5 points more from lesions: three replicates see that in 97 of 100 studies.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from helpers import paths
from helpers.data.arrays import load_images
from helpers.data.prepare import prepare_data
from helpers.params import load_params
from helpers.paths import RunPaths
from helpers.stages import gan

PILOT = {
    "difference": -0.266,
    "replicates": 0.050,
    "lesions": 0.046,
}  # of withheld - baseline in recall: mean, deviations
WITHHELD = "{withhold: {class: mel, fraction: 0.9}"
SCALED = (
    *(
        "data.source=phantom",
        "data.phantom={images: 2400, seed: 1}",
        "data.split.fractions=[0.45, 0.1, 0.45]",
    ),
    *(
        "gan.resolution=32",
        "gan.channel_scale=0.0625",
        "gan.steps=12",
        "gan.batch_size=8",
        "gan.n_critic=1",
        "gan.spectral_norm=none",
        "gan.rgb=last",
    ),
    *(
        "gan.sample_every=12",
        "gan.threads=1",
        "synthesis.count=320",
        "synthesis.fidelity_draws=5",
        "synthesis.fidelity_images=50",
    ),
    *(
        "classifier.backbone=efficientnet_lite0",
        "classifier.image_size=96",
        "classifier.frozen_stages=9",
        "classifier.bank=3",
        "classifier.hidden=64",
    ),
    *(
        "classifier.dropout=0",
        "classifier.learning_rate=5e-4",
        "classifier.monitor=loss",
        "classifier.max_epochs=15",
        "classifier.precision=float32",
    ),
    *("classifier.threads=1", "gan.seeds=[0, 1, 2]", "replicates=3", "evaluation.bootstrap=500"),
    *(f"arms.withheld={WITHHELD}}}", f"arms.restored={WITHHELD}, synthetic: {{select: all}}}}"),
)


def power(difference, replicates, lesions, count=3, studies=20_000):
    """Share of studies whose 95 % interval lies below 0, from normal replicates and lesions.

    The interval is that of helpers.evaluation.intervals.paired_difference.
    """
    draw = np.random.default_rng(0)
    seen = (
        difference + draw.normal(0, lesions, studies) + draw.normal(0, replicates / np.sqrt(count), studies)
    )
    own = replicates**2 / count * draw.chisquare(count - 1, studies) / (count - 1)
    share = own * count / (count - 2) / (own * count / (count - 2) + lesions**2)
    freedom = 1 / (share**2 / (count - 1) + (1 - share) ** 2 / 60)
    return (seen + special.stdtrit(freedom, 0.975) * np.sqrt(own + lesions**2) < 0).mean()


def test_the_scaled_study_has_power_for_its_positive_control():
    assert power(**PILOT) > 0.95
    assert power(0.0, 0.05, 0.05) < 0.04, "of no effect, one in forty intervals lies below 0"


def test_under_the_lesion_split_the_gan_sees_no_lesion_of_test_or_validation(tmp_path, monkeypatch):
    """What the stage hands to the training is looked up."""
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)
    params, run = load_params("smoke", ["data.split.by=lesion"]), RunPaths("by-lesion")
    run.data.mkdir(parents=True)
    split = prepare_data(run, params.data)
    seen = []
    monkeypatch.setattr(
        gan, "train_gan", lambda images, *_, **__: seen.extend(image.tobytes() for image in images)
    )
    gan.train(run, params, 0)
    rows = {
        image.tobytes(): row
        for row, image in enumerate(load_images(run, params.data, params.gan.resolution, params.gan.resize))
    }
    assert len(rows) == len(split), "no two photographs are alike, so that each is told by its pixels"
    own = split.iloc[[rows[image] for image in seen]]
    assert len(seen) > 10 and set(own["split"]) == {"train"} and set(own["dx"]) == {"mel"}
    assert not set(own["lesion_id"]) & set(split.loc[split["split"] != "train", "lesion_id"])


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_nothing_is_not_called_an_effect_and_a_loss_is(project_copy):
    project = project_copy()
    done = project.run(
        "--params",
        "params/rigorous.yaml",
        "--run",
        "study",
        *(word for value in SCALED for word in ("--set", value)),
        timeout=3600,
    )
    assert "Report: reports/study/report.html" in done.stdout
    tables = project.folder / "artifacts/study/evaluation"
    compared, controls = pd.read_csv(tables / "comparisons.csv"), pd.read_csv(tables / "controls.csv")
    assert compared["arm"].nunique() == 11 and (compared["replicates"] == 3).all()
    recall = compared[compared["metric"] == "target_recall"].set_index("arm")
    assert recall.loc["again", "low"] < 0 < recall.loc["again", "high"]
    assert recall.loc["withheld", "high"] < 0
    outcome = controls[controls["metric"] == "target_recall"].set_index("control")["outcome"]
    assert (
        outcome["again"] == "no difference shown" and outcome["withheld"] == "lower" and "restored" in outcome
    )
    page = (project.folder / "reports/study/report.html").read_text(encoding="utf-8")
    assert (
        "The study sees the loss of 90 % of the real melanoma images" in page
        and "for this one GAN" not in page
    )  # each replicate has its own
