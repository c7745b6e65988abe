"""How the critic's scores develop with spectral norm on no layer, on its blocks, on every layer: what could
the paper's have been?

Run: python benchmarks/spectral_norm_placement.py --data-root ~/HAM10000 [--steps 1500] [--set
  gan.batch_size=16] [--table T.csv] [--figure F.png]
     python benchmarks/spectral_norm_placement.py --draw --table T.csv --figure F.png

The paper reports a generator loss of 200 to 800 and a gradient penalty below 0.5 and does not say where its
spectral norm stands. The trainings have the paper's rates, moments and penalty, and nothing that holds the
scores' level, on its 779 melanomas; they are narrow, at 64 x 64 and in small batches, so that a processor can
take them through a few thousand critic steps. They take turns, and the table is written as they go, so that
they are as far as one another whenever one looks.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch

from helpers import params
from helpers.data.decoding import decode, resize_image
from helpers.data.ham10000 import open_dataset
from helpers.data.splits import split_metadata
from helpers.files import write_table
from helpers.gan.adversarial import AdversarialTrainer
from helpers.gan.batches import to_float
from helpers.gan.records import sample_grid, write_samples
from helpers.params import load_params
from helpers.report.style import BLUE, GREEN, STYLE, VERMILION

PLACEMENTS = {"none": VERMILION, "blocks": BLUE, "all": GREEN}
NARROW = ("gan.resolution=64", "gan.channel_scale=0.125", "gan.batch_size=8", "gan.threads=1")
REFERENCES = 32  # real images whose scores' spread is followed
EVERY = 10  # generator steps between two rows
PANELS = {
    "score_scale": "largest of the two mean scores, without sign",
    "score_spread": f"deviation of the scores of {REFERENCES} real images",
    "gradient_norm": "norm of the score's gradient",
    "gradient_penalty": "gradient penalty, before its weight of 10",
}


def melanomas(root: Path, config: params.Gan, split: params.Split) -> np.ndarray:
    """The training melanomas of the split, uint8 (N, R, R, 3)."""
    with open_dataset(root) as dataset:
        rows = dataset.metadata
        parts = split_metadata(rows, split.by, split.fractions, split.seed)
        wanted = rows.loc[(parts == "train").to_numpy() & (rows["dx"] == "mel").to_numpy(), "image_id"]
        return np.stack(
            [resize_image(decode(dataset.read(name)), config.resolution, config.resize) for name in wanted]
        )


@torch.no_grad()
def row(trainer: AdversarialTrainer, references: torch.Tensor) -> list[float]:
    """The history's row of the last step, and the spread of the scores of real images."""
    return [*trainer.log(), float(trainer.critic(references).std())]


def measure(images: np.ndarray, config: params.Gan, steps: int, table: Path, samples: Path | None) -> None:
    """Train one GAN per placement in turn, from the same seed, and write a row of each every EVERY steps."""
    torch.set_num_threads(config.threads)
    trainers = {
        placement: AdversarialTrainer(
            images, config.model_copy(update={"spectral_norm": placement}), "cpu", 0
        )
        for placement in PLACEMENTS
    }
    references = to_float(torch.from_numpy(images[:: len(images) // REFERENCES][:REFERENCES]))
    rows = []
    for step in range(1, steps + 1):
        for placement, trainer in trainers.items():
            trainer.step()
            if step % EVERY == 0 or step == 1:
                rows.append([placement, *row(trainer, references)])
        if step % (5 * EVERY) == 0 or step == 1 or step == steps:
            write_table(
                table,
                pd.DataFrame(
                    rows, columns=["placement", "step", "epoch", *AdversarialTrainer.columns, "score_spread"]
                ),
            )
            print(f"step {step} of {steps}", flush=True)
        if samples and (step % (50 * EVERY) == 0 or step == steps):
            for placement, trainer in trainers.items():
                write_samples(sample_grid(trainer.samples()), step, samples / placement)


def widened(table: pd.DataFrame) -> pd.DataFrame:
    """The table with two columns that follow from the mean scores: score_scale, score_gap."""
    scale = table[["score_real", "score_fake"]].abs().max(axis=1)
    return table.assign(score_scale=scale, score_gap=table["score_real"] - table["score_fake"])


def summary(table: pd.DataFrame, last: float = 0.2) -> pd.DataFrame:
    """Per placement: medians over the last share of the steps, and the largest score scale of all."""
    late = table[table["step"] > (1 - last) * table["step"].max()].groupby("placement", sort=False)
    columns = ["generator_loss", "score_gap", "score_spread", "gradient_norm", "gradient_penalty"]
    largest = table.groupby("placement", sort=False)["generator_loss"].agg(lambda losses: losses.abs().max())
    return late[columns].median().assign(largest_generator_loss=largest, steps=late["step"].max())


def draw(table: pd.DataFrame, path: Path) -> None:
    """Four panels over generator steps, a colour per placement; grey and dotted: the paper's loss and
    penalty, and what the penalty asks of the norm.
    """
    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.style.context(STYLE):
        figure, axes = pyplot.subplots(1, 4, figsize=(13, 3.2))
        for axis, (column, title) in zip(axes, PANELS.items(), strict=True):
            for placement, colour in PLACEMENTS.items():
                mine = table[table["placement"] == placement]
                axis.plot(
                    mine["step"],
                    mine[column].rolling(5, center=True, min_periods=1).median(),
                    color=colour,
                    label=placement,
                )
            axis.set(xlabel="generator step", yscale="log")
            axis.set_title(title, fontsize=8)
        axes[0].axhspan(200, 800, color="0.9", zorder=0)
        for axis, level in zip(axes[2:], (1.0, 0.5), strict=True):
            axis.axhline(level, color="0.6", linestyle=":")
        axes[0].legend(title="spectral norm on")
        figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data-root", type=Path, help="folder of HAM10000, in any layout")
    parser.add_argument(
        "--steps", type=int, default=1500, help="generator steps of each training (default: 1500)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one parameter of paper.yaml, narrowed",
    )
    parser.add_argument("--table", type=Path, default=Path("spectral-norm-placement.csv"))
    parser.add_argument("--figure", type=Path, default=Path("spectral-norm-placement.png"))
    parser.add_argument("--samples", type=Path, help="folder for a grid of generated images per placement")
    parser.add_argument(
        "--draw", action="store_true", help="train nothing: the figure and the summary of --table"
    )
    options = parser.parse_args(arguments)
    if not options.draw:
        if options.data_root is None:
            parser.error("name the folder of HAM10000 by --data-root")
        settings = load_params("paper", [*NARROW, *options.set])
        images = melanomas(options.data_root, settings.gan, settings.data.split)
        print(f"{len(images)} melanomas, {images.shape[1]} x {images.shape[2]}", flush=True)
        measure(images, settings.gan, options.steps, options.table, options.samples)
    table = widened(pd.read_csv(options.table, keep_default_na=False))  # 'none' is a placement
    draw(table, options.figure)
    print(summary(table).to_string(float_format=lambda value: f"{value:.3g}"))


if __name__ == "__main__":
    main()
