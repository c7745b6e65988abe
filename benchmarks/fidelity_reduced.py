"""How near to the real images a run's synthetic ones are once both are reduced, so that GANs of different resolutions can be compared.

Features see what a resolution holds: a GAN at 128 x 128 is judged by details that one at 64 x 64 cannot get wrong. Prints, for each GAN
of a finished run, the measures of docs/gan.md of the images reduced by area to --resolution, beside held-out real images reduced alike.

Run: python benchmarks/fidelity_reduced.py RUN [--resolution 64]
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers.data.images import load_images, load_split, resize_image
from helpers.data.splits import lesion_seen
from helpers.device import pick_device
from helpers.errors import UserError
from helpers.gan.assessment import assess_images
from helpers.paths import RunPaths, require
from helpers.report.provenance import read_params

SETS = {"random": "synthetic, at random", "kept": "synthetic, kept by the critic", "real": "real, held out"}


def measure(run: RunPaths, seed: int, resolution: int, folder: Path) -> pd.DataFrame:
    """The fidelity table of one GAN's images at ``resolution``; works in ``folder``."""
    params = read_params(run)
    source = run.synthetic(seed)
    images = np.load(require(source / "images.npy", "synthesis"), mmap_mode="r")
    np.save(folder / "images.npy", np.stack([resize_image(Image.fromarray(image), resolution, "area") for image in images]))
    shutil.copy(require(source / "scores.csv", "synthesis"), folder)
    split, pixels = load_split(run), load_images(run, params.data, resolution, "area")
    of_class, trained = (split["dx"] == params.data.target_class).to_numpy(), (split["split"] == "train").to_numpy()
    held_out = of_class & ~trained
    unseen = ~lesion_seen(split).to_numpy()[held_out]
    device = pick_device(params.compute)
    return assess_images(folder, folder, params.synthesis, pixels[of_class & trained], pixels[held_out], unseen, device)["fidelity"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="name of a run whose synthetic images are there")
    parser.add_argument("--resolution", type=int, default=64, help="side, pixels, of what is compared (default: 64)")
    options = parser.parse_args(arguments)
    os.environ.setdefault("REPORT_STATUS_FILE", os.devnull)  # no progress bars
    run = RunPaths(options.run)
    try:
        for seed in read_params(run).gan.seeds:
            with tempfile.TemporaryDirectory() as folder:
                table = measure(run, seed, options.resolution, Path(folder))
            print(
                f"GAN {seed}, {options.resolution} x {options.resolution}, {table['images'].iloc[0]} images on either side, mean and middle 95 % of {table['draws'].iloc[0]} draws"
            )
            for name, title in SETS.items():
                rows = table[table["set"] == name].set_index("measure")
                distance = rows.loc["kernel_distance"]
                rest = ", ".join(f"{measure.replace('_', ' ')} {rows.loc[measure, 'value']:.2f}" for measure in rows.index if measure != "kernel_distance")
                print(f"  {title:<30} kernel distance {distance['value']:.2f} ({distance['low']:.2f} to {distance['high']:.2f}), {rest}")
    except UserError as mistake:
        print(f"fidelity_reduced.py: {mistake}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
