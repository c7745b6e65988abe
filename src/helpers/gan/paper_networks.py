"""The paper's generator and critic, to the last parameter: 16,990,462 and 15,981,569 at 128 x 128.

The paper says StyleGAN2, but AdaIN with per-layer noise is the layer of the *first* StyleGAN (Karras et al.
2019); StyleGAN2 replaced it by weight demodulation (stylegan2_networks.py). What the two counts leave open is
settled here, or is a parameter:

- order within a layer: convolution, noise, activation, AdaIN (``style_order``)
- the blocks' RGBs are upsampled and summed (``rgb="skip"``), or only the last one is used; there is no tanh
- upsampling is bilinear: the first StyleGAN's nearest neighbour and blur in one; halving is a 2 x 2 mean
- activation LeakyReLU(0.2); He's initialisation, biases 0, a fifth of it for toRGB; styles start at scale 1
  and shift 0 plus He's, noise strengths at 0
- minibatch standard deviation: groups of four neighbours, one channel (Karras et al. 2018)
- spectral norm: one power iteration per critic step, which the training asks for, so that scoring changes
  nothing

Where spectral norm stands (``gan.spectral_norm``) decides how a critic begins. Fresh critics at 128 x 128, on
real melanomas: scores spread by 0.5 without it (gradient norm 0.04), by 3e-4 with it on the blocks (4e-5), by
1e-5 with it on every layer (3e-6). It bounds a layer's weight matrix and not the convolution, whose norm may
be up to three times as large: narrow critics at 64 x 64 come to a gradient norm of 1 under every placement
(docs/gan.md), so that the published penalty below 0.5 excludes none. The default is a guess.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from helpers.gan.channelwise import minus, plus_pixels, scale_and_shift
from helpers.gan.networks import (
    RGB_GAIN,
    Critic,
    CriticBlock,
    StyleGenerator,
    add_rgb,
    channels_by_resolution,
    critic_conv,
    double,
    he_normal,
)
from helpers.gan.slopes import Tape, activate, convolve, halve, pull_back, spread
from helpers.gan.spectral import SpectralConv


class _StyledNormalisation(torch.autograd.Function):
    """AdaIN on ``x`` (N, C, H, W), statistics in float32; plain autograd would pass over ``x`` more often."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
        mean = x.mean((2, 3), keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32)).to(x.dtype)
        centred = minus(x, mean)
        variance = centred.square().mean((2, 3), keepdim=True, dtype=scale.dtype)
        inverse = torch.rsqrt(variance + epsilon)
        ctx.save_for_backward(centred, inverse, scale)
        return scale_and_shift(centred, (scale * inverse).to(x.dtype), shift.to(x.dtype))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        centred, inverse, scale = ctx.saved_tensors
        shift_gradient = gradient.sum((2, 3), keepdim=True, dtype=scale.dtype)
        scale_gradient = (gradient * centred).sum((2, 3), keepdim=True, dtype=scale.dtype) * inverse
        pixels = centred.shape[2] * centred.shape[3]
        slope = scale * inverse
        along_centred = -slope * inverse * scale_gradient / pixels
        constant = -slope * shift_gradient / pixels
        dtype = centred.dtype
        x_gradient = scale_and_shift(gradient, slope.to(dtype), constant.to(dtype))
        x_gradient = scale_and_shift(centred, along_centred.to(dtype), x_gradient)
        return x_gradient, scale_gradient, shift_gradient, None


def adaptive_instance_norm(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float = 1e-5) -> Tensor:
    """AdaIN (Huang and Belongie 2017): channels to mean 0 and variance 1, then ``scale * x + shift``.

    Mean and variance are those of one channel of one image. ``x`` is (N, C, H, W); ``scale`` and ``shift``
    are (N, C), float32 or float64. Differentiable once.
    """
    return _StyledNormalisation.apply(x, scale[:, :, None, None], shift[:, :, None, None], epsilon)


