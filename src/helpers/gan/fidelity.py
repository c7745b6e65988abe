"""How near a set of synthetic images is to the real ones, in features, with as many images on both sides.

Every comparison draws ``size`` images from either set, without replacement, ``draws`` times. A draw has the
same real images for every set, so that two sets can be compared draw by draw. ``low`` and ``high`` hold the
middle 95 % of the draws. Where a set is compared with draws at random from all images, an interval without
zero is a permutation test at 5 %: fewer than 5 % of random sets of the same size differ so much (the test is
stricter where the set itself is drawn from, too).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from helpers.gan.rows import distances

NEIGHBOURS = 5  # k of precision, recall, density and coverage, as in Naeem et al. 2020
FEWEST = 4  # images; a smaller set is not compared
LEVEL = (0.025, 0.975)
MEASURES = ("kernel_distance", "frechet_distance", "precision", "recall", "density", "coverage")
Name = TypeVar("Name")  # of a set of images
# features of a pool of images (N, D), and the rows of it that belong to the set
Members = tuple[np.ndarray, np.ndarray]


def measure_features(fake: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """All MEASURES of two sets of features, (n, D) each.

    ``kernel_distance``: the unbiased squared maximum mean discrepancy under the cubic kernel (Binkowski et
    al. 2018), called KID on Inception's features; 0 on average for two sets of one distribution, below 0 by
    chance. ``precision`` and ``recall`` (Kynkaanniemi et al. 2019): share of fake images within the
    neighbourhoods of real ones, and the reverse. These three are torch-fidelity's; the others are the
    functions below.
    """
    import torch
    from torch_fidelity.metric_kid import kernel_mmd
    from torch_fidelity.metric_prc import prc_features_to_metric

    fake, real = fake.astype(np.float64), real.astype(np.float64)
    neighbours = min(NEIGHBOURS, len(real) - 1, len(fake) - 1)
    shares = prc_features_to_metric(
        torch.from_numpy(fake), torch.from_numpy(real), prc_neighborhood=neighbours, verbose=False
    )
    density, coverage = density_and_coverage(fake, real, neighbours)
    values = (
        kernel_mmd(fake, real),
        frechet_distance(fake, real),
        shares["precision"],
        shares["recall"],
        density,
        coverage,
    )
    return dict(zip(MEASURES, map(float, values), strict=True))


def frechet_distance(fake: np.ndarray, real: np.ndarray) -> float:
    """Squared Frechet distance of the normal distributions fitted to features (n, D) and (m, D).

    It is |mean difference|^2 + tr(A + B - 2 (A B)^(1/2)). With A = X'X and B = Y'Y, the last trace is the sum
    of the singular values of X Y', and X and Y may be the centred features themselves: a matrix of n x m
    numbers, exact also for fewer images than features, where A B is singular, and never complex. The distance
    is biased upwards, the more the fewer the images are, and can be compared only at the same size.
    """
    factors = [_covariance_factor(features) for features in (fake, real)]
    common = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    return float(
        np.square(fake.mean(0) - real.mean(0)).sum()
        + sum(np.square(factor).sum() for factor in factors)
        - 2 * common
    )


def _covariance_factor(features: np.ndarray) -> np.ndarray:
    """A matrix X of at most D rows with X'X the covariance of features (n, D)."""
    centred = (features - features.mean(0)) / np.sqrt(len(features) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(centred) > centred.shape[1] else centred


def density_and_coverage(fake: np.ndarray, real: np.ndarray, neighbours: int) -> tuple[float, float]:
    """Density and coverage (Naeem et al. 2020) of features (n, D) and (m, D).

    Density: mean number of real neighbourhoods that a fake image lies in, over k; 1 on average for sets of
    one distribution, and it may be higher. Coverage: share of the real images with a fake one in their
    neighbourhood, that is, within the distance to their k-th nearest real image.
    """
    # the nearest image at place 0 is the image itself
    radii = np.partition(distances(real, real), neighbours, axis=1)[:, neighbours]
    within = distances(fake, real) <= radii
    return within.sum() / (neighbours * len(fake)), within.any(0).mean()


# --- sets of images -----------------------------------------------------------------------------


def comparison_size(sets: Mapping[Any, Members], real: np.ndarray, wanted: int) -> int:
    """Images on either side: ``wanted``, or the size of the smallest set that has FEWEST images or more."""
    return min(wanted, len(real), *(len(rows) for _, rows in sets.values() if len(rows) >= FEWEST))


def measure_draws(
    sets: Mapping[Name, Members],
    real: np.ndarray,
    size: int,
    draws: int,
    seed: int,
    told: Callable[[int], None] = lambda done: None,
) -> dict[Name, np.ndarray]:
    """MEASURES of every set against ``real`` (M, D): arrays (draws, 6).

    Sets of fewer than ``size`` images are left out. ``told`` is called after every draw with the number of
    draws done.
    """
    sets = {name: members for name, members in sets.items() if len(members[1]) >= size}
    values = {name: np.empty((draws, len(MEASURES))) for name in sets}
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        reference = real[np.sort(rng.choice(len(real), size, replace=False))]
        for name, (features, rows) in sets.items():
            chosen = np.sort(rng.choice(rows, size, replace=False))
            values[name][draw] = list(measure_features(features[chosen], reference).values())
        told(draw + 1)
    return values


def summarise_draws(
    values: Mapping[Name, np.ndarray], reference: Name, measures: Sequence[str] = MEASURES
) -> pd.DataFrame:
    """One row per set and measure: value (mean over draws) and difference, each with its low and high.

    ``values`` are arrays (draws, measures) by set. The difference is to the set ``reference``; NaN for that
    set itself, or where it has no draws.
    """
    rows = []
    for name, drawn in values.items():
        compared = name != reference and reference in values
        differences = drawn - values[reference] if compared else np.full_like(drawn, np.nan)
        for column, measure in enumerate(measures):
            value = _mean_and_interval(drawn[:, column])
            rows.append((name, measure, *value, *_mean_and_interval(differences[:, column])))
    columns = ["set", "measure", "value", "low", "high", "difference", "difference_low", "difference_high"]
    return pd.DataFrame(rows, columns=columns)


def _mean_and_interval(values: np.ndarray) -> tuple[float, float, float]:
    low, high = np.quantile(values, LEVEL)
    return values.mean(), low, high


def fidelity_table(
    features: np.ndarray,
    selected: np.ndarray,
    real: np.ndarray,
    held_out: np.ndarray,
    wanted: int,
    draws: int,
    seed: int,
    told: Callable[[int], None],
) -> pd.DataFrame:
    """MEASURES of four sets of images, each against the training images.

    The sets are the kept, the dropped and randomly drawn synthetic images, and held-out real ones.
    ``features`` (N, D) and ``selected`` (N,) belong to the synthetic images, ``real`` and ``held_out`` are
    features of training and held-out images. ``random`` are draws from all synthetic images, kept or not;
    differences are to them, and the floor ``real`` has none.
    """
    sets = synthetic_sets(features, selected, held_out)
    size = comparison_size(sets, real, wanted)
    drawn = measure_draws(sets, real, size, draws, seed, told)
    return without_differences(summarise_draws(drawn, "random"), "real").assign(images=size, draws=draws)


def synthetic_sets(features: np.ndarray, selected: np.ndarray, held_out: np.ndarray) -> dict[str, Members]:
    """The sets of ``fidelity_table`` by name."""
    return {
        "kept": (features, np.flatnonzero(selected)),
        "dropped": (features, np.flatnonzero(~selected)),
        "random": (features, np.arange(len(features))),
        "real": (held_out, np.arange(len(held_out))),
    }


def without_differences(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table of ``summarise_draws`` whose set ``name`` is a floor, which is not held against the others."""
    columns = ["difference", "difference_low", "difference_high"]
    table.loc[table["set"] == name, columns] = np.nan
    return table
