"""One start of the front door: plan, let the engine make what is stale, say how it went."""

import argparse
import csv
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from helpers.cores import allowed_cores
from helpers.data.sources import SOURCES
from helpers.engine import preflight
from helpers.engine.by_hand import ask_before_throwing_away, refuse_a_mixture
from helpers.engine.cards import count_gpus
from helpers.engine.data import forget_fingerprints
from helpers.engine.failures import died, read_failures, tell_failures
from helpers.engine.keys import Keys
from helpers.engine.plan import Planned, Share, make_plan, stages_asked_for, with_upstream, words_of_changes
from helpers.engine.process import run_lock
from helpers.engine.profiles import load_profile
from helpers.engine.records import put_aside, read_record, remove_damaged_caches, require_whole_inputs
from helpers.engine.runfile import RunFile, accepted_code, damaged_preparation
from helpers.engine.snakemake import command, draw_map, execute
from helpers.engine.stages import STAGES, Job, Task, own_folder, tasks, threads, upstream
from helpers.engine.unpacking import ask_before_losing
from helpers.engine.view import View
from helpers.errors import UserError, printable
from helpers.files import atomic_path, remove_leftovers
from helpers.params import Params
from helpers.paths import RunPaths, as_typed
from helpers.report.names import text_width
from helpers.report.words import counted, duration

MOST_ROUNDS = 4  # of one start; more than one are needed only where files change while it runs


def make(run: RunPaths, params: Params, options: argparse.Namespace, words: list[str]) -> int:
    """Do what the command line asks for, and return the exit code.

    With ``--dry-run`` only say what would be done.
    """
    options.profile = load_profile(options.profile)
    if options.dry_run:
        return _show_plan(run, params, _prepared(run, params, options, words)[1])
    with run_lock(run.folder):
        if damaged_preparation(run):
            print("params.json or run.json is damaged; both are written anew.")
        runfile, planned = _prepared(run, params, options, words)
        doomed = [item.job for item in planned if item.numbers and not item.forced]
        keys = Keys(run, params, runfile.accepted)
        ask_before_throwing_away(run, doomed, keys)
        ask_before_losing(run, planned, keys)
        preflight.fetch_weights(params, {item.job.stage for item in planned if item.numbers})
        runfile.save()
        return _run(runfile, planned, options)


def _prepared(
    run: RunPaths, params: Params, options: argparse.Namespace, words: list[str]
) -> tuple[RunFile, list[Planned]]:
    """What the jobs are told, and the plan.

    Writes nothing; raises UserError for what would stop a job later.
    """
    runfile = RunFile(
        run, params, accepted_code(run, params, options.accept_code), ["python", "run_all.py", *words]
    )
    planned = _plan(runfile, options)
    there = {item.job.stage for item in planned}
    for stage in [options.only] if options.only else options.force:
        if stage not in there:
            raise UserError(_why_no_job(stage, params))
    if anew := {item.job.name for item in planned if item.numbers} & runfile.accepted.keys():
        # made anew, a result is of the present code and no longer one that is kept over a change of it
        runfile = replace(
            runfile, accepted={name: kept for name, kept in runfile.accepted.items() if name not in anew}
        )
        planned = _plan(runfile, options)
    stages = stages_asked_for(options.until, options.only)
    verified = any(item.job.stage == "eda" and not item.numbers for item in planned)
    preflight.check(run, params, stages, verified, elsewhere=options.profile.elsewhere)
    if options.only:
        _require_inputs(runfile, options.only, planned)
    return runfile, planned


def _why_no_job(stage: str, params: Params) -> str:
    """Why the run, or the trainings that were asked for, have no job of a stage."""
    if stage == "trunk" and not params.trunks():
        return (
            "The run has no 'trunk': classifier.adapt.epochs is 0, so that no trunk is adapted; "
            "set it to the epochs of fine-tuning."
        )
    if stage == "gan" and not params.trains_gan:
        return "The run has no 'gan': synthesis.folder gives its synthetic images, so that no GAN is trained."
    return f"No job of the stage '{stage}' is needed for these trainings: leave out --replicates and --arms."


def _plan(runfile: RunFile, options: argparse.Namespace, force: bool = True) -> list[Planned]:
    forced = options.force if force else ()
    wanted = (options.until, options.only, forced, Share.asked_for(options))
    return make_plan(runfile.run, runfile.params, runfile.accepted, *wanted)


