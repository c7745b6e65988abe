"""What the EfficientNet-Lite networks have in common as backbones: their stages and their inputs."""

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

from helpers.classifier.backbones import Backbone
from helpers.pretrained import (
    efficientnet_lite,
    efficientnet_lite_imagenet,
    efficientnet_lite_package,
)

if TYPE_CHECKING:
    from torch import nn


def split(network: Any) -> "list[nn.Module]":
    """The stem, the seven blocks and the last convolution."""
    from torch import nn

    stem = nn.Sequential(OrderedDict(conv_stem=network.conv_stem, bn1=network.bn1))
    last = nn.Sequential(OrderedDict(conv_head=network.conv_head, bn2=network.bn2))
    return [stem, *network.blocks, last]


def efficientnet_lite_backbone(number: int) -> Backbone:
    """The backbone EfficientNet-Lite<number>, with 1,280 features (true of Lite0 to Lite4)."""
    return Backbone(
        title=f"EfficientNet-Lite{number}",
        stage_names=("stem", *(f"block{index}" for index in range(7)), "conv_head"),
        features=1280,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        imagenet_source=f"the package {efficientnet_lite_package(number)}",
        build=partial(efficientnet_lite, number),
        split=split,
        imagenet=partial(efficientnet_lite_imagenet, number),
    )
