"""ConvNeXt-Tiny (Liu et al., "A ConvNet for the 2020s", 2022), with layer norms in place of batch norms."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from helpers.classifier.backbones import Backbone
from helpers.device import import_torchvision
from helpers.pretrained import torchvision_imagenet

if TYPE_CHECKING:
    from torch import Tensor, nn


def build() -> Any:
    """torchvision's network, whose classifier keeps the layer norm of the pooled features only."""
    from torch import nn

    network = import_torchvision().models.convnext_tiny(weights=None)
    network.classifier = nn.Sequential(nn.LayerNorm(BACKBONE.features, eps=1e-6))
    return network


def split(network: Any) -> "list[nn.Module]":
    """The stem and the four stages, each but the first with the downsampling before it."""
    from torch import nn

    stem, first, *others = network.features
    pairs = zip(others[::2], others[1::2], strict=True)
    return [
        stem,
        first,
        *(nn.Sequential(OrderedDict(downsample=down, blocks=blocks)) for down, blocks in pairs),
    ]


def imagenet() -> "dict[str, Tensor]":
    """torchvision's ImageNet weights, fetched or from torch's cache."""
    return torchvision_imagenet(
        import_torchvision().models.ConvNeXt_Tiny_Weights.IMAGENET1K_V1, BACKBONE.title
    )


BACKBONE = Backbone(
    title="ConvNeXt-Tiny",
    stage_names=("stem", "stage1", "stage2", "stage3", "stage4"),
    features=768,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    imagenet_source="torchvision's ConvNeXt_Tiny_Weights.IMAGENET1K_V1",
    build=build,
    split=split,
    imagenet=imagenet,
    classification_layer=("classifier.2.",),
    after_pooling=lambda network: network.classifier[0],
)
