"""How cost grows with images, with trainings and with synthetic images: CPU seconds, peak memory and a fitted
exponent.

Run: python benchmarks/scaling.py [prepare epoch evaluate trainings jobs generate assess] [--full] [--seconds
  100] [--turns 1] [--rows FILE]

Every measurement has a process of its own, whose peak memory it is. What is timed is the processor's time, so
that a busy machine changes it less than the clock's. A series ends before the size that would take longer
than --seconds; what --rows holds is not measured again. Photographs are 200 drawn ones under many names,
predictions are random numbers, networks are fresh: their numbers mean nothing, the work is that of real ones.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy.optimize import nnls

from helpers import params, paths
from helpers.data.ham10000 import IMAGES as IMAGES_OF_HAM10000
from helpers.data.phantom.facts import FACTS
from helpers.files import write_table
from helpers.paths import ROOT, RunPaths

DRAWN = 200  # photographs that are drawn; larger data sets hold them under further names
PHOTOGRAPH = (600, 450)  # width and height of HAM10000's
SIDE = 64  # pixels of the classifier's and the networks' images
REAL, HELD_OUT = 779, 334  # melanomas of the paper's split
NARROW = 0.02  # factor on the channels of both networks: the images' handling shows, not the convolutions
CLASSIFIER = {
    "backbone": "efficientnet_lite0",
    "image_size": SIDE,
    "frozen_stages": 6,
    "max_epochs": 1,
    "threads": 1,
}
# Draws of the fidelity's tables, whose cost does not grow with the images. The default is 100: five times
# their part of what is fixed here.
DRAWS = 20
NOTICEABLE = 0.1  # share of the largest cost below which what grows is called noise
# The same work was seen to differ by this between turns: costs this near to a line are called linear.
NOISE = 0.3


@contextmanager
def timed():
    """CPU and wall-clock seconds of the block, its children included, as attributes cpu and wall."""
    found = SimpleNamespace(cpu=0.0, wall=0.0)
    began, wall = processor_seconds(), time.monotonic()
    yield found
    found.cpu, found.wall = processor_seconds() - began, time.monotonic() - wall


def processor_seconds() -> float:
    """CPU seconds of this process and of its ended children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def peak_mb(part: str) -> float:
    """The most memory that this process has held, in MB, or the largest of its children where they do the
    work; pages of mapped files count.
    """
    return (
        resource.getrusage(resource.RUSAGE_CHILDREN if part == "jobs" else resource.RUSAGE_SELF).ru_maxrss
        / 1024
    )


# --- the data -----------------------------------------------------------------------------------------------


