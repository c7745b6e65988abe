"""The second recipe: counts, demodulation, two derivatives, the shared interface, its training."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import params
from helpers.checkpoints import list_checkpoints
from helpers.errors import TrainingError
from helpers.gan.adversarial import AdversarialTrainer
from helpers.gan.networks import WIDTHS, Critic, StyleGenerator, initial_deviation
from helpers.gan.optimisers import learning_rates
from helpers.gan.stylegan2_networks import (
    ModulatedConv,
    ResidualBlock,
    StyleGAN2Discriminator,
    StyleGAN2Generator,
)
from helpers.gan.synthesis import generate, reference_features, score_images
from helpers.gan.training import train_gan
from helpers.gan.weights import empty_networks, load_discriminator, load_generator


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_at_full_size():
    generator, critic = StyleGAN2Generator(), StyleGAN2Discriminator()
    # convolution, bias, noise strength, style
    layer = lambda i, o: i * o * 9 + o + 1 + 512 * i + i  # noqa: E731
    rgb = lambda i: 3 * i + 3 + 512 * i + i  # noqa: E731
    widths = list(WIDTHS.values())
    blocks = [layer(512, 512) + rgb(512)] + [
        layer(i, o) + layer(o, o) + rgb(o) for i, o in zip(widths, widths[1:], strict=False)
    ]
    assert [count(block) for block in generator.blocks] == blocks
    assert count(generator) == 2_101_248 + 8_192 + sum(blocks) == 13_842_685
    residual = [
        i * i * 9 + i + i * o * 9 + o + i * o for i, o in zip(widths[::-1], widths[-2::-1], strict=False)
    ]
    assert [count(block) for block in critic.blocks] == residual
    assert count(critic) == 128 + sum(residual) + 2_364_416 + 4_194_816 + 513 == 14_067_233


def test_demodulation_by_hand():
    layer = ModulatedConv(2, 1, 4, kernel=1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1))
    # weights times styles are 3 x 2 and 4 x 1: the output is divided by sqrt(36 + 16)
    factor = layer.demodulation(torch.tensor([[2.0, 1.0]]))
    assert factor.item() == pytest.approx(math.sqrt(2 / 1.04) / math.sqrt(52))


def test_scaling_activations_equals_a_kernel_per_image():
    torch.manual_seed(0)
    layer = ModulatedConv(5, 7, 6).double()
    x, styles = torch.randn(3, 5, 8, 8, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    kernels = layer.weight * layer.style(styles)[:, None, :, None, None]
    kernels = kernels * (kernels.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt() * math.sqrt(2 / 1.04)
    grouped = F.conv2d(x.reshape(1, 15, 8, 8), kernels.reshape(21, 5, 3, 3), padding=1, groups=3).view(
        3, 7, 8, 8
    )
    torch.testing.assert_close(layer(x, styles), grouped)


def test_demodulated_output_has_the_variance_that_the_activation_wants():
    torch.manual_seed(0)
    layer = ModulatedConv(64, 64, 16)
    with torch.no_grad():
        layer.weight *= 100  # a weight's size does not matter
    x, styles = torch.randn(16, 64, 16, 16), 3 * torch.randn(16, 16)
    y = layer(x, styles)[:, :, 1:-1, 1:-1]
    assert y.var().item() == pytest.approx(2 / 1.04, rel=0.05)
    assert F.leaky_relu(y, 0.2).square().mean().item() == pytest.approx(1, rel=0.05)


def test_a_residual_block_keeps_the_scale():
    torch.manual_seed(0)
    block = ResidualBlock(64, 64)
    coarse = F.interpolate(torch.randn(8, 64, 8, 8), scale_factor=4)  # halving leaves what is coarse alone
    assert block(coarse).square().mean().item() == pytest.approx(1, rel=0.35)


def test_equalised_rates_know_the_modulated_weights():
    generator = StyleGAN2Generator(32, 0.03)
    weight = generator.blocks[1].first.convolution.weight
    group = next(
        g for g in learning_rates(generator, 2e-3, equalised=True) if any(p is weight for p in g["params"])
    )
    assert group["lr"] == pytest.approx(2e-3 * initial_deviation(weight))
    assert sum(
        p.numel() for g in learning_rates(generator, 2e-3, equalised=True) for p in g["params"]
    ) == count(generator)


def networks(recipe: str, resolution: int = 32) -> tuple[StyleGenerator, Critic]:
    torch.manual_seed(0)
    return empty_networks(params.Gan(recipe=recipe, resolution=resolution, channel_scale=0.03))


def inputs(
    generator: StyleGenerator, images: int = 4, dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return tuple(
        torch.randn(images, size, generator=random, dtype=dtype)
        for size in (generator.latent_size, generator.noise_size)
    )


@pytest.mark.parametrize("recipe", ["paper", "stylegan2"])
@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_both_recipes_have_one_interface(recipe, resolution):
    generator, critic = networks(recipe, resolution)
    assert generator.resolution == critic.resolution == resolution and generator.constant.shape[2:] == (4, 4)
    latents, noise = inputs(generator)
    images = generator(latents, noise)
    assert images.shape == (4, 3, resolution, resolution) and images.dtype == torch.float32
    assert generator(latents).shape == images.shape
    assert torch.equal(generator.synthesise(generator.mapping(latents), noise), images)
    mean = generator.mapping(latents).mean(0)
    near_mean = generator(latents, None, truncation=1e-9, mean_style=mean)
    torch.testing.assert_close(near_mean[0], near_mean[1], atol=1e-5, rtol=0)
    before = {key: value.clone() for key, value in critic.state_dict().items()}
    assert critic(images).shape == (4,)
    torch.testing.assert_close(critic.head(critic.features(images)), critic(images))
    if recipe == "stylegan2":
        critic.update_spectral_norms()
        assert critic.spectral_layers() == []
    assert all(torch.equal(value, before[key]) for key, value in critic.state_dict().items())


@pytest.mark.parametrize("recipe", ["paper", "stylegan2"])
def test_equal_seeds_give_equal_images(recipe):
    first, second = networks(recipe)[0], networks(recipe)[0]
    latents, noise = inputs(first)
    assert torch.equal(first(latents, noise), second(latents, noise))
    assert not torch.equal(first(latents, noise)[0], first(latents, noise)[1])


def test_noise_counts_once_it_is_let_in():
    generator, _ = networks("stylegan2")
    latents, noise = inputs(generator)
    assert torch.equal(generator(latents, noise), generator(latents))  # its strength starts at 0
    assert generator.noise_size == 4 * 4 + 2 * (8 * 8 + 16 * 16 + 32 * 32)
    with torch.no_grad():
        generator.blocks[-1].second.noise_strength.fill_(1)
    assert not torch.allclose(generator(latents, noise), generator(latents))


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_both_networks_differentiate_twice(precision):
    generator, critic = networks("stylegan2")
    dtype = torch.float64 if precision == "float64" else torch.float32
    generator, critic = generator.to(dtype), critic.to(dtype)
    latents, noise = inputs(generator, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        styles = generator.mapping(latents)
        images = generator.synthesise(styles, noise)
        assert images.dtype == dtype
        for output, point, network in ((images, styles, generator), (critic(images), images, critic)):
            (slope,) = torch.autograd.grad(output.square().sum(), point, create_graph=True)
            gradients = torch.autograd.grad(
                slope.square().sum(), list(network.parameters()), allow_unused=True, retain_graph=True
            )
            assert all(torch.isfinite(gradient).all() for gradient in gradients if gradient is not None)
            assert (
                sum(gradient is not None and bool(gradient.abs().sum() > 0) for gradient in gradients)
                > len(gradients) / 2
            )


def test_the_second_derivative_is_that_of_the_first():
    torch.manual_seed(0)
    layer = ModulatedConv(2, 3, 4).double()
    x, styles = (
        torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True),
        torch.randn(2, 4, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradcheck(layer, (x, styles)) and torch.autograd.gradgradcheck(layer, (x, styles))


# --- in the training loop -----------------------------------------------------------------------

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
TRAINING = params.Gan(
    recipe="stylegan2",
    resolution=32,
    channel_scale=0.02,
    batch_size=4,
    steps=5,
    n_critic=1,
    threads=1,
    precision="float32",
    equalised=True,
    r1_every=2,
    path_length_weight=1.0,
    path_length_every=2,
    augment="adaptive",
    augment_kimg=0.02,  # a fifth a step
    min_diversity=0.0,
    sample_every=5,
    checkpoint_minutes=1e-9,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("stylegan2")
    return directory, train_gan(IMAGES, TRAINING, directory, "cpu", seed=1)


def test_trains_in_the_same_loop_to_the_same_files(trained):
    directory, history = trained
    assert np.isfinite(history.to_numpy()).all() and (history["gradient_penalty"] > 0).all()
    critic = load_discriminator(directory, TRAINING, "cpu")
    (images,) = generate(
        load_generator(directory, TRAINING, "cpu"), np.arange(6), batch_size=6, truncation=0.7
    )
    assert images.shape == (6, 32, 32, 3) and images.dtype == np.uint8
    scores = score_images(critic, images, reference_features(critic, IMAGES, 0, "cpu")[None])[:, 0]
    assert np.isfinite(scores).all() and len(np.unique(scores)) == 6


def test_resumes_to_the_bit(trained):
    directory, _ = trained
    state = torch.load(list_checkpoints(directory)[1][1], weights_only=True)[
        "state"
    ]  # of the step before the last
    assert 0 < state["steps"] < 5 and state["loss"]["path_length"] > 0
    resumed = AdversarialTrainer(IMAGES, TRAINING, "cpu", 1)
    resumed.load_state(state)
    while resumed.steps < 5:
        resumed.step()
    final = torch.load(list_checkpoints(directory)[0][1], weights_only=True)["state"]
    for name in ("generator", "average", "critic"):
        assert all(
            torch.equal(value, final[name][key]) for key, value in getattr(resumed, name).state_dict().items()
        )
    assert resumed.loss.state() == final["loss"]


def test_weights_of_the_other_recipe_are_a_sentence(trained):
    with pytest.raises(TrainingError, match="another gan.recipe"):
        load_generator(trained[0], TRAINING.model_copy(update={"recipe": "paper"}), "cpu")
