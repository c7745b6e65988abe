"""The part of the command line that takes the finished jobs of a run from one machine to another."""

import argparse
import os
from pathlib import Path

from helpers.data.wording import shown
from helpers.engine.packing import pack
from helpers.engine.plan import Share
from helpers.engine.stages import MOST
from helpers.engine.unpacking import Unpacked, unpack
from helpers.errors import UserError
from helpers.paths import RunPaths, as_typed
from helpers.report.words import counted


def add_options(page: argparse.ArgumentParser) -> None:
    """``--pack RUN``, ``--to FILE`` and ``--unpack FILE``."""
    parts = page.add_argument_group("one run on several machines (docs/clusters.md)")
    parts.add_argument(
        "--pack",
        metavar="RUN",
        help="write a run's finished jobs, or those of --replicates and --arms, into one small file, "
        "without networks and images",
    )
    parts.add_argument("--to", metavar="FILE", help="the file that --pack writes (default: RUN.tar.xz)")
    parts.add_argument(
        "--unpack",
        metavar="FILE",
        nargs="+",
        help="put the jobs of such files beside those that are finished here",
    )


def asked_for(options: argparse.Namespace) -> bool:
    """Whether packing or unpacking is asked for. Raises UserError for options that do not go together."""
    if options.to is not None and options.pack is None:
        raise UserError("--to names the file that --pack writes: give --pack RUN with it.")
    return options.pack is not None or options.unpack is not None


def make(options: argparse.Namespace) -> int:
    """Pack or unpack, and say what was done; the exit code."""
    if options.unpack is not None:
        commands = {}
        for file in options.unpack:
            found = unpack(Path(file))
            _say_unpacked(found)
            commands[found.run.run] = found.command
        for run, command in commands.items():
            print(
                f"The command that made '{run}' goes on from here, with your folders: {command}"
                if command
                else f"The command that made '{run}', with its --params and --set, goes on from here."
            )
        print("With --dry-run it shows what is left.")
        return 0
    target = Path(os.path.expanduser(options.to or f"{options.pack}.tar.xz"))
    if not target.parent.is_dir():
        raise UserError(
            f"--to: there is no folder {as_typed(target.parent)}: make it first, or name another."
        )
    packed = pack(RunPaths(options.pack), target, Share.asked_for(options))
    print(
        f"{as_typed(target)}: {counted(len(packed.jobs), 'finished job')}, "
        f"{target.stat().st_size / 1e6:.1f} MB. Networks, images and the predictions of trunks, "
        f"{packed.left_out / 1e6:,.0f} MB, are not in it."
    )
    if packed.unfinished:
        print(f"Not finished, and not in it: {shown([job.title for job in packed.unfinished], MOST)}.")
    return 0


def _say_unpacked(found: Unpacked) -> None:
    jobs = counted(len(found.taken), "finished job")
    print(f"Run '{found.run.run}': {jobs} put into {as_typed(found.run.folder)}.")
    if found.kept:
        print(f"Finished here already, and left as they are: {shown(found.kept, MOST)}.")
    if found.other:
        print(
            f"In the file they have other parameters, code or data: {shown(found.other, MOST)}. To take "
            f"those of the file, remove their records (*.record.json) from {as_typed(found.run.logs)} first."
        )
