"""What a job asks of a cluster: memory and minutes. On one machine nobody asks, and nothing is limited."""

from helpers.engine.cards import STAGES_ON_CARDS
from helpers.params import Params

# GB and minutes of the first try; a second try gets twice as much. Measured peaks and times: docs/clusters.md.
# Generous on purpose: what is asked for in vain waits a little longer in the queue, what is missing kills the job.
FIRST_TRY = {
    "eda": (4, 240),  # reads every photograph, and fetches them where no folder is named
    "gan": (8, 1440),
    "synthesis": (8, 240),
    "classifier": (8, 720),
    "evaluation": (8, 240),
    "report": (4, 60),
}


def memory_mb(stage: str, attempt: int = 1) -> int:
    """Memory that a job of ``stage`` asks for, in MB."""
    return FIRST_TRY[stage][0] * 1000 * attempt


def minutes(stage: str, attempt: int = 1) -> int:
    """Wall-clock minutes that a job of ``stage`` asks for."""
    return FIRST_TRY[stage][1] * attempt


def gpus(stage: str, params: Params, there: int) -> int:
    """GPUs that a job of ``stage`` holds: one where its parameters allow it and there are any."""
    return int(stage in STAGES_ON_CARDS and there > 0 and params.compute.device != "cpu")
