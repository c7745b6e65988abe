"""Photographs that are nearly the same and bear different lesion ids, so that a split by lesion leaks.

Abhishek, Jain and Hamarneh (Scientific Data 12:196, 2025) found such pairs in HAM10000. Each photograph's
nearest ones of other lesions are looked up twice: by pixels under flips and quarter turns, and by features
that no flip, turn or small crop changes. The fine structure of these candidates is then compared
(``helpers.data.likeness``). docs/robustness.md says what was found in HAM10000, and where the threshold comes
from.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from helpers.data.likeness import AS_THEY_ARE, SIDE, TURNS, likeness, reduced, structure, turned

if TYPE_CHECKING:
    from PIL.Image import Image

THRESHOLD = 0.57  # of the likeness: between the last true pair and the first false one of HAM10000
NEIGHBOURS = 5  # of each photograph, by pixels and by features
BLOCK = 512  # rows of distances at a time
COARSE = 24  # pixels of a side, by which neighbours are looked up and first compared
PROMISING = 0.78  # likeness at this size, below which no more is compared
COMPONENTS = 64  # principal components of the pixels
QUANTILES = 16
LIMIT = 30_000  # photographs; the work grows with their square
COLUMNS = (
    *("image_id", "other_image_id", "lesion_id", "other_lesion_id", "dx", "other_dx"),
    *("distance", "found_by"),
)


class Sketch(NamedTuple):
    """What is kept of a photograph to compare it with all others."""

    grey: np.ndarray  # uint8 (SIDE, SIDE), its centre square
    features: np.ndarray  # float32 (2 * 4 * QUANTILES,)


def sketch(image: "Image") -> Sketch:
    """The centre square of a photograph in grey, and quantiles of its colours and slopes in two rings.

    The colours are taken relative to the mean brightness, so that a brighter copy has the same features.
    """
    from PIL import Image as Images

    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    square = image.convert("RGB").resize(
        (SIDE, SIDE), Images.Resampling.BOX, box=(left, top, left + side, top + side)
    )
    grey = np.asarray(square.convert("L"))
    small = np.asarray(square.reduce(2), dtype=np.float32)
    small = small / max(float(small.mean()), 1.0)
    slope = np.hypot(*np.gradient(small.mean(axis=2)))
    places = (np.arange(len(small)) - (len(small) - 1) / 2) / (len(small) / 2)
    inner = np.hypot(places[:, None], places) < 0.5
    channels = [*np.moveaxis(small, 2, 0), 4 * slope]  # the factor gives slopes about the colours' spread
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    rings = [np.quantile(channel[ring], shares) for channel in channels for ring in (inner, ~inner)]
    return Sketch(grey, np.concatenate(rings).astype(np.float32))


def find_duplicates(metadata: pd.DataFrame, sketches: Sequence[Sketch]) -> pd.DataFrame:
    """Pairs of photographs of different lesions that are nearly the same, the most alike first.

    ``sketches`` are in the order of ``metadata`` (columns image_id, lesion_id, dx; a missing lesion id is a
    lesion of its own). The columns of the table are COLUMNS: ``distance`` is 1 less the likeness, from 0 (the
    same) to 1 - THRESHOLD; ``found_by`` is 'pixels', 'features' or 'both'. More than LIMIT photographs are
    not compared, and the table is empty.
    """
    if not 1 < len(sketches) <= LIMIT:
        return pd.DataFrame(columns=list(COLUMNS))
    lesions = pd.factorize(metadata["lesion_id"].fillna(metadata["image_id"]))[0]
    grey = np.stack([each.grey for each in sketches])
    small = reduced(grey, COARSE)
    by_pixels = _neighbours_by_pixels(small, lesions)
    by_features = _neighbours_by_features(np.stack([each.features for each in sketches]), lesions)
    pairs = np.array(sorted(by_pixels | by_features), dtype=np.intp).reshape(-1, 2)
    pairs = pairs[likeness(small, pairs, AS_THEY_ARE) >= PROMISING]
    alike = likeness(grey, pairs)
    order = np.argsort(-alike, kind="stable")
    order = order[alike[order] >= THRESHOLD]
    return _table(metadata, pairs[order], 1 - alike[order].astype(float), by_pixels, by_features)


def _table(
    metadata: pd.DataFrame,
    pairs: np.ndarray,
    distances: np.ndarray,
    by_pixels: set[tuple[int, int]],
    by_features: set[tuple[int, int]],
) -> pd.DataFrame:
    columns: dict[str, object] = {}
    for name in ("image_id", "lesion_id", "dx"):
        for prefix, side in (("", 0), ("other_", 1)):
            columns[prefix + name] = metadata[name].to_numpy()[pairs[:, side]]
    columns["distance"] = distances.round(4)
    found = [((one, two) in by_pixels, (one, two) in by_features) for one, two in pairs.tolist()]
    columns["found_by"] = ["both" if all(each) else "pixels" if each[0] else "features" for each in found]
    return pd.DataFrame(columns, columns=list(COLUMNS))


def _neighbours_by_pixels(small: np.ndarray, lesions: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of nearest photographs by their coarse structure, over all flips and turns."""
    own = structure(small, fine=2)
    flat = own.reshape(len(own), -1)
    values, vectors = np.linalg.eigh(flat.T @ flat)
    axes = vectors[:, np.argsort(-values)[:COMPONENTS]]
    return _neighbours([turned(own, turn).reshape(len(own), -1) @ axes for turn in TURNS], lesions)


