"""What was fixed before a study began, and where a run departs from it."""

import re
from typing import Any

from helpers.engine.changes import changed_values
from helpers.files import digest, file_digest
from helpers.params import Params, comparable_values, flatten, load_params, public_parameters
from helpers.paths import ROOT
from helpers.report.words import counted, plain

PROTOCOL = ROOT / "docs" / "protocol.md"


def protocol_words(params: Params) -> str:
    """The protocol's date and checksums, and every departure from it; empty for a run without a protocol.

    A departure is a parameter that differs from the file ``report.protocol``. Raises ParameterError where
    there is no such file.
    """
    if params.report.protocol is None:
        return ""
    planned = load_params(params.report.protocol)
    found = departures_from(planned, params)
    kept = "the run keeps to it" if not found else f"{counted(len(found), 'departure')}: {'; '.join(found)}"
    return (
        f"docs/protocol.md of {_date()}, SHA-256 {file_digest(PROTOCOL, length=64)}; its parameters "
        f"({params.report.protocol}), SHA-256 {digest(comparable_values(planned), length=64)}; {kept}"
    )


def departures_from(planned: Params, params: Params) -> list[str]:
    """Each value in which a run departs from what was planned, such as ``replicates: 3 in place of 10``."""
    changed = changed_values(comparable_values(planned), comparable_values(params))
    shown = flatten(public_parameters(params))
    return [f"{key}: {_value(shown.get(key))} in place of {_value(then)}" for key, then, _ in changed]


def _value(value: Any) -> str:
    return "nothing" if value is None else plain(value)


def _date() -> str:
    """The day that the protocol gives for itself."""
    told = re.search(r"^Dated (\d{4}-\d{2}-\d{2})", PROTOCOL.read_text(encoding="utf-8"), re.MULTILINE)
    return told.group(1) if told else "an unknown day"
