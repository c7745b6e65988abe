"""How fast the classifier trains: the textbooks' loop, the project's, and the project's with the bank, in
turn on the same drawn lesions.

The last lines are `bank ratio N.NN` (with the building of the bank, shared out over the run's trainings) and
`ratio N.NN`: images/s over the textbooks'. The share of the machine is what the network's multiplications
alone would take, at the rate of one large matrix product; the bank spares some of them. The three live in
processes of their own and take turns, so that a busy machine is as busy for each; a ratio is one of medians.

Run: python benchmarks/classifier_throughput.py --help
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from helpers.params import Params, load_params
from helpers.progress import show_no_progress

WAYS = {"textbook": "the textbooks' loop", "ours": "this project", "bank": "this project with the bank"}
HELD_OUT = 16  # validation and test images each; they are not part of what is timed
DRAWN = 300  # lesions, of which there are copies where more images are asked for: drawing takes its time


def main() -> None:
    """Read the command line, measure, print."""
    show_no_progress()
    words = _command_line()
    params = load_params(words.params)
    changes = {
        key: value
        for key, value in (
            ("image_size", words.image_size),
            ("weights", words.weights),
            ("frozen_stages", words.frozen_stages),
        )
        if value is not None
    }
    changes |= {
        "threads": words.threads,
        "bank": words.bank or params.classifier.bank or min(params.classifier.max_epochs, 8),
    }
    params = params.model_copy(update={"classifier": params.classifier.model_copy(update=changes)})
    with tempfile.TemporaryDirectory() as folder:
        if words.memory_check:
            check_memory(params, words, Path(folder))
        else:
            compare(params, words, Path(folder))


def _command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--params",
        default="quick.yaml",
        help="parameter file whose classifier section is measured (default: quick.yaml)",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--images", type=int, default=480, help="training images of a pass (default: 480)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="timed passes of each way, after one to warm up (default: 5)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="CPU threads of each way (default: all cores)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=None,
        help="loader processes of the textbooks' loop (default: as many as threads)",
    )
    parser.add_argument(
        "--photographs",
        default="600x450",
        help="width x height of the JPEG files; HAM10000's are 600x450 (default), drawn lesions 128x96",
    )
    parser.add_argument(
        "--bank",
        type=int,
        help="variations per image in the bank (default: the file's, or as many as it has epochs, at most 8)",
    )
    parser.add_argument("--image-size", type=int, help="side of the input, pixels (default: the file's)")
    parser.add_argument("--frozen-stages", type=int, help="stages kept as they are (default: the file's)")
    parser.add_argument("--weights", help="'imagenet', 'none' or a file (default: the file's)")
    parser.add_argument(
        "--memory-check",
        type=int,
        metavar="N",
        help="instead: train on N images on disk for some steps and tell the peak memory",
    )
    parser.add_argument(
        "--steps", type=int, default=40, help="training steps of the memory check (default: 40)"
    )
    parser.add_argument(
        "--held-out", type=int, help="validation images of the memory check (default: 15 %% of all)"
    )
    return parser.parse_args()


# --- speed --------------------------------------------------------------------------------------


def compare(params: Params, words: argparse.Namespace, folder: Path) -> None:
    """Measure all ways in turn and print a table and the two ratios."""
    config = params.classifier
    print(
        f"{config.backbone}, {config.image_size} px, batches of {config.batch_size}, {config.frozen_stages} "
        f"stages frozen, {words.images} photographs of {words.photographs}, ",
        end="",
    )
    print(
        f"{words.threads} threads on {words.device}; load {os.getloadavg()[0]:.1f} at the start", flush=True
    )
    workers = words.threads if words.workers is None else words.workers
    photographs = draw(
        folder, words.images + 2 * HELD_OUT, config.image_size, tuple(map(int, words.photographs.split("x")))
    )
    names = [
        way for way in WAYS if way != "bank" or config.frozen_stages
    ]  # a bank holds frozen stages' outputs
    ways = {way: Process(way, params, words.device, workers, photographs, folder) for way in names}
    seconds: dict[str, list[float]] = {way: [] for way in names}
    for number in range(words.rounds + 1):
        for way, process in ways.items():
            passed = process.ask("epoch")
            if number:  # the first warms up
                seconds[way].append(passed)
    reports = {way: process.ask("report") for way, process in ways.items()}
    for process in ways.values():
        process.ask("end")
    trainings = len(params.arms) * params.replicates
    floor = words.images * seconds_an_image(params, words.device, photographs["dx"])
    _print_table(seconds, reports, words.images, floor, config.max_epochs * trainings, config.bank)


def _print_table(
    seconds: dict[str, list[float]],
    reports: dict[str, dict[str, float]],
    images: int,
    floor: float,
    epochs: int,
    copies: int,
) -> None:
    median = {way: statistics.median(values) for way, values in seconds.items()}
    print(f"{'':32}images/s     ratio   peak memory   share of the machine")
    for way in median:
        print(
            f"{WAYS[way]:32}{images / median[way]:8.0f}{median['textbook'] / median[way]:10.2f}"
            f"{reports[way]['peak_bytes'] / 1e9:11.2f} GB"
            + ("" if way == "bank" else f"{floor / median[way]:23.1%}")
        )
    if "bank" in median:
        _print_bank(median, reports["bank"], images, epochs, copies)
    print(f"ratio {median['textbook'] / median['ours']:.2f}")


def _print_bank(
    median: dict[str, float], report: dict[str, float], images: int, epochs: int, copies: int
) -> None:
    """The bank with its building, which all epochs of the run share."""
    built = report["bank_seconds"]
    with_build = median["bank"] + built / epochs
    print(f"{'  and building it':32}{images / with_build:8.0f}{median['textbook'] / with_build:10.2f}")
    print(
        f"The bank ({copies} variations per image, {report['bank_bytes'] / 1e6:.0f} MB) was built "
        f"in {built:.1f} s, here shared out over {epochs} epochs "
        f"(all epochs of all the run's trainings). Load {os.getloadavg()[0]:.1f} at the end."
    )
    print(f"bank ratio {median['textbook'] / with_build:.2f}")


def seconds_an_image(params: Params, device: str, dx: list[str]) -> float:
    """What the multiplications of one training image would take on this machine, at its best rate.

    They are counted on the CPU, in batches of four: the frozen stages forward, the others there and back.
    """
    import torch
    from machine_speed import Operations, product_rate

    from helpers.classifier.model import build_classifier
    from helpers.device import resolve_precision

    config = params.classifier
    frozen, classes = config.frozen_stages, len(set(dx))
    model = build_classifier(config.backbone, "none", classes, config.hidden, config.dropout, frozen)
    images = torch.rand(4, 3, config.image_size, config.image_size)
    with Operations() as counted:
        torch.nn.functional.cross_entropy(model(images), torch.zeros(4, dtype=torch.long)).backward()
    dtype = resolve_precision(config.precision, device) or torch.float32
    return counted.total / 4 / product_rate(device, dtype, config.threads)


def draw(folder: Path, count: int, size: int, photograph: tuple[int, int]) -> dict[str, Any]:
    """Drawn lesions as JPEG files of size ``photograph``, labels and decoded array (uint8, N x S x S x 3) on
    disk. Beyond DRAWN of them, an image is one of these once more.
    """
    from PIL import Image

    from helpers.data.decoding import decode, resize_image
    from helpers.data.ham10000 import open_dataset
    from helpers.data.phantom.writing import draw_dataset

    lesions = max(min(count, DRAWN), 150)
    dataset = open_dataset(draw_dataset(folder / "lesions", images=lesions, seed=1))
    files = {path.stem: path for path in (folder / "lesions").rglob("*.jpg")}
    drawn = list(dataset.metadata["image_id"])[:count]
    for image_id in drawn:
        image = Image.open(files[image_id])
        if image.size != photograph:
            image.resize(photograph).save(files[image_id], quality=90)
    images = np.stack([resize_image(decode(dataset.read(image_id)), size, "bilinear") for image_id in drawn])
    place = np.arange(count) % len(drawn)
    np.save(folder / "images.npy", images[place])
    return {
        "files": [files[drawn[number]] for number in place],
        "ids": [f"image-{number}" for number in range(count)],
        "dx": dataset.metadata["dx"].iloc[place].tolist(),
        "array": folder / "images.npy",
    }


class Process:
    """One way in a process of its own, which does what it is asked."""

    def __init__(self, *arguments: Any):
        self.connection, theirs = get_context("spawn").Pipe()
        self.process = get_context("spawn").Process(target=_serve, args=(theirs, *arguments))
        self.process.start()
        theirs.close()  # so that a process that died is noticed
        self.connection.recv()  # prepared: one after the other, so that none slows the building of the bank

    def ask(self, what: str) -> Any:
        """The answer; 'end' is answered by the process's end."""
        self.connection.send(what)
        if what == "end":
            return self.process.join()
        return self.connection.recv()


