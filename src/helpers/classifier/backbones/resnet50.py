"""ResNet50, the paper's backbone (He et al., "Deep Residual Learning for Image Recognition", 2016)."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from helpers.classifier.backbones import Backbone
from helpers.device import import_torchvision
from helpers.pretrained import torchvision_imagenet

if TYPE_CHECKING:
    from torch import Tensor, nn


def build() -> Any:
    """torchvision's network without its classification layer."""
    from torch import nn

    network = import_torchvision().models.resnet50(weights=None)
    network.fc = nn.Identity()
    return network


def split(network: Any) -> "list[nn.Module]":
    """The stem and the four layers."""
    from torch import nn

    stem = nn.Sequential(
        OrderedDict(conv1=network.conv1, bn1=network.bn1, relu=network.relu, maxpool=network.maxpool)
    )
    return [stem, network.layer1, network.layer2, network.layer3, network.layer4]


def imagenet() -> "dict[str, Tensor]":
    """torchvision's second set of ImageNet weights, fetched or from torch's cache."""
    return torchvision_imagenet(import_torchvision().models.ResNet50_Weights.IMAGENET1K_V2, BACKBONE.title)


BACKBONE = Backbone(
    title="ResNet50",
    stage_names=("stem", "layer1", "layer2", "layer3", "layer4"),
    features=2048,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    imagenet_source="torchvision's ResNet50_Weights.IMAGENET1K_V2",
    build=build,
    split=split,
    imagenet=imagenet,
)
