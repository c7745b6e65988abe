"""Depthwise convolutions whose gradients are quick on a CPU.

For kernels of 5 x 5, oneDNN's gradient of the weights takes ten times as long as all the rest of the layer,
and in bfloat16 a hundred times. On few positions, as in a deep stage, products of each input position with
each output position, summed over the batch by one matrix product for each channel, hold the same gradient:
each product belongs to one position of the kernel or to none.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

FEW_POSITIONS = 64  # of the input, up to which the products of all positions are quicker


class _DepthwiseConvolution(torch.autograd.Function):
    """``conv2d`` with one input channel per group; ``weight_gradient`` gives the gradient of its weights."""

    @staticmethod
    def forward(
        context: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int
    ) -> Tensor:
        context.save_for_backward(inputs, weight)
        context.stride, context.padding = stride, padding
        return conv2d(inputs, weight, bias, stride, padding, 1, len(weight))

    @staticmethod
    def backward(
        context: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        inputs, weight = context.saved_tensors
        stride, padding = context.stride, context.padding
        of_inputs = of_weight = of_bias = None
        if context.needs_input_grad[0]:
            settings = (
                None,
                (stride,) * 2,
                (padding,) * 2,
                (1, 1),
                False,
                (0, 0),
                len(weight),
                (True, False, False),
            )
            of_inputs = torch.ops.aten.convolution_backward(gradient, inputs, weight, *settings)[0]
        if context.needs_input_grad[1]:
            of_weight = weight_gradient(inputs, gradient, weight.shape[-1], stride, padding)
        if context.needs_input_grad[2]:
            of_bias = gradient.sum(dim=(0, 2, 3))
        return of_inputs, of_weight, of_bias, None, None


def weight_gradient(inputs: Tensor, gradient: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """Gradient (C, 1, K, K) of a depthwise convolution's weights.

    ``dw[c, i, j] = sum over b, y, x of inputs[b, c, s y + i - p, s x + j - p] * gradient[b, c, y, x]``, for
    the stride s and the padding p. ``inputs``: (B, C, H, H); ``gradient`` of the output: (B, C, H', H').
    """
    channels, sides = inputs.shape[1], (inputs.shape[2], gradient.shape[2])
    products = torch.bmm(_by_channel(inputs), _by_channel(gradient).transpose(1, 2)).reshape(channels, -1)
    places = _places(kernel, stride, padding, *sides).to(products.dtype)
    return (products @ places).view(channels, 1, kernel, kernel)


def _by_channel(values: Tensor) -> Tensor:
    """(B, C, H, W) as (C, H W, B), by one transposition of a channels-last tensor."""
    batch, channels, height, width = values.shape
    turned = values.permute(0, 2, 3, 1).reshape(batch, -1).T.contiguous()
    return turned.view(height * width, channels, batch).transpose(0, 1)


@lru_cache
def _places(kernel: int, stride: int, padding: int, side_in: int, side_out: int) -> Tensor:
    """float32 (H H H' H', K K): 1 where the kernel's position connects input and output position, else 0."""
    at_input, at_output, at_kernel = torch.arange(side_in), torch.arange(side_out), torch.arange(kernel)
    reached = stride * at_output[:, None] + at_kernel - padding
    along = (at_input[:, None, None] == reached).float()  # one axis: (H, H', K)
    return torch.einsum("ayi,bxj->abyxij", along, along).reshape(-1, kernel * kernel)


class QuickDepthwise(nn.Module):
    """Replaces a depthwise ``nn.Conv2d`` and computes in float32.

    It shares the layer's weight and bias under the same names.
    """

    def __init__(self, layer: nn.Conv2d):
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        self.stride, self.padding = layer.stride[0], int(layer.padding[0])
        self.pads_by_size = type(layer) is not nn.Conv2d  # timm's layer for TensorFlow's networks

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) in any precision to float32 (B, C, H', W')."""
        kernel = self.weight.shape[-1]
        with torch.autocast(inputs.device.type, enabled=False):
            inputs = inputs.float()
            if self.pads_by_size:
                from timm.layers import pad_same

                inputs = pad_same(inputs, [kernel, kernel], [self.stride, self.stride])
            if inputs.shape[2] * inputs.shape[3] > FEW_POSITIONS or inputs.shape[2] != inputs.shape[3]:
                return conv2d(inputs, self.weight, self.bias, self.stride, self.padding, 1, len(self.weight))
            return _DepthwiseConvolution.apply(inputs, self.weight, self.bias, self.stride, self.padding)


def quicken_depthwise(module: nn.Module) -> None:
    """Put ``QuickDepthwise`` in the place of every depthwise convolution above 3 x 3 in ``module``.

    Layers with settings that it does not know (dilation, unequal sides, padding other than zeros) stay.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and _can_be_quick(child):
                setattr(parent, name, QuickDepthwise(child))


def _can_be_quick(layer: nn.Conv2d) -> bool:
    """Whether ``QuickDepthwise`` computes what ``layer`` does, and is worth it."""
    depthwise = layer.groups == layer.in_channels == layer.out_channels > 1
    plain = layer.dilation == (1, 1) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    square = all(len(set(sides)) == 1 for sides in (layer.kernel_size, layer.stride, layer.padding))
    return depthwise and plain and square and layer.kernel_size[0] > 3 and _pads_are_known(layer)


def _pads_are_known(layer: nn.Conv2d) -> bool:
    """True for ``nn.Conv2d`` itself and for timm's convolution that pads by the image's size."""
    if type(layer) is nn.Conv2d:
        return True
    from timm.layers import Conv2dSame

    return type(layer) is Conv2dSame
