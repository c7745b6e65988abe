"""Stage eda: check every image of the data and share the images out among training, validation and test."""

import pandas as pd

from helpers.data.manifest import load_split
from helpers.data.prepare import prepare_data
from helpers.params import Params
from helpers.paths import RunPaths


def prepare(run: RunPaths, params: Params) -> pd.DataFrame:
    """The metadata with the column ``split`` (train, validation, test), one row for each image.

    Writes split.csv, manifest.json and duplicates.csv.

    Raises DataError where the data are missing, incomplete or damaged.
    """
    from helpers.engine.by_hand import seal_by_hand
    from helpers.engine.plan import is_finished

    if is_finished(run, params, "eda"):
        return load_split(run)
    split = prepare_data(run, params.data)
    seal_by_hand(run, params, "eda")
    return split
