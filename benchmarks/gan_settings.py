"""Do other settings of the GAN paint as well, and in which time? Two settings side by side on several seeds.

Run: python benchmarks/gan_settings.py [--params quick] [--both KEY=VALUE ...] [--set gan.n_critic=1 ...]
[--seeds 0 1 2] [--only first|second] [--keep FOLDER] [--figure F.png]

The first setting is the parameter file with what ``--both`` changes; ``--set`` gives what the second changes
besides. ``--only`` trains one of the two. For each seed both train a GAN on the training images of the target
class, one after the other in this process, and paint as many images as ``synthesis.count`` says. Printed:
seconds a training takes, and the measures of docs/gan.md of random images against the training images, beside
the floor of held-out real ones. The kernel distance is in thousandths. ``class auc``: a linear probe that
learnt the target class from training photographs alone, reduced as synthetic images are, tells random
synthetic images of it (or held-out photographs of it: ``real class auc``) from held-out photographs of other
classes with this area under the ROC curve. Works in a temporary folder; ``--keep`` keeps the last sample grid
of each training, ``--figure`` the first images of each, a row a training, below training images.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers import paths
from helpers.data.arrays import load_reduced
from helpers.data.manifest import load_split
from helpers.data.prepare import prepare_data
from helpers.device import pick_device
from helpers.gan.assessment import Comparison, assess_images
from helpers.gan.features import image_features
from helpers.gan.synthesis import synthesize
from helpers.gan.training import train_gan
from helpers.params import Params, load_params
from helpers.paths import RunPaths
from helpers.stages.target import TargetImages, load_target_images

SETS = ("random", "kept", "real")
SHOWN = 12  # images of a training in the figure


def try_setting(
    params: Params, images: TargetImages, seed: int, folder: Path, shared: Path
) -> tuple[float, pd.DataFrame]:
    """Seconds of one training, and the fidelity of its images; works in ``folder``."""
    device = pick_device(params.compute)
    began = time.perf_counter()
    train_gan(images.trained, params.gan, folder, device, seed=seed)
    seconds = time.perf_counter() - began
    synthesize(folder, folder / "synthetic", params.gan, params.synthesis, images.trained, device)
    given = {params.data.target_class: Comparison(images.trained, images.held_out, images.unseen)}
    tables = assess_images(folder / "synthetic", shared, params.synthesis, given, device)
    return seconds, tables["fidelity"]


def row(name: str, seed: int, seconds: float, fidelity: pd.DataFrame) -> dict[str, object]:
    """One line of the table: a setting, a seed, and the measures of its images."""
    values = fidelity.set_index(["set", "measure"])["value"]
    found: dict[str, object] = {"setting": name, "seed": seed, "seconds": round(seconds)}
    for which in SETS:
        for measure in ("kernel_distance", "density", "coverage"):
            if (which, measure) in values.index:
                factor = 1000 if measure == "kernel_distance" else 1
                found[f"{which} {measure}"] = round(factor * float(values[which, measure]), 3)
    return found


def class_signal(run: RunPaths, params: Params, synthetic: np.ndarray) -> dict[str, float]:
    """Areas under the ROC curve of a probe of photographs, for synthetic and held-out images of the class."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    split, device = load_split(run), pick_device(params.compute)
    real = image_features(np.array(load_reduced(run, params)), run.data, params.synthesis, device)
    fake = image_features(synthetic, run.data, params.synthesis, device)
    target = (split["dx"] == params.data.target_class).to_numpy()
    trained = (split["split"] == "train").to_numpy()
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced"))
    probe.fit(real[trained], target[trained])
    others = probe.decision_function(real[~trained & ~target])
    found = {}
    for name, features in {"class auc": fake, "real class auc": real[~trained & target]}.items():
        scores = np.concatenate([probe.decision_function(features), others])
        found[name] = round(float(roc_auc_score(np.arange(len(scores)) < len(features), scores)), 3)
    return found


def draw(rows: dict[str, np.ndarray], path: Path) -> None:
    """The first images of every row, uint8 (N, R, R, 3), with the row's name, in 128 colours."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(len(rows), 1, figsize=(8, 0.62 * len(rows)), squeeze=False)
    for axes, (name, images) in zip(panels[:, 0], rows.items(), strict=True):
        axes.imshow(np.concatenate(list(images[:SHOWN]), axis=1))
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--params", default="quick")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the second one")
    parser.add_argument("--both", action="append", default=[], metavar="KEY=VALUE", help="of both")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", choices=("first", "second"), help="one of the two settings alone")
    parser.add_argument("--keep", type=Path, help="folder for the last sample grid of every training")
    parser.add_argument("--figure", type=Path, help="picture of the first images of every training")
    options = parser.parse_args(arguments)
    settings = {
        "first": load_params(options.params, options.both),
        "second": load_params(options.params, [*options.both, *options.set]),
    }
    rows, shown = [], {}
    with tempfile.TemporaryDirectory() as place:
        paths.ARTIFACTS = Path(place)
        run, first = RunPaths("settings"), settings["first"]
        run.data.mkdir(parents=True)
        prepare_data(run, first.data)
        images = load_target_images(run, first, first.gan.seeds[0])
        shown["training images"] = images.trained
        for seed in options.seeds:
            for name in [options.only] if options.only else settings:
                folder = Path(place) / f"{name}-{seed}"
                folder.mkdir()
                found = row(name, seed, *try_setting(settings[name], images, seed, folder, run.data))
                painted = np.load(folder / "synthetic" / "images.npy")
                shown[f"{name}, seed {seed}"] = painted
                rows.append(found | class_signal(run, settings[name], painted))
                print(pd.DataFrame(rows[-1:]).to_string(index=False), flush=True)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    last = sorted((folder / "samples").glob("step-*.png"))[-1]
                    shutil.copy(last, options.keep / f"{name}-{seed}.png")
    if options.figure:
        draw(shown, options.figure)
    table = pd.DataFrame(rows)
    print("\n" + table.to_string(index=False))
    print("\n" + table.drop(columns="seed").groupby("setting").mean().round(3).to_string())


if __name__ == "__main__":
    main()
