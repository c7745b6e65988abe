"""What critic and generator descend, one object per recipe: WGAN-GP for the paper's, non-saturating with lazy R1 for StyleGAN2's.

Nothing is drawn here: uniform numbers come in, so that a training resumes to the bit and a step can be captured in a CUDA
graph. What changes while training lies on the device and is updated in place.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers import params
from helpers.gan.augmentation import Augmentation
from helpers.gan.networks import GROUP_SIZE, StyleGenerator

PATH_LENGTH_DECAY = 0.99  # of the running mean of path lengths


@dataclass
class CriticLoss:
    """The loss to descend, and what it is made of (scalar tensors, still on the device)."""

    loss: Tensor
    score_real: Tensor  # mean
    score_fake: Tensor  # mean
    gradient_penalty: Tensor  # before its weight; WGAN-GP: mean squared distance of the gradient's norm from 1; R1: mean squared norm
    gradient_norm: Tensor  # WGAN-GP: mean; R1: root mean square
    sign_real: Tensor  # mean sign of the real scores, or of what they are above the middle between real and fake: 1 if all are told right


class Loss(ABC):
    """One interface for both recipes.

    ``critic_draws`` and ``generator_draws`` say how many uniform numbers in [0, 1) per image ``draws`` must hold, float32 (N, k).
    """

    def __init__(self, config: params.Gan, device: str):
        self.config = config
        self.augmentation = Augmentation(config, device)
        self.critic_draws = 2 * self.augmentation.draws
        self.generator_draws = self.augmentation.draws

    def critic_regularised(self, step: int) -> bool:
        """Whether critic step ``step``, counted from 0, has a lazy penalty."""
        return False

    def generator_regularised(self, step: int) -> bool:
        """Whether generator step ``step``, counted from 0, has a lazy penalty."""
        return False

    @abstractmethod
    def critic(
        self, critic: nn.Module, real: Tensor, fake: Tensor, draws: Tensor, regularised: bool
    ) -> CriticLoss:
        """The critic's loss on images (N, 3, R, R) from -1 to 1; with its lazy penalty where ``regularised``."""

    @abstractmethod
    def generator(
        self,
        generator: StyleGenerator,
        critic: nn.Module,
        latents: Tensor,
        noise: Tensor,
        draws: Tensor,
        regularised: bool,
    ) -> Tensor:
        """The generator's loss, a scalar; with its lazy penalty where ``regularised``."""

    @torch.no_grad()
    def after_step(self, terms: CriticLoss) -> None:
        """Take note of a critic step; waits for no device."""
        self.augmentation.update(terms.sign_real)

    def state(self) -> dict[str, Tensor]:
        """Tensors that the rest of the training depends on; not copies."""
        return self.augmentation.state()

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go back to a saved ``state``, in place."""
        self.augmentation.load_state(state)

    def _augment_both(self, real: Tensor, fake: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Real and fake images as the critic sees them, by the same law and numbers of their own."""
        for_real, for_fake = draws[:, : 2 * self.augmentation.draws].chunk(2, 1)
        return self.augmentation(real, for_real), self.augmentation(fake, for_fake)


class WassersteinLoss(Loss):
    """WGAN-GP (Gulrajani et al. 2017), the paper's: ``mean D(fake) - mean D(real)`` and a penalty at every critic step; ``-mean D(fake)``.

    ``gan.drift_penalty`` adds ``mean D(real)^2`` (Karras et al. 2018), which anchors the scores: the rest leaves them free to move together.
    """

    def __init__(self, config: params.Gan, device: str):
        super().__init__(config, device)
        self.critic_draws += 1  # where between real and fake the gradient is looked at

    def critic(
        self, critic: nn.Module, real: Tensor, fake: Tensor, draws: Tensor, regularised: bool
    ) -> CriticLoss:
        real, fake = self._augment_both(real, fake, draws)
        real_scores, fake_scores = score_apart(critic, real, fake)
        loss = fake_scores.mean() - real_scores.mean()
        penalty, norm = gradient_penalty(critic, real, fake, draws[:, -1])
        if self.config.gradient_penalty:
            loss = loss + self.config.gradient_penalty * penalty
        if self.config.drift_penalty:
            loss = loss + self.config.drift_penalty * real_scores.square().mean()
        middle = (real_scores.mean() + fake_scores.mean()) / 2  # the scores have no zero of their own
        return CriticLoss(
            loss, real_scores.mean(), fake_scores.mean(), penalty, norm, (real_scores - middle).sign().mean()
        )

    def generator(
        self,
        generator: StyleGenerator,
        critic: nn.Module,
        latents: Tensor,
        noise: Tensor,
        draws: Tensor,
        regularised: bool,
    ) -> Tensor:
        return -critic(self.augmentation(generator(latents, noise), draws)).mean()


