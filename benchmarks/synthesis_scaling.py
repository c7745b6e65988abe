"""Images per second and memory of generation, scoring and, if asked for, everything that is measured afterwards.

Run: python benchmarks/synthesis_scaling.py --count 100000 [--channel-scale 0.02] [--measure] [--folder PATH]

The networks are fresh: their images mean nothing, their work is that of trained ones. With the paper's networks (the default)
a processor takes hours for 100,000 images; memory hardly depends on the networks, so that a narrow pair shows it.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from helpers import params
from helpers.device import describe_device, pick_device
from helpers.gan.assessment import assess_images
from helpers.gan.synthesis import synthesize
from helpers.gan.weights import build_networks, save_networks

REAL, HELD_OUT = 779, 334  # melanomas of the paper's split


def main() -> None:
    """Print a line per part: images, seconds, images/s, and the process's peak memory so far."""
    options = read_options()
    gan = params.Gan(
        resolution=options.resolution, channel_scale=options.channel_scale, threads=options.threads
    )
    synthesis = params.Synthesis(count=options.count, batch_size=options.batch_size)
    device = pick_device(params.Compute(device=options.device))
    rng = np.random.default_rng(0)
    real, held_out = (
        rng.integers(0, 256, (count, gan.resolution, gan.resolution, 3), dtype=np.uint8)
        for count in (REAL, HELD_OUT)
    )
    print(
        f"{options.count:,} images of {gan.resolution} x {gan.resolution}, channels x {gan.channel_scale:g}, on {describe_device(device)}, {gan.threads} threads"
    )
    print(f"before: peak memory {peak_memory():.2f} GB", flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        networks = Path(folder) / "gan"
        networks.mkdir()
        save_networks(*build_networks(gan, 0, "cpu"), networks)
        began = time.monotonic()
        synthesize(networks, folder, gan, synthesis, real, device)
        tell("generated and scored", options.count, time.monotonic() - began)
        if options.measure:
            began = time.monotonic()
            assess_images(folder, folder, synthesis, real, held_out, np.arange(HELD_OUT) % 3 == 0, device)
            tell("measured", options.count, time.monotonic() - began)


def tell(what: str, count: int, seconds: float) -> None:
    """One line of the result."""
    print(
        f"{what}: {seconds:.0f} s, {count / seconds:.0f} images/s, peak memory {peak_memory():.2f} GB",
        flush=True,
    )


def peak_memory() -> float:
    """The most memory that this process has held, in GB; pages of mapped files count."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="images to generate")
    parser.add_argument(
        "--resolution", type=int, default=128, choices=(32, 64, 128), help="side of the images, pixels"
    )
    parser.add_argument(
        "--channel-scale",
        type=float,
        default=1.0,
        help="factor on the channels of both networks; 0.02 is the narrowest pair",
    )
    parser.add_argument("--batch-size", type=int, default=50, help="images per generator pass")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument(
        "--measure", action="store_true", help="features, fidelity, memorisation and the filter's study, too"
    )
    parser.add_argument(
        "--folder",
        default=None,
        help="where the images are written and removed again (100,000 take 5 GB); the system's temporary folder by default",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
