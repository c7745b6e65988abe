"""For which GAN and which procedures the results hold."""

from collections.abc import Container, Iterable

import pandas as pd

from helpers.evaluation.verdicts import MINIMUM_REPLICATES
from helpers.params import Params


def single_gan_arms(params: Params) -> set[str]:
    """Arms whose synthetic images all came from one GAN of this run: what is said of them holds for it."""
    if not params.one_gan:
        return set()
    return {name for name, arm in params.arms.items() if arm.uses_gan}


def image_counts(split: pd.DataFrame, params: Params) -> tuple[int, int, int]:
    """Numbers of test images, of test images of the target class, and of validation images.

    ``split`` is helpers.data.manifest.load_split's table. Of folds every image is tested, and counts once,
    however many deals there are; the validation images are those of the first part.
    """
    tested = (split["split"] == "test") | (params.parts > 1)
    of_target = tested & (split["dx"] == params.data.target_class)
    return int(tested.sum()), int(of_target.sum()), int((split["split"] == "validation").sum())


def own_fold(params: Params) -> str:
    """What follows a number of replicates that are each tested on another fold."""
    return ", each on its own fold," if params.parts > 1 else ""


def first_part(params: Params) -> str:
    """What follows a number of images that differs a little between the parts of the split."""
    return " in the first part of the split" if params.parts > 1 else ""


def one_gan_note(arms: Iterable[str], one_gan: Container[str]) -> str:
    """What a caption adds where it shows arms whose synthetic images one GAN supplied; ``one_gan`` as in
    ``difference_sentence``.
    """
    return (
        " What it shows of synthetic images holds for this one GAN."
        if any(arm in one_gan for arm in arms)
        else ""
    )


def means_note(arms: pd.DataFrame) -> str:
    """What a caption adds where it shows intervals of single means of folds, which are too narrow.

    ``arms`` is the table of evaluation/. The coverage is that of docs/statistics.md.
    """
    if not arms["method"].str.contains("folds,", regex=False).any():
        return ""
    return (
        " With folds the interval of a single mean may be too narrow: in the worst simulated designs it "
        "covers about 80 %. No verdict rests on it."
    )


def trunk_limit(params: Params) -> str | None:
    """What trainings on an adapted trunk leave open about synthetic images; None where there are none."""
    synthetic = any(arm.synthetic is not None for arm in params.arms.values())
    if not params.classifier.adapt.epochs or not synthetic:
        return None
    return (
        "The trunk, on which every arm trains its own last stages and head, was fine-tuned on real "
        "photographs and has seen no synthetic image. So an arm may learn less from synthetic images here "
        "than a network would that is trained whole; these results cannot tell how much."
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
    if not params.trains_gan:
        scope = (
            " It is measured for this one set of synthetic images; another set of the same generator may "
            "give another answer."
        )
    elif synthetic and 1 < gans < params.replicates:
        scope = (
            f" {params.replicates} replicates share {gans} GANs, so that an interval on synthetic images "
            "holds the chance of another GAN only in part."
        )
    if params.parts > 1:
        # each part has GANs of its own: their chance is in the interval
        return text + (_folds(params) if params.trains_gan else scope + _folds(params))
    if params.replicates < MINIMUM_REPLICATES:
        return (
            f"{text}{scope} Fewer than three replicates say nothing about procedures: single runs are "
            "shown, without an interval."
        )
    return (
        f"{text}{scope} Its variance is that of the replicates and that of the lesions, and the interval is "
        "Student's t."
    )


def _folds(params: Params) -> str:
    """How folds are tested, and what the intervals hold."""
    split = params.data.split
    how = (
        f" Each of {params.replicates} replicates is tested on the one of {split.folds} folds that it was "
        "not trained on, with a threshold from validation images of its own. A metric is measured in each "
        "replicate by itself and then averaged; where a number of test images is given, every image counts "
        "once."
    )
    if params.parts < MINIMUM_REPLICATES:
        return f"{how} Fewer than three folds say too little of chance: no interval is shown."
    return (
        f"{how} The interval is Student's t. It holds the chance of the tested lesions, of the trainings, "
        "and, by a correction that was found on simulated studies, of the photographs that were trained on, "
        "for replicates share most of these."
    )


def has_intervals(comparisons: pd.DataFrame) -> bool:
    """Whether any row of evaluation/comparisons.csv has an interval: single runs leave none."""
    return bool(comparisons[["low", "high"]].notna().all(axis=1).any())
