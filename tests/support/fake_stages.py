"""Stand-ins for the five notebooks that write a run's files in no time: the engine's tests are about the
engine.
"""

import nbformat

CODE = """
import json, os, time
from pathlib import Path
from helpers.engine.plan import is_finished
from helpers.engine.runfile import load_runfile
from helpers.engine.stages import Job, outputs
from helpers.files import write_text
from helpers.paths import RunPaths

job = Job({stage!r}, {wildcards})
paths = RunPaths(run)
params = load_runfile(paths).params
if Path("../pause").exists():
    write_text(Path("..") / f"paused-{{job.name}}", str(os.getpid()))  # whole as soon as it is there
    while Path("../pause").exists():
        time.sleep(0.05)
if Path("../fault").exists() and Path("../fault").read_text() == job.name:
    raise ValueError("a fault was asked for")
finished = is_finished(paths, params, job.stage, **job.wildcards)
with open("../executed.txt", "a") as log:
    log.write(job.name + (" shown\\n" if finished else "\\n"))
for path in [] if finished else outputs(job, paths, params):
    other = Path("../others") / path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(other.read_text() if other.exists() else BODY.get(path.name, job.name))
"""
METRICS = (
    'BODY = {"metrics.csv": "arm,accuracy,target_recall,macro_precision\\n"'
    ' + "".join(f"{arm},0.5,0.25,0.125\\n" for arm in ("baseline", "filtered"))}'
)
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
    """Replace a copied project's notebooks and page builder, and give it ``params/toy.yaml``.

    Without ``kernels`` the cells run in the process of their job, which saves most of its time; they get a
    kernel again while a file ``kernels`` lies in the project's folder.
    """
    for name, (stage, wildcards, parameters) in NOTEBOOKS.items():
        body = METRICS if stage == "evaluation" else "BODY = {}"
        cells = [
            nbformat.v4.new_markdown_cell(f"# {name}", id="title"),
            nbformat.v4.new_code_cell(
                "\n".join(f"{p} = None" for p in ("run", "params_file", *parameters)),
                id="parameters",
                metadata={"tags": ["parameters"]},
            ),
            nbformat.v4.new_code_cell(body + CODE.format(stage=stage, wildcards=wildcards), id="work"),
        ]
        notebook = nbformat.v4.new_notebook(
            cells=cells,
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(notebook, project.folder / "notebooks" / f"{name}.ipynb")
    helpers = project.folder / "src" / "helpers"
    (helpers / "report" / "page" / "render.py").write_text(RENDER)
    (project.folder / "params" / "toy.yaml").write_text(TOY)
    if not kernels:
        with open(helpers / "engine" / "notebook.py", "a") as code:
            code.write(WITHOUT_KERNELS)