def photographs(folder: Path, images: int) -> params.Data:
    """A data set of ``images`` JPEG files in HAM10000's layout and size: the drawn ones, enlarged, under many
    names.
    """
    from helpers.data.phantom.writing import draw_dataset

    drawn = draw_dataset(folder / "drawn", images=DRAWN, seed=1, workers=1)
    root = folder / "photographs"
    if not root.exists():
        table = pd.read_csv(drawn / "HAM10000_metadata.csv")
        files = {path.stem: path for path in drawn.rglob("*.jpg")}
        for path in files.values():
            Image.open(path).resize(PHOTOGRAPH, Image.Resampling.BICUBIC).save(path, quality=95)
        copies = [
            table.assign(image_id=table["image_id"] + f"_{turn}", lesion_id=table["lesion_id"] + f"_{turn}")
            for turn in range(-(-images // DRAWN))
        ]
        root.mkdir()
        whole = pd.concat(copies, ignore_index=True).head(images)
        for name in whole["image_id"]:
            os.link(files[name.rpartition("_")[0]], root / f"{name}.jpg")
        write_table(root / "HAM10000_metadata.csv", whole)
    return params.Data(source="ham10000", root=str(root))


def split_alone(run: RunPaths, images: int) -> pd.DataFrame:
    """split.csv and manifest.json of ``images`` images without files; their classes are HAM10000's shares."""
    rng = np.random.default_rng(0)
    classes = sorted(FACTS)
    shares = np.array([FACTS[name].images for name in classes]) / IMAGES_OF_HAM10000
    table = pd.DataFrame(
        {
            "image_id": [f"ISIC_{row:07d}" for row in range(images)],
            "lesion_id": [f"HAM_{row // 4 * 3 + row % 4 % 3:07d}" for row in range(images)],
        }
    )
    table = table.assign(
        dx=rng.choice(classes, images, p=shares), dx_type="histo", age=50.0, sex="male", localization="back"
    )
    table["split"] = rng.choice(["train", "validation", "test"], images, p=[0.70, 0.15, 0.15])
    write_table(run.split, table)
    run.manifest.write_text(json.dumps({"checksum": "none"}))
    return table


# --- what is measured: each takes a size and an empty folder, and returns a timed block ---------------------


def prepare(images: int, folder: Path) -> SimpleNamespace:
    """The stage eda's work (read, decode and hash every photograph, split, write the tables), then the array
    that trainings read.
    """
    from helpers.data.arrays import load_images
    from helpers.data.prepare import prepare_data

    data, run = photographs(folder, images), RunPaths("scaling")
    with timed() as found:
        prepare_data(run, data)
        load_images(run, data, SIDE, "bilinear")
    return found


def epoch(images: int, folder: Path) -> SimpleNamespace:
    """A classifier's training of one epoch, its validation and its predictions."""
    from helpers.classifier.arms import compose_training_set
    from helpers.classifier.training import train_classifier

    run = RunPaths("scaling")
    split = split_alone(run, images)
    pixels = noise(folder / "images.npy", images)
    config = params.Classifier(**CLASSIFIER)
    with timed() as found:
        training_set = compose_training_set(split, pixels, params.Arm(), "mel")
        train_classifier(training_set, split, pixels, config, run.classifier("baseline", 0))
    return found


def evaluate(images: int, folder: Path) -> SimpleNamespace:
    """Every table of the evaluation: ``images`` test and as many validation images, three arms, three
    replicates, 2,000 resamples.
    """
    return evaluate_study(images, arms=3, replicates=3)


def trainings(count: int, folder: Path) -> SimpleNamespace:
    """The same for 1,500 test images and ``count`` trainings in three arms."""
    return evaluate_study(1_500, arms=3, replicates=count // 3)


def evaluate_study(test_images: int, arms: int, replicates: int) -> SimpleNamespace:
    """The evaluation of random predictions."""
    from helpers.evaluation.results import evaluate

    run, rng = RunPaths("scaling"), np.random.default_rng(1)
    split = split_alone(run, round(test_images / 0.15))
    held_out = split[split["split"] != "train"]
    classes = sorted(split["dx"].unique())
    names = ["baseline", *(f"arm{number}" for number in range(1, arms))]
    study = params.Params(data=params.Data(), arms=dict.fromkeys(names, params.Arm()), replicates=replicates)
    for arm in names:
        for replicate in range(replicates):
            values = rng.dirichlet(np.ones(len(classes)), len(held_out)).astype(np.float32)
            values[np.arange(len(held_out)), held_out["dx"].map(classes.index)] += (
                1  # right more often than not
            )
            columns = {
                f"p_{name}": values[:, place] / values.sum(axis=1) for place, name in enumerate(classes)
            }
            table = held_out[["image_id", "split"]].assign(label=held_out["dx"], **columns)
            write_table(run.classifier(arm, replicate) / "predictions.csv", table)
    with timed() as found:
        evaluate(run, study)
    return found


def jobs(count: int, folder: Path) -> SimpleNamespace:
    """A run of ``count`` trainings whose notebooks do next to nothing: what the engine and papermill take."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support import fake_stages
    from support.project import copy_project

    project = copy_project(folder / "project")
    fake_stages.install(project)
    words = ["--params", "params/smoke.yaml", "--set", f"replicates={count // 3}", "--cores", "1"]
    project.run(*words, "--until", "gan", timeout=7200)
    with timed() as found:
        project.run(*words, timeout=7200)
    return found


def generate(images: int, folder: Path) -> SimpleNamespace:
    """Synthetic images: generated and scored, by a narrow pair of networks."""
    from helpers.gan.synthesis import synthesize
    from helpers.gan.weights import build_networks, save_networks

    gan = params.Gan(resolution=SIDE, channel_scale=NARROW, threads=1)
    save_networks(*build_networks(gan, 0, "cpu"), folder)
    with timed() as found:
        synthesize(
            folder, folder, gan, params.Synthesis(count=images), noise(folder / "real.npy", REAL), "cpu"
        )
    return found


def assess(images: int, folder: Path) -> SimpleNamespace:
    """Their features, fidelity, memorisation and the filter's study, on random pixels."""
    from helpers.gan.assessment import Comparison, assess_images
    from helpers.gan.synthesis import rank_scores

    rng = np.random.default_rng(2)
    synthetic, real = folder / "synthetic", folder / "data"
    noise(synthetic / "images.npy", images)
    write_table(synthetic / "scores.csv", rank_scores(np.arange(images), rng.normal(size=images), 0.3))
    known, new = noise(folder / "real.npy", REAL), noise(folder / "new.npy", HELD_OUT)
    with timed() as found:
        assess_images(
            synthetic,
            real,
            params.Synthesis(count=images, fidelity_draws=DRAWS),
            {"mel": Comparison(known, new, np.arange(HELD_OUT) % 3 == 0)},
            "cpu",
        )
    return found


def kernel(folder: Path) -> float:
    """CPU seconds that an empty kernel takes from its start to its end."""
    from jupyter_client.manager import start_new_kernel

    with timed() as found:
        manager, client = start_new_kernel(cwd=str(folder))
        client.stop_channels()
        manager.shutdown_kernel()
    return found.cpu


def noise(path: Path, images: int) -> np.ndarray:
    """Random pixels in a memory-mapped file: uint8 (images, SIDE, SIDE, 3)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng, row = np.random.default_rng(3), 0
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(images, SIDE, SIDE, 3))
    while row < images:
        array[row : row + 1000] = rng.integers(0, 256, array[row : row + 1000].shape, dtype=np.uint8)
        row += 1000
        if row % 10_000 == 0:
            array.flush()
    del array
    return np.load(path, mmap_mode="r")


IMAGES, IMAGES_FULL = (1_000, 3_000, 10_000), (1_000, 3_000, 10_000, 30_000, 100_000)
PARTS: dict[str, tuple[Callable[[int, Path], SimpleNamespace], str, tuple[int, ...], tuple[int, ...]]] = {
    "prepare": (prepare, "photographs verified, split, decoded", IMAGES, IMAGES_FULL),
    "epoch": (epoch, "images, one classifier epoch", IMAGES, IMAGES_FULL),
    "evaluate": (evaluate, "test images, evaluation of 9 trainings", (1_000, 10_000, 100_000), IMAGES_FULL),
    "trainings": (trainings, "trainings, evaluation on 1,500 test images", (3, 12, 60), (3, 6, 15, 30, 60)),
    "jobs": (jobs, "trainings, engine alone", (3, 12, 30), (3, 6, 15, 30, 60)),
    "generate": (generate, "synthetic images generated and scored", IMAGES, IMAGES_FULL),
    "assess": (assess, "synthetic images assessed", IMAGES, IMAGES_FULL),
}


# --- the table ----------------------------------------------------------------------------------------------


def fit(sizes: np.ndarray, costs: np.ndarray) -> tuple[float, float, float]:
    """fixed, factor and exponent of costs = fixed + factor * sizes ** exponent, by least squares of relative
    errors.
    """
    best = (np.inf, 0.0, 0.0, 0.0)
    for exponent in np.arange(0.05, 2.5, 0.01):
        design = np.column_stack([np.ones(len(sizes)), (sizes / sizes[-1]) ** exponent]) / costs[:, None]
        (fixed, factor), error = nnls(design, np.ones(len(sizes)))
        best = min(best, (error, fixed, factor / sizes[-1] ** exponent, exponent))
    return best[1:]


def measure(part: str, size: int, turns: int, kept: Path) -> dict[str, Any]:
    """The one of ``turns`` measurements that took least, each in a process and a folder of its own; those in
    the file ``kept`` count.
    """
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    rows = [row for row in rows if (row["part"], row["size"]) == (part, size)]
    alone = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    for _ in range(turns - len(rows)):
        with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
            words = [sys.executable, __file__, "--measure", part, str(size), folder]
            told = subprocess.run(words, stdout=subprocess.PIPE, text=True, env=os.environ | alone)
        if told.returncode:
            sys.exit(f"{part} failed for {size:,}.")
        rows.append({"part": part, "size": size, **json.loads(told.stdout.splitlines()[-1])})
        with open(kept, "a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
    return min(rows, key=lambda row: row["cpu"])


def measure_here(part: str, size: int, folder: Path) -> None:
    """The measurement itself; prints its result as JSON."""
    warnings.simplefilter("ignore")
    paths.ARTIFACTS = folder / "artifacts"
    RunPaths("scaling").data.mkdir(parents=True, exist_ok=True)
    found = PARTS[part][0](size, folder)
    extra = {"kernel": round(kernel(folder), 2)} if part == "jobs" else {}
    print(
        json.dumps(
            {
                "cpu": round(found.cpu, 2),
                "wall": round(found.wall, 1),
                "peak_mb": round(peak_mb(part)),
                **extra,
            }
        )
    )


def series(part: str, sizes: tuple[int, ...], seconds: float, turns: int, kept: Path) -> list[dict[str, Any]]:
    """Measurements of growing size, while the next one is expected to take no more than ``seconds``."""
    rows: list[dict[str, Any]] = []
    for size in sizes:
        if expected(rows, size) > seconds:
            print(
                f"{part}: {size:,} left out, for it would take about {expected(rows, size):,.0f} s.",
                file=sys.stderr,
                flush=True,
            )
            break
        rows.append(measure(part, size, turns, kept))
        print(
            f"{part:<10} {size:>8,} {rows[-1]['cpu']:>9.1f} s CPU {rows[-1]['wall']:>8.1f} s "
            f"{rows[-1]['peak_mb']:>7,.0f} MB",
            file=sys.stderr,
            flush=True,
        )
    return rows


def expected(rows: list[dict[str, Any]], size: int) -> float:
    """CPU seconds of ``size``: by the line through the last two rows, in proportion after one; 0 at first."""
    if not rows:
        return 0.0
    last, before = rows[-1], rows[-2] if len(rows) > 1 else {"cpu": 0.0, "size": 0}
    return last["cpu"] + (size - last["size"]) * (last["cpu"] - before["cpu"]) / (
        last["size"] - before["size"]
    )


def misfit(sizes: np.ndarray, costs: np.ndarray) -> float:
    """The largest relative distance of the costs from their straight line fixed + factor * sizes."""
    design = np.column_stack([np.ones(len(sizes)), sizes / sizes[-1]]) / costs[:, None]
    solution, _ = nnls(design, np.ones(len(sizes)))
    return float(np.abs(design @ solution - 1).max())


def tell(part: str, rows: list[dict[str, Any]]) -> tuple[float, float] | None:
    """Print lines of the Markdown table; the exponent (0 where next to nothing grows) and the misfit, None
    where there are too few sizes.
    """
    sizes, costs, memory = (
        np.array([row[name] for row in rows], float) for name in ("size", "cpu", "peak_mb")
    )
    found, last = None, "too few sizes | |"
    if len(rows) > 2:
        fixed, factor, exponent = fit(sizes, costs)
        grown = factor * sizes[-1] ** exponent
        exponent = exponent if grown > NOTICEABLE * costs[-1] else 0.0
        found = exponent, misfit(sizes, costs)
        growth = (memory[-1] - memory[0]) / (sizes[-1] - sizes[0]) * 1000
        grows = f"{growth:.3g}" if abs(growth) < 1000 else f"{growth:,.0f}"
        last = f"{exponent:.2f} | {fixed:.1f} + {1000 * grown / sizes[-1]:.3g} a thousand | {grows}"
    for row in rows:
        print(
            f"{PARTS[part][1]} | {row['size']:,} | {row['cpu']:.1f} | {row['peak_mb']:,} | "
            f"{last if row is rows[-1] else '| |'}",
            flush=True,
        )
    return found


def closing(found: dict[str, tuple[float, float] | None]) -> str:
    """The last line: what grows faster than its size, beyond the noise."""
    fitted = {part: pair for part, pair in found.items() if pair}
    worse = [
        f"{part} ({exponent:.2f})" for part, (exponent, off) in fitted.items() if exponent > 1 and off > NOISE
    ]
    told = []
    if worse:
        told.append(f"Worse than linear: {', '.join(worse)}.")
    elif fitted:
        off = max([0.0, *(off for exponent, off in fitted.values() if exponent > 1)])
        told.append(
            "Nothing is shown to grow worse than linearly: where an exponent is above 1, a straight line "
            f"is at most {off:.0%} off (noise: {NOISE:.0%})."
        )
    if unknown := [part for part, pair in found.items() if not pair]:
        told.append(f"Too few sizes to tell: {', '.join(unknown)}.")
    return " ".join(told)


def main() -> None:
    """Print one Markdown table and what follows from it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument(
        "--full", action="store_true", help="sizes to 100,000 images and 60 trainings everywhere: hours"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=None,
        help="CPU seconds that one measurement may be expected to take (100; 1,800 with --full)",
    )
    parser.add_argument(
        "--turns",
        type=int,
        default=1,
        help="measurements of each size, of which the one that took least counts: more on a busy machine",
    )
    parser.add_argument(
        "--rows", type=Path, help="file that keeps the measurements, so that they need not be made again"
    )
    parser.add_argument("--measure", nargs=3, metavar=("PART", "SIZE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        part, size, folder = options.measure
        return measure_here(part, int(size), Path(folder))
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    seconds = options.seconds or (1800 if options.full else 100)
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        kept = options.rows or Path(folder) / "rows.jsonl"
        found = {
            part: series(part, PARTS[part][3 if options.full else 2], seconds, options.turns, kept)
            for part in options.parts or PARTS
        }
    print(
        "what | size | CPU s | peak MB | exponent | straight line through the sizes, CPU s | MB a thousand\n"
        "--- | --: | --: | --: | --: | --- | --:"
    )
    fits = {part: tell(part, rows) for part, rows in found.items()}
    if rows := found.get("jobs"):
        print(f"\nAn empty kernel's start and end took {np.mean([row['kernel'] for row in rows]):.2f} s CPU.")
    print(f"\n{closing(fits)}")


if __name__ == "__main__":
    main()