def _serve(
    connection: Connection,
    way: str,
    params: Params,
    device: str,
    workers: int,
    photographs: dict[str, Any],
    folder: Path,
) -> None:
    """Prepare ``way`` and answer 'epoch' by the seconds of one pass over the training images, 'report' by
    what it took.
    """
    import torch

    torch.set_num_threads(params.classifier.threads)
    run, report = (_textbook if way == "textbook" else _ours)(
        way, params, device, workers, photographs, folder
    )
    connection.send("prepared")
    while (asked := connection.recv()) != "end":
        if asked == "report":
            connection.send(report() | {"peak_bytes": peak_memory(device)})
            continue
        began = time.perf_counter()
        run()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        connection.send(time.perf_counter() - began)


def _textbook(
    way: str, params: Params, device: str, workers: int, photographs: dict[str, Any], folder: Path
) -> tuple[Callable, Callable]:
    from classifier_textbook import Textbook

    classes = sorted(set(photographs["dx"]))
    labels = [classes.index(name) for name in photographs["dx"]]
    count = len(labels) - 2 * HELD_OUT
    return Textbook(
        photographs["files"][:count], labels[:count], params.classifier, device, workers
    ).epoch, dict


def _ours(
    way: str, params: Params, device: str, workers: int, photographs: dict[str, Any], folder: Path
) -> tuple[Callable, Callable]:
    import torch

    config = params.classifier if way == "bank" else params.classifier.model_copy(update={"bank": 0})
    images = np.load(photographs["array"], mmap_mode="r")
    trainer = _trainer(images, photographs["ids"], photographs["dx"], HELD_OUT, config, device, folder)
    epochs = iter(range(10**9))
    torch.backends.cudnn.benchmark = device.startswith("cuda")  # as train_classifier has it
    report = {
        "bank_seconds": getattr(trainer.features, "seconds", 0.0),
        "bank_bytes": getattr(trainer.features, "nbytes", 0),
    }
    return lambda: trainer.train_epoch(next(epochs), _Silent()), lambda: report


