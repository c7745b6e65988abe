"""Layers under spectral norm: the weight is divided by its largest singular value (Miyato et al. 2018)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SpectralLayer(nn.Module):
    """What both layers below share: the estimate of the largest singular value, by power iteration.

    The iteration runs only when ``iterate`` is called, so that the same input has the same output in training
    and in evaluation mode. The estimate is differentiated by the weight; the two vectors count as constants.
    """

    weight: Tensor
    left: Tensor
    right: Tensor

    def iterate(self, times: int = 1) -> None:
        """Improve the estimate by ``times`` power iterations."""
        with torch.no_grad():
            matrix = self.weight.flatten(1)
            for _ in range(times):
                self.right.copy_(F.normalize(matrix.T @ self.left, dim=0))
                self.left.copy_(F.normalize(matrix @ self.right, dim=0))


class SpectralConv(SpectralLayer, nn.Conv2d):
    """A convolution whose weight, as a matrix (out, in x kernel x kernel), has largest singular value 1."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3):
        super().__init__(in_channels, out_channels, kernel, padding=kernel // 2)
        self.register_buffer("left", F.normalize(torch.randn(out_channels), dim=0))
        self.register_buffer("right", torch.zeros(in_channels * kernel * kernel))

    def normalised_weight(self) -> Tensor:
        """The weight over its largest singular value, in float32."""
        with torch.autocast(self.weight.device.type, enabled=False):
            # flattening the weight to a matrix would copy it, because it lies channels-last in memory
            right = self.right.view_as(self.weight[0])
            sigma = ((self.weight * right).sum((1, 2, 3)) * self.left).sum()
            return self.weight / sigma

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.normalised_weight(), self.bias, padding=self.padding)


class SpectralLinear(SpectralLayer, nn.Linear):
    """A linear layer under the same normalisation."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__(in_features, out_features, bias)
        self.register_buffer("left", F.normalize(torch.randn(out_features), dim=0))
        self.register_buffer("right", torch.zeros(in_features))

    def normalised_weight(self) -> Tensor:
        """The weight over its largest singular value."""
        return self.weight / (self.left @ (self.weight @ self.right))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.normalised_weight(), self.bias)
