"""How fast the GAN trains: a textbook loop and ours in turn, at the paper's sizes, on this machine.

Run: python benchmarks/gan_throughput.py [--params paper] [--set gan.batch_size=8] [--device cuda] [--rounds
  3]

Each loop lives in a process of its own, so that each has its own peak memory; they take turns, so that
whatever else the machine does hits both. Our process keeps its memory, as every job of a run does
(``helpers.engine.surroundings``). An image is a real one that the critic sees: batch_size x n_critic
of them for a generator step. The floor is the time that the step's multiplications would take at the rate of
one large matrix product. The last line is ``ratio N.NN``, the textbook's time over ours. ``--profile`` prints
instead what our step spends its time on.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import sys
import time
from contextlib import nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from helpers import params
from helpers.device import describe_device, pick_device, resolve_precision
from helpers.engine.surroundings import MEMORY
from helpers.gan.adversarial import AdversarialTrainer
from helpers.gan.trainer import total_steps
from helpers.gan.training import fast_arithmetic
from helpers.params import load_params

sys.path.insert(0, str(Path(__file__).parent))
from gan_textbook import Textbook, endless_batches
from machine_speed import Operations, product_rate

IMAGES = 779  # the paper's training melanomas
WARM_UP = {"cpu": 1, "cuda": 6}  # generator steps; a graph is captured at the fourth call
LOOPS = ("textbook", "ours")


def images_like_the_papers(resolution: int) -> np.ndarray:
    """Noise of the right size: no multiplication is faster for its content."""
    return np.random.default_rng(0).integers(0, 256, (IMAGES, resolution, resolution, 3), dtype=np.uint8)


def serve(connection: Connection, loop: str, config: params.Gan, device: str, workers: int) -> None:
    """Run as many steps as asked for, and answer with seconds a step and peak memory in GiB, until None is
    asked.
    """
    torch.set_num_threads(config.threads)
    images = images_like_the_papers(config.resolution)
    if loop == "ours":
        step, arithmetic = AdversarialTrainer(images, config, device, 0).step, fast_arithmetic(device)
    else:
        textbook, batches = Textbook(config, device), endless_batches(images, config.batch_size, workers)
        step, arithmetic = lambda: textbook.step(batches), nullcontext()
    with arithmetic:
        while steps := connection.recv():
            began = time.perf_counter()
            for _ in range(steps):
                step()
            if device == "cuda":
                torch.cuda.synchronize()
            connection.send(((time.perf_counter() - began) / steps, peak_memory(device)))


def peak_memory(device: str) -> float:
    """GiB: taken from the card (a graph keeps what it has captured), or of the process."""
    return (
        torch.cuda.max_memory_reserved()
        if device == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    ) / 2**30


def measure(
    config: params.Gan, device: str, rounds: int, steps: int, workers: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds a generator step of every round, and peak memory, of both loops."""
    context = multiprocessing.get_context("spawn")
    seconds: dict[str, list[float]] = {loop: [] for loop in LOOPS}
    memory, ends, processes = {}, {}, []
    kept = {"GLIBC_TUNABLES": os.environ.get("GLIBC_TUNABLES", MEMORY)}
    for loop in LOOPS:
        ends[loop], other = context.Pipe()
        process = context.Process(target=serve, args=(other, loop, config, device, workers))
        with patch.dict(os.environ, kept if loop == "ours" else {}):
            process.start()
        processes.append(process)
    for turn in range(rounds + 1):
        for loop in LOOPS:
            ends[loop].send(steps if turn else WARM_UP[device])
            taken, memory[loop] = ends[loop].recv()
            if turn:
                seconds[loop].append(taken)
                print(f"  round {turn}, {loop}: {taken:.3f} s a step", flush=True)
    for end in ends.values():
        end.send(None)
    for process in processes:
        process.join()
    return seconds, memory


