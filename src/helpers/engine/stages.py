"""The stages of a run and their jobs, and what each reads and writes.

What a stage computes stands in ``helpers.stages``; the Snakefile and the front door share what stands here.
What the key of a job is made of stands in ``key_parts``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.data.trained_on import TRAINED_ON
from helpers.evaluation.roles import adding
from helpers.gan.recipes import RECIPES
from helpers.params import GanName, Params
from helpers.paths import RunPaths, class_folders
from helpers.report.page.shown import shown_jobs

SYNTHESIS_TABLES = (
    *("scores", "score-stability", "fidelity", "filter-sweep", "filter-correlation"),
    *("memorisation", "memorisation-pairs", "source-probe"),
)
GIVEN_TABLES = ("source-files", "sharpness", "held-out", "called-as")  # of images that a folder gave
CLASSIFIER_FILES = ("predictions.csv", "history.csv", "summary.json", "model.safetensors")
EVALUATION_TABLES = (
    *("metrics", "per_class", "arms", "arms_per_class", "comparisons", "contrasts", "controls", "leak"),
    *("metrics_by_lesion", "per_class_by_lesion", "reliability", "curves", "decision_curve", "external"),
    *("external_contrasts", "subgroups", "subgroup_contrasts", "mcnemar", "claims", "audit", "selectors"),
)
MOST = 3  # jobs or differences that a sentence names before it counts the others


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One kind of job."""

    name: str
    notebook: str | None  # that shows the numbers; None: nothing shows them, or another stage's notebook
    entry: str  # the module that its numbers come from
    make: str  # the function in it that makes them: ``make(run, params, *wildcards)``
    wildcards: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()  # parameter sections whose values its notebook shows
    memory_gb: int  # asked of a cluster at the first try, generously: docs/clusters.md has measured peaks
    minutes: int  # likewise
    on_card: bool = False  # whether a graphics card makes it faster
    priority: int = 0
    cores: int = 1  # that its jobs keep busy where no parameter says how many
    notebook_priority: int = -1  # of its notebook: behind all numbers, when a core is free


STAGES = {
    stage.name: stage
    for stage in (
        Stage(
            name="eda",
            notebook="01_eda",
            entry="helpers.stages.eda",
            make="prepare",
            shows=("data", "replicates", "report"),
            memory_gb=4,
            minutes=240,
            cores=2,
            notebook_priority=1,  # the first figures of a run, beside its longest training
        ),
        Stage(
            name="gan",
            notebook="02_gan_training",
            entry="helpers.stages.gan",
            make="train",
            wildcards=("seed",),
            shows=("data", "gan", "compute"),
            memory_gb=8,
            minutes=1440,
            on_card=True,
            priority=3,  # the longest wait of all: the arms with synthetic images stand behind it
        ),
        Stage(
            name="trunk",
            notebook=None,  # notebook 04 shows its course beside each training that stands on it
            entry="helpers.stages.trunk",
            make="make",
            wildcards=("trunk",),
            memory_gb=8,
            minutes=720,
            on_card=True,
            priority=3,
        ),
        Stage(
            name="synthesis",
            notebook="03_generation_filtering",
            entry="helpers.stages.synthesis",
            make="generate",
            wildcards=("seed",),
            shows=("data", "gan", "synthesis", "compute", "report"),
            memory_gb=8,
            minutes=240,
            on_card=True,
            priority=2,
        ),
        Stage(
            name="classifier",
            notebook="04_classifier_training",
            entry="helpers.stages.classifier",
            make="train",
            wildcards=("arm", "replicate"),
            shows=("data", "classifier", "arms", "compute"),
            memory_gb=8,
            minutes=720,
            on_card=True,
        ),
        Stage(
            name="evaluation",
            notebook="05_evaluation",
            entry="helpers.stages.evaluation",
            make="assess",
            shows=("data", "gan", "synthesis", "classifier", "arms", "replicates", "evaluation", "report"),
            memory_gb=8,
            minutes=240,
            notebook_priority=4,  # it takes longest of all notebooks, and the page waits for it
        ),
        Stage(
            name="report",
            notebook=None,
            entry="helpers.stages.report",
            make="make",
            memory_gb=4,
            minutes=60,
        ),
    )
}

