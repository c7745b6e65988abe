"""The front door: reads the command line and checks the parameters; ``start`` does the rest."""

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from helpers.cores import allowed_cores
from helpers.data.sources import SOURCES
from helpers.engine import reader_study, several_machines
from helpers.engine.plan import Share, stages_asked_for
from helpers.engine.stages import OF_ALL, STAGES
from helpers.engine.start import make
from helpers.engine.surroundings import absolute_folder, check_versions, write_any_sign
from helpers.errors import UserError, printable
from helpers.params import Params, load_params, read_mapping, validate
from helpers.params.reading import bare_name, find_file
from helpers.paths import PARAMS, RunPaths, as_typed

DESCRIPTION = """\
Makes the report: five notebooks, run by parameters, rendered into one HTML page.

  python run_all.py                                  the default: drawn lesions, about five minutes
  python run_all.py --params params/laptop.yaml --data-root ~/HAM10000
  python run_all.py --dry-run                        what would run, and why
  python run_all.py --set gan.steps=500 --run longer a run of its own, with one value changed

The same command goes on where an interrupted run was, and does nothing where nothing changed.
"""
EPILOG = """\
Stages, in order: {stages}.
Files of a run: artifacts/<run>/; its page: reports/<run>/report.html.
Exit codes: 0 done, 1 a job failed, 2 a mistake in the command, the parameters or the data,
130 and 143 stopped by Ctrl-C or a signal, 141 who read the output has gone.
"""

# options that say what a start makes and how
OF_A_START = (
    *("--dry-run", "--run", "--set", "--data-root", "--until", "--only", "--force"),
    *("--params", "--accept-code", "--profile", "--cores"),
)
OF_A_RUN = (*OF_A_START, "--replicates", "--arms")
USELESS = {  # the options that say nothing, beside what starts no run
    "--list": OF_A_RUN,
    "--compare": OF_A_RUN,
    "--reader-study": OF_A_RUN,
    "--pack": OF_A_START,
    "--unpack": OF_A_RUN,
}


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
    _add_what(page)
    _add_part(page, stages)
    _add_how(page)
    several_machines.add_options(page)
    reader_study.add_options(page, _whole_number)
    return page


