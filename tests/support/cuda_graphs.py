"""A stand-in for CUDA's graphs on the CPU.

It follows CUDA's rules. While it records, nothing happens to any tensor, nor to PyTorch's generator;
afterwards the recorded operations run on the same tensors, and no Python of the step runs. So whatever a step
keeps outside of such tensors would show. Where a capture fails, it leaves behind what PyTorch may: the stream
of the capture, and a generator that has moved on.
"""

from contextlib import contextmanager, nullcontext

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack
from torch.utils._pytree import tree_leaves

WAITING = (
    "_local_scalar_dense",
    "lift_fresh",
    "nonzero",
    "is_nonzero",
    "equal",
    "_linalg_check_errors",
)  # a capture fails at these


class Recording(TorchDispatchMode):
    """In place of ``torch.cuda.CUDAGraph``: records operations, takes their effects back, replays them."""

    def __init__(self):
        super().__init__()
        self.operations, self.saved, self.replays = [], {}, 0

    def __enter__(self):
        self.random = torch.get_rng_state()
        return super().__enter__()

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        options = options or {}
        name = function._schema.name.removeprefix("aten::")
        assert name not in WAITING and "rand" not in name, f"{name} cannot be captured"
        for tensor in written(function, arguments, options):
            storage = tensor.untyped_storage()
            self.saved.setdefault(storage.data_ptr(), (storage, storage.clone()))
        result = function(*arguments, **options)
        self.operations.append((function, arguments, options, result))
        return result

    def __exit__(self, *failure):
        super().__exit__(*failure)
        if failure[0] is None:
            torch.set_rng_state(self.random)
        for storage, before in self.saved.values():
            storage.copy_(before)

    def reset(self):
        self.operations = []

    @torch.no_grad()
    def replay(self):
        self.replays += 1
        for function, arguments, options, result in self.operations:
            returns = [value.alias_info for value in function._schema.returns]
            if any(alias and not alias.is_write for alias in returns):
                continue  # a view
            again = function(*arguments, **options)
            if not any(returns):
                for place, value in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if isinstance(place, torch.Tensor):
                        place.copy_(value)


class OneByOne(TorchDispatchMode):
    """Runs every operation as it comes. Some are rounded otherwise below any such mode than without one, on
    some processors: what is compared with a recording, and its steps before and after, must run like it.
    """

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        return function(*arguments, **(options or {}))


def written(function, arguments, options):
    """The tensors that an operation changes; a batch norm does not say so of its statistics."""
    if "batch_norm" in function._schema.name and "backward" not in function._schema.name:
        yield from (each for each in arguments[3:5] if each is not None)
    for place, argument in enumerate(function._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            given = arguments[place] if place < len(arguments) else options.get(argument.name)
            yield from (leaf for leaf in tree_leaves(given) if isinstance(leaf, torch.Tensor))


class Stream:
    def __init__(self, name="another"):
        self.name = name

    def wait_stream(self, other):
        """There is one stream only."""


class Generator:
    """PyTorch's own, with what only that of a GPU can do."""

    def clone_state(self):
        return torch.get_rng_state()

    def graphsafe_set_state(self, state):
        torch.set_rng_state(state)


class Captures(list):
    """The graphs that were recorded, and the memory that is free before and after a capture, in turn."""

    stream = "the usual one"

    def __init__(self):
        super().__init__()
        self.free = [10, 9]

    def graph(self):
        self.append(Recording())
        return self[-1]

    def free_memory(self):
        self.free.append(self.free.pop(0))
        return self.free[-1], 16

    @contextmanager
    def capturing(self, graph, pool):
        self.stream, before = "of the capture", self.stream
        with graph:
            yield
        self.stream = before


def stand_in(monkeypatch):
    """CUDA's functions that graphs.py calls, on the CPU; the graphs that were recorded."""
    recorded = Captures()
    for name, other in {
        "Stream": Stream,
        "current_stream": lambda: Stream(recorded.stream),
        "set_stream": lambda stream: setattr(recorded, "stream", stream.name),
        "stream": lambda stream: nullcontext(),
        "CUDAGraph": recorded.graph,
        "graph": recorded.capturing,
        "graph_pool_handle": lambda: "one pool",
        "empty_cache": lambda: None,
        "mem_get_info": recorded.free_memory,
        "current_device": lambda: 0,
        "default_generators": (Generator(),),
    }.items():
        monkeypatch.setattr(torch.cuda, name, other)
    return recorded


def recording():
    """Whether a graph is being recorded now."""
    return any(isinstance(mode, Recording) for mode in _get_current_dispatch_mode_stack())
