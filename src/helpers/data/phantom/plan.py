"""The metadata of a drawn data set: lesions of each class, photographs of each lesion, patients."""

from typing import TYPE_CHECKING

import numpy as np

from helpers.data.phantom.facts import FACTS, ClassFacts

if TYPE_CHECKING:
    import pandas as pd

FIRST_IMAGE = 24306  # HAM10000's first photograph is ISIC_0024306
FLOOR = 20  # images that a rare class has at least, of REFERENCE_COUNT
REFERENCE_COUNT = 1200
SMALLEST_CLASS = 8  # images with which a stratified 70/15/15 split still works


def class_counts(images: int) -> dict[str, int]:
    """How many of ``images`` photographs each class gets; the sum is exact.

    The proportions are HAM10000's, but a class has at least 20 of 1,200 images. That minimum shrinks with
    the number of images, down to 8. The commonest class gives up what the others need.
    """
    whole = sum(facts.images for facts in FACTS.values())
    floor = max(SMALLEST_CLASS, min(FLOOR, round(FLOOR * images / REFERENCE_COUNT)))
    counts = {name: max(floor, round(images * facts.images / whole)) for name, facts in FACTS.items()}
    counts["nv"] += images - sum(counts.values())
    return counts


def lesion_sizes(rng: np.random.Generator, images: int, multiplicity: tuple[int, ...]) -> np.ndarray:
    """Photographs per lesion, for as many lesions as ``images`` need; the sum is exact.

    The sizes are evenly spaced quantiles of HAM10000's distribution, so that even few lesions keep its mean.
    """
    shares = np.cumsum(multiplicity) / sum(multiplicity)
    mean = np.arange(1, len(shares) + 1) @ np.array(multiplicity) / sum(multiplicity)
    lesions = round(images / mean)
    sizes = 1 + np.searchsorted(shares, (np.arange(lesions) + 0.5) / lesions)
    rng.shuffle(sizes)
    while (missing := images - sizes.sum()) != 0:
        candidates = np.flatnonzero(sizes < len(multiplicity)) if missing > 0 else np.flatnonzero(sizes > 1)
        sizes[rng.choice(candidates)] += np.sign(missing)
    return sizes


def plan_dataset(images: int, seed: int) -> "pd.DataFrame":
    """The metadata of a drawn data set, one row per photograph, grouped by class as in HAM10000.

    Returns the seven official columns (age in years, NaN where missing), and ``number`` and ``photo``, which
    seed the drawing. Lesion ids and image ids are shuffled, so that neither reveals the class.
    """
    import pandas as pd

    rng = np.random.default_rng(np.random.SeedSequence([seed, 0]))
    counts = class_counts(images)
    sizes = {name: lesion_sizes(rng, counts[name], facts.multiplicity) for name, facts in FACTS.items()}
    numbers = iter(rng.permutation(sum(len(of_class) for of_class in sizes.values())).tolist())
    rows = []
    for name, facts in FACTS.items():
        for size in sizes[name].tolist():
            number = next(numbers)
            described = {"dx": name, **_describe_patient(rng, facts)}
            rows += [
                {"lesion_id": f"HAM_{number:07d}", **described, "number": number, "photo": photo}
                for photo in range(size)
            ]
    metadata = pd.DataFrame(rows)
    metadata.insert(
        1, "image_id", [f"ISIC_{FIRST_IMAGE + place:07d}" for place in rng.permutation(images).tolist()]
    )
    return metadata


def _describe_patient(rng: np.random.Generator, facts: ClassFacts) -> dict[str, str | float]:
    age = float(np.clip(5 * round(rng.normal(*facts.age) / 5), 0, 85))
    if rng.random() < 0.008:
        age = float("nan")
    sex = "male" if rng.random() < facts.male else "female"
    if rng.random() < 0.008:
        sex = "unknown"
    return {
        "dx_type": _choose(rng, facts.dx_types),
        "age": age,
        "sex": sex,
        "localization": _choose(rng, facts.sites),
    }


def _choose(rng: np.random.Generator, weights: dict[str, float]) -> str:
    shares = np.array(list(weights.values()), float)
    return list(weights)[rng.choice(len(shares), p=shares / shares.sum())]
