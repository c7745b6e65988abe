"""How many multiplications a computation takes, and how many of them this machine can do in a second."""

import time
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Operations(TorchDispatchMode):
    """Counts the floating-point operations of multiplications; PyTorch's own counter follows modules and
    trips over a gradient penalty.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        result = function(*arguments, **(options or {}))
        count = flop_registry.get(function._overloadpacket)
        self.total += count(*arguments, **(options or {}), out_val=result) if count else 0
        return result


def product_rate(device: str, dtype: torch.dtype, threads: int) -> float:
    """Operations a second of a large matrix product, the best of several."""
    torch.set_num_threads(threads)
    side = 8192 if device.startswith("cuda") else 2048
    first, second = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(8):
        began = time.perf_counter()
        first @ second
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        best = max(best, 2 * side**3 / (time.perf_counter() - began))
    return best
