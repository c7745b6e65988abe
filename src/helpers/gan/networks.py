"""The paper's generator and critic, to the last parameter: 16,990,462 and 15,981,569 at 128 x 128.

It says StyleGAN2, but AdaIN with per-layer noise is the layer of the *first* StyleGAN (Karras et al. 2019);
StyleGAN2 replaced it by weight demodulation: that recipe stands in stylegan2.py, on the base classes here. What the two
counts leave open is settled here or a parameter:

- order within a layer: convolution, noise, activation, AdaIN (``style_order``)
- the blocks' RGBs are upsampled and summed (``rgb="skip"``), or only the last one is used; no tanh
- upsampling is bilinear: the first StyleGAN's nearest neighbour and blur in one; halving is a 2 x 2 mean
- activation LeakyReLU(0.2); He's initialisation, biases 0, a fifth of it for toRGB; styles start at scale 1, shift 0 plus He's, noise at 0
- minibatch standard deviation: groups of four neighbours, one channel (Karras et al. 2018)
- spectral norm: one power iteration per critic step, asked for by the training loop, so that scoring changes nothing

Where spectral norm stands (``gan.spectral_norm``) decides how a critic begins. Fresh critics at 128 x 128, on real melanomas:
scores spread by 0.5 without it (gradient norm 0.04), by 3e-4 with it on the blocks (4e-5), by 1e-5 with it on every layer (3e-6).
It bounds a layer's weight matrix and not the convolution, whose norm may be up to three times as large: narrow critics at 64 x 64 come
to a gradient norm of 1 under every placement (docs/gan.md), so that the published penalty below 0.5 excludes none. The default is a guess.

A width belongs to a resolution: at 64 and 32 the outermost blocks are left out and the others keep their channels
(512, 512, 256, 128, 64 and 512, 512, 256, 128), so that a smaller network is the larger one's core.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LATENT_SIZE = 512
WIDTHS = {4: 512, 8: 512, 16: 256, 32: 128, 64: 64, 128: 32}
SLOPE = 0.2  # of LeakyReLU below zero
ACTIVATION_GAIN = math.sqrt(
    2 / (1 + SLOPE**2)
)  # before LeakyReLU, so that it leaves the mean square as it was
RGB_GAIN = 0.2  # of toRGB at initialisation: a fresh sum of up to six lies within about -1 to 1
GROUP_SIZE = 4  # images that minibatch standard deviation compares


def channels_by_resolution(resolution: int, channel_scale: float = 1.0) -> dict[int, int]:
    """Channels at 4, 8, … ``resolution`` pixels; scaled ones are rounded to multiples of 8, at least 8."""
    if resolution not in WIDTHS or resolution < 8:
        raise ValueError(f"resolution must be one of {[r for r in WIDTHS if r >= 8]}, not {resolution}")
    return {r: _scaled(width, channel_scale) for r, width in WIDTHS.items() if r <= resolution}


def _scaled(width: int, channel_scale: float) -> int:
    return max(8, 8 * round(width * channel_scale / 8))


def initial_deviation(weight: Tensor, gain: float = ACTIVATION_GAIN) -> float:
    """Standard deviation of a weight (out, in, ...) by He's initialisation."""
    return gain / math.sqrt(weight[0].numel())


def he_normal(layer: nn.Module, gain: float = ACTIVATION_GAIN) -> nn.Module:
    """He's initialisation, zero bias; ``gain=1`` where no activation follows."""
    nn.init.normal_(layer.weight, std=initial_deviation(layer.weight, gain))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def activate(x: Tensor) -> Tensor:
    """LeakyReLU."""
    return F.leaky_relu(x, SLOPE)


# --- generator ----------------------------------------------------------------------------------


