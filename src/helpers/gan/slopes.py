"""The gradient of a critic's scores by its images, written out as a network of its own.

The gradient penalties need this gradient, and then the penalty's gradient by the weights. Autograd can do
both, but the second derivative of a convolution is slow: PyTorch computes its part by the weights as a
convolution with a kernel as large as the image. A critic of convolutions, LeakyReLU and means is linear
between its kinks, so that its gradient is a chain of known operations: each convolution transposed, each
activation a factor of 1 or 0.2 by the sign of what it gave. Written so, every convolution is an ordinary one,
and autograd differentiates once. The result is the same but for rounding (tests/gan/test_slopes.py).
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.gan.spectral import SpectralConv

SLOPE = 0.2  # of LeakyReLU below zero


class Convolved(NamedTuple):
    """What the way back needs of a convolution and its activation."""

    weight: Tensor
    padding: tuple[int, int]
    activated: Tensor | None  # (N, C, H, W) behind LeakyReLU; None where no activation follows


Tape = list[Convolved]  # in the order of the way there; the way back takes them from its end


def activate(x: Tensor) -> Tensor:
    """LeakyReLU; ``x`` itself is overwritten."""
    return F.leaky_relu(x, SLOPE, inplace=True)


def convolve(layer: nn.Conv2d, x: Tensor, tape: Tape | None = None, activated: bool = True) -> Tensor:
    """A convolution and, if ``activated``, LeakyReLU; noted on ``tape`` if there is one."""
    weight = layer.normalised_weight() if isinstance(layer, SpectralConv) else layer.weight
    x = F.conv2d(x, weight, layer.bias, padding=layer.padding)
    if activated:
        x = activate(x)
    if tape is not None:
        padding = layer.padding
        assert not isinstance(padding, str)
        tape.append(Convolved(weight, (padding[0], padding[1]), x if activated else None))
    return x


def pull_back(noted: Convolved, gradient: Tensor) -> Tensor:
    """The gradient by what a convolution was given, from the gradient by what came out of it.

    ``gradient`` (N, C, H, W) belongs to the last N images that were convolved. Differentiable once, by the
    gradient and the weight; the signs of the activations are constants.
    """
    if noted.activated is not None:
        signs = noted.activated.detach()[-len(gradient) :]
        gradient = torch.ops.aten.leaky_relu_backward(gradient.to(signs.dtype), signs, SLOPE, True)
    return F.conv_transpose2d(gradient, noted.weight, padding=noted.padding)


def halve(x: Tensor) -> Tensor:
    """Means of 2 x 2 pixels, of even sides; differentiable any number of times."""
    return _Halving.apply(x)


class _Halving(torch.autograd.Function):
    """On a CPU PyTorch's own backward pass of the means takes up to three times as long as ``spread``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return spread(gradient)


def spread(gradient: Tensor) -> Tensor:
    """The adjoint of ``halve``: a quarter to each of 2 x 2 pixels."""
    # behind the head the gradient has another layout than the activations that it will meet
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    return F.interpolate(gradient * 0.25, scale_factor=2, mode="nearest")
