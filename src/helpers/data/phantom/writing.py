"""The drawn photographs and their metadata as files, in the official layout of HAM10000."""

import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from PIL import Image

from helpers.cores import allowed_cores
from helpers.data.phantom.facts import FACTS
from helpers.data.phantom.photograph import draw_photograph
from helpers.data.phantom.plan import FIRST_IMAGE, SMALLEST_CLASS, plan_dataset
from helpers.data.phantom.plane import HEIGHT, WIDTH
from helpers.errors import DataError
from helpers.files import locked, write_json, write_table
from helpers.fingerprints import code_fingerprint

JPEG_QUALITY = 90
MARKER = "phantom.json"
PARTS = ("HAM10000_images_part_1", "HAM10000_images_part_2")
CHUNK = 24  # photographs that a worker draws at a time
Task = tuple[str, str, int, int, int]  # file, and the arguments of draw_photograph
# what the drawn bytes depend on; how they are put into files is not part of it
DRAWING_CODE = ("helpers.data.phantom.plan", "helpers.data.phantom.photograph")


def draw_dataset(
    folder: Path | str,
    images: int = 1200,
    seed: int = 1,
    progress: Callable[[int], None] | None = None,
    workers: int | None = None,
) -> Path:
    """Draw ``images`` photographs into ``folder`` in HAM10000's layout and return the folder.

    ``images`` is at least 56, ``seed`` not negative; ``progress`` is called with the number drawn so far;
    ``workers`` processes (by default one per processor, at most 8) change the time but no byte. A second
    call with the same arguments returns at once; with other arguments, a new version of the drawing or
    missing files, all is drawn again. The folder appears whole or not at all. Raises DataError for too few
    images, and for a folder that holds something else or cannot be written.
    """
    folder = Path(folder)
    smallest = SMALLEST_CLASS * len(FACTS)
    if images < smallest:
        raise DataError(
            f"{images} drawn images are too few: {smallest} are needed, {SMALLEST_CLASS} in each of "
            f"{len(FACTS)} classes."
        )
    if seed < 0:
        raise DataError(f"The seed of the drawing is {seed}, but must not be negative.")
    arguments = {
        "code": code_fingerprint(*DRAWING_CODE),
        "jpeg_quality": JPEG_QUALITY,
        "images": images,
        "seed": seed,
        "width": WIDTH,
        "height": HEIGHT,
    }
    _refuse_foreign(folder)
    if _finished(folder, arguments):
        return folder
    try:
        with locked(folder):  # a second job waits and finds it done
            if not _finished(folder, arguments):
                _draw_and_rename(folder, arguments, progress, workers)
    except OSError as error:
        raise DataError(
            f"The drawn images cannot be written to {folder}: {error.strerror or error}. Name another "
            "folder or free some space."
        ) from error
    return folder


def _refuse_foreign(folder: Path) -> None:
    """Raise DataError for a folder that holds files of others."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file, so the drawn images cannot be put there: name another folder.")
    if folder.is_dir() and not (folder / MARKER).exists() and any(folder.iterdir()):
        raise DataError(
            f"{folder} holds files that were not drawn here, so nothing was put there: name an empty or a "
            "new folder."
        )


def _finished(folder: Path, arguments: dict[str, Any]) -> bool:
    """Whether ``folder`` holds the whole data set that ``arguments`` describe."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    drawn = sum(1 for part in PARTS for _ in (folder / part).glob("*.jpg"))
    return (
        marker == arguments and drawn == arguments["images"] and (folder / "HAM10000_metadata.csv").exists()
    )


def _draw_and_rename(
    folder: Path, arguments: dict[str, Any], progress: Callable[[int], None] | None, workers: int | None
) -> None:
    metadata = plan_dataset(arguments["images"], arguments["seed"])
    drawing = folder.parent / f".{folder.name}.drawing"
    shutil.rmtree(drawing, ignore_errors=True)  # a killed process may have left it
    for part in PARTS:
        (drawing / part).mkdir(parents=True)
    try:
        half = FIRST_IMAGE + (arguments["images"] + 1) // 2
        tasks = [
            (
                str(drawing / PARTS[int(row.image_id[5:]) >= half] / f"{row.image_id}.jpg"),
                row.dx,
                arguments["seed"],
                row.number,
                row.photo,
            )
            for row in metadata.itertuples()
        ]
        _draw_files(tasks, progress or (lambda done: None), workers)
        write_table(drawing / "HAM10000_metadata.csv", metadata.drop(columns=["number", "photo"]))
        write_json(drawing / MARKER, arguments)
        if folder.exists():
            shutil.rmtree(folder)
        drawing.rename(folder)
    finally:
        shutil.rmtree(drawing, ignore_errors=True)


def _draw_files(tasks: list[Task], progress: Callable[[int], None], workers: int | None) -> None:
    chunks = [tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK)]
    workers = min(workers or min(allowed_cores(), 8), len(chunks))
    done = 0
    if workers == 1:
        for chunk in chunks:
            done += _draw_chunk(chunk)
            progress(done)
        return
    # spawned, not forked: the caller may be a notebook's kernel, with threads of its own
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent) as pool:
        futures = [pool.submit(_draw_chunk, chunk) for chunk in chunks]
        try:
            for future in as_completed(futures):
                done += future.result()
                progress(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _draw_chunk(tasks: list[Task]) -> int:
    """Draw and save some photographs; returns their number."""
    for path, dx, seed, lesion, photo in tasks:
        Image.fromarray(draw_photograph(dx, seed, lesion, photo)).save(path, quality=JPEG_QUALITY)
    return len(tasks)


def _die_with_parent() -> None:
    """End this worker when the process that started it ends, even by a kill."""

    parent = multiprocessing.parent_process()
    assert parent is not None  # only workers run this

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