class _StyledNormalisation(torch.autograd.Function):
    """AdaIN on ``x`` (N, C, H, W), statistics in float32: plain autograd costs a CPU several passes more over ``x``."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
        mean = x.mean((2, 3), keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32)).to(x.dtype)
        centred = x - mean
        variance = centred.square().mean((2, 3), keepdim=True, dtype=scale.dtype)
        inverse = torch.rsqrt(variance + epsilon)
        ctx.save_for_backward(centred, inverse, scale)
        return torch.addcmul(shift.to(x.dtype), centred, (scale * inverse).to(x.dtype))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        centred, inverse, scale = ctx.saved_tensors
        shift_gradient = gradient.sum((2, 3), keepdim=True, dtype=scale.dtype)
        scale_gradient = (gradient * centred).sum((2, 3), keepdim=True, dtype=scale.dtype) * inverse
        pixels = centred.shape[2] * centred.shape[3]
        slope = scale * inverse
        along_centred = -slope * inverse * scale_gradient / pixels
        constant = -slope * shift_gradient / pixels
        dtype = centred.dtype
        x_gradient = torch.addcmul(
            torch.addcmul(constant.to(dtype), gradient, slope.to(dtype)), centred, along_centred.to(dtype)
        )
        return x_gradient, scale_gradient, shift_gradient, None


def adaptive_instance_norm(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float = 1e-5) -> Tensor:
    """AdaIN (Huang and Belongie 2017): every channel of every image to mean 0 and variance 1, then ``scale * x + shift``.

    ``x`` is (N, C, H, W); ``scale`` and ``shift`` are (N, C), float32 or float64. Differentiable once.
    """
    return _StyledNormalisation.apply(x, scale[:, :, None, None], shift[:, :, None, None], epsilon)


def pixel_norm(latents: Tensor) -> Tensor:
    """Latents (N, L) scaled to mean square 1."""
    return latents * torch.rsqrt(latents.square().mean(1, keepdim=True) + 1e-8)


class Mapping(nn.Module):
    """Latents (N, L) to styles (N, L): pixel norm, then eight linear layers; always in float32."""

    def __init__(self, size: int, depth: int = 8):
        super().__init__()
        self.layers = nn.ModuleList(he_normal(nn.Linear(size, size)) for _ in range(depth))

    def forward(self, latents: Tensor) -> Tensor:
        with torch.autocast(latents.device.type, enabled=False):
            styles = pixel_norm(latents)
            for layer in self.layers:
                styles = activate(layer(styles))
        return styles


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
            x = x + (self.noise_strength * noise).to(x.dtype)
        with torch.autocast(x.device.type, enabled=False):
            scale, shift = self.style(styles).chunk(2, 1)
            x = x.expand(len(styles), -1, -1, -1)  # without noise the first layer's images are still one
            if self.activation_first:
                return adaptive_instance_norm(activate(x), scale, shift)
            return activate(adaptive_instance_norm(x, scale, shift))


class GeneratorBlock(nn.Module):
    """Two styled convolutions and a plain 1 x 1 to RGB."""

    def __init__(self, in_channels: int, out_channels: int, style_size: int, style_order: str):
        super().__init__()
        self.first = StyledConv(in_channels, out_channels, style_size, style_order)
        self.second = StyledConv(out_channels, out_channels, style_size, style_order)
        self.to_rgb = he_normal(nn.Conv2d(out_channels, 3, 1), gain=RGB_GAIN)


def double(x: Tensor) -> Tensor:
    """Twice the resolution, bilinear: nearest neighbour and StyleGAN's blur (1, 3, 3, 1) in one."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def add_rgb(image: Tensor | None, rgb: Tensor, dtype: torch.dtype) -> Tensor:
    """The image so far, doubled, plus ``rgb``; summed in the weights' ``dtype``, for bfloat16 has too few levels between -1 and 1 for 256 greys."""
    rgb = rgb.to(dtype)
    return rgb if image is None else double(image) + rgb


