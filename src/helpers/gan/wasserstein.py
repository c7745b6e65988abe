"""WGAN-GP, the paper's loss (Gulrajani et al. 2017)."""

import torch
from torch import Tensor

from helpers import params
from helpers.gan.draws import CriticDraws, GeneratorDraws
from helpers.gan.losses import CriticLoss, Loss, score_with_slopes
from helpers.gan.networks import Critic, StyleGenerator


class WassersteinLoss(Loss):
    """``mean D(fake) - mean D(real)`` plus a gradient penalty at every step, and ``-mean D(fake)``.

    ``gan.drift_penalty`` adds ``mean D(real)^2`` (Karras et al. 2018): without it nothing keeps the real and
    the fake scores from moving together. ``gan.penalty_share`` takes the penalty at some of a batch's mixed
    images alone, evenly spread over its classes: the same expectation, at less cost.
    """

    def __init__(self, config: params.Gan, device: str):
        super().__init__(config, device)
        self.critic_sizes = self.critic_sizes._replace(mix=1)

    def critic(
        self, critic: Critic, real: Tensor, fake: Tensor, draws: CriticDraws, regularised: bool
    ) -> CriticLoss:
        real, fake = self.augment_both(real, fake, draws)
        count = max(1, round(self.config.penalty_share * len(real)))
        penalised = torch.arange(count, device=real.device) * len(real) // count
        points = torch.lerp(fake, real, draws.mix.view(-1, 1, 1, 1))[penalised]
        real_scores, fake_scores, slopes = score_with_slopes(
            critic, real, fake, points, draws.labels, draws.labels[penalised]
        )
        loss = fake_scores.mean() - real_scores.mean()
        penalty, norm = gradient_penalty(slopes)
        if self.config.gradient_penalty:
            loss = loss + self.config.gradient_penalty * penalty
        if self.config.drift_penalty:
            loss = loss + self.config.drift_penalty * real_scores.square().mean()
        middle = (real_scores.mean() + fake_scores.mean()) / 2  # these scores have no zero of their own
        sign = (real_scores - middle).sign().mean()
        return CriticLoss(loss, real_scores.mean(), fake_scores.mean(), penalty, norm, sign)

    def generator(
        self, generator: StyleGenerator, critic: Critic, draws: GeneratorDraws, regularised: bool
    ) -> Tensor:
        return -self.fake_scores(generator, critic, draws).mean()


def gradient_penalty(slopes: Tensor) -> tuple[Tensor, Tensor]:
    """``mean((norm - 1)^2)`` and the mean norm of the scores' gradients (N, 3, R, R) by images."""
    norm = torch.linalg.vector_norm(slopes, dim=(1, 2, 3))
    return (norm - 1).square().mean(), norm.mean()
