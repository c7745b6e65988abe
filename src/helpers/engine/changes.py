"""What differs between two states of a job, for the sentences that say why it runs again."""

import json
from collections.abc import Mapping
from typing import Any

from helpers.params import flatten

MOST = 3  # differences that a sentence names


def changed_values(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The parameters that differ: name, such as ``gan.steps``, the value then, and the value now.

    ``then`` was read from a file; ``now`` may hold what JSON writes as text.
    """
    a, b = flatten(then), flatten(json.loads(json.dumps(now, default=str)))
    return [(key, a.get(key), b.get(key)) for key in dict.fromkeys((*b, *a)) if a.get(key) != b.get(key)]