class StyleGenerator(nn.Module):
    """Images (N, 3, R, R), about -1 to 1, of latents (N, ``latent_size``) and noise (N, ``noise_size``), both standard normal.

    What the generators of all recipes share: the mapping, the learned constant, truncation, and how the noise is dealt out.
    The noise is one flat vector per image, so that a caller draws everything random about image i from one source.
    ``noise=None`` leaves it out. ``truncation`` below 1 pulls the styles to ``mean_style`` (``latent_size``), if that is given.
    """

    def __init__(self, resolution: int, channel_scale: float, smallest_layers: int):
        """``smallest_layers``: layers with noise at 4 x 4; each larger resolution has two."""
        super().__init__()
        widths = channels_by_resolution(resolution, channel_scale)
        self.resolution = resolution
        self.latent_size = _scaled(LATENT_SIZE, channel_scale)
        self.noise_sides = [4] * smallest_layers + [side for side in widths if side > 4 for _ in range(2)]
        self.noise_size = sum(side * side for side in self.noise_sides)
        self.mapping = Mapping(self.latent_size)
        self.constant = nn.Parameter(torch.randn(1, widths[4], 4, 4))

    def forward(
        self,
        latents: Tensor,
        noise: Tensor | None = None,
        truncation: float = 1.0,
        mean_style: Tensor | None = None,
    ) -> Tensor:
        styles = self.mapping(latents)
        if truncation < 1 and mean_style is not None:
            styles = mean_style + truncation * (styles - mean_style)
        return self.synthesise(styles, noise)

    def synthesise(self, styles: Tensor, noise: Tensor | None) -> Tensor:
        """Images of styles (N, ``latent_size``)."""
        raise NotImplementedError

    def _split_noise(self, noise: Tensor | None) -> Iterator[Tensor | None]:
        """Each layer's share of the noise, (N, 1, H, W)."""
        start = 0
        for side in self.noise_sides:
            yield None if noise is None else noise[:, start : start + side * side].view(-1, 1, side, side)
            start += side * side


class Generator(StyleGenerator):
    """The paper's generator; see StyleGenerator for what goes in and comes out."""

    def __init__(
        self,
        resolution: int = 128,
        channel_scale: float = 1.0,
        style_order: str = "noise_activation_adain",
        rgb: str = "skip",
    ):
        super().__init__(resolution, channel_scale, smallest_layers=2)
        widths = list(channels_by_resolution(resolution, channel_scale).values())
        self.rgb = rgb
        self.blocks = nn.ModuleList(
            GeneratorBlock(i, o, self.latent_size, style_order)
            for i, o in zip([widths[0], *widths], widths, strict=False)
        )
        if rgb == "last":
            for block in self.blocks[:-1]:
                block.to_rgb.requires_grad_(False)  # there for the count, unused

    def synthesise(self, styles: Tensor, noise: Tensor | None) -> Tensor:
        layers = self._split_noise(noise)
        x, image = self.constant, None
        for block in self.blocks:
            x = x if block is self.blocks[0] else double(x)
            x = block.first(x, styles, next(layers))
            x = block.second(x, styles, next(layers))
            if self.rgb == "skip" or block is self.blocks[-1]:
                image = add_rgb(image, block.to_rgb(x), self.constant.dtype)
        return image


# --- critic -------------------------------------------------------------------------------------


class SpectralConv(nn.Conv2d):
    """A convolution whose weight matrix (out, in x kernel x kernel) is divided by its largest singular value (Miyato et al. 2018).

    The value is estimated by power iteration, which runs only when ``iterate`` is called: the same input then has the
    same output in training and evaluation mode alike. The estimate is differentiated, the two vectors are constants.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3):
        super().__init__(in_channels, out_channels, kernel, padding=kernel // 2)
        self.register_buffer("left", F.normalize(torch.randn(out_channels), dim=0))
        self.register_buffer("right", torch.zeros(in_channels * kernel * kernel))

    def iterate(self, times: int = 1) -> None:
        """Improve the estimate by ``times`` power iterations."""
        with torch.no_grad():
            matrix = self.weight.flatten(1)
            for _ in range(times):
                self.right.copy_(F.normalize(matrix.T @ self.left, dim=0))
                self.left.copy_(F.normalize(matrix @ self.right, dim=0))

    def normalised_weight(self) -> Tensor:
        """The weight over its largest singular value, in float32."""
        with torch.autocast(self.weight.device.type, enabled=False):
            # a view of the weight as a matrix would cost a copy: it lies channels-last
            right = self.right.view_as(self.weight[0])
            sigma = ((self.weight * right).sum((1, 2, 3)) * self.left).sum()
            return self.weight / sigma

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.normalised_weight(), self.bias, padding=self.padding)


class SpectralLinear(nn.Linear):
    """A linear layer under the same normalisation."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__(in_features, out_features)
        self.register_buffer("left", F.normalize(torch.randn(out_features), dim=0))
        self.register_buffer("right", torch.zeros(in_features))

    iterate = SpectralConv.iterate

    def normalised_weight(self) -> Tensor:
        return self.weight / (self.left @ (self.weight @ self.right))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.normalised_weight(), self.bias)


