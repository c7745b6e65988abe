"""The recipe diffusion: its loss by the textbook, its course to the bit, its sampler, no critic."""

import copy
import importlib.util

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import params
from helpers.checkpoints import list_checkpoints
from helpers.errors import ParameterError, TrainingError
from helpers.gan.batches import to_float
from helpers.gan.diffusion import add_noise
from helpers.gan.diffusion_networks import Denoiser, signal_levels
from helpers.gan.filtering import add_ranks, correlations, without_critic
from helpers.gan.health import require_denoising
from helpers.gan.recipes import RECIPES
from helpers.gan.synthesis import generate, synthesize
from helpers.gan.training import train_gan
from helpers.gan.weights import load_generator
from helpers.params import Params, validate
from support.small_gan import IMAGES, SMALL

TINY = SMALL.model_copy(
    update={
        "recipe": "diffusion",
        "steps": 8,
        "lr_generator": 2e-3,
        "adam_betas": (0.9, 0.99),
        "ema_decay": 0.9,
        "min_diversity": 0.0,
        "diffusion": params.Diffusion(sampling_steps=3),
    }
)


def trainer(config=TINY):
    return RECIPES.get("diffusion").build_trainer(IMAGES, config, "cpu", 4)


def with_diffusion(**values):
    return TINY.model_copy(update={"diffusion": params.Diffusion(**{"sampling_steps": 3} | values)})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("diffusion")
    return directory, train_gan(IMAGES, TINY, directory, "cpu", seed=4)


def cosine_signal(steps):
    """Alpha bar by equation 17 of Nichol and Dhariwal (2021), with betas of at most 0.999."""
    curve = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.cumprod(1 - np.minimum(1 - curve[1:] / curve[:-1], 0.999))


