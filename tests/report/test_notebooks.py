"""The committed notebooks: clean, stable, formatted, and with a parameters cell that changes nothing."""

import ast
import json
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from helpers.params import Params, load_params, notebook_params
from helpers.paths import ARTIFACTS, NOTEBOOKS

NAMES = ["01_eda", "02_gan_training", "03_generation_filtering", "04_classifier_training", "05_evaluation"]
JOBS_OWN = {"gan_seed", "second_opinion", "arm", "replicate"}
LONGEST_CELL = 10
LONGEST_PARAMETERS_CELL = 10


def read(name):
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def imports_of(name):
    return source(next(cell for cell in read(name)["cells"] if cell["id"] == "imports"))


def cell_values(name):
    """The names that a notebook's parameters cell gives values to."""
    values = {}
    exec(source(read(name)["cells"][1]), {}, values)
    return values


def test_there_are_five_and_no_other():
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
class TestNotebook:
    def test_is_valid_and_of_format_4_5(self, name):
        notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        nbformat.validate(notebook)
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)

    def test_has_no_outputs(self, name):
        for cell in read(name)["cells"]:
            if cell["cell_type"] == "code":
                assert cell["outputs"] == [] and cell["execution_count"] is None, cell["id"]

    def test_has_readable_ids_each_once(self, name):
        ids = [cell["id"] for cell in read(name)["cells"]]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", each) for each in ids), ids

    def test_has_a_plain_kernelspec_and_no_other_metadata(self, name):
        assert read(name)["metadata"] == {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }

    def test_opens_with_what_it_does_reads_and_writes(self, name):
        first, second = read(name)["cells"][:2]
        assert first["cell_type"] == "markdown" and first["source"][0].startswith("# ")
        assert all(f"**{word}**" in source(first) for word in ("Does", "Reads", "Writes"))
        assert second["metadata"] == {"tags": ["parameters"]}

    def test_ends_with_something_to_try(self, name):
        last = source(read(name)["cells"][-1])
        assert last.startswith("## What to try") and last.count("\n- ") >= 2

    def test_cells_are_short_and_free_of_logic(self, name):
        for cell in read(name)["cells"]:
            if cell["cell_type"] == "code" and cell["id"] != "parameters":
                tree = ast.parse(source(cell))
                lines = [
                    line for line in source(cell).splitlines() if not line.startswith(("import ", "from "))
                ]
                assert len(lines) <= LONGEST_CELL, cell["id"]
                assert not any(
                    isinstance(node, (ast.FunctionDef, ast.For, ast.If, ast.While)) for node in ast.walk(tree)
                ), cell["id"]

    def test_parameters_cell_is_short_and_changes_nothing(self, name):
        lines = source(read(name)["cells"][1]).splitlines()
        assert len(lines) <= LONGEST_PARAMETERS_CELL and max(map(len, lines)) <= 110
        values = cell_values(name)
        assert values.pop("params_file") == "params/quick.yaml" and values.pop("run") is None
        sections = {key: value for key, value in values.items() if key not in JOBS_OWN}
        assert set(sections) <= set(Params.model_fields)
        assert notebook_params("params/quick.yaml", **sections) == load_params("quick")

    def test_the_jobs_own_values_are_quick_yamls(self, name):
        quick = load_params("quick")
        first = {"gan_seed": quick.gan.seeds[0], "second_opinion": quick.judge is not None}
        first |= {"arm": "baseline", "replicate": 0}
        values = cell_values(name)
        assert all(values[key] == first[key] for key in JOBS_OWN & set(values))

    def test_all_sections_of_the_cell_reach_the_parameters(self, name):
        """papermill takes any name that stands in the cell, and none may be without effect."""
        given = re.findall(r"\b(\w+)=\1\b", imports_of(name)) + re.findall(r'"(\w+)": \1\b', imports_of(name))
        assert sorted(given) == sorted(set(cell_values(name)) - JOBS_OWN - {"params_file", "run"})

    def test_examples_in_comments_and_in_what_to_try_are_valid(self, name):
        text = source(read(name)["cells"][1])
        found = re.findall(r"^(\w+) = .*#.*?(\{.*\})", text, re.MULTILINE)
        found += re.findall(r"`(\w+) = (\{.*?\})`", source(read(name)["cells"][-1]))
        assert found
        for section, change in found:
            notebook_params("quick", **{section: ast.literal_eval(change)})

    def test_results_are_not_judged_in_fixed_prose(self, name):
        prose = " ".join(
            source(cell) for cell in read(name)["cells"] if cell["cell_type"] == "markdown"
        ).lower()
        assert not re.findall(r"\b(improv\w+|outperform\w*|superior|significant\w*|demonstrat\w+)\b", prose)

    def test_prose_is_free_of_markup_that_the_page_would_number_twice(self, name):
        headings = [
            line
            for cell in read(name)["cells"]
            if cell["cell_type"] == "markdown"
            for line in source(cell).splitlines()
            if line.startswith("#")
        ]
        assert sum(line.startswith("# ") for line in headings) == 1
        levels = [len(line) - len(line.lstrip("#")) for line in headings]
        assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_every_section_has_its_table_in_a_notebook():
    shown = {}
    for name in NAMES:
        code = "\n".join(source(cell) for cell in read(name)["cells"] if cell["cell_type"] == "code")
        for sections in re.findall(r"hyperparameters_table\(params, (\[.*?\])\)", code):
            shown |= dict.fromkeys(ast.literal_eval(sections), name)
    assert set(shown) == set(Params.model_fields) - {"description"}
    assert shown["gan"] == "02_gan_training" and shown["classifier"] == "04_classifier_training"


def test_ruff_finds_nothing():
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(NOTEBOOKS)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_looking_at_data_and_results_loads_no_torch():
    modules = set()
    for name in ("01_eda", "05_evaluation"):
        tree = ast.parse(imports_of(name))
        modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    code = (
        "; ".join(f"import {module}" for module in sorted(modules))
        + "; import sys; sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or "torch was imported"


def test_reading_a_notebook_builds_no_grammar_of_addresses():
    code = (
        "import sys, helpers.report.page.merge; from helpers.engine import notebook; "
        "notebook.skip_address_grammar(); import papermill; sys.exit('lark' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_notebook_without_its_inputs_names_the_stage_to_run(tmp_path):
    papermill = pytest.importorskip("papermill")
    with pytest.raises(papermill.exceptions.PapermillExecutionError) as caught:
        papermill.execute_notebook(
            str(NOTEBOOKS / "05_evaluation.ipynb"),
            str(tmp_path / "out.ipynb"),
            {"run": "never-run"},
            kernel_name="python3",
            progress_bar=False,
            cwd=str(NOTEBOOKS),
        )
    assert caught.value.ename == "MissingStageError"
    assert "run the stage 'eda' first" in caught.value.evalue
    # where the notebook noted what it was about to compute
    shutil.rmtree(ARTIFACTS / "never-run", ignore_errors=True)
