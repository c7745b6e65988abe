"""WGAN-GP (Gulrajani et al. 2017): the critic's loss with its gradient penalty, and the generator's."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers.gan.networks import GROUP_SIZE


@dataclass
class CriticLoss:
    """The loss to descend, and what it is made of (scalar tensors, still on the device)."""

    loss: Tensor
    score_real: Tensor  # mean
    score_fake: Tensor  # mean
    gradient_penalty: Tensor  # mean squared distance of the gradient's norm from 1, before its weight
    gradient_norm: Tensor  # mean


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor, mix: Tensor) -> tuple[Tensor, Tensor]:
    """``mean((norm - 1)^2)`` and the mean norm of the score's gradient, in float32, at one point between each real and fake image.

    ``mix`` (N,) from 0 (fake) to 1 (real) places the points. The penalty can be differentiated again, by the critic's weights.
    """
    mix = mix.view(-1, 1, 1, 1)
    points = torch.lerp(fake, real, mix).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    # the small number keeps the square root's slope finite at a gradient of zero
    norm = (gradient.to(points.dtype).square().sum((1, 2, 3)) + 1e-12).sqrt()
    return (norm - 1).square().mean(), norm.mean()


def critic_loss(critic: nn.Module, real: Tensor, fake: Tensor, mix: Tensor, penalty_weight: float, drift_weight: float = 0.0) -> CriticLoss:
    """``mean D(fake) - mean D(real) + penalty_weight * penalty + drift_weight * mean D(real)^2``.

    The drift term (Karras et al. 2018) anchors the scores, which the rest of the loss leaves free to move together.
    """
    real_scores, fake_scores = score_apart(critic, real, fake)
    loss = fake_scores.mean() - real_scores.mean()
    penalty, norm = gradient_penalty(critic, real, fake, mix)
    if penalty_weight:
        loss = loss + penalty_weight * penalty
    if drift_weight:
        loss = loss + drift_weight * real_scores.square().mean()
    return CriticLoss(loss, real_scores.mean(), fake_scores.mean(), penalty, norm)


def score_apart(critic: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The scores of both batches (N, 3, R, R), in one pass where no group of minibatch standard deviation would mix them."""
    if len(real) % GROUP_SIZE:
        return critic(real), critic(fake)
    real_scores, fake_scores = critic(torch.cat([real, fake])).chunk(2)
    return real_scores, fake_scores


def generator_loss(critic: nn.Module, fake: Tensor) -> Tensor:
    """``-mean D(fake)``."""
    return -critic(fake).mean()
