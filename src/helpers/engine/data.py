"""What a run reads from outside: the data's folder, files that its parameters name, readers' answers."""

import hashlib
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

from helpers.data.archives import IGNORED, UNREAD_ENDINGS, FileTree
from helpers.data.sources import SOURCES
from helpers.engine.stages import Job
from helpers.errors import DataError, ParameterError
from helpers.files import digest, file_digest
from helpers.params import Params, comparable_values, load_params
from helpers.paths import RunPaths, from_project


def data_fingerprint(job: Job, params: Params) -> str | dict[str, str]:
    """Of the first stage the data's folder, of any other the files that its parameters name for it."""
    return _folder_fingerprint(params) if job.stage == "eda" else _named_files(job, params)


def view_files(run: RunPaths, job: Job) -> dict[str, dict[str, str]]:
    """Digests of the files that a job's notebook shows and no number depends on, under ``read``.

    They are what readers answered in a reader study, and where they did the keys of studies and what a
    program answered. A part of the view's key of the one stage that shows them; nothing for the others.
    """
    if job.stage != "evaluation":
        return {}
    answers = sorted(run.reader_answers.glob("*.json"))
    files = [*answers, *sorted(run.readers.glob("*.json"))] if answers else []
    return {"read": {file.relative_to(run.readers).as_posix(): _digest(file) for file in files}}


def _digest(file: Path) -> str:
    """Of a file's content; empty where it cannot be read, which the notebook says."""
    try:
        return file_digest(file)
    except OSError:
        return ""


def _folder_fingerprint(params: Params) -> str:
    """Fingerprint of the data's folder; a constant for drawn and fetched data."""
    root = SOURCES.get(params.data.source).folder(params.data)
    return (
        params.data.source if root is None else _listing(root, IGNORED, tuple(params.data.columns.values()))
    )


def _named_files(job: Job, params: Params) -> dict[str, str]:
    """Fingerprints of weights to start from, folders of synthetic images, external test set and protocol."""
    arm = params.arms.get(job.wildcards.get("arm", ""))
    named: dict[str, str | None] = {}
    if job.stage == "gan":
        named["gan.initial_weights"] = params.gan.initial_weights
    if job.stage == "synthesis":
        named["synthesis.feature_weights"] = params.synthesis.feature_weights
    if arm or job.stage in ("trunk", "synthesis"):
        weights = params.classifier.weights
        named["classifier.weights"] = weights if weights not in ("imagenet", "none") else None
    if arm:
        named["synthetic.folder"] = arm.synthetic.folder if arm.synthetic else None
    found = {
        key: _content(from_project(value), images=key == "synthetic.folder")
        for key, value in named.items()
        if value
    }
    if job.stage == "report" and params.report.protocol is not None:
        found |= _protocol(params.report.protocol)
    if job.stage == "synthesis" and params.synthesis.folder is not None:
        from helpers.data.given_images import folder_digest

        found["synthesis.folder"] = folder_digest(from_project(params.synthesis.folder))
    if arm and params.data.external_root is not None:
        from helpers.data.external import HIDDEN

        found["data.external_root"] = _listing(from_project(params.data.external_root), HIDDEN)
    return found


def _protocol(planned: str) -> dict[str, str]:
    """Of the text of the protocol, and of the parameters that it fixes: the page tells both."""
    from helpers.report.page.protocol import PROTOCOL

    try:
        fixed = digest(comparable_values(load_params(planned)))
    except ParameterError:  # a start says so before it begins
        fixed = ""
    return {"report.protocol": fixed, PROTOCOL.name: _digest(PROTOCOL)}


def forget_fingerprints() -> None:
    """Read named files and folders anew: they may change while a start goes on."""
    from helpers.data.given_images import folder_digest

    for fingerprint in (_content, _listing, folder_digest):
        fingerprint.cache_clear()


@cache
def _content(path: Path, images: bool) -> str:
    """Content of a file, or names and content of a folder's files, or of its ``images`` alone.

    Empty where there is nothing; the job itself reports that.
    """
    from helpers.classifier.folder_images import images_below

    if path.is_file():
        files = [path]
    elif images:
        files = images_below(path)
    else:
        files = sorted(file for file in path.rglob("*") if file.is_file())
    try:
        names = [(file.relative_to(path).as_posix(), file_digest(file)) for file in files]
    except OSError:
        return ""
    return digest(names) if files else ""


@cache
def _listing(root: Path, ignored: re.Pattern[str], columns: tuple[str, ...] = ()) -> str:
    """Names and sizes of the images that a loader sees, and the content of the tables that name images.

    What else lies there, a note or a spreadsheet, is not read and changes nothing.
    """
    from helpers.data.table_formats import is_table_of_images  # it loads pandas

    listing = []
    with suppress(DataError):  # the loader says what is wrong
        tree = FileTree(root, ignored)
        for file in tree.files:
            is_image = tree.is_image(file)
            is_table = not is_image and is_table_of_images(tree, file, columns)
            if not is_image and not is_table and file.ending not in UNREAD_ENDINGS:
                continue
            with suppress(OSError):
                content = hashlib.sha256(tree.read(file)).hexdigest() if is_table else ""
                listing.append((file.name, file.size, content))
        tree.close()
    return digest(sorted(listing))
