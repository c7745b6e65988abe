"""The command that makes a run again."""

import shlex
from itertools import starmap
from pathlib import Path
from typing import Any

from helpers.errors import ParameterError
from helpers.params import (
    Params,
    comparable_values,
    flatten,
    load_params,
    override,
    own_paths,
    public_parameters,
    without_defaults,
)
from helpers.paths import PARAMS


def reproduction_command(run: str, params: Params) -> str | None:
    """The command that makes the run again; None where no parameter file with overrides can say it."""
    known = sorted(PARAMS.glob("*.yaml"), key=lambda path: (path.stem != run, path.stem))
    options = [(path, changes) for path in known if (changes := _overrides(path, params)) is not None]
    if not options:
        return None
    path, changes = min(options, key=lambda option: (len(option[1]), len(" ".join(option[1]))))
    words = ["python", "run_all.py", "--params", f"params/{path.name}"]
    words += [] if path.stem == run else ["--run", run]
    for change in changes:
        words += ["--set", change]
    stand_in = {".".join(path.place): path.stand_in for path in own_paths(params)}
    # where two equal runs keep them may differ, and the command names them all the same
    for key in ("data.external_root", "synthesis.folder"):
        words += ["--set", f"{key}={stand_in[key]}"] if key in stand_in else []
    words += ["--data-root", stand_in["data.root"]] if params.data.root else []
    return " ".join(shlex.quote(word) for word in words)


def _overrides(path: Path, params: Params) -> list[str] | None:
    """The overrides that turn the file ``path`` into ``params``, or None where overrides cannot.

    Words stand in them for places on this machine.
    """
    wanted = comparable_values(params)
    # one's own images need a folder to be valid parameters; in the command --data-root names it
    folder = ["data.root=FOLDER"] if params.data.root else []
    folder += [] if params.trains_gan else ["synthesis.folder=IMAGES"]
    public = public_parameters(params, lambda path: path.stand_in)
    shown = flatten(public)
    try:
        planned = load_params(path)
        base = comparable_values(planned)
        changes = {key: value for key, value in wanted.items() if base.get(key, ...) != value}
        if planned.arms.keys() - params.arms.keys():  # nothing but all arms anew takes one away
            changes = {key: value for key, value in changes.items() if not key.startswith("arms.")}
            changes["arms"], shown["arms"] = map(_short_arms, (params.as_dict(), public))
        made = comparable_values(load_params(path, [*starmap(override, changes.items()), *folder]))
    except ParameterError:
        return None
    return [override(key, shown[key]) for key in changes] if made == wanted else None


def _short_arms(values: dict[str, Any]) -> dict[str, Any]:
    """The arms of plain parameters, without what stands there by default."""
    return {name: without_defaults(arm, ("arms", name)) for name, arm in values["arms"].items()}