OF_ALL = ("evaluation", "report")  # the stages that read every training, and of it what it found


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
        if self.stage == "trunk":
            return f"trunk-{self.wildcards['trunk']}"
        return "-".join([self.stage, *(f"seed-{v}" for v in self.wildcards.values())])

    @property
    def words(self) -> str:
        """How it is told by hand: ``classifier arm=filtered replicate=2``."""
        return " ".join([self.stage, *(f"{name}={value}" for name, value in self.wildcards.items())])

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
        if self.stage == "trunk":
            return f"trunk {self.wildcards['trunk']}"
        return " ".join([self.stage, *(f"seed {v}" for v in self.wildcards.values())])


@dataclass(frozen=True)
class Task:
    """What the engine starts for a job: its numbers, or the notebook that shows them."""

    job: Job
    notebook: bool = False

    @property
    def name(self) -> str:
        """``gan-seed-0``, ``gan-seed-0.notebook``: the stem of its logs."""
        return self.job.name + (".notebook" if self.notebook else "")

    @property
    def title(self) -> str:
        """What the progress line calls it."""
        return self.job.title + (", notebook" if self.notebook else "")


def wildcard(name: str, text: str) -> int | str:
    """A wildcard's value as a job bears it, from a word; ValueError where it can be none.

    A GAN is told by its seed, or by its name where it lacks what an arm withholds.
    """
    of_number = name == "replicate" or (name == "seed" and "-" not in text)
    return int(text) if of_number else text


def jobs(params: Params) -> Iterator[Job]:
    """Every job of a run, in the order of the stages."""
    yield Job("eda")
    # of GANs even where no arm uses one: their fidelity is a result
    yield from (Job("gan", {"seed": name}) for name in params.gans() if params.trains_gan)
    yield from (Job("trunk", {"trunk": name}) for name in params.trunks())
    yield from (Job("synthesis", {"seed": name}) for name in params.gans())
    for arm in params.arms:
        for replicate in range(params.replicates):
            yield Job("classifier", {"arm": arm, "replicate": replicate})
    yield Job("evaluation")
    yield Job("report")


def judge(params: Params, gan: GanName) -> Job | None:
    """The classifier that gives its opinion on a GAN's images before any is trained on them."""
    arm, replicate = params.judge_of(gan), params.judge_replicate(gan)
    return Job("classifier", {"arm": arm, "replicate": replicate}) if arm else None


def synthesis_tables(params: Params) -> tuple[str, ...]:
    """Names of the tables that the stage synthesis writes beside its images."""
    return SYNTHESIS_TABLES if params.trains_gan else (*SYNTHESIS_TABLES, *GIVEN_TABLES)


def own_folder(job: Job, run: RunPaths) -> Path:
    """The folder that a job fills."""
    one = {"eda": run.data, "evaluation": run.evaluation, "report": run.report.parent}
    if job.stage in one:
        return one[job.stage]
    folders: dict[str, Callable[..., Path]] = {
        "gan": run.gan,
        "trunk": run.trunk,
        "synthesis": run.synthetic,
        "classifier": run.classifier,
    }
    return folders[job.stage](*(job.wildcards[name] for name in STAGES[job.stage].wildcards))


def outputs(job: Job, run: RunPaths, params: Params) -> list[Path]:
    """The files with a job's numbers: all of them are there when it is done."""
    own = own_folder(job, run)
    if job.stage == "eda":
        return [run.split, run.manifest, run.duplicates]
    if job.stage == "gan":
        critic = ["discriminator.safetensors"] if RECIPES.get(params.gan.recipe).has_critic else []
        weights = ("generator.safetensors", *critic)
        folders = class_folders(own, params.separate_classes)
        networks = [folder / name for folder in folders for name in weights]
        return [*networks, *(own / name for name in ("history.csv", TRAINED_ON))]
    if job.stage == "synthesis":
        tables = [f"{name}.csv" for name in synthesis_tables(params)]
        return [own / name for name in ("images.npy", *tables)]
    if job.stage == "trunk":
        return [own / name for name in (*CLASSIFIER_FILES, TRAINED_ON)]
    if job.stage == "classifier":
        names = (*CLASSIFIER_FILES, *(["predictions-external.csv"] if params.data.external_root else []))
        return [own / name for name in names]
    if job.stage == "evaluation":
        tables = [*EVALUATION_TABLES, *(f"confusion-{arm}" for arm in params.arms)]
        return [own / f"{name}.csv" for name in tables]
    return [run.report, run.provenance]


