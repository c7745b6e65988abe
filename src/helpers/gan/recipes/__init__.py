"""The GAN's recipes: each file of this folder holds one, ``RECIPE``; its name is a choice of ``gan.recipe``.

To add a recipe, write one such file. It imports torch inside its functions only, because parameters and
reports read recipes too. Code of networks and losses that outgrows it goes to modules that only this recipe
imports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.registry import Registry

if TYPE_CHECKING:
    from helpers import params
    from helpers.gan.losses import Loss
    from helpers.gan.networks import Critic, StyleGenerator


@dataclass(frozen=True)
class Recipe:
    """A pair of networks and what they descend."""

    title: str  # its name for readers
    meaning: str  # what it consists of, for the table of parameters
    own_parameters: frozenset[str]  # of the section gan: those that no other recipe reads
    # with weights drawn from torch's global source
    build_networks: Callable[[params.Gan], tuple[StyleGenerator, Critic]]
    build_loss: Callable[[params.Gan, str], Loss]  # the second argument is the device


RECIPES = Registry[Recipe]("helpers.gan.recipes", "RECIPE", "recipe")
