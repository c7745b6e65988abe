"""Which arms of a run play the parts of the paper's arms."""

from helpers.data.selection import wanted_count
from helpers.params import Params, SyntheticImages

SELECTIONS = (("filtered", "top"), ("all", "all"), ("random", "random"))


def roles(params: Params) -> dict[str, str]:
    """Which arm of the run plays each role: baseline, filtered and all of the paper, and random.

    An arm of that name is taken, or else the first whose recipe is the role's and nothing more. The random
    arm must have as many images as the filtered one: with another number, quality and number could not be
    told apart.
    """
    chosen = {"baseline": params.evaluation.reference}
    filtered: int | None = None  # synthetic images that the filtered arm adds
    for role, select in SELECTIONS:
        fitting = _selecting(params, select)
        if role == "filtered":
            fitting = {
                name: added for name, added in fitting.items() if added.rank == params.synthesis.filter
            }
        if role == "random" and filtered is not None:
            fitting = {name: more for name, more in fitting.items() if added_images(params, more) == filtered}
        if fitting:
            chosen[role] = role if role in fitting else next(iter(fitting))
        if role == "filtered" and fitting:
            filtered = added_images(params, fitting[chosen[role]])
    return chosen


def _selecting(params: Params, select: str) -> dict[str, SyntheticImages]:
    """What each of the arms of ``adding`` adds whose images are selected so."""
    return {name: added for name, added in adding(params).items() if added.select == select}


def adding(params: Params) -> dict[str, SyntheticImages]:
    """What each arm adds that adds synthetic images of the run's GANs and changes nothing else."""
    return {
        name: arm.synthetic
        for name, arm in params.arms.items()
        if arm.synthetic is not None and arm.uses_gan and arm == type(arm)(synthetic=arm.synthetic)
    }


def added_images(params: Params, added: SyntheticImages) -> int | None:
    """How many synthetic images of the target an arm adds; None for a share of images not counted here."""
    if added.counts is not None:
        return added.counts.get(params.data.target_class, 0)
    if added.share is not None:
        return None
    return wanted_count(params.synthesis.count, added.count, added.fraction)
