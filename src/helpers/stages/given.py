"""Part of the stage synthesis: images that anyone's generator made, read and held against photographs.

Nobody knows here what that generator was trained on. So beside what is asked of a GAN's images stand three
questions more: are they as sharp as photographs, do they come too near to the photographs that were held out,
and does a classifier that saw photographs alone take them for the class that they are said to show?
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from threadpoolctl import threadpool_limits

from helpers.data.given_images import take_images
from helpers.evaluation.predictions import classes_of
from helpers.files import read_table, write_table
from helpers.gan.features import image_features
from helpers.gan.filtering import score_stability
from helpers.gan.memorisation import FEWEST, closer_share, relative_nearness
from helpers.gan.sharpness import sharpness
from helpers.params import GanName, Params
from helpers.paths import RunPaths, require
from helpers.stages.target import TargetImages

LEVEL = 0.99  # of the intervals: several questions are asked, and none should be answered wrongly by chance


def take(folder: Path, params: Params) -> None:
    """Write the images of ``synthesis.folder`` where a GAN's would lie, and scores.csv without scores.

    source-files.csv says where each comes from. score-stability.csv has no row, because no critic scores
    them. Raises what ``take_images`` raises.
    """
    files = take_images(params, folder / "images.npy")
    write_table(folder / "source-files.csv", files)
    write_table(folder / "scores.csv", pd.DataFrame({"index": np.arange(len(files))}))
    nothing = score_stability(np.zeros((2, 2)), params.synthesis.keep_fraction).iloc[:0]
    write_table(folder / "score-stability.csv", nothing)


def hold_against_photographs(
    run: RunPaths,
    params: Params,
    gan: GanName,
    target: TargetImages,
    images: np.ndarray,
    called: tuple[np.ndarray, Sequence[str]] | None,
    device: str,
) -> None:
    """Write sharpness.csv, held-out.csv and called-as.csv beside the images.

    ``images``: uint8 (N, S, S, 3). ``called``: probabilities (N, classes) by the judging classifier and its
    classes; None: no opinion, and called-as.csv has no row.
    """
    folder, new = run.synthetic(gan), target.held_out[target.unseen]
    real = [sharpness(part) for part in (target.trained, target.held_out)]
    shares = compare_sharpness(sharpness(images), np.concatenate(real), params.synthesis.seed)
    write_table(folder / "sharpness.csv", shares)
    spaces = [
        image_features(part, place, params.synthesis, device)
        for part, place in ((images, folder), (target.held_out, run.data), (target.trained, run.data))
    ]
    features = (spaces[0], spaces[1][target.unseen], spaces[2])
    compared = {params.synthesis.features: features, "pixels": (images, new, target.trained)}
    with threadpool_limits(1, user_api="blas"):
        table = nearness_to_held_out(compared, params.synthesis.seed)
    write_table(folder / "held-out.csv", table)
    write_table(folder / "called-as.csv", _called_as(run, params, gan, called))


def compare_sharpness(synthetic: np.ndarray, real: np.ndarray, seed: int) -> pd.DataFrame:
    """Shares of images that are blurrier, and sharper, than 95 % of photographs, as ``closer_share`` says.

    Both arrays hold one sharpness for each image (``helpers.gan.sharpness``).
    """
    rows = {"blurrier": (synthetic, real), "sharper": (-synthetic, -real)}
    shares = [{"side": side, **closer_share(*both, seed, LEVEL)} for side, both in rows.items()]
    return pd.DataFrame(shares).assign(level=LEVEL)


def nearness_to_held_out(
    spaces: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]], seed: int
) -> pd.DataFrame:
    """Share of the synthetic images that are nearer to a held-out photograph than chance allows, by space.

    Each of ``spaces`` ("pixels", or the name of features) has the synthetic images, the held-out photographs
    of lesions that are not trained on, and the training photographs. Compared is ``relative_nearness`` to the
    held-out ones, and the training photographs are the yardstick: a generator that never saw the held-out
    ones has no reason to come nearer to a single one of them. Columns: space, those of ``closer_share``,
    level, photographs. No row where there are too few held-out photographs.
    """
    rows = []
    for space, (fake, held_out, trained) in spaces.items():
        if len(held_out) >= FEWEST:
            near = [relative_nearness(space, part, held_out) for part in (fake, trained)]
            shares = closer_share(near[0], near[1], seed, LEVEL)
            rows.append({"space": space, **shares, "level": LEVEL, "photographs": len(held_out)})
    columns = ["space", *closer_share(np.ones(1), np.ones(0)), "level", "photographs"]
    return pd.DataFrame(rows, columns=columns)


def _called_as(
    run: RunPaths, params: Params, gan: GanName, called: tuple[np.ndarray, Sequence[str]] | None
) -> pd.DataFrame:
    """What the judging classifier calls the images, beside what it calls held-out photographs of the class.

    A row for each class: synthetic and photographs (how many it calls so), their numbers, and the p value of
    Fisher's exact test of the two shares.
    """
    columns = ["class", "synthetic", "synthetic_images", "photographs", "held_out_images", "p"]
    if called is None or (judge := params.judge_of(gan)) is None:
        return pd.DataFrame(columns=columns)
    directory = run.classifier(judge, params.judge_replicate(gan))
    table = read_table(require(directory / "predictions.csv", "classifier"))
    table = table[table["label"] == params.data.target_class]
    known, (probabilities, classes) = classes_of(table), called
    real = [known[place] for place in table[[f"p_{name}" for name in known]].to_numpy().argmax(1)]
    fake = [classes[place] for place in probabilities.argmax(1)]
    rows = []
    for name in classes:
        counts = fake.count(name), real.count(name)
        both = [[counts[0], len(fake) - counts[0]], [counts[1], len(real) - counts[1]]]
        p = float(stats.fisher_exact(both).pvalue)
        rows.append((name, counts[0], len(fake), counts[1], len(real), p))
    return pd.DataFrame(rows, columns=columns)
