"""What a run costs on this machine, before it is started: core-hours by stage, from samples of its work.

Run: python benchmarks/bill.py [--params params/study.yaml] [--images 10015] [--of-target 1113] [--epochs 11]

A few steps of the GAN, of the adapted trunk, of the bank and of the classifier are timed on noise of the
run's sizes, because no multiplication is faster for its content; jobs and images are counted from the
parameters. On a CPU the time is that of the processor, so that other work beside it counts less. Patience
ends most trainings of the classifier before `max_epochs`; --epochs says after how many (default: all of
them). Synthesis, evaluation and page are not sampled: they take minutes.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from helpers.classifier.arms import compose_training_set
from helpers.classifier.trainer import Trainer as ClassifierTrainer
from helpers.data.resizing import Way
from helpers.device import cpu_name, pick_device
from helpers.engine.stages import jobs
from helpers.evaluation.roles import added_images
from helpers.gan.recipes import RECIPES
from helpers.gan.trainer import total_steps
from helpers.gan.training import fast_arithmetic
from helpers.params import Arm, Classifier, Params, load_params
from helpers.progress import Progress, show_no_progress

SAMPLE = 384  # photographs of a sample, of which half again are held out
STEPS = 4  # of the GAN, after one to warm up


@dataclass(frozen=True)
class Line:
    """One line of the bill."""

    what: str
    jobs: int
    seconds: float  # of a job

    @property
    def hours(self) -> float:
        return self.jobs * self.seconds / 3600


def main() -> None:
    """Read the command line, take the samples, print the bill."""
    show_no_progress()
    words = _command_line()
    params = load_params(words.params, words.set)
    fractions = params.data.split.fractions
    trained, held_out = fractions[0] * words.images, (1 - fractions[0]) * words.images
    lines = list(bill(params, trained, held_out, fractions[0] * words.of_target, words.epochs))
    print(f"{words.params} on {cpu_name()}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':44}{'jobs':>6}{'min a job':>12}{'core-hours':>12}")
    for line in lines:
        print(f"{line.what:44}{line.jobs:6}{line.seconds / 60:12.1f}{line.hours:12.1f}")
    print(f"{'together':44}{'':18}{sum(line.hours for line in lines):12.1f}")


def _command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", default="params/study.yaml", help="the run's parameter file")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="as run_all.py's"
    )
    parser.add_argument("--images", type=int, default=10_015, help="photographs of the data set (HAM10000's)")
    parser.add_argument("--of-target", type=int, default=1_113, help="of them of the target class")
    parser.add_argument(
        "--epochs", type=int, help="epochs after which patience ends a training (default: all)"
    )
    return parser.parse_args()


def bill(params: Params, trained: float, held_out: float, of_target: float, epochs: int | None) -> list[Line]:
    """Lines for a training part of ``trained`` photographs, ``of_target`` of them of the target class."""
    kinds = Counter(job.stage for job in jobs(params))
    config, lines = params.classifier, []
    if kinds["gan"]:
        steps = total_steps(params.gan, round(of_target))
        lines.append(Line("GANs", kinds["gan"], steps * gan_step(params, round(of_target))))
    if kinds["trunk"]:
        sample = classifier_sample(params, config.adapting())
        lines.append(
            Line("trunks", kinds["trunk"], config.adapt.epochs * sample.epoch(trained, held_out / 2))
        )
    sample = classifier_sample(params, config)
    if config.bank:
        banks = max(params.parts, len(params.trunks()))
        lines.append(Line("banks", banks, sample.bank * (config.bank * trained + held_out)))
    added = np.mean([_added(arm, params) for arm in params.arms.values()])
    images = trained if config.equal_steps else trained + added
    each = (epochs or config.max_epochs) * sample.epoch(images, held_out / 2)
    lines.append(Line("trainings of the classifier", kinds["classifier"], each))
    return lines


def _added(arm: Arm, params: Params) -> int:
    """Images that an arm adds to its training set, about."""
    if arm.oversample is not None:
        return arm.oversample.count
    if arm.synthetic is None:
        return 0
    return added_images(params, arm.synthetic) or 0


def clock(device: str) -> float:
    """Seconds: of the processor, or, where a graphics card works, of the wall."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def gan_step(params: Params, images: int) -> float:
    """Seconds of one generator step with its critic steps."""
    torch.set_num_threads(params.gan.threads)
    device, size = pick_device(params.compute), params.gan.resolution
    pixels = np.random.default_rng(0).integers(0, 256, (images, size, size, 3), dtype=np.uint8)
    labels = np.arange(images) % len(params.gan.classes)
    trainer = RECIPES.get(params.gan.recipe).build_trainer(pixels, params.gan, device, 0, labels)
    with fast_arithmetic(device):
        trainer.step()
        began = clock(device)
        for _ in range(STEPS):
            trainer.step()
        return (clock(device) - began) / STEPS


@dataclass(frozen=True)
class Sample:
    """Seconds an image of one network."""

    training: float
    validation: float
    bank: float  # of one output of the frozen stages; 0 without a bank

    def epoch(self, trained: float, validated: float) -> float:
        return trained * self.training + validated * self.validation


def classifier_sample(params: Params, config: Classifier) -> Sample:
    """Train one epoch on noise and time its parts; the weights play no part and are not loaded."""
    config = config.model_copy(update={"weights": "none"})
    torch.set_num_threads(config.threads)
    count = SAMPLE + SAMPLE // 2
    generator, size = np.random.default_rng(0), config.image_size
    images = generator.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    part = ["train"] * SAMPLE + ["validation", "test"] * (SAMPLE // 4)
    split = pd.DataFrame({"image_id": [f"n{number}" for number in range(count)], "split": part})
    split = split.assign(dx=["nv", "mel"] * (count // 2), lesion_id=split["image_id"])
    device, chosen = pick_device(params.compute), compose_training_set(split, images, Arm(), "mel")
    with tempfile.TemporaryDirectory() as folder:
        began = clock(device)
        trainer = ClassifierTrainer(chosen, split, images, config, device, 0, folder, Way.of(params))
        built = clock(device) - began if config.bank else 0.0
        progress = Progress("sample", total=trainer.steps)
        trainer.train_epoch(0, progress)  # warms up
        began = clock(device)
        trainer.train_epoch(1, progress)
        trained = clock(device) - began
        began = clock(device)
        trainer.validate()
        validated = clock(device) - began
    outputs = config.bank * SAMPLE + SAMPLE // 2
    return Sample(trained / SAMPLE, validated / (SAMPLE // 4), built / outputs)


if __name__ == "__main__":
    main()
