"""Work on many images at once, by threads."""

from collections.abc import Callable, Iterable, Iterator
from multiprocessing.pool import ThreadPool
from typing import TypeVar

from helpers.cores import allowed_cores
from helpers.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(act: Callable[[Item], Result], items: Iterable[Item], label: str) -> Iterator[Result]:
    """The results of ``act`` for each item, in order, with a progress bar.

    Threads are enough: PIL and hashlib release the interpreter's lock while they work.
    """
    items = list(items)
    progress = Progress(label, total=len(items), unit="image")
    with ThreadPool(_threads()) as pool:
        try:
            for done, result in enumerate(pool.imap(act, items, chunksize=8), start=1):
                progress.update(done)
                yield result
        finally:
            progress.close()


def _threads() -> int:
    """Threads for decoding; the pixels do not depend on their number."""
    return min(16, allowed_cores())
