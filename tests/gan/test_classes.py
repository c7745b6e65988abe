"""A GAN of several classes: what it is told, what the critic makes of it, and what one of one class keeps."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.data.by_class import CLASS, join_classes, rows_of_class
from helpers.data.manifest import load_split
from helpers.data.trained_on import TRAINED_ON
from helpers.engine.stages import SYNTHESIS_TABLES
from helpers.errors import DataError, ParameterError, TrainingError
from helpers.gan.batches import ClassTurns, ImageStream, to_float
from helpers.gan.draws import StepDraws
from helpers.gan.health import least_diversity, real_distances
from helpers.gan.losses import score_with_slopes
from helpers.gan.networks import pixel_norm
from helpers.gan.synthesis import generate
from helpers.gan.training import train_gan
from helpers.gan.weights import build_networks, load_generator
from helpers.params import load_params
from helpers.report.synthesis import classes as shown
from helpers.stages import classifier, gan, synthesis
from support.split_run import run_after_split
from tests.support.small_gan import IMAGES, SMALL

LABELS = np.array([0, 1] * 5)
BOTH = SMALL.model_copy(update={"classes": ("target", "nv"), "conditional": True, "steps": 4})
RECIPES = [{"spectral_norm": "all"}, {"recipe": "stylegan2", "path_length_weight": 1.0, "equalised": True}]


def conditional(**changes):
    return BOTH.model_copy(update=changes)


# --- a GAN of one class is as it was ----------------------------------------------------------------


def test_a_gan_of_one_class_draws_what_it_always_drew():
    random, again = (torch.Generator().manual_seed(5) for _ in range(2))
    stream = ImageStream(IMAGES, 4, "horizontal", "cpu", random)
    turns, draws = ClassTurns(1, 4, "cpu"), StepDraws(4, 6, 7, *({"mix": 1}, {}), random)
    draws.critic_sizes = (0, 0, 1)
    batch, drawn = stream.next_batch(turns.of_groups(0)), draws.critic(turns.labels(0))
    real = to_float(torch.from_numpy(IMAGES)[torch.randperm(10, generator=again)[:4]])
    heads = torch.rand(4, 1, 1, 1, generator=again) < 0.5
    assert torch.equal(batch, torch.where(heads, real.flip(3), real))
    assert torch.equal(drawn.latents, torch.randn(4, 6, generator=again))
    assert torch.equal(drawn.noise, torch.randn(4, 7, generator=again))
    assert torch.equal(drawn.mix, torch.rand(4, 1, generator=again)) and drawn.labels.tolist() == [0] * 4
    assert torch.equal(random.get_state(), again.get_state())


@pytest.mark.parametrize("recipe", ["paper", "stylegan2"])
def test_networks_of_one_class_have_nothing_for_classes(recipe):
    config = SMALL.model_copy(update={"recipe": recipe})
    generator, critic = build_networks(config, 3, "cpu")
    names = {name for network in (generator, critic) for name, _ in network.named_parameters()}
    assert not any("embedding" in name or "projection" in name for name in names)
    latents, labels = torch.randn(4, generator.latent_size), torch.arange(4)
    images = generator(latents)
    assert torch.equal(generator(latents, labels=labels), images)
    assert torch.equal(critic(images, labels), critic(images))


# --- what the networks make of a class --------------------------------------------------------------


@pytest.mark.parametrize("changes", RECIPES)
def test_the_class_changes_the_image_and_the_embedding_is_its_only_way(changes):
    generator, _ = build_networks(conditional(**changes), 0, "cpu")
    latents, noise = torch.randn(4, generator.latent_size), torch.randn(4, generator.noise_size)
    first, second = (generator(latents, noise, labels=torch.full((4,), label)) for label in (0, 1))
    assert (first - second).abs().mean() > 1e-3
    mapping = generator.mapping
    with torch.no_grad():
        joined = torch.cat([pixel_norm(latents), pixel_norm(mapping.embedding.weight[[1] * 4])], 1)
        by_hand = torch.nn.functional.leaky_relu(mapping.layers[0](joined), 0.2)
        for layer in mapping.layers[1:]:
            by_hand = torch.nn.functional.leaky_relu(layer(by_hand), 0.2)
        assert torch.allclose(by_hand, mapping(latents, torch.ones(4, dtype=torch.int64)), atol=1e-6)
        mapping.embedding.weight[1] = mapping.embedding.weight[0]
        assert torch.equal(generator(latents, noise, labels=torch.ones(4, dtype=torch.int64)), first)


@pytest.mark.parametrize("changes", RECIPES)
def test_the_critic_adds_the_projection_of_miyato_and_koyama(changes):
    _, critic = build_networks(conditional(**changes), 0, "cpu")
    seen = {}
    critic.output.register_forward_hook(lambda layer, given, score: seen.update(phi=given[0], psi=score))
    labels = torch.tensor([0, 0, 1, 1, 1, 1, 0, 0])
    scores = critic(torch.randn(8, 3, 32, 32), labels)
    projection = critic.projection
    normalised = getattr(projection, "normalised_weight", lambda: projection.weight)()
    by_hand = seen["psi"][:, 0] + (normalised[labels] * seen["phi"]).sum(1)
    assert torch.allclose(scores, by_hand, rtol=1e-5, atol=1e-7) and projection.bias is None
    assert not torch.allclose(scores, seen["psi"][:, 0])


@pytest.mark.parametrize("changes", RECIPES)
def test_the_written_out_slopes_are_those_of_the_conditional_scores(changes):
    _, critic = build_networks(conditional(**changes), 0, "cpu")
    critic = critic.double()
    real, fake, points = (torch.randn(4, 3, 32, 32, dtype=torch.float64) for _ in range(3))
    labels = torch.tensor([1, 1, 0, 0])
    points.requires_grad_()
    first, _, slopes = score_with_slopes(critic, real, fake, points, labels, labels)
    (expected,) = torch.autograd.grad(critic(points, labels).sum(), points)
    assert torch.allclose(slopes, expected, atol=1e-12) and torch.allclose(first, critic(real, labels))
    other = critic.slopes(critic.features(points, tape := []), tape, 1 - labels)
    assert not torch.allclose(other, expected, atol=1e-9)


# --- training ---------------------------------------------------------------------------------------


def test_every_class_comes_equally_often_in_groups_of_one_class():
    turns = ClassTurns(3, 8, "cpu")
    batches = [turns.labels(number) for number in range(3)]
    assert all((batch.view(2, 4) == batch.view(2, 4)[:, :1]).all() for batch in batches)
    assert torch.bincount(torch.cat(batches)).tolist() == [8, 8, 8]
    assert [turns.of_groups(number) for number in range(3)] == [[0, 1], [2, 0], [1, 2]]
    numbered = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1).repeat(3, 3)
    labels = np.array([0] * 8 + [1] * 2)
    stream = ImageStream(numbered, 4, "none", "cpu", torch.Generator().manual_seed(0), labels)
    shown_images = torch.cat([stream.next_batch([0, 1]) for _ in range(4)])[:, 0, 0, 0]
    counts = torch.unique(shown_images, return_counts=True)[1]
    assert counts.tolist() == [1] * 8 + [4] * 2, "the rare class is repeated, each image equally often"


@pytest.mark.parametrize("changes", RECIPES)
def test_a_conditional_training_goes_on_to_the_bit(tmp_path, changes, monkeypatch):
    config = conditional(**changes)
    train_gan(IMAGES, config, tmp_path / "whole", "cpu", 4, labels=LABELS)
    from helpers.gan.adversarial import AdversarialTrainer

    step = AdversarialTrainer.step

    def cut(trainer):
        if trainer.steps == 2:
            raise KeyboardInterrupt
        step(trainer)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(AdversarialTrainer, "step", cut)
        train_gan(IMAGES, config, tmp_path / "cut", "cpu", 4, labels=LABELS)
    train_gan(IMAGES, config, tmp_path / "cut", "cpu", 4, labels=LABELS)
    files = [[(tmp_path / name / file).read_bytes() for name in ("whole", "cut")] for file in FILES]
    assert all(whole == cut for whole, cut in files)
    generator = load_generator(tmp_path / "cut", config, "cpu")
    images = [next(generate(generator, np.arange(3), 3, 0.7, label)) for label in (0, 1)]
    assert not np.array_equal(*images)
    with pytest.raises(TrainingError, match="number of classes"):
        load_generator(tmp_path / "cut", SMALL.model_copy(update=changes), "cpu")


FILES = ("generator.safetensors", "discriminator.safetensors", "history.csv", "samples/step-0000004.png")


def test_labels_are_part_of_what_a_checkpoint_belongs_to(tmp_path):
    config = conditional(steps=2)
    train_gan(IMAGES, config, tmp_path, "cpu", 4, labels=LABELS)
    before = (tmp_path / "generator.safetensors").read_bytes()
    train_gan(IMAGES, config, tmp_path, "cpu", 4, labels=1 - LABELS)
    assert (tmp_path / "generator.safetensors").read_bytes() != before


def test_a_class_of_one_image_is_refused():
    with pytest.raises(DataError, match=r"at least 2 training images of every class, and has 1 of 'nv'"):
        train_gan(IMAGES, BOTH, "unused", "cpu", labels=np.array([0] * 9 + [1]))


def test_one_collapsed_class_is_seen_beside_a_healthy_one():
    images = to_float(torch.from_numpy(IMAGES))
    labels = torch.from_numpy(LABELS)
    real = real_distances(IMAGES, LABELS)
    assert least_diversity(images, labels, real) == pytest.approx(1, abs=1e-6)
    images[labels == 1] = images[1].clone()
    assert least_diversity(images, labels, real) == 0


# --- tables -----------------------------------------------------------------------------------------


def test_tables_of_classes_are_joined_and_taken_apart():
    one, two = pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [3]})
    assert join_classes({"mel": one}) is one and rows_of_class(one, "df") is one
    both = join_classes({"mel": one, "3": two})
    assert list(both) == [CLASS, "a"] and both[CLASS].tolist() == ["mel", "mel", "3"]
    pd.testing.assert_frame_equal(rows_of_class(both, "3"), two)


# --- a run ------------------------------------------------------------------------------------------

SMALL_RUN = [
    *("gan.classes=[target, vasc]", "gan.conditional=true", "gan.batch_size=4", "gan.steps=2"),
    *("data.split.by=lesion", "classifier.image_size=32", "classifier.threads=1", "synthesis.count=10"),
    *("gan.threads=1", "synthesis.fidelity_draws=2", "classifier.precision=float32"),
    "arms.each={synthetic: {select: top, counts: {target: 4, vasc: 2}}}",
    "arms.equal={synthetic: {select: random, share: 0.2}}",
    "arms.restored={withhold: {class: vasc, fraction: 0.5}, synthetic: {select: top, count: 3}}",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with a GAN of two classes, and its synthetic images."""
    params = load_params("smoke", SMALL_RUN)
    with run_after_split(tmp_path_factory, "classes", params) as found:
        gan.train(found, params, 0)
        yield found, synthesis.generate(found, params, 0, second_opinion=False)


