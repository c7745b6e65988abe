"""Fingerprints of code: what a stage's numbers are made by, blind to comments, docstrings, layout and the version of Python."""

import ast
import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from helpers.files import digest
from helpers.paths import NOTEBOOKS, ROOT

HELPERS = ROOT / "src" / "helpers"
SOURCES = {".py", ".yaml", ".j2", ".css", ".js", ".mplstyle"}


def _without_docstrings(tree: ast.AST) -> ast.AST:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


def _syntax(node: Any) -> Any:
    """A syntax tree as nested lists, the same from Python 3.11 on: one version adds fields that are empty, and 3.12.1 empty ends of f-strings."""
    if isinstance(node, ast.JoinedStr):
        node.values = [
            part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")
        ]
    if isinstance(node, ast.AST):
        return [
            type(node).__name__,
            *(
                [name, _syntax(value)]
                for name, value in ast.iter_fields(node)
                if value is not None and value != []
            ),
        ]
    return [_syntax(part) for part in node] if isinstance(node, list) else repr(node)


@cache
def _file_fingerprint(path: Path, modified: int, size: int) -> str:
    if path.suffix != ".py":
        return digest(path.read_bytes().hex())
    return digest(_syntax(_without_docstrings(ast.parse(path.read_text(encoding="utf-8")))))


def source_digest(names: tuple[str, ...]) -> str:
    """Fingerprint of files and folders below src/helpers, such as ``("data", "gan", "files.py")``.

    Python is compared by its syntax tree, so a comment or a reformatting changes nothing; other files by their bytes.
    """
    files: list[Path] = []
    for name in names:
        place = HELPERS / name
        found = (
            [p for p in place.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
            if place.is_dir()
            else [place]
        )
        files += [p for p in found if p.suffix in SOURCES]
    parts = []
    for path in sorted(set(files)):
        stat = path.stat()
        parts.append(
            (path.relative_to(HELPERS).as_posix(), _file_fingerprint(path, stat.st_mtime_ns, stat.st_size))
        )
    return digest(parts)


def notebook_digest(name: str, prose: bool) -> str:
    """Fingerprint of a notebook's code cells, and of its prose too where ``prose`` is true."""
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    kinds = {"code", "markdown"} if prose else {"code"}
    cells = []
    for cell in notebook["cells"]:
        if cell["cell_type"] not in kinds or "parameters" in cell["metadata"].get("tags", []):
            continue
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            with suppress(SyntaxError):  # a magic command
                source = _syntax(ast.parse(source))
        cells.append((cell.get("id"), source))
    return digest(cells)
