"""Batches of uint8 images as normalised tensors, each image under its own random flips, rotation and colours.

The random numbers come from a generator of their own on the CPU, so a GPU sees the same draws. Flips and rotation are
one bilinear resampling, the corners filled by reflection. Brightness, contrast, saturation and hue are
one 3 x 4 matrix per image, clipped to the range of an image once, at the end.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample

LUMA = (0.299, 0.587, 0.114)  # weights of a colour's brightness (ITU-R BT.601)


@dataclass(frozen=True)
class Augmentation:
    """How images are varied: the fields of ``params.Classifier`` with the same names."""

    flips: str = "both"  # none, horizontal, both
    rotation: float = 20.0  # degrees either way
    jitter: float = 0.2  # brightness, contrast and saturation: a factor within 1 +- jitter
    hue: float = 0.02  # share of the colour circle either way


def to_float(images: torch.Tensor | np.ndarray, device: str | torch.device = "cpu") -> torch.Tensor:
    """uint8 (B, S, S, 3) as float32 (B, 3, S, S) in 0..1, channels last, on ``device``."""
    images = torch.as_tensor(images).to(device, non_blocking=True)
    return images.permute(0, 3, 1, 2).to(torch.float32).mul_(1 / 255)


def normalise(images: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """``(x - mean) / std`` per channel of (B, 3, S, S) values in 0..1, in place."""
    mean, std = (torch.tensor(values, device=images.device).view(1, 3, 1, 1) for values in (mean, std))
    return images.sub_(mean).div_(std)


def augment(
    images: torch.Tensor | np.ndarray,
    augmentation: Augmentation,
    generator: torch.Generator,
    mean: tuple[float, ...] = (0.0, 0.0, 0.0),
    std: tuple[float, ...] = (1.0, 1.0, 1.0),
    device: str | torch.device = "cpu",
) -> torch.Tensor:
    """Varied and normalised images: uint8 (B, S, S, 3) to float32 (B, 3, S, S) on ``device``.

    The values, before ``mean`` and ``std``, lie in 0..1. ``generator`` is a CPU generator; eight numbers per image are drawn
    whatever the settings, so that switching one variation off leaves the others' draws as they were.
    """
    draws = torch.rand(len(images), 8, generator=generator, dtype=torch.float32)
    moved = _move(torch.as_tensor(images), draws[:, :3], augmentation, device)
    return _recolour(moved, draws[:, 3:7], augmentation, mean, std)


def _move(images: torch.Tensor, draws: torch.Tensor, augmentation: Augmentation, device: str | torch.device) -> torch.Tensor:
    """Flips and rotation; float32 (B, 3, S, S) in 0..1."""
    sign_x = torch.where(draws[:, 0] < (0.5 if augmentation.flips != "none" else 0.0), -1.0, 1.0)
    sign_y = torch.where(draws[:, 1] < (0.5 if augmentation.flips == "both" else 0.0), -1.0, 1.0)
    images = to_float(images, device)
    if augmentation.rotation == 0:  # a flip alone needs no resampling
        for dimension, sign in ((3, sign_x), (2, sign_y)):
            images = torch.where((sign < 0).to(device).view(-1, 1, 1, 1), images.flip(dimension), images)
        return images
    angle = (2 * draws[:, 2] - 1) * math.radians(augmentation.rotation)
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # output to input coordinates: first the rotation back, then the flip
    theta = torch.stack([sign_x * cosine, -sign_x * sine, zero, sign_y * sine, sign_y * cosine, zero], dim=1).view(-1, 2, 3)
    grid = affine_grid(theta.to(device), list(images.shape), align_corners=False)
    return grid_sample(images.contiguous(), grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def colour_matrices(draws: torch.Tensor, augmentation: Augmentation, mean_colour: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Per image the matrix (B, 3, 3) and offset (B, 3) of brightness, contrast, saturation and hue, in this order.

    ``draws`` (B, 4) in 0..1; ``mean_colour`` (B, 3) is each image's mean, whose brightness is contrast's fixed point. Contrast and
    saturation mix with grey as usual; hue turns the colour about the grey axis, which keeps grey as it is.
    """
    draws, mean_colour = draws.double(), mean_colour.double()
    brightness, contrast, saturation = (1 + augmentation.jitter * (2 * draws[:, i] - 1) for i in range(3))
    angle = 2 * math.pi * augmentation.hue * (2 * draws[:, 3] - 1)
    luma = torch.tensor(LUMA, dtype=torch.float64)
    grey = luma.expand(3, 3)  # every row: a colour's brightness in all three channels
    identity = torch.eye(3, dtype=torch.float64)
    saturate = saturation.view(-1, 1, 1) * identity + (1 - saturation).view(-1, 1, 1) * grey
    matrix = _hue_rotation(angle) @ saturate * (brightness * contrast).view(-1, 1, 1)
    offset = (1 - contrast) * brightness * (mean_colour @ luma)  # a grey: saturation and hue leave it alone
    return matrix, offset.view(-1, 1).expand(-1, 3)


def _hue_rotation(angle: torch.Tensor) -> torch.Tensor:
    """Rotation by ``angle`` (B) of the two chroma axes of YIQ, as matrices (B, 3, 3) on RGB."""
    to_yiq = torch.tensor([LUMA, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135)], dtype=torch.float64)
    turn = torch.zeros(len(angle), 3, 3, dtype=torch.float64)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
    turn[:, 1, 2], turn[:, 2, 1] = -angle.sin(), angle.sin()
    return torch.linalg.inv(to_yiq) @ turn @ to_yiq


def _recolour(images: torch.Tensor, draws: torch.Tensor, augmentation: Augmentation, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """Colour jitter, clipping to 0..1 and normalisation, in one product and one clipping."""
    if augmentation.jitter == 0 and augmentation.hue == 0:
        return normalise(images.clamp_(0, 1), mean, std).contiguous(memory_format=torch.channels_last)
    batch, _, height, width = images.shape
    device = images.device
    matrix, offset = colour_matrices(draws, augmentation, images.mean(dim=(2, 3)).cpu())
    means, stds = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
    matrix, offset = matrix / stds.view(1, 3, 1), (offset - means) / stds  # the normalisation is linear too
    matrix, offset = (value.to(device, torch.float32) for value in (matrix, offset))
    recoloured = torch.baddbmm(offset.unsqueeze(2), matrix, images.reshape(batch, 3, height * width)).view(batch, 3, height, width)
    low, high = ((bound - means) / stds for bound in (0.0, 1.0))
    low, high = (bound.to(device, torch.float32).view(1, 3, 1, 1) for bound in (low, high))
    return torch.clamp(recoloured, low, high).contiguous(memory_format=torch.channels_last)
