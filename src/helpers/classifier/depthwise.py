"""Depthwise convolutions whose gradients are quick on a CPU.

For kernels of 5 x 5, oneDNN's gradient of the weights takes ten times as long as all the rest of the layer, and in bfloat16 a
hundred times. On the few positions of a deep stage, a product and a sum per tap of the kernel give the same numbers up to rounding.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

FEW_POSITIONS = 16  # of the output, up to which a sum per tap is the quicker one


class _DepthwiseConvolution(torch.autograd.Function):
    """``conv2d`` without bias, one input channel per group; the gradient of the weights is summed tap by tap."""

    @staticmethod
    def forward(context: Any, inputs: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        context.save_for_backward(inputs, weight)
        context.stride, context.padding = stride, padding
        return conv2d(inputs, weight, None, stride, padding, 1, len(weight))

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        inputs, weight = context.saved_tensors
        stride, padding = context.stride, context.padding
        of_inputs = of_weight = None
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
        return of_inputs, of_weight, None, None


def weight_gradient(inputs: Tensor, gradient: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """Gradient (C, 1, K, K) of a depthwise convolution's weights: ``dw[c, i, j] = sum of x[b, c, s y + i - p, s x + j - p] dy[b, c, y, x]``.

    ``inputs``: (B, C, H, W); ``gradient`` of the output: (B, C, H', W'). Positions in the padding add nothing and are left out.
    """
    inputs, gradient = (
        inputs.permute(0, 2, 3, 1),
        gradient.permute(0, 2, 3, 1),
    )  # channels last: sums run along memory
    found = inputs.new_zeros(kernel, kernel, inputs.shape[-1])
    rows, columns = (
        [_overlap(tap - padding, stride, inputs.shape[axis], gradient.shape[axis]) for tap in range(kernel)]
        for axis in (1, 2)
    )
    for i, (rows_in, rows_out) in enumerate(rows):
        for j, (columns_in, columns_out) in enumerate(columns):
            found[i, j] = (inputs[:, rows_in, columns_in] * gradient[:, rows_out, columns_out]).sum(
                dim=(0, 1, 2)
            )
    return found.permute(2, 0, 1).unsqueeze(1)


def _overlap(shift: int, stride: int, size_in: int, size_out: int) -> tuple[slice, slice]:
    """Input and output positions that a tap connects: ``stride * y + shift`` inside the input."""
    first = max(0, -(shift // stride))
    last = max(first, min(size_out, (size_in - 1 - shift) // stride + 1))
    return slice(
        first * stride + shift, max(first * stride + shift, (last - 1) * stride + shift + 1), stride
    ), slice(first, last)


class QuickDepthwise(nn.Module):
    """Stands in for a depthwise ``nn.Conv2d`` without bias, whose weight it shares under the same name; computes in float32."""

    def __init__(self, layer: nn.Conv2d):
        super().__init__()
        self.weight, self.stride, self.padding = layer.weight, layer.stride[0], layer.padding[0]
        self.pads_by_size = type(layer) is not nn.Conv2d  # timm's layer for TensorFlow's networks

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) in any precision to float32 (B, C, H', W')."""
        kernel = self.weight.shape[-1]
        with torch.autocast(inputs.device.type, enabled=False):
            inputs = inputs.float()
            if self.pads_by_size:
                from timm.layers import pad_same

                inputs = pad_same(inputs, [kernel, kernel], [self.stride, self.stride])
            side = (inputs.shape[2] + 2 * self.padding - kernel) // self.stride + 1
            if side * side > FEW_POSITIONS:
                return conv2d(inputs, self.weight, None, self.stride, self.padding, 1, len(self.weight))
            return _DepthwiseConvolution.apply(inputs, self.weight, self.stride, self.padding)


def quicken_depthwise(module: nn.Module) -> None:
    """Put ``QuickDepthwise`` in the place of every depthwise convolution in ``module`` with a kernel above 3 x 3, in place."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if (
                isinstance(child, nn.Conv2d)
                and child.groups == child.in_channels == child.out_channels > 1
                and child.kernel_size[0] > 3
            ):
                setattr(parent, name, QuickDepthwise(child))