@pytest.fixture
def run(made):
    return made[0]


@pytest.fixture
def every(made):
    return made[1]


@pytest.fixture
def params():
    return load_params("smoke", SMALL_RUN)


def test_synthesis_writes_images_and_tables_of_each_class(run, every, params):
    images, scores = np.load(run.synthetic(0) / "images.npy"), pd.read_csv(run.synthetic(0) / "scores.csv")
    assert len(images) == 20 and scores[CLASS].tolist() == ["mel"] * 10 + ["vasc"] * 10
    assert scores["index"].tolist() == list(range(20)) and not np.array_equal(images[:10], images[10:])
    for _, own in scores.groupby(CLASS):
        assert sorted(own["rank"]) == list(range(1, 11)) and own["seed"].tolist() == list(range(10))
        assert own["selected"].sum() == round(10 * params.synthesis.keep_fraction)
    for table in set(SYNTHESIS_TABLES) - {"selectors"}:
        rows = pd.read_csv(run.synthetic(0) / f"{table}.csv")
        assert list(rows[CLASS].unique()) == ["mel", "vasc"], table
    memorised = pd.read_csv(run.synthetic(0) / "memorisation.csv").groupby(CLASS)["training_images"].first()
    split = load_split(run)
    assert memorised.to_dict() == {
        name: ((split["dx"] == name) & (split["split"] == "train")).sum() for name in ("mel", "vasc")
    }
    own = every.of_class("vasc")
    assert np.array_equal(own.images, images[10:]) and own.tables["scores"]["index"].tolist() == list(
        range(10)
    )


