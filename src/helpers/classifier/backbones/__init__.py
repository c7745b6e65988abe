"""The ImageNet networks that the classifier can use under its head, one in each file of this folder."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from helpers.pretrained import CLASSIFICATION_LAYERS
from helpers.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Backbone:
    """A network, its stages, its ImageNet weights, and what these expect of their input.

    The functions import torch, torchvision or timm only when they are called.
    """

    title: str  # its name for readers
    stage_names: tuple[str, ...]  # in the order in which they run; the first ones can be frozen
    features: int  # channels of the last stage's output
    mean: Colour  # of the inputs that the ImageNet weights expect, for values in 0..1
    std: Colour
    imagenet_source: str  # where the ImageNet weights come from, for readers
    build: Callable[[], Any]  # the network, with weights drawn from torch's global generator
    split: "Callable[[Any], list[nn.Module]]"  # the network's stages, as many as there are names
    imagenet: (
        "Callable[[], dict[str, Tensor]]"  # the ImageNet weights; raises UserError where they cannot be had
    )
    classification_layer: tuple[str, ...] = CLASSIFICATION_LAYERS  # how its names begin in a file of weights
    after_pooling: "Callable[[Any], nn.Module] | None" = None  # what follows the mean over positions
    smallest_side: int = 32  # of an image, in pixels, for which every stage has an output

    @property
    def stages(self) -> int:
        """The number of stages that can be frozen."""
        return len(self.stage_names)


BACKBONES = Registry[Backbone]("helpers.classifier.backbones", "BACKBONE", "backbone")
