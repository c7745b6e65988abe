"""Part of the stage synthesis: how near to the real images what each selector keeps is, at equal numbers.

The features in which that is judged belong to a network by which no selector has chosen.
"""

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from helpers.device import pick_device
from helpers.evaluation.roles import added_images, adding
from helpers.gan.features import image_features
from helpers.gan.fidelity import Members, comparison_size, measure_draws, summarise_draws, without_differences
from helpers.gan.selectors import SELECTORS
from helpers.params import GanName, Params
from helpers.paths import RunPaths
from helpers.stages.target import load_target_images

JUDGES = ("efficientnet_lite2", "efficientnet_lite0")  # their weights come with the installation
RANDOM, REAL = "random", "real"
COLUMNS = (
    *("selector", "kept", "measure", "value", "low", "high"),
    *("difference", "difference_low", "difference_high", "images", "draws", "features"),
)


def compare_selectors(run: RunPaths, params: Params, gan: GanName, scores: pd.DataFrame) -> pd.DataFrame:
    """helpers.gan.fidelity.MEASURES of what each selector of the arms keeps of one GAN's images.

    ``scores`` is its scores.csv with all ranks. A row for each selector, each number that an arm keeps by it,
    and each measure, beside as many images drawn at random (``random``), to which the differences are, and
    held-out photographs (``real``). Columns: COLUMNS. Empty unless the arms rank by two selectors or more,
    for a GAN of an arm which withholds photographs or of several classes, and where no network is left that
    no selector used.
    """
    wanted = {
        name: counts for name, counts in ranked_counts(params).items() if SELECTORS.get(name).rank in scores
    }
    judge = next((name for name in JUDGES if name not in _used(params)), None)
    if len(wanted) < 2 or judge is None or params.gans()[gan] is not None or len(params.gan_classes) > 1:
        return pd.DataFrame(columns=list(COLUMNS))
    synthesis, device = params.synthesis.model_copy(update={"features": judge}), pick_device(params.compute)
    target = load_target_images(run, params, gan)
    images = np.load(run.synthetic(gan) / "images.npy", mmap_mode="r")
    label = "Features that no selector used"
    features = image_features(images, run.synthetic(gan), synthesis, device, label)
    trained, held_out = (
        image_features(part, run.data, synthesis, device, label) for part in (target.trained, target.held_out)
    )
    sets: dict[tuple[str, int], Members] = {
        (name, count): (
            features,
            np.argsort(scores[SELECTORS.get(name).rank].to_numpy(), kind="stable")[:count],
        )
        for name, counts in wanted.items()
        for count in counts
    }
    sets |= {(RANDOM, len(images)): (features, np.arange(len(images)))}
    sets |= {(REAL, len(held_out)): (held_out, np.arange(len(held_out)))}
    size = comparison_size(sets, trained, synthesis.fidelity_images)
    with threadpool_limits(1, user_api="blas"):  # more threads would change the last bits
        drawn = measure_draws(sets, trained, size, synthesis.fidelity_draws, synthesis.seed)
    table = summarise_draws(drawn, (RANDOM, len(images)))
    table.insert(0, "selector", [name for name, _ in table["set"]])
    table.insert(1, "kept", [count for _, count in table["set"]])
    table = without_differences(table.assign(set=table["selector"]), REAL).drop(columns="set")
    return table.assign(images=size, draws=synthesis.fidelity_draws, features=judge)[list(COLUMNS)]


def ranked_counts(params: Params) -> dict[str, list[int]]:
    """By selector, how many images the arms keep that take the best by it and change nothing else."""
    counts: dict[str, set[int]] = {}
    for added in adding(params).values():
        if added.select == "top" and (count := added_images(params, added)) is not None:
            counts.setdefault(added.rank, set()).add(count)
    return {name: sorted(counts[name]) for name in sorted(counts)}


def _used(params: Params) -> set[str]:
    """Networks by whose features or probabilities a selector may have chosen."""
    return {params.synthesis.features, params.classifier.backbone}
