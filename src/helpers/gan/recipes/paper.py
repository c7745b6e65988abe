"""The paper's recipe: a generator of AdaIN layers, a critic under spectral norm, WGAN-GP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.gan.recipes import Recipe

if TYPE_CHECKING:
    from helpers import params
    from helpers.gan.paper_networks import Discriminator, Generator
    from helpers.gan.wasserstein import WassersteinLoss


def build_networks(config: params.Gan) -> tuple[Generator, Discriminator]:
    """Generator and critic with weights drawn from torch's global source, in this order."""
    from helpers.gan.paper_networks import Discriminator, Generator

    size, classes = (config.resolution, config.channel_scale), config.label_count
    generator = Generator(*size, config.style_order, config.rgb, classes)
    return generator, Discriminator(*size, config.spectral_norm, classes)


def build_loss(config: params.Gan, device: str) -> WassersteinLoss:
    """WGAN-GP."""
    from helpers.gan.wasserstein import WassersteinLoss

    return WassersteinLoss(config, device)


RECIPE = Recipe(
    title="AdaIN and WGAN-GP as in the paper",
    meaning="AdaIN and WGAN-GP",
    own_parameters=frozenset(
        {"gradient_penalty", "penalty_share", "drift_penalty", "spectral_norm", "style_order", "rgb"}
    ),
    build_networks=build_networks,
    trainer=("helpers.gan.adversarial", "AdversarialTrainer"),
    build_loss=build_loss,
)