def operations(config: params.Gan) -> int:
    """Floating-point operations of the multiplications in one generator step with its critic steps, counted
    on the CPU at batch 4 and scaled.
    """
    small = AdversarialTrainer(
        images_like_the_papers(config.resolution)[:8],
        config.model_copy(update={"batch_size": 4, "precision": "float32", "n_critic": 1}),
        "cpu",
        0,
    )
    with Operations() as critic:
        drawn = small.draws.critic()
        fake = small.fakes(drawn.latents, drawn.noise)
        small.critic_step(small.data.next_batch(), fake, *drawn)
    with Operations() as generator:
        small.generator_step(*small.draws.generator())
    return (config.n_critic * critic.total + generator.total) * config.batch_size // 4


def profile(config: params.Gan, device: str) -> None:
    """Print where the time of one generator step and its critic steps goes, operation by operation: on a GPU
    the kernels' too, none in a graph.
    """
    torch.set_num_threads(config.threads)
    trainer = AdversarialTrainer(images_like_the_papers(config.resolution), config, device, 0)
    activities, order = [torch.profiler.ProfilerActivity.CPU], "self_cpu_time_total"
    if device == "cuda":
        trainer.update_critic, trainer.update_generator = trainer.critic_step, trainer.generator_step
        trainer.update_fakes = trainer.fakes
        activities, order = [*activities, torch.profiler.ProfilerActivity.CUDA], "self_cuda_time_total"
    with fast_arithmetic(device):
        for _ in range(WARM_UP[device]):
            trainer.step()
        with torch.profiler.profile(activities=activities) as seen:
            trainer.step()
            if device == "cuda":
                torch.cuda.synchronize()
    print(seen.key_averages().table(sort_by=order, row_limit=40, max_name_column_width=100))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--params", default="paper", help="parameter file (default: paper)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one parameter"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each loop (default: 3)")
    parser.add_argument("--steps", type=int, help="generator steps a turn (default: 1 on a CPU, 30 on a GPU)")
    parser.add_argument(
        "--workers", type=int, default=2, help="loader processes of the textbook loop (default: 2)"
    )
    parser.add_argument(
        "--profile", action="store_true", help="print what a step of ours spends its time on; any recipe"
    )
    options = parser.parse_args(arguments)
    config = load_params(options.params, options.set).gan
    if options.profile:
        return profile(config, pick_device(params.Compute(device=options.device)))
    if config.recipe != "paper" or config.augment != "none":
        parser.error("the textbook loop knows gan.recipe 'paper' without gan.augment only")
    device = pick_device(params.Compute(device=options.device))
    steps = options.steps or (30 if device == "cuda" else 1)

    dtype = resolve_precision(config.precision, device) or torch.float32
    print(
        f"{describe_device(device)}, {config.threads} threads, torch {torch.__version__}; "
        f"{config.resolution} x {config.resolution}, ",
        end="",
    )
    print(
        f"channels x {config.channel_scale:g}, batch {config.batch_size}, {config.n_critic} critic steps a "
        f"generator step; ours in {dtype}",
        flush=True,
    )
    seconds, memory = measure(config, device, options.rounds, steps, options.workers)
    work, rate = operations(config), product_rate(device, dtype, config.threads)
    floor = work / rate
    images = config.batch_size * config.n_critic
    print(
        f"\n{'loop':<10}{'s/step':>9}{'images/s':>10}{'s/kimg':>9}"
        f"{'peak GiB':>10}{'of floor':>10}{'whole training':>20}"
    )
    for loop in LOOPS:
        median = statistics.median(seconds[loop])
        whole = median * total_steps(config, IMAGES) / 60
        print(
            f"{loop:<10}{median:>9.3f}{images / median:>10.1f}{1000 * median / images:>9.2f}"
            f"{memory[loop]:>10.2f}{floor / median:>10.1%}{whole:>16,.0f} min"
        )
    ratios = [theirs / mine for theirs, mine in zip(seconds["textbook"], seconds["ours"], strict=True)]
    print(f"floor {floor:.3f} s a step: {work / 1e12:.2f} TFLOP at {rate / 1e12:.2f} TFLOP/s ({dtype})")
    print(f"ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