def _require_inputs(runfile: RunFile, only: str, planned: Sequence[Planned]) -> None:
    """Raise UserError where what ``--only`` reads has not been made, is damaged, or has other parameters."""
    keys = Keys(runfile.run, runfile.params, runfile.accepted)
    wanted = [item.job for item in planned]
    for job in wanted:
        refuse_a_mixture(runfile.run, upstream(job, runfile.params), keys)
    _refuse_other_parameters(only, wanted, keys)
    for item in planned:
        job = item.job
        for other in upstream(job, runfile.params):
            if other.stage != only and read_record(runfile.run, other) is None:
                raise UserError(
                    f"--only {only} reads what {other.title} writes, and that is not finished: "
                    f"run the stage '{other.stage}' first (--until {other.stage})."
                )
        require_whole_inputs(runfile.run, runfile.params, job, shown_only=not item.numbers)


def _refuse_other_parameters(only: str, jobs: Iterable[Job], keys: Keys) -> None:
    """Raise UserError where something that the jobs' results come from, near or far, has other parameters."""
    for other in reversed(with_upstream(jobs, keys.params)):  # the first that was made so is told
        record, _ = keys.records(other)
        changed = words_of_changes(record["parts"], keys.parts(other)) if record else ""
        if changed and other.stage != only:
            raise UserError(
                f"--only {only} would show under this command's parameters what {other.title} made with "
                f"others ({changed}): leave out --only, or give the parameters that it was made with."
            )


def _show_plan(run: RunPaths, params: Params, planned: list[Planned]) -> int:
    print(f"Plan of the run '{run.run}' ({as_typed(run.folder)}); nothing is run.")
    for item in planned:
        line = f"  {'stale' if item.stale else 'fresh'}  {item.job.title:<36} {item.reason}"
        print(printable(line.rstrip()))
    stale = sum(item.stale for item in planned)
    print(
        f"{stale} of {len(planned)} jobs would run." if stale else "Nothing would run: everything is fresh."
    )
    if wanted := preflight.downloads(params, {item.job.stage for item in planned if item.numbers}):
        print(f"What is not at hand yet is downloaded first: {', and '.join(wanted)}.")
    return 0


def _run(runfile: RunFile, planned: list[Planned], options: argparse.Namespace) -> int:
    run, params = runfile.run, runfile.params
    to_do = _to_do(planned, params)
    if not to_do:
        print(f"Run '{run.run}': nothing to do, every job is fresh.")
    else:
        _clear_the_way(runfile, planned, options.force)
        every = sum(len(tasks(item.job, params)) for item in planned)
        where = f"on {options.cores or allowed_cores()} cores"
        if options.profile.elsewhere:
            where = f"by the profile '{options.profile.name}'"
        print(
            f"Run '{run.run}': {len(to_do)} of {every} jobs and notebooks to do, {where}. "
            f"Logs: {as_typed(run.logs)}",
            flush=True,
        )
        slots = None if options.profile.elsewhere else jobs_at_once(params, options.cores)
        with View(run, params, to_do, slots) as view:
            code = _make_stale(runfile, planned, options, view)
        failures = read_failures(run, list(view.tasks))
        if code > 0 and not failures and not options.profile.elsewhere:
            # the engine went on to its own end, and left behind what had begun and never ended
            silent = view.began.keys() - view.ended.keys()
            failures = [died(run, view.tasks[name]) for name in silent]
        if failures or code:
            followed = view.tasks.items()
            unfinished = [task.title for name, task in followed if view.ended.get(name) != "finished"]
            return tell_failures(run, failures, unfinished)
        print(f"Finished in {duration(time.monotonic() - view.start)}.")
    if any(item.job.stage == "report" for item in planned):
        _say_result(runfile)
    elif (asked := Share.asked_for(options).options) and not options.until and not options.only:
        print(f"The evaluation and the page need all trainings: leave out {asked} to make them.")
    return 0


