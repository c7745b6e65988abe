"""All that is to be measured on a graphics card, in one command that writes as it goes.

Run: python benchmarks/card.py OUT [--data-root DIR | --images FILE] [--only PART ...] [--minutes 9]
       [--rehearse]
     python benchmarks/card.py FILE --write-images DIR

Each part is a process of its own with its log in OUT/<part>.log, and OUT/card.json says after each part how
it ended, how long it took and how much of the card's memory was taken at most, so that a command that is cut
off still brings results. Parts, in this order: profile and throughput of the GAN step of paper.yaml, a
profile of StyleGAN2's, throughput of the classifier at 224 pixels with the paper's frozen stages and with
none; then whole trainings: ResNet50 at 224 pixels from random weights, with the paper's frozen stages and
with none, and, with ``--data-root``, the study's whole network from ImageNet's; last those that may need all
the time that is left: the paper's GAN, a StyleGAN2 for each fold of the study's first deal, diffusion at 128
x 128. A training has checkpoints and its history so far in OUT/<part>: the same command goes on with it. A
part begins only where ``--minutes`` since the start leave time for it.

``--data-root``: a folder of HAM10000 (40 MB at 200 x 150), from which every training takes the photographs
that the study's first deal would give it; to prepare them takes a minute. ``--images``: one file of 5 MB with
the melanomas alone, which ``--write-images`` wrote from such a folder; the GANs train on them at once, in the
size that they need. Otherwise random images stand in for photographs: speed does not depend on what an image
shows, and such networks mean nothing. ``--rehearse`` runs every part to its last line on a CPU, in small
sizes.
"""

import argparse
import io
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAPER_SIZE = 128  # pixels a side of the paper's generated images
REHEARSED = ("gan.resolution=32", "gan.channel_scale=0.0625", "gan.batch_size=4", "gan.steps=4")
TRAININGS = {  # by part: the parameter file, and what is changed in it
    "gan-training": ("paper", ()),
    "stylegan2-training": ("fullsize-rigorous", ()),
    "diffusion-training": (
        "quick-diffusion",
        (f"gan.resolution={PAPER_SIZE}", "gan.channel_scale=0.5", "gan.batch_size=32", "gan.steps=20000"),
    ),
}
RANDOM_WEIGHTS = ("classifier.weights=none", "classifier.early_stopping_patience=100")
CLASSIFIERS = {  # likewise; the epochs of the first two are some two minutes' on a card
    "resnet50-frozen-training": ("paper", (*RANDOM_WEIGHTS, "classifier.max_epochs=100")),
    "resnet50-whole-training": (
        "paper",
        (*RANDOM_WEIGHTS, "classifier.frozen_stages=0", "classifier.max_epochs=60"),
    ),
    "classifier-training": ("study-whole", ("classifier.image_size=224",)),  # needs a package of weights
}
REHEARSED_CLASSIFIER = ("classifier.image_size=64", "classifier.max_epochs=2", "classifier.batch_size=16")
FOLDS = 5  # of the study's first deal, each with a GAN
FOLDS_TABLE = "folds.csv"  # in a file of images: image_id, and for each fold whether its GAN is trained on it
MELANOMAS, PHOTOGRAPHS = 779, 4_000  # random images in place of the paper's, and of a classifier's
DRAWN = 256  # random images that differ by more than a shift


@dataclass(frozen=True)
class Part:
    """One measurement: the command's words after ``python``, and minutes without which it is not begun."""

    name: str
    words: tuple[str, ...]
    minutes: float


@dataclass(frozen=True)
class Given:
    """Where photographs come from: a folder of HAM10000, a file of images, or, with neither, nowhere."""

    data_root: Path | None = None
    images: Path | None = None

    def words(self) -> tuple[str, ...]:
        """The same on the command line."""
        named = (("--data-root", self.data_root), ("--images", self.images))
        return tuple(word for name, path in named if path is not None for word in (name, str(path)))


