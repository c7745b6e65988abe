"""The committed notebooks: clean, stable, formatted, and with the parameters of quick.yaml."""

import ast
import json
import re
import subprocess
import sys

import nbformat
import pytest

from helpers.params import Arm, load_params, validate_sections
from helpers.paths import NOTEBOOKS
from helpers.report import parameters_cell
from helpers.report.parameters_cell import GIVEN, JOBS_OWN

NAMES = sorted(GIVEN)
LONGEST_CELL = 12


def read(name):
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def test_there_are_five_and_no_other():
    assert (
        sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
        == NAMES
        == ["01_eda", "02_gan_training", "03_generation_filtering", "04_classifier_training", "05_evaluation"]
    )


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

    def test_parameters_cell_is_what_quick_yaml_gives(self, name):
        cell = read(name)["cells"][1]
        assert source(cell) == parameters_cell.parameters_cell(name, load_params("quick"))

    def test_parameters_are_quick_yamls_values(self, name):
        params = load_params("quick")
        values = {}
        exec(source(read(name)["cells"][1]), values)
        given = {key: values[key] for key in GIVEN[name] if key not in JOBS_OWN}
        checked = validate_sections({"arms": {"baseline": {}}} | given)
        assert values["run"] == "quick"
        assert all(getattr(checked, key) == getattr(params, key) for key in given)

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


def test_every_value_says_what_it_means():
    text = parameters_cell.parameters_cell("04_classifier_training", load_params("quick"))
    lines = text.splitlines()
    for number, line in enumerate(lines):
        opens_or_closes = line.rstrip().endswith(("{", "}", "},")) or line.startswith("#")
        assert opens_or_closes or "#" in line or lines[number - 1].strip().startswith("#"), line


def test_choices_and_arms_are_told_and_lines_fit_into_the_window():
    text = parameters_cell.parameters_cell("04_classifier_training", load_params("quick"))
    assert "# random mirroring (one of 'none', 'horizontal', 'both')" in text
    assert "# the real training images, with the 36 best synthetic images, by the critic's score" in text
    assert '"baseline": {},  # the real training images and nothing else' in text
    assert max(map(len, text.splitlines())) <= parameters_cell.WIDTH


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        (
            {"withhold": {"class": "mel", "fraction": 0.5}, "synthetic": {"select": "all"}},
            "without 50 % of the images of mel and with all synthetic images",
        ),
        (
            {"oversample": {"class": "mel", "count": 1000}, "loss": "balanced"},
            "with 1,000 images of mel once more and with rare classes weighing more in the loss",
        ),
        (
            {"synthetic": {"select": "bottom", "fraction": 0.25, "rank": "distance"}},
            "with the 25 % worst synthetic images, by nearness to real ones",
        ),
        ({"synthetic": {"select": "random", "count": 36}}, "with 36 randomly chosen synthetic images"),
        ({"synthetic": {"folder": "theirs"}}, "with all images of the folder theirs"),
    ],
)
def test_an_arm_says_what_it_trains_on(arm, words):
    assert parameters_cell.arm_meaning(Arm.model_validate(arm)) == f"the real training images, {words}"


def test_an_older_parameters_cell_is_found_and_mended(tmp_path):
    for name in NAMES:
        notebook = read(name)
        if name == "03_generation_filtering":
            notebook["cells"][1]["source"] = ["run = 'old'"]
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    assert parameters_cell.refresh(tmp_path, check=True) == ["03_generation_filtering"]
    assert parameters_cell.refresh(tmp_path) == ["03_generation_filtering"]
    assert parameters_cell.refresh(tmp_path, check=True) == []


def test_ruff_finds_nothing():
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(NOTEBOOKS)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_looking_at_data_and_results_loads_no_torch():
    modules = set()
    for name in ("01_eda", "05_evaluation"):
        tree = ast.parse(source(next(cell for cell in read(name)["cells"] if cell["id"] == "imports")))
        modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    code = (
        "; ".join(f"import {module}" for module in sorted(modules))
        + "; import sys; sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or "torch was imported"


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