def _add_what(page: argparse.ArgumentParser) -> None:
    """The options that say what to run."""
    what = page.add_argument_group("what to run")
    what.add_argument(
        "--params",
        metavar="FILE",
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


def _add_part(page: argparse.ArgumentParser, stages: list[str]) -> None:
    """The options that choose stages."""
    part = page.add_argument_group("which part")
    part.add_argument("--until", metavar="STAGE", choices=stages, help="stop after this stage")
    part.add_argument(
        "--only", metavar="STAGE", choices=stages, help="run this stage alone, on what earlier ones wrote"
    )
    part.add_argument(
        "--replicates",
        metavar="WHICH",
        type=_numbers,
        default=[],
        help="only the trainings of these replicates, such as 0-4 or 0,3, and what they read; "
        "a long run can so be made in parts",
    )
    part.add_argument(
        "--arms",
        metavar="WHICH",
        type=_names,
        default=[],
        help="only the trainings of these arms, such as baseline,filtered, and what they read",
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


def _add_how(page: argparse.ArgumentParser) -> None:
    """The options that say how to run, or only to look."""
    how = page.add_argument_group("how")
    how.add_argument(
        "--cores",
        metavar="N",
        type=_whole_number(1),
        help=f"CPU cores to keep busy (default: all that may be used, here {allowed_cores()}; "
        "with a profile, what it says); results do not depend on it",
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


def _whole_number(least: int) -> Callable[[str], int]:
    """A reader of an option's whole number of at least ``least``."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= least):
            raise argparse.ArgumentTypeError(f"'{printable(text)}' is not a whole number of at least {least}")
        return int(text)

    return number


def _numbers(text: str) -> list[int]:
    """Numbers and ranges of them, such as ``0-4`` or ``0,3,7-9``, each once and in order."""
    found: set[int] = set()
    for piece in text.split(","):
        match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", piece.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise argparse.ArgumentTypeError(
                f"'{printable(text)}' names no replicates: write numbers or ranges, such as 0-4 or 0,3"
            )
        found.update(range(first, last + 1))
    return sorted(found)


def _names(text: str) -> list[str]:
    """Names between commas."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"'{printable(text)}' names no arm: write names between commas")
    return names


def _refuse_useless(options: argparse.Namespace) -> None:
    """Raise UserError for two commands in one line, and for an option that one has no use for."""
    commands = [option for option in USELESS if _given(options, option)]
    if len(commands) > 1:
        raise UserError(f"{commands[0]} and {commands[1]} are two commands: give one of them at a time.")
    for asked, others in USELESS.items():
        useless = next((option for option in others if _given(options, option)), None)
        if useless and _given(options, asked):
            raise UserError(f"{useless} says nothing beside {asked}: leave it out.")


def _given(options: argparse.Namespace, option: str) -> Any:
    """What the command line says of an option."""
    return getattr(options, "overrides" if option == "--set" else option.strip("-").replace("-", "_"))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    write_any_sign()
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        _refuse_useless(options)
        packs, studies = several_machines.asked_for(options), reader_study.asked_for(options)
        if options.list:
            code = _list()
        elif options.compare:
            code = _compare(*options.compare)
        elif packs:
            code = several_machines.make(options)
        elif studies:
            code = reader_study.make(options)
        else:
            check_versions()
            run, params = _prepare(options)
            code = make(run, params, options, sys.argv[1:] if arguments is None else arguments)
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
            f"run_all.py: {error.strerror or error}{where}. "
            "Once that is mended, the same command goes on from here.",
            file=sys.stderr,
        )
        return 1


class _Terminated(BaseException):
    pass


def _terminated(*_: Any) -> None:
    raise _Terminated


def _list() -> int:
    files = sorted(PARAMS.glob("*.yaml"))
    width = max((len(path.stem) for path in files), default=0)
    for path in files:
        try:
            about = read_mapping(path).get("description", "")
        except UserError as mistake:  # of one file; the others are listed all the same
            about = str(mistake)
        print(printable(f"{path.stem:<{width}}  {about}"))
    return 0


def _compare(first: str, second: str) -> int:
    from helpers.report.page.compare import render_comparison

    print(f"Comparison: {as_typed(render_comparison(first, second))}")
    return 0


def _prepare(options: argparse.Namespace) -> tuple[RunPaths, Params]:
    """The run's folders and its parameters, in which the data's folders are absolute."""
    path = find_file("params/quick.yaml" if options.params is None else options.params)
    given = options.data_root
    # one's own images are no valid parameters without a folder; the folder's own name follows below, for it
    # may be no YAML
    placeholder = [] if given is None else ["data.root=given"]
    params = load_params(path, [*options.overrides, *placeholder])
    data = params.data.model_dump()
    if given is not None:
        data["root"] = given
    for name in ("root", "external_root"):
        if data[name]:
            what = "--data-root" if name == "root" and given is not None else f"data.{name}"
            data[name] = absolute_folder(what, data[name])
    if given is not None and not (given and os.path.exists(data["root"])):
        raise UserError(f"--data-root: there is no folder {data['root'] or 'without a name'}.")
    params = validate(params.as_dict() | {"data": data}, path.name)
    if data["root"] and not SOURCES.get(params.data.source).takes_folder:
        raise UserError(
            f"{'data.root' if given is None else '--data-root'} names photographs, and {path.name} draws its "
            "lesions: add --set data.source=ham10000 (or folder, for images of your own), or --params "
            "params/laptop.yaml."
        )
    _check_stages(options)
    _check_share(options, params)
    return RunPaths(bare_name(path) if options.run is None else options.run), params


def _check_stages(options: argparse.Namespace) -> None:
    """Raise UserError where the options for stages contradict each other."""
    if options.only and options.until:
        raise UserError("--only and --until contradict each other: give one of them.")
    asked_for = stages_asked_for(options.until, options.only)
    for stage in options.force:
        if stage not in asked_for:
            which = "--only" if options.only else "--until"
            raise UserError(f"--force {stage} asks for a stage that {which} leaves out: drop one of the two.")


def _check_share(options: argparse.Namespace, params: Params) -> None:
    """Raise UserError where a share of the trainings cannot be made, or meets a stage that needs all."""
    asked = Share.asked_for(options)
    asked.require(params)
    of_all = [options.until, options.only, *options.force] if asked else []
    for stage in OF_ALL:
        if stage in of_all:
            raise UserError(f"The {stage} needs all trainings: leave out {asked.options}.")
