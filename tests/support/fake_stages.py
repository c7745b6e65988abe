"""Stand-ins for the stages and their five notebooks, which write a run's files in no time: the engine's tests
are about the engine.
"""

import nbformat

NUMBERS = '''"""A stand-in for every stage: files that hold their job's name."""

import os
import time
from pathlib import Path

from helpers.engine.stages import Job, outputs
from helpers.files import write_text
from helpers.paths import ROOT

METRICS = "arm,accuracy,target_recall,macro_precision\\n"
BODY = {"metrics.csv": METRICS + "".join(f"{arm},0.5,0.25,0.125\\n" for arm in ("baseline", "filtered"))}


def numbers(stage, wildcards):
    """The function that makes a job's numbers."""
    job = Job(stage, wildcards)

    def make(run, params, *_):
        follow_words(job.name)
        for path in outputs(job, run, params):
            other = ROOT / "others" / path.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(other.read_text() if other.exists() else BODY.get(path.name, job.name))

    return make


def follow_words(name):
    """Do what the files ``pause`` and ``fault`` ask for, which hold a task's name, and note the task."""
    while (ROOT / "pause").exists() and (ROOT / "pause").read_text() == name:
        if not (ROOT / "paused").exists():
            write_text(ROOT / "paused", str(os.getpid()))  # whole as soon as it is there
        time.sleep(0.05)
    if (ROOT / "fault").exists() and (ROOT / "fault").read_text() == name:
        error = ValueError("a fault was asked for")
        error.details = "an attribute that some libraries' errors have"
        raise error
    with open(ROOT / "executed.txt", "a") as log:
        log.write(f"{name}\\n")
'''
REAL = "getattr(import_module(stage.entry), stage.make)"
CODE = """
import json, os, time
from helpers.engine.stages import Job
from helpers.engine.toy import follow_words

follow_words(Job({stage!r}, {wildcards}).name + " shown")
"""
NOTEBOOKS = {  # stage, its wildcards, and what the parameters cell holds
    "01_eda": ("eda", "{}", []),
    "02_gan_training": ("gan", '{"seed": gan_seed}', ["gan_seed"]),
    "03_generation_filtering": ("synthesis", '{"seed": gan_seed}', ["gan_seed"]),
    "04_classifier_training": (
        "classifier",
        '{"arm": arm, "replicate": replicate}',
        ["arm", "replicate"],
    ),
    "05_evaluation": ("evaluation", "{}", []),
}
RENDER = '''"""A stand-in for the page."""

import time

from helpers.paths import RunPaths


def render_report(run):
    paths = RunPaths(run)
    paths.report.parent.mkdir(parents=True, exist_ok=True)
    paths.report.write_text(f"made at {time.time_ns()}")
    paths.provenance.write_text("{}")
    return paths.report
'''
WITHOUT_KERNELS = '''

_by_a_kernel = execute_notebook


def execute_notebook(source, target, parameters, log, on_cell=None):
    """The cells in the job's own process, unless a file ``kernels`` lies in the project's folder."""
    if (source.parent.parent / "kernels").exists():
        return _by_a_kernel(source, target, parameters, log, on_cell)
    os.chdir(source.parent)
    names = {}
    for cell in json.loads(source.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
            names |= parameters if "parameters" in cell["metadata"].get("tags", []) else {}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    return target
'''
TOY = """description: "The fewest jobs of which each kind of job before another is one"
extends: smoke.yaml
arms:
  baseline: {}
  filtered: {synthetic: {select: top, count: 6}}
"""


def install(project, kernels: bool = True) -> None:
    """Replace a copied project's stages, notebooks and page builder, and give it ``params/toy.yaml``.

    Without ``kernels`` the cells run in the process of their job, which saves most of its time; they get a
    kernel again while a file ``kernels`` lies in the project's folder.
    """
    for name, (stage, wildcards, parameters) in NOTEBOOKS.items():
        cells = [
            nbformat.v4.new_markdown_cell(f"# {name}", id="title"),
            nbformat.v4.new_code_cell(
                "\n".join(f"{p} = None" for p in ("run", "params_file", *parameters)),
                id="parameters",
                metadata={"tags": ["parameters"]},
            ),
            nbformat.v4.new_code_cell(CODE.format(stage=stage, wildcards=wildcards), id="work"),
        ]
        notebook = nbformat.v4.new_notebook(
            cells=cells,
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(notebook, project.folder / "notebooks" / f"{name}.ipynb")
    helpers = project.folder / "src" / "helpers"
    (helpers / "report" / "page" / "render.py").write_text(RENDER)
    (helpers / "engine" / "toy.py").write_text(NUMBERS)
    job = (helpers / "engine" / "job.py").read_text()
    assert job.count(REAL) == 1
    toy = 'import_module("helpers.engine.toy").numbers(job.stage, job.wildcards)'
    chosen = f"{toy} if job.stage != 'report' else {REAL}"
    (helpers / "engine" / "job.py").write_text(job.replace(REAL, chosen))
    (project.folder / "params" / "toy.yaml").write_text(TOY)
    if not kernels:
        with open(helpers / "engine" / "notebook.py", "a") as code:
            code.write(WITHOUT_KERNELS)
