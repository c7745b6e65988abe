"""A GAN for each of several classes: what each learns, where it lies, and what follows from it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from helpers.data.by_class import CLASS
from helpers.engine.stages import SYNTHESIS_TABLES, Job, outputs
from helpers.engine.start import forget_checkpoints
from helpers.errors import ParameterError, TrainingError
from helpers.gan.adversarial import AdversarialTrainer
from helpers.gan.training import train_gan
from helpers.params import load_params
from helpers.report import gan_classes as report
from helpers.report.results.gan import gan_results_table
from helpers.report.synthesis.classes import classes_section
from helpers.stages import classifier, gan, synthesis
from helpers.stages.target import load_target_images
from support.split_run import run_after_split

EACH = [
    *("gan.classes=[target, vasc]", "gan.batch_size=4", "gan.steps=2", "gan.threads=1"),
    *("data.split.by=lesion", "classifier.image_size=32", "classifier.threads=1", "synthesis.count=10"),
    *("synthesis.fidelity_draws=2", "classifier.precision=float32"),
    "arms.each={synthetic: {select: top, counts: {target: 4, vasc: 2}}}",
]
WEIGHTS = ("generator.safetensors", "discriminator.safetensors")
NOTHING = {"gan_results": pd.DataFrame(columns=["quantity", "low", "high"])}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with a GAN for each of two classes, whose training was cut in the second class and went on."""
    params = load_params("smoke", EACH)
    with run_after_split(tmp_path_factory, "each", params) as run:
        step = AdversarialTrainer.step

        def cut(trainer):
            if (run.gan(0) / "mel/history.csv").exists() and trainer.steps == 1:
                raise KeyboardInterrupt
            step(trainer)

        with pytest.MonkeyPatch.context() as once, pytest.raises(KeyboardInterrupt):
            once.setattr(AdversarialTrainer, "step", cut)
            gan.train(run, params, 0)
        cut_at = sorted(path.name for path in (run.gan(0) / "mel").iterdir() if path.suffix == ".safetensors")
        history = gan.train(run, params, 0)
        every = synthesis.generate(run, params, 0, second_opinion=False)
        yield SimpleNamespace(run=run, params=params, history=history, every=every, cut_at=cut_at)


def test_each_class_has_the_gan_that_a_run_of_it_alone_would_train(made, tmp_path):
    assert made.cut_at == sorted(WEIGHTS), "the first class was finished when the second was cut"
    for name in ("mel", "vasc"):
        images = load_target_images(made.run, made.params, 0, name).trained
        alone = made.params.gan.model_copy(update={"classes": (name,)})
        history = train_gan(images, alone, tmp_path / name, "cpu", 0)
        for file in (*WEIGHTS, "samples/step-0000002.png"):
            assert (tmp_path / name / file).read_bytes() == (made.run.gan(0) / name / file).read_bytes()
        own = made.history[made.history[CLASS] == name].drop(columns=CLASS).reset_index(drop=True)
        pd.testing.assert_frame_equal(own, history)


def test_the_job_is_done_when_every_class_is(made, tmp_path):
    files = outputs(Job("gan", {"seed": 0}), made.run, made.params)
    assert all(file.is_file() for file in files)
    assert {file.parent.name for file in files if file.suffix == ".safetensors"} == {"mel", "vasc"}
    assert list(made.run.gan(0).rglob("checkpoint-*.pt"))
    kept = {path: path.read_bytes() for path in made.run.gan(0).rglob("checkpoint-*")}
    forget_checkpoints(made.run, [Job("gan", {"seed": 0})])
    assert not list(made.run.gan(0).rglob("checkpoint-*"))
    for path, content in kept.items():
        path.write_bytes(content)


def test_synthesis_arms_and_tables_follow_class_by_class(made):
    images, scores = made.every.images, made.every.tables["scores"]
    assert len(images) == 20 and scores[CLASS].tolist() == ["mel"] * 10 + ["vasc"] * 10
    assert not np.array_equal(images[:10], images[10:])
    for _, own in scores.groupby(CLASS):
        assert sorted(own["rank"]) == list(range(1, 11))
    for table in set(SYNTHESIS_TABLES) - {"selectors"}:
        assert list(made.every.tables[table][CLASS].unique()) == ["mel", "vasc"], table
    composed = classifier.compose(made.run, made.params, "each", 0)
    names = np.array(composed.classes)
    assert names[composed.labels[len(composed.photographs) :]].tolist() == ["mel"] * 4 + ["vasc"] * 2


def test_a_class_is_painted_by_its_own_networks(made, tmp_path):
    only = load_params("smoke", [*EACH[1:-1], "data.target_class=vasc"])
    real = load_target_images(made.run, made.params, 0, "vasc").trained
    table = synthesis.synthesize(made.run.gan(0) / "vasc", tmp_path, only.gan, only.synthesis, real, "cpu")
    assert np.array_equal(np.load(tmp_path / "images.npy"), made.every.images[10:])
    own = made.every.of_class("vasc").tables["scores"]
    assert np.allclose(own["score"], table["score"]) and own["rank"].tolist() == table["rank"].tolist()


def test_a_class_of_few_photographs_is_refused_before_any_training(made):
    few = load_params("smoke", [*EACH, "gan.batch_size=12"])
    with pytest.raises(
        ParameterError, match=r"'vasc' has \d+ training images, .* 12 .*gan.conditional to true"
    ):
        gan.train(made.run, few, 3)
    assert not made.run.gan(3).exists()


def test_a_sick_training_names_its_class(made, monkeypatch):
    monkeypatch.setattr(
        gan, "train_gan", lambda *_, **__: (_ for _ in ()).throw(TrainingError("It is sick."))
    )
    with pytest.raises(TrainingError, match="The GAN of the class 'mel': It is sick."):
        gan.train(made.run, made.params, 4)


def test_the_report_shows_each_training(made):
    places = np.repeat([0, 1], [9, 5])
    first, second = report.trainings(made.history, made.params, made.run.gan(0), 14, places)
    assert (first.name, first.images, second.name, second.images) == ("mel", 9, "vasc", 5)
    assert CLASS not in second.history and second.note == "The GAN of vasc. "
    assert (second.samples / "step-0000002.png").is_file()
    assert "a GAN for each of mel and vasc" in report.classes_sentence(made.params)
    assert "A GAN of its own paints each of mel and vasc" in classes_section(made.params)
    table = gan_results_table(made.history, made.every.tables["scores"], NOTHING)
    assert list(table.headers.values()) == ["this run, mel", "this run, vasc"]
    values = table.frame.set_index("quantity")
    assert values.loc["Synthetic images"].tolist() == ["10", "10"]
    assert values.loc["Generator steps"].tolist() == ["2", "2"]
    whole = made.params.model_copy(update={"gan": made.params.gan.model_copy(update={"conditional": True})})
    (only,) = report.trainings(made.history, whole, made.run.gan(0), 14, places)
    assert (only.name, only.note, only.images) == ("", "", 14)
