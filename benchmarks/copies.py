"""Are synthetic images near to single training photographs, or only near to the usual ones?

The memorisation table of a run says how many of its synthetic images lie nearer to a training photograph
than the nearest 5 % of held-out photographs do. A generator whose images crowd around the usual photograph
has many of these without copying any. Two questions tell the two apart, each in features and in pixels:

- relative nearness (``helpers.gan.memorisation``): the distance to the nearest training photograph over the
  mean distance to the ten after it. A copy has a value near 0; for how many is it smaller than for 95 % of
  held-out photographs? Copying raises this share above 5 %.
- training or held out: of as many training photographs as there are held-out ones, drawn --draws times, and
  the held-out ones, which holds the nearest? A generator that does not know its training photographs by heart
  has no reason for more than half.

Prints both for each GAN of a finished run, of its target class.

Run: python benchmarks/copies.py RUN [--draws 100]
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator

import numpy as np

from helpers.device import pick_device
from helpers.errors import UserError
from helpers.gan.features import image_features
from helpers.gan.memorisation import closer_share, mirrorings, relative_nearness
from helpers.gan.rows import distances
from helpers.params import GanName, Params
from helpers.paths import RunPaths, require
from helpers.progress import show_no_progress
from helpers.report.page.records import read_params
from helpers.stages.target import load_target_images

Vectors = tuple[np.ndarray, np.ndarray, np.ndarray]  # of synthetic, training and held-out images


def spaces_of(run: RunPaths, params: Params, gan: GanName) -> dict[str, Vectors]:
    """The images of one GAN, of its training part and of the lesions held out from it, in each space."""
    synthetic = np.load(require(run.synthetic(gan) / "images.npy", "synthesis"), mmap_mode="r")
    target = load_target_images(run, params, gan)
    images = (synthetic, target.trained, target.held_out[target.unseen])
    device = pick_device(params.compute)
    with tempfile.TemporaryDirectory() as folder:
        features = [np.array(image_features(each, folder, params.synthesis, device)) for each in images]
    return {params.synthesis.features: tuple(features), "pixels": images}  # type: ignore[dict-item]


def training_share(space: str, vectors: Vectors, draws: int, seed: int = 0) -> float:
    """Share of synthetic images whose nearest photograph is a training one, among as many of either kind."""
    synthetic, training, held_out = vectors
    if space == "pixels":
        [flat, *_] = mirrorings(synthetic)
        to_training, to_held_out = (
            np.minimum.reduce([distances(flat, each) for each in mirrorings(part)])
            for part in (training, held_out)
        )
    else:
        to_training, to_held_out = (distances(synthetic, part) for part in (training, held_out))
    nearest_held_out, rng = to_held_out.min(1), np.random.default_rng(seed)
    shares = []
    for _ in range(draws):
        drawn = rng.choice(len(training), size=min(len(held_out), len(training)), replace=False)
        shares.append((to_training[:, drawn].min(1) < nearest_held_out).mean())
    return float(np.mean(shares))


def rows_of(run: RunPaths, params: Params, draws: int) -> Iterator[str]:
    """A line for each GAN and space."""
    for gan in params.gans():
        for space, vectors in spaces_of(run, params, gan).items():
            synthetic, training, held_out = vectors
            near = [relative_nearness(space, part, training) for part in (synthetic, held_out)]
            found = closer_share(*near)
            yield (
                f"GAN {gan}, {space}: relative nearness below that of 95 % of held-out photographs in "
                f"{100 * found['share']:.1f} % ({100 * found['low']:.1f} to {100 * found['high']:.1f}) of "
                f"{len(synthetic):,} images, least {near[0].min():.2f} (held out: {near[1].min():.2f}); the "
                f"nearest photograph is a training one in {100 * training_share(space, vectors, draws):.1f} %"
            )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("run", help="name of a run whose synthetic images are there")
    parser.add_argument("--draws", type=int, default=100, help="of training photographs (default: 100)")
    options = parser.parse_args(arguments)
    show_no_progress()
    run = RunPaths(options.run)
    try:
        for row in rows_of(run, read_params(run), options.draws):
            print(row, flush=True)
    except UserError as mistake:
        print(f"copies.py: {mistake}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
