"""Which arms of a run play the parts of the paper's arms."""

from helpers.data.selection import wanted_count
from helpers.params import Params

SELECTIONS = (("filtered", "top"), ("all", "all"), ("random", "random"))


def roles(params: Params) -> dict[str, str]:
    """Which arm of the run plays each role: baseline, filtered and all of the paper, and random.

    An arm of that name is taken, or else the first whose recipe is the role's and nothing more. The random
    arm must have as many images as the filtered one: with another number, quality and number could not be
    told apart.
    """
    chosen = {"baseline": params.evaluation.reference}
    for role, select in SELECTIONS:
        fitting = _selecting(params, select)
        if role == "filtered":
            fitting = [name for name in fitting if params.arms[name].synthetic.rank == "critic"]
        if role == "random" and "filtered" in chosen:
            wanted = _images(params, chosen["filtered"])
            fitting = [name for name in fitting if _images(params, name) == wanted]
        if fitting:
            chosen[role] = role if role in fitting else fitting[0]
    return chosen


def _selecting(params: Params, select: str) -> list[str]:
    """Arms that add synthetic images of the run's GANs, selected so, and change nothing else."""
    return [
        name
        for name, arm in params.arms.items()
        if arm.uses_gan and arm.synthetic.select == select and arm == type(arm)(synthetic=arm.synthetic)
    ]


def _images(params: Params, name: str) -> int:
    """Synthetic images that an arm adds."""
    added = params.arms[name].synthetic
    return wanted_count(params.synthesis.count, added.count, added.fraction)
