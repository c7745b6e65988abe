"""Denoising diffusion (Ho et al. 2020): one network that takes noise out of images, and no critic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.gan.recipes import Recipe

if TYPE_CHECKING:
    from helpers import params
    from helpers.gan.diffusion_networks import Denoiser


def build_networks(config: params.Gan) -> tuple[Denoiser, None]:
    """The network with weights drawn from torch's global source.

    Raises ParameterError where the package diffusers is not installed.
    """
    from helpers.gan.diffusion_networks import Denoiser

    return Denoiser(config, config.label_count), None


RECIPE = Recipe(
    title="Denoising diffusion",
    meaning="a U-Net that takes noise out of images, without a critic",
    own_parameters=frozenset({"diffusion"}),
    build_networks=build_networks,
    trainer=("helpers.gan.diffusion", "DiffusionTrainer"),
    package="diffusers",
)
