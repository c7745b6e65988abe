"""What the networks of all recipes share: widths, initialisation, mapping, the base classes of both networks.

A width belongs to a resolution: at 64 and 32 pixels the outermost blocks are left out and the others keep
their channels (512, 512, 256, 128, 64 and 512, 512, 256, 128), so that a smaller network is the core of the
larger one.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.gan.slopes import SLOPE, Tape, activate, convolve, pull_back
from helpers.gan.spectral import SpectralConv, SpectralLayer, SpectralLinear

LATENT_SIZE = 512
WIDTHS = {4: 512, 8: 512, 16: 256, 32: 128, 64: 64, 128: 32}
# factor before LeakyReLU with which the activation keeps the mean square
ACTIVATION_GAIN = math.sqrt(2 / (1 + SLOPE**2))
RGB_GAIN = 0.2  # of toRGB at initialisation: a fresh sum of up to six lies within about -1 to 1
GROUP_SIZE = 4  # images that minibatch standard deviation compares

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


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


def he_normal(layer: Layer, gain: float = ACTIVATION_GAIN) -> Layer:
    """Give ``layer`` He's initialisation and bias zero; return it. ``gain=1`` where no activation follows."""
    nn.init.normal_(layer.weight, std=initial_deviation(layer.weight, gain))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


# --- generator ----------------------------------------------------------------------------------


def pixel_norm(latents: Tensor) -> Tensor:
    """Latents (N, L) scaled to mean square 1."""
    return latents * torch.rsqrt(latents.square().mean(1, keepdim=True) + 1e-8)


class Mapping(nn.Module):
    """Latents (N, L) to styles (N, L): pixel norm, then eight linear layers; always in float32.

    Where there are ``classes``, a learnt vector (L) of each image's class, scaled alike, is joined to its
    latent before the first layer, as in StyleGAN2-ADA (Karras et al. 2020).
    """

    def __init__(self, size: int, depth: int = 8, classes: int = 0):
        super().__init__()
        self.embedding = nn.Embedding(classes, size) if classes else None
        joined = 2 * size if classes else size
        widths = [joined] + [size] * (depth - 1)
        self.layers = nn.ModuleList(he_normal(nn.Linear(width, size)) for width in widths)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """``labels`` (N,), int64, are places of classes; without classes they are not read."""
        with torch.autocast(latents.device.type, enabled=False):
            styles = pixel_norm(latents)
            if self.embedding is not None:
                styles = torch.cat([styles, pixel_norm(self.embedding(labels))], 1)
            for layer in self.layers:
                styles = activate(layer(styles))
        return styles