def _trainer(
    images: np.ndarray, ids: list[str], dx: list[str], held_out: int, config: Any, device: str, folder: Path
) -> Any:
    import pandas as pd

    from helpers.classifier.arms import compose_training_set
    from helpers.classifier.trainer import Trainer
    from helpers.params import Arm

    parts = ["train"] * (len(ids) - 2 * held_out) + ["validation"] * held_out + ["test"] * held_out
    split = pd.DataFrame({"image_id": ids, "dx": dx, "split": parts})
    return Trainer(
        compose_training_set(split, images, Arm(), dx[0]),
        split,
        images,
        config,
        device,
        1000,
        folder / "bank",
    )


class _Silent:
    def update(self, *_: Any) -> None:
        """No bar: it would be timed."""


# --- memory -------------------------------------------------------------------------------------


def check_memory(params: Params, words: argparse.Namespace, folder: Path) -> None:
    """Train on images on disk, from all of which the steps' batches are drawn, then look at the validation
    images; print the peak memory.
    """
    import torch

    count, steps = words.memory_check, words.steps
    held_out = words.held_out or count * 15 // 100

    config = params.classifier.model_copy(update={"bank": 0})
    torch.set_num_threads(config.threads)
    size = config.image_size
    images = np.lib.format.open_memmap(
        folder / "images.npy", mode="w+", dtype=np.uint8, shape=(count, size, size, 3)
    )  # sparse: holes read as black
    images[:: max(1, count // 1000)] = np.random.default_rng(0).integers(
        0, 256, (1, size, size, 3), dtype=np.uint8
    )
    images.flush()
    del images
    images = np.load(folder / "images.npy", mmap_mode="r")
    print(
        f"{count:,} images of {size} px on disk: {images.nbytes / 1e9:.2f} GB; {config.backbone}, {steps} "
        f"steps of {config.batch_size}",
        flush=True,
    )
    dx = [("bkl", "mel", "nv")[index % 3] for index in range(count)]
    with watched_memory() as peak:
        trainer = _trainer(
            images, [f"image-{index}" for index in range(count)], dx, held_out, config, words.device, folder
        )
        trainer.draws, trainer.steps = (
            min(steps * config.batch_size, trainer.draws),
            min(steps, trainer.steps),
        )
        trainer.train_epoch(0, _Silent())
        trainer.validate()
    print(
        f"peak of the process's own memory {peak['RssAnon'] / 1e9:.2f} GB; with file pages that the system "
        f"may take back at any time {peak['VmRSS'] / 1e9:.2f} GB"
    )


@contextmanager
def watched_memory() -> Any:
    """A dictionary that holds, afterwards, the largest RssAnon and VmRSS in between, bytes, by looks 20 times
    a second (Linux).
    """
    peak = {"RssAnon": 0, "VmRSS": 0}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            for key, value in memory_now().items():
                peak[key] = max(peak[key], value)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def memory_now() -> dict[str, int]:
    """Bytes of RssAnon (the process's own) and VmRSS (with pages of files), of this process."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {key: 1024 * int(lines[key].split()[0]) for key in ("RssAnon", "VmRSS")}


def peak_memory(device: str) -> int:
    """Most bytes that this process has held, on the GPU where it computes on one; loader processes are not
    counted.
    """
    import resource

    import torch

    return (
        torch.cuda.max_memory_allocated()
        if device.startswith("cuda")
        else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    )


if __name__ == "__main__":
    main()
