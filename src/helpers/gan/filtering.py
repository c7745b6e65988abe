"""Whether the critic can tell a good image: its agreement with other ranks, and a sweep of the kept share."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from scipy import stats

from helpers import params
from helpers.data.selection import wanted_count
from helpers.errors import ParameterError
from helpers.files import row_blocks
from helpers.gan.fidelity import Members, comparison_size, measure_draws, summarise_draws
from helpers.gan.rows import ROWS, nearest
from helpers.gan.selectors import SELECTORS, Evidence, written_selectors

NEIGHBOURS = 5  # nearest real images, whose mean distance is taken
FRACTIONS = tuple(tenth / 10 for tenth in range(1, 11))


def add_ranks(
    scores: pd.DataFrame,
    features: np.ndarray,
    real: np.ndarray,
    probabilities: np.ndarray | None = None,
    class_probabilities: np.ndarray | None = None,
    asked: Iterable[str] = (),
) -> pd.DataFrame:
    """``scores`` (one row per image, in order of index) with the columns of the other selectors.

    ``features`` (N, D) belong to the images, ``real`` (M, D) to the GAN's training images; ``probabilities``
    (N,) of the target class and ``class_probabilities`` (N, classes) are the baseline classifier's. Every
    selector that is always written or ``asked`` for adds its columns (selectors/), except those whose
    probabilities are not given.
    """
    distance, _ = nearest(row_blocks(features, ROWS), real, NEIGHBOURS)
    evidence = Evidence(features, distance, probabilities, class_probabilities)
    for selector in map(SELECTORS.get, written_selectors(asked)):
        if selector.columns is not None:
            scores = scores.assign(**selector.columns(evidence))
    return scores


def without_critic(scores: pd.DataFrame, synthesis: params.Synthesis) -> pd.DataFrame:
    """``scores`` of images that no critic scored, with score, rank, selected and scored_by.

    The score is the value of the selector ``synthesis.filter``, its sign turned where lower is better; where
    that is the critic, the baseline classifier's probability if ``scores`` has it, and else minus the
    distance to the real images. ``scored_by`` names the selector, and the best ``synthesis.keep_fraction`` is
    selected. So the filter's study has a rank to work on. Raises ParameterError where the table lacks the
    selector's columns.
    """
    name = synthesis.filter
    if name == "critic":
        name = "classifier" if "probability" in scores else "distance"
    selector = SELECTORS.get(name)
    if selector.rank not in scores:
        raise ParameterError(
            f"synthesis.filter is '{name}', and its ranks cannot be worked out: {selector.missing}, or write "
            "synthesis.filter: distance."
        )
    rank, value = scores[selector.rank], scores[selector.value]
    selected = (rank <= wanted_count(len(scores), fraction=synthesis.keep_fraction)).astype(np.int64)
    score = value if selector.higher else -value
    return scores.assign(score=score, rank=rank, selected=selected, scored_by=name)


def scored_by(scores: pd.DataFrame) -> str:
    """Name of the selector whose values are the column score of scores.csv."""
    return str(scores["scored_by"].iloc[0]) if "scored_by" in scores else "critic"


def correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of the score with the other selectors' values that ``table`` has.

    Columns: compared_with, meaning, correlation, low, high, images. The 95 % interval is Bonett and Wright's
    (2000) on Fisher's scale; NaN for fewer than 5 images or a constant.
    """
    rows = []
    others = [name for name in written_selectors(SELECTORS.names()) if name != scored_by(table)]
    for selector in map(SELECTORS.get, others):
        if selector.value_meaning and selector.value in table:
            found = spearman(table["score"].to_numpy(), table[selector.value].to_numpy())
            row = {"compared_with": selector.value, "meaning": selector.value_meaning, **found}
            rows.append(row | {"images": len(table)})
    columns = ["compared_with", "meaning", "correlation", "low", "high", "images"]
    return pd.DataFrame(rows, columns=columns)


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
    """fidelity.MEASURES of the best 10 %, 20 % ... 100 % of the images by ``rank``.

    All steps are compared at the size of the smallest. Columns: set (``kept``, or ``real`` for the held-out
    images), fraction (NaN for those), and fidelity.summarise_draws' measure, value, low, high, difference (to
    as many images drawn from all: the step of 100 %), images, draws.
    """
    order = np.argsort(rank, kind="stable")
    sets: dict[str | float, Members] = {
        fraction: (features, order[: wanted_count(len(order), fraction=fraction)]) for fraction in FRACTIONS
    }
    sets["real"] = (held_out, np.arange(len(held_out)))
    size = comparison_size(sets, real, wanted)
    table = summarise_draws(measure_draws(sets, real, size, draws, seed, told), 1.0)
    floor = table["set"] == "real"
    table.insert(1, "fraction", table["set"].where(~floor, np.nan).astype(float))
    table["set"] = np.where(floor, "real", "kept")
    table.loc[floor, ["difference", "difference_low", "difference_high"]] = np.nan
    return table.assign(images=size, draws=draws)


def score_stability(scores: np.ndarray, keep_fraction: float) -> pd.DataFrame:
    """How far the scores (N, S) of the same images with S reference batches agree, a row per pair of batches.

    Columns: first_batch, second_batch (from 1), rank_correlation, its low and high (95 %), kept_by_both
    (share of the best ``keep_fraction``), keep_fraction, images.
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
                    "first_batch": first + 1,
                    "second_batch": second + 1,
                    **agreement,
                    "kept_by_both": len(best[first] & best[second]) / kept,
                }
            )
    columns = ["first_batch", "second_batch", "rank_correlation", "low", "high", "kept_by_both"]
    return pd.DataFrame(rows, columns=columns).assign(keep_fraction=keep_fraction, images=len(scores))
