"""The parameters cell of every notebook, written from params/quick.yaml.

``python -m helpers.report.parameters_cell`` rewrites the cells; with ``--check`` it only says which are out of
date, and ends with 1 if there are any.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.files import write_text
from helpers.gan.selectors import SELECTORS
from helpers.params import Arm, Params, SyntheticImages, choices, describe, load_params
from helpers.paths import NOTEBOOKS

WIDTH = 116  # characters, as many as a window of JupyterLab shows
# what each notebook is given: sections of the parameter file, then the job's own values
GIVEN: dict[str, tuple[str, ...]] = {
    "01_eda": ("data", "report"),
    "02_gan_training": ("data", "gan", "compute", "gan_seed"),
    "03_generation_filtering": (
        "data",
        "gan",
        "synthesis",
        "classifier",
        "compute",
        "report",
        "gan_seed",
        "judge",
    ),
    "04_classifier_training": (
        "data",
        "gan",
        "synthesis",
        "classifier",
        "arms",
        "compute",
        "arm",
        "replicate",
    ),
    "05_evaluation": ("data", "gan", "synthesis", "classifier", "arms", "replicates", "evaluation", "report"),
}
JOBS_OWN = {
    "gan_seed": "which of gan.seeds this notebook works on",
    "arm": "which of the arms this notebook trains",
    "replicate": "which repetition of it, from 0",
    "judge": "arm whose first classifier (notebook 04) gives its opinion on the images; None: none",
}
HEADER = """\
# The values of params/quick.yaml. Change any of them, then run all cells from here on.
# New results replace those of the same run; with another name, given in every notebook, both are kept."""


def parameters_cell(notebook: str, params: Params, run: str = "quick") -> str:
    """The source of one notebook's parameters cell, a comment by every value."""
    values = params.as_dict()
    own = {
        "judge": params.judge,
        "gan_seed": params.gan.seeds[0],
        "arm": next(iter(params.arms)),
        "replicate": 0,
    }
    lines = [HEADER, f"run = {_literal(run)}  # name of the run: its files lie in artifacts/{run}"]
    for name in GIVEN[notebook]:
        if name in JOBS_OWN:
            lines.append(f"{name} = {_literal(own[name])}  # {JOBS_OWN[name]}")
        elif isinstance(values[name], Mapping):
            lines += _mapping(name, values[name])
        else:
            lines += _line(f"{name} = {_literal(values[name])}", describe(name))
    return "\n".join(lines)


def _mapping(name: str, values: Mapping[str, Any]) -> list[str]:
    """A section as a dict, one value a line."""
    lines = [f"{name} = {{"]
    for key, value in values.items():
        if name == "arms":
            lines += _line(
                f"    {_literal(key)}: {_literal(_without_defaults(value))},",
                arm_meaning(Arm.model_validate(value)),
            )
        elif isinstance(value, Mapping) and value:
            lines.append(f"    {_literal(key)}: {{")
            for inner, deep in value.items():
                lines += _line(
                    f"        {_literal(inner)}: {_literal(deep)},", _meaning(f"{name}.{key}.{inner}")
                )
            lines.append("    },")
        else:
            lines += _line(f"    {_literal(key)}: {_literal(value)},", _meaning(f"{name}.{key}"))
    return [*lines, "}"]


def _meaning(key: str) -> str:
    """What a parameter means, and the words that it may be where its description does not say them all."""
    meaning, words = describe(key), choices(key)
    return (
        meaning
        if all(f"'{word}'" in meaning for word in words)
        else f"{meaning} (one of {', '.join(map(repr, words))})"
    )


def arm_meaning(arm: Arm) -> str:
    """What an arm trains on, in a few words."""
    parts = []
    if arm.withhold:
        parts.append(f"without {100 * arm.withhold.fraction:g} % of the images of {arm.withhold.class_}")
    if arm.oversample:
        parts.append(f"with {arm.oversample.count:,} images of {arm.oversample.class_} once more")
    if arm.synthetic:
        parts.append(f"with {_synthetic_meaning(arm.synthetic)}")
    if arm.loss == "balanced":
        parts.append("with rare classes weighing more in the loss")
    return "the real training images" + (", " + " and ".join(parts) if parts else " and nothing else")


def _synthetic_meaning(wanted: SyntheticImages) -> str:
    which = {"top": "best ", "bottom": "worst ", "random": "randomly chosen "}.get(wanted.select or "", "")
    many = (
        f"{wanted.count:,} "
        if wanted.count
        else f"{100 * wanted.fraction:g} % "
        if wanted.fraction
        else "all "
    )
    if wanted.folder is not None:
        return f"{many}{which}images of the folder {wanted.folder}"
    judge = f", {SELECTORS.get(wanted.rank).words}" if which in ("best ", "worst ") else ""
    return f"the {many}{which}synthetic images{judge}" if judge else f"{many}{which}synthetic images"


def _line(code: str, meaning: str) -> list[str]:
    """Code with its comment behind it, or above it where the line would be too long."""
    together = f"{code}  # {meaning}"
    if not meaning or len(together) <= WIDTH:
        return [together if meaning else code]
    indent = code[: len(code) - len(code.lstrip())]
    return [
        *textwrap.wrap(
            meaning,
            WIDTH,
            initial_indent=f"{indent}# ",
            subsequent_indent=f"{indent}# ",
            break_on_hyphens=False,
        ),
        code,
    ]


def _without_defaults(arm: Mapping[str, Any]) -> dict[str, Any]:
    """An arm without what it leaves at its default."""
    defaults = {("loss", "cross_entropy"), ("rank", "critic")}
    kept = {
        key: value
        for key, value in arm.items()
        if value is not None and (isinstance(value, Mapping) or (key, value) not in defaults)
    }
    return {
        key: _without_defaults(value) if isinstance(value, Mapping) else value for key, value in kept.items()
    }


def _literal(value: Any) -> str:
    """A Python literal in the formatter's quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_literal(inner) for inner in value) + "]"
    return repr(value)


def refresh(folder: Path = NOTEBOOKS, check: bool = False) -> list[str]:
    """Rewrite (or with ``check`` only compare) every notebook's parameters cell; return the names that differed."""
    params = load_params("quick")
    stale = []
    for name in GIVEN:
        path = folder / f"{name}.ipynb"
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cell = next(cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", ()))
        wanted = parameters_cell(name, params).splitlines(keepends=True)
        if cell["source"] != wanted:
            stale.append(name)
            cell["source"] = wanted
            if not check:
                write_text(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return stale


def main(arguments: list[str] | None = None) -> int:
    """The command line: rewrite the cells, or check them."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.report.parameters_cell", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; end with 1 if a cell is out of date"
    )
    check = parser.parse_args(arguments).check
    stale = refresh(check=check)
    for name in stale:
        print(
            f"notebooks/{name}.ipynb: the parameters cell {'is out of date; run python -m helpers.report.parameters_cell' if check else 'was rewritten'}"
        )
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
