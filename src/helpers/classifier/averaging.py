"""A moving average of the weights of a training, which is validated, tested and kept in their place.

The average of the last steps scatters less from training to training than the last step does (Polyak and
Juditsky 1992; Izmailov et al. 2018).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from helpers.classifier.model import Classifier

YOUNG = 10  # the average of n steps looks back over some (n + YOUNG) / YOUNG of them, however slow it is


class MovingAverage:
    """The exponential average of what training changes in ``model``, the statistics of batch norms too."""

    def __init__(self, model: Classifier, decay: float):
        """``decay``, 0 to 1: the share that one step leaves of the average before it."""
        self.model, self.decay, self.steps = model, decay, 0
        self.average = [value.clone() for value in self._own()]

    def _own(self) -> list[torch.Tensor]:
        """The tensors that are averaged: no counters."""
        return [value for value in self.model.trained_state().values() if value.is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights of one more step in; while it is young, the average forgets faster."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + YOUNG))
        torch._foreach_lerp_(self.average, self._own(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model holds the average inside, and its own weights again afterwards."""
        own = self._own()
        kept = [value.clone() for value in own]
        torch._foreach_copy_(own, self.average)
        try:
            yield
        finally:
            torch._foreach_copy_(own, kept)

    def state(self) -> dict[str, list[torch.Tensor] | int]:
        """What a resumed training needs."""
        return {"average": self.average, "steps": self.steps}

    @torch.no_grad()
    def load_state(self, state: dict[str, list[torch.Tensor] | int]) -> None:
        """Go on from what ``state`` gave."""
        average, steps = state["average"], state["steps"]
        assert isinstance(average, list) and isinstance(steps, int)
        torch._foreach_copy_(self.average, average)
        self.steps = steps
