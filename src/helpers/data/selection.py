"""Which synthetic images an arm takes, by a rank or by chance."""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd

from helpers.errors import ParameterError


def wanted_count(available: int, count: int | None = None, fraction: float | None = None) -> int:
    """How many images are wanted: ``count``, or ``fraction`` (0..1) of ``available``.

    Where neither is given, all are wanted. The fraction is rounded half up, to at least 1. Raises
    ParameterError for both at once, for numbers out of range, and for more images than are available.
    """
    if count is not None and fraction is not None:
        raise ParameterError(
            f"Give a count or a fraction of the images, not both ({count} and {fraction:g})."
        )
    if fraction is not None:
        if not 0 < fraction <= 1:
            raise ParameterError(
                f"A fraction of the images lies above 0 and is at most 1, unlike {fraction:g}."
            )
        # through its decimal text, for 0.145 of 100 is 14.5 to the reader and 14.499999999999998 in binary
        count = max(1, int((Decimal(repr(float(fraction))) * available).quantize(Decimal(1), ROUND_HALF_UP)))
    if count is None:
        return available
    if count < 1:
        raise ParameterError(f"At least 1 image must be selected, not {count}.")
    if count > available:
        raise ParameterError(
            f"{count:,} synthetic images are asked for and only {available:,} were generated: lower the "
            "arm's count or raise synthesis.count."
        )
    return int(count)


def share_count(share: float, real: int) -> int:
    """How many synthetic images beside ``real`` ones make ``share`` (0..1) of all; at least 1."""
    return max(1, round(share * real / (1 - share)))


def select_images(
    scores: pd.DataFrame,
    select: str,
    count: int | None = None,
    fraction: float | None = None,
    seed: int = 0,
    rank: str = "rank",
    missing: str = "run the stage 'synthesis' again",
) -> np.ndarray:
    """Indices (int64, column ``index`` of ``scores``) of the selected synthetic images.

    ``top`` and ``bottom`` go by the column ``rank`` (1 is best), best and worst first; ``random`` draws
    without replacement from ``seed``, whatever the order of the rows; ``all`` takes every image. Raises
    ParameterError for an unknown way, more images than there are, or a column that the scores do not hold;
    ``missing`` says what to do about that.
    """
    if select not in ("top", "bottom", "random", "all"):
        raise ParameterError(
            f"Synthetic images are selected by 'top', 'bottom', 'random' or 'all', not '{select}'."
        )
    if select == "all" and (count is not None or fraction is not None):
        raise ParameterError("'all' takes every synthetic image: drop the count, or select by 'random'.")
    if select != "all" and count is None and fraction is None:
        raise ParameterError(f"'{select}' needs a count or a fraction of the synthetic images.")
    indices = np.sort(scores["index"].to_numpy(dtype=np.int64))
    wanted = wanted_count(len(indices), count, fraction)
    if select == "all":
        return indices
    if select == "random":
        return np.random.default_rng(seed).choice(indices, size=wanted, replace=False)
    if rank not in scores:
        raise ParameterError(
            f"scores.csv has no column {rank}, by which an arm ranks synthetic images: {missing}, or rank by "
            "another."
        )
    ranked = scores.sort_values(rank, kind="stable")["index"].to_numpy(dtype=np.int64)
    return ranked[:wanted] if select == "top" else ranked[::-1][:wanted].copy()
