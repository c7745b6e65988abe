"""Graphics cards: which there are, and one for each job.

The engine counts them; locks show which one is free.
"""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from helpers import paths
from helpers.engine.stages import Stage
from helpers.params import Params

VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_cards() -> list[str]:
    """NVIDIA cards of this machine, asked without loading torch; CUDA_VISIBLE_DEVICES narrows them."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        return [card.strip() for card in visible.split(",") if card.strip() not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:  # a card whose driver hangs is of no use
        return []
    return [
        str(number)
        for number, _ in enumerate(line for line in listed.stdout.splitlines() if line.startswith("GPU "))
    ]


def count_gpus() -> int:
    """NVIDIA cards that the jobs of a run share on this machine."""
    return len(visible_cards())


def gpus_asked(stage: Stage, params: Params, there: int) -> int:
    """GPUs that a job of ``stage`` holds: one where its parameters allow it and there are any."""
    return int(stage.on_card and there > 0 and params.compute.device != "cpu")


@contextmanager
def one_card(cards: list[str]) -> Iterator[str | None]:
    """Give this process and its kernel the first card that no other job of the project holds.

    It is given by CUDA_VISIBLE_DEVICES. Where all cards are held, this waits.

    With fewer than two cards there is nothing to choose. The lock ends with the process.
    """
    if len(cards) < 2:
        yield None
        return
    card, descriptor = _take_free(cards)
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = card
    try:
        yield card
    finally:
        os.environ.pop(VISIBLE)
        if before is not None:
            os.environ[VISIBLE] = before
        os.close(descriptor)


def _take_free(cards: list[str]) -> tuple[str, int]:
    paths.ARTIFACTS.mkdir(parents=True, exist_ok=True)
    while True:
        for card in cards:
            name = re.sub(r"[^A-Za-z0-9-]", "-", f"{platform.node()}-{card}")
            descriptor = os.open(paths.ARTIFACTS / f".card-{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return card, descriptor
            except BlockingIOError:
                os.close(descriptor)
        time.sleep(0.5)  # another run holds them all
