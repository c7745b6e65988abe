"""The whole numbers of test images behind the paper's percentages.

A share of n images can only be one of n + 1 values, so a printed percentage gives its numerator away where n
is small enough. Source of the idea: the GRIM test of Brown and Heathers, Soc Psychol Personal Sci 8:363
(2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import pandas as pd

from helpers.evaluation.paper.tables import PAPER_ARMS, ROUNDING, published


@dataclass(frozen=True)
class Counts:
    """Whole test images behind the published percentages, found by search.

    ``images``: all test images. ``support``: test images of each class. ``correct``: of each arm. ``hits``
    and ``false_alarms``: melanomas found and other images called melanoma, of each arm. ``change``: correct
    images of each class against the baseline, (arm, class).
    """

    images: int
    support: dict[str, int]
    correct: dict[str, int]
    hits: dict[str, int]
    false_alarms: dict[str, int]
    change: dict[tuple[str, str], int]


@cache
def reconstructed_counts() -> Counts:
    """Search for the whole numbers of images behind the published percentages, within ROUNDING points.

    Raises ValueError if a search finds none or several.
    """
    tables = published()
    images = int(tables["split"].set_index("split").loc["test", "images"])
    changes = tables["per_class_change"].set_index("class")
    support = _supports(images, changes, tables["dataset"].set_index("class")["images"])
    accuracy = tables["overall"].set_index("metric").loc["accuracy"]
    melanoma = tables["melanoma"].set_index("arm")
    pairs = {
        arm: only_one(
            _melanoma_counts(melanoma.loc[arm], support["mel"], images - support["mel"]),
            f"melanoma row of {arm}",
        )
        for arm in PAPER_ARMS
    }
    return Counts(
        images=images,
        support=support,
        correct={
            arm: only_one(numerators(accuracy[arm], images), f"accuracy of {arm}") for arm in PAPER_ARMS
        },
        hits={arm: hits for arm, (hits, _) in pairs.items()},
        false_alarms={arm: alarms for arm, (_, alarms) in pairs.items()},
        change={
            (arm, name): only_one(numerators(changes.loc[name, arm], n), f"change of {name}")
            for arm in PAPER_ARMS[1:]
            for name, n in support.items()
        },
    )


def _supports(images: int, changes: pd.DataFrame, whole: pd.Series) -> dict[str, int]:
    """Test images of each class, from the ``whole`` data set's classes and the published changes of recall.

    Each is 15 % of its class, give or take one and a half, such that both published changes are ratios of
    whole images, and together they are all test images (section 3.2).
    """
    share = images / whole.sum()
    candidates = []
    for name, count in whole.items():
        near = range(int(count * share - 0.5), int(count * share + 2.5))
        fitting = [n for n in near if all(numerators(changes.loc[name, arm], n) for arm in PAPER_ARMS[1:])]
        candidates.append([(str(name), n) for n in fitting])
    choices = [dict(choice) for choice in product(*candidates) if sum(n for _, n in choice) == images]
    return only_one(choices, "class supports")


def _melanoma_counts(row: pd.Series, positives: int, negatives: int) -> list[tuple[int, int]]:
    """(melanomas found, false alarms) that fit all four published figures of an arm."""
    fitting = []
    for hits, quiet in product(
        numerators(row["target_recall"], positives), numerators(row["target_specificity"], negatives)
    ):
        alarms = negatives - quiet
        precision, f1 = hits / (hits + alarms), 2 * hits / (positives + hits + alarms)
        if max(abs(precision - row["target_precision"]), abs(f1 - row["target_f1"])) * 100 <= ROUNDING + 1e-9:
            fitting.append((hits, alarms))
    return fitting


def numerators(share: float, whole: int) -> list[int]:
    """Whole numbers x, negative ones too, with 100 x / whole within ROUNDING points of 100 share."""
    near = round(share * whole)
    return [x for x in range(near - 1, near + 2) if abs(x / whole - share) * 100 <= ROUNDING + 1e-9]


def only_one(found: Sequence[Any], what: str) -> Any:
    """The one solution of a search; ValueError where there is none or more than one."""
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} whole numbers of images fit the published {what}; exactly one was expected."
        )
    return found[0]
