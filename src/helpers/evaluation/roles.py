"""Which arms of a run play the parts of the paper's arms."""

from helpers.data.selection import wanted_count
from helpers.params import Params, SyntheticImages

SELECTIONS = (("filtered", "top"), ("all", "all"), ("random", "random"))


def roles(params: Params) -> dict[str, str]:
    """Which arm of the run plays each role: baseline, filtered and all of the paper, and random.

    An arm of that name is taken, or else the first whose recipe is the role's and nothing more. An arm whose
    images show none of the target plays none. The random arm must have as many images as the filtered one:
    with another number, quality and number could not be told apart.
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
            fitting = {name: more for name, more in fitting.items() if _at_most(params, more) == filtered}
        if fitting:
            chosen[role] = role if role in fitting else next(iter(fitting))
        if role == "filtered" and fitting:
            filtered = _at_most(params, fitting[chosen[role]])
    return chosen


def unlike_in_number(params: Params) -> bool:
    """Whether arms filtered and random add different numbers of synthetic images of the target."""
    filtered, random = _selecting(params, "top").get("filtered"), _selecting(params, "random").get("random")
    if filtered is None or random is None:
        return False
    return _at_most(params, filtered) != _at_most(params, random)


def _at_most(params: Params, added: SyntheticImages) -> int | None:
    """How many images an arm adds; of a folder's images, too: equal parts stay equal."""
    return added_images(params, added, params.synthesis.count)


def _selecting(params: Params, select: str) -> dict[str, SyntheticImages]:
    """What each of the arms of ``adding`` adds whose images are selected so."""
    return {
        name: added
        for name, added in adding(params).items()
        if added.select == select and params.data.target_class in params.synthetic_classes(name)
    }


def adding(params: Params) -> dict[str, SyntheticImages]:
    """What each arm adds that adds synthetic images of the run's GANs and changes nothing else."""
    return {
        name: arm.synthetic
        for name, arm in params.arms.items()
        if arm.synthetic is not None and arm.uses_gan and arm == type(arm)(synthetic=arm.synthetic)
    }


def added_images(
    params: Params, added: SyntheticImages, made: int | None = None, name: str | None = None
) -> int | None:
    """How many synthetic images of the class ``name`` (default: the target) an arm adds.

    ``made``: how many there are to take from, of each class; of a GAN ``synthesis.count``. None for a share
    of photographs that are not counted here, and for a part of a folder's images where ``made`` is not given.
    """
    if added.counts is not None:
        return added.counts.get(name or params.data.target_class, 0)
    if added.share is not None:
        return None
    if made is None and added.count is None and not params.trains_gan:
        return None
    return wanted_count(made or params.synthesis.count, added.count, added.fraction)
