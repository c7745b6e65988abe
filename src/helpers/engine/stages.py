"""The stages of a run and their jobs: what each reads, writes and is made by. The Snakefile and the front door share it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.files import digest
from helpers.fingerprints import notebook_digest, source_digest
from helpers.gan import TRAINING_CODE
from helpers.params import Params, result_values
from helpers.paths import RunPaths

SHARED_CODE = ("files.py", "device.py", "checkpoints.py")
GAN_TRAINING_CODE = ("gan/__init__.py", "gan/health.py", "gan/records.py", *TRAINING_CODE)
FIGURE_CODE = tuple(
    f"report/{name}"
    for name in ("figures.py", "tables.py", "publish.py", "style.py", "sentences.py", "report.mplstyle")
)


@dataclass(frozen=True)
class Stage:
    """One kind of job."""

    name: str
    notebook: str | None  # the report stage has none: it renders the others
    code: tuple[str, ...]  # below src/helpers: what the stage's numbers are made by
    sections: tuple[str, ...]  # parameter sections that its notebook is given
    prose: bool = False  # whether a change of the notebook's words makes it stale


STAGES = {
    stage.name: stage
    for stage in (
        Stage("eda", "01_eda", ("data", *FIGURE_CODE, *SHARED_CODE), ("data", "report")),
        Stage(
            "gan", "02_gan_training", ("data", *GAN_TRAINING_CODE, *SHARED_CODE), ("data", "gan", "compute")
        ),
        Stage(
            "synthesis",
            "03_generation_filtering",
            ("data", "gan", "pretrained.py", *SHARED_CODE),
            ("data", "gan", "synthesis", "classifier", "compute", "report"),
        ),
        Stage(
            "classifier",
            "04_classifier_training",
            ("data", "classifier", "pretrained.py", *SHARED_CODE),
            ("data", "gan", "synthesis", "classifier", "arms", "compute"),
        ),
        Stage(
            "evaluation",
            "05_evaluation",
            ("data", "evaluation", *FIGURE_CODE, *SHARED_CODE),
            ("data", "gan", "synthesis", "classifier", "arms", "replicates", "evaluation", "report"),
            prose=True,
        ),
        Stage("report", None, ("report", "evaluation", "params"), ()),
    )
}
SYNTHESIS_FILES = (
    "images.npy",
    "scores.csv",
    "score-stability.csv",
    "fidelity.csv",
    "filter-sweep.csv",
    "filter-correlation.csv",
    "memorisation.csv",
    "memorisation-pairs.csv",
)
READ_BY_JOBS = {  # of a stage's files, by the jobs of the next; the last two stages read all
    "gan": ("generator.safetensors", "discriminator.safetensors"),
    "synthesis": ("images.npy", "scores.csv"),
    "classifier": ("summary.json", "model.safetensors"),
}
EVALUATION_TABLES = tuple(
    f"{name}.csv"
    for name in (
        *(
            "metrics",
            "per_class",
            "arms",
            "arms_per_class",
            "comparisons",
            "contrasts",
            "controls",
            "leak",
            "metrics_by_lesion",
            "per_class_by_lesion",
        ),
        *("reliability", "curves", "decision_curve", "external", "mcnemar", "claims", "audit"),
    )
)


@dataclass(frozen=True)
class Job:
    """One unit of work: a stage with its wildcards, such as classifier with arm and replicate."""

    stage: str
    wildcards: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``gan-seed-0``, ``classifier-filtered-replicate-2``: the stem of its logs."""
        if self.stage == "classifier":
            return f"classifier-{self.wildcards['arm']}-replicate-{self.wildcards['replicate']}"
        return "-".join([self.stage, *(f"seed-{v}" for v in self.wildcards.values())])

    @property
    def notebook_file(self) -> str | None:
        """Name of the executed notebook."""
        stem = STAGES[self.stage].notebook
        return stem and "-".join([stem, *self.name.split("-")[1:]]) + ".ipynb"

    @property
    def title(self) -> str:
        """What the progress line calls it."""
        if self.stage == "classifier":
            return f"classifier {self.wildcards['arm']}, replicate {self.wildcards['replicate']}"
        return " ".join([self.stage, *(f"seed {v}" for v in self.wildcards.values())])


def jobs(params: Params) -> Iterator[Job]:
    """Every job of a run, in the order of the stages."""
    yield Job("eda")
    for stage in ("gan", "synthesis"):
        for seed in params.gan.seeds:  # even where no arm uses one: their fidelity is a result
            yield Job(stage, {"seed": seed})
    for arm in params.arms:
        for replicate in range(params.replicates):
            yield Job("classifier", {"arm": arm, "replicate": replicate})
    yield Job("evaluation")
    yield Job("report")


def judge(params: Params) -> Job | None:
    """The classifier that gives its opinion on synthetic images before any is trained on them."""
    return params.judge and Job("classifier", {"arm": params.judge, "replicate": 0})