@pytest.mark.parametrize("steps", [10, 1000])
def test_the_schedule_is_the_cosine(steps):
    found = signal_levels(params.Diffusion(steps=steps, sampling_steps=5)).double().numpy()
    np.testing.assert_allclose(found, cosine_signal(steps), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("prediction", ["v", "epsilon"])
@pytest.mark.parametrize("min_snr", [0.0, 5.0])
def test_the_loss_is_the_textbooks(prediction, min_snr):
    ours = trainer(with_diffusion(prediction=prediction, min_snr=min_snr))
    torch.nn.init.normal_(
        ours.generator.network.conv_out.weight, std=0.1
    )  # a fresh one predicts 0 everywhere
    random = torch.Generator().manual_seed(1)
    real, noise = (torch.randn(6, 3, 32, 32, generator=random) for _ in range(2))
    levels = torch.tensor([0, 50, 300, 600, 900, 999])
    with torch.no_grad():
        found = float(ours.loss(real, levels, noise))
        terms = []
        for x, e, level in zip(real, noise, levels, strict=True):
            a = float(cosine_signal(1000)[level])
            noisy = a**0.5 * x + (1 - a) ** 0.5 * e
            said = ours.generator.network(noisy[None], level).sample[0]
            # the image that the prediction amounts to; its error is what Min-SNR weighs
            if prediction == "v":
                target, image = a**0.5 * e - (1 - a) ** 0.5 * x, a**0.5 * noisy - (1 - a) ** 0.5 * said
            else:
                target, image = e, (noisy - (1 - a) ** 0.5 * said) / a**0.5
            plain, of_image = (said - target).square().mean(), (image - x).square().mean()
            terms.append(float(min(a / (1 - a), min_snr) * of_image if min_snr else plain))
    assert found == pytest.approx(np.mean(terms), rel=1e-3)


def test_both_predictions_say_the_same_of_an_image():
    real, noise = torch.full((1, 3, 2, 2), 0.4), torch.full((1, 3, 2, 2), -1.5)
    signal = torch.tensor(0.3).view(1, 1, 1, 1)
    v = add_noise(real, noise, signal, params.Diffusion())
    epsilon = add_noise(real, noise, signal, params.Diffusion(prediction="epsilon"))
    assert torch.equal(v.images, epsilon.images) and torch.equal(epsilon.target, noise)
    torch.testing.assert_close(signal.sqrt() * v.images - (1 - signal).sqrt() * v.target, real)


def test_training_writes_its_files(trained):
    directory, history = trained
    assert list(history.columns) == ["step", "epoch", "loss", "gradient_norm"]
    pd.testing.assert_frame_equal(pd.read_csv(directory / "history.csv"), history)
    names = {path.name for path in directory.iterdir()}
    assert {"generator.safetensors", "timing.json", "samples"} <= names
    assert "discriminator.safetensors" not in names


def test_training_lowers_the_loss():
    shades = np.linspace(40, 215, 10).astype(np.uint8)
    images = np.broadcast_to(shades[:, None, None, None], IMAGES.shape).copy()
    config = TINY.model_copy(update={"steps": 40, "lr_generator": 1e-2})
    untrained, learnt = (RECIPES.get("diffusion").build_trainer(images, config, "cpu", 4) for _ in range(2))
    while learnt.steps < learnt.total_steps:
        learnt.step()
    real, levels = to_float(torch.from_numpy(images)), torch.arange(50, 1000, 95)
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        before, after = (float(one.loss(real, levels, noise)) for one in (untrained, learnt))
    assert after < 0.8 * before


def test_a_resumed_training_is_the_same_to_the_bit(trained, tmp_path):
    directory, history = trained
    halfway = tmp_path / "halfway"
    ordinary = RECIPES.get("diffusion").build_trainer
    stopped = ordinary(IMAGES, TINY, "cpu", 4)
    for _ in range(3):
        stopped.step()
    state = stopped.state(1.0)
    resumed = ordinary(IMAGES, TINY, "cpu", 4)
    resumed.load_state({key: value for key, value in state.items()})
    while resumed.steps < TINY.steps:
        resumed.step()
    final = load_generator(directory, TINY, "cpu").state_dict()
    assert all(torch.equal(value, final[key]) for key, value in resumed.average.state_dict().items())
    train_gan(IMAGES, TINY, halfway, "cpu", seed=4)
    first = list_checkpoints(halfway)[-1]
    for step, path in list_checkpoints(halfway):
        if step != first[0]:
            path.unlink()
    (halfway / "generator.safetensors").unlink()
    pd.testing.assert_frame_equal(train_gan(IMAGES, TINY, halfway, "cpu", seed=4), history)
    again = load_generator(halfway, TINY, "cpu").state_dict()
    assert all(torch.equal(again[key], final[key]) for key in final)


@pytest.mark.parametrize("sampler", ["dpm", "ddim"])
def test_an_image_depends_on_its_seed_alone(sampler):
    config = with_diffusion(sampler=sampler, sampling_steps=4)
    torch.manual_seed(0)
    generator = Denoiser(config).eval()
    torch.nn.init.normal_(generator.network.conv_out.weight, std=0.1)
    together = np.concatenate(list(generate(generator, np.arange(4), batch_size=4)))
    again = np.concatenate(list(generate(generator, np.arange(4), batch_size=4)))
    alone = np.concatenate(list(generate(generator, np.arange(2, 4), batch_size=1)))
    assert np.array_equal(together, again)
    assert np.abs(together[2:].astype(int) - alone).max() <= 1  # other batches may round otherwise
    assert not np.array_equal(together[0], together[1])


@pytest.mark.parametrize("sampler", ["dpm", "ddim"])
def test_a_sampler_comes_to_what_a_perfect_network_knows(sampler):
    """Where the only image is ``x``, the exact v of a noisy image is known: sampling must end at ``x``."""
    image = torch.linspace(-0.8, 0.8, 3 * 32 * 32).view(1, 3, 32, 32)
    generator = Denoiser(with_diffusion(sampler=sampler, sampling_steps=20))
    signal = signal_levels(generator.diffusion)

    def exact(noisy, levels, labels=None):
        a = signal[levels].view(-1, 1, 1, 1)
        noise = (noisy - a.sqrt() * image) / (1 - a).sqrt()
        return a.sqrt() * noise - (1 - a).sqrt() * image

    generator.predict = exact
    latents = torch.randn(2, 3 * 32 * 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        painted = generator(latents)
    torch.testing.assert_close(painted, image.expand(2, -1, -1, -1), atol=0.02, rtol=0)


@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_the_network_fits_every_resolution_and_knows_classes_where_asked(resolution):
    config = TINY.model_copy(update={"resolution": resolution})
    plain, of_classes = Denoiser(config), Denoiser(config, classes=3)
    noisy, levels = torch.zeros(2, 3, resolution, resolution), torch.tensor([5, 900])
    for network in (plain, of_classes):
        torch.nn.init.normal_(network.network.conv_out.weight, std=0.1)
    with torch.no_grad():
        assert plain.predict(noisy, levels).shape == noisy.shape
        first, second = (of_classes.predict(noisy, levels, torch.tensor([k, k])) for k in (0, 2))
    assert not torch.equal(first, second)
    wider = Denoiser(config.model_copy(update={"channel_scale": 0.1}))
    assert sum(p.numel() for p in wider.parameters()) > sum(p.numel() for p in plain.parameters())


def test_images_without_a_critic_are_scored_by_another_selector(trained, tmp_path):
    synthesis = params.Synthesis(count=6, batch_size=4, filter="distance", keep_fraction=0.5)
    table = synthesize(trained[0], tmp_path, TINY, synthesis, IMAGES, "cpu")
    assert list(table.columns) == ["index", "seed"]
    assert pd.read_csv(tmp_path / "score-stability.csv").empty
    random = np.random.default_rng(0)
    ranked = add_ranks(table, random.normal(size=(6, 3)), random.normal(size=(9, 3)), np.linspace(0, 1, 6))
    scored = without_critic(ranked, synthesis)
    assert set(scored["scored_by"]) == {"distance"} and (scored["rank"] == scored["rank_distance"]).all()
    assert (scored["score"] == -scored["distance"]).all() and scored["selected"].sum() == 3
    assert set(scored.loc[scored["selected"] == 1, "distance"]) == set(np.sort(scored["distance"])[:3])
    assert list(correlations(scored)["compared_with"]) == ["probability"]
    with pytest.raises(ParameterError, match="synthesis.filter is 'classifier'.*probabilities"):
        without_critic(table, synthesis.model_copy(update={"filter": "classifier"}))


ARMS = {"baseline": {}, "kept": {"synthetic": {"select": "top", "count": 5, "rank": "distance"}}}
FILTER = {"filter": "distance"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"synthesis": {}}, "synthesis.filter is 'critic'.*has no critic: write one of classifier, distance"),
        ({"synthesis": {"filter": "diverse"}}, "gives ranks and no score"),
        (
            {"arms": {"baseline": {}, "kept": {"synthetic": {"select": "top", "count": 5}}}},
            "arms.kept ranks.*by a critic's score",
        ),
        ({"synthesis": FILTER | {"truncation": 0.7}}, "truncation is 0.7.*no styles"),
        ({"gan": {"recipe": "paper"}}, "synthesis.filter is 'distance'.*has a critic"),
        ({"gan": {"recipe": "diffusion", "diffusion": {"steps": 10}}}, "sampling_steps, 25"),
    ],
)
def test_what_needs_a_critic_is_refused_in_a_sentence(values, said):
    fitting = {"gan": {"recipe": "diffusion"}, "arms": ARMS, "synthesis": FILTER}
    assert validate(fitting).synthesis.filter == "distance"
    with pytest.raises(ParameterError, match=f"(?s){said}"):
        validate(fitting | values)


