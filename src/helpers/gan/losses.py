"""What critic and generator descend: the interface of all recipes' losses, and their common parts.

A loss draws nothing: random numbers come in by name (draws.py). What changes in it while training lies on the
device and is updated in place, so that a step can be captured in a CUDA graph.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from helpers import params
from helpers.gan.augmentation import Augmentation
from helpers.gan.draws import CriticDraws, CriticSizes, GeneratorDraws, GeneratorSizes
from helpers.gan.networks import GROUP_SIZE, Critic, StyleGenerator
from helpers.gan.slopes import Tape


class CriticLoss(NamedTuple):
    """The loss to descend, and what it is made of (scalar tensors, still on the device)."""

    loss: Tensor
    score_real: Tensor  # mean
    score_fake: Tensor  # mean
    gradient_penalty: (
        Tensor  # before its weight; mean squared distance of the norm from 1, or R1: mean squared norm
    )
    gradient_norm: Tensor  # mean, or R1: root mean square
    sign_real: (
        Tensor  # mean sign of the real scores above the critic's zero; 1 if it is right about all of them
    )


class Loss(ABC):
    """What the training loop asks of a loss.

    ``critic_sizes`` and ``generator_sizes``: how many uniform numbers per image the two steps need, by name.
    """

    def __init__(self, config: params.Gan, device: str):
        self.config = config
        self.augmentation = Augmentation(config, device)
        self.critic_sizes = CriticSizes(self.augmentation.draws, self.augmentation.draws)
        self.generator_sizes = GeneratorSizes(self.augmentation.draws)

    def critic_regularised(self, step: int) -> bool:
        """Whether critic step ``step``, counted from 0, has a lazy penalty."""
        return False

    def generator_regularised(self, step: int) -> bool:
        """Whether generator step ``step``, counted from 0, has a lazy penalty."""
        return False

    @abstractmethod
    def critic(
        self, critic: Critic, real: Tensor, fake: Tensor, draws: CriticDraws, regularised: bool
    ) -> CriticLoss:
        """The critic's loss on images (N, 3, R, R) from -1 to 1; with its lazy penalty if ``regularised``."""

    @abstractmethod
    def generator(
        self, generator: StyleGenerator, critic: Critic, draws: GeneratorDraws, regularised: bool
    ) -> Tensor:
        """The generator's loss, a scalar; with its lazy penalty if ``regularised``."""

    @torch.no_grad()
    def after_step(self, terms: CriticLoss) -> None:
        """Take note of a critic step; does not wait for the device."""
        self.augmentation.update(terms.sign_real)

    def state(self) -> dict[str, Tensor]:
        """The loss's own tensors that the rest of the training depends on, not copied."""
        return self.augmentation.state()

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go back to a saved ``state``, in place."""
        self.augmentation.load_state(state)

    def augment_both(self, real: Tensor, fake: Tensor, draws: CriticDraws) -> tuple[Tensor, Tensor]:
        """Real and fake images as the critic sees them: augmented alike, each by its own numbers."""
        return self.augmentation(real, draws.augment_real), self.augmentation(fake, draws.augment_fake)

    def fake_scores(self, generator: StyleGenerator, critic: Critic, draws: GeneratorDraws) -> Tensor:
        """Scores (N,) of the generator's images, augmented."""
        fake = generator(draws.latents, draws.noise, labels=draws.labels)
        return critic(self.augmentation(fake, draws.augment_fake), draws.labels)


def score_apart(
    critic: Critic, real: Tensor, fake: Tensor, labels: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Scores of both batches (N, 3, R, R), from one pass up to the head; both have the classes ``labels``."""
    return _heads_apart(critic, critic.features(torch.cat([real, fake])), labels)


def _heads_apart(critic: Critic, features: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Scores of both halves of ``features`` (2 N, C, 4, 4); no group of images mixes the two."""
    first, second = features.chunk(2)
    if len(first) % GROUP_SIZE:
        return critic.head(first, labels), critic.head(second, labels)
    both = labels if labels is None else torch.cat([labels, labels])
    first, second = critic.head(features, both).chunk(2)
    return first, second


def score_with_slopes(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    points: Tensor,
    labels: Tensor | None = None,
    point_labels: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores of two batches as ``score_apart`` gives them, and the scores' gradient by ``points``.

    ``real`` and ``fake`` are (N, 3, R, R), ``points`` as many or fewer, and all take one pass up to the head.
    The gradient has the points' shape and precision and is differentiable once, by the critic's weights.
    ``labels`` (N,) are the classes of the first two, ``point_labels`` those of the points.
    """
    count, tape = len(real), Tape()
    features = critic.features(torch.cat([real, fake, points]), tape)
    real_scores, fake_scores = _heads_apart(critic, features[: 2 * count], labels)
    return real_scores, fake_scores, critic.slopes(features[2 * count :], tape, point_labels).to(points.dtype)
