"""What is needed to say how a result came to be: when, for how long, on what, with which packages."""

import platform
import resource
import sys
from datetime import UTC, datetime
from typing import Any

from helpers.device import cpu_name, installed_version
from helpers.engine.stages import Job

RECORDED_PACKAGES = (
    *("torch", "torchvision", "timm", "numpy", "scikit-learn", "pandas", "pillow", "snakemake", "papermill"),
)


def account(job: Job, started: datetime, seconds: float) -> dict[str, Any]:
    """When and how a job was made, and with what; ``seconds`` is the time it took."""
    usage = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    versions = {name: installed_version(name) for name in RECORDED_PACKAGES}
    return {
        "job": job.name,
        "stage": job.stage,
        "wildcards": job.wildcards,
        "notebook": job.notebook_file,
        "seconds": round(seconds, 1),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "peak_memory_mb": round(usage / 1024 if sys.platform == "linux" else usage / 2**20),
        "versions": {"python": platform.python_version(), **versions},
        "host_cpu": cpu_name(),
        "system": platform.platform(terse=True),
    }
