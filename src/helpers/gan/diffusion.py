"""The training of the recipe ``diffusion``: the loss of Ho et al. (2020), "Denoising Diffusion Probabilistic
Models", on the cosine schedule, with the weights of Hang et al. (2023).
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from helpers import params
from helpers.gan.batches import to_float
from helpers.gan.diffusion_networks import Denoiser, signal_levels
from helpers.gan.health import least_diversity, require_denoising
from helpers.gan.optimisers import adam, set_gradients
from helpers.gan.trainer import Trainer

WARM_UP = 100  # steps in which the learning rate rises from 0 to its value
LARGEST_GRADIENT = 1.0  # norm to which a step's gradient is cut down
YOUNG = 10  # the average's memory grows with the training: at step t its decay is at most t / (t + YOUNG)


class Noised(NamedTuple):
    """Images with noise, and what the network should predict of them."""

    images: Tensor  # (N, 3, R, R)
    target: Tensor  # (N, 3, R, R), of size 1 on average for standardised images
    weight: Tensor  # (N, 1, 1, 1), of a level in the loss


class DiffusionTrainer(Trainer):
    """One network that predicts what noise did to an image."""

    columns = ("loss", "gradient_norm")

    def complete(self) -> None:
        config, device = self.config, self.device
        self.signal = signal_levels(config.diffusion).to(device)
        self.optimiser = adam(self.generator, config.lr_generator, config, device)
        self.rates = [group["lr"] for group in self.optimiser.param_groups]
        self.last = torch.zeros(2, device=device)

    def step(self) -> None:
        """Ask the network at random levels of noise for what it should predict, and descend the error."""
        real = self.data.next_batch(self.turns.of_groups(self.steps))
        labels = self.turns.labels(self.steps)
        levels = torch.randint(
            self.config.diffusion.steps, (len(real),), generator=self.random, device=real.device
        )
        noise = torch.randn(real.shape, generator=self.random, device=real.device)
        with self.autocast():
            loss = self.loss(real, levels, noise, labels)
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * min(1.0, (self.steps + 1) / WARM_UP)
        set_gradients(loss, self.generator_weights)
        norm = torch.nn.utils.clip_grad_norm_(self.generator_weights, LARGEST_GRADIENT)
        self.optimiser.step()
        self.steps += 1
        self.move_average(min(self.config.ema_decay, self.steps / (self.steps + YOUNG)))
        self.last = torch.stack([loss.detach(), norm])

    def loss(self, real: Tensor, levels: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Weighted mean squared error of the prediction, a scalar.

        ``real`` and ``noise`` are (N, 3, R, R), ``levels`` (N,) int64 from 0, ``labels`` (N,) int64 classes.
        """
        noised = add_noise(real, noise, self.signal[levels].view(-1, 1, 1, 1), self.config.diffusion)
        predicted = cast(Denoiser, self.generator).predict(noised.images, levels, labels)
        return (noised.weight * (predicted - noised.target).square()).mean()

    def measurements(self) -> Tensor:
        return self.last

    def require_health(self, checkpoint: str) -> None:
        """The samples' diversity is asked for at the end only: to draw samples costs many steps."""
        diversity = None
        if self.steps == self.total_steps:
            samples = to_float(torch.from_numpy(self.samples())).to(self.device)
            diversity = float(least_diversity(samples, self.sample_inputs[2], self.real_distances))
        loss = float(self.last[0])
        require_denoising(loss, diversity, self.steps, self.last_good, self.config.min_diversity, checkpoint)

    def state(self, seconds: float) -> dict[str, Any]:
        return super().state(seconds) | {"optimiser": self.optimiser.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.optimiser.load_state_dict(state["optimiser"])


def add_noise(real: Tensor, noise: Tensor, signal: Tensor, config: params.Diffusion) -> Noised:
    """Images ``x`` (N, 3, R, R) with noise ``e`` (alike) at levels of ``signal`` alpha bar (N, 1, 1, 1).

    The image is ``sqrt(a) x + sqrt(1 - a) e``. The target is ``e``, or ``v = sqrt(a) e - sqrt(1 - a) x`` of
    Salimans and Ho (2022), "Progressive Distillation for Fast Sampling of Diffusion Models". The weight makes
    an error of the image itself count as min(SNR, ``min_snr``), SNR = a / (1 - a): Min-SNR of Hang et al.
    (2023), "Efficient Diffusion Training via Min-SNR Weighting Strategy". It is 1 where ``min_snr`` is 0.
    """
    image_part, noise_part = signal.sqrt(), (1 - signal).sqrt()
    images = image_part * real + noise_part * noise
    ratio = signal / (1 - signal)
    if config.prediction == "v":
        target, own = image_part * noise - noise_part * real, ratio + 1
    else:
        target, own = noise, ratio
    weight = ratio.clamp(max=config.min_snr) / own if config.min_snr else torch.ones_like(ratio)
    return Noised(images, target, weight)
