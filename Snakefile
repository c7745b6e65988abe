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
from helpers.engine.stages import Job, jobs, judge, outputs
from helpers.paths import RunPaths

RUN = RunPaths(config["run"])
parameters, runfile = load_runfile(RUN)


def files(stage, **wildcards):
    """A job's outputs, relative to the run's folder, so that a moved project stays fresh."""
    return [os.path.relpath(path, RUN.folder) for path in outputs(Job(stage, wildcards), RUN, parameters)]


def all_files(stage):
    return [path for job in jobs(parameters) if job.stage == stage for path in files(stage, **job.wildcards)]


def key(stage, **names):
    """The fingerprint of one job, by its wildcards."""

    def of(wildcards):
        return runfile["keys"][Job(stage, {name: kind(wildcards[name]) for name, kind in names.items()}).name]

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
JUDGE = judge(parameters)
OPINION = [path for path in files("classifier", **JUDGE.wildcards) if path.endswith(("summary.json", "model.safetensors"))] if JUDGE else []


wildcard_constraints:
    seed=r"\d+",
    replicate=r"\d+",
    arm=r"[A-Za-z0-9][A-Za-z0-9_-]*",


# The outputs of every stage are targets: with the page alone, a failed or deleted middle stage would pass for done.
rule all:
    input:
        [path for job in jobs(parameters) for path in files(job.stage, **job.wildcards)],


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
        files("gan", seed="{seed}")[:2],
        OPINION,
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


def synthetic_images(wildcards):
    uses_gan = wildcards.arm in parameters.arms and parameters.arms[wildcards.arm].uses_gan
    return files("synthesis", seed=parameters.gan_seed(int(wildcards.replicate)))[:2] if uses_gan else []


rule classifier:
    input:
        ancient(SPLIT),
        synthetic_images,
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
        all_files("gan"),
        all_files("synthesis"),
        all_files("classifier"),
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
        [path for stage in ("eda", "gan", "synthesis", "classifier", "evaluation") for path in all_files(stage)],
    output:
        files("report"),
    params:
        key=runfile["keys"]["report"],
    resources:
        **asks("report"),
    shell:
        command("report")
