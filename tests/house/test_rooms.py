"""Which room of the code may import which: docs/architecture.md in a table."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.project import ROOT

HELPERS = ROOT / "src" / "helpers"
SHARED = "helpers/*.py"  # the small things that all rooms use
DATA, COMPUTING = {SHARED, "params", "data"}, {"data", "gan", "classifier", "evaluation"}
MAY_IMPORT = {
    SHARED: {"params", "engine"},
    "params": {SHARED, *COMPUTING},
    "data": {SHARED, "params"},
    "gan": DATA,
    "classifier": DATA,
    "evaluation": DATA,
    "stages": {SHARED, "params", *COMPUTING, "engine", "report"},
    "readers": {SHARED, "params", "data", "gan", "evaluation", "report", "engine"},
    "report": {SHARED, "params", *COMPUTING, "readers"},
    "engine": {SHARED, "params", *COMPUTING, "readers", "report"},
}
# where a room knows of another for one purpose alone: the modules that may be imported
ONLY = {
    (SHARED, "params"): {"Compute"},
    (SHARED, "engine"): {"process"},  # the kernel of a job joins its run
    ("params", "data"): {"sources"},  # the names and meanings of the variants, and of the metrics
    ("params", "gan"): {"recipes", "selectors"},
    ("params", "classifier"): {"backbones"},
    ("params", "evaluation"): {"metrics"},
    ("stages", "engine"): {"by_hand", "plan", "stages"},
    ("stages", "report"): {"page"},
    ("readers", "gan"): {"features"},
    ("readers", "report"): {"page", "pictures", "words"},
    ("readers", "engine"): {"records", "runfile", "stages"},
    ("engine", "evaluation"): {"roles"},  # of arms, in contrasts that are refused before a run
}


def modules() -> Iterator[tuple[Path, str]]:
    """Each file of the code and its room."""
    for path in sorted(HELPERS.rglob("*.py")):
        inside = path.relative_to(HELPERS).parts
        yield path, inside[0] if len(inside) > 1 else SHARED


def imports(source: str) -> Iterator[tuple[str, str]]:
    """The room and the module of it that each import names, those inside functions too."""
    for node in ast.walk(ast.parse(source)):
        names = [each.name for each in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" for name in names]
        for name in names:
            package, *inside = name.split(".")
            if package == "helpers" and inside:
                is_room = (HELPERS / inside[0]).is_dir()
                yield inside[0] if is_room else SHARED, inside[1] if is_room and len(inside) > 1 else ""


def faults(room: str, source: str) -> list[str]:
    found = []
    for other, module in imports(source):
        if other != room and (
            other not in MAY_IMPORT[room] or module not in ONLY.get((room, other), {module})
        ):
            found.append(f"{other}.{module}".rstrip("."))
    return found


def test_no_room_imports_what_it_must_not_know():
    wrong = {
        path.relative_to(HELPERS).as_posix(): found
        for path, room in modules()
        if (found := faults(room, path.read_text(encoding="utf-8")))
    }
    assert not wrong


def test_every_room_and_every_permission_is_of_use():
    assert set(MAY_IMPORT) == {room for _, room in modules()}
    used: dict[tuple[str, str], set[str]] = {}
    for path, room in modules():
        for other, module in imports(path.read_text(encoding="utf-8")):
            if other != room:
                used.setdefault((room, other), set()).add(module)
    assert set(used) == {(room, other) for room, others in MAY_IMPORT.items() for other in others}
    assert {pair: used[pair] for pair in ONLY} == ONLY


@pytest.mark.parametrize(
    ("room", "line", "fault"),
    [
        ("data", "from helpers.gan.selectors import SELECTORS", "gan.selectors"),
        ("classifier", "def f():\n    import helpers.evaluation.metrics", "evaluation.metrics"),
        ("evaluation", "from helpers import stages", "stages"),
        ("stages", "from helpers.engine.start import start", "engine.start"),
    ],
)
def test_a_wrong_import_is_found(room, line, fault):
    assert faults(room, line) == [fault]
