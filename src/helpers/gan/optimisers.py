"""Adam with one rate for all weights or with equalised rates, and one step of it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from helpers import params
from helpers.gan.networks import StyleGenerator, initial_deviation

MAPPING_RATE = 0.01  # of the other layers' learning rate, where rates are equalised


def adam(network: nn.Module, rate: float, config: params.Gan, device: str) -> torch.optim.Adam:
    """Adam over the trained weights of ``network``, in a form that a CUDA graph can capture."""
    groups = learning_rates(network, rate, config.equalised)
    return torch.optim.Adam(groups, betas=config.adam_betas, fused=True, capturable=device.startswith("cuda"))


def learning_rates(network: nn.Module, rate: float, equalised: bool) -> list[dict[str, Any]]:
    """Parameter groups for Adam: one rate for all, or each weight's in proportion to 1/sqrt(fan-in).

    The second is ProGAN's equalised learning rate (Karras et al. 2018). Adam does not see the scale of a
    gradient, so that scaling the rate equals scaling the weight in the forward pass. The mapping learns 100
    times slower (Karras et al. 2019).
    """
    trained = [p for p in network.parameters() if p.requires_grad]
    if not equalised:
        return [{"params": trained, "lr": rate}]
    factors = {id(p): 1.0 for p in trained}
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            factors[id(module.weight)] = initial_deviation(module.weight)
    if isinstance(network, StyleGenerator):
        for weight in network.mapping.parameters():
            factors[id(weight)] *= MAPPING_RATE
    return [
        {"params": [p for p in trained if factors[id(p)] == factor], "lr": rate * factor}
        for factor in dict.fromkeys(factors[id(p)] for p in trained)
    ]


def descend(loss: Tensor, optimiser: torch.optim.Optimizer, weights: Sequence[Tensor]) -> None:
    """One optimiser step on the gradient of ``loss`` by ``weights`` alone.

    The other network's gradients are never computed.
    """
    set_gradients(loss, weights)
    optimiser.step()


def set_gradients(loss: Tensor, weights: Sequence[Tensor]) -> None:
    """Give each of ``weights`` its gradient of ``loss``."""
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        # fused Adam reads weight and gradient in the order of memory: another layout would mix gradients up
        same = gradient.stride() == weight.stride()
        weight.grad = gradient if same else torch.empty_like(weight).copy_(gradient)
