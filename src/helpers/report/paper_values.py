"""The paper's published numbers, as the tables and figures take them."""

from collections.abc import Mapping

import pandas as pd

Paper = Mapping[
    str, pd.DataFrame
]  # helpers.evaluation.paper.published_beside; without its results, the paper's columns stay away


def paper_metrics(paper: Paper) -> pd.DataFrame:
    """The paper's metrics (shares), one row per arm, the columns as in evaluation/metrics.csv; no row where
    they are no yardstick.
    """
    if paper["metrics"].empty:
        return pd.DataFrame({"arm": []})
    wide = paper["metrics"].pivot_table(index="arm", columns="metric", values="value", sort=False)
    return wide.rename_axis(None, axis=1).reset_index()
