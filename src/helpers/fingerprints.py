"""Fingerprints of code: the modules that a number or a view comes from, found by following imports.

A fingerprint does not see comments, docstrings, layout, the words of errors, or the version of Python.
"""

import ast
import json
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from helpers.errors import UserError
from helpers.files import digest
from helpers.paths import NOTEBOOKS, ROOT

SOURCE = ROOT / "src"
PROJECT = "helpers"
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
HELPERS = SOURCE / PROJECT
DATA_FILES = {".yaml", ".j2", ".css", ".js", ".mplstyle"}
SOURCES = {".py", *DATA_FILES}
# Modules, and packages with all that lies in them, that cannot change a number or a picture, and why.
WITHOUT_EFFECT = {
    "helpers.cores": "how much may run at once; no result depends on it",
    "helpers.engine": "it decides when a job runs and computes nothing",
    "helpers.errors": "the errors that a user sees, and how a terminal shows them",
    "helpers.fingerprints": "it decides what is stale; what it finds is in the key itself",
    "helpers.paths": "where files lie",
    "helpers.progress": "how far a loop is, for the reader only",
    "helpers.registry": "it looks variants up by name; the variants that are chosen are in the key",
}


# The same for numbers alone: a notebook shows words from there.
WITHOUT_EFFECT_ON_NUMBERS = {
    **WITHOUT_EFFECT,
    "helpers.params": "the values of the parameters are in the key themselves",
}


def code_fingerprint(*modules: str) -> str:
    """A digest of these modules and of all project modules that they import.

    A module is given as ``helpers.gan.training``.
    """
    return digest(code_parts(*modules))


def code_parts(*modules: str) -> dict[str, str]:
    """The same, file by file: its place below src/helpers and its digest, data files included."""
    return _digests(_closure(modules, WITHOUT_EFFECT_ON_NUMBERS))


def notebook_parts(name: str) -> dict[str, str]:
    """Digests of a notebook's own cells, prose and code, and of all code that they import.

    The parameters cell is left out: its values are in the key themselves. Raises UserError where the file is
    no notebook.
    """
    try:
        notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(
            f"notebooks/{name}.ipynb is no notebook any more ({error}), as after a merge with conflicts: "
            "mend it, or take the committed one (git checkout)."
        ) from None
    cells: list[Any] = []
    imported: list[str] = []
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            continue
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            with suppress(SyntaxError):  # a magic command
                read = _Reader(text)
                imported += read.imports
                text = read.text
        cells.append((cell.get("id"), text))
    return {f"notebooks/{name}.ipynb": digest(cells)} | _digests(_closure(imported, WITHOUT_EFFECT))


# --- which files --------------------------------------------------------------------------------


def _digests(paths: Iterable[Path]) -> dict[str, str]:
    return {_shown(path): _source(path).digest for path in paths}


def _closure(modules: Iterable[str], left_out: Collection[str]) -> list[Path]:
    """Files of these modules, of all project modules that they import, and data files that they name."""
    waiting, found = list(modules), dict[Path, None]()
    while waiting:
        name = waiting.pop()
        path = _source_file(name)
        if path is None or path in found or _is_in(name, left_out):
            continue
        found[path] = None
        source = _source(path)
        # importing a.b.c runs a.b as well
        waiting += [*source.imports, name.rpartition(".")[0]]
        found |= dict.fromkeys(source.data)
    return sorted(found)


def _is_in(module: str, packages: Collection[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in packages)


@cache
def _source_file(module: str) -> Path | None:
    """The file of a project module, or of a package's ``__init__``; None where there is none."""
    place = SOURCE / module.replace(".", "/")
    return next((p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file()), None)


def _shown(path: Path) -> str:
    return path.relative_to(SOURCE / PROJECT).as_posix()


def _named_files(folder: Path, words: Iterable[str]) -> list[Path]:
    """The data files beside a module that its texts name, by their own name or their folder's."""
    names = {each.name for each in folder.iterdir() if each.is_dir() or each.suffix in DATA_FILES}
    found: list[Path] = []
    for place in (folder / word for word in words if word in names):
        found += sorted(place.rglob("*")) if place.is_dir() else [place]
    return [path for path in found if path.suffix in DATA_FILES]


# --- what is in them ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """What is read of one file: a digest of its content, what it imports, the data files that it names."""

    digest: str
    imports: tuple[str, ...] = ()
    data: tuple[Path, ...] = ()


def _source(path: Path) -> _Source:
    found = path.stat()
    return _read_source(path, found.st_mtime_ns, found.st_size)


@cache
def _read_source(path: Path, modified: int, size: int) -> _Source:
    """Python by its syntax tree, anything else by its bytes."""
    if path.suffix != ".py":
        return _Source(digest(path.read_bytes().hex()))
    try:
        read = _Reader(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}, is not Python ({error.msg}): mend it.") from None
    return _Source(digest(read.text), tuple(read.imports), tuple(_named_files(path.parent, read.words)))


class _Reader:
    """One pass over the syntax tree of a source text.

    ``text`` is the tree as text, without docstrings and without what errors say. It is the same from Python
    3.11 on: later versions add empty fields, and 3.12.1 adds empty ends to f-strings; both are left out.
    ``imports`` are the project modules that it imports, inside functions too; ``words`` its string constants.
    """

    def __init__(self, source: str):
        self.imports: list[str] = []
        self.words: set[str] = set()
        self.text = self._shown(ast.parse(source))

    def _shown(self, node: Any) -> str:
        if isinstance(node, list):
            return f"[{','.join(map(self._shown, node))}]"
        if not isinstance(node, ast.AST):
            return repr(node)
        kind = type(node)
        if isinstance(node, ast.Constant):
            self._note_word(node.value)
        elif kind in (ast.Import, ast.ImportFrom):
            self._note_import(node)
        fields = []
        for name in node._fields:
            value = _meant(kind, name, getattr(node, name, None))
            if value is not None and value != []:
                fields.append(f"{name}={self._shown(value)}")
        return f"{kind.__name__}({','.join(fields)})"

    def _note_word(self, value: Any) -> None:
        if isinstance(value, str) and len(value) < 60:
            self.words.add(value)

    def _note_import(self, node: Any) -> None:
        if isinstance(node, ast.Import):
            self.imports += [each.name for each in node.names if each.name.split(".")[0] == PROJECT]
        elif (node.module or "").split(".")[0] == PROJECT:
            for each in node.names:
                inner = f"{node.module}.{each.name}"  # a module of that package, or a name in it
                self.imports.append(inner if _source_file(inner) else str(node.module))


def _meant(kind: type, field: str, value: Any) -> Any:
    """A field of a syntax tree without what has no effect.

    That is a docstring, the words of an error, an empty end of an f-string, and imports for types alone,
    which are never run.
    """
    if kind is ast.JoinedStr:
        return [part for part in value if getattr(part, "value", None) != ""]
    if field == "body" and isinstance(value, list):
        value = [each for each in value if not _is_for_types(each)]
    if kind is ast.Raise and field == "exc" and isinstance(value, ast.Call):
        return value.func
    if field == "body" and kind in DOCUMENTED and value and _is_text(value[0]):
        return value[1:]
    return value


def _is_for_types(node: ast.stmt) -> bool:
    """Whether it is ``if TYPE_CHECKING:`` without an else."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not node.orelse


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
