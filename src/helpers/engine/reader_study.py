"""The part of the command line that makes a reader study of a finished run."""

import argparse
from collections.abc import Callable

from helpers.errors import UserError
from helpers.paths import RunPaths, as_typed

OPTIONS = {"--images": "images", "--from": "synthetic", "--draw": "seed"}  # and their fields of a Draw


def add_options(page: argparse.ArgumentParser, whole_number: Callable[[int], Callable[[str], int]]) -> None:
    """``--reader-study RUN`` and what belongs to it; ``whole_number(0)`` reads numbers from 0 on."""
    study = page.add_argument_group("a reader study (docs/reader-study.md)")
    study.add_argument(
        "--reader-study",
        metavar="RUN",
        help="write a page by which people judge real and synthetic images of a finished run",
    )
    study.add_argument(
        "--images",
        metavar="N",
        type=whole_number(1),
        help="how many, half of them real and half synthetic (default: 60)",
    )
    study.add_argument(
        "--from",
        dest="synthetic",
        choices=("top", "all"),
        help="take synthetic ones that the filter kept, or any (default: top)",
    )
    study.add_argument(
        "--draw",
        dest="seed",
        metavar="SEED",
        type=whole_number(0),
        help="seed of the draw of images (default: 0)",
    )


def asked_for(options: argparse.Namespace) -> bool:
    """Whether a reader study is asked for. Raises UserError where only what belongs to it was given."""
    given = [option for option, name in OPTIONS.items() if getattr(options, name) is not None]
    if given and options.reader_study is None:
        raise UserError(f"{given[0]} belongs to a reader study: give --reader-study RUN with it.")
    return options.reader_study is not None


def make(options: argparse.Namespace) -> int:
    """Make the study and say where its files are; the exit code."""
    from helpers.readers.study import Draw, make_study

    run = RunPaths(options.reader_study)
    given = {name: getattr(options, name) for name in OPTIONS.values()}
    made = make_study(run, Draw(**{name: value for name, value in given.items() if value is not None}))
    print(made.sentence)
    print(f"For the readers: {as_typed(made.page)}")
    print(f"The key, not for them: {as_typed(made.key)}")
    print(
        f"Put the files that they save into {as_typed(run.reader_answers)}: "
        "the next start of the run shows what they could tell, in notebook 05 and on the page."
    )
    return 0
