"""Part of the stage evaluation: how near to the real images what each selector keeps is, at equal numbers.

The features in which that is judged belong to a network by which no selector has chosen.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from helpers.data.by_class import join_classes, rows_of_class
from helpers.evaluation.roles import added_images, adding
from helpers.files import read_table
from helpers.gan.fidelity import Members, comparison_size, measure_draws, summarise_draws, without_differences
from helpers.gan.selectors import SELECTORS
from helpers.params import GanName, Params, Synthesis
from helpers.paths import RunPaths, require
from helpers.stages.target import load_target_images

JUDGES = ("efficientnet_lite2", "efficientnet_lite0")  # their weights come with the installation
RANDOM, REAL = "random", "real"
COLUMNS = (
    *("gan", "selector", "kept", "measure", "value", "low", "high"),
    *("difference", "difference_low", "difference_high", "images", "draws", "features"),
)


def compare_selectors(run: RunPaths, params: Params) -> pd.DataFrame:
    """helpers.gan.fidelity.MEASURES of what each selector of the arms keeps of the synthetic images.

    A row for each GAN, each selector, each number that an arm keeps by it, and each measure, beside as many
    images drawn at random (``random``), to which the differences are, and held-out photographs (``real``);
    class by class where there are several. Columns: COLUMNS, after ``class`` where there are several. Of a
    class it is empty unless the arms rank its images by two selectors or more. Left out are GANs of arms that
    withhold photographs; it is empty where no network is left that no selector used. Raises MissingStageError
    before there are images.
    """
    judge = next((name for name in JUDGES if name not in _used(params)), None)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in params.gan_classes}
    for gan, lack in params.gans().items():
        if judge is None or lack is not None:
            continue
        scores = read_table(require(run.synthetic(gan) / "scores.csv", "synthesis"))
        for name, found in _of_gan(run, params, gan, scores, judge).items():
            parts[name].append(found.assign(gan=str(gan))[list(COLUMNS)])
    nothing = pd.DataFrame(columns=list(COLUMNS))
    return join_classes(
        {name: pd.concat(own, ignore_index=True) if own else nothing for name, own in parts.items()}
    )


def _of_gan(
    run: RunPaths, params: Params, gan: GanName, scores: pd.DataFrame, judge: str
) -> dict[str, pd.DataFrame]:
    """By class, the table of one GAN, in features of the network ``judge``."""
    from helpers.classifier.inference import torch_threads  # both load torch
    from helpers.gan.features import image_features

    names = params.gan_classes
    made = len(scores) // len(names)
    kept = {name: _kept(ranked_counts(params, made, name), rows_of_class(scores, name)) for name in names}
    wanted = {name: sets for name, sets in kept.items() if len({selector for selector, _ in sets}) > 1}
    if not wanted:
        return {}
    # a file of weights is of the features that were asked for; no card is asked for here
    synthesis = params.synthesis.model_copy(update={"features": judge, "feature_weights": None})
    images = np.load(require(run.synthetic(gan) / "images.npy", "synthesis"), mmap_mode="r")

    def features(pictures: np.ndarray, folder: Path) -> np.ndarray:
        return image_features(pictures, folder, synthesis, "cpu", "Features that no selector used")

    tables = {}
    with torch_threads(params.gan.threads):
        every = features(images, run.synthetic(gan))
        for name, sets in wanted.items():
            target = load_target_images(run, params, gan, name)
            trained, held_out = (features(part, run.data) for part in (target.trained, target.held_out))
            own = every[names.index(name) * made :][:made]
            tables[name] = _measured(own, trained, held_out, sets, synthesis)
    return tables


def _kept(counts: dict[str, list[int]], scores: pd.DataFrame) -> dict[tuple[str, int], np.ndarray]:
    """By selector and number, the rows of the images that it keeps; ``scores`` are those of one class."""
    return {
        (name, count): np.argsort(scores[rank].to_numpy(), kind="stable")[:count]
        for name, numbers in counts.items()
        for count in numbers
        if (rank := SELECTORS.get(name).rank) in scores
    }


def _measured(
    features: np.ndarray,
    trained: np.ndarray,
    held_out: np.ndarray,
    kept: dict[tuple[str, int], np.ndarray],
    synthesis: Synthesis,
) -> pd.DataFrame:
    """The table of one class; ``features``, ``trained`` and ``held_out`` (N, D) are of one network."""
    sets: dict[tuple[str, int], Members] = {key: (features, rows) for key, rows in kept.items()}
    sets |= {(RANDOM, len(features)): (features, np.arange(len(features)))}
    sets |= {(REAL, len(held_out)): (held_out, np.arange(len(held_out)))}
    size = comparison_size(sets, trained, synthesis.fidelity_images)
    with threadpool_limits(1, user_api="blas"):  # more threads would change the last bits
        drawn = measure_draws(sets, trained, size, synthesis.fidelity_draws, synthesis.seed)
    table = summarise_draws(drawn, (RANDOM, len(features)))
    table.insert(0, "selector", [name for name, _ in table["set"]])
    table.insert(1, "kept", [count for _, count in table["set"]])
    table = without_differences(table.assign(set=table["selector"]), REAL).drop(columns="set")
    draws, judge = synthesis.fidelity_draws, synthesis.features
    return table.assign(images=size, draws=draws, features=judge)


def ranked_counts(params: Params, made: int, class_name: str) -> dict[str, list[int]]:
    """By selector, how many images of a class the arms keep that take the best by it and change nothing else.

    ``made``: how many there are of the class.
    """
    counts: dict[str, set[int]] = {}
    for added in adding(params).values():
        if added.select == "top" and (count := added_images(params, added, made, class_name)):
            counts.setdefault(added.rank, set()).add(count)
    return {name: sorted(counts[name]) for name in sorted(counts)}


def _used(params: Params) -> set[str]:
    """Networks by whose features or probabilities a selector may have chosen."""
    return {params.synthesis.features, params.classifier.backbone}