class NonSaturatingLoss(Loss):
    """``softplus(-D(real)) + softplus(D(fake))`` and ``softplus(-D(fake))`` (Goodfellow et al. 2014), lazily regularised (Karras et al. 2020).

    Every ``gan.r1_every`` critic steps R1 (Mescheder et al. 2018) is added, that many times as heavy; every ``gan.path_length_every``
    generator steps the path-length penalty is. Both go into the ordinary step, so that Adam's moments need no correction.
    """

    def __init__(self, config: params.Gan, device: str):
        super().__init__(config, device)
        if config.path_length_weight:
            self.generator_draws += 3 * config.resolution**2
        self.last_penalty, self.last_norm, self.path_length = (
            torch.zeros((), device=device) for _ in range(3)
        )

    def critic_regularised(self, step: int) -> bool:
        return self.config.r1_weight > 0 and step % self.config.r1_every == 0

    def generator_regularised(self, step: int) -> bool:
        return self.config.path_length_weight > 0 and step % self.config.path_length_every == 0

    def critic(
        self, critic: nn.Module, real: Tensor, fake: Tensor, draws: Tensor, regularised: bool
    ) -> CriticLoss:
        """Where there is no R1 the terms repeat its last values, 0 before the first."""
        real_scores, fake_scores = score_apart(critic, *self._augment_both(real, fake, draws))
        loss = F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean()
        penalty, norm = self.last_penalty, self.last_norm
        if regularised:
            penalty = self._r1(critic, real, draws)
            norm = penalty.detach().sqrt()
            loss = loss + self.config.r1_weight / 2 * self.config.r1_every * penalty
        return CriticLoss(
            loss, real_scores.mean(), fake_scores.mean(), penalty, norm, real_scores.sign().mean()
        )

    def _r1(self, critic: nn.Module, real: Tensor, draws: Tensor) -> Tensor:
        """Mean squared norm of the score's gradient by the real images, through their augmentation; in float32."""
        draws = draws[:, : self.augmentation.draws]
        with torch.autocast(real.device.type, enabled=False):
            return (
                slopes(lambda images: critic(self.augmentation(images, draws)), real)
                .square()
                .sum((1, 2, 3))
                .mean()
            )

    def generator(
        self,
        generator: StyleGenerator,
        critic: nn.Module,
        latents: Tensor,
        noise: Tensor,
        draws: Tensor,
        regularised: bool,
    ) -> Tensor:
        """Where ``regularised``, the running mean of path lengths moves on, too."""
        loss = F.softplus(
            -critic(self.augmentation(generator(latents, noise), draws[:, : self.augmentation.draws]))
        ).mean()
        if regularised:
            half = max(1, len(latents) // 2)  # as in StyleGAN2: it costs a generator pass of its own
            penalty = self._path_length_penalty(
                generator, latents[:half], noise[:half], draws[:half, self.augmentation.draws :]
            )
            loss = loss + self.config.path_length_weight * self.config.path_length_every * penalty
        return loss

    def _path_length_penalty(
        self, generator: StyleGenerator, latents: Tensor, noise: Tensor, draws: Tensor
    ) -> Tensor:
        """Mean squared distance of ``|J^T y|`` from its running mean: J the images' Jacobian by the styles, y normal over the square root of the pixels."""
        with torch.autocast(latents.device.type, enabled=False):
            styles = generator.mapping(latents)
            images = generator.synthesise(styles, noise)
            normal = torch.special.ndtri(draws.to(images.dtype).clamp(1e-7, 1 - 1e-7)).view_as(images)
            along = (images * normal).sum() / math.sqrt(images.shape[2] * images.shape[3])
            (gradient,) = torch.autograd.grad(along, styles, create_graph=True)
            lengths = torch.linalg.vector_norm(gradient, dim=1)
            mean = (
                lengths.detach().mean().to(self.path_length.dtype).lerp(self.path_length, PATH_LENGTH_DECAY)
            )
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
        for name in ("last_penalty", "last_norm", "path_length"):
            getattr(self, name).copy_(state[name])


def build_loss(config: params.Gan, device: str) -> Loss:
    """The loss of ``config.recipe``."""
    return (NonSaturatingLoss if config.recipe == "stylegan2" else WassersteinLoss)(config, device)


def slopes(critic: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """The scores' gradient by ``points`` (N, 3, R, R), in their precision; can be differentiated again, by the critic's weights."""
    points = points.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return gradient.to(points.dtype)


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor, mix: Tensor) -> tuple[Tensor, Tensor]:
    """``mean((norm - 1)^2)`` and the mean norm of the score's gradient, in float32, at one point between each real and fake image.

    ``mix`` (N,) from 0 (fake) to 1 (real) places the points. The penalty can be differentiated again, by the critic's weights.
    """
    norm = torch.linalg.vector_norm(
        slopes(critic, torch.lerp(fake, real, mix.view(-1, 1, 1, 1))), dim=(1, 2, 3)
    )
    return (norm - 1).square().mean(), norm.mean()


def score_apart(critic: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The scores of both batches (N, 3, R, R), in one pass where no group of minibatch standard deviation would mix them."""
    if len(real) % GROUP_SIZE:
        return critic(real), critic(fake)
    real_scores, fake_scores = critic(torch.cat([real, fake])).chunk(2)
    return real_scores, fake_scores
