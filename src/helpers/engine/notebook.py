"""Execution of one notebook by papermill, whole or not at all.

Its progress is told while it runs, and its failure in a sentence.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers import JOBS_LOCK_VARIABLE
from helpers.engine.surroundings import project_path, writable_home
from helpers.files import write_json
from helpers.progress import STATUS_VARIABLE
from helpers.quick_notebooks import skip_address_grammar

KERNEL = "python3"  # a name that papermill must be told; what is started is OwnKernelManager's
USER_ERRORS = {"UserError", "ParameterError", "DataError", "MissingStageError"}
SENTENCES = USER_ERRORS | {"TrainingError"}  # errors whose text is the whole message
PROBABLY_MEMORY = (
    "If nobody ended it, memory probably ran out: "
    "fewer jobs at once (--cores), a smaller batch or a smaller bank need less."
)
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class NotebookFailed(Exception):
    """A cell raised. ``details`` says which, with the error's last line and where to look."""

    def __init__(self, details: dict[str, Any]):
        super().__init__(details["sentence"])
        self.details = details


def execute_notebook(
    source: Path,
    target: Path,
    parameters: dict[str, Any],
    log: Path,
    on_cell: Callable[[int, int], None] = lambda cell, cells: None,
) -> Path:
    """Run ``source`` with ``parameters`` and write the executed notebook to ``target``.

    It is executed beside ``log`` (as ``<log stem>.ipynb``) and renamed on success, so that a failed
    or killed one can be looked at and never stands under its final name. ``on_cell`` is told the
    number of the cell that starts and of all cells. Raises NotebookFailed.
    """
    skip_address_grammar()
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from helpers.engine.kernels import OwnKernelManager

    log.parent.mkdir(parents=True, exist_ok=True)
    half = log.with_suffix(".ipynb")
    with open(log, "w", encoding="utf-8", buffering=1) as text, _cell_watch(on_cell):
        try:
            papermill.execute_notebook(
                _without_format(source),
                _without_format(half),
                parameters=parameters,
                kernel_name=KERNEL,
                kernel_manager_class=OwnKernelManager,
                progress_bar=False,
                log_output=True,
                stdout_file=text,
                stderr_file=text,
                cwd=str(source.parent),
                start_timeout=180,
                autosave_cell_every=0,
            )
        except PapermillExecutionError as error:
            raise NotebookFailed(_details(error, source, half, log)) from None
        except Exception as error:  # the kernel died, or never started
            raise NotebookFailed(_kernel_details(error, source, half, log)) from None
    _clear_paths(half)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(half, target)
    return target


def _kernel_details(error: Exception, source: Path, half: Path, log: Path) -> dict[str, Any]:
    """The details of a notebook whose kernel died or never started; no cell is to blame."""
    last = (
        f"Its kernel died. {PROBABLY_MEMORY}"
        if type(error).__name__ == "DeadKernelError"
        else (str(error).strip() or type(error).__name__).splitlines()[-1]
    )
    return {
        "notebook": source.name,
        "cell": None,
        "error": last,
        "user": False,
        "log": str(log),
        "half": str(half),
        "sentence": f"{source.name}: {last}",
    }


def _without_format(path: Path) -> str:
    """A path as papermill wants it: it runs str.format over paths, so a brace must be doubled."""
    return str(path).replace("{", "{{").replace("}", "}}")


@contextmanager
def _cell_watch(on_cell: Callable[[int, int], None]):
    """Tell ``on_cell`` of every code cell that starts."""
    from papermill.engines import NotebookExecutionManager

    original = NotebookExecutionManager.cell_start

    def cell_start(self, cell, cell_index=None, **options):
        on_cell((cell_index or 0) + 1, len(self.nb.cells))
        return original(self, cell, cell_index=cell_index, **options)

    NotebookExecutionManager.cell_start = cell_start
    try:
        yield
    finally:
        NotebookExecutionManager.cell_start = original


def _details(error: Any, source: Path, half: Path, log: Path) -> dict[str, Any]:
    last = ANSI.sub("", str(error.evalue)).strip().splitlines()
    cell = error.cell_index + 1 if isinstance(error.cell_index, int) else error.cell_index
    user = error.ename in USER_ERRORS
    line = (
        " ".join(last)
        if error.ename in SENTENCES
        else f"{error.ename}: {last[-1] if last else ''}".rstrip(": ")
    )
    return {
        "notebook": source.name,
        "cell": cell,
        "error": line,
        "user": user,
        "log": str(log),
        "half": str(half),
        "sentence": f"{source.name}, cell {cell}: {line}",
    }


def _clear_paths(notebook: Path) -> None:
    """Drop papermill's record of absolute paths: the notebook is shared, this machine's folders are not."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    content["metadata"].get("papermill", {}).update(input_path=None, output_path=None)
    write_json(notebook, content)


def kernel_environment(status: Path, jobs_lock: Path) -> dict[str, str]:
    """Environment of a job and of its notebook's kernel: where to tell progress, and the lock to share."""
    return {
        STATUS_VARIABLE: str(status),
        JOBS_LOCK_VARIABLE: str(jobs_lock),
        "PYTHONPATH": project_path(os.environ),
        "HOME": writable_home(os.environ).get("HOME", os.path.expanduser("~")),
        "PYTHONHASHSEED": "0",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
