"""How near to the real images a run's synthetic ones are once both are reduced, so that GANs of different
resolutions can be compared.

Features see what a resolution holds: a GAN at 128 x 128 is judged by details that one at 64 x 64 cannot get
wrong. Prints, for each GAN of a finished run, the measures of docs/gan.md of the images reduced by area to
--resolution, beside held-out real images reduced alike.

Run: python benchmarks/fidelity_reduced.py RUN [--resolution 64]
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers.data.arrays import load_images
from helpers.data.decoding import resize_image
from helpers.data.manifest import load_split
from helpers.data.splits import lesion_seen
from helpers.device import pick_device
from helpers.errors import UserError
from helpers.gan.assessment import Comparison, assess_images
from helpers.params import Params
from helpers.paths import RunPaths, require
from helpers.progress import show_no_progress
from helpers.report.page.records import read_params

SETS = {"random": "synthetic, at random", "kept": "synthetic, kept by the critic", "real": "real, held out"}


def measure(
    run: RunPaths, params: Params, resolution: int, folder: Path
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Seed and fidelity table of each GAN's images at ``resolution``; works in ``folder``, where the real
    images' features are shared.
    """
    split, pixels = load_split(run), load_images(run, params.data, resolution, "area")
    of_class, trained = (
        (split["dx"] == params.data.target_class).to_numpy(),
        (split["split"] == "train").to_numpy(),
    )
    held_out = of_class & ~trained
    unseen = ~lesion_seen(split).to_numpy()[held_out]
    given = Comparison(pixels[of_class & trained], pixels[held_out], unseen)
    device = pick_device(params.compute)
    for seed in params.gan.seeds:
        source, own = run.synthetic(seed), folder / f"seed-{seed}"
        images = np.load(require(source / "images.npy", "synthesis"), mmap_mode="r")
        scores = require(source / "scores.csv", "synthesis")
        own.mkdir()
        np.save(
            own / "images.npy",
            np.stack([resize_image(Image.fromarray(image), resolution, "area") for image in images]),
        )
        shutil.copy(scores, own)
        yield (
            seed,
            assess_images(own, folder, params.synthesis, {params.data.target_class: given}, device)[
                "fidelity"
            ],
        )


def show(seed: int, table: pd.DataFrame, resolution: int) -> None:
    """Print one GAN's table, a line for each set."""
    images, draws = table.iloc[0][["images", "draws"]]
    print(
        f"GAN {seed}, {resolution} x {resolution}, {images} images on either side, mean and middle 95 % of "
        f"{draws} draws"
    )
    for name, title in SETS.items():
        rows = table[table["set"] == name].set_index("measure")
        distance = rows.loc["kernel_distance"]
        rest = ", ".join(
            f"{measure.replace('_', ' ')} {rows.loc[measure, 'value']:.2f}"
            for measure in rows.index
            if measure != "kernel_distance"
        )
        print(
            f"  {title:<30} kernel distance {distance['value']:.2f} ({distance['low']:.2f} to "
            f"{distance['high']:.2f}), {rest}"
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("run", help="name of a run whose synthetic images are there")
    parser.add_argument(
        "--resolution", type=int, default=64, help="side, pixels, of what is compared (default: 64)"
    )
    options = parser.parse_args(arguments)
    show_no_progress()
    run = RunPaths(options.run)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for seed, table in measure(run, read_params(run), options.resolution, Path(folder)):
                show(seed, table, options.resolution)
    except UserError as mistake:
        print(f"fidelity_reduced.py: {mistake}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
