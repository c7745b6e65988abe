"""StyleGAN2's recipe (Karras et al. 2020): what one would choose today for a few hundred images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.gan.recipes import Recipe

if TYPE_CHECKING:
    from helpers import params
    from helpers.gan.nonsaturating import NonSaturatingLoss
    from helpers.gan.stylegan2_networks import StyleGAN2Discriminator, StyleGAN2Generator


def build_networks(config: params.Gan) -> tuple[StyleGAN2Generator, StyleGAN2Discriminator]:
    """Generator and critic with weights drawn from torch's global source, in this order."""
    from helpers.gan.stylegan2_networks import StyleGAN2Discriminator, StyleGAN2Generator

    size = config.resolution, config.channel_scale, config.label_count
    generator = StyleGAN2Generator(*size)
    return generator, StyleGAN2Discriminator(*size)


def build_loss(config: params.Gan, device: str) -> NonSaturatingLoss:
    """The non-saturating loss with lazy penalties."""
    from helpers.gan.nonsaturating import NonSaturatingLoss

    return NonSaturatingLoss(config, device)


RECIPE = Recipe(
    title="StyleGAN2",
    meaning="weight demodulation, skip generator, residual critic, non-saturating loss with lazy R1",
    own_parameters=frozenset({"r1_weight", "r1_every", "path_length_weight", "path_length_every"}),
    build_networks=build_networks,
    trainer=("helpers.gan.adversarial", "AdversarialTrainer"),
    build_loss=build_loss,
)