def test_a_missing_package_is_told_with_the_way_to_install_it(monkeypatch):
    from helpers.engine.preflight import _check_recipe

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "diffusers" else found(name, *more)
    )
    told = r"needs the package diffusers, and it is not installed: write .*\[diffusion\]"
    with pytest.raises(ParameterError, match=told):
        Denoiser(TINY)
    fitting = validate({"gan": {"recipe": "diffusion"}, "arms": ARMS, "synthesis": FILTER})
    with pytest.raises(ParameterError, match=told):
        _check_recipe(fitting, ["gan"])
    _check_recipe(fitting, ["eda"])
    _check_recipe(Params(), ["gan"])


@pytest.mark.parametrize(
    ("loss", "diversity", "said"),
    [
        (float("nan"), None, "loss has run away to nan"),
        (12.0, None, "run away to 12"),
        (0.1, 0.02, "collapsed"),
    ],
)
def test_a_sick_training_is_told(loss, diversity, said):
    require_denoising(0.1, 0.8, 100, 50, 0.1, "")
    with pytest.raises(TrainingError, match=f"{said}.*between steps 50 and 100"):
        require_denoising(loss, diversity, 100, 50, 0.1, "")


def test_a_network_of_several_classes_is_told_the_class_and_goes_on_to_the_bit(tmp_path):
    labels = np.array([0, 1] * 5)
    config = TINY.model_copy(update={"classes": ("target", "nv"), "conditional": True})
    train_gan(IMAGES, config, tmp_path / "whole", "cpu", 4, labels=labels)
    generator = load_generator(tmp_path / "whole", config, "cpu")
    noisy, levels = (
        torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)),
        torch.tensor([9, 9]),
    )
    told = [generator.predict(noisy, levels, torch.tensor([label, label])) for label in (0, 1)]
    assert not torch.equal(*told)  # so early the images do not differ yet
    assert next(generate(generator, np.arange(2), 2, 1.0, 1)).shape == (2, 32, 32, 3)
    model = RECIPES.get("diffusion").build_trainer(IMAGES, config, "cpu", 4, labels)
    model.step()
    saved = copy.deepcopy(model.state(0.0))
    model.step()
    again = RECIPES.get("diffusion").build_trainer(IMAGES, config, "cpu", 4, labels)
    again.load_state(saved)
    again.step()
    for one, other in zip(model.generator.parameters(), again.generator.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("sampler", "passes"), [("dpm", 50), ("dpm", 37), ("ddim", 50)])
def test_a_sampler_draws_with_the_spread_that_a_perfect_network_knows(sampler, passes):
    """Of normal images with deviation 0.3 the exact v is known, and samples must have that deviation."""
    generator = Denoiser(with_diffusion(sampler=sampler, sampling_steps=passes, steps=100))
    signal = signal_levels(generator.diffusion)

    def exact(noisy, levels, labels=None):
        a = signal[levels].view(-1, 1, 1, 1)
        image = a.sqrt() * 0.09 / (a * 0.09 + 1 - a) * noisy
        noise = (noisy - a.sqrt() * image) / (1 - a).sqrt()
        return a.sqrt() * noise - (1 - a).sqrt() * image

    generator.predict = exact
    latents = torch.randn(4, 3 * 32 * 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert generator(latents).std().item() == pytest.approx(0.3, rel=0.05)


def test_ddim_takes_passes_that_divide_the_levels():
    params.Diffusion(sampler="dpm", steps=1000, sampling_steps=501)
    with pytest.raises(ValueError, match="passes .sampling_steps, 501. must divide the noise levels"):
        params.Diffusion(sampler="ddim", steps=1000, sampling_steps=501)
