"""Whether a training is still worth its electricity: finite losses, a critic that holds, a generator that varies.

A sick training is recognised at the next look, ``CHECK_EVERY`` steps later at most, and ends with a sentence that says what is
wrong, since when, and where the last good checkpoint is; a checkpoint is only written after a look that found nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pdist

from helpers.errors import DataError, TrainingError
from helpers.gan.batches import to_float

CHECK_EVERY = 50  # steps between two looks; a look makes a GPU wait
RUNAWAY_PENALTY = (
    1000.0  # a gradient of norm 30 where 1 is wanted; a critic was never seen to come back from there
)
RUNAWAY_SCORE = 1e6  # from here on float32 cannot tell scores apart that differ by a tenth
SIDE = 32  # pixels; diversity is measured at this size, where layer noise averages out
REAL_IMAGES = 256  # that set the scale of diversity


@dataclass(frozen=True)
class Vitals:
    """What one look sees (scalar tensors on the device, or numbers)."""

    generator_loss: Tensor
    critic_loss: Tensor
    gradient_penalty: Tensor
    score: Tensor  # mean score of the fixed samples, by the networks as they are after the step
    diversity: Tensor  # of the fixed samples, as a share of the real images'

    def numbers(self) -> dict[str, float]:
        """All of them as numbers, at the price of one wait for the device."""
        values = torch.stack([value.detach().float() for value in vars(self).values()]).tolist()
        return dict(zip(vars(self), values, strict=True))


def require_health(vitals: Vitals, step: int, last_good: int, min_diversity: float, checkpoint: str) -> None:
    """Raise TrainingError where the training is sick; ``last_good`` is the step of the last look (0: none yet), ``checkpoint`` where to go back to."""
    seen = vitals.numbers()
    since = f"between steps {last_good} and {step}" if last_good else f"by step {step}"
    lower = "Lower gan.lr_generator and gan.lr_discriminator, or end gan.steps before."
    if not all(map(math.isfinite, seen.values())):
        raise TrainingError(
            f"The GAN's losses are no longer finite numbers; it happened {since}. {checkpoint} Lower gan.lr_generator or gan.lr_discriminator, "
            "or set gan.precision to float32."
        )
    if seen["gradient_penalty"] > RUNAWAY_PENALTY:
        raise TrainingError(
            f"The critic has run away: its gradient penalty is {seen['gradient_penalty']:,.0f}, and what the generator learns from it is no longer images; "
            f"it happened {since}. {checkpoint} {lower}"
        )
    if abs(seen["score"]) > RUNAWAY_SCORE:
        raise TrainingError(
            f"The critic's scores have run away to {seen['score']:,.0f}, where float32 cannot tell images apart; it happened {since}. {checkpoint} "
            "Set gan.drift_penalty to 0.001, which anchors them."
        )
    if seen["diversity"] < min_diversity:
        raise TrainingError(
            f"The generator has collapsed: its samples differ from one another by {100 * seen['diversity']:.1f} % of what real images do, and "
            f"gan.min_diversity is {100 * min_diversity:g} %; it happened {since}. {checkpoint} {lower}"
        )


def mean_distance(images: Tensor) -> Tensor:
    """Mean distance of two of ``images`` (N, 3, R, R), N of at least 2, at SIDE x SIDE pixels, in float32."""
    factor = max(1, images.shape[-1] // SIDE)
    return pdist(avg_pool2d(images.float(), factor).flatten(1)).mean()


def real_distance(images: np.ndarray) -> float:
    """``mean_distance`` of at most REAL_IMAGES real images, uint8 (N, R, R, 3), spread evenly over the set. Raises DataError where all of them are the same."""
    chosen: Sequence[int] = np.linspace(0, len(images) - 1, min(len(images), REAL_IMAGES)).astype(int)
    distance = float(mean_distance(to_float(torch.from_numpy(images[chosen]))))
    if distance == 0:
        raise DataError(
            f"The GAN's training images are copies of one picture ({len(chosen):,} of {len(images):,} were compared), and there is nothing to learn from them: "
            "look whether one file stands under many names in data.root, or name another data.target_class."
        )
    return distance
