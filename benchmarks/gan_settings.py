"""Do other settings of the GAN paint as well, and in which time? Two settings side by side on several seeds.

Run: python benchmarks/gan_settings.py [--params quick] [--both KEY=VALUE ...] [--set gan.n_critic=1 ...]
[--seeds 0 1 2] [--only first|second]

The first setting is the parameter file with what ``--both`` changes; ``--set`` gives what the second changes
besides. ``--only`` trains one of the two. For each seed both train a GAN on the training images of the target
class, one after the other in this process, and paint as many images as ``synthesis.count`` says. Printed:
seconds a training takes, and the measures of docs/gan.md of random images against the training images, beside
the floor of held-out real ones. The kernel distance is in thousandths. Works in a temporary folder; the
sample grids are kept where ``--keep`` says.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import pandas as pd

from helpers import paths
from helpers.data.prepare import prepare_data
from helpers.device import pick_device
from helpers.gan.assessment import Comparison, assess_images
from helpers.gan.synthesis import synthesize
from helpers.gan.training import train_gan
from helpers.params import Params, load_params
from helpers.paths import RunPaths
from helpers.stages.target import TargetImages, load_target_images

SETS = ("random", "kept", "real")


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


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--params", default="quick")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the second one")
    parser.add_argument("--both", action="append", default=[], metavar="KEY=VALUE", help="of both")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", choices=("first", "second"), help="one of the two settings alone")
    parser.add_argument("--keep", type=Path, help="folder for the last sample grid of every training")
    options = parser.parse_args(arguments)
    settings = {
        "first": load_params(options.params, options.both),
        "second": load_params(options.params, [*options.both, *options.set]),
    }
    rows = []
    with tempfile.TemporaryDirectory() as place:
        paths.ARTIFACTS = Path(place)
        run, first = RunPaths("settings"), settings["first"]
        run.data.mkdir(parents=True)
        prepare_data(run, first.data)
        images = load_target_images(run, first, first.gan.seeds[0])
        for seed in options.seeds:
            for name in [options.only] if options.only else settings:
                folder = Path(place) / f"{name}-{seed}"
                folder.mkdir()
                rows.append(row(name, seed, *try_setting(settings[name], images, seed, folder, run.data)))
                print(pd.DataFrame(rows[-1:]).to_string(index=False), flush=True)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    last = sorted((folder / "samples").glob("step-*.png"))[-1]
                    shutil.copy(last, options.keep / f"{name}-{seed}.png")
    table = pd.DataFrame(rows)
    print("\n" + table.to_string(index=False))
    print("\n" + table.drop(columns="seed").groupby("setting").mean().round(3).to_string())


if __name__ == "__main__":
    main()
