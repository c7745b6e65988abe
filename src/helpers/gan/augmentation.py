"""Augmentation of the critic's images, real and fake alike, so that it does not memorise few training images.

The generator learns through it and need not imitate it (Zhao et al. 2020, "Differentiable augmentation";
Karras et al. 2020, "Training GANs with limited data", ADA). Every operation is applied to an image with one
probability. It is 1 under ``differentiable``; under ``adaptive`` it is steered so that the mean sign of the
critic's scores of training images is ``gan.augment_target`` at most. Skin lesions have no upright
orientation, so that any rotation shows a possible lesion.

Nothing is drawn here: the uniform numbers come from the caller, and the probability is a tensor on the device
that is updated in place, so that a step can be captured in a CUDA graph and repeated to the bit.
"""

from typing import Any

import torch
from torch import Tensor

from helpers import params

OPERATIONS = ("mirror", "rotation", "scale", "translation", "brightness", "saturation", "contrast", "cutout")
AMOUNTS = (
    "mirror x",
    "mirror y",
    "angle",
    "scale",
    "x",
    "y",
    "brightness",
    "saturation",
    "contrast",
    "cutout x",
    "cutout y",
)
DRAWS = len(OPERATIONS) + len(AMOUNTS)
SCALE = 0.25  # octaves either way
TRANSLATION = 0.125  # of the side, either way
BRIGHTNESS = 0.5  # either way, of values from -1 to 1
SATURATION, CONTRAST = 1.0, 0.5  # a factor within 1 +- this
CUTOUT = 0.5  # side of the square that is blanked, of the image's


class Augmentation:
    """Augments images (N, 3, R, R), and steers how often; it needs ``draws`` uniform numbers per image."""

    def __init__(self, config: params.Gan, device: str):
        self.kind, self.target = config.augment, config.augment_target
        self.increment = config.batch_size / (1000 * config.augment_kimg)
        self.draws = 0 if self.kind == "none" else DRAWS
        self.probability = torch.tensor(1.0 if self.kind == "differentiable" else 0.0, device=device)

    def __call__(self, images: Tensor, draws: Tensor) -> Tensor:
        """``images`` about -1 to 1, each varied by its own ``draws`` (N, DRAWS) in [0, 1).

        Differentiable twice; in float32 or the images' own precision if that is higher.
        """
        if self.kind == "none":
            return images
        with torch.autocast(images.device.type, enabled=False):
            applied = dict(
                zip(OPERATIONS, (draws[:, : len(OPERATIONS)] < self.probability).unbind(1), strict=True)
            )
            amounts = dict(
                zip(AMOUNTS, (2 * draws[:, len(OPERATIONS) :].to(images.dtype) - 1).unbind(1), strict=True)
            )
            return cut_out(recolour(move(images, applied, amounts), applied, amounts), applied, amounts)

    def update(self, sign_real: Tensor) -> None:
        """One step of the probability: upwards where the mean sign of the real scores lies above the target.

        It does not wait for the device. ADA looks at four batches for each of its steps, which are four times
        as long.
        """
        if self.kind == "adaptive":
            direction = torch.sign(sign_real.detach() - self.target)
            self.probability.add_(direction, alpha=self.increment).clamp_(0, 1)

    def state(self) -> dict[str, Tensor]:
        """The probability; not a copy."""
        return {"augment_probability": self.probability}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go back to a saved ``state``, in place."""
        self.probability.copy_(state["augment_probability"])


def move(images: Tensor, applied: dict[str, Tensor], amounts: dict[str, Tensor]) -> Tensor:
    """Mirrored, rotated, scaled and shifted, in one bilinear resampling; reflected at the border."""
    from kornia.geometry.transform import get_affine_matrix2d

    side = images.shape[-1]
    one, zero = torch.ones_like(amounts["x"]), torch.zeros_like(amounts["x"])
    zoom = torch.where(applied["scale"], torch.exp2(SCALE * amounts["scale"]), one)
    mirrors = [torch.where(applied["mirror"] & (amounts[f"mirror {axis}"] < 0), -one, one) for axis in "xy"]
    shifts = [torch.where(applied["translation"], TRANSLATION * side * amounts[axis], zero) for axis in "xy"]
    angle = torch.where(applied["rotation"], 180 * amounts["angle"], zero)
    centre = torch.full_like(torch.stack(shifts, 1), (side - 1) / 2)
    matrices = get_affine_matrix2d(
        torch.stack(shifts, 1), centre, zoom[:, None] * torch.stack(mirrors, 1), angle
    )[:, :2]
    moved = applied["mirror"] | applied["rotation"] | applied["scale"] | applied["translation"]
    return torch.where(moved.view(-1, 1, 1, 1), _Resampling.apply(images, matrices), images)


def recolour(images: Tensor, applied: dict[str, Tensor], amounts: dict[str, Tensor]) -> Tensor:
    """Brightness, saturation and contrast. Nothing is clipped: clipped pixels have no gradient."""
    from kornia.color import rgb_to_grayscale

    def amount(name: str, most: float) -> Tensor:
        return torch.where(applied[name], most * amounts[name], 0).view(-1, 1, 1, 1)

    images = images + amount("brightness", BRIGHTNESS)
    images = torch.lerp(rgb_to_grayscale(images), images, 1 + amount("saturation", SATURATION))
    return torch.lerp(images.mean((1, 2, 3), keepdim=True), images, 1 + amount("contrast", CONTRAST))


def cut_out(images: Tensor, applied: dict[str, Tensor], amounts: dict[str, Tensor]) -> Tensor:
    """A square of each image set to 0, mid-grey; its centre lies anywhere in the image."""
    side = images.shape[-1]
    pixels = torch.arange(side, device=images.device, dtype=images.dtype) + 0.5
    near_x, near_y = (
        (pixels - side * (1 + amounts[f"cutout {axis}"][:, None]) / 2).abs() < CUTOUT * side / 2
        for axis in "xy"
    )
    inside = near_y[:, :, None] & near_x[:, None, :] & applied["cutout"][:, None, None]
    return torch.where(inside[:, None], 0, images)


class _Resampling(torch.autograd.Function):
    """kornia's ``warp_affine`` by pixel matrices (N, 2, 3), differentiable by the images any number of times.

    Resampling is linear in the image: its derivative is its adjoint, and the derivative of the adjoint is the
    resampling itself. Older PyTorch has no second derivative of ``grid_sample``.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, matrices: Tensor) -> Tensor:
        ctx.save_for_backward(matrices)
        return _resample(images, matrices)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Adjoint.apply(gradient, *ctx.saved_tensors), None


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, matrices: Tensor) -> Tensor:
        ctx.save_for_backward(matrices)
        with torch.enable_grad():
            images = torch.zeros_like(gradient, requires_grad=True)
            return torch.autograd.grad(_resample(images, matrices), images, gradient)[0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Resampling.apply(gradient, *ctx.saved_tensors), None


def _resample(images: Tensor, matrices: Tensor) -> Tensor:
    from kornia.geometry.transform import warp_affine

    size = images.shape[2], images.shape[3]
    return warp_affine(images, matrices, size, padding_mode="reflection", align_corners=False)