def test_arms_take_images_of_each_class(run, params):
    each, equal = (classifier.compose(run, params, arm, 0) for arm in ("each", "equal"))
    names = np.array(each.classes)
    assert names[each.labels[len(each.photographs) :]].tolist() == ["mel"] * 4 + ["vasc"] * 2
    assert (each.pool_rows[:4] < 10).all() and (each.pool_rows[4:] >= 10).all()
    added = names[equal.labels[len(equal.photographs) :]]
    for name in ("mel", "vasc"):
        whole = (names[equal.labels] == name).sum()
        assert (added == name).sum() / whole == pytest.approx(0.2, abs=0.5 / whole)


def test_no_class_of_the_gan_may_be_held_out_or_withheld(run, params):
    record = json.loads((run.gan(0) / TRAINED_ON).read_text())
    split = load_split(run)
    learned = split[split["dx"].isin(["mel", "vasc"]) & (split["split"] == "train")]
    assert record["ids"] == sorted(learned["lesion_id"].unique())
    assert list(params.gans()) == [0, "0-restored"], "vasc is withheld, so its arm has a GAN of its own"
    lesion = split.loc[(split["dx"] == "vasc") & (split["split"] == "test"), "lesion_id"].iloc[0]
    spoilt = record | {"ids": [*record["ids"], lesion]}
    try:
        (run.gan(0) / TRAINED_ON).write_text(json.dumps(spoilt))
        with pytest.raises(DataError, match=f"{lesion}"):
            classifier.compose(run, params, "each", 0)
    finally:
        (run.gan(0) / TRAINED_ON).write_text(json.dumps(record))


