"""The non-saturating loss (Goodfellow et al. 2014) with StyleGAN2's lazy penalties (Karras et al. 2020)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers import params
from helpers.gan.draws import CriticDraws, GeneratorDraws
from helpers.gan.losses import CriticLoss, Loss, score_apart
from helpers.gan.networks import Critic, StyleGenerator
from helpers.gan.slopes import Tape

PATH_LENGTH_DECAY = 0.99  # of the running mean of path lengths


class NonSaturatingLoss(Loss):
    """``softplus(-D(real)) + softplus(D(fake))`` for the critic, ``softplus(-D(fake))`` for the generator.

    Every ``gan.r1_every`` critic steps R1 (Mescheder et al. 2018) is added, that many times as heavy; every
    ``gan.path_length_every`` generator steps the path-length penalty is. Both go into the ordinary step, so
    that Adam's moments need no correction.
    """

    def __init__(self, config: params.Gan, device: str):
        super().__init__(config, device)
        if config.path_length_weight:
            self.generator_sizes = self.generator_sizes._replace(path=3 * config.resolution**2)
        self.last_penalty, self.last_norm, self.path_length = (
            torch.zeros((), device=device) for _ in range(3)
        )

    def critic_regularised(self, step: int) -> bool:
        return self.config.r1_weight > 0 and step % self.config.r1_every == 0

    def generator_regularised(self, step: int) -> bool:
        return self.config.path_length_weight > 0 and step % self.config.path_length_every == 0

    def critic(
        self, critic: Critic, real: Tensor, fake: Tensor, draws: CriticDraws, regularised: bool
    ) -> CriticLoss:
        """A step without R1 repeats the last values of its penalty and norm, 0 before the first."""
        real_scores, fake_scores = score_apart(critic, *self.augment_both(real, fake, draws), draws.labels)
        loss = F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean()
        penalty, norm = self.last_penalty, self.last_norm
        if regularised:
            penalty = self._r1(critic, real, draws)
            norm = penalty.detach().sqrt()
            loss = loss + self.config.r1_weight / 2 * self.config.r1_every * penalty
        sign = real_scores.sign().mean()
        return CriticLoss(loss, real_scores.mean(), fake_scores.mean(), penalty, norm, sign)

    def _r1(self, critic: Critic, real: Tensor, draws: CriticDraws) -> Tensor:
        """Mean squared norm of the score's gradient by the real images, through the augmentation."""
        with torch.autocast(real.device.type, enabled=False):
            images = real.detach().requires_grad_()
            seen, tape = self.augmentation(images, draws.augment_real), Tape()
            gradient = critic.slopes(critic.features(seen, tape), tape, draws.labels)
            if seen is not images:
                (gradient,) = torch.autograd.grad(seen, images, gradient, create_graph=True)
            return gradient.square().sum((1, 2, 3)).mean()

    def generator(
        self, generator: StyleGenerator, critic: Critic, draws: GeneratorDraws, regularised: bool
    ) -> Tensor:
        """A regularised step also updates the running mean of path lengths."""
        loss = F.softplus(-self.fake_scores(generator, critic, draws)).mean()
        if regularised:
            half = max(1, len(draws.latents) // 2)  # as in StyleGAN2: it costs a generator pass of its own
            penalty = self._path_length_penalty(
                generator, draws.latents[:half], draws.noise[:half], draws.path[:half], draws.labels[:half]
            )
            loss = loss + self.config.path_length_weight * self.config.path_length_every * penalty
        return loss

    def _path_length_penalty(
        self, generator: StyleGenerator, latents: Tensor, noise: Tensor, path: Tensor, labels: Tensor
    ) -> Tensor:
        """Mean squared distance of ``|J^T y|`` from its running mean.

        J is the images' Jacobian by the styles, y is standard normal (from the uniform ``path``), divided by
        the square root of the number of pixels.
        """
        with torch.autocast(latents.device.type, enabled=False):
            styles = generator.mapping(latents, labels)
            images = generator.synthesise(styles, noise)
            normal = torch.special.ndtri(path.to(images.dtype).clamp(1e-7, 1 - 1e-7)).view_as(images)
            along = (images * normal).sum() / math.sqrt(images.shape[2] * images.shape[3])
            (gradient,) = torch.autograd.grad(along, styles, create_graph=True)
            lengths = torch.linalg.vector_norm(gradient, dim=1)
            latest = lengths.detach().mean().to(self.path_length.dtype)
            mean = latest.lerp(self.path_length, PATH_LENGTH_DECAY)
            self.path_length.copy_(mean)
            return (lengths - mean).square().mean()

    @torch.no_grad()
    def after_step(self, terms: CriticLoss) -> None:
        super().after_step(terms)
        self.last_penalty.copy_(terms.gradient_penalty)
        self.last_norm.copy_(terms.gradient_norm)

    def state(self) -> dict[str, Tensor]:
        return super().state() | {
            "last_penalty": self.last_penalty,
            "last_norm": self.last_norm,
            "path_length": self.path_length,
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        super().load_state(state)
        self.last_penalty.copy_(state["last_penalty"])
        self.last_norm.copy_(state["last_norm"])
        self.path_length.copy_(state["path_length"])
