"""Training steps as CUDA graphs.

The step of a small network is hundreds of kernels, and to start each of them alone takes longer than to run
it. The eager code is captured as it is; nothing is compiled. A step that is to be captured must work in place
on tensors that stay where they are (weights, optimiser state, moving averages), take everything that changes
from step to step as a tensor, draw from PyTorch's own generator at most, and never read a value on the host.

Where a capture fails, the steps go on as they are: recording runs nothing, so that weights, optimisers and
averages are as they were before it, and so is PyTorch's generator.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import torch
from torch import Tensor

WARM_UP = 3  # calls before the capture: the optimiser makes its state and cuDNN picks its algorithms


class GraphedStep:
    """``step(*tensors, **options)``: WARM_UP calls run it as it is, later ones replay a CUDA graph.

    There is a graph for each set of options (a step with the lazy penalty, one without) and of shapes. They
    share their memory, in which lies what ``step`` returns too: the next call overwrites it. Where a capture
    fails, ``failure`` holds the error's first line, and all later calls run the step as it is.
    """

    def __init__(self, step: Callable[..., Any]):
        self.step = step
        self.calls: Counter[Hashable] = Counter()
        self.captured: dict[Hashable, tuple[torch.cuda.CUDAGraph, list[Tensor], Any]] = {}
        self.pool: Any = None  # of the graphs' memory
        self.failure: str | None = None
        self.failed: torch.cuda.CUDAGraph | None = None

    def __call__(self, *inputs: Tensor, **options: bool) -> Any:
        if self.failure is not None:
            return self.step(*inputs, **options)
        kind = tuple(options.items()), tuple(given.shape for given in inputs)
        if kind not in self.captured:
            self.calls[kind] += 1
            if self.calls[kind] <= WARM_UP:
                return self._warm_up(inputs, options)
            self._try_to_capture(kind, inputs, options)
            if kind not in self.captured:
                return self.step(*inputs, **options)
        graph, places, result = self.captured[kind]
        for place, given in zip(places, inputs, strict=True):
            place.copy_(given)
        graph.replay()
        return result

    def _warm_up(self, inputs: tuple[Tensor, ...], options: dict[str, bool]) -> Any:
        """An ordinary step, on a stream of its own as capturing asks for."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = self.step(*inputs, **options)
        torch.cuda.current_stream().wait_stream(stream)
        return result

    def _try_to_capture(self, kind: Hashable, inputs: tuple[Tensor, ...], options: dict[str, bool]) -> None:
        """Capture the step, or note why it could not be captured and undo what an attempt leaves behind."""
        stream, generator = torch.cuda.current_stream(), _generator()
        state, graph = generator.clone_state(), torch.cuda.CUDAGraph()
        try:
            self.captured[kind] = self._capture(graph, inputs, options)
        except RuntimeError as error:  # PyTorch's and CUDA's errors are of this kind
            # some versions of PyTorch leave the capture's stream in use and the generator in its midst
            torch.cuda.set_stream(stream)
            generator.graphsafe_set_state(state)
            self.captured.clear()  # they would draw from the generator's old state
            self.failed = graph  # kept, because later captures may still ask for it
            self.failure = str(error).split("\n")[0]
            warnings.warn(
                f"A training step could not be captured as a CUDA graph ({self.failure}). The training goes "
                "on without, with the same result, only more slowly.",
                stacklevel=2,
            )

    def _capture(
        self, graph: torch.cuda.CUDAGraph, inputs: tuple[Tensor, ...], options: dict[str, bool]
    ) -> tuple[torch.cuda.CUDAGraph, list[Tensor], Any]:
        """Record the step without running it; RuntimeError where it leaves too little memory for the rest."""
        places = [given.clone() for given in inputs]
        if self.pool is None:
            self.pool = torch.cuda.graph_pool_handle()
        torch.cuda.empty_cache()
        before, _ = torch.cuda.mem_get_info()
        with torch.cuda.graph(graph, pool=self.pool):
            result = self.step(*places, **options)
        left, _ = torch.cuda.mem_get_info()
        if before - left > left:  # a graph keeps its memory, and steps without a graph need as much
            del result
            graph.reset()
            taken = (before - left) / 1e9
            raise RuntimeError(f"it takes {taken:.1f} GB of memory and leaves {left / 1e9:.1f}")
        return graph, places, result


def _generator() -> torch.Generator:
    """PyTorch's own on the GPU in use."""
    return torch.cuda.default_generators[torch.cuda.current_device()]


def on_device(step: Callable[..., Any], device: str) -> Callable[..., Any]:
    """``step`` itself on a CPU, and as a CUDA graph on a GPU."""
    return GraphedStep(step) if device.startswith("cuda") else step


def how_steps_ran(steps: Iterable[Callable[..., Any]]) -> str:
    """'one by one', 'CUDA graphs', or that graphs failed, and why, of what ``on_device`` gave."""
    graphed = [step for step in steps if isinstance(step, GraphedStep)]
    failures = [step.failure for step in graphed if step.failure is not None]
    some = any(step.captured for step in graphed)
    if failures:
        return f"{'partly ' if some else ''}one by one, because a CUDA graph failed: {failures[0]}"
    return "CUDA graphs" if some else "one by one"
