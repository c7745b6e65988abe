"""Arrays of images and trunk outputs: on the GPU where they fit, otherwise read batch by batch."""

import numpy as np
import torch

from helpers.files import row_blocks

ON_DEVICE = 0.25  # share of a GPU's free memory that one array may take


def upload(array: np.ndarray | torch.Tensor, device: str) -> torch.Tensor:
    """``array`` as a tensor on ``device``; a GPU copies it from pinned memory, so that nothing waits."""
    if isinstance(array, np.ndarray):
        # torch warns of memory that it must not write to, so such an array is copied
        tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))
    else:
        tensor = array
    return tensor.pin_memory().to(device, non_blocking=True) if device.startswith("cuda") else tensor


class Store:
    """Rows of an array, gathered batch by batch.

    The whole array lies on a GPU that has room for it, otherwise in (memory-mapped) host memory.
    """

    def __init__(self, array: np.ndarray, device: str):
        self.array, self.device = array, device
        self.resident: torch.Tensor | None = None
        if device.startswith("cuda") and array.nbytes <= ON_DEVICE * torch.cuda.mem_get_info()[0]:
            self.resident = self._moved()

    def _moved(self) -> torch.Tensor:
        """The whole array on the device, copied piece by piece."""
        whole = torch.empty(
            self.array.shape, dtype=torch.from_numpy(np.empty(0, self.array.dtype)).dtype, device=self.device
        )
        start = 0
        for block in row_blocks(self.array):
            whole[start : start + len(block)] = torch.from_numpy(block).to(self.device)
            start += len(block)
        return whole

    def take(self, rows: np.ndarray) -> torch.Tensor:
        """The rows at ``rows`` (int64), on the device."""
        if self.resident is not None:
            return self.resident[upload(rows, self.device)]
        return upload(self.array[rows], self.device)
