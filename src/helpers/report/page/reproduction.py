"""The command that makes a run again."""

import shlex
from pathlib import Path

from helpers.errors import ParameterError
from helpers.params import Params, comparable_values, load_params, override
from helpers.paths import PARAMS
from helpers.report.page.records import folder_word


def reproduction_command(run: str, params: Params) -> str | None:
    """The command that makes the run again; None where no parameter file with overrides can say it."""
    known = sorted(PARAMS.glob("*.yaml"), key=lambda path: (path.stem != run, path.stem))
    options = [(path, changes) for path in known if (changes := _overrides(path, params)) is not None]
    if not options:
        return None
    path, changes = min(options, key=lambda option: len(option[1]))
    words = ["python", "run_all.py", "--params", f"params/{path.name}"]
    words += [] if path.stem == run else ["--run", run]
    for change in changes:
        words += ["--set", change]
    words += [] if params.trains_gan else ["--set", "synthesis.folder=FOLDER_OF_SYNTHETIC_IMAGES"]
    line = " ".join(shlex.quote(word) for word in words)
    return line + (f" --data-root {folder_word(params)}" if params.data.root else "")


def _overrides(path: Path, params: Params) -> list[str] | None:
    """The overrides that turn the file ``path`` into ``params``, or None where overrides cannot."""
    wanted = comparable_values(params)
    # one's own images need a folder to be valid parameters; in the command --data-root names it
    folder = ["data.root=FOLDER"] if params.data.root else []
    folder += [] if params.trains_gan else ["synthesis.folder=IMAGES"]
    try:
        base = comparable_values(load_params(path))
        changes = [override(key, value) for key, value in wanted.items() if base.get(key, ...) != value]
        made = comparable_values(load_params(path, [*changes, *folder]))
    except ParameterError:
        return None
    return changes if made == wanted else None
