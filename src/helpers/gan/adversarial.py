"""The adversarial training of a generator and a critic, for every recipe that has a critic.

``AdversarialTrainer.step`` is Algorithm 1 of Gulrajani et al. (2017), "Improved Training of Wasserstein
GANs", with any recipe's loss in place of WGAN-GP's, and a moving average of the generator. That it is so is
proved by tests/gan/test_textbook.py, which compares gradients and courses with the loop of
benchmarks/gan_textbook.py, written as a textbook has it.
"""

from typing import Any, cast

import torch
from torch import Tensor

from helpers.gan.draws import CriticDraws, GeneratorDraws, StepDraws
from helpers.gan.health import Vitals, least_diversity, require_health
from helpers.gan.losses import CriticLoss
from helpers.gan.networks import Critic, StyleGenerator
from helpers.gan.optimisers import adam, descend
from helpers.gan.recipes import RECIPES
from helpers.gan.trainer import Trainer


class AdversarialTrainer(Trainer):
    """Generator and critic, and the loss that both descend.

    ``update_fakes``, ``update_critic`` and ``update_generator`` run ``fakes``, ``critic_step`` and
    ``generator_step``: directly on a CPU, and from a CUDA graph on a GPU.
    """

    columns = (
        *("generator_loss", "critic_loss", "score_real", "score_fake"),
        *("gradient_penalty", "gradient_norm"),
    )
    generator: StyleGenerator
    last_critic: CriticLoss
    last_generator: Tensor

    def complete(self) -> None:
        config, device = self.config, self.device
        build_loss = RECIPES.get(config.recipe).build_loss
        assert build_loss is not None, config.recipe
        self.loss = build_loss(config, device)
        self.critic = cast(Critic, self.networks[1])
        self.critic_weights = list(self.critic.parameters())
        self.generator_optimiser = adam(self.generator, config.lr_generator, config, device)
        self.critic_optimiser = adam(self.critic, config.lr_discriminator, config, device)
        self.draws = StepDraws(
            config.batch_size,
            self.generator.latent_size,
            self.generator.noise_size,
            self.loss.critic_sizes,
            self.loss.generator_sizes,
            self.random,
        )
        self.update_fakes = self.compiled(self.fakes)
        self.update_critic = self.compiled(self.critic_step)
        self.update_generator = self.compiled(self.generator_step)

    def step(self) -> None:
        """n_critic critic steps on fresh batches, one generator step with one step of the moving average."""
        first = self.steps * self.config.n_critic
        turns = [self._turn(number) for number in range(first, first + self.config.n_critic)]
        last = self.draws.generator(self.turns.labels(self.steps))
        for turn, ((real, draws), fake) in enumerate(zip(turns, self._fakes(turns), strict=True)):
            regularised = self.loss.critic_regularised(first + turn)
            self.last_critic = self.update_critic(real, fake, *draws, regularised=regularised)
        regularised = self.loss.generator_regularised(self.steps)
        self.last_generator = self.update_generator(*last, regularised=regularised)
        self.steps += 1

    def _turn(self, number: int) -> tuple[Tensor, CriticDraws]:
        """The real images and the draws of critic step ``number``, counted from 0."""
        real = self.data.next_batch(self.turns.of_groups(number))
        return real, self.draws.critic(self.turns.labels(number))

    def _fakes(self, turns: list[tuple[Tensor, CriticDraws]]) -> tuple[Tensor, ...]:
        """A batch of the generator's images for each critic step, all from one pass: it stands still."""
        latents = torch.cat([draws.latents for _, draws in turns])
        noise = torch.cat([draws.noise for _, draws in turns])
        labels = torch.cat([draws.labels for _, draws in turns])
        return self.update_fakes(latents, noise, labels).split(self.config.batch_size)

    @torch.no_grad()
    def fakes(
        self, latents: Tensor, noise: Tensor, labels: Tensor | None = None, regularised: bool = False
    ) -> Tensor:
        """The generator's images (N, 3, R, R); nothing is ``regularised``."""
        with self.autocast():
            return self.generator(latents, noise, labels=labels)

    def critic_step(
        self, real: Tensor, fake: Tensor, *drawn: Tensor, regularised: bool = False
    ) -> CriticLoss:
        """Descend the critic's loss on one batch of real images and one of the generator's.

        ``drawn`` are the parts of CriticDraws, one by one, as a CUDA graph takes them.
        """
        draws = CriticDraws(*drawn)
        self.critic.update_spectral_norms()
        with self.autocast():
            terms = self.loss.critic(self.critic, real, fake, draws, regularised)
        descend(terms.loss, self.critic_optimiser, self.critic_weights)
        terms = CriticLoss(*(term.detach() for term in terms))
        self.loss.after_step(terms)
        return terms

    def generator_step(self, *drawn: Tensor, regularised: bool = False) -> Tensor:
        """Descend the generator's loss on one batch, and move the average.

        ``drawn`` are the parts of GeneratorDraws, one by one.
        """
        draws = GeneratorDraws(*drawn)
        with self.autocast():
            loss = self.loss.generator(self.generator, self.critic, draws, regularised)
        descend(loss, self.generator_optimiser, self.generator_weights)
        self.move_average()
        return loss.detach()

    def measurements(self) -> Tensor:
        terms = self.last_critic
        return torch.stack(
            [
                self.last_generator,
                terms.loss,
                terms.score_real,
                terms.score_fake,
                terms.gradient_penalty,
                terms.gradient_norm,
            ]
        )

    def require_health(self, checkpoint: str) -> None:
        require_health(self.vitals(), self.steps, self.last_good, self.config.min_diversity, checkpoint)

    @torch.no_grad()
    def vitals(self) -> Vitals:
        """What ``health`` looks at.

        The diversity is that of the generator itself, which collapses long before its average; of several
        classes, that of the one whose samples differ least.
        """
        latents, noise, labels = self.sample_inputs
        with self.autocast():
            images = self.generator(latents, noise, labels=labels)
            score = self.critic(images, labels).mean()
        diversity = least_diversity(images.clamp(-1, 1), labels, self.real_distances)
        return Vitals(
            self.last_generator, self.last_critic.loss, self.last_critic.gradient_penalty, score, diversity
        )

    def state(self, seconds: float) -> dict[str, Any]:
        return super().state(seconds) | {
            "critic": self.critic.state_dict(),
            "generator_optimiser": self.generator_optimiser.state_dict(),
            "critic_optimiser": self.critic_optimiser.state_dict(),
            "loss": self.loss.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.critic.load_state_dict(state["critic"])
        self.generator_optimiser.load_state_dict(state["generator_optimiser"])
        self.critic_optimiser.load_state_dict(state["critic_optimiser"])
        self.loss.load_state(state["loss"])
