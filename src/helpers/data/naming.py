"""Which file a table's row means: names that another machine wrote, matched by their longest common end."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from helpers.data.archives import Found, without_image_ending

# from the strictest to the loosest: a later one is asked only where no earlier one finds a file
FORMS: tuple[Callable[[str], str], ...] = (
    lambda name: name,
    without_image_ending,
    str.casefold,
    lambda name: without_image_ending(name).casefold(),
)
LOOSEST = re.compile(r"_downsampled$|\.0$")


def _last_resort(name: str) -> str:
    """The file's name without its folders, without '_downsampled' (ISIC 2019), and without leading zeros."""
    stem = LOOSEST.sub("", without_image_ending(name.rpartition("/")[2]).casefold())
    return stem.lstrip("0") or "0" if stem.isdecimal() else stem


def _ends(path: str) -> list[str]:
    """The path, then the path without its first folder, and so on to the file's name."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return ["/".join(parts[start:]) for start in range(len(parts))]


class Files:
    """Files that can be found by what a table calls them."""

    def __init__(self, files: Iterable[Found]):
        self._by_end: dict[str, list[Found]] = {}
        self._by_stem: dict[str, list[Found]] = {}
        for file in files:
            for end in _ends(file.name):
                self._by_end.setdefault(FORMS[-1](end), []).append(file)
            self._by_stem.setdefault(_last_resort(file.name), []).append(file)

    def named(self, written: str) -> list[Found]:
        """The files that ``written`` may mean; none, or more than one, where that is not clear.

        Folders before the common end do not count, so a path of another machine will do. Backslashes, another
        ending of images, capitals and other forms of the same letters make no difference, unless one file
        fits better than another.
        """
        ends = _ends(unicodedata.normalize("NFC", written.strip().replace("\\", "/")))
        for end in ends:
            files = self._by_end.get(FORMS[-1](end), [])
            for form in FORMS if files else ():
                if fitting := [file for file in files if form(_end_like(end, file)) == form(end)]:
                    return _whole(fitting, end) or fitting
        return self._by_stem.get(_last_resort(ends[-1]), []) if ends else []


def _end_like(end: str, file: Found) -> str:
    """The end of a file's path of as many parts as ``end`` has."""
    return "/".join(file.name.split("/")[-1 - end.count("/") :])


def _whole(files: list[Found], end: str) -> list[Found]:
    """Those of ``files`` whose whole path is ``end``, where several have it as their end."""
    bare = without_image_ending(end)
    exact = [file for file in files if file.name == end]
    return exact or [file for file in files if str(PurePosixPath(without_image_ending(file.name))) == bare]