def jobs_at_once(params: Params, cores: int | None) -> int:
    """Trainings that run at once on this machine, or on ``cores`` of it; at least one.

    On graphics cards each training holds one.
    """
    widest = max(threads(stage, params) or 1 for stage in STAGES)
    fitting = max(1, (cores or allowed_cores()) // widest)
    cards = count_gpus() if params.compute.device != "cpu" else 0
    return min(fitting, cards) if cards else fitting


def _make_stale(runfile: RunFile, planned: list[Planned], options: argparse.Namespace, view: View) -> int:
    """Let the engine make what is stale, until nothing is; returns its exit code.

    A second round is rare: a damaged file that was made anew and came out otherwise, as a graphics card may
    do it. Raises UserError where a job does not stay fresh, however often it is made.
    """
    to_do = _to_do(planned, runfile.params)
    rounds = 0
    while to_do:
        if (rounds := rounds + 1) > MOST_ROUNDS:
            raise UserError(_never_fresh(planned))
        words = command(runfile, options.cores, options.profile, options.only)
        draw_map(runfile, to_do)
        if code := execute(words, to_do, runfile.run, options.profile, view.tick):
            return code
        if not any(task.name in view.ended for task in to_do):  # nothing was made, nor would be next time
            break
        forget_fingerprints()
        planned = _plan(runfile, options, force=False)
        to_do = _to_do(planned, runfile.params)
        view.follow(to_do)
    return 0


def _never_fresh(planned: Iterable[Planned]) -> str:
    """What to say of jobs that were made again and again and are still to be made."""
    item = next(item for item in planned if item.stale)
    return (
        f"{item.job.title} was made {MOST_ROUNDS} times by this start and is to be made again "
        f"({item.reason}). Does something else change or remove its files while the run goes on? "
        "Stop that, and start again."
    )


def _to_do(planned: list[Planned], params: Params) -> list[Task]:
    """What the engine is to start, in the order of the plan."""
    return [task for item in planned for task in item.tasks(params)]


def _clear_the_way(runfile: RunFile, planned: list[Planned], forced: list[str]) -> None:
    """Before hours of work: see that results can be written, take away leftovers, and say what is damaged."""
    run = runfile.run
    for folder in (run.folder, run.report.parent):
        _require_writable(folder)
        remove_leftovers(folder)
    for item in planned:
        if item.damaged:
            print(f"{item.reason}: {item.job.title} is made anew.")
        if item.forced:
            put_aside(run, item.job)
    forget_checkpoints(run, [item.job for item in planned if item.job.stage in forced])
    for path in remove_damaged_caches(run):
        print(f"{as_typed(path)} is damaged: it is made anew when it is needed.")


def _require_writable(folder: Path) -> None:
    try:
        with atomic_path(folder / ".writable") as probe:
            probe.write_bytes(bytes(4096))
        (folder / ".writable").unlink()
    except OSError as error:
        raise UserError(
            f"{as_typed(folder)} cannot be written to ({error.strerror}): "
            "mend that, and the same command goes on from here."
        ) from None


def forget_checkpoints(run: RunPaths, forced: Iterable[Job]) -> None:
    """Let each training among these jobs start from its beginning."""
    for job in forced:
        if job.stage in ("gan", "trunk", "classifier"):
            for checkpoint in own_folder(job, run).rglob("checkpoint-*"):
                checkpoint.unlink()


def _say_result(runfile: RunFile) -> None:
    """Headline numbers of each arm, and where the page is."""
    run, params = runfile.run, runfile.params
    rows, others = _rows(run.evaluation / "metrics.csv"), params.classes_beside_target
    columns = {
        "accuracy": (rows, "accuracy"),
        f"{params.data.target_class} recall": (rows, "target_recall"),
        "macro precision": (rows, "macro_precision"),
    }
    by_class = _rows(run.evaluation / "per_class.csv") if others else []
    for name in others:
        columns[f"{name} recall"] = ([row for row in by_class if row["class"] == name], "recall")
    width = max(map(len, params.arms)) + 2
    heads = "".join(" " * max(2, 17 - text_width(label)) + label for label in columns)
    print(f"\n{'':<{width}}{heads}")
    for arm in params.arms:
        means = [
            _mean([float(row[column]) for row in table if row["arm"] == arm and row[column]])
            for table, column in columns.values()
        ]
        print(f"{arm:<{width}}" + "".join(f"{100 * mean:>16.1f}%" for mean in means))
    told = SOURCES.get(params.data.source).short_phrase
    print(f"({told}; mean of {counted(params.replicates, 'replicate')})\n\nReport: {as_typed(run.report)}")


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
