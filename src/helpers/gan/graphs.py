"""Training steps as CUDA graphs.

The step of a small network is hundreds of kernels, and to start each of them alone takes longer than to run
it. The eager code is captured as it is; nothing is compiled. A step that is to be captured must work in place
on tensors that stay where they are (weights, optimiser state, moving averages), take everything random as an
argument, and never read a value on the host.

Where a capture fails, the steps go on as they are: recording runs nothing, so that weights, optimisers and
averages are as they were before it.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

WARM_UP = 3  # calls before the capture: the optimiser makes its state and cuDNN picks its algorithms


class GraphedStep:
    """``step(*tensors, regularised)``: WARM_UP calls run it as it is, later ones replay a CUDA graph.

    The step with the lazy penalty and the step without are two graphs. What ``step`` returns lies in the
    graph's memory: the next call overwrites it. Where a capture fails, ``failure`` holds the error's first
    line, and every later call runs the step as it is.
    """

    def __init__(self, step: Callable[..., Any]):
        self.step = step
        self.calls = {False: 0, True: 0}
        self.captured: dict[bool, tuple[torch.cuda.CUDAGraph, list[Tensor], Any]] = {}
        self.failure: str | None = None

    def __call__(self, *inputs: Tensor, regularised: bool = False) -> Any:
        if regularised not in self.captured:
            self.calls[regularised] += 1
            if self.calls[regularised] <= WARM_UP:
                return self._warm_up(inputs, regularised)
            if self.failure is None:
                self._try_to_capture(inputs, regularised)
            if self.failure is not None:
                return self.step(*inputs, regularised=regularised)
        graph, places, result = self.captured[regularised]
        for place, given in zip(places, inputs, strict=True):
            place.copy_(given)
        graph.replay()
        return result

    def _warm_up(self, inputs: tuple[Tensor, ...], regularised: bool) -> Any:
        """An ordinary step, on a stream of its own as capturing asks for."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = self.step(*inputs, regularised=regularised)
        torch.cuda.current_stream().wait_stream(stream)
        return result

    def _try_to_capture(self, inputs: tuple[Tensor, ...], regularised: bool) -> None:
        """Capture the step, or note why it could not be captured."""
        try:
            self.captured[regularised] = self._capture(inputs, regularised)
        except RuntimeError as error:  # PyTorch's and CUDA's errors are of this kind
            self.failure = str(error).split("\n")[0]
            warnings.warn(
                f"A training step could not be captured as a CUDA graph ({self.failure}). The training goes "
                "on without, with the same result, only more slowly.",
                stacklevel=2,
            )

    def _capture(
        self, inputs: tuple[Tensor, ...], regularised: bool
    ) -> tuple[torch.cuda.CUDAGraph, list[Tensor], Any]:
        """Record the step without running it."""
        places = [given.clone() for given in inputs]
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = self.step(*places, regularised=regularised)
        return graph, places, result
