"""Notebook 01: photographs that are nearly the same under different lesion ids."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.data.duplicates import LIMIT, pairs_across
from helpers.params import Params
from helpers.report.eda import photograph
from helpers.report.pictures import image_rows
from helpers.report.table import Table
from helpers.report.words import counted

SHOWN = 6  # pairs in the figure
ROOM = 4  # for so many pairs at least, so that a single one does not fill the page


def duplicates_sentence(pairs: pd.DataFrame, split: pd.DataFrame, params: Params) -> str:
    """How many pairs were found, what the split does with them, and how many it leaks.

    ``pairs`` is data/duplicates.csv, ``split`` the split of the first part.
    """
    if len(split) > LIMIT:
        return (
            f"With more than {LIMIT:,} photographs, near-duplicates under different lesion ids were not "
            "looked for."
        )
    if pairs.empty:
        return (
            "No two photographs were found that are nearly the same under different lesion ids. Each was "
            "compared with its nearest neighbours of other lesions."
        )
    several = int((pairs["dx"] != pairs["other_dx"]).sum())
    across = int(pairs_across(pairs, split).sum())
    part = " in the first part of the split" if params.parts > 1 else ""
    known = (pairs["lesion_id"] != "").all()
    return (
        f"Nearly the same under different lesion ids: {counted(len(pairs), 'pair')} of photographs, of which "
        f"{several} with different diagnoses. {_treatment(params)} With one photograph trained on and the "
        f"other held out{part}: {counted(across, 'pair')}"
        + (", a leak that the lesion ids do not show." if known else "; the data name no lesions.")
    )


def _treatment(params: Params) -> str:
    if params.data.split.by == "image":
        ignored = " ('group' has no effect on a split by image)" if params.data.duplicates == "group" else ""
        return f"The split is made by image and moves none of them{ignored}."
    if params.data.duplicates == "group":
        return "The split deals the lesions of a pair together."
    return "They are listed only; data.duplicates: group deals the lesions of a pair together."


def duplicates_table(pairs: pd.DataFrame, split: pd.DataFrame) -> Table | None:
    """The pairs, the most alike first; None where there are none."""
    if pairs.empty:
        return None
    frame = pairs.assign(leak=["yes" if across else "no" for across in pairs_across(pairs, split)])
    headers = {
        "image_id": "photograph",
        "other_image_id": "the other",
        "lesion_id": "its lesion",
        "other_lesion_id": "the other's lesion",
        "dx": "its class",
        "other_dx": "the other's class",
        "distance": "distance",
        "found_by": "neighbours by",
        "leak": "across the split",
    }
    return Table(frame, {"distance": lambda distance: f"{distance:.2f}"}, headers)


def duplicates_figure(dataset: Any, pairs: pd.DataFrame, policy: str) -> Figure | None:
    """The first SHOWN pairs, one above the other, with their distances; None where none may be shown.

    ``dataset`` is an opened helpers.data.dataset.Dataset, ``policy`` is pictures.picture_policy's.
    """
    if pairs.empty or policy != "show":
        return None
    first = pairs.head(SHOWN)
    blanks = [np.full((3, 4, 3), 255, dtype=np.uint8)] * (ROOM - len(first))
    rows = {
        name: [photograph(dataset, image_id) for image_id in first[column]] + blanks
        for name, column in (("Photograph", "image_id"), ("The other of its pair", "other_image_id"))
    }
    notes = {"The other of its pair": [f"{distance:.2f}" for distance in first["distance"]]}
    return image_rows(rows, notes)
