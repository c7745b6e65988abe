"""The written-out gradient of a critic, and its gradient by the weights, are those that autograd finds."""

import pytest
import torch

from helpers.gan.losses import score_with_slopes
from helpers.gan.paper_networks import Discriminator
from helpers.gan.slopes import Tape, halve, spread
from helpers.gan.stylegan2_networks import StyleGAN2Discriminator

CRITICS = {
    "no spectral norm": lambda: Discriminator(32, 0.125, "none"),
    "spectral norm on the blocks": lambda: Discriminator(32, 0.125, "blocks"),
    "spectral norm everywhere": lambda: Discriminator(32, 0.125, "all"),
    "residual": lambda: StyleGAN2Discriminator(32, 0.125),
}


def critic_of(name, dtype=torch.float64):
    """A critic whose biases are not zero."""
    torch.manual_seed(3)
    critic = CRITICS[name]().to(dtype)
    with torch.no_grad():
        for weight in critic.parameters():
            weight.add_(0.1 * weight.std(correction=0) * torch.randn_like(weight) + 0.01)
    return critic


def by_autograd(critic, points):
    """The scores' gradient by ``points``, twice differentiable."""
    points = points.clone().requires_grad_()
    return torch.autograd.grad(critic(points).sum(), points, create_graph=True)[0]


def by_weights(slopes, critic):
    """The gradient of a penalty on ``slopes`` by the weights; the last bias moves no slope."""
    penalty = (slopes.flatten(1).norm(dim=1) - 1).square().mean()
    found = torch.autograd.grad(penalty, list(critic.parameters()), allow_unused=True)
    return torch.cat(
        [
            (torch.zeros_like(weight) if gradient is None else gradient).flatten()
            for gradient, weight in zip(found, critic.parameters(), strict=True)
        ]
    )


def far(first, second) -> float:
    """Relative difference."""
    return ((first - second).norm() / second.norm()).item()


@pytest.mark.parametrize("count", [8, 3])
@pytest.mark.parametrize("name", CRITICS)
def test_slopes_and_their_gradients_are_autograds(name, count):
    critic = critic_of(name)
    real, fake, points = torch.randn(3, count, 3, 32, 32, dtype=torch.float64)
    real_scores, fake_scores, slopes = score_with_slopes(critic, real, fake, points)
    torch.testing.assert_close(real_scores, critic(real), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(fake_scores, critic(fake), rtol=1e-12, atol=1e-14)
    expected = by_autograd(critic, points)
    assert expected.norm() > 0 and far(slopes, expected) < 1e-13
    gradient = by_weights(expected, critic)
    assert gradient.norm() > 0 and far(by_weights(slopes, critic), gradient) < 1e-12


def test_the_tape_is_used_up():
    critic, tape = critic_of("residual"), Tape()
    features = critic.features(torch.randn(4, 3, 32, 32, dtype=torch.float64), tape)
    assert len(tape) == 1 + 3 * len(critic.blocks)
    critic.slopes(features, tape)
    assert tape == []


def test_spreading_is_the_adjoint_of_halving():
    x, y = torch.randn(2, 3, 8, 8, dtype=torch.float64), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close((halve(x) * y).sum(), (x * spread(y)).sum())


def test_half_precision_stays_near():
    critic = critic_of("spectral norm on the blocks", torch.float32)
    points = torch.randn(8, 3, 32, 32)
    expected = by_autograd(critic, points)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, _, slopes = score_with_slopes(critic, points, points, points)
    assert slopes.dtype == torch.float32 and far(slopes, expected) < 0.1
