"""For which GAN and which procedures the results hold."""

from collections.abc import Container, Iterable

import pandas as pd

from helpers.params import Params


def single_gan_arms(params: Params) -> set[str]:
    """Arms whose synthetic images all came from one GAN of this run: what is said of them holds for it."""
    return (
        {name for name, arm in params.arms.items() if arm.uses_gan} if len(params.gan.seeds) == 1 else set()
    )


def image_counts(split: pd.DataFrame, target: str) -> tuple[int, int, int]:
    """Numbers of test images, of test images of the target class, and of validation images.

    ``split`` is helpers.data.manifest.load_split's table.
    """
    parts = split["split"].value_counts()
    of_target = (split["split"] == "test") & (split["dx"] == target)
    return int(parts["test"]), int(of_target.sum()), int(parts["validation"])


def one_gan_note(arms: Iterable[str], one_gan: Container[str]) -> str:
    """What a caption adds where it shows arms whose synthetic images one GAN supplied; ``one_gan`` as in
    ``difference_sentence``.
    """
    return (
        " What it shows of synthetic images holds for this one GAN."
        if any(arm in one_gan for arm in arms)
        else ""
    )


def estimand_sentence(params: Params) -> str:
    """What a difference on the page is a difference of."""
    text = (
        "Every difference is one between two *procedures*, two ways of composing the training set: the "
        "difference of their expected metric, over trainings "
        "(replicates) and over lesions of this population."
    )
    gans, synthetic = len(params.gan.seeds), any(arm.uses_gan for arm in params.arms.values())
    scope = (
        " It is measured for this one GAN; another training of the GAN may give another answer."
        if single_gan_arms(params)
        else ""
    )
    if synthetic and 1 < gans < params.replicates:
        scope = (
            f" {params.replicates} replicates share {gans} GANs, so that an interval on synthetic images "
            "holds the chance of another GAN only in part."
        )
    if params.replicates < 3:
        return (
            f"{text}{scope} Fewer than three replicates say nothing about procedures: single runs are "
            "shown, without an interval."
        )
    return (
        f"{text}{scope} Its variance is that of the replicates and that of the lesions, and the interval is "
        "Student's t."
    )


def has_intervals(comparisons: pd.DataFrame) -> bool:
    """Whether any row of evaluation/comparisons.csv has an interval: single runs leave none."""
    return bool(comparisons[["low", "high"]].notna().all(axis=1).any())
