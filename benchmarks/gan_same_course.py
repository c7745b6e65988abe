"""The course of 200 steps by the textbook loop and by ours, from one state and the same random numbers.

Run: python benchmarks/gan_same_course.py [--steps 200] [--output gan-same-course.png]

The figure shows both losses. Ours runs twice, in float32 and in bfloat16. The curves lie on one another at
first; later rounding drives them apart, as it would two runs of the same loop on two machines.
"""

import argparse
import sys
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image

from helpers import params
from helpers.data.decoding import resize_image
from helpers.data.phantom.photograph import draw_photograph
from helpers.gan.adversarial import AdversarialTrainer

sys.path.insert(0, str(Path(__file__).parent))
from gan_textbook import Textbook

matplotlib.use("Agg")
CONFIG = params.Gan(
    resolution=32,
    channel_scale=0.125,
    batch_size=8,
    n_critic=1,
    adam_betas=(0.0, 0.99),
    lr_generator=2e-4,
    lr_discriminator=4e-4,
    threads=1,
)
LOOPS = {"textbook, float32": None, "ours, float32": "float32", "ours, bfloat16": "bfloat16"}


def course(images: np.ndarray, precision: str | None, steps: int) -> np.ndarray:
    """Losses (steps, 2) of critic and generator; every loop has the same state and numbers at the start."""
    trainer = AdversarialTrainer(
        images, CONFIG.model_copy(update={"precision": precision or "float32"}), "cpu", 0
    )
    textbook = Textbook(CONFIG).copy_from(trainer)
    losses = []
    for _ in range(steps):
        real, drawn, later = trainer.data.next_batch(), trainer.draws.critic(), trainer.draws.generator()
        if precision is None:
            critic_loss = textbook.critic_step(real, drawn.latents, drawn.noise, drawn.mix)
            losses.append((critic_loss, textbook.generator_step(later.latents, later.noise)))
        else:
            fake = trainer.fakes(drawn.latents, drawn.noise)
            critic_loss = trainer.critic_step(real, fake, *drawn).loss
            losses.append((critic_loss, trainer.generator_step(*later)))
    return np.array([[float(loss) for loss in pair] for pair in losses])


def main(arguments: list[str] | None = None) -> None:
    from matplotlib import pyplot

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--output", default="gan-same-course.png")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    drawn = (Image.fromarray(draw_photograph("mel", 1, lesion, 0)) for lesion in range(64))
    images = np.stack([resize_image(image, CONFIG.resolution, "area") for image in drawn])
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
    for (name, precision), style in zip(LOOPS.items(), ("-", "--", ":"), strict=True):
        losses = course(images, precision, options.steps)
        for axis, column, title in zip(axes, losses.T, ("critic's loss", "generator's loss"), strict=True):
            axis.plot(1 + np.arange(len(column)), column, style, label=name, linewidth=1.5)
            axis.set(xlabel="generator step", title=title)
        print(f"{name}: last losses {losses[-1][0]:.3f} and {losses[-1][1]:.3f}", flush=True)
    axes[0].legend(frameon=False)
    figure.savefig(options.output, dpi=160)


if __name__ == "__main__":
    main()
