"""Files and functions of the code are short enough to be read at once: CONTRIBUTING.md names the sizes."""

import ast
from pathlib import Path

import pytest

from support.project import ROOT

SOURCE = ROOT / "src"
OF_A_FILE, OF_A_FUNCTION = 400, 45  # lines
LONG_FILES = {"helpers/params/run.py"}
LONG_FUNCTIONS = {"helpers/classifier/arms.py compose_training_set"}  # every classifier's key holds its code


def functions(source: str) -> list[tuple[str, int]]:
    """Each function, inner ones and methods too, with its lines from ``def`` to its end."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return [(node.name, (node.end_lineno or 0) - node.lineno + 1) for node in found]


def sources() -> dict[str, str]:
    """The text of each file of the code, by its place."""
    return {path.relative_to(SOURCE).as_posix(): read(path) for path in sorted(SOURCE.rglob("*.py"))}


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_no_file_is_longer_but_the_known_one():
    assert {place for place, text in sources().items() if len(text.splitlines()) > OF_A_FILE} == LONG_FILES


def test_no_function_is_longer_but_the_known_one():
    long = {
        f"{place} {name}"
        for place, text in sources().items()
        for name, lines in functions(text)
        if lines > OF_A_FUNCTION
    }
    assert long == LONG_FUNCTIONS


@pytest.mark.parametrize("head", ["def long():", "async def long():", "class A:\n  def long(self):"])
def test_the_lines_of_a_function_are_counted(head):
    text = "\n".join([head, *["    pass"] * 45])
    assert functions(text) == [("long", len(text.splitlines()) - head.count("class"))]


def test_the_sizes_are_those_of_the_rules():
    rules = read(ROOT / "CONTRIBUTING.md")
    assert f"above {OF_A_FILE} lines" in rules and f"above {OF_A_FUNCTION}" in rules
    known = LONG_FILES | {place.split()[0] for place in LONG_FUNCTIONS}
    assert all(f"`{place.removeprefix('helpers/')}`" in rules for place in known)
