"""WGAN-GP as a textbook has it: plain PyTorch, float32, a DataLoader, one thing after the other.

The yardstick of ``gan_throughput.py`` and of the tests that prove the fast training step equal: the same
networks, groups of minibatch standard deviation and power iterations, and nothing else in common with
``helpers.gan.training``.
"""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from helpers import params
from helpers.gan.adversarial import AdversarialTrainer
from helpers.gan.paper_networks import Discriminator, Generator


class Photographs(Dataset):
    """One image at a time: uint8 (R, R, 3) to float32 (3, R, R) from -1 to 1."""

    def __init__(self, images: np.ndarray):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.images[index]).permute(2, 0, 1).float() / 127.5 - 1


class Textbook:
    """Both networks, the moving average and the optimisers; ``step`` is the algorithm."""

    def __init__(self, config: params.Gan, device: str = "cpu", dtype: torch.dtype = torch.float32):
        self.config, self.device = config, device
        self.generator = Generator(
            config.resolution, config.channel_scale, config.style_order, config.rgb
        ).to(device, dtype)
        self.critic = Discriminator(config.resolution, config.channel_scale, config.spectral_norm).to(
            device, dtype
        )
        self.average = copy.deepcopy(self.generator)
        self.generator_optimiser = torch.optim.Adam(
            self.generator.parameters(), config.lr_generator, config.adam_betas
        )
        self.critic_optimiser = torch.optim.Adam(
            self.critic.parameters(), config.lr_discriminator, config.adam_betas
        )

    def copy_from(self, trainer: AdversarialTrainer) -> "Textbook":
        """Take over the networks of an ``AdversarialTrainer`` that has not trained yet."""
        for name in ("generator", "critic", "average"):
            getattr(self, name).load_state_dict(getattr(trainer, name).state_dict())
        return self

    def critic_step(self, real: Tensor, latents: Tensor, noise: Tensor, mix: Tensor) -> Tensor:
        """Lower the critic's loss on one batch."""
        self.critic.update_spectral_norms()
        fake = self.generator(latents, noise).detach()
        real_scores = self.critic(real)
        loss = (
            self.critic(fake).mean()
            - real_scores.mean()
            + self.config.drift_penalty * (real_scores**2).mean()
            + self.config.gradient_penalty * self.penalty(real, fake, mix)
        )
        self.critic_optimiser.zero_grad()
        loss.backward()
        self.critic_optimiser.step()
        return loss.detach()

    def penalty(self, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
        """The mean squared distance from 1 of the gradient's norm, between real and fake images."""
        count = max(1, round(self.config.penalty_share * len(real)))
        some = [image * len(real) // count for image in range(count)]
        real, fake, mix = real[some], fake[some], mix[some].view(-1, 1, 1, 1)
        points = (mix * real + (1 - mix) * fake).requires_grad_()
        scores = self.critic(points)
        gradient = torch.autograd.grad(
            scores, points, torch.ones_like(scores), create_graph=True, retain_graph=True
        )[0]
        return ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()

    def generator_step(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Lower the generator's loss on one batch, and move the average."""
        loss = -self.critic(self.generator(latents, noise)).mean()
        self.generator_optimiser.zero_grad()
        loss.backward()
        self.generator_optimiser.step()
        with torch.no_grad():
            for average, weight in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                average.mul_(self.config.ema_decay).add_(weight, alpha=1 - self.config.ema_decay)
        return loss.detach()

    def step(self, batches: Iterator[Tensor]) -> tuple[float, float]:
        """n_critic critic steps on fresh batches, one generator step; the losses of both."""
        for _ in range(self.config.n_critic):
            real = next(batches).to(self.device)
            critic_loss = self.critic_step(real, *self.draw(), torch.rand(len(real), device=self.device))
        return self.generator_step(*self.draw()).item(), critic_loss.item()

    def draw(self) -> tuple[Tensor, Tensor]:
        """Latents and noise of a batch."""
        sizes = self.generator.latent_size, self.generator.noise_size
        return tuple(torch.randn(self.config.batch_size, size, device=self.device) for size in sizes)


def endless_batches(images: np.ndarray, batch_size: int, workers: int = 2) -> Iterator[Tensor]:
    """Shuffled batches from a DataLoader, epoch after epoch."""
    loader = DataLoader(
        Photographs(images),
        batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    while True:
        yield from loader


def train(images: np.ndarray, config: params.Gan, steps: int, device: str = "cpu") -> nn.Module:
    """The trained generator after ``steps`` generator steps."""
    training, batches = Textbook(config, device), endless_batches(images, config.batch_size)
    for _ in range(steps):
        training.step(batches)
    return training.average
