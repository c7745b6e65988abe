"""Stage evaluation: every metric, interval and contrast of a finished study, as tables."""

import pandas as pd

from helpers.engine.stages import EVALUATION_TABLES
from helpers.evaluation.results import evaluate
from helpers.files import read_table, write_table
from helpers.params import Params
from helpers.paths import RunPaths
from helpers.stages.selectors import compare_selectors


def assess(run: RunPaths, params: Params) -> dict[str, pd.DataFrame]:
    """The tables of ``evaluation/`` by name; see ``helpers.evaluation.results.evaluate``.

    Beside them stands selectors.csv (``helpers.stages.selectors``). They are written where they are not
    finished.
    """
    from helpers.engine.by_hand import seal_by_hand
    from helpers.engine.plan import is_finished

    if not is_finished(run, params, "evaluation"):
        evaluate(run, params)
        write_table(run.evaluation / "selectors.csv", compare_selectors(run, params))
        seal_by_hand(run, params, "evaluation")
    return {name: read_table(run.evaluation / f"{name}.csv") for name in EVALUATION_TABLES}