def outputs(job: Job, run: RunPaths, params: Params) -> list[Path]:
    """The files that a job declares: all of them are there when it is done, and are removed when it fails."""
    executed = [run.notebooks / job.notebook_file] if job.notebook_file else []
    w = job.wildcards
    if job.stage == "eda":
        return [run.split, run.manifest, *executed]
    if job.stage == "gan":
        return [
            run.gan(w["seed"]) / name
            for name in ("generator.safetensors", "discriminator.safetensors", "history.csv")
        ] + executed
    if job.stage == "synthesis":
        return [run.synthetic(w["seed"]) / name for name in SYNTHESIS_FILES] + executed
    if job.stage == "classifier":
        names = ["predictions.csv", "history.csv", "summary.json", "model.safetensors"]
        names += ["predictions-external.csv"] if params.data.external_root else []
        return [run.classifier(w["arm"], w["replicate"]) / name for name in names] + executed
    if job.stage == "evaluation":
        names = [*EVALUATION_TABLES, *(f"confusion-{arm}.csv" for arm in params.arms)]
        return [run.evaluation / name for name in names] + executed
    return [run.report, run.provenance]


def upstream(job: Job, params: Params) -> list[Job]:
    """The jobs whose files a job reads."""
    if job.stage in ("evaluation", "report"):
        order = list(STAGES)
        return [other for other in jobs(params) if order.index(other.stage) < order.index(job.stage)]
    read = [] if job.stage == "eda" else [Job("eda")]
    if job.stage == "synthesis":
        opinion = judge(params)
        return [*read, Job("gan", job.wildcards), *([opinion] if opinion else [])]
    if job.stage == "classifier" and params.arms[job.wildcards["arm"]].uses_gan:
        return [*read, Job("synthesis", {"seed": params.gan_seed(job.wildcards["replicate"])})]
    return read


def inputs(job: Job, run: RunPaths, params: Params) -> list[Path]:
    """The files of other jobs that make a job stale by their change. The split does not: its content is in every key, and a new figure beside it costs no GAN."""
    every = job.stage in ("evaluation", "report")
    others = [other for other in upstream(job, params) if other.stage != "eda" or job.stage == "report"]
    return [
        path
        for other in others
        for path in outputs(other, run, params)
        if every or path.name in READ_BY_JOBS[other.stage]
    ]


def papermill_parameters(job: Job, params: Params, run: str) -> dict[str, Any]:
    """What papermill gives a job's notebook: the run, its parameter file, and the job's own values."""
    given: dict[str, Any] = {"run": run, "params_file": f"artifacts/{run}/params.json"}
    own = {"seed": "gan_seed"} if job.stage in ("gan", "synthesis") else {}
    if job.stage == "synthesis":
        given["judge"] = params.judge
    return given | {own.get(key, key): value for key, value in job.wildcards.items()}


# --- staleness ----------------------------------------------------------------------------------


def code_digest(stage: str) -> str:
    """Fingerprint of the code that makes a stage's results."""
    spec = STAGES[stage]
    notebooks = (
        [notebook_digest(spec.notebook, spec.prose)]
        if spec.notebook
        else [notebook_digest(s.notebook, True) for s in STAGES.values() if s.notebook]
    )
    return digest(source_digest(spec.code), *notebooks)


def relevant_parameters(job: Job, params: Params) -> dict[str, Any]:
    """The parameters that a job's results depend on, upstream ones included."""
    values = params.as_dict()
    values |= {name: result_values(getattr(params, name)) for name in ("data", "gan", "classifier")}
    if params.data.source != "phantom":
        values["data"].pop("phantom")
    if params.data.source != "folder":
        values["data"].pop("columns")
    del values["description"]
    data = {"data": values["data"]}
    if job.stage == "eda":
        return data | {"report.real_images": params.report.real_images}
    generative = data | {"gan": values["gan"], "compute": values["compute"]}
    if job.stage == "gan":
        return generative
    if job.stage == "synthesis":
        opinion = (
            {"classifier": values["classifier"], "judge": values["arms"][params.judge]}
            if params.judge
            else {}
        )
        return (
            generative
            | opinion
            | {"synthesis": values["synthesis"], "report.real_images": params.report.real_images}
        )
    if job.stage == "classifier":
        name, replicate = job.wildcards["arm"], job.wildcards["replicate"]
        arm = params.arms[name]
        images = (
            {"synthesis": values["synthesis"], "gan": values["gan"], "gan_seed": params.gan_seed(replicate)}
            if arm.uses_gan
            else {}
        )
        twins = params.identical_arms_before(name)  # they decide the seed
        seed = {"identical_arms_before": twins} if twins else {}
        external = {"external_root": params.data.external_root}
        return (
            data
            | external
            | images
            | seed
            | {"classifier": values["classifier"], "compute": values["compute"], "arm": values["arms"][name]}
        )
    everything = values | {"gan_seeds": list(params.gan.seeds), "external_root": params.data.external_root}
    if job.stage == "evaluation":
        everything = {key: value for key, value in everything.items() if key != "report"} | {
            "report.real_images": params.report.real_images
        }
    return everything
