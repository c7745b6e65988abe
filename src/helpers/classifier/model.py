"""The classifier's network: an ImageNet backbone cut into stages, some of them frozen, under the paper's head.

Frozen stages keep weights and batch-norm statistics as they came, in training mode too, and run
without gradients, so that no graph is built for them.
"""

import copy
import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from helpers.classifier.depthwise import quicken_depthwise
from helpers.device import import_torchvision
from helpers.errors import ParameterError, UserError
from helpers.pretrained import LITE0_ORIGIN, fill_weights, lite0, lite0_imagenet, read_weights

STATISTICS = {  # what the published weights expect of inputs in 0..1
    "resnet50": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "efficientnet_lite0": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
FEATURES = {"resnet50": 2048, "efficientnet_lite0": 1280}


class Classifier(nn.Module):
    """``stages`` (a backbone in order), mean over positions, then Dropout, Linear, ReLU, Dropout, Linear.

    Input: float (B, 3, S, S), already normalised by ``mean`` and ``std`` (of values in 0..1).
    Output: logits, float32 (B, classes). The head runs in float32 whatever the convolutions' precision.
    """

    def __init__(
        self,
        stages: "OrderedDict[str, nn.Module]",
        backbone: str,
        num_classes: int,
        hidden: int,
        dropout: float,
        frozen_stages: int,
    ):
        super().__init__()
        if not 0 <= frozen_stages <= len(stages):
            raise ParameterError(
                f"classifier.frozen_stages is {frozen_stages}, and {backbone} has {len(stages)} stages ({', '.join(stages)}): give 0 to {len(stages)}."
            )
        features = FEATURES[backbone]
        self.backbone, self.frozen_stages = backbone, frozen_stages
        self.mean, self.std = STATISTICS[backbone]
        self.stages = nn.ModuleDict(stages)
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(features, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        self._fast: list[nn.Module] = []  # a list hides it from state_dict() and parameters(): it is a copy
        self.tail_precision: torch.dtype | None = None  # of the trained stages' convolutions; None: float32
        for stage in self.frozen():
            stage.requires_grad_(False)
        self.train()

    def frozen(self) -> list[nn.Module]:
        """The stages that are never changed, in order."""
        return list(self.stages.values())[: self.frozen_stages]

    def trained(self) -> list[nn.Module]:
        """The stages that are trained, in order."""
        return list(self.stages.values())[self.frozen_stages :]

    def train(self, mode: bool = True) -> "Classifier":
        """Training mode for all but the frozen stages, whose batch norms stay in evaluation mode."""
        super().train(mode)
        for stage in self.frozen():
            stage.eval()
        return self

    def prepare(self, device: str, precision: torch.dtype | None) -> "Classifier":
        """Move to ``device`` and settle the arithmetic: convolutions in ``precision`` (None: float32), in training and evaluation alike.

        The frozen stages run as a copy with their batch norms folded into the convolutions, which saves passes over memory and the
        casts of weights. On a CPU, large depthwise convolutions of the trained stages stay in float32 (see ``QuickDepthwise``).
        """
        self.to(device=device, memory_format=torch.channels_last)
        self.tail_precision = precision
        if device == "cpu":
            for stage in self.trained():
                quicken_depthwise(stage)
        if self.frozen_stages:
            trunk = fold_batch_norms(copy.deepcopy(nn.Sequential(*self.frozen())).eval())
            self._fast = [
                trunk.to(dtype=precision or torch.float32, memory_format=torch.channels_last).requires_grad_(
                    False
                )
            ]
        return self

    def trunk(self, inputs: torch.Tensor) -> torch.Tensor:
        """The frozen stages' output for normalised ``inputs``; built without gradients."""
        with (
            torch.no_grad()
        ):  # not inference mode, whose tensors the trained stages could not keep for their gradients
            if self._fast:
                weight = next(self._fast[0].parameters(), None)
                return self._fast[0](inputs if weight is None else inputs.to(weight.dtype))
            for stage in self.frozen():
                inputs = stage(inputs)
        return inputs

    def tail(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (float32) from the trunk's output."""
        if self.tail_precision is None:
            features = features.float()  # the trunk may run in bfloat16 before a tail in float32
        with torch.autocast(
            features.device.type, dtype=torch.bfloat16, enabled=self.tail_precision is not None
        ):
            for stage in self.trained():
                features = stage(features)
        return self.head(features.float().mean(dim=(2, 3)))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits (B, classes) of normalised images (B, 3, S, S)."""
        return self.tail(self.trunk(inputs))

    @torch.no_grad()
    def predict(self, inputs: torch.Tensor) -> torch.Tensor:
        """``forward`` without a graph; the caller has set evaluation mode."""
        return self(inputs)

    def state_digest(self) -> str:
        """A checksum of all weights and statistics."""
        return _state_digest(self.state_dict())

    def trunk_digest(self) -> str:
        """A checksum of the frozen stages' weights and statistics."""
        trained = self.trained_state()
        return _state_digest({key: value for key, value in self.state_dict().items() if key not in trained})

    def trained_state(self) -> dict[str, torch.Tensor]:
        """What training changes, weights and batch-norm statistics: the state without the frozen stages."""
        frozen = tuple(f"stages.{name}." for name in list(self.stages)[: self.frozen_stages])
        return {key: value for key, value in self.state_dict().items() if not key.startswith(frozen)}

    def load_trained_state(self, state: dict[str, torch.Tensor]) -> None:
        """Put back what ``trained_state`` gave."""
        own = self.trained_state()
        if own.keys() != state.keys():
            raise UserError("The stored weights belong to another classifier: their names do not match.")
        with torch.no_grad():
            for key, value in own.items():
                value.copy_(state[key])


def build_classifier(
    backbone: str = "resnet50",
    weights: str = "imagenet",
    num_classes: int = 7,
    hidden: int = 512,
    dropout: float = 0.5,
    frozen_stages: int = 4,
) -> Classifier:
    """The paper's classifier (its section 4.5) on ``resnet50``, or on ``efficientnet_lite0``.

    ``weights``: 'imagenet', 'none', or a backbone's file (.safetensors, or .pth read as plain tensors).
    ``frozen_stages``: how many of the first stages stay as they are. ResNet50: stem, layer1-4; Lite0: stem, blocks 0-6, conv_head.
    The head, and the backbone without weights, are initialised from torch's global generator.
    Raises ParameterError for an unknown name, a wrong number of stages or a file that does not fit, UserError where weights cannot be had.
    """
    if backbone not in FEATURES:
        raise ParameterError(f"classifier.backbone is '{backbone}'; the backbones are {', '.join(FEATURES)}.")
    network = _resnet50() if backbone == "resnet50" else lite0()
    if weights != "none":
        _load_backbone(network, backbone, weights)
    stages = _resnet50_stages(network) if backbone == "resnet50" else _lite0_stages(network)
    return Classifier(stages, backbone, num_classes, hidden, dropout, frozen_stages)


def _state_digest(state: dict[str, torch.Tensor]) -> str:
    found = hashlib.sha256()
    for key, value in state.items():
        found.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


# --- backbones ----------------------------------------------------------------------------------


def _resnet50() -> nn.Module:
    network = import_torchvision().models.resnet50(weights=None)
    network.fc = nn.Identity()
    return network


def _resnet50_stages(network: Any) -> "OrderedDict[str, nn.Module]":
    stem = nn.Sequential(
        OrderedDict(conv1=network.conv1, bn1=network.bn1, relu=network.relu, maxpool=network.maxpool)
    )
    return OrderedDict(
        stem=stem, layer1=network.layer1, layer2=network.layer2, layer3=network.layer3, layer4=network.layer4
    )


def _lite0_stages(network: Any) -> "OrderedDict[str, nn.Module]":
    stages = OrderedDict(stem=nn.Sequential(OrderedDict(conv_stem=network.conv_stem, bn1=network.bn1)))
    stages.update((f"block{index}", block) for index, block in enumerate(network.blocks))
    stages["conv_head"] = nn.Sequential(OrderedDict(conv_head=network.conv_head, bn2=network.bn2))
    return stages


# --- weights ------------------------------------------------------------------------------------


def _load_backbone(network: nn.Module, backbone: str, weights: str) -> None:
    """Fill ``network`` with ImageNet weights, or with a file's; the file's own classification layer is left out."""
    if weights == "imagenet":
        state, origin = _imagenet_state(backbone)
    else:
        state, origin = read_weights(weights), weights
    fill_weights(network, state, origin, backbone)


def _imagenet_state(backbone: str) -> tuple[dict[str, torch.Tensor], str]:
    if backbone == "efficientnet_lite0":
        return lite0_imagenet(), LITE0_ORIGIN
    weights = import_torchvision().models.ResNet50_Weights.IMAGENET1K_V2
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True), weights.url
    except Exception as error:
        raise UserError(
            f"ResNet50's ImageNet weights could not be fetched ({type(error).__name__}: {error}). Without a network, fetch {weights.url} elsewhere and "
            f"put it at {cached}, or set classifier.weights to the path of the file (.pth or .safetensors)."
        ) from error


# --- a faster frozen trunk ----------------------------------------------------------------------


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Fold every batch norm that directly follows a convolution into it, in place; evaluation mode only.

    ``w' = w g / sqrt(v + eps)``, ``b' = (b - m) g / sqrt(v + eps) + beta``. The function computed is the same up to rounding.
    """
    previous: tuple[nn.Module, str, nn.Module] | None = None
    for parent, name, child in _in_order(module):
        if (
            isinstance(child, nn.BatchNorm2d)
            and previous is not None
            and previous[2].out_channels == child.num_features
        ):
            setattr(previous[0], previous[1], fuse_conv_bn_eval(previous[2], child))
            # timm's batch norm carries its activation
            rest = [
                part
                for part in (getattr(child, "drop", None), getattr(child, "act", None))
                if part is not None
            ]
            setattr(parent, name, nn.Sequential(*rest) if rest else nn.Identity())
            previous = None
        elif isinstance(child, nn.Conv2d):
            previous = (parent, name, child)
        elif not isinstance(child, nn.Identity):
            previous = None
    return module


def _in_order(module: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Leaves as (parent, name, child); a batch norm counts as a leaf, and children stand in the order in which they run."""
    found = []
    for name, child in module.named_children():
        if isinstance(child, (nn.Conv2d, nn.BatchNorm2d)) or not any(True for _ in child.children()):
            found.append((module, name, child))
        else:
            found += _in_order(child)
    return found
