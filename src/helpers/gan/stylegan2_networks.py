"""StyleGAN2's generator and critic (Karras et al. 2020) at the widths of the paper's networks.

Same interface, mapping, noise, initialisation and head as paper_networks.py. What differs:

- weight demodulation in place of AdaIN: styles scale a convolution's input channels, and its output is
  divided by the deviation that this would give unit-variance input. Both are factors of channels, so they are
  put on the activations, before and after one convolution that all images share. This equals a kernel per
  image; as a grouped convolution, that takes a CPU up to 2.5 times as long
- one layer at 4 x 4, then two per resolution; RGBs by modulated 1 x 1 convolutions, upsampled and summed
- residual critic blocks; halving is a 2 x 2 mean before the second convolution, which then costs a quarter
- left out: style mixing, the blur of the critic's halving over more than two pixels

Learning rates are equalised by the optimiser's groups (``gan.equalised``), as everywhere in this project.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from helpers.gan.channelwise import plus_pixels
from helpers.gan.networks import (
    ACTIVATION_GAIN,
    RGB_GAIN,
    Critic,
    CriticBlock,
    StyleGenerator,
    add_rgb,
    channels_by_resolution,
    double,
    he_normal,
)
from helpers.gan.slopes import Tape, activate, convolve, halve, pull_back, spread


class ModulatedConv(nn.Conv2d):
    """A convolution without bias whose input channels a style scales; its output is brought to one variance.

    That variance is ``ACTIVATION_GAIN`` squared, whatever the size of the weight. ``demodulate=False`` leaves
    this second half out, as for RGB.
    """

    def __init__(
        self, in_channels: int, out_channels: int, style_size: int, kernel: int = 3, demodulate: bool = True
    ):
        super().__init__(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
        he_normal(self, gain=ACTIVATION_GAIN if demodulate else RGB_GAIN)
        self.style = he_normal(nn.Linear(style_size, in_channels), gain=1.0)
        nn.init.ones_(self.style.bias)
        self.demodulate = demodulate

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:  # type: ignore[override]  # a style too
        """``x`` (N or 1, C, H, W), ``styles`` (N, S)."""
        with torch.autocast(x.device.type, enabled=False):
            scale = self.style(styles)
            demodulation = self.demodulation(scale) if self.demodulate else None
        x = super().forward(x * scale[:, :, None, None].to(x.dtype))
        return x if demodulation is None else x * demodulation[:, :, None, None].to(x.dtype)

    def demodulation(self, scale: Tensor) -> Tensor:
        """Factors (N, out) of the output's channels for factors ``scale`` (N, in) of the input's."""
        power = scale.square() @ self.weight.square().sum((2, 3)).T
        return ACTIVATION_GAIN * torch.rsqrt(power + 1e-8)


class ModulatedLayer(nn.Module):
    """Modulated convolution 3 x 3, noise, bias, activation."""

    def __init__(self, in_channels: int, out_channels: int, style_size: int):
        super().__init__()
        self.convolution = ModulatedConv(in_channels, out_channels, style_size)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, styles: Tensor, noise: Tensor | None) -> Tensor:
        """``x`` (N or 1, C, H, W), ``styles`` (N, S), ``noise`` (N, 1, H, W) or none."""
        x = self.convolution(x, styles)
        if noise is not None:
            x = plus_pixels(x, (self.noise_strength * noise).to(x.dtype))
        return activate(x + self.bias[:, None, None].to(x.dtype))


class ToRGB(nn.Module):
    """Modulated convolution 1 x 1 to RGB, without demodulation."""

    def __init__(self, in_channels: int, style_size: int):
        super().__init__()
        self.convolution = ModulatedConv(in_channels, 3, style_size, kernel=1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        x = self.convolution(x, styles)
        return x + self.bias[:, None, None].to(x.dtype)


class SkipBlock(nn.Module):
    """The layers of one resolution and their RGB; all but the smallest block double the resolution."""

    def __init__(self, in_channels: int, out_channels: int, style_size: int, smallest: bool):
        super().__init__()
        self.first = None if smallest else ModulatedLayer(in_channels, out_channels, style_size)
        self.second = ModulatedLayer(out_channels, out_channels, style_size)
        self.to_rgb = ToRGB(out_channels, style_size)


class StyleGAN2Generator(StyleGenerator):
    """StyleGAN2's skip generator; see StyleGenerator for what goes in and comes out. Differentiable twice."""

    def __init__(self, resolution: int = 128, channel_scale: float = 1.0, classes: int = 0):
        super().__init__(resolution, channel_scale, smallest_layers=1, classes=classes)
        widths = list(channels_by_resolution(resolution, channel_scale).values())
        blocks = nn.ModuleList(
            SkipBlock(i, o, self.latent_size, smallest=n == 0)
            for n, (i, o) in enumerate(pairwise([widths[0], *widths]))
        )
        self.blocks = cast(Sequence[SkipBlock], blocks)

    def synthesise(self, styles: Tensor, noise: Tensor | None) -> Tensor:
        layers = self._split_noise(noise)
        x: Tensor = self.constant
        image: Tensor | None = None
        for block in self.blocks:
            if block.first is not None:
                x = block.first(double(x), styles, next(layers))
            x = block.second(x, styles, next(layers))
            image = add_rgb(image, block.to_rgb(x, styles), self.constant.dtype)
        assert image is not None  # there is a block at 4 x 4 at least
        return image


class ResidualBlock(CriticBlock):
    """Two convolutions beside a shortcut of 1 x 1, at half the resolution.

    Their sum is divided by the square root of 2, which keeps the variance.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.first = he_normal(nn.Conv2d(in_channels, in_channels, 3, padding=1))
        self.second = he_normal(nn.Conv2d(in_channels, out_channels, 3, padding=1))
        self.shortcut = he_normal(nn.Conv2d(in_channels, out_channels, 1, bias=False), gain=1.0)

    def forward(self, x: Tensor, tape: Tape | None = None) -> Tensor:
        shortcut = convolve(self.shortcut, halve(x), tape, activated=False)
        x = convolve(self.second, halve(convolve(self.first, x, tape)), tape)
        return (x + shortcut) * math.sqrt(0.5)

    def pull_back(self, gradient: Tensor, tape: Tape) -> Tensor:
        gradient = gradient * math.sqrt(0.5)
        second, first, shortcut = tape.pop(), tape.pop(), tape.pop()
        along = pull_back(first, spread(pull_back(second, gradient)))
        return along + spread(pull_back(shortcut, gradient))


class StyleGAN2Discriminator(Critic):
    """StyleGAN2's residual critic, without spectral norm; see Critic for what goes in and comes out.

    Differentiable twice.
    """

    def __init__(self, resolution: int = 128, channel_scale: float = 1.0, classes: int = 0):
        outward = list(channels_by_resolution(resolution, channel_scale).values())[::-1]
        from_rgb = he_normal(nn.Conv2d(3, outward[0], 1))
        super().__init__(
            resolution,
            from_rgb,
            [ResidualBlock(i, o) for i, o in pairwise(outward)],
            outward[-1],
            classes=classes,
        )