def upstream(job: Job, params: Params) -> list[Job]:
    """The jobs whose files a job reads."""
    if job.stage in OF_ALL:
        order = list(STAGES)
        return [other for other in jobs(params) if order.index(other.stage) < order.index(job.stage)]
    if job.stage == "eda":
        return []
    if job.stage == "synthesis":
        gan = job.wildcards["seed"]
        opinion = judge(params, gan)
        trunk = params.trunk(params.evaluation.reference, params.judge_replicate(gan))
        adapted = [Job("trunk", {"trunk": trunk})] if trunk and not params.reference_saw_more(gan) else []
        trained = [Job("gan", job.wildcards)] if params.trains_gan else []
        return [Job("eda"), *trained, *adapted, *([opinion] if opinion else [])]
    found = [Job("eda")]
    if job.stage == "classifier":
        arm, replicate = job.wildcards["arm"], job.wildcards["replicate"]
        trunk, gan = params.trunk(arm, replicate), params.gan_name(arm, replicate)
        found += [Job("trunk", {"trunk": trunk})] if trunk else []
        found += [Job("synthesis", {"seed": gan})] if params.arms[arm].uses_gan else []
    return found


def reads_large_files(job: Job, other: Job, params: Params) -> bool:
    """Whether a job reads networks or images of ``other`` before it, and not only what that one found.

    Of the stages that read every job only the evaluation does, and only images from which two selectors
    chose: it compares what they keep (helpers.stages.selectors).
    """
    if job.stage not in OF_ALL:
        return True
    if job.stage != "evaluation" or other.stage != "synthesis":
        return False
    ranks = {added.rank for added in adding(params).values() if added.select == "top"}
    return len(ranks) > 1 and params.gans()[other.wildcards["seed"]] is None


def with_upstream(last: Iterable[Job], params: Params) -> list[Job]:
    """These jobs and all whose files they come from, near and far, each once."""
    found: dict[str, Job] = {}
    waiting = list(last)
    while waiting:
        job = waiting.pop()
        if job.name not in found:
            found[job.name] = job
            waiting += upstream(job, params)
    return list(found.values())


def tasks_before(task: Task, params: Params) -> list[Task]:
    """What must be done before a task begins.

    It waits for the numbers of all jobs before its own, near and far: a classifier also reads what the GAN
    behind its images was trained on. A notebook waits for its own numbers too, and the page for everything.
    """
    before = [job for job in with_upstream([task.job], params) if job.name != task.job.name]
    if task.job.stage == "report":
        return [each for job in before for each in tasks(job, params)]
    return [*map(Task, before), *([Task(task.job)] if task.notebook else [])]


def is_shown(job: Job, params: Params) -> bool:
    """Whether the page shows a job's executed notebook."""
    return any(job.notebook_file == file for _, file in shown_jobs(params))


def tasks(job: Job, params: Params) -> list[Task]:
    """The numbers of a job, and its notebook where the page shows it."""
    return [Task(job), *([Task(job, notebook=True)] if is_shown(job, params) else [])]


def job_parameters(job: Job, run: str) -> dict[str, Any]:
    """What papermill gives a job's notebook: the run, its parameter file, and the job's own values."""
    own = {"seed": "gan_seed"} if job.stage in ("gan", "synthesis") else {}
    given = {"run": run, "params_file": f"artifacts/{run}/params.json"}
    return given | {own.get(key, key): value for key, value in job.wildcards.items()}


def threads(stage: str, params: Params) -> int | None:
    """CPU threads that a stage's numbers are computed with; None where no number is fixed.

    A fixed number is part of the result.
    """
    gan, classifier = params.gan.threads, params.classifier.threads
    return {"gan": gan, "synthesis": gan, "trunk": classifier, "classifier": classifier}.get(stage)