def minibatch_standard_deviation(x: Tensor, group_size: int = GROUP_SIZE) -> Tensor:
    """``x`` (N, C, H, W) with one more channel: how much the images of a group differ, averaged over features and pixels.

    Neighbours in the batch form a group (of the largest common divisor of N and ``group_size``), so that batches which
    are joined end to end keep their groups.
    """
    count, channels, height, width = x.shape
    group = math.gcd(count, group_size)
    deviation = x.reshape(count // group, group, channels, height, width)
    deviation = (deviation - deviation.mean(1, keepdim=True)).square().mean(1)
    deviation = (deviation + 1e-8).sqrt().mean((1, 2, 3))
    deviation = deviation.repeat_interleave(group).view(count, 1, 1, 1).expand(-1, 1, height, width)
    return torch.cat([x, deviation], 1)


class CriticBlock(nn.Module):
    """Two convolutions, then half the resolution."""

    def __init__(self, in_channels: int, out_channels: int, spectral: bool):
        super().__init__()
        self.first = _critic_conv(in_channels, out_channels, spectral)
        self.second = _critic_conv(out_channels, out_channels, spectral)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(activate(self.second(activate(self.first(x)))), 2)


def _critic_conv(in_channels: int, out_channels: int, spectral: bool) -> nn.Module:
    return he_normal(
        SpectralConv(in_channels, out_channels)
        if spectral
        else nn.Conv2d(in_channels, out_channels, 3, padding=1)
    )


class Critic(nn.Module):
    """Scores (N,) of images (N, 3, R, R) from -1 to 1; higher is more like the training images.

    What the critics of all recipes share: ``from_rgb``, ``blocks`` down to 4 x 4, and the head. Everything from minibatch
    standard deviation on is computed in float32: bounded layers make a young critic's scores differ by less than bfloat16
    can tell. The score of an image depends on the others of its group.
    """

    def __init__(
        self,
        resolution: int,
        from_rgb: nn.Module,
        blocks: Iterable[nn.Module],
        channels: int,
        spectral_head: bool = False,
    ):
        """``channels`` is the width at 4 x 4."""
        super().__init__()
        self.resolution = resolution
        self.from_rgb = from_rgb
        self.blocks = nn.ModuleList(blocks)
        self.convolution = _critic_conv(channels + 1, channels, spectral_head)
        linear = SpectralLinear if spectral_head else nn.Linear
        self.hidden = he_normal(linear(channels * 16, channels))
        self.output = he_normal(linear(channels, 1), gain=1.0)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Features (N, C, 4, 4) of each image by itself."""
        x = activate(self.from_rgb(images))
        for block in self.blocks:
            x = block(x)
        return x

    def head(self, features: Tensor) -> Tensor:
        """Scores (N,) of features, compared within their groups; in float32, or in the weights' own precision if that is higher."""
        with torch.autocast(features.device.type, enabled=False):
            x = minibatch_standard_deviation(features.to(self.output.weight.dtype))
            x = activate(self.convolution(x))
            return self.output(activate(self.hidden(x.flatten(1)))).squeeze(1)

    def update_spectral_norms(self, times: int = 1) -> None:
        """One power iteration (or ``times``) of every layer under spectral norm, where there is any; called once per critic step."""
        for layer in self.spectral_layers():
            layer.iterate(times)

    def spectral_layers(self) -> Sequence[nn.Module]:
        return [layer for layer in self.modules() if isinstance(layer, (SpectralConv, SpectralLinear))]


class Discriminator(Critic):
    """The paper's critic. ``spectral_norm`` says which layers carry it: none, the convolutions of the blocks, or all (fromRGB and the last layers too)."""

    def __init__(self, resolution: int = 128, channel_scale: float = 1.0, spectral_norm: str = "blocks"):
        outward = list(channels_by_resolution(resolution, channel_scale).values())[::-1]
        in_blocks, everywhere = spectral_norm != "none", spectral_norm == "all"
        from_rgb = he_normal(
            SpectralConv(3, outward[0], kernel=1) if everywhere else nn.Conv2d(3, outward[0], 1)
        )
        blocks = [CriticBlock(i, o, in_blocks) for i, o in pairwise(outward)]
        super().__init__(resolution, from_rgb, blocks, outward[-1], spectral_head=everywhere)
        self.update_spectral_norms(15)
