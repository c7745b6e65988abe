"""Training, validation and test: the paper's split by image, and a split by lesion that leaks nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.errors import DataError, ParameterError

SPLITS = ("train", "validation", "test")
HELD_OUT = SPLITS[1:]
JOINED = "joined_lesion_id"  # column of split.csv: lesions with near-copies in common under one name

Entropy = int | Sequence[int]  # what numpy makes a generator of


def split_metadata(
    metadata: pd.DataFrame, by: str, fractions: tuple[float, float, float], seed: int
) -> pd.Series:
    """Share images out among train, validation and test; a Series of these words on ``metadata.index``.

    ``image`` is the paper's split (section 3.2): stratified by dx, blind to lesions. ``lesion`` has the same
    fractions of every class and no lesion in two parts. Raises DataError for a class too small to be in all
    three.
    """
    if by not in ("image", "lesion"):
        raise ParameterError(f"A split goes by 'image' or by 'lesion', not by '{by}'.")
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ParameterError(
            f"The fractions of training, validation and test are positive and sum to 1, unlike {fractions}."
        )
    positions = (
        _by_image(metadata, fractions, seed) if by == "image" else _by_lesion(metadata, fractions, seed)
    )
    return _named(metadata, positions, by)


def split_folds(
    metadata: pd.DataFrame, folds: int, repeats: int, validation: float, seed: int
) -> list[pd.Series]:
    """The parts of a cross-validation: each a Series of 'train', 'validation' and 'test' on the index.

    Lesions are dealt into ``folds`` folds that have the same share of every class, ``repeats`` times with
    other draws. Part d * folds + f tests fold f of deal d. Of the other folds, ``validation`` (a share of all
    images) validates and the rest trains, again by lesion and with the same share of every class. Raises
    DataError for a class with too few lesions to be tested, validated and trained in every part.
    """
    parts, first = [], _first_folds(metadata)
    for deal in range(repeats):
        fold = (_by_lesion(metadata, (1 / folds,) * folds, (seed, deal)) + first) % folds
        for tested in range(folds):
            positions = np.full(len(metadata), SPLITS.index("test"))
            rest, share = metadata[fold != tested], validation / (1 - 1 / folds)
            positions[fold != tested] = _by_lesion(rest, (1 - share, share), (seed, deal, tested))
            parts.append(_named(metadata, positions, "lesion"))
    return parts


def _first_folds(metadata: pd.DataFrame) -> np.ndarray:
    """For each image how many images are in the classes before its own, (n,).

    A class is dealt from the fold on where the class before it ended; otherwise what every class has over
    would go to the first folds. Nothing is moved where a lesion has several diagnoses.
    """
    if (metadata.groupby("lesion_id")["dx"].nunique() > 1).any():
        return np.zeros(len(metadata), int)
    counts = metadata["dx"].value_counts().sort_index()
    return metadata["dx"].map(counts.cumsum() - counts).to_numpy(dtype=int)


def _named(metadata: pd.DataFrame, positions: np.ndarray, by: str) -> pd.Series:
    """Positions in SPLITS as words; DataError where a class is not in all of them."""
    split = pd.Series(np.array(SPLITS, dtype=object)[positions], index=metadata.index, name="split")
    _check_classes(metadata, split, by)
    return split


def _by_image(metadata: pd.DataFrame, fractions: tuple[float, float, float], seed: int) -> np.ndarray:
    """Two stratified halvings by scikit-learn, which give the paper's counts to the image."""
    from sklearn.model_selection import train_test_split

    labels = metadata["dx"].to_numpy(dtype=object)
    # 1 - 0.7 is 0.30000000000000004, which would move an image in a data set of the wrong size
    held_out = round(fractions[1] + fractions[2], 9)
    try:
        _, rest = train_test_split(
            np.arange(len(labels)), test_size=held_out, stratify=labels, random_state=seed
        )
        validation, test = train_test_split(
            rest, test_size=round(fractions[2] / held_out, 9), stratify=labels[rest], random_state=seed
        )
    except ValueError:
        raise _too_small(metadata, "images") from None
    positions = np.zeros(len(labels), dtype=int)
    positions[validation], positions[test] = 1, 2
    return positions


def _by_lesion(metadata: pd.DataFrame, fractions: Sequence[float], seed: Entropy) -> np.ndarray:
    """Lesions of each class go one by one to the part that lacks most images of the class.

    The most photographed lesions go first, in random order among equals. This order keeps the parts alike in
    photographs per lesion, and leaves single photographs to even out the counts. Where a lesion (a patient,
    perhaps) has several diagnoses, ``_by_rarest`` shares them out.
    """
    rng = np.random.default_rng(seed)
    if (metadata.groupby("lesion_id")["dx"].nunique() > 1).any():
        homes = _by_rarest(pd.crosstab(metadata["lesion_id"], metadata["dx"]), np.asarray(fractions), rng)
        return metadata["lesion_id"].map(homes).to_numpy(dtype=int)
    lesions = lesion_table(metadata)
    homes = {}
    for _, group in lesions.groupby("dx", sort=True):
        group = group.iloc[rng.permutation(len(group))].sort_values("images", ascending=False, kind="stable")
        placed, total = np.zeros(len(fractions)), 0
        for lesion, images in zip(group.index, group["images"], strict=True):
            total += images
            home = int(np.argmax(np.round(np.asarray(fractions) * total - placed, 9)))
            placed[home] += images
            homes[lesion] = home
    return metadata["lesion_id"].map(homes).to_numpy(dtype=int)


