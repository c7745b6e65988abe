"""The GAN's recipes: each file of this folder holds one, ``RECIPE``; its name is a choice of ``gan.recipe``.

To add a recipe, write one such file. It imports torch inside its functions only, because parameters and
reports read recipes too. Code of networks and losses that outgrows it goes to modules that only this recipe
imports.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.errors import ParameterError
from helpers.registry import Registry

if TYPE_CHECKING:
    import numpy as np

    from helpers import params
    from helpers.gan.losses import Loss
    from helpers.gan.networks import Critic, Generator
    from helpers.gan.trainer import Trainer


@dataclass(frozen=True)
class Recipe:
    """The networks, what they descend, and how."""

    title: str  # its name for readers
    meaning: str  # what it consists of, for the table of parameters
    own_parameters: frozenset[str]  # of the section gan: those that no other recipe reads
    # with weights drawn from torch's global source
    build_networks: Callable[[params.Gan], tuple[Generator, Critic | None]]
    # module and class of what trains them (``helpers.gan.trainer.Trainer``); names, so that what only reads
    # a recipe does not depend on the code of the training
    trainer: tuple[str, str]
    # of generator and critic, on a device; None: there is no critic, and the trainer has its loss itself
    build_loss: Callable[[params.Gan, str], Loss] | None = None
    package: str = (
        ""  # that it needs and the project does not install by itself; its extra has the recipe's name
    )

    def build_trainer(
        self,
        images: np.ndarray,
        config: params.Gan,
        device: str,
        seed: int,
        labels: np.ndarray | None = None,
    ) -> Trainer:
        """The trainer of new networks on ``images``, uint8 (N, R, R, 3), of the classes ``labels`` (N,)."""
        module, name = self.trainer
        return getattr(importlib.import_module(module), name)(images, config, device, seed, labels)

    @property
    def has_critic(self) -> bool:
        """Whether a critic is trained beside the generator, which can score images."""
        return self.build_loss is not None


RECIPES = Registry[Recipe]("helpers.gan.recipes", "RECIPE", "recipe")


def require_package(recipe: str) -> None:
    """Raise ParameterError, with the way to install it, where a package that ``recipe`` needs is missing."""
    package = RECIPES.get(recipe).package
    if package and importlib.util.find_spec(package) is None:
        raise ParameterError(
            f"gan.recipe is '{recipe}', which needs the package {package}, and it is not installed: write "
            f"'.venv/bin/python -m pip install \".[{recipe}]\"' in the project's folder, or choose another "
            "gan.recipe."
        )
