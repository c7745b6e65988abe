"""Whether a training is healthy: finite losses, a critic with bounded scores, a generator whose images vary.

Without a critic (``require_denoising``) the loss has a scale of its own.

A sick training is recognised at the next check, ``CHECK_EVERY`` steps later at most. It ends with an error
that says what is wrong, since when, and where the last good checkpoint is. A checkpoint is only written after
a check that found nothing.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pdist

from helpers.errors import DataError, TrainingError
from helpers.gan.batches import to_float

CHECK_EVERY = 50  # steps between two checks; a check makes the program wait for the GPU
# a gradient of norm 30 where 1 is wanted; no critic was seen to recover from there
RUNAWAY_PENALTY = 1000.0
RUNAWAY_LOSS = 10.0  # of a denoiser; one that predicts nothing has a loss of at most about 1
RUNAWAY_SCORE = 1e6  # from here on, scores that differ by a tenth can be equal in float32
SIDE = 32  # pixels; diversity is measured at this size, where layer noise averages out
REAL_IMAGES = 256  # that set the scale of diversity


class Vitals(NamedTuple):
    """What one check sees: scalar tensors, still on the device."""

    generator_loss: Tensor
    critic_loss: Tensor
    gradient_penalty: Tensor
    score: Tensor  # mean score of the fixed samples, by the networks as they are after the step
    diversity: Tensor  # of the fixed samples of a class, as a share of its real images'

    def numbers(self) -> list[float]:
        """All of them as numbers, in this order; waits once for the device."""
        return torch.stack([value.detach().float() for value in self]).tolist()


def require_health(vitals: Vitals, step: int, last_good: int, min_diversity: float, checkpoint: str) -> None:
    """Raise TrainingError where the training is sick.

    ``last_good`` is the step of the last check (0: there was none), ``checkpoint`` a sentence about where to
    go back to.
    """
    numbers = vitals.numbers()
    _, _, penalty, score, diversity = numbers
    since = _since(step, last_good)
    lower = "Lower gan.lr_generator and gan.lr_discriminator, or end gan.steps before."
    if not all(map(math.isfinite, numbers)):
        raise TrainingError(
            f"The GAN's losses are no longer finite numbers; it happened {since}. {checkpoint} Lower "
            "gan.lr_generator or gan.lr_discriminator, or set gan.precision to float32."
        )
    if penalty > RUNAWAY_PENALTY:
        raise TrainingError(
            f"The critic has run away: its gradient penalty is {penalty:,.0f}, and the generator no longer "
            f"learns images from it; it happened {since}. {checkpoint} {lower}"
        )
    if abs(score) > RUNAWAY_SCORE:
        raise TrainingError(
            f"The critic's scores have run away to {score:,.0f}, where float32 cannot tell images apart; it "
            f"happened {since}. {checkpoint} Set gan.drift_penalty to 0.001, which anchors them."
        )
    _require_diversity(diversity, min_diversity, since, f"{checkpoint} {lower}")


def require_denoising(
    loss: float, diversity: float | None, step: int, last_good: int, min_diversity: float, checkpoint: str
) -> None:
    """Raise TrainingError where the training of a denoiser is sick.

    ``loss`` is the last step's, ``diversity`` that of the samples as a share of the real images', if it was
    looked at; the others are those of ``require_health``.
    """
    since = _since(step, last_good)
    if not math.isfinite(loss) or loss > RUNAWAY_LOSS:
        raise TrainingError(
            f"The loss has run away to {loss:,.3g}, where a network that predicts nothing has at most 1; it "
            f"happened {since}. {checkpoint} Lower gan.lr_generator, or set gan.precision to float32."
        )
    if diversity is not None:
        way_out = f"{checkpoint} Raise gan.steps, or gan.diffusion.sampling_steps."
        _require_diversity(diversity, min_diversity, since, way_out)


def _since(step: int, last_good: int) -> str:
    return f"between steps {last_good} and {step}" if last_good else f"by step {step}"


def _require_diversity(diversity: float, least: float, since: str, way_out: str) -> None:
    if diversity < least:
        raise TrainingError(
            f"The generator has collapsed: its samples differ from one another by {100 * diversity:.1f} % of "
            f"what real images do, and gan.min_diversity is {100 * least:g} %; it happened {since}. {way_out}"
        )


def mean_distance(images: Tensor) -> Tensor:
    """Mean distance of two of ``images`` (N, 3, R, R), N of at least 2, at SIDE x SIDE pixels, in float32."""
    factor = max(1, images.shape[-1] // SIDE)
    return pdist(avg_pool2d(images.float(), factor).flatten(1)).mean()


def least_diversity(images: Tensor, labels: Tensor, real: list[float]) -> Tensor:
    """The least ``mean_distance`` of one class's ``images``, as a share of its ``real`` images' (a scalar).

    ``images`` (N, 3, R, R) with two at least of each class, ``labels`` (N,): their classes, of which ``real``
    holds a distance each.
    """
    if len(real) == 1:
        return mean_distance(images) / real[0]
    shares = [mean_distance(images[labels == label]) / each for label, each in enumerate(real)]
    return torch.stack(shares).min()


def real_distances(images: np.ndarray, labels: np.ndarray | None) -> list[float]:
    """``real_distance`` of each class's images; ``labels`` (N,) tell the classes (None: there is one)."""
    if labels is None:
        return [real_distance(images)]
    return [real_distance(images[labels == label]) for label in range(labels.max() + 1)]


def real_distance(images: np.ndarray) -> float:
    """``mean_distance`` of at most REAL_IMAGES real images, uint8 (N, R, R, 3), spread evenly over the set.

    Raises DataError where all of them are the same.
    """
    chosen = np.linspace(0, len(images) - 1, min(len(images), REAL_IMAGES)).astype(int)
    distance = float(mean_distance(to_float(torch.from_numpy(images[chosen]))))
    if distance == 0:
        raise DataError(
            f"The GAN's training images are copies of one picture ({len(chosen):,} of {len(images):,} were "
            "compared), and nothing can be learnt from them: check whether one file has many names in "
            "data.root, or choose another data.target_class."
        )
    return distance
