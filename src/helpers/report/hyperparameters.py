"""The parameters of a run beside those of the paper's profile."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from helpers.params import Params, departures, parameter_rows, without_defaults
from helpers.report.table import Table
from helpers.report.words import plain


def hyperparameters_table(params: Params, sections: Sequence[str]) -> Table:
    """Every parameter of some sections: the paper's value, this run's, whether they agree, the meaning."""
    rows = [
        {
            "parameter": row["parameter"],
            "paper": _setting(row, "paper"),
            "this_run": _setting(row, "this_run"),
            "same": row["this_run"] == row["paper"],
            "meaning": row["meaning"],
        }
        for row in parameter_rows(params, sections)
    ]
    return Table(pd.DataFrame(rows), {}, {"paper": "paper's profile", "this_run": "this run"})


def departures_table(params: Params) -> Table:
    """What this run does otherwise than the paper, from the parameters alone."""
    rows = [
        {**row, "paper": _setting(row, "paper"), "this_run": _setting(row, "this_run")}
        for row in departures(params)
    ]
    frame = pd.DataFrame(rows, columns=["parameter", "paper", "this_run", "meaning"])
    return Table(frame, {}, {"paper": "paper's profile", "this_run": "this run"})


def _setting(row: Mapping[str, Any], side: str) -> str:
    """A value of ``departures`` in words; an arm without what it leaves at its default."""
    value = row[side]
    if not row["parameter"].startswith("arms."):
        return plain(None if value == {} else value)
    if value is None:
        return "no such arm"
    return plain(without_defaults(value, tuple(row["parameter"].split(".", 1))))


def departures_sentence(count: int) -> str:
    """How far this run is from the paper's profile."""
    if not count:
        return "Every parameter has the value of the paper's profile."
    return (
        f"{count} parameter{'s differ' if count > 1 else ' differs'} from the paper's profile; where the "
        "paper is silent, that profile's file gives the choice and its reason."
    )
