# The engine's map: one rule per stage. run_all.py prepares the run (params.json, run.json) and starts the engine in
# its folder; this file only says which files a job reads and writes and what makes it stale.
#
# Staleness: each job carries the fingerprint of all that its numbers depend on (parameters, code, data) as a `params`
# value; files made by an earlier stage count by their time. The split is `ancient`: its content is already in the
# fingerprint, so that a new figure in the first notebook does not cost a GAN.
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from helpers.engine import needs
from helpers.engine.runfile import load_runfile
from helpers.engine.stages import Job, inputs, jobs, outputs
from helpers.paths import RunPaths

RUN = RunPaths(config["run"])
parameters, runfile = load_runfile(RUN)


def relative(paths):
    """Relative to the run's folder, so that a moved project stays fresh."""
    return [os.path.relpath(path, RUN.folder) for path in paths]


def files(stage, **wildcards):
    """A job's outputs."""
    return relative(outputs(Job(stage, wildcards), RUN, parameters))


def job(stage, names, wildcards):
    """The job of a rule's wildcards."""
    return Job(stage, {name: kind(wildcards[name]) for name, kind in names.items()})


def read(stage, **names):
    """A job's inputs, by its wildcards; none where the run has no such job."""

    def of(wildcards):
        asked = job(stage, names, wildcards)
        return relative(inputs(asked, RUN, parameters)) if asked.name in runfile["keys"] else []

    return of


def key(stage, **names):
    """The fingerprint of one job, by its wildcards."""

    def of(wildcards):
        return runfile["keys"][job(stage, names, wildcards).name]

    return of


def command(stage, *names):
    words = " ".join(f"{name}={{wildcards.{name}}}" for name in names)
    return f"exec {{PYTHON:q}} -m helpers.engine.job {{RUN.run}} {stage} {words}"


def asks(stage):
    """What a job asks of a cluster; a profile's set-resources overrides it. On one machine only the GPU counts."""
    return {
        "mem_mb": lambda wildcards, attempt: needs.memory_mb(stage, attempt),
        "runtime": lambda wildcards, attempt: needs.minutes(stage, attempt),
        "gpu": needs.gpus(stage, parameters, int(config.get("gpus", 0))),
    }


PYTHON = sys.executable
SPLIT = files("eda")[0]


wildcard_constraints:
    seed=r"\d+",
    replicate=r"\d+",
    arm=r"[A-Za-z0-9][A-Za-z0-9_-]*",


# The outputs of every stage are targets: with the page alone, a failed or deleted middle stage would pass for done.
rule all:
    input:
        [path for each in jobs(parameters) for path in files(each.stage, **each.wildcards)],


rule eda:
    output:
        files("eda"),
    params:
        key=runfile["keys"]["eda"],
    threads: 2
    resources:
        **asks("eda"),
    shell:
        command("eda")


rule gan:
    input:
        ancient(SPLIT),
    output:
        files("gan", seed="{seed}"),
    params:
        key=key("gan", seed=int),
    priority: 3  # the longest wait of all: the arms with synthetic images stand behind it
    threads: parameters.gan.threads
    resources:
        **asks("gan"),
    shell:
        command("gan", "seed")


rule synthesis:
    input:
        ancient(SPLIT),
        read("synthesis", seed=int),
    output:
        files("synthesis", seed="{seed}"),
    params:
        key=key("synthesis", seed=int),
    priority: 2
    threads: parameters.gan.threads
    resources:
        **asks("synthesis"),
    shell:
        command("synthesis", "seed")


rule classifier:
    input:
        ancient(SPLIT),
        read("classifier", arm=str, replicate=int),
    output:
        files("classifier", arm="{arm}", replicate="{replicate}"),
    params:
        key=key("classifier", arm=str, replicate=int),
    threads: parameters.classifier.threads
    resources:
        **asks("classifier"),
    shell:
        command("classifier", "arm", "replicate")


rule evaluation:
    input:
        ancient(SPLIT),
        read("evaluation"),
    output:
        files("evaluation"),
    params:
        key=runfile["keys"]["evaluation"],
    resources:
        **asks("evaluation"),
    shell:
        command("evaluation")


rule report:
    input:
        read("report"),
    output:
        files("report"),
    params:
        key=runfile["keys"]["report"],
    resources:
        **asks("report"),
    shell:
        command("report")
