"""Kernels of this very Python: 'python3' is a name that another Jupyter's kernel may bear too, in the user's
folder or in an environment that was copied.
"""

from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager


class OwnKernelSpecs(KernelSpecManager):
    """Kernels by name, as Jupyter looks them up, but for the native one, which is this Python's own.

    ``make lab`` tells JupyterLab to use it.
    """

    def find_kernel_specs(self) -> dict[str, str]:
        """Names and folders of all kernels."""
        return super().find_kernel_specs() | {NATIVE_KERNEL_NAME: RESOURCES}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """How the kernel of this name is started."""
        if kernel_name != NATIVE_KERNEL_NAME:
            return super().get_kernel_spec(kernel_name)
        return self.kernel_spec_class(resource_dir=RESOURCES, **get_kernel_dict())


class OwnKernelManager(AsyncKernelManager):
    """Starts the kernels of ``OwnKernelSpecs``."""

    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return OwnKernelSpecs(data_dir=self.data_dir)
