"""What a training step on a CPU gains by how it is computed, on this machine: the classifier's products for
1 x 1 and sums for depthwise convolutions, and memory that a process keeps (``helpers.engine.surroundings``).

Each setting lives in a process of its own; they take turns, and a ratio is the median over the turns of the
first setting's time by this one's.

Run: python benchmarks/step_settings.py [--params laptop.yaml] [--rounds 7] [--threads 1]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any
from unittest.mock import patch

from helpers.engine.surroundings import MEMORY
from helpers.params import Params, load_params

SETTINGS = {  # name -> (the project's layers, memory that is kept)
    "torch's layers": (False, False),
    "the project's layers": (True, False),
    "and memory that is kept": (True, True),
}
STEPS = ("trained stages", "whole network", "GAN")


def main() -> None:
    """Read the command line, measure, print a table."""
    words = _command_line()
    params = load_params(words.params)
    print(f"{words.params}, {words.threads} threads; load {os.getloadavg()[0]:.1f} at the start")
    print(f"{'step':18}{'setting':28}{'s a step':>10}{'ratio':>8}{'lowest':>8}{'highest':>9}")
    for step in STEPS:
        seconds = _take_turns(step, params, words)
        first = next(iter(seconds.values()))
        for name, found in seconds.items():
            ratios = [one / two for one, two in zip(first, found, strict=True)]
            median = statistics.median
            print(
                f"{step:18}{name:28}{median(found):10.3f}{median(ratios):8.2f}{min(ratios):8.2f}"
                f"{max(ratios):9.2f}",
                flush=True,
            )


def _command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--params", default="laptop.yaml", help="parameter file whose networks are measured (laptop.yaml)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns of each setting (default: 7)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each (default: 1)")
    return parser.parse_args()


def _take_turns(step: str, params: Params, words: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each setting's turns at ``step``."""
    names = [name for name, (own, kept) in SETTINGS.items() if step != "GAN" or own]
    asked = {name: _start(step, params, words.threads, *SETTINGS[name]) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(words.rounds):
        for name, connection in asked.items():
            connection.send("go")
            seconds[name].append(connection.recv())
    for connection in asked.values():
        connection.send("end")
    return seconds


def _start(step: str, params: Params, threads: int, own: bool, kept: bool) -> Connection:
    """A process that is ready to take its turns; malloc reads its settings when a process begins."""
    ours, theirs = get_context("spawn").Pipe()
    with patch.dict(os.environ, GLIBC_TUNABLES=MEMORY if kept else ""):
        get_context("spawn").Process(target=_serve, args=(theirs, step, params, threads, own)).start()
    theirs.close()
    ours.recv()
    return ours


def _serve(connection: Connection, step: str, params: Params, threads: int, own: bool) -> None:
    import torch

    torch.set_num_threads(threads)
    run = _gan(params) if step == "GAN" else _classifier(params, own, whole=step == "whole network")
    run()
    run()
    connection.send("ready")
    while connection.recv() != "end":
        began = time.perf_counter()
        run()
        connection.send(time.perf_counter() - began)


def _gan(params: Params) -> Callable[[], Any]:
    from gan_throughput import images_like_the_papers

    from helpers.gan.adversarial import AdversarialTrainer

    config = params.gan
    return AdversarialTrainer(images_like_the_papers(config.resolution), config, "cpu", 0).step


def _classifier(params: Params, own: bool, whole: bool) -> Callable[[], Any]:
    """A step on noise of the right size, in float32."""
    import torch
    from torch.nn.functional import cross_entropy

    from helpers.classifier import model as module

    if not own:
        module.quicken_depthwise = module.quicken_pointwise = lambda stage: None
    config = params.classifier
    frozen = 0 if whole else config.frozen_stages
    model = module.build_classifier(config.backbone, config.weights, 7, frozen_stages=frozen)
    model.prepare("cpu", None).train()
    size, batch = config.image_size, config.batch_size
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    features, labels = model.trunk(images), torch.randint(0, 7, (batch,))
    optimiser = torch.optim.Adam([each for each in model.parameters() if each.requires_grad], fused=True)

    def run() -> None:
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(model.tail(features), labels).backward()
        optimiser.step()

    return run


if __name__ == "__main__":
    main()
