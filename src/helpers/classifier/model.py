"""The classifier's network: an ImageNet backbone in stages, some of them frozen, under the paper's head.

Frozen stages keep their first weights and batch-norm statistics, in training mode too. They run without
gradients, so that no graph is built for them.
"""

import copy
import hashlib

import torch
from torch import nn

from helpers.classifier.backbones import BACKBONES
from helpers.classifier.depthwise import quicken_depthwise
from helpers.classifier.folding import fold_batch_norms
from helpers.classifier.pointwise import quicken_pointwise
from helpers.errors import ParameterError, UserError
from helpers.pretrained import fill_weights, read_weights


class Classifier(nn.Module):
    """The backbone's ``stages``, mean over positions, then Dropout, Linear, ReLU, Dropout, Linear.

    Input: float (B, 3, S, S), already normalised by ``mean`` and ``std`` (of values in 0..1). Output: logits,
    float32 (B, classes). What follows the stages runs in float32, whatever the precision of the convolutions.
    ``after_pooling`` is a layer of some backbones (ConvNeXt's layer norm) that belongs to no stage; it is
    always trained.
    """

    def __init__(
        self,
        backbone: str,
        network: nn.Module,
        num_classes: int,
        hidden: int,
        dropout: float,
        frozen_stages: int,
    ):
        """``network`` comes from the ``build`` of ``BACKBONES.get(backbone)``.

        Raises ParameterError for a number of frozen stages that the backbone does not have.
        """
        super().__init__()
        kind = BACKBONES.get(backbone)
        if not 0 <= frozen_stages <= kind.stages:
            raise ParameterError(
                f"classifier.frozen_stages is {frozen_stages}, and {backbone} has {kind.stages} stages "
                f"({', '.join(kind.stage_names)}): give 0 to {kind.stages}."
            )
        self.backbone, self.frozen_stages, self.num_classes = backbone, frozen_stages, num_classes
        self.mean, self.std = kind.mean, kind.std
        self.stages = nn.ModuleDict(dict(zip(kind.stage_names, kind.split(network), strict=True)))
        self.after_pooling = kind.after_pooling(network) if kind.after_pooling else nn.Identity()
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(kind.features, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        # The fast copy of the frozen stages; a list hides it from state_dict() and parameters().
        self._fast: list[nn.Module] = []
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
        """Move to ``device`` and fix the arithmetic, for training and evaluation alike.

        Convolutions run in ``precision`` (None: float32). The frozen stages run as a copy whose batch norms
        are folded into the convolutions, which saves passes over memory and casts of weights. On a CPU, large
        depthwise convolutions of the trained stages stay in float32 (see ``QuickDepthwise``), and in float32
        those of 1 x 1 are matrix products (``QuickPointwise``).
        """
        self.to(device).to(memory_format=torch.channels_last)
        self.tail_precision = precision
        if device == "cpu":
            for stage in self.trained():
                quicken_depthwise(stage)
                if precision is None:
                    quicken_pointwise(stage)
        if self.frozen_stages:
            trunk = fold_batch_norms(copy.deepcopy(nn.Sequential(*self.frozen())).eval())
            trunk.to(precision or torch.float32).to(memory_format=torch.channels_last)
            self._fast = [trunk.requires_grad_(False)]
        return self

    def trunk(self, inputs: torch.Tensor) -> torch.Tensor:
        """The frozen stages' output for normalised ``inputs``, computed without gradients."""
        # Not inference mode: the trained stages could not keep its tensors for their gradients.
        with torch.no_grad():
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
        # the mean along the memory of a channels-last tensor, whose gradient then lies channels last too
        pooled = features.float().permute(0, 2, 3, 1).flatten(1, 2).mean(dim=1)
        return self.head(self.after_pooling(pooled))

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
            raise UserError(
                "The stored weights belong to another classifier, because their names do not match: move the "
                "checkpoint (checkpoint-*.pt) out of the training's folder and start again."
            )
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
    """The paper's classifier (its section 4.5) on any of the BACKBONES; the paper's is ``resnet50``.

    ``weights``: 'imagenet', 'none', or a file with the backbone's (.safetensors, or .pth read as plain
    tensors) or with those of a trained classifier of this project, whose head is not taken.
    ``frozen_stages``: how many of the backbone's first stages (its ``stage_names``) are not trained. The
    head, and the backbone where ``weights`` is 'none', are initialised from torch's global generator.
    Raises ParameterError for an unknown name, a wrong number of stages or a file that does not fit,
    UserError where the ImageNet weights cannot be had.
    """
    kind = BACKBONES.get(backbone)
    network = kind.build()
    state: dict[str, torch.Tensor] = {}
    if weights == "imagenet":
        fill_weights(network, kind.imagenet(), kind.imagenet_source, backbone, kind.classification_layer)
    elif weights != "none":
        state = read_weights(weights)
        if not _is_classifier(state):
            fill_weights(network, state, weights, backbone, kind.classification_layer)
    model = Classifier(backbone, network, num_classes, hidden, dropout, frozen_stages)
    if _is_classifier(state):
        _take_stages(model, state, weights)
    return model


def _is_classifier(state: dict[str, torch.Tensor]) -> bool:
    """Whether a file's tensors are those of a classifier of this project, named as ``Classifier`` names."""
    return any(key.startswith("stages.") for key in state)


def _take_stages(model: Classifier, state: dict[str, torch.Tensor], origin: str) -> None:
    """Fill all of ``model`` but its head with another classifier's weights, which ``origin`` holds."""
    own, theirs = (
        {key: value for key, value in each.items() if not key.startswith("head.")}
        for each in (model.state_dict(), state)
    )
    if {key: value.shape for key, value in own.items()} != {k: value.shape for k, value in theirs.items()}:
        raise ParameterError(
            f"{origin} holds a classifier on another network than {model.backbone}: give weights of the same "
            "classifier.backbone."
        )
    model.load_state_dict(theirs, strict=False)


def _state_digest(state: dict[str, torch.Tensor]) -> str:
    found = hashlib.sha256()
    for key, value in state.items():
        found.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
