"""What the recipes with a critic share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from helpers import params
    from helpers.gan.adversarial import AdversarialTrainer


def build_trainer(
    images: np.ndarray, config: params.Gan, device: str, seed: int, labels: np.ndarray | None = None
) -> AdversarialTrainer:
    """The trainer of generator and critic."""
    from helpers.gan.adversarial import AdversarialTrainer

    return AdversarialTrainer(images, config, device, seed, labels)