def test_the_report_shows_every_class(every, params):
    table = shown.class_table(every.tables)
    assert table.frame["class"].tolist() == ["mel", "vasc"] and set(table.frame["images"]) == {10}
    real = {name: every.of_class(name).images for name in params.gan_classes}
    figure = shown.class_samples(real, every.images, every.tables["scores"])
    assert [text.get_text() for axes in figure.axes for text in axes.texts][:2] == [
        "Real mel",
        "Synthetic mel",
    ]
    assert "paints mel and vasc" in shown.classes_section(params)
    assert "of this section are those of mel;" in shown.shown_class_sentence(params)
    assert shown.shown_class_sentence(load_params("smoke")) is None
    alone = every.of_class("mel")
    assert shown.class_table(alone.tables) is None and shown.classes_section(load_params("smoke")) is None
    assert shown.class_samples(real, alone.images, alone.tables["scores"]) is None


def test_unknown_classes_and_too_large_shares_end_before_a_training(run, params):
    wrong = load_params("smoke", [*SMALL_RUN[1:-3], "gan.classes=[mel, vsac]"])
    with pytest.raises(ParameterError, match=r"names 'vsac' \(did you mean 'vasc'\?\)"):
        gan.train(run, wrong, 5)
    greedy = load_params("smoke", [*SMALL_RUN, "arms.equal={synthetic: {select: random, share: 0.9}}"])
    with pytest.raises(ParameterError, match=r"arms.equal asks for a share of 0.9 .* the class 'mel'"):
        gan.train(run, greedy, 5)
