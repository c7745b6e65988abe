"""Whether the critic can tell a good image: other ways to rank, its agreement with them, and a sweep of the share that is kept."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from helpers.data.selection import wanted_count
from helpers.files import row_blocks
from helpers.gan.features import ROWS, nearest, take_rows
from helpers.gan.fidelity import Members, comparison_size, measure_draws, summarise_draws

NEIGHBOURS = 5  # real images whose mean distance is an image's distance to the real manifold
FLOOR = 0.5  # share of the images, the nearest ones, among which variety is looked for
MOST_DIVERSE = 2000  # images that are chosen for variety; each costs a pass over all
FRACTIONS = tuple(tenth / 10 for tenth in range(1, 11))


def rank_by(values: np.ndarray) -> np.ndarray:
    """Ranks (int64, 1 is best) of values of which higher is better; of equal ones the earlier is better."""
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return rank


def add_ranks(
    scores: pd.DataFrame, features: np.ndarray, real: np.ndarray, probabilities: np.ndarray | None = None
) -> pd.DataFrame:
    """``scores`` (one row per image, in order of index) with what an arm may rank by besides the critic.

    ``distance``: mean distance to the NEIGHBOURS nearest of the ``real`` training images in feature space; ``rank_distance`` (1 is nearest);
    ``rank_diverse``, see ``diverse_order``; and, where the baseline's ``probabilities`` (N,) of the target class are given, ``probability``
    and ``rank_classifier`` (1 is the highest).
    """
    distance, _ = nearest(row_blocks(features, ROWS), real, NEIGHBOURS)
    diverse = np.empty(len(scores), dtype=np.int64)
    diverse[diverse_order(features, distance)] = np.arange(1, len(scores) + 1)
    table = scores.assign(distance=distance, rank_distance=rank_by(-distance), rank_diverse=diverse)
    return (
        table
        if probabilities is None
        else table.assign(probability=probabilities, rank_classifier=rank_by(np.asarray(probabilities)))
    )


def diverse_order(features: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Indices of all images (N,): first by variety among the FLOOR that is nearest to the real ones, then the others by nearness.

    Farthest-point selection (Gonzalez 1985): the nearest image first, then time and again the one farthest from all chosen. After
    MOST_DIVERSE the floor's other images follow by nearness.
    """
    by_nearness = np.argsort(distance, kind="stable")
    floor = by_nearness[: math.ceil(FLOOR * len(features))]
    pool = take_rows(features, floor)
    squares = np.einsum("ij,ij->i", pool, pool)
    gap = np.full(len(pool), np.inf)
    chosen = [0]
    while len(chosen) < min(MOST_DIVERSE, len(pool)):
        last = chosen[-1]
        gap = np.minimum(gap, squares + squares[last] - 2 * pool @ pool[last])
        gap[last] = -np.inf
        chosen.append(int(gap.argmax()))
    return np.concatenate([floor[chosen], np.delete(floor, chosen), by_nearness[len(floor) :]])


def correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of the critic's score with ``distance`` and ``probability`` (if there): compared_with, meaning, correlation, low, high, images.

    The 95 % interval is Bonett and Wright's (2000) on Fisher's scale; NaN for fewer than 5 images or a constant.
    """
    others = {"distance": "distance to the real images", "probability": "baseline classifier's probability"}
    rows = []
    for column in (column for column in others if column in table):
        rank_correlation = spearman(table["score"].to_numpy(), table[column].to_numpy())
        rows.append(
            {"compared_with": column, "meaning": others[column], **rank_correlation, "images": len(table)}
        )
    return pd.DataFrame(rows)


def spearman(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Spearman's correlation of two arrays (N,) with its 95 % interval, as ``correlations`` says."""
    if len(first) < 5 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return dict.fromkeys(("correlation", "low", "high"), np.nan)
    value = float(stats.spearmanr(first, second).statistic)
    inside = np.clip(value, -1 + 1e-12, 1 - 1e-12)
    half = stats.norm.ppf(0.975) * np.sqrt((1 + inside**2 / 2) / (len(first) - 3))
    return {
        "correlation": value,
        "low": float(np.tanh(np.arctanh(inside) - half)),
        "high": float(np.tanh(np.arctanh(inside) + half)),
    }


def sweep(
    features: np.ndarray,
    rank: np.ndarray,
    real: np.ndarray,
    held_out: np.ndarray,
    wanted: int,
    draws: int,
    seed: int,
    told: Callable[[int], None] = lambda done: None,
) -> pd.DataFrame:
    """fidelity.MEASURES of the best 10 %, 20 % ... 100 % of the images by ``rank``, at one size for all steps: that of the smallest.

    Columns: set (``kept``, or ``real`` for the held-out images), fraction (NaN for those), and fidelity.summarise_draws' measure, value, low, high,
    difference (to as many images drawn from all: the step of 100 %), images, draws.
    """
    order = np.argsort(rank, kind="stable")
    kept: dict[float, Members] = {
        fraction: (features, order[: wanted_count(len(order), fraction=fraction)]) for fraction in FRACTIONS
    }
    sets = {**kept, "real": (held_out, np.arange(len(held_out)))}
    table = summarise_draws(
        measure_draws(sets, real, size := comparison_size(sets, real, wanted), draws, seed, told), 1.0
    )
    floor = table["set"] == "real"
    table.insert(1, "fraction", table["set"].where(~floor, np.nan).astype(float))
    table["set"] = np.where(floor, "real", "kept")
    table.loc[floor, ["difference", "difference_low", "difference_high"]] = np.nan
    return table.assign(images=size, draws=draws)


def score_stability(scores: np.ndarray, keep_fraction: float) -> pd.DataFrame:
    """How far the scores (N, S) of the same images in S companies of real images agree, a row per pair.

    Columns: first_company, second_company (from 1), rank_correlation, its low and high (95 %), kept_by_both (share of the best ``keep_fraction``), images.
    """
    kept = wanted_count(len(scores), fraction=keep_fraction)
    best = [set(np.argsort(-column, kind="stable")[:kept]) for column in scores.T]
    rows = []
    for first in range(scores.shape[1]):
        for second in range(first + 1, scores.shape[1]):
            agreement = spearman(scores[:, first], scores[:, second])
            agreement["rank_correlation"] = agreement.pop("correlation")
            rows.append(
                {
                    "first_company": first + 1,
                    "second_company": second + 1,
                    **agreement,
                    "kept_by_both": len(best[first] & best[second]) / kept,
                }
            )
    columns = ["first_company", "second_company", "rank_correlation", "low", "high", "kept_by_both"]
    return pd.DataFrame(rows, columns=columns).assign(keep_fraction=keep_fraction, images=len(scores))
