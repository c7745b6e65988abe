"""Which training photographs an arm withholds: whole lesions of one class, drawn at random."""

import numpy as np
import pandas as pd

from helpers.data.selection import wanted_count
from helpers.data.splits import JOINED
from helpers.data.trained_on import WITHHELD
from helpers.params import Withhold

STREAM = 1  # of random numbers, beside those of the other random choices of a training


def withheld_rows(split: pd.DataFrame, lack: Withhold, seed: int) -> np.ndarray:
    """Rows (int64, of ``split``) of the training photographs that are withheld; ``seed`` decides which.

    ``split``: columns dx, split and, where lesions are known, lesion_id; where near-copies are dealt as one
    lesion, JOINED too. All photographs of randomly drawn lesions go, as near to ``lack.fraction`` of the
    class as whole lesions come. One lesion stays at least. A lesion of which a photograph stayed would not be
    missing.
    """
    of_class = np.flatnonzero(((split["split"] == "train") & (split["dx"] == lack.class_)).to_numpy())
    lesions = _lesions(split)[of_class]
    drawn = np.random.default_rng([seed, STREAM]).permutation(np.unique(lesions))
    if len(drawn) < 2:
        return of_class[:0]
    images = np.cumsum([(lesions == lesion).sum() for lesion in drawn[:-1]])
    count = int(np.argmin(np.abs(images - wanted_count(len(of_class), fraction=lack.fraction)))) + 1
    return of_class[np.isin(lesions, drawn[:count])]


def mark_withheld(split: pd.DataFrame, lack: Withhold | None, seed: int | None) -> pd.DataFrame:
    """The split with 'withheld' in the place of 'train' where ``withheld_rows`` says so.

    It is as it was where ``lack`` or ``seed`` is None.
    """
    if lack is None or seed is None:
        return split
    gone = np.isin(np.arange(len(split)), withheld_rows(split, lack, seed))
    return split.assign(split=split["split"].mask(gone, WITHHELD))


def _lesions(split: pd.DataFrame) -> np.ndarray:
    """Lesion positions (N,) of all images; one that names no lesion is a lesion of its own."""
    own = pd.Series(np.arange(len(split)), split.index).astype(str)
    known = [name for name in (JOINED, "lesion_id") if name in split]
    names = split[known[0]] if known else pd.Series(np.nan, split.index)
    return pd.factorize(("lesion " + names.astype(str)).where(names.notna(), "image " + own))[0]
