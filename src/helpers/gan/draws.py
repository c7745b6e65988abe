"""The random numbers of training steps, by name, all of them from one source.

A step draws nothing itself: everything random is an argument, so that a training resumes to the bit and a
step can be captured in a CUDA graph.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class CriticDraws(NamedTuple):
    """What one critic step on N images draws; parts that the recipe does not need have size 0."""

    latents: Tensor  # (N, latent size), standard normal
    noise: Tensor  # (N, noise size), standard normal
    augment_real: Tensor  # (N, augmentation.DRAWS or 0), uniform in [0, 1)
    augment_fake: Tensor  # (N, augmentation.DRAWS or 0), uniform in [0, 1)
    mix: Tensor  # (N, 1 or 0), uniform in [0, 1): where between fake and real the gradient is looked at
    labels: Tensor  # (N,), int64, not drawn: the classes of the real images and of the fakes beside them


class GeneratorDraws(NamedTuple):
    """What one generator step on N images draws; parts that the recipe does not need have size 0."""

    latents: Tensor  # (N, latent size), standard normal
    noise: Tensor  # (N, noise size), standard normal
    augment_fake: Tensor  # (N, augmentation.DRAWS or 0), uniform in [0, 1)
    path: Tensor  # (N, 3 R R or 0), uniform in [0, 1): the direction y of path-length regularisation
    labels: Tensor  # (N,), int64, not drawn: the classes of the fakes


class CriticSizes(NamedTuple):
    """Uniform numbers per image of a critic step, by their names in ``CriticDraws``."""

    augment_real: int = 0
    augment_fake: int = 0
    mix: int = 0


class GeneratorSizes(NamedTuple):
    """Uniform numbers per image of a generator step, by their names in ``GeneratorDraws``."""

    augment_fake: int = 0
    path: int = 0


class StepDraws:
    """Draws for steps of ``batch_size`` images; float32, from ``random``, on its device."""

    def __init__(
        self,
        batch_size: int,
        latent_size: int,
        noise_size: int,
        critic_sizes: CriticSizes,
        generator_sizes: GeneratorSizes,
        random: torch.Generator,
    ):
        self.batch_size, self.latent_size, self.noise_size = batch_size, latent_size, noise_size
        self.critic_sizes, self.generator_sizes = critic_sizes, generator_sizes
        self.random = random
        self.one_class = torch.zeros(batch_size, dtype=torch.int64, device=random.device)

    def critic(self, labels: Tensor | None = None) -> CriticDraws:
        """The numbers of the next critic step on images of the classes ``labels`` (default: all of one)."""
        labels = self.one_class if labels is None else labels
        normal = self._normal(self.latent_size), self._normal(self.noise_size)
        return CriticDraws(*(*normal, *self._uniform(self.critic_sizes), labels))

    def generator(self, labels: Tensor | None = None) -> GeneratorDraws:
        """The numbers of the next generator step on images of the classes ``labels``."""
        labels = self.one_class if labels is None else labels
        normal = self._normal(self.latent_size), self._normal(self.noise_size)
        return GeneratorDraws(*(*normal, *self._uniform(self.generator_sizes), labels))

    def _normal(self, size: int) -> Tensor:
        return torch.randn(self.batch_size, size, generator=self.random, device=self.random.device)

    def _uniform(self, sizes: tuple[int, ...]) -> tuple[Tensor, ...]:
        """One tensor (N, size) for each of ``sizes``."""
        drawn = torch.rand(self.batch_size, sum(sizes), generator=self.random, device=self.random.device)
        return torch.split(drawn, list(sizes), dim=1)
