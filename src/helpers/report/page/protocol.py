"""What was fixed before a study began, and where a run departs from it."""

import re
from collections.abc import Container
from pathlib import Path
from typing import Any

from helpers.files import digest, file_digest
from helpers.params import Params, changed_values, comparable_values, flatten, load_params, public_parameters
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
    kept = "none" if not found else f"{len(found)}, {'; '.join(found)}"
    text, parameters = PROTOCOL.read_text(encoding="utf-8"), digest(comparable_values(planned), length=64)
    return (
        f"docs/protocol.md of {_date(text)}{_additions(text)}, SHA-256 {file_digest(PROTOCOL, length=64)}; "
        f"its parameters ({Path(params.report.protocol).name}), SHA-256 {parameters}. Departures of this "
        f"run from these: {kept}. What changed in the protocol itself since its date stands in its additions"
    )


def left_out(params: Params) -> list[str]:
    """Arms that the protocol plans and this run lacks; none for a run without a protocol."""
    if params.report.protocol is None:
        return []
    return _lacking(params, load_params(params.report.protocol))


def departures_from(planned: Params, params: Params) -> list[str]:
    """Each value in which a run departs from what was planned, such as ``replicates: 3 in place of 10``.

    An arm that was left out, or added, is one departure.
    """
    changed = changed_values(comparable_values(planned), comparable_values(params))
    shown = flatten(public_parameters(params))
    arms = dict.fromkeys(_lacking(params, planned), "left out")
    arms |= dict.fromkeys(_lacking(planned, params), "added")
    whole = [f"arm {arm}: {what}" for arm, what in arms.items()]
    rest = [(key, then) for key, then, _ in changed if not _is_of(key, arms)]
    return [*whole, *(f"{key}: {_value(shown.get(key))} in place of {_value(then)}" for key, then in rest)]


def _lacking(one: Params, other: Params) -> list[str]:
    """Arms of the ``other`` parameters that ``one`` lacks."""
    return [arm for arm in other.arms if arm not in one.arms]


def _is_of(key: str, arms: Container[str]) -> bool:
    section, _, name = key.partition(".")
    return section == "arms" and name.partition(".")[0] in arms


def _value(value: Any) -> str:
    return "nothing" if value is None else plain(value)


def _additions(text: str) -> str:
    """How many additions the protocol has, and the day of the last; empty without any."""
    days = re.findall(r"^\*\*(\d{4}-\d{2}-\d{2})", text, re.MULTILINE)
    return f", with {counted(len(days), 'addition')} up to {max(days)}" if days else ""


def _date(text: str) -> str:
    """The day that the protocol gives for itself."""
    told = re.search(r"^Dated (\d{4}-\d{2}-\d{2})", text, re.MULTILINE)
    return told.group(1) if told else "an unknown day"
