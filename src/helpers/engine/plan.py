"""What a start of the front door would do: every job, fresh or stale and why. Nothing here writes.

A job is stale where its record bears another key, or where a sealed file is missing or damaged; what is shown
of it, where that is true of the record of its executed notebook. Nothing else counts, least of all the times
of files.
"""

import argparse
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.data.wording import shown
from helpers.engine.by_hand import SHOW_ONLY_VARIABLE, leave_note
from helpers.engine.keys import Keys
from helpers.engine.process import refuse_beside_a_start
from helpers.engine.records import elsewhere, faults, here, name_in_run, read_sealed, record_path, view_path
from helpers.engine.runfile import Accepted
from helpers.engine.stages import (
    MOST,
    STAGES,
    Job,
    Task,
    is_shown,
    jobs,
    judge,
    outputs,
    reads_large_files,
    tasks,
    upstream,
    with_upstream,
)
from helpers.errors import MissingStageError, UserError
from helpers.params import Params, changed_values
from helpers.paths import RunPaths


@dataclass(frozen=True)
class Planned:
    """A job and why it would run; no reason where it is fresh."""

    job: Job
    reason: str = ""
    numbers: bool = False  # whether its numbers are made anew, and not only what is shown of them
    damaged: tuple[Path, ...] = ()
    forced: bool = False  # by --force, or behind what is forced

    @property
    def stale(self) -> bool:
        return bool(self.reason)

    def tasks(self, params: Params) -> list[Task]:
        """What the engine is to start for it: the notebook of numbers that are made anew too."""
        return [task for task in tasks(self.job, params) if self.stale and (self.numbers or task.notebook)]


def stages_asked_for(until: str | None = None, only: str | None = None) -> list[str]:
    """The stages up to ``until``, or ``only`` one, or all."""
    order = list(STAGES)
    return [only] if only else order[: order.index(until) + 1] if until else order


@dataclass(frozen=True)
class Share:
    """The trainings of the classifier that are asked for: of these replicates and arms, if any are named."""

    replicates: tuple[int, ...] = ()
    arms: tuple[str, ...] = ()

    @classmethod
    def asked_for(cls, options: argparse.Namespace) -> "Share":
        """The one that a command line names."""
        return cls(tuple(options.replicates), tuple(options.arms))

    def __bool__(self) -> bool:
        return bool(self.replicates or self.arms)

    @property
    def options(self) -> str:
        """The options that name it."""
        named = {"--replicates": self.replicates, "--arms": self.arms}
        return " and ".join(name for name, values in named.items() if values)

    def holds(self, job: Job) -> bool:
        """Whether a job is a training of it."""
        arm, replicate = job.wildcards.get("arm"), job.wildcards.get("replicate")
        named = (not self.replicates or replicate in self.replicates) and (not self.arms or arm in self.arms)
        return job.stage == "classifier" and named

    def require(self, params: Params) -> None:
        """Raise UserError where it names a replicate or an arm that the run does not have."""
        if unknown := [number for number in self.replicates if number >= params.replicates]:
            raise UserError(
                f"--replicates: there is no replicate {unknown[0]}; the run has {params.replicates}, from 0 "
                "on."
            )
        for arm in self.arms:
            params.identical_arms_before(arm)  # it knows the arms


EVERY_TRAINING = Share()


def wanted_jobs(
    params: Params, until: str | None = None, only: str | None = None, share: Share = EVERY_TRAINING
) -> list[Job]:
    """The jobs that are to be fresh in the end.

    Where the run goes up to the synthesis, they include the classifiers that judge its images. Where only a
    ``share`` of the trainings is asked for, they are these and what they read: neither the evaluation nor the
    page, which need all.
    """
    stages = stages_asked_for(until, only)
    early = [judge(params, seed) for seed in params.gan.seeds] if until == "synthesis" else []
    wanted = [job for job in jobs(params) if job.stage in stages or job in early]
    if not share:
        return wanted
    trainings = [job for job in jobs(params) if share.holds(job)]
    needed = {job.name for job in with_upstream(trainings, params)}
    return [job for job in wanted if job.name in needed]


