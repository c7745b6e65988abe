# The engine's map: one rule for each stage. run_all.py prepares the run and starts the engine in its folder.
#
# A job is run where run_all.py names it, and for no other reason: it has compared the key of each job with the one in the
# job's record, and its files with what the record says of them. Every input is an `ancient` stamp that exists, so that
# neither the times of files nor what was run before play a part.
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from helpers.engine.cards import gpus_asked
from helpers.engine.runfile import load_runfile
from helpers.engine.snakemake import stamp
from helpers.engine.stages import STAGES, Job, jobs, threads, upstream, wildcard
from helpers.paths import RunPaths

RUN = RunPaths(config["run"])
PARAMS = load_runfile(RUN).params
PYTHON = sys.executable
SHOWN = str(config.get("shown") or "").split(",")  # the jobs whose numbers are finished, and only their notebooks are not


def stamps_before(stage):
    """The stamps of the jobs that a job of this stage waits for, by its wildcards; none where the run has no such job.

    A job that only shows finished numbers changes nothing that others read: the page alone waits for it.
    """

    def of(wildcards):
        job = Job(stage.name, {name: wildcard(name, wildcards[name]) for name in stage.wildcards})
        if job not in jobs(PARAMS):
            return []
        return [stamp(other) for other in upstream(job, PARAMS) if job.stage == "report" or other.name not in SHOWN]

    return of


def words(stage):
    """What names a job on the command line: its stage and its wildcards."""
    return " ".join([stage.name, *(f"{name}={{{name}}}" for name in stage.wildcards)])


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
        ancient([stamp(job) for job in jobs(PARAMS)]),


for STAGE in STAGES.values():

    rule:
        name:
            STAGE.name
        input:
            ancient(stamps_before(STAGE)),
        output:
            touch(stamp(Job(STAGE.name, {name: f"{{{name}}}" for name in STAGE.wildcards}))),
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
