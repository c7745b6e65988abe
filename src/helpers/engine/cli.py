"""The front door: reads the command line, checks the parameters, hands the work to the engine, says where the report is."""

import argparse
import csv
import json
import os
import re
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from helpers.engine import preflight
from helpers.engine.process import run_lock
from helpers.engine.profiles import load_profile
from helpers.engine.runfile import RunFile, current_codes, damaged_preparation, data_fingerprint
from helpers.engine.seals import (
    Repair,
    damaged,
    order_times,
    remove_damaged_caches,
    require_whole_inputs,
    settle_times,
    take_back_times,
)
from helpers.engine.snakemake import Planned, command, execute, last_words, plan, targets
from helpers.engine.stages import STAGES, jobs, judge, outputs
from helpers.engine.view import View
from helpers.errors import UserError, printable
from helpers.files import atomic_path, remove_leftovers
from helpers.params import Params, load_params, read_mapping, validate
from helpers.paths import PARAMS, ROOT, RunPaths, as_typed
from helpers.report.words import duration

LITTLE_ROOM = 5e6  # bytes below which a disk counts as full
DESCRIPTION = """\
Makes the report: five notebooks, run by parameters, rendered into one HTML page.

  python run_all.py                                  the default: drawn lesions, about ten minutes
  python run_all.py --params params/laptop.yaml --data-root ~/HAM10000
  python run_all.py --dry-run                        what would run, and why
  python run_all.py --set gan.steps=500 --run longer a run of its own, with one value changed

The same command goes on where an interrupted run was, and does nothing where nothing changed.
"""
EPILOG = """\
Stages, in order: {stages}.
Files of a run: artifacts/<run>/; its page: reports/<run>/report.html.
Exit codes: 0 done, 1 a job failed, 2 a mistake in the command, the parameters or the data,
130 and 143 stopped by Ctrl-C or a signal.
"""


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one sentence with the way out, not by a page of usage."""

    def error(self, message: str) -> NoReturn:
        ways = (
            "a parameter file is named by --params FILE, a value by --set SECTION.KEY=VALUE; "
            if message.startswith("unrecognized")
            else ""
        )
        self.exit(2, printable(f"{self.prog}: error: {message}; {ways}--help shows every option.") + "\n")


def parser() -> argparse.ArgumentParser:
    """The command line's grammar and its help page."""
    stages = list(STAGES)
    page = _Parser(
        prog="run_all.py",
        description=DESCRIPTION,
        epilog=EPILOG.format(stages=", ".join(stages)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = page.add_argument_group("what to run")
    what.add_argument(
        "--params",
        metavar="FILE",
        default="params/quick.yaml",
        help="parameter file (default: params/quick.yaml; --list shows all)",
    )
    what.add_argument(
        "--run", metavar="NAME", help="name of the run's folders (default: the parameter file's stem)"
    )
    what.add_argument(
        "--set",
        metavar="SECTION.KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="override one parameter; repeatable",
    )
    what.add_argument(
        "--data-root",
        metavar="DIR",
        help="folder of HAM10000, in any of its layouts, or of your own images; zips may stay unopened",
    )
    part = page.add_argument_group("which part")
    part.add_argument("--until", metavar="STAGE", choices=stages, help="stop after this stage")
    part.add_argument(
        "--only", metavar="STAGE", choices=stages, help="run this stage alone, on what earlier ones wrote"
    )
    part.add_argument(
        "--force",
        metavar="STAGE",
        choices=stages,
        action="append",
        default=[],
        help="make this stage anew from the start, and what follows; repeatable",
    )
    part.add_argument(
        "--accept-code",
        metavar="STAGE",
        choices=stages,
        action="append",
        default=[],
        help="keep this stage's results over a change of code known to be harmless; the page says so",
    )
    how = page.add_argument_group("how")
    how.add_argument(
        "--cores",
        metavar="N",
        type=_positive,
        help=f"CPU cores to keep busy (default: all, here {os.cpu_count() or 1}; with a profile, what it says); results do not depend on it",
    )
    how.add_argument(
        "--profile",
        metavar="NAME",
        help="where the jobs run: a folder below profiles/ (slurm), or a path to one (docs/clusters.md)",
    )
    look = page.add_argument_group("only look")
    look.add_argument(
        "--dry-run", action="store_true", help="print the plan: each job, fresh or stale and why; run nothing"
    )
    look.add_argument(
        "--compare",
        metavar="RUN",
        nargs=2,
        help="render a page of two finished runs side by side; run nothing",
    )
    look.add_argument("--list", action="store_true", help="print the parameter files with one line each")
    return page


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise argparse.ArgumentTypeError(f"'{printable(text)}' is not a whole number of at least 1")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        if options.list:
            code = _list()
        elif options.compare:
            code = _compare(*options.compare)
        else:
            code = _make(options, sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return code
    except UserError as mistake:
        print(f"run_all.py: {mistake}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped by Ctrl-C. The same command goes on from here.", file=sys.stderr)
        return 130
    except _Terminated:
        print("\nStopped by a signal. The same command goes on from here.", file=sys.stderr)
        return 143
    except BrokenPipeError:  # who read what is printed has seen enough, as in '--list | head'
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(
            f"run_all.py: {error.strerror or error}{where}. Once that is mended, the same command goes on from here.",
            file=sys.stderr,
        )
        return 1


class _Terminated(BaseException):
    pass


def _terminated(*_: Any) -> None:
    raise _Terminated


def _list() -> int:
    for path in sorted(PARAMS.glob("*.yaml")):
        print(printable(f"{path.stem:<9} {read_mapping(path).get('description', '')}"))
    return 0


def _compare(first: str, second: str) -> int:
    from helpers.report.compare import render_comparison

    print(f"Comparison: {as_typed(render_comparison(first, second))}")
    return 0


def _parameter_file(text: str) -> Path:
    """The file that the user means: where they are, or in the project."""
    path, own = Path(text), ROOT / text
    if os.path.exists(path) or path.is_absolute():
        return path
    return own if os.path.exists(own) or (path.parent != Path() and os.path.isdir(own.parent)) else path


def _prepare(options: argparse.Namespace) -> tuple[RunPaths, Params]:
    """The run's folders and its parameters, in which the data's folders are absolute."""
    path = _parameter_file(options.params)
    # a folder is told already, for one's own images are no parameters without; its name comes below, as it may be no YAML
    told = [] if options.data_root is None else ["data.root=told"]
    params = load_params(path, [*options.overrides, *told])
    data = params.data.model_dump()
    if options.data_root is not None:
        data["root"] = options.data_root
    for name in ("root", "external_root"):
        if data[name]:
            data[name] = os.path.realpath(os.path.expanduser(data[name]))
    if options.data_root is not None and not (options.data_root and os.path.exists(data["root"])):
        raise UserError(f"--data-root: there is no folder {data['root'] or 'without a name'}.")
    params = validate(params.as_dict() | {"data": data}, path.name)
    if options.data_root is not None and params.data.source == "phantom":
        raise UserError(
            f"--data-root names photographs, and {path.name} draws its lesions: add --set data.source=ham10000 (or folder, for images of your own), or --params params/laptop.yaml."
        )
    if options.only and options.until:
        raise UserError("--only and --until contradict each other: give one of them.")
    if passed_over := [stage for stage in options.force if stage not in _stages(options)]:
        raise UserError(
            f"--force {passed_over[0]} asks for a stage that {'--only' if options.only else '--until'} leaves out: drop one of the two."
        )
    return RunPaths(path.stem if options.run is None else options.run), params


def _make(options: argparse.Namespace, words: list[str]) -> int:
    run, params = _prepare(options)
    options.profile = load_profile(options.profile)
    with run_lock(run.folder):
        told = {
            path: path.read_bytes() if path.exists() else None
            for path in (run.params, run.folder / "run.json", run.folder / "accepted.json")
        }
        if damaged_preparation(run):
            print("params.json or run.json is damaged; both are written anew.")
        codes, accepted = current_codes(run, params, options.accept_code)
        runfile = RunFile(
            run, params, codes, accepted, data_fingerprint(params), ["python", "run_all.py", *words]
        )
        preflight.check(runfile, _stages(options), elsewhere=options.profile.elsewhere)
        runfile.save()
        force = list(STAGES) if "eda" in options.force else options.force  # the images may be others now
        base = command(runfile, options.cores, force, options.profile, options.only)
        wanted = targets(runfile, options.until, options.only)
        if options.only:
            _require_inputs(runfile, options.only)
        settle_times(path for job in jobs(params) for path in outputs(job, run, params))
        order_times(run, params)
        planned, broken = _plan(runfile, base, wanted)
        if options.dry_run:
            _restore(told)  # a plan changes nothing
            return _show_plan(run, planned)
        # a full disk or a kill may have cost the engine its memory of a job, a copy the files' times: what is stale by its record is made in any case
        base = command(
            runfile, options.cores, [*force, *_changed_files(runfile, planned)], options.profile, options.only
        )
        return _run(runfile, base, wanted, planned, broken, options)


def _plan(
    runfile: RunFile, base: list[str], wanted: list[str]
) -> tuple[list[Planned], dict[str, list[Path]]]:
    """The engine's plan, in which jobs whose files are no longer what they wrote are stale too, and these files by job name."""
    planned = plan(runfile, base, wanted)
    broken = damaged(runfile.run, runfile.params, [item.job for item in planned if not item.stale])
    if broken:  # a damaged file that is new makes what reads it look stale, until its time is set back
        take_back_times(runfile.run, runfile.params, broken)
        planned = plan(runfile, base, wanted)
        broken = damaged(runfile.run, runfile.params, [item.job for item in planned if not item.stale])
    said = {}
    for name, paths in broken.items():
        names = f"{', '.join(path.name for path in paths[:2])}{f' and {len(paths) - 2} more' if len(paths) > 2 else ''}"
        said[name] = f"{names} {'is' if len(paths) == 1 else 'are'} damaged or changed by hand"
    return [replace(item, reason=item.reason or said.get(item.job.name, "")) for item in planned], broken


def _stages(options: argparse.Namespace) -> list[str]:
    """The stages that are asked for."""
    order = list(STAGES)
    return (
        [options.only]
        if options.only
        else order[: order.index(options.until) + 1]
        if options.until
        else order
    )


def _changed_files(runfile: RunFile, planned: list[Planned]) -> list[str]:
    """Files of the stale jobs whose parameters, code, data or inputs are not those that their record tells of."""
    changed = [item.job for item in planned if item.stale and item.changed]
    return [
        os.path.relpath(path, runfile.run.folder)
        for job in changed
        for path in outputs(job, runfile.run, runfile.params)
    ]


def _restore(files: dict[Path, bytes | None]) -> None:
    for path, content in files.items():
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content)


def _require_inputs(runfile: RunFile, only: str) -> None:
    before = list(STAGES)[: list(STAGES).index(only)]
    early = judge(runfile.params) if only == "synthesis" else None
    for job in jobs(runfile.params):
        missing = (
            [path for path in outputs(job, runfile.run, runfile.params) if not path.exists()]
            if job.stage in before or job == early
            else []
        )
        if missing:
            raise UserError(
                f"--only {only} reads {as_typed(missing[0])}, which does not exist yet: run the stage '{job.stage}' first (--until {job.stage})."
            )
    require_whole_inputs(
        runfile.run, runfile.params, [job for job in jobs(runfile.params) if job.stage == only]
    )


def _show_plan(run: RunPaths, planned: list[Planned]) -> int:
    print(f"Plan of the run '{run.run}' ({as_typed(run.folder)}); nothing is run.")
    for item in planned:
        print(
            printable(f"  {'stale' if item.stale else 'fresh'}  {item.job.title:<36} {item.reason}".rstrip())
        )
    stale = sum(item.stale for item in planned)
    print(
        f"{stale} of {len(planned)} jobs would run." if stale else "Nothing would run: everything is fresh."
    )
    return 0


def _run(
    runfile: RunFile,
    base: list[str],
    wanted: list[str],
    planned: list[Planned],
    broken: dict[str, list[Path]],
    options: argparse.Namespace,
) -> int:
    run = runfile.run
    stale = [item for item in planned if item.stale]
    if stale:
        _clear_the_way(run, planned, broken)
        where = (
            f"by the profile '{options.profile.name}'"
            if options.profile.elsewhere
            else f"on {options.cores or os.cpu_count()} cores"
        )
        print(
            f"Run '{run.run}': {len(stale)} of {len(planned)} jobs to do, {where}. Logs: {as_typed(run.logs)}",
            flush=True,
        )
        _forget_checkpoints(run, planned, options.force)
        with View(run, [item.job.name for item in stale]) as view:
            again = command(runfile, options.cores, [], options.profile, options.only)
            code = _mend(runfile, broken, options, view) if broken else 0
            if not code and any(item.job.name not in broken for item in stale):
                code = execute(base, wanted, run, options.profile, view.tick)
            # what stood behind a stale first stage, or behind a damaged file that came out otherwise, shows itself as stale only now
            hidden = broken or (not options.only and any(item.job.stage == "eda" for item in stale))
            while (
                not code
                and hidden
                and (more := [item for item in plan(runfile, again, wanted) if item.stale])
            ):
                view.follow([item.job.name for item in more])
                stale += [item for item in more if item.job.name not in {known.job.name for known in stale}]
                before = len(view.ended)
                code = execute(again, wanted, run, options.profile, view.tick)
                if len(view.ended) == before:
                    break
        failures = _failures(run, [item.job.name for item in stale])
        if failures or code:
            return _tell_failures(
                run, failures, [item for item in stale if view.ended.get(item.job.name) != "finished"]
            )
        print(f"Finished in {duration(time.monotonic() - view.start)}.")
    else:
        print(f"Run '{run.run}': nothing to do, every job is fresh.")
    if any(item.job.stage == "report" for item in planned):
        _say_result(runfile)
    return 0


def _clear_the_way(run: RunPaths, planned: list[Planned], broken: dict[str, list[Path]]) -> None:
    """Say what is damaged, take away what killed processes left, and see before hours of work that their results can be written."""
    for folder in (run.folder, run.report.parent):
        try:
            with atomic_path(folder / ".writable") as probe:
                probe.write_bytes(bytes(4096))
            (folder / ".writable").unlink()
        except OSError as error:
            raise UserError(
                f"{as_typed(folder)} cannot be written to ({error.strerror}): mend that, and the same command goes on from here."
            ) from None
        remove_leftovers(folder)
    for item in planned:
        if item.job.name in broken:
            print(f"{item.reason}: {item.job.title} is made anew.")
    for path in remove_damaged_caches(run):
        print(f"{as_typed(path)} is damaged: it is made anew when it is needed.")


def _mend(runfile: RunFile, broken: dict[str, list[Path]], options: argparse.Namespace, view: View) -> int:
    """Make damaged files anew; what comes out as it was costs nothing more. Returns the engine's exit code."""
    repair = Repair(runfile.run, runfile.params, broken)
    for files in repair.targets():
        if code := execute(
            command(runfile, options.cores, files, options.profile, options.only),
            files,
            runfile.run,
            options.profile,
            view.tick,
        ):
            return code
    repair.settle()
    return 0


def _forget_checkpoints(run: RunPaths, planned: list[Planned], force: list[str]) -> None:
    """A forced training starts over: its checkpoints are removed."""
    for item in planned:
        if item.job.stage in force and item.job.stage in ("gan", "classifier"):
            folder = (
                run.gan(item.job.wildcards["seed"])
                if item.job.stage == "gan"
                else run.classifier(**item.job.wildcards)
            )
            for checkpoint in folder.glob("checkpoint-*"):
                checkpoint.unlink()


def _failures(run: RunPaths, names: list[str]) -> list[dict[str, Any]]:
    found = []
    for name in names:
        path = run.logs / f"{name}.failure.json"
        if path.exists():
            found.append(json.loads(path.read_text(encoding="utf-8")))
    return found


def _tell_failures(run: RunPaths, failures: list[dict[str, Any]], unfinished: list[Planned]) -> int:
    for failure in failures:
        where = f", cell {failure['cell']}" if failure.get("cell") else ""
        print(
            f"\n{failure['title']} failed ({failure.get('notebook') or 'no notebook'}{where}):\n  {printable(failure['error'])}",
            file=sys.stderr,
        )
        print(f"  log:      {as_typed(Path(failure['log']))}", file=sys.stderr)
        if failure.get("half"):
            print(f"  notebook: {as_typed(Path(failure['half']))} (half executed)", file=sys.stderr)
    causes = _outer_causes(run, " ".join(failure["error"] for failure in failures))
    if not failures:
        names = ", ".join(item.job.title for item in unfinished[:3])
        print(
            f"\nThe engine ended before its time, while these were unfinished: {names or 'none'}.",
            file=sys.stderr,
        )
        if not causes:
            print("  " + "\n  ".join(map(printable, last_words(run))), file=sys.stderr)
            causes = [
                "Where nobody ended it, the system did, mostly for want of memory: fewer jobs at once (--cores) need less."
            ]
        print(f"  log:      {as_typed(run.logs / 'engine.log')}", file=sys.stderr)
    for sentence in causes:
        print(f"\n{sentence}", file=sys.stderr)
    print(
        "\nFinished jobs stay finished; once the cause is mended, the same command goes on from here.",
        file=sys.stderr,
    )
    return 2 if failures and all(failure["user"] for failure in failures) else 1


def _outer_causes(run: RunPaths, errors: str) -> list[str]:
    """What is wrong with the machine, not with the run: on a full disk a job cannot even leave its error behind."""
    told = []
    free = min(
        shutil.disk_usage(folder).free for folder in (run.folder, run.report.parent) if folder.exists()
    )
    if free < LITTLE_ROOM or "No space left" in errors:
        told.append(
            f"The disk of {as_typed(run.folder)} or of {as_typed(run.report.parent)} is full ({free / 1e6:.1f} MB are free): make room."
        )
    told += [
        f"{as_typed(folder)} cannot be written to any more."
        for folder in (run.folder, run.report.parent.parent)
        if folder.exists() and not os.access(folder, os.W_OK)
    ]
    if re.search(
        "MemoryError|bad_alloc|allocate memory|not enough memory|out of memory|failed to map segment", errors
    ):
        told.append(
            "Memory ran out: fewer jobs at once (--cores), a smaller batch or a smaller bank need less."
        )
    return told


def _say_result(runfile: RunFile) -> None:
    """Three headline numbers of each arm, and where the page is."""
    run, params = runfile.run, runfile.params
    with open(run.evaluation / "metrics.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {
        "accuracy": "accuracy",
        f"{params.data.target_class} recall": "target_recall",
        "macro precision": "macro_precision",
    }
    width = max(map(len, params.arms)) + 2
    print(f"\n{'':<{width}}" + "".join(f"{label:>17}" for label in columns))
    for arm in params.arms:
        means = [
            _mean([float(row[column]) for row in rows if row["arm"] == arm]) for column in columns.values()
        ]
        print(f"{arm:<{width}}" + "".join(f"{100 * mean:>16.1f}%" for mean in means))
    told = {"phantom": "drawn lesions, a demonstration", "ham10000": "HAM10000", "folder": "your own images"}[
        params.data.source
    ]
    print(
        f"({told}; mean of {params.replicates} {'replicate' if params.replicates == 1 else 'replicates'})\n\nReport: {as_typed(run.report)}"
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
