"""Everything that is measured on a GAN's images besides the critic's score: arrays in, tables out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from helpers import params
from helpers.data.by_class import join_classes, rows_of_class
from helpers.files import write_table
from helpers.gan.features import forget_features, image_features
from helpers.gan.fidelity import fidelity_table, synthetic_sets, without_differences
from helpers.gan.filtering import add_ranks, correlations, sweep, without_critic
from helpers.gan.memorisation import measure_memorisation
from helpers.gan.variety import count_different
from helpers.paths import require
from helpers.progress import Progress

UNSEEN, ALL_HELD_OUT = "of lesions not trained on", "some of them of lesions trained on"


@dataclass(frozen=True)
class Comparison:
    """What the synthetic images of one class are compared with.

    ``real``: the GAN's training images, ``held_out``: validation and test images of the class, uint8 (N, R,
    R, 3); ``unseen`` (bool, per held-out image): its lesion was not trained on. The baseline classifier's
    ``probabilities`` (M,) of the class and ``class_probabilities`` (M, classes) of all classes belong to the
    class's synthetic images.
    """

    real: np.ndarray
    held_out: np.ndarray
    unseen: np.ndarray
    probabilities: np.ndarray | None = None
    class_probabilities: np.ndarray | None = None


def assess_images(
    folder: Path | str,
    real_folder: Path | str,
    synthesis: params.Synthesis,
    comparisons: Mapping[str, Comparison],
    device: str,
    asked: Iterable[str] = (),
) -> dict[str, pd.DataFrame]:
    """Measure the images that helpers.gan.synthesis wrote to ``folder``, and write the tables there.

    Every class's images are compared by themselves with its ``comparisons``, which are in the order in which
    the images lie. Where no critic gave scores, ``without_critic`` adds some. ``asked``: names of the
    selectors that arms rank by; their columns are added to scores.csv after those that it always has.
    Features are kept in ``folder`` and ``real_folder``. Returns what it writes, by name: scores, fidelity,
    memorisation, memorisation-pairs, filter-correlation, filter-sweep. Each has a column class where there
    are several classes.
    """
    folder = Path(folder)
    scores = pd.read_csv(require(folder / "scores.csv", "synthesis")).sort_values("index", ignore_index=True)
    images = np.load(require(folder / "images.npy", "synthesis"), mmap_mode="r")
    features = image_features(images, folder, synthesis, device, "Features of synthetic images")
    forget_features(folder, keep=[features])
    count, found = len(images) // len(comparisons), {}
    for place, (name, comparison) in enumerate(comparisons.items()):
        rows = slice(place * count, (place + 1) * count)
        given = rows_of_class(scores, name), images[rows], features[rows]
        found[name] = _measured(*given, comparison, real_folder, synthesis, device, asked)
    names = next(iter(found.values()))
    tables = {table: join_classes({name: each[table] for name, each in found.items()}) for table in names}
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table)
    return tables


def _measured(
    scores: pd.DataFrame,
    images: np.ndarray,
    features: np.ndarray,
    comparison: Comparison,
    real_folder: Path | str,
    synthesis: params.Synthesis,
    device: str,
    asked: Iterable[str],
) -> dict[str, pd.DataFrame]:
    """The tables of one class's ``images``, whose ``scores`` and ``features`` are given row by row."""
    real, held_out, unseen = comparison.real, comparison.held_out, np.asarray(comparison.unseen, dtype=bool)
    opinions = comparison.probabilities, comparison.class_probabilities
    trained, new = (
        image_features(part, real_folder, synthesis, device, "Features of real images")
        for part in (real, held_out)
    )
    pixels, spaces = (images, real, held_out[unseen]), (features, trained, new[unseen])
    # threads do not pay for matrices this small, and their number would change the last bits
    with threadpool_limits(1, user_api="blas"):
        shares, pairs = measure_memorisation(*pixels, spaces, synthesis.features, synthesis.seed)
        scores = add_ranks(scores, features, trained, *opinions, asked)
        scores = scores if "score" in scores else without_critic(scores, synthesis)
        compared = {"filter-correlation": correlations(scores)}
        compared |= compare_sets(scores, features, trained, new, unseen, synthesis)
    tables = {"scores": scores, "memorisation": shares, "memorisation-pairs": pairs}
    return tables | {name: table.assign(features=synthesis.features) for name, table in compared.items()}


def compare_sets(
    scores: pd.DataFrame,
    features: np.ndarray,
    real: np.ndarray,
    held_out: np.ndarray,
    unseen: np.ndarray,
    synthesis: params.Synthesis,
) -> dict[str, pd.DataFrame]:
    """The tables fidelity (``fidelity_table``, ``count_different``) and filter-sweep (``sweep``).

    Each has a column held_out. It says which held-out images give the floor: those of lesions not trained
    on, where they are at least half as many as a comparison wants, else all.
    """
    selected = scores["selected"].to_numpy(dtype=bool)
    wanted, draws, seed = synthesis.fidelity_images, synthesis.fidelity_draws, synthesis.seed
    enough = unseen.sum() >= min(wanted, selected.sum(), len(real)) / 2
    floor = held_out[unseen] if enough else held_out[:]
    description = UNSEEN if enough else ALL_HELD_OUT
    progress = Progress("Fidelity", 2 * draws, "draw")
    fidelity = fidelity_table(features, selected, real, floor, wanted, draws, seed, progress.update)
    sets = synthetic_sets(features, selected, floor)
    counted = without_differences(count_different(sets, real, draws, seed, "random"), "real")
    fidelity = pd.concat([fidelity, counted], ignore_index=True)
    ranks = scores["rank"].to_numpy()
    swept = sweep(
        features, ranks, real, floor, wanted, draws, seed, lambda done: progress.update(draws + done)
    )
    progress.close()
    return {
        "fidelity": fidelity.assign(held_out=description),
        "filter-sweep": swept.assign(held_out=description),
    }
