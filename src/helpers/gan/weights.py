"""Both networks with new, given or trained weights, on disk as safetensors: reading these runs no code."""

from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from helpers import params
from helpers.errors import ParameterError, TrainingError
from helpers.files import atomic_path
from helpers.gan.networks import Critic, StyleGenerator
from helpers.gan.recipes import RECIPES
from helpers.paths import from_project, require

FILES = ("generator.safetensors", "discriminator.safetensors")

Network = TypeVar("Network", bound=nn.Module)


def empty_networks(config: params.Gan) -> tuple[StyleGenerator, Critic]:
    """Generator and critic of ``config.recipe``, with weights drawn from torch's global source."""
    return RECIPES.get(config.recipe).build_networks(config)


def build_networks(config: params.Gan, seed: int, device: str) -> tuple[StyleGenerator, Critic]:
    """Generator and critic of ``config.recipe`` on ``device``.

    Their weights are drawn from ``seed``, the same on any device, or read from ``config.initial_weights``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, critic = empty_networks(config)
    for network, path in zip((generator, critic), initial_files(config), strict=False):
        _load_weights(network, path)
    return _place(generator, device), _place(critic, device)


def initial_files(config: params.Gan) -> list[Path]:
    """The files that ``config.initial_weights`` names; none where training starts from drawn weights.

    Raises ParameterError where one is absent.
    """
    if config.initial_weights is None:
        return []
    folder = from_project(config.initial_weights)
    for name in FILES:
        if not (folder / name).is_file():
            raise ParameterError(
                f"gan.initial_weights is '{config.initial_weights}', and {folder / name} is not there: "
                f"name a folder with {' and '.join(FILES)}."
            )
    return [folder / name for name in FILES]


def load_generator(directory: Path | str, config: params.Gan, device: str) -> StyleGenerator:
    """The trained generator (moving average) in ``directory``; raises MissingStageError if there is none."""
    return _load_trained(empty_networks(config)[0], Path(directory) / FILES[0], device)


def load_discriminator(directory: Path | str, config: params.Gan, device: str) -> Critic:
    """The trained critic in ``directory``; raises MissingStageError if there is none."""
    return _load_trained(empty_networks(config)[1], Path(directory) / FILES[1], device)


def save_networks(generator: nn.Module, critic: nn.Module, directory: Path) -> None:
    """generator.safetensors and discriminator.safetensors, each whole or not at all."""
    for name, network in zip(FILES, (generator, critic), strict=True):
        with atomic_path(directory / name) as temporary:
            save_file(
                {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()},
                temporary,
            )


def _load_trained(network: Network, path: Path, device: str) -> Network:
    _load_weights(network, require(path, "gan"))
    return _place(network, device).eval().requires_grad_(False)


def _place(network: Network, device: str) -> Network:
    """``network`` on ``device``, with the layout in memory that convolutions are fastest in."""
    return network.to(device).to(memory_format=torch.channels_last)


def _load_weights(network: nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(load_file(path))
    except SafetensorError as error:
        raise TrainingError(
            f"{path} is not a whole safetensors file ({_first_line(error)}), and weights are read from no "
            "other kind."
        ) from None
    except RuntimeError as error:
        raise TrainingError(
            f"The weights in {path} were trained with another gan.recipe, resolution, channel_scale, "
            f"spectral_norm or number of classes: run the stage 'gan' again ({_first_line(error)})."
        ) from None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[min(1, len(lines) - 1)].strip()