def make_plan(
    run: RunPaths,
    params: Params,
    accepted: Accepted,
    until: str | None = None,
    only: str | None = None,
    force: Collection[str] = (),
    share: Share = EVERY_TRAINING,
) -> list[Planned]:
    """Every wanted job in the order of the stages.

    The stages in ``force`` are made anew in any case, and so is what follows them.
    """
    recorded = [stage for stage in STAGES if stage != only] if only else ()
    keys = Keys(run, params, accepted, recorded)
    wanted = wanted_jobs(params, until, only, share)
    broken = _broken(run, keys, wanted)
    planned: dict[str, Planned] = {}
    for job in wanted:
        before = [planned[other.name] for other in upstream(job, params) if other.name in planned]
        if job.stage in force:
            item = Planned(job, "forced", True, forced=True)
        elif any(each.forced for each in before) or (
            job.stage == "report" and any(each.stale for each in before)
        ):
            item = Planned(
                job, "an earlier stage is made anew", True, forced=any(each.forced for each in before)
            )
        else:
            item = _judged(job, keys, broken.get(job.name, []))
        if not item.stale and is_shown(job, params):
            item = _view_judged(job, keys, broken.get(f"{job.name} view", []))
        planned[job.name] = item
    _fetch(planned, keys)
    return list(planned.values())


def _fetch(planned: dict[str, Planned], keys: Keys) -> None:
    """Plan anew the jobs with files that stayed elsewhere, where a job that is to be made reads them."""
    waiting = [item.job for item in planned.values() if item.numbers]
    while waiting:
        job = waiting.pop()
        for other in upstream(job, keys.params):
            item = planned.get(other.name)
            if item is None or item.numbers or not reads_large_files(job, other, keys.params):
                continue
            if elsewhere(keys.run, keys.records(other)[0]):
                why = f"its files stayed on another machine, and {job.title} reads them"
                planned[other.name] = Planned(other, why, True)
                waiting.append(other)


def is_finished(run: RunPaths, params: Params, stage: str, **wildcards: Any) -> bool:
    """Whether a job's numbers are there, whole and up to date.

    They are up to date where these parameters, this code, these data and the present results before the job
    made them.

    A job asks this before it computes, and a notebook before it reads. One in JupyterLab leaves a note and
    then computes what is not finished (``by_hand``). It is the question of a start of the front door, and is
    answered by the same key. Raises MissingStageError in a notebook that the engine executes: it shows
    finished numbers alone, and they became stale while it ran.
    """
    from helpers.engine.runfile import accepted_code

    job = Job(stage, wildcards)
    keys = Keys(run, params, accepted_code(run, params, []), recorded=list(STAGES))
    if has_numbers(keys, job, shown_only=True):
        return True
    if os.environ.get(SHOW_ONLY_VARIABLE):
        raise MissingStageError(
            f"The numbers of {job.title} became stale while their notebook was executed, as when code or a "
            "file is edited meanwhile: the same command makes them anew."
        )
    refuse_beside_a_start(run.folder)
    leave_note(run, job, keys)
    return False


def has_numbers(keys: Keys, job: Job, shown_only: bool = False) -> bool:
    """Whether a job's numbers are there, whole and of its present key.

    What is only shown of them does without files that stayed on another machine; who computes needs them.
    """
    record, _ = keys.records(job)
    if not record or record["key"] != keys.key(job) or not _is_of_this_run(record, job, keys):
        return False
    return not faults(keys.run, {job.name: here(keys.run, record) if shown_only else record})


def _is_of_this_run(record: dict[str, Any], job: Job, keys: Keys) -> bool:
    """Whether a record is of this run's files; that of a copied run is of the other run's page."""
    own = {name_in_run(path, keys.run) for path in outputs(job, keys.run, keys.params)}
    return own <= set(record["files"])


