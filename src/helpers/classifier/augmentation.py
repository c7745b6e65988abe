"""Batches of uint8 images as normalised tensors, each image under its own random flips, rotation and colours.

The random numbers come from their own generator on the CPU, so that a GPU sees the same draws. Flips and
rotation are one bilinear resampling, with the corners filled by reflection. Before it, some images may lose
detail. Brightness, contrast, saturation and hue are one 3 x 4 matrix per image; the result is clipped to the
range of an image once, at the end.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample

from helpers.classifier.arrays import upload
from helpers.classifier.detail import reduce_detail
from helpers.data.resizing import Way
from helpers.params import Classifier as Config

Colour = tuple[float, float, float]
LUMA = (0.299, 0.587, 0.114)  # weights of a colour's brightness (ITU-R BT.601)


@dataclass(frozen=True)
class Augmentation:
    """How images are augmented: the fields of ``params.Classifier`` with the same names."""

    flips: str = "both"  # none, horizontal, both
    rotation: float = 20.0  # degrees either way
    jitter: float = 0.2  # brightness, contrast and saturation: a factor within 1 +- jitter
    hue: float = 0.02  # share of the colour circle either way
    detail_jitter: float = 0.0  # share of the images that lose detail at random
    way: Way | None = None  # how much detail they lose at most

    @classmethod
    def of(cls, config: Config, way: Way | None = None) -> "Augmentation":
        """The augmentation that a classifier's parameters ask for.

        ``way`` of synthetic images is needed where images lose detail.
        """
        lost = (config.detail_jitter, way) if config.detail_jitter else (0.0, None)
        return cls(config.flips, config.rotation, config.jitter, config.hue, *lost)


def plain(images: torch.Tensor | np.ndarray, mean: Colour, std: Colour, device: str) -> torch.Tensor:
    """Normalised images without augmentation.

    uint8 (B, S, S, 3) to float32 (B, 3, S, S), channels last, on ``device``.
    """
    return _normalise(_to_float(images, device), mean, std)


def augment(
    images: torch.Tensor | np.ndarray,
    augmentation: Augmentation,
    generator: torch.Generator,
    mean: Colour = (0.0, 0.0, 0.0),
    std: Colour = (1.0, 1.0, 1.0),
    device: str = "cpu",
) -> torch.Tensor:
    """Augmented and normalised images.

    uint8 (B, S, S, 3) to float32 (B, 3, S, S), channels last, on ``device``.
    The values, before ``mean`` and ``std``, lie in 0..1. ``generator`` is a CPU generator; eight numbers per
    image are drawn whatever the settings, so that without one variation the others' draws stay the same. The
    CPU does not wait for a GPU.
    """
    draws = torch.rand(len(images), 8, generator=generator, dtype=torch.float32)
    floats = _to_float(images, device)
    if augmentation.way is not None:
        floats = reduce_detail(floats, draws[:, 7], augmentation.detail_jitter, augmentation.way, device)
    moved = _move(floats, draws[:, :3], augmentation, device)
    return _recolour(moved, draws[:, 3:7], augmentation, mean, std, device)


def _to_float(images: torch.Tensor | np.ndarray, device: str) -> torch.Tensor:
    """uint8 (B, S, S, 3) as float32 (B, 3, S, S) in 0..1, channels last, on ``device``."""
    if isinstance(images, torch.Tensor) and images.device.type == device.split(":")[0]:
        uploaded = images
    else:
        uploaded = upload(images, device)
    return uploaded.permute(0, 3, 1, 2).to(torch.float32).mul_(1 / 255)


def _normalise(images: torch.Tensor, mean: Colour, std: Colour) -> torch.Tensor:
    """``(x - mean) / std`` per channel of (B, 3, S, S) values in 0..1, in place."""
    means, stds = _moments(mean, std, str(images.device))
    return images.sub_(means).div_(stds).contiguous(memory_format=torch.channels_last)


@cache
def _moments(mean: Colour, std: Colour, device: str) -> torch.Tensor:
    """Both as (2, 1, 3, 1, 1), on ``device``."""
    return upload(torch.tensor([mean, std]).view(2, 1, 3, 1, 1), device)


def _move(images: torch.Tensor, draws: torch.Tensor, augmentation: Augmentation, device: str) -> torch.Tensor:
    """Flips and rotation of float32 (B, 3, S, S)."""
    sign_x = torch.where(draws[:, 0] < (0.5 if augmentation.flips != "none" else 0.0), -1.0, 1.0)
    sign_y = torch.where(draws[:, 1] < (0.5 if augmentation.flips == "both" else 0.0), -1.0, 1.0)
    if augmentation.rotation == 0:  # a flip alone needs no resampling
        for dimension, sign in ((3, sign_x), (2, sign_y)):
            images = torch.where(upload(sign < 0, device).view(-1, 1, 1, 1), images.flip(dimension), images)
        return images
    angle = (2 * draws[:, 2] - 1) * math.radians(augmentation.rotation)
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # output to input coordinates: first the rotation back, then the flip
    theta = torch.stack(
        [sign_x * cosine, -sign_x * sine, zero, sign_y * sine, sign_y * cosine, zero], dim=1
    ).view(-1, 2, 3)
    grid = affine_grid(upload(theta, device), list(images.shape), align_corners=False)
    return grid_sample(
        images.contiguous(), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def colour_matrices(draws: torch.Tensor, augmentation: Augmentation) -> tuple[torch.Tensor, torch.Tensor]:
    """The colour changes of each image as a matrix (B, 3, 3), and a share (B) of the image's mean brightness.

    A colour becomes ``matrix @ colour + share * brightness of the image's mean colour`` (in all channels);
    the second term is the grey that contrast leaves unchanged. Brightness, contrast, saturation and hue are
    applied in this order. ``draws``: (B, 4) in 0..1. Contrast and saturation mix with grey as usual; hue
    rotates the colour about the grey axis, so that grey stays grey.
    """
    draws = draws.double()
    brightness, contrast, saturation = (1 + augmentation.jitter * (2 * draws[:, i] - 1) for i in range(3))
    angle = 2 * math.pi * augmentation.hue * (2 * draws[:, 3] - 1)
    identity, grey, _, _ = _colour_space()
    saturate = saturation.view(-1, 1, 1) * identity + (1 - saturation).view(-1, 1, 1) * grey
    matrix = _hue_rotation(angle) @ saturate * (brightness * contrast).view(-1, 1, 1)
    return matrix, (1 - contrast) * brightness


def _hue_rotation(angle: torch.Tensor) -> torch.Tensor:
    """Rotation by ``angle`` (B) of the two chroma axes of YIQ, as matrices (B, 3, 3) on RGB."""
    _, _, to_yiq, from_yiq = _colour_space()
    turn = torch.zeros(len(angle), 3, 3, dtype=torch.float64)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
    turn[:, 1, 2], turn[:, 2, 1] = -angle.sin(), angle.sin()
    return from_yiq @ turn @ to_yiq


@cache
def _colour_space() -> tuple[torch.Tensor, ...]:
    """Matrices (3, 3) in float64: identity, a colour to its grey, RGB to YIQ, and back."""
    # every row gives a colour's brightness, so that all three channels become grey
    grey = torch.tensor(LUMA, dtype=torch.float64).expand(3, 3)
    to_yiq = torch.tensor(
        [LUMA, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135)], dtype=torch.float64
    )
    return torch.eye(3, dtype=torch.float64), grey, to_yiq, torch.linalg.inv(to_yiq)


@cache
def _bounds(mean: Colour, std: Colour, device: str) -> tuple[torch.Tensor, ...]:
    """Each (3,): ``std`` in float64 on the CPU; on ``device`` in float32 what 0 and 1 become, and LUMA."""
    means, stds = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
    bounds = torch.stack([-means / stds, (1 - means) / stds, torch.tensor(LUMA, dtype=torch.float64)])
    return stds, *upload(bounds.float(), device)


def _recolour(
    images: torch.Tensor,
    draws: torch.Tensor,
    augmentation: Augmentation,
    mean: Colour,
    std: Colour,
    device: str,
) -> torch.Tensor:
    """Colour jitter, clipping to 0..1 and normalisation, in one product and one clipping."""
    if augmentation.jitter == 0 and augmentation.hue == 0:
        return _normalise(images.clamp_(0, 1), mean, std)
    batch, _, height, width = images.shape
    matrix, share = colour_matrices(draws, augmentation)
    stds, low, high, luma = _bounds(mean, std, device)
    # the normalisation is linear too; one table of all numbers per image, for one copy to the device
    table = torch.cat([(matrix / stds.view(1, 3, 1)).flatten(1), share.view(-1, 1) / stds], dim=1)
    table = upload(table.float(), device)
    brightness = (images.mean(dim=(2, 3)) * luma).sum(dim=1, keepdim=True)
    offset = table[:, 9:] * brightness + low
    recoloured = torch.baddbmm(
        offset.unsqueeze(2), table[:, :9].view(-1, 3, 3), images.reshape(batch, 3, height * width)
    ).view(batch, 3, height, width)
    return torch.clamp(recoloured, low.view(1, 3, 1, 1), high.view(1, 3, 1, 1)).contiguous(
        memory_format=torch.channels_last
    )
