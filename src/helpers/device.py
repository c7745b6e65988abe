"""Where the arithmetic runs, and in which precision."""

import importlib.metadata
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from helpers.errors import ParameterError, UserError

if TYPE_CHECKING:
    from helpers.params import Compute


def pick_device(compute: "Compute") -> str:
    """``"cuda"`` or ``"cpu"``, as ``compute.device`` asks; ``auto`` takes the GPU where there is one.

    Raises ParameterError where CUDA is asked for and absent.
    """
    import torch

    if compute.device == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if compute.device == "auto":
        return "cpu"
    reason = (
        "this PyTorch was built without CUDA"
        if torch.version.cuda is None
        else "PyTorch sees no GPU (check nvidia-smi and the driver)"
    )
    raise ParameterError(
        f"compute.device is 'cuda', but {reason}; "
        "set compute.device to 'cpu' or 'auto', or repair the installation."
    )


@contextmanager
def quickest_convolutions(device: str) -> Iterator[None]:
    """On CUDA: cuDNN tries its algorithms at the first batch of each size; as before afterwards."""
    import torch

    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or device.startswith("cuda")
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def describe_device(device: str) -> str:
    """A device in words, for a provenance table: ``NVIDIA H100 80GB HBM3`` or ``CPU (AMD EPYC)``."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(torch.device(device))
    return f"CPU ({cpu_name()})"


def cpu_name() -> str:
    """The processor's name, as the system gives it."""
    found = re.search(r"^model name\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine() or "unknown"


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return ""


def resolve_precision(precision: str, device: str) -> Any:
    """The ``torch.dtype`` for autocast, or None for plain float32.

    ``auto`` takes bfloat16 where the hardware multiplies it natively (GPUs from Ampere on, CPUs with
    AVX512-BF16 or AMX); elsewhere bfloat16 would be emulated, slowly, and float32 is kept.
    """
    import torch

    if precision == "float32":
        return None
    if precision == "bfloat16":
        return torch.bfloat16
    if device.startswith("cuda"):
        native = torch.cuda.get_device_capability(torch.device(device)) >= (8, 0)
    else:
        native = re.search(r"\b(avx512_bf16|amx_bf16)\b", _cpuinfo()) is not None
    return torch.bfloat16 if native else None


def import_torchvision() -> ModuleType:
    """Import torchvision, or raise UserError that names the pair of versions to install.

    A torchvision built for another PyTorch fails at import with a message about a missing operator.
    """
    try:
        import torchvision
    except (RuntimeError, ImportError, OSError, AttributeError) as error:
        raise UserError(mismatch_sentence(error)) from error
    return torchvision


def check_pair() -> None:
    """Raise UserError where the installed torch is not the one that torchvision was built for.

    It imports neither.
    """
    installed, wanted = installed_version("torch"), _wanted_torch()
    if installed is None:
        raise UserError(
            "torch is not installed: 'make report' installs everything; or: pip install -r requirements.txt."
        )
    if installed_version("torchvision") is None or (wanted and _plain(installed) != _plain(wanted)):
        raise UserError(mismatch_sentence())


def mismatch_sentence(error: BaseException | None = None) -> str:
    """What to install when torchvision does not import (with ``error``), or would not."""
    installed = {name: installed_version(name) for name in ("torch", "torchvision")}
    if installed["torchvision"] is None:
        return (
            f"torchvision is not installed: install the one that goes with torch {installed['torch']} "
            f"(pip install 'torch=={_plain(installed['torch'])}' torchvision)."
        )
    wanted = _wanted_torch()
    torchvision = _plain(installed["torchvision"])
    said = "" if error is None else f" ({error})"
    if wanted and _plain(installed["torch"]) != _plain(wanted):
        return (
            f"torchvision {torchvision} was built for torch {wanted}, "
            f"and torch {installed['torch']} is installed{said}: install a pair, "
            f"such as pip install 'torch=={_plain(wanted)}' 'torchvision=={torchvision}', "
            "both from the same index."
        )
    return (
        f"torch {installed['torch']} and torchvision {installed['torchvision']} do not go together{said}: "
        "install both anew from the same index, pip install --force-reinstall "
        f"'torch=={_plain(wanted or installed['torch'])}' 'torchvision=={torchvision}'."
    )


def _wanted_torch() -> str | None:
    """The torch that the installed torchvision asks for."""
    try:
        needed = importlib.metadata.requires("torchvision") or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((m[1] for line in needed if (m := re.match(r"torch\s*\(?==\s*([\w.+]+)", line))), None)


def installed_version(name: str) -> str | None:
    """Version of an installed package; None where it is not installed. Nothing is imported."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _plain(version: str | None) -> str:
    """A version without its build: ``2.15.0+cpu`` is ``2.15.0``."""
    return (version or "?").split("+")[0]