def double(x: Tensor) -> Tensor:
    """Twice the resolution, bilinear: nearest neighbour and StyleGAN's blur (1, 3, 3, 1) in one."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def add_rgb(image: Tensor | None, rgb: Tensor, dtype: torch.dtype) -> Tensor:
    """The image so far at twice its resolution, plus ``rgb``.

    The sum is taken in the weights' ``dtype``: bfloat16 has too few levels between -1 and 1 for 256 greys.
    """
    rgb = rgb.to(dtype)
    return rgb if image is None else double(image) + rgb


class Generator(nn.Module):
    """Images (N, 3, R, R), about -1 to 1, of latents (N, ``latent_size``) and noise (N, ``noise_size``).

    Latents and noise are standard normal: all that is random about an image, flat, so that a caller draws it
    from one source. ``truncation`` below 1 and ``mean_style`` mean something to style generators alone. A
    generator of several classes takes the ``labels`` (N,) of its images, int64, places of classes from 0 on;
    any other does not read them.
    """

    def __init__(self, resolution: int, latent_size: int, noise_size: int):
        super().__init__()
        self.resolution, self.latent_size, self.noise_size = resolution, latent_size, noise_size

    def forward(
        self,
        latents: Tensor,
        noise: Tensor | None = None,
        truncation: float = 1.0,
        mean_style: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        raise NotImplementedError


class StyleGenerator(Generator):
    """A generator of styles.

    All of them share the mapping, the learned constant, truncation, and how noise is distributed to the
    layers; ``noise=None`` leaves it out. ``truncation`` below 1 pulls the styles to ``mean_style``
    (``latent_size``), if that is given.
    """

    def __init__(self, resolution: int, channel_scale: float, smallest_layers: int, classes: int = 0):
        """``smallest_layers``: layers with noise at 4 x 4; each larger resolution has two."""
        widths = channels_by_resolution(resolution, channel_scale)
        sides = [4] * smallest_layers + [side for side in widths if side > 4 for _ in range(2)]
        super().__init__(resolution, _scaled(LATENT_SIZE, channel_scale), sum(side * side for side in sides))
        self.noise_sides = sides
        self.mapping = Mapping(self.latent_size, classes=classes)
        self.constant = nn.Parameter(torch.randn(1, widths[4], 4, 4))

    def forward(
        self,
        latents: Tensor,
        noise: Tensor | None = None,
        truncation: float = 1.0,
        mean_style: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        styles = self.mapping(latents, labels)
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


# --- critic -------------------------------------------------------------------------------------


def minibatch_standard_deviation(x: Tensor, group_size: int = GROUP_SIZE) -> Tensor:
    """``x`` (N, C, H, W) with one more channel: how much the images of a group differ (Karras et al. 2018).

    The deviation is averaged over features and pixels. Neighbours in the batch form a group of the largest
    common divisor of N and ``group_size``, so that batches which are joined end to end keep their groups.
    """
    count, channels, height, width = x.shape
    group = math.gcd(count, group_size)
    deviation = x.reshape(count // group, group, channels, height, width)
    deviation = (deviation - deviation.mean(1, keepdim=True)).square().mean(1)
    deviation = (deviation + 1e-8).sqrt().mean((1, 2, 3))
    deviation = deviation.repeat_interleave(group).view(count, 1, 1, 1).expand(-1, 1, height, width)
    # one layout for both: joined with another one, the features would lose theirs
    deviation = deviation.contiguous(memory_format=torch.channels_last)
    return torch.cat([x, deviation], 1)


def critic_conv(in_channels: int, out_channels: int, spectral: bool) -> nn.Conv2d:
    """A convolution 3 x 3 of a critic, under spectral norm or not."""
    if spectral:
        return he_normal(SpectralConv(in_channels, out_channels))
    return he_normal(nn.Conv2d(in_channels, out_channels, 3, padding=1))


class CriticBlock(nn.Module):
    """A part of a critic that halves the resolution."""

    def forward(self, x: Tensor, tape: Tape | None = None) -> Tensor:
        """Features (N, C, H, W) to (N, C', H/2, W/2); its convolutions are noted on ``tape``."""
        raise NotImplementedError

    def pull_back(self, gradient: Tensor, tape: Tape) -> Tensor:
        """The gradient by the features that it was given; takes its convolutions from the end of ``tape``."""
        raise NotImplementedError


class Critic(nn.Module):
    """Scores (N,) of images (N, 3, R, R) from -1 to 1; higher is more like the training images.

    All critics share ``from_rgb``, ``blocks`` down to 4 x 4, and the head. Everything from minibatch standard
    deviation on is computed in float32: under spectral norm the scores of a young critic differ by less than
    bfloat16 can tell. The score of an image depends on the others of its group.

    With ``classes``, the score is ``psi(x) + <v(y), x>`` for features x (C,) of the last hidden layer, a
    linear psi, and a learnt vector v (C,) of the image's class y: the projection of Miyato and Koyama (2018).
    """

    def __init__(
        self,
        resolution: int,
        from_rgb: nn.Conv2d,
        blocks: Iterable[CriticBlock],
        channels: int,
        spectral_head: bool = False,
        classes: int = 0,
    ):
        """``channels`` is the width at 4 x 4."""
        super().__init__()
        self.resolution = resolution
        self.from_rgb = from_rgb
        self.blocks = cast(Sequence[CriticBlock], nn.ModuleList(blocks))
        self.convolution = critic_conv(channels + 1, channels, spectral_head)
        linear = SpectralLinear if spectral_head else nn.Linear
        self.hidden = he_normal(linear(channels * 16, channels))
        self.output = he_normal(linear(channels, 1), gain=1.0)
        self.projection = he_normal(linear(channels, classes, bias=False), gain=1.0) if classes else None

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.features(images), labels)

    def features(self, images: Tensor, tape: Tape | None = None) -> Tensor:
        """Features (N, C, 4, 4) of each image by itself; the convolutions are noted on ``tape``."""
        x = convolve(self.from_rgb, images, tape)
        for block in self.blocks:
            x = block(x, tape)
        return x

    def slopes(self, features: Tensor, tape: Tape, labels: Tensor | None = None) -> Tensor:
        """The gradient (N, 3, R, R) of the summed scores by the images that gave ``features`` (N, C, 4, 4).

        They were the last N images when ``tape`` was written, which is used up. Differentiable once, by the
        weights.
        """
        (gradient,) = torch.autograd.grad(self.head(features, labels).sum(), features, create_graph=True)
        for block in reversed(self.blocks):
            gradient = block.pull_back(gradient, tape)
        return pull_back(tape.pop(), gradient)

    def head(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores (N,) of features (N, C, 4, 4), compared within groups; in the weights' precision.

        ``labels`` (N,), int64: the images' classes, read by a critic of several classes only.
        """
        with torch.autocast(features.device.type, enabled=False):
            x = minibatch_standard_deviation(features.to(self.output.weight.dtype))
            x = activate(self.convolution(x))
            x = activate(self.hidden(x.flatten(1)))
            scores = self.output(x)
            if self.projection is not None:
                assert labels is not None  # the classes of a conditional critic's images are always known
                scores = scores + self.projection(x).gather(1, labels[:, None])
            return scores.squeeze(1)

    def update_spectral_norms(self, times: int = 1) -> None:
        """``times`` power iterations of every layer under spectral norm; called once per critic step."""
        for layer in self.spectral_layers():
            layer.iterate(times)

    def spectral_layers(self) -> list[SpectralLayer]:
        """The layers under spectral norm; an empty list where there are none."""
        return [layer for layer in self.modules() if isinstance(layer, SpectralLayer)]
