# The engine's map: one rule for the numbers of each stage, one for the notebook that shows them. run_all.py prepares the
# run and starts the engine in its folder.
#
# It holds nothing but what this start is to make: run_all.py has compared the key of each job with the one in the job's
# record, and its files with what the record says of them, and has named the rest in to-do.json. Neither the times of files
# nor what was run before play a part.
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from helpers.engine.cards import gpus_asked
from helpers.engine.runfile import load_runfile
from helpers.engine.snakemake import stamp, to_do_path
from helpers.engine.stages import STAGES, Job, Task, jobs, tasks, tasks_before, threads, wildcard
from helpers.paths import RunPaths

RUN = RunPaths(Path(config["run"]).name)  # given as a path, for of a bare 007 Snakemake would make the number 7
PARAMS = load_runfile(RUN).params
PYTHON = sys.executable
TO_DO = set(json.loads(to_do_path(RUN).read_text(encoding="utf-8")))  # names of the tasks of this start


def stamps_before(stage, notebook=False):
    """The stamps of the tasks that one of this stage waits for, by its wildcards: those that this start makes."""

    def of(wildcards):
        job = Job(stage.name, {name: wildcard(name, wildcards[name]) for name in stage.wildcards})
        if job not in jobs(PARAMS):
            return []
        return [stamp(task) for task in tasks_before(Task(job, notebook), PARAMS) if task.name in TO_DO]

    return of


def pattern(stage, notebook=False):
    """The stamp of a stage's jobs, with the names of the wildcards in their places."""
    return stamp(Task(Job(stage.name, {name: f"{{{name}}}" for name in stage.wildcards}), notebook))


def words(stage, *more):
    """What names a job on the command line: its stage and its wildcards, and whether its notebook is meant."""
    return " ".join([stage.name, *(f"{name}={{{name}}}" for name in stage.wildcards), *more])


def memory(stage):
    """MB of memory; a second try gets twice as much. Only a cluster asks, and a profile's set-resources overrides it."""
    return lambda wildcards, attempt: stage.memory_gb * 1000 * attempt


def minutes(stage):
    return lambda wildcards, attempt: stage.minutes * attempt


wildcard_constraints:
    seed=r"\d+(?:-[A-Za-z0-9_-]+)?",
    replicate=r"\d+",
    arm=r"[A-Za-z0-9][A-Za-z0-9_-]*",
    trunk=r"part-[A-Za-z0-9_-]+",


rule all:
    input:
        [stamp(task) for job in jobs(PARAMS) for task in tasks(job, PARAMS) if task.name in TO_DO],


for STAGE in STAGES.values():

    rule:
        name:
            STAGE.name
        input:
            stamps_before(STAGE),
        output:
            touch(pattern(STAGE)),
        priority: STAGE.priority
        threads: threads(STAGE.name, PARAMS) or STAGE.cores
        resources:
            mem_mb=memory(STAGE),
            runtime=minutes(STAGE),
            gpu=gpus_asked(STAGE, PARAMS, int(config.get("gpus", 0))),
        params:
            words=words(STAGE),
        shell:  # evaluated when a job starts, and STAGE is the last one by then
            "exec {PYTHON:q} -m helpers.engine.job {RUN.run} {params.words}"

    if STAGE.notebook:

        rule:
            name:
                f"{STAGE.name}_notebook"
            input:
                stamps_before(STAGE, notebook=True),
            output:
                touch(pattern(STAGE, notebook=True)),
            priority: STAGE.notebook_priority
            resources:
                mem_mb=memory(STAGES["report"]),
                runtime=minutes(STAGES["report"]),
            params:
                words=words(STAGE, "notebook"),
            shell:
                "exec {PYTHON:q} -m helpers.engine.job {RUN.run} {params.words}"
