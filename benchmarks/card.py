"""All that is to be measured on a graphics card, in one command that writes as it goes.

Run: python benchmarks/card.py OUT [--images FILE ...] [--only PART ...] [--minutes 9] [--rehearse]

Each part is a process of its own with its log in OUT/<part>.log, and OUT/card.json says after each part how
it ended and how long it took, so that a command that is cut off still brings results. Parts, in this order:
profile and throughput of the GAN step of paper.yaml, a profile of StyleGAN2's, throughput of the classifier
at 224 pixels with the paper's frozen stages and with none; then the whole trainings of the paper's GAN, of a
StyleGAN2 for each file of images, such as one for each fold of a study, and of diffusion at 128 x 128. No
part needs ImageNet weights. ``--images``: files .npy of uint8 (N, 128, 128, 3), the training images (default:
drawn lesions); the paper's GAN and diffusion take the first. A training has checkpoints in OUT/<part>: the
same command goes on with it. A part begins only where ``--minutes`` since the start leave time for it.
``--rehearse`` runs every part to its last line on a CPU, in small sizes.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
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


@dataclass(frozen=True)
class Part:
    """One measurement: the command's words after ``python``, and minutes without which it is not begun."""

    name: str
    words: tuple[str, ...]
    minutes: float


def parts(out: Path, images: list[Path], rehearse: bool) -> list[Part]:
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
        *_trainings(out, images, rehearse),
    ]


def _trainings(out: Path, images: list[Path], rehearse: bool) -> list[Part]:
    """The whole trainings: StyleGAN2's for each file of images, the others' on the first one."""
    found = []
    for name in TRAININGS:
        files = images if name == "stylegan2-training" else images[:1]
        for number, file in enumerate(files or [None]):
            part = f"{name}-{number}" if len(files) > 1 else name
            given = () if file is None else ("--images", str(file))
            words = (str(Path(__file__)), str(out / part), "--train", name, *given)
            found.append(Part(part, (*words, *(["--rehearse"] if rehearse else [])), 2))
    return found


def run_parts(wanted: list[Part], out: Path, minutes: float) -> int:
    """Run the parts that time is left for; the number of those that failed."""
    began, failed = time.monotonic(), 0
    record: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "parts": {}}
    for part in wanted:
        left = 60 * minutes - (time.monotonic() - began)
        if left < 60 * part.minutes:
            record["parts"][part.name] = {"ended": "not begun: no time was left"}
            continue
        started = time.monotonic()
        with open(out / f"{part.name}.log", "w", encoding="utf-8") as log:
            try:
                code = subprocess.run(
                    [sys.executable, *part.words], stdout=log, stderr=subprocess.STDOUT, timeout=left
                ).returncode
                ended = "finished" if code == 0 else f"failed with code {code}"
            except subprocess.TimeoutExpired:
                code, ended = 0, "stopped: its time was used up"
        failed += code != 0
        record["parts"][part.name] = {"ended": ended, "seconds": round(time.monotonic() - started, 1)}
        (out / "card.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        print(f"{part.name}: {ended}, {time.monotonic() - started:.0f} s", flush=True)
    (out / "card.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    return failed


def train(out: Path, name: str, images: list[Path], rehearse: bool) -> None:
    """One of TRAININGS to its last step, from the newest checkpoint in ``out``."""
    import numpy as np

    from helpers.gan.training import train_gan
    from helpers.params import load_params

    file, changed = TRAININGS[name]
    changes = [*changed, "gan.checkpoint_minutes=1", *(REHEARSED if rehearse else ())]
    config = load_params(file, changes).gan
    pixels = np.load(images[0]) if images else drawn_melanomas(out.parent / "lesions", config.resolution)
    train_gan(pixels, config, out, "cpu" if rehearse else "cuda", seed=0)


def drawn_melanomas(folder: Path, side: int) -> Any:
    """uint8 (N, side, side, 3): drawn lesions of the paper's class, as many as its training images."""
    import numpy as np

    from helpers.data.decoding import decode, resize_image
    from helpers.data.ham10000 import open_dataset
    from helpers.data.phantom.writing import draw_dataset

    dataset = open_dataset(draw_dataset(folder, images=150 if side < PAPER_SIZE else 7000, seed=1))
    of_class = dataset.metadata.loc[dataset.metadata["dx"] == "mel", "image_id"]
    return np.stack([resize_image(decode(dataset.read(name)), side, "area") for name in of_class])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path, help="folder for logs, checkpoints and card.json")
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        default=[],
        help="uint8 (N, R, R, 3) as .npy (default: drawn lesions)",
    )
    parser.add_argument("--only", nargs="+", metavar="PART", help="these parts alone")
    parser.add_argument("--minutes", type=float, default=9.0, help="of the whole command (default: 9)")
    parser.add_argument("--rehearse", action="store_true", help="every part in a small size on the CPU")
    parser.add_argument("--train", choices=TRAININGS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.train:
        train(options.out, options.train, options.images, options.rehearse)
        return 0
    known = parts(options.out, options.images, options.rehearse)
    if options.only and (unknown := set(options.only) - {part.name for part in known}):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(p.name for p in known)}")
    wanted = [part for part in known if not options.only or part.name in options.only]
    return run_parts(wanted, options.out, options.minutes)


if __name__ == "__main__":
    sys.exit(main())