def parts(out: Path, given: Given, rehearse: bool) -> list[Part]:
    """The parts in their order; small ones for the CPU where ``rehearse``."""
    device = "cpu" if rehearse else "cuda"
    gan = ("--device", device, "--rounds", "1" if rehearse else "5", "--steps", "1" if rehearse else "30")
    small = tuple(word for value in REHEARSED for word in ("--set", value)) if rehearse else ()
    classifier = ("--params", "paper.yaml", "--weights", "none", "--device", device)
    sizes = ("--images", "64", "--rounds", "1", "--image-size", "64") if rehearse else ("--images", "2560")
    step, images_per_second = str(HERE / "gan_throughput.py"), str(HERE / "classifier_throughput.py")
    return [
        Part("gan-profile", (step, "--params", "paper", "--profile", *gan, *small), 1),
        Part("gan-paper", (step, "--params", "paper", *gan, *small), 2),
        Part("gan-stylegan2", (step, "--params", "fullsize-rigorous", "--profile", *gan, *small), 1),
        Part("classifier-frozen", (images_per_second, *classifier, *sizes), 2),
        Part("classifier-whole", (images_per_second, *classifier, *sizes, "--frozen-stages", "0"), 2),
        *_trainings(out, given, rehearse),
    ]


def _trainings(out: Path, given: Given, rehearse: bool) -> list[Part]:
    """The whole trainings; with photographs StyleGAN2's for each fold, and the study's classifier."""
    flags = (*given.words(), *(["--rehearse"] if rehearse else []))
    found = []
    for name in (*CLASSIFIERS, *TRAININGS):
        if name == "classifier-training" and given.data_root is None:
            continue
        for fold in range(FOLDS) if name == "stylegan2-training" and given.words() else (None,):
            part = name if fold is None else f"{name}-{fold}"
            words = (str(Path(__file__)), str(out / part), "--train", name, "--fold", str(fold or 0))
            found.append(Part(part, (*words, *flags), 2))
    return found


