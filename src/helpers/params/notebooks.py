"""The parameters of a notebook: a parameter file, with what the notebook changes laid over it."""

from pathlib import Path
from typing import Any

from helpers.errors import ParameterError
from helpers.params.mistakes import validate
from helpers.params.reading import bare_name, find_file, merge, parse_yaml, read_mapping
from helpers.params.run import Params
from helpers.paths import ROOT, RunPaths


def notebook_params(params_file: str | Path, **sections: Any) -> Params:
    """Params of a file, with the sections of a notebook laid over it as a file that extends it would.

    ``params_file`` is a YAML file, the complete ``params.json`` of a run, or the bare name of a file in
    params/; a relative path is looked up from the working folder and then from the project. Each section is
    a mapping of what to change, or its YAML text, as ``papermill -p`` gives it; None and {} change nothing.
    ``arms`` replaces all arms. Raises ParameterError, a sentence that names section and key.
    """
    _require_own_code()
    path = find_file(str(params_file))
    changes = {
        name: parse_yaml(given, f"the parameter '{name}' of this notebook")
        if isinstance(given, str)
        else given
        for name, given in sections.items()
    }
    changes = {name: given for name, given in changes.items() if given is not None and given != {}}
    origin = f"{path.name} with this notebook's changes" if changes else path.name
    return validate(merge(read_mapping(path), changes), origin)


def _require_own_code() -> None:
    """Raise ParameterError where the notebook lies in another copy of the project than this code: it would
    write into that other copy.
    """
    for folder in (Path.cwd(), Path.cwd().parent):
        if (folder / "src" / "helpers" / "params").is_dir() and folder.resolve() != ROOT.resolve():
            raise ParameterError(
                f"This notebook lies in {folder}, and its kernel runs the code of another copy of the "
                f"project, {ROOT}, and would write there: the environment was copied with the folder. "
                f"'make lab' or 'make report' in {folder} installs one that belongs there."
            )


def notebook_paths(run: str | None, params_file: str | Path) -> RunPaths:
    """Files of the run that is named, or else of the one that is called as the parameter file."""
    path = Path(params_file)
    name = path.parent.name if path.name == "params.json" else bare_name(path)
    return RunPaths(name if run is None else str(run))