def _by_rarest(counts: pd.DataFrame, fractions: np.ndarray, rng: np.random.Generator) -> dict[str, int]:
    """A part for each lesion (rows of ``counts``) that keeps the share of every class (columns) in each part.

    Iterative stratification (Sechidis, Tsoumakas, Vlahavas, ECML PKDD 2011): the class that fewest of the
    remaining lesions show comes next, and each of its lesions goes to the part that lacks most images of it,
    among equals to the part that lacks most images. The last lesions of a class go to the parts that have
    none of it.
    """
    wanted = np.outer(fractions, counts.sum()).astype(
        float
    )  # (parts, classes), lowered as lesions are placed
    left, homes = counts.iloc[rng.permutation(len(counts))], {}
    has = np.zeros(wanted.shape, dtype=bool)
    while len(left):
        shows = (left > 0).sum()
        column = counts.columns.get_loc(shows[shows > 0].idxmin())
        rows = left[left.iloc[:, column] > 0].sort_values(
            counts.columns[column], ascending=False, kind="stable"
        )
        for remaining, (lesion, row) in zip(range(len(rows), 0, -1), rows.iterrows(), strict=True):
            lacking = ~has[:, column]
            allowed = (
                lacking
                if lacking.any() and remaining <= lacking.sum()
                else np.ones(len(fractions), dtype=bool)
            )
            need = np.round(np.where(allowed, wanted[:, column], -np.inf), 9)
            best = np.flatnonzero(need == need.max())
            home = int(best[np.argmax(wanted[best].sum(axis=1))])
            homes[lesion] = home
            wanted[home] -= row.to_numpy()
            has[home] |= row.to_numpy() > 0
        left = left.drop(rows.index)
    return homes


def lesion_table(metadata: pd.DataFrame) -> pd.DataFrame:
    """One row per lesion (index lesion_id, sorted): ``dx`` and ``images``, the number of its images.

    ``dx`` is the label of most of its images, the alphabetically first among equals.
    """
    counts = metadata.groupby(["lesion_id", "dx"], sort=True).size().rename("count").reset_index()
    label = (
        counts.sort_values(["lesion_id", "count", "dx"], ascending=[True, False, True])
        .drop_duplicates("lesion_id")
        .set_index("lesion_id")["dx"]
    )
    return pd.DataFrame({"dx": label, "images": counts.groupby("lesion_id")["count"].sum()})


def _check_classes(metadata: pd.DataFrame, split: pd.Series, by: str) -> None:
    table = pd.crosstab(metadata["dx"], split).reindex(columns=list(SPLITS), fill_value=0)
    lacking = table.index[(table == 0).any(axis=1)]
    if len(lacking):
        raise _too_small(metadata, "images" if by == "image" else "lesions", list(lacking))


def _too_small(metadata: pd.DataFrame, unit: str, lacking: Sequence[str] | None = None) -> DataError:
    """The error that names the rarest class, or the rarest of those that a part lacks."""
    column = "dx" if unit == "images" else "lesion_id"
    counts = metadata["dx"].value_counts() if unit == "images" else metadata.groupby("dx")[column].nunique()
    counts = counts.loc[lacking] if lacking else counts
    counts = counts.sort_values(ascending=False, kind="stable")
    name, count = counts.index[-1], counts.iloc[-1]
    return DataError(
        f"The class '{name}' has {count:,} {unit if count != 1 else unit[:-1]}, too few to be in training, "
        f"validation and test: leave the class out or add {unit}."
    )


def lesion_seen(split: pd.DataFrame) -> pd.Series:
    """Whether the lesion of each image was trained on: a boolean Series on ``split.index``.

    ``split`` has the columns lesion_id and split. Training images are true. An image without a lesion
    id counts as not trained on.
    """
    trained = split.loc[split["split"] == "train", "lesion_id"]
    return (split["lesion_id"].notna() & split["lesion_id"].isin(trained)).rename("lesion_seen")


def split_quality(metadata: pd.DataFrame, split: pd.Series, target: str | None = None) -> dict[str, Any]:
    """What a split leaks: the test and validation images whose lesion was trained on.

    Counts and shares (0..1): ``test_images``, ``test_seen``, ``test_seen_share``, the same for validation,
    ``classes`` with the test figures of each class (images, seen, seen_share), and, where ``target`` is
    given, ``target_images``, ``target_seen``, ``target_seen_share``. ``lesions_known`` is false where no
    image names its lesion: nothing seen then means nothing known. ``lesions_named`` is the share of images
    that do; below 1, only images of equal content are known to show one lesion.
    """
    table = metadata[["lesion_id", "dx"]].assign(split=split)
    table["seen"] = lesion_seen(table)
    named = table["lesion_id"].notna()
    quality: dict[str, Any] = {"lesions_known": bool(named.any()), "lesions_named": float(named.mean())}
    for part in ("test", "validation"):
        quality |= {f"{part}_{key}": value for key, value in _leak(table[table["split"] == part]).items()}
    test = table[table["split"] == "test"]
    quality["classes"] = {name: _leak(test[test["dx"] == name]) for name in sorted(table["dx"].unique())}
    if target is not None:
        quality |= {f"target_{key}": value for key, value in _leak(test[test["dx"] == target]).items()}
    return quality


def _leak(rows: pd.DataFrame) -> dict[str, Any]:
    seen = int(rows["seen"].sum())
    return {"images": len(rows), "seen": seen, "seen_share": seen / len(rows) if len(rows) else float("nan")}
