"""Are synthetic images near to single training photographs, or only near to the usual ones?

The memorisation table of a run says how many of its synthetic images lie nearer to a training photograph
than the nearest 5 % of held-out photographs do. A generator whose images crowd around the usual photograph
has many of these without copying any. Two questions tell the two apart, each in features and in pixels (in
which a photograph counts in all four mirrorings):

- Training or held out: of all photographs of the class, is the nearest one of a lesion that was trained on?
  Which lesions are trained on was decided by chance, so the share that is expected without copying comes from
  dealing this anew, --deals times, among lesions with equally many photographs. Each copy raises the share.
- Relative nearness (``helpers.gan.memorisation``): the distance to the nearest training photograph over the
  mean distance to the ten after it. A copy has a value near 0; for how many images is it smaller than for
  95 % of the held-out photographs? The interval takes photographs as independent, and lesions with several of
  them make it too narrow.

Prints both for each GAN and class of a finished run.

Run: python benchmarks/copies.py RUN [--deals 2000]
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.splits import HELD_OUT, lesion_seen
from helpers.device import pick_device
from helpers.errors import UserError
from helpers.gan.features import image_features
from helpers.gan.memorisation import FEWEST, closer_share, nearest_in, relative_nearness
from helpers.params import GanName, Params
from helpers.paths import RunPaths, require
from helpers.progress import show_no_progress
from helpers.report.page.records import read_params
from helpers.stages.target import load_gan_split, load_target_images


def lesions_of(split: pd.DataFrame, class_name: str) -> tuple[np.ndarray, np.ndarray]:
    """The lesions of a class's training photographs, and of its held-out ones that are not trained on.

    In the order of ``load_target_images``; a photograph without a lesion is one of its own.
    """
    named = split["lesion_id"].fillna(split["image_id"])
    of_class = split["dx"] == class_name
    held_out = of_class & split["split"].isin(HELD_OUT) & ~lesion_seen(split)
    return named[of_class & (split["split"] == "train")].to_numpy(), named[held_out].to_numpy()


def nearest_photograph(space: str, images: np.ndarray, photographs: np.ndarray) -> np.ndarray:
    """For each of ``images`` the row of the nearest of ``photographs``: int64 (N,)."""
    return nearest_in(space, images, photographs)[1] % len(photographs)


def share_of_trained(
    nearest: np.ndarray, lesions: np.ndarray, trained: int, deals: int, seed: int = 0
) -> dict[str, float]:
    """Share of images whose ``nearest`` photograph shows a lesion that was trained on, beside chance.

    ``lesions`` are those of all photographs, of which the first ``trained`` are of the training part.
    expected, low, high: mean and middle 95 % of the shares when the lesions with equally many photographs
    exchange, at random, which of them were trained on; p: how often that share is at least as large.
    """
    table = pd.DataFrame({"lesion": lesions, "trained": np.arange(len(lesions)) < trained})
    table["images"] = np.bincount(nearest, minlength=len(lesions))
    by_lesion = table.groupby("lesion", sort=False).agg(
        trained=("trained", "first"), images=("images", "sum"), photographs=("images", "size")
    )
    rng, total = np.random.default_rng(seed), len(nearest)
    shares = np.zeros(deals)
    for _, alike in by_lesion.groupby("photographs"):
        labels = np.tile(alike["trained"].to_numpy(), (deals, 1))
        shares += rng.permuted(labels, axis=1) @ alike["images"].to_numpy() / total
    found = by_lesion.loc[by_lesion["trained"], "images"].sum() / total
    low, high = np.quantile(shares, [0.025, 0.975])
    p = (1 + (shares >= found - 1e-12).sum()) / (1 + deals)
    return {"share": found, "expected": shares.mean(), "low": low, "high": high, "p": p}


def rows_of(run: RunPaths, params: Params, deals: int) -> Iterator[dict[str, object]]:
    """A row for each GAN, class and space; raises UserError where too few photographs are held out."""
    for gan in params.gans():
        images = np.load(require(run.synthetic(gan) / "images.npy", "synthesis"), mmap_mode="r")
        parts = np.split(images, len(params.gan_classes))
        for name, part in zip(params.gan_classes, parts, strict=True):
            yield from _rows_of_class(run, params, gan, name, part, deals)


def _rows_of_class(
    run: RunPaths, params: Params, gan: GanName, name: str, images: np.ndarray, deals: int
) -> Iterator[dict[str, object]]:
    target = load_target_images(run, params, gan, name)
    pictures = (images, target.trained, target.held_out[target.unseen])
    lesions = lesions_of(load_gan_split(run, params, gan), name)
    if len(lesions[1]) < FEWEST:
        raise UserError(
            f"GAN {gan} has {len(lesions[1])} held-out photographs of {name} that show no lesion which was "
            f"trained on; {FEWEST} are needed: split by lesion (data.split.by), or hold out more."
        )
    device = pick_device(params.compute)
    with tempfile.TemporaryDirectory() as folder:
        features = [
            np.array(image_features(each, Path(folder), params.synthesis, device)) for each in pictures
        ]
    for space, (fake, training, new) in {params.synthesis.features: features, "pixels": pictures}.items():
        nearest = nearest_photograph(space, fake, np.concatenate([training, new]))
        near = [relative_nearness(space, each, training) for each in (fake, new)]
        yield {
            **{"gan": gan, "class": name, "space": space, "images": len(fake)},
            **share_of_trained(nearest, np.concatenate(lesions), len(training), deals),
            **{f"relative_{key}": value for key, value in closer_share(*near).items()},
        }


def show(row: Mapping[str, object]) -> None:
    """Print one row as two sentences."""
    print(
        "GAN {gan}, {class}, {space}: the nearest photograph is of a trained lesion for {share:.1%} of "
        "{images:,} images ({expected:.1%} expected, {low:.1%} to {high:.1%} by chance, p = {p:.3f}). "
        "Relative nearness below that of 95 % of the held-out photographs: {relative_share:.1%} "
        "({relative_low:.1%} to {relative_high:.1%}).".format(**row),
        flush=True,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("run", help="name of a run whose synthetic images are there")
    parser.add_argument("--deals", type=int, default=2000, help="of lesions (default: 2000)")
    options = parser.parse_args(arguments)
    show_no_progress()
    run = RunPaths(options.run)
    try:
        for row in rows_of(run, read_params(run), options.deals):
            show(row)
    except UserError as mistake:
        print(f"copies.py: {mistake}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
