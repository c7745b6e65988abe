"""The two networks: published counts, widths, and layers against hand-worked values."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.gan.networks import channels_by_resolution, double, minibatch_standard_deviation, pixel_norm
from helpers.gan.paper_networks import Discriminator, Generator, adaptive_instance_norm
from helpers.gan.spectral import SpectralConv


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_both_published_counts_to_the_last_parameter():
    generator, critic = Generator(), Discriminator()
    assert count(generator) == 16_990_462
    assert count(critic) == 15_981_569
    assert count(generator.mapping) == 2_101_248
    assert [count(block) for block in generator.blocks] == [
        5_771_781,
        5_771_781,
        2_296_069,
        705_669,
        242_245,
        93_477,
    ]
    assert [count(block) for block in critic.blocks] == [55_424, 221_440, 885_248, 3_539_968, 4_719_616]


@pytest.mark.parametrize("spectral_norm", ["none", "blocks", "all"])
def test_spectral_norm_adds_no_parameter(spectral_norm):
    assert count(Discriminator(spectral_norm=spectral_norm)) == 15_981_569


@pytest.mark.parametrize(
    ("resolution", "widths"),
    [(32, [512, 512, 256, 128]), (64, [512, 512, 256, 128, 64]), (128, [512, 512, 256, 128, 64, 32])],
)
def test_a_width_belongs_to_its_resolution(resolution, widths):
    assert list(channels_by_resolution(resolution).values()) == widths
    assert list(channels_by_resolution(resolution, 0.125).values()) == [max(8, w // 8) for w in widths]


@pytest.mark.parametrize("resolution", [32, 64, 128])
@pytest.mark.parametrize("rgb", ["skip", "last"])
@pytest.mark.parametrize("style_order", ["noise_activation_adain", "noise_adain_activation"])
def test_shapes(resolution, rgb, style_order):
    generator, critic = Generator(resolution, 0.03, style_order, rgb), Discriminator(resolution, 0.03)
    images = generator(torch.randn(3, generator.latent_size), torch.randn(3, generator.noise_size))
    assert images.shape == (3, 3, resolution, resolution) and images.dtype == torch.float32
    assert generator(torch.randn(3, generator.latent_size)).shape == images.shape
    assert critic(images).shape == (3,)


def test_adain_by_hand():
    x = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])  # mean 4, variance 5
    y = adaptive_instance_norm(x, torch.tensor([[2.0]]), torch.tensor([[10.0]]), epsilon=0.0)
    expected = torch.tensor([-3.0, -1.0, 1.0, 3.0]) / math.sqrt(5) * 2 + 10
    torch.testing.assert_close(y.flatten(), expected)


def test_adain_gradient_is_that_of_its_definition():
    torch.manual_seed(0)
    inputs = [
        torch.randn(2, 3, 4, 5, dtype=torch.float64),
        torch.randn(2, 3, dtype=torch.float64),
        torch.randn(2, 3, dtype=torch.float64),
    ]
    inputs = [x.requires_grad_() for x in inputs]
    assert torch.autograd.gradcheck(adaptive_instance_norm, inputs)


def test_pixel_norm_by_hand():
    torch.testing.assert_close(
        pixel_norm(torch.tensor([[3.0, 4.0]])), torch.tensor([[3.0, 4.0]]) / math.sqrt(12.5)
    )


def test_minibatch_standard_deviation_by_hand():
    # one feature of 0, 2, 4, 6 in the first group: standard deviation sqrt(5); equal images in the second: 0
    x = torch.tensor([0.0, 2, 4, 6, 1, 1, 1, 1]).view(8, 1, 1, 1).expand(8, 1, 2, 2)
    y = minibatch_standard_deviation(x)
    assert y.shape == (8, 2, 2, 2)
    torch.testing.assert_close(y[:4, 1], torch.full((4, 2, 2), math.sqrt(5)))
    torch.testing.assert_close(y[4:, 1], torch.full((4, 2, 2), 1e-4))
    torch.testing.assert_close(y[:, 0], x[:, 0])


def test_groups_stay_together_in_joined_batches():
    torch.manual_seed(0)
    critic = Discriminator(32, 0.05)
    first, second = torch.randn(4, 3, 32, 32), torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(critic(torch.cat([first, second])), torch.cat([critic(first), critic(second)]))


def test_spectral_norm_brings_the_largest_singular_value_to_one():
    torch.manual_seed(0)
    critic = Discriminator(32, 0.1, "all")
    assert len(critic.spectral_layers()) == 1 + 2 * 3 + 1 + 2
    critic.update_spectral_norms(200)
    for layer in critic.spectral_layers():
        largest = torch.linalg.svdvals(layer.normalised_weight().detach().flatten(1))[0].item()
        assert largest == pytest.approx(1, abs=0.01)


def test_spectral_norm_follows_the_weights_with_one_iteration_a_step():
    torch.manual_seed(0)
    layer = SpectralConv(6, 8)
    layer.iterate(50)
    for _ in range(20):
        with torch.no_grad():
            layer.weight += 0.01 * torch.randn_like(layer.weight)
        layer.iterate()
    assert torch.linalg.svdvals(layer.normalised_weight().detach().flatten(1))[0].item() == pytest.approx(
        1, abs=0.03
    )


def test_scoring_changes_nothing_in_the_critic():
    critic = Discriminator(32, 0.05).train()
    before = {key: value.clone() for key, value in critic.state_dict().items()}
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(critic(images), critic(images))
    assert all(torch.equal(value, before[key]) for key, value in critic.state_dict().items())


def test_noise_is_distributed_in_the_order_of_the_layers():
    generator = Generator(8, 0.02)
    noise = torch.arange(generator.noise_size, dtype=torch.float32)[None]
    sides = [layer.shape[-1] for layer in generator._split_noise(noise)]
    assert sides == [4, 4, 8, 8]
    assert torch.cat([layer.flatten() for layer in generator._split_noise(noise)]).equal(noise.flatten())


def test_truncation_to_nothing_gives_the_mean_image():
    torch.manual_seed(0)
    generator = Generator(8, 0.05)
    mean = torch.randn(generator.latent_size)
    images = generator(torch.randn(3, generator.latent_size), None, truncation=1e-9, mean_style=mean)
    torch.testing.assert_close(images[0], images[1], atol=1e-5, rtol=0)
    assert not torch.allclose(generator(torch.randn(3, generator.latent_size))[0], images[0], atol=1e-3)


def test_upsampling_keeps_a_constant_image():
    torch.testing.assert_close(double(torch.full((1, 2, 4, 4), 3.0)), torch.full((1, 2, 8, 8), 3.0))
    assert F.avg_pool2d(double(torch.ones(1, 1, 4, 4)), 2).equal(torch.ones(1, 1, 4, 4))
