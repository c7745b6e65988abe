"""What scored the synthetic images, in words: the critic, or where none does, one of the other selectors."""

import pandas as pd

from helpers.gan.filtering import scored_by
from helpers.gan.selectors import SELECTORS
from helpers.params import Params

AXES = {  # by what scored the images, see ``helpers.gan.filtering.scored_by``
    "critic": "critic score (higher: more like a training image, to this critic)",
    "classifier": "the baseline classifier's probability of the class",
    "distance": "minus the distance to the real images in feature space",
}
NAMES = {
    "critic": "critic's score",
    "classifier": "baseline classifier's probability",
    "distance": "nearness to the real images",
}


def filter_note(params: Params) -> str | None:
    """What filters the images of a recipe without a critic; None of other images."""
    if params.has_critic or not params.trains_gan:
        return None
    name = params.synthesis.filter
    same = (
        " The comparisons of sets below work in the features in which that distance is measured: kept images "
        "lie nearer to real ones there by construction, and a better kernel distance of theirs is no proof "
        "that the filter works."
    )
    return (
        "**This run has no critic.** What is said of one is about the paper; the recipe "
        f"`{params.gan.recipe}` trains none. Here images are scored by the {NAMES[name]} (`synthesis.filter: "
        f"{name}`), and the best {100 * params.synthesis.keep_fraction:g} % by it are kept."
        f"{same if name == 'distance' else ''}"
    )


def score_name(scores: pd.DataFrame) -> str:
    """What the images are scored by, as it follows 'the'."""
    return NAMES[scored_by(scores)]


def best(scores: pd.DataFrame, count: str) -> str:
    """'the critic's best 36', or 'the best 36 by the baseline's probability' where no critic scored them."""
    name = scored_by(scores)
    return (
        f"the critic's best {count}" if name == "critic" else f"the best {count} {SELECTORS.get(name).words}"
    )