def run_parts(wanted: list[Part], out: Path, minutes: float) -> int:
    """Run the parts that time is left for; the number of those that failed."""
    began, failed = time.monotonic(), 0
    record: dict[str, Any] = {"machine": platform.processor() or platform.machine(), **card(), "parts": {}}
    for part in wanted:
        left = 60 * minutes - (time.monotonic() - began)
        if left < 60 * part.minutes:
            record["parts"][part.name] = {"ended": "not begun: no time was left"}
            continue
        started = time.monotonic()
        code, peak = run_part(part, out / f"{part.name}.log", left)
        failed += code not in (0, None)
        ended = {0: "finished", None: "stopped: its time was used up"}.get(code, f"failed with code {code}")
        seconds = round(time.monotonic() - started, 1)
        record["parts"][part.name] = {"ended": ended, "seconds": seconds, "peak_card_bytes": peak}
        (out / "card.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        print(f"{part.name}: {ended}, {seconds:.0f} s", flush=True)
    (out / "card.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    return failed


def run_part(part: Part, log: Path, seconds: float) -> tuple[int | None, int | None]:
    """A part's exit code, None where its ``seconds`` were used up, and the most that was taken of the card's
    memory meanwhile, by this process (some 0.5 GB) and all others (bytes; looked at ten times a second).
    """
    until, peak = time.monotonic() + seconds, taken_memory()
    with open(log, "w", encoding="utf-8") as file:
        words = [sys.executable, *part.words]
        process = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
            peak = None if peak is None else max(peak, taken_memory() or 0)
        code = process.poll()
        if code is None:
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
            process.wait()
    return code, peak


def taken_memory() -> int | None:
    """Bytes of the card's memory that are taken; None without a card."""
    import torch

    if not torch.cuda.is_available():
        return None
    free, whole = torch.cuda.mem_get_info()
    return whole - free


def card() -> dict[str, Any]:
    """The graphics card's name and memory, and the versions of PyTorch, CUDA and cuDNN."""
    import torch

    if not torch.cuda.is_available():
        return {"card": None, "torch": torch.__version__}
    own = torch.cuda.get_device_properties(0)
    return {
        "card": own.name,
        "card_memory_bytes": own.total_memory,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def train(out: Path, name: str, given: Given, fold: int, rehearse: bool) -> None:
    """One of TRAININGS to its last step, from the newest checkpoint in ``out``."""
    from helpers.gan.training import train_gan
    from helpers.params import load_params

    file, changed = TRAININGS[name]
    changes = [*changed, "gan.checkpoint_minutes=1", *(REHEARSED if rehearse else ())]
    config = load_params(file, changes).gan
    if given.data_root is not None:
        from helpers.stages.target import load_training_images

        run, params = study(out.parent / "data", given.data_root, config.resolution)
        pixels, _ = load_training_images(run, params, fold)
    elif given.images is not None:
        pixels = fold_images(given.images, fold, config.resolution)
    else:
        pixels = random_images(MELANOMAS, config.resolution)
    print(f"{len(pixels):,} training images of {config.resolution} pixels", flush=True)
    train_gan(pixels, config, out, "cpu" if rehearse else "cuda", seed=fold)


def train_a_classifier(out: Path, name: str, data_root: Path | None, rehearse: bool) -> None:
    """One of CLASSIFIERS to its last epoch, and how many images it took in a second."""
    from helpers.classifier.arms import compose_training_set
    from helpers.classifier.training import train_classifier
    from helpers.params import Arm, load_params

    file, changed = CLASSIFIERS[name]
    changes = [*changed, "classifier.checkpoint_minutes=0.5", *(REHEARSED_CLASSIFIER if rehearse else ())]
    config = load_params(file, changes).classifier
    if data_root is None:
        count = 100 if rehearse else PHOTOGRAPHS
        split, images = random_split(count), random_images(count, config.image_size)
    else:
        from helpers.data.arrays import load_images
        from helpers.data.manifest import load_split

        run, params = study(out.parent / "data", data_root, PAPER_SIZE)
        split, images = load_split(run), load_images(run, params.data, config.image_size, "bilinear")
        if rehearse:
            split = split.groupby(["dx", "split"]).head(6)
            images, split = images[split.index], split.reset_index(drop=True)
    chosen = compose_training_set(split, images, Arm(), "mel")
    train_classifier(chosen, split, images, config, out, "cpu" if rehearse else "cuda")
    print((out / "timing.json").read_text(encoding="utf-8"))


def study(folder: Path, data_root: Path, resolution: int) -> Any:
    """The run whose first deal gives the photographs, with its data prepared, and its parameters."""
    from helpers import paths
    from helpers.data.prepare import prepare_data
    from helpers.params import load_params

    one_deal = ("data.split.repeats=1", f"gan.seeds={list(range(FOLDS))}", f"replicates={FOLDS}")
    root = f"data.root={data_root.resolve()}"
    params = load_params("study.yaml", [*one_deal, root, f"gan.resolution={resolution}"])
    paths.ARTIFACTS = folder.resolve()
    run = paths.RunPaths("study")
    run.data.mkdir(parents=True, exist_ok=True)
    if not run.split.exists():
        prepare_data(run, params.data)
    return run, params


def write_images(file: Path, data_root: Path) -> None:
    """Write the photographs that the GANs of the study's first deal are trained on, each once and as it was
    encoded, and the table of folds: pixels of five folds would take forty times the room.
    """
    import pandas as pd

    from helpers.data.sources import open_source
    from helpers.stages.target import load_gan_split

    folds: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        run, params = study(Path(folder), data_root, PAPER_SIZE)
        for fold in range(FOLDS):
            split = load_gan_split(run, params, fold)
            trained = (split["dx"] == params.gan_classes[0]) & (split["split"] == "train")
            folds[f"fold_{fold}"] = trained.to_numpy()
        table = pd.DataFrame({"image_id": split["image_id"], **folds})
        table = table[table[list(folds)].any(axis=1)]
        with open_source(run, params.data) as dataset, zipfile.ZipFile(file, "w") as archive:
            archive.writestr(FOLDS_TABLE, table.to_csv(index=False))
            for image_id in table["image_id"]:
                archive.writestr(image_id, dataset.read(image_id))
    print(f"{len(table):,} photographs for {FOLDS} folds: {file.stat().st_size / 1e6:.1f} MB in {file}")


def fold_images(file: Path, fold: int, resolution: int) -> Any:
    """uint8 (N, resolution, resolution, 3): what the GAN of ``fold`` is trained on, from ``write_images``'s
    file, as ``load_training_images`` would give it.
    """
    import numpy as np
    import pandas as pd

    from helpers.data.decoding import decode, resize_image
    from helpers.params import load_params

    resize = load_params("study.yaml").gan.resize
    with zipfile.ZipFile(file) as archive:
        table = pd.read_csv(io.BytesIO(archive.read(FOLDS_TABLE)))
        wanted = table.loc[table[f"fold_{fold}"], "image_id"]
        return np.stack([resize_image(decode(archive.read(name)), resolution, resize) for name in wanted])


def random_images(count: int, side: int) -> Any:
    """uint8 (N, side, side, 3): blots of random colours; beyond DRAWN of them, shifted copies."""
    import numpy as np
    import torch

    coarse = torch.rand(min(count, DRAWN), 3, 8, 8, generator=torch.Generator().manual_seed(0))
    fine = torch.nn.functional.interpolate(255 * coarse, side, mode="bilinear")
    drawn = fine.permute(0, 2, 3, 1).to(torch.uint8).numpy()
    images = np.empty((count, side, side, 3), np.uint8)
    for turn, first in enumerate(range(0, count, DRAWN)):
        images[first : first + DRAWN] = np.roll(drawn[: count - first], turn, axis=2)
    return images


def random_split(count: int) -> Any:
    """A split of images without a meaning: columns image_id, dx and split."""
    import pandas as pd

    parts = ["validation"] * (count // 10) + ["test"] * (count // 10)
    return pd.DataFrame(
        {
            "image_id": [f"image-{number}" for number in range(count)],
            "dx": [("mel", "nv", "bkl")[number % 3] for number in range(count)],
            "split": ["train"] * (count - len(parts)) + parts,
        }
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path, help="folder for logs, checkpoints and card.json")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data-root", type=Path, help="folder of HAM10000 (default: random images)")
    source.add_argument("--images", type=Path, help="file of the folds' melanomas, from --write-images")
    source.add_argument(
        "--write-images", type=Path, metavar="DIR", help="write that file to OUT, from a folder of HAM10000"
    )
    parser.add_argument("--only", nargs="+", metavar="PART", help="these parts alone")
    parser.add_argument("--minutes", type=float, default=9.0, help="of the whole command (default: 9)")
    parser.add_argument("--rehearse", action="store_true", help="every part in a small size on the CPU")
    parser.add_argument("--train", choices=(*TRAININGS, *CLASSIFIERS), help=argparse.SUPPRESS)
    parser.add_argument("--fold", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.write_images is not None:
        write_images(options.out, options.write_images)
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    given = Given(options.data_root, options.images)
    if options.train in CLASSIFIERS:
        train_a_classifier(options.out, options.train, given.data_root, options.rehearse)
        return 0
    if options.train:
        train(options.out, options.train, given, options.fold, options.rehearse)
        return 0
    known = parts(options.out, given, options.rehearse)
    if options.only and (unknown := set(options.only) - {part.name for part in known}):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(p.name for p in known)}")
    wanted = [part for part in known if not options.only or part.name in options.only]
    return run_parts(wanted, options.out, options.minutes)


if __name__ == "__main__":
    sys.exit(main())
