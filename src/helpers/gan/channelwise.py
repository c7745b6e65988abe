"""Sums and products of images with one value per channel or per pixel, fast in bfloat16 on a CPU.

Images lie channels-last in memory. Between an image and a value per channel (or per pixel), PyTorch's
innermost loop runs along the channels of one pixel: where these are fewer than a vector holds, in bfloat16
32, that takes three to six times as long as a loop along whole rows of pixels. So the values are written out
along one row (or along the channels), and both operands are looked at as rows (N, H, W * C). Every element
goes through the same arithmetic, so that the result is the same to the bit (tests/gan/test_channelwise.py).
With more channels and in float32 the plain expression is as fast or faster, and on a GPU a loop has no such
order; there it is taken.
"""

from typing import Any

import torch
from torch import Tensor

FEW_CHANNELS = 32  # below so many, a loop along rows is quicker


def minus(x: Tensor, values: Tensor) -> Tensor:
    """``x`` (N, C, H, W) minus ``values`` (N, C, 1, 1) of its dtype. Not differentiable."""
    if not _by_rows(x):
        return x - values
    result = torch.empty_like(x)
    torch.sub(_rows(x), _along_row(values, x), out=_rows(result))
    return result


def scale_and_shift(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """``scale * x + shift`` in one pass. Not differentiable.

    ``x`` is (N, C, H, W), ``scale`` (N, C, 1, 1) and ``shift`` (N, C, 1, 1) or like ``x``, all of one dtype.
    """
    if not _by_rows(x):
        return torch.addcmul(shift, x, scale)
    result = torch.empty_like(x)
    shift = _rows(shift) if shift.shape == x.shape else _along_row(shift, x)
    torch.addcmul(shift, _rows(x), _along_row(scale, x), out=_rows(result))
    return result


def plus_pixels(x: Tensor, values: Tensor) -> Tensor:
    """``x`` (N or 1, C, H, W) plus ``values`` (N, 1, H, W) of its dtype.

    Differentiable any number of times.
    """
    if len(x) != len(values) or not _by_rows(x):
        return x + values
    return _PlusPixels.apply(x, values)


class _PlusPixels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Tensor) -> Tensor:
        result = torch.empty_like(x)
        along_channels = values.expand(-1, x.shape[1], -1, -1)
        torch.add(_rows(x), _rows(along_channels), out=_rows(result))
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, gradient.sum(1, keepdim=True)


def _by_rows(x: Tensor) -> bool:
    """Whether the loop along rows pays, and ``_rows(x)`` is a view."""
    slow = x.dtype == torch.bfloat16 and x.device.type == "cpu" and x.shape[1] < FEW_CHANNELS
    return slow and x.is_contiguous(memory_format=torch.channels_last)


def _rows(x: Tensor) -> Tensor:
    """(N, C, H, W) as (N, H, W * C)."""
    return x.permute(0, 2, 3, 1).flatten(2)


def _along_row(values: Tensor, x: Tensor) -> Tensor:
    """(N, C, 1, 1) as (N, 1, W * C), once for each pixel of a row of ``x``."""
    return _rows(values.expand(-1, -1, -1, x.shape[3]))