def _neighbours_by_features(features: np.ndarray, lesions: np.ndarray) -> set[tuple[int, int]]:
    """The same by features, each of which counts as its spread says."""
    return _neighbours([(features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-6)], lesions)


def _neighbours(versions: Sequence[np.ndarray], lesions: np.ndarray) -> set[tuple[int, int]]:
    """Each row's NEIGHBOURS nearest rows of other lesions, as pairs of row numbers in ascending order.

    ``versions`` are arrays (N, D): the first holds the rows, and each of them the same rows as they look
    after a turn.
    """
    rows, pairs = versions[0], set()
    squares = np.square(rows).sum(axis=1)
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        # a version's own squares are those of the rows, apart from what the projection loses
        far = np.min([squares - 2 * version[block] @ rows.T for version in versions], axis=0)
        far[lesions[block, None] == lesions] = np.inf
        nearest = np.argpartition(far, min(NEIGHBOURS, len(rows)) - 1, axis=1)[:, :NEIGHBOURS]
        for row, others in enumerate(nearest, start):
            found = others[np.isfinite(far[row - start, others])].tolist()
            pairs |= {(min(row, other), max(row, other)) for other in found}
    return pairs


def joined_lesions(lesions: pd.Series, pairs: pd.DataFrame) -> pd.Series:
    """The lesion ids with all lesions that ``pairs`` join under the alphabetically first of their ids.

    ``pairs`` has the columns lesion_id and other_lesion_id. A lesion that is in no pair keeps its id.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names = pd.Index(sorted(lesions.dropna().unique()))
    ends = [names.get_indexer(pairs[column]) for column in ("lesion_id", "other_lesion_id")]
    joins = coo_array((np.ones(len(pairs)), ends), shape=(len(names), len(names)))
    _, group = connected_components(joins, directed=False)
    _, first = np.unique(group, return_index=True)  # of each group the place of its first name
    return lesions.map(dict(zip(names, names[first[group]], strict=True)))


def pairs_across(pairs: pd.DataFrame, split: pd.DataFrame) -> pd.Series:
    """Whether one photograph of each pair is trained on and the other validates or tests; boolean.

    ``split`` has the columns image_id and split.
    """
    part = split.set_index("image_id")["split"]
    one, other = (part.reindex(pairs[name]).to_numpy() == "train" for name in ("image_id", "other_image_id"))
    return pd.Series(one != other, index=pairs.index)
