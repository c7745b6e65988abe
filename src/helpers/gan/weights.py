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
from helpers.gan.networks import Critic, Generator
from helpers.gan.recipes import RECIPES
from helpers.paths import from_project, require

FILES = ("generator.safetensors", "discriminator.safetensors")

Network = TypeVar("Network", bound=nn.Module)


def empty_networks(config: params.Gan) -> tuple[Generator, Critic | None]:
    """Generator and critic, if any, of ``config.recipe``, with weights drawn from torch's global source."""
    return RECIPES.get(config.recipe).build_networks(config)


def weight_files(config: params.Gan) -> tuple[str, ...]:
    """Names of the files of weights that ``config.recipe`` has: without a critic, the generator's alone."""
    return FILES if RECIPES.get(config.recipe).has_critic else FILES[:1]


def build_networks(config: params.Gan, seed: int, device: str) -> tuple[Generator, Critic | None]:
    """Generator and critic, if any, of ``config.recipe`` on ``device``.

    Their weights are drawn from ``seed``, the same on any device, or read from ``config.initial_weights``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, critic = empty_networks(config)
    for network, path in zip((generator, critic), initial_files(config), strict=False):
        if network is not None:
            _load_weights(network, path)
    return _place(generator, device), None if critic is None else _place(critic, device)


def initial_files(config: params.Gan) -> list[Path]:
    """The files that ``config.initial_weights`` names; none where training starts from drawn weights.

    Raises ParameterError where one is absent.
    """
    if config.initial_weights is None:
        return []
    folder = from_project(config.initial_weights)
    names = weight_files(config)
    for name in names:
        if not (folder / name).is_file():
            raise ParameterError(
                f"gan.initial_weights is '{config.initial_weights}', and {folder / name} is not there: "
                f"name a folder with {' and '.join(names)}."
            )
    return [folder / name for name in names]


def load_generator(directory: Path | str, config: params.Gan, device: str) -> Generator:
    """The trained generator (moving average) in ``directory``; raises MissingStageError if there is none."""
    return _load_trained(empty_networks(config)[0], Path(directory) / FILES[0], device)


def load_discriminator(directory: Path | str, config: params.Gan, device: str) -> Critic:
    """The trained critic in ``directory``; raises MissingStageError if it is not there.

    ``config.recipe`` has a critic.
    """
    critic = empty_networks(config)[1]
    assert critic is not None, config.recipe
    return _load_trained(critic, Path(directory) / FILES[1], device)


def save_networks(generator: nn.Module, critic: nn.Module | None, directory: Path) -> None:
    """generator.safetensors and discriminator.safetensors, each whole or not at all.

    Without a critic a discriminator.safetensors of another recipe is removed.
    """
    for name, network in zip(FILES, (generator, critic), strict=True):
        if network is None:
            (directory / name).unlink(missing_ok=True)
            continue
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