class StyledConv(nn.Module):
    """Convolution 3 x 3, noise, activation and AdaIN."""

    def __init__(self, in_channels: int, out_channels: int, style_size: int, style_order: str):
        super().__init__()
        self.convolution = he_normal(nn.Conv2d(in_channels, out_channels, 3, padding=1))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.style = he_normal(nn.Linear(style_size, 2 * out_channels), gain=1.0)
        nn.init.ones_(self.style.bias[:out_channels])
        self.activation_first = style_order == "noise_activation_adain"

    def forward(self, x: Tensor, styles: Tensor, noise: Tensor | None) -> Tensor:
        """``x`` (N or 1, C, H, W), ``styles`` (N, S), ``noise`` (N, 1, H, W) or none."""
        x = self.convolution(x)
        if noise is not None:
            x = plus_pixels(x, (self.noise_strength * noise).to(x.dtype))
        with torch.autocast(x.device.type, enabled=False):
            scale, shift = self.style(styles).chunk(2, 1)
            if self.activation_first:
                x = activate(x)
            x = x.expand(len(styles), -1, -1, -1)  # without noise, the first layer has one image for all
            x = adaptive_instance_norm(x, scale, shift)
            return x if self.activation_first else activate(x)


class GeneratorBlock(nn.Module):
    """Two styled convolutions and a plain 1 x 1 to RGB."""

    def __init__(self, in_channels: int, out_channels: int, style_size: int, style_order: str):
        super().__init__()
        self.first = StyledConv(in_channels, out_channels, style_size, style_order)
        self.second = StyledConv(out_channels, out_channels, style_size, style_order)
        self.to_rgb = he_normal(nn.Conv2d(out_channels, 3, 1), gain=RGB_GAIN)

    def forward(self, x: Tensor, styles: Tensor, *noise: Tensor | None) -> Tensor:
        """``x`` (N or 1, C, H, W), ``styles`` (N, S), ``noise``: two of (N, 1, H, W) or none."""
        first, second = noise
        return self.second(self.first(x, styles, first), styles, second)


class Generator(StyleGenerator):
    """The paper's generator; see StyleGenerator for what goes in and comes out."""

    def __init__(
        self,
        resolution: int = 128,
        channel_scale: float = 1.0,
        style_order: str = "noise_activation_adain",
        rgb: str = "skip",
        classes: int = 0,
    ):
        super().__init__(resolution, channel_scale, smallest_layers=2, classes=classes)
        widths = list(channels_by_resolution(resolution, channel_scale).values())
        self.rgb = rgb
        blocks = nn.ModuleList(
            GeneratorBlock(i, o, self.latent_size, style_order) for i, o in pairwise([widths[0], *widths])
        )
        self.blocks = cast(Sequence[GeneratorBlock], blocks)
        if rgb == "last":
            for block in self.blocks[:-1]:
                block.to_rgb.requires_grad_(False)  # not used; the published parameter count includes it

    def synthesise(self, styles: Tensor, noise: Tensor | None) -> Tensor:
        layers = self._split_noise(noise)
        x: Tensor = self.constant
        image: Tensor | None = None
        for block in self.blocks:
            x = x if block is self.blocks[0] else double(x)
            x = block(x, styles, next(layers), next(layers))
            if self.rgb == "skip" or block is self.blocks[-1]:
                image = add_rgb(image, block.to_rgb(x), self.constant.dtype)
        assert image is not None  # the last block always adds its RGB
        return image


class TwoConvolutions(CriticBlock):
    """Two convolutions, then half the resolution."""

    def __init__(self, in_channels: int, out_channels: int, spectral: bool):
        super().__init__()
        self.first = critic_conv(in_channels, out_channels, spectral)
        self.second = critic_conv(out_channels, out_channels, spectral)

    def forward(self, x: Tensor, tape: Tape | None = None) -> Tensor:
        return halve(convolve(self.second, convolve(self.first, x, tape), tape))

    def pull_back(self, gradient: Tensor, tape: Tape) -> Tensor:
        second, first = tape.pop(), tape.pop()
        return pull_back(first, pull_back(second, spread(gradient)))


class Discriminator(Critic):
    """The paper's critic.

    ``spectral_norm``: the layers under spectral norm. These are none, the convolutions of the blocks, or all
    (fromRGB and the last layers too).
    """

    def __init__(
        self,
        resolution: int = 128,
        channel_scale: float = 1.0,
        spectral_norm: str = "blocks",
        classes: int = 0,
    ):
        outward = list(channels_by_resolution(resolution, channel_scale).values())[::-1]
        in_blocks, everywhere = spectral_norm != "none", spectral_norm == "all"
        from_rgb = he_normal(
            SpectralConv(3, outward[0], kernel=1) if everywhere else nn.Conv2d(3, outward[0], 1)
        )
        blocks = [TwoConvolutions(i, o, in_blocks) for i, o in pairwise(outward)]
        super().__init__(resolution, from_rgb, blocks, outward[-1], spectral_head=everywhere, classes=classes)
        self.update_spectral_norms(15)