def _broken(run: RunPaths, keys: Keys, wanted: Iterable[Job]) -> dict[str, list[tuple[Path, bool]]]:
    """By job name (or that and 'view') the files that are missing or not what their record says."""
    told: dict[str, dict[str, Any]] = {}
    for job in wanted:
        record, view = keys.records(job)
        told |= {job.name: here(run, record)} if record else {}
        told |= {f"{job.name} view": view} if view and is_shown(job, keys.params) else {}
    return faults(run, told)


def _judged(job: Job, keys: Keys, broken: list[tuple[Path, bool]]) -> Planned:
    """A job by its record of numbers."""
    record, _ = keys.records(job)
    if not record:
        place = record_path(keys.run, job)
        if not place.exists():
            return Planned(job, "not made yet", True)
        if read_sealed(place):
            return Planned(job, "made by an earlier version of this project", True)
        return Planned(job, f"{place.name} is damaged or changed by hand", True, (place,))
    if record["key"] != keys.key(job):
        return Planned(job, _what_changed(record, keys.parts(job), job), True)
    if broken:
        return Planned(
            job, _what_is_broken(broken), True, tuple(path for path, missing in broken if not missing)
        )
    if not _is_of_this_run(record, job, keys):
        return Planned(job, "its record is of other files, as in a copied run", True)
    return Planned(job)


def _view_judged(job: Job, keys: Keys, broken: list[tuple[Path, bool]]) -> Planned:
    """A job whose numbers are fresh, by its record of what is shown."""
    _, view = keys.records(job)
    if not view:
        place = view_path(keys.run, job)
        why = f"{place.name} is damaged" if place.exists() else "its notebook was not executed yet"
        return Planned(job, f"shown anew: {why}")
    if view["key"] != keys.view(job):
        return Planned(job, f"shown anew: {_view_changed(view, keys.view_parts(job))}")
    return Planned(job, f"shown anew: {_what_is_broken(broken)}") if broken else Planned(job)


def _view_changed(view: dict[str, Any], now: dict[str, Any]) -> str:
    """The first of the parts of a view's key that differs, in words."""
    if changed := _changed_files(view, now) or words_of_changes(view, now):
        return changed
    if view.get("elsewhere") != now.get("elsewhere"):
        return "its images came or went"
    then, read = view.get("read", {}), now.get("read", {})
    names = [name for name in dict.fromkeys((*read, *then)) if read.get(name) != then.get(name)]
    return f"what readers answered changed: {shown(names, MOST)}" if names else "its numbers changed"


def _what_is_broken(broken: list[tuple[Path, bool]]) -> str:
    """The files that are missing or damaged, in words."""
    names = shown([path.name for path, _ in broken], 2)
    if all(missing for _, missing in broken):
        return f"missing: {names}"
    return f"{names} {'is' if len(broken) == 1 else 'are'} damaged or changed by hand"


def _what_changed(record: dict[str, Any], now: dict[str, Any], job: Job) -> str:
    """The first of the parts of a key that differs, in words."""
    then = record["parts"]
    if values := words_of_changes(then, now):
        return f"parameters changed: {values}"
    if files := _changed_files(then, now):
        return f"its code changed: {files}"
    if then["data"] != now["data"]:
        return "the data changed" if job.stage == "eda" else "a file that its parameters name changed"
    return "an earlier stage is made anew"


def words_of_changes(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs in the parameters of two keys' parts, as ``gan.steps 400 -> 500``; empty if nothing."""
    changed = changed_values(then["parameters"], now["parameters"])
    return shown([f"{key} {before} -> {after}" for key, before, after in changed], MOST)


def _changed_files(then: dict[str, Any], now: dict[str, Any]) -> str:
    a, b = then["code"], now["code"]
    return shown([name for name in dict.fromkeys((*b, *a)) if a.get(name) != b.get(name)], MOST)
