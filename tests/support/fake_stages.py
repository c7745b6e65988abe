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
from helpers.paths import RunPaths

job = Job({stage!r}, {wildcards})
paths = RunPaths(run)
params = load_runfile(paths).params
if Path("../pause").exists():
    (Path("..") / f"paused-{{job.name}}").write_text(str(os.getpid()))
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
    ' + "".join(f"{arm},0.5,0.25,0.125\\n" for arm in ("baseline", "filtered", "all"))}'
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


def install(project) -> None:
    """Replace a copied project's notebooks and page builder."""
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
    (project.folder / "src" / "helpers" / "report" / "page" / "render.py").write_text(RENDER)
