"""What lies in a folder of images: which are taken, which are passed over, and why."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from helpers.data.archives import (
    ARCHIVE_ENDINGS,
    IMAGE_BEGINNINGS,
    NOWHERE,
    TOO_DEEP,
    UNREAD_ENDINGS,
    FileTree,
    Found,
    without_image_ending,
)
from helpers.data.wording import plural, shown
from helpers.errors import DataError

MASK_FOLDERS = {"mask", "masks", "segmentation", "segmentations", "seg", "ground_truth", "groundtruth", "gt"}
MASK_FOLDERS |= {"annotation", "annotations", "labels", "superpixels"}
IMAGE_FOLDERS = {"image", "images", "img", "imgs", "jpeg", "jpg", "png", "photos", "input", "inputs"}
MASK_WORDS = (
    r"(?:binary[ _-])?(?:masks?|seg|segmentations?|superpixels|ground[ _-]?truth|gt|annotations?|contour)"
)
MASK_END = re.compile(rf"[ _.-]+\(?{MASK_WORDS}\)?(?:[ _-]?\(?\d+\)?)?$", re.IGNORECASE)
MASK_START = re.compile(rf"^{MASK_WORDS}[ _.-]+", re.IGNORECASE)


@dataclass
class Survey:
    """The images that are taken, the names of those that are not, by reason, and a sentence of its own."""

    taken: list[Found]
    passed: dict[str, list[str]] = field(default_factory=dict)
    remark: str = ""

    def note(self, reason: str, names: Iterable[str]) -> None:
        """Add names that are passed over for ``reason``."""
        if names := list(names):
            self.passed.setdefault(reason, []).extend(names)

    def sentence(self, count: int) -> str:
        """One line: what was found, how many images (``count``) were taken, and what was passed over."""
        endings = Counter(file.ending or "no ending" for file in self.taken)
        kinds = ", ".join(f"{number:,} {ending}" for ending, number in endings.most_common(8))
        found = len(self.taken) + sum(len(names) for names in self.passed.values())
        told = "; ".join(
            f"{len(names):,} {reason} ({shown(_places(names), 3)})" for reason, names in self.passed.items()
        )
        passed = f" Passed over: {told}." if told else " Nothing was passed over."
        return f"Found {found:,} files: {count:,} images are taken ({kinds}).{passed}{self.remark}"


def _places(names: Sequence[str]) -> list[str]:
    """The folders that the names lie in, without repeats; names of files may tell who was photographed."""
    return list(dict.fromkeys(f"{name.rpartition('/')[0]}/" if "/" in name else name for name in names))


def survey(tree: FileTree, leave_out: Sequence[str] = ()) -> Survey:
    """Choose among the images of ``tree``.

    Passed over are those that a pattern of ``leave_out`` names, masks that lie beside their photographs, and
    folders or archives whose every image lies elsewhere too, byte for byte and under the same folders.
    Raises DataError for a folder of masks by its name without photographs of the same names.
    """
    images = [file for file in tree.files if tree.is_image(file)]
    left_out = [file for file in images if is_left_out(file.name, leave_out)]
    gone = set(left_out)
    kept = [file for file in images if file not in gone]
    masks = _masks(kept)
    found = Survey([file for file in kept if file not in masks])
    found.note("left out by data.leave_out", (file.name for file in left_out))
    found.note("masks, known by their photographs' names", (file.name for file in kept if file in masks))
    copies = _copied_folders(tree, found.taken)
    found.note(
        "copies of images that lie elsewhere too", (file.name for file in found.taken if file in copies)
    )
    found.taken = [file for file in found.taken if file not in copies]
    return found


def is_left_out(name: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern fits the path, one of its folders' paths, or the name of a part.

    Only * and ? stand for something else; browsers call a second download x[1].jpg.
    """
    parts = name.split("/")
    places = ["/".join(parts[: end + 1]) for end in range(len(parts))] + parts
    wanted = [pattern.replace("\\", "/").strip("/").replace("[", "[[]") for pattern in patterns]
    return any(fnmatchcase(place, pattern) for place in places for pattern in wanted)


# --- what is not taken, in sentences ------------------------------------------------------------------


def unread_sentence(tree: FileTree) -> str:
    """A sentence on images of kinds that are not read; empty where there are none."""
    others = [file.name for file in tree.files if file.ending in UNREAD_ENDINGS and not tree.is_image(file)]
    return (
        f" {plural(others, 'file')} of another kind ({shown(others, 3)}) cannot be read: convert to JPEG or "
        "PNG."
        if others
        else ""
    )


def unopened_sentences(tree: FileTree) -> str:
    """Sentences on archives that are not opened and on what was not reached; empty where all was."""
    inner = [file.name for file in tree.files if file.ending == ".zip"]
    others = [file.name for file in tree.files if file.ending in set(ARCHIVE_ENDINGS) - {".zip"}]
    told = [
        ("It holds zip archives inside a zip archive", inner, "unpack the outer one"),
        ("Archives of other kinds than zip are not opened", others, "unpack them"),
        (f"It holds {TOO_DEEP}", tree.unreached.get(TOO_DEEP, []), "name that folder itself"),
        (f"It holds {NOWHERE}", tree.unreached.get(NOWHERE, []), "get the files that they mean"),
    ]
    return "".join(f" {what} ({shown(names, 3)}): {way_out}." for what, names, way_out in told if names)


# --- masks ------------------------------------------------------------------------------------------


def _masks(images: Sequence[Found]) -> set[Found]:
    """Images that are called masks and have a photograph of their name."""
    called = [file for file in images if _mask_folders(file) or _is_mask_name(file)]
    if not called:
        return set()
    photographs = {_subject(file) for file in set(images) - set(called)}
    masks = {file for file in called if _subject(file) in photographs}
    homes = {PurePosixPath(file.name).parent for file in masks}
    masks |= {file for file in called if _mask_folders(file) and PurePosixPath(file.name).parent in homes}
    unclear = [file.name for file in called if file not in masks and _lies_deeper(file)]
    if unclear:
        home = PurePosixPath(unclear[0]).parent
        raise DataError(
            f"{home} looks like a folder of masks, and no photograph has the names of its images "
            f"({shown(unclear, 2)}). If they are masks, say data.leave_out: ['{home}']; if they are "
            "photographs, give the folder another name."
        )
    return masks


def _folders(file: Found) -> list[str]:
    return [part.lower().removesuffix(".zip") for part in PurePosixPath(file.name).parts[:-1]]


def _mask_folders(file: Found) -> set[str]:
    return MASK_FOLDERS & set(_folders(file))


def _lies_deeper(file: Found) -> bool:
    """Whether a folder that can only hold masks lies below another one, which may be the class."""
    return bool({"mask", "masks", "segmentations"} & set(_folders(file)[1:]))


def _is_mask_name(file: Found) -> bool:
    stem = without_image_ending(PurePosixPath(file.name).name)
    return bool(MASK_END.search(stem) or MASK_START.search(stem))


def _subject(file: Found) -> tuple[str, ...]:
    """What a photograph and its mask share: the path without the words for either."""
    stem = without_image_ending(PurePosixPath(file.name).name)
    stem = MASK_START.sub("", MASK_END.sub("", stem)).casefold()
    return (*(part for part in _folders(file) if part not in MASK_FOLDERS | IMAGE_FOLDERS), stem)


# --- copies -----------------------------------------------------------------------------------------


def _copied_folders(tree: FileTree, images: Sequence[Found]) -> set[Found]:
    """The images of folders and archives that repeat, with their folders, what lies beside them."""
    by_path = {tuple(file.name.split("/")): file for file in images}
    base: tuple[str, ...] = ()
    while len(tops := {path[len(base)] for path in by_path}) == 1 and all(
        len(path) > len(base) + 2 for path in by_path
    ):
        base = (*base, *tops)
    copies: set[Found] = set()
    # archives go before folders, so that what was unpacked stays
    for top in sorted(tops, key=lambda name: (not name.lower().endswith(".zip"), -len(name), name)):
        own = {path: file for path, file in by_path.items() if path[: len(base) + 1] == (*base, top)}
        tails = {path[len(base) + 1 :]: file for path, file in own.items()}
        if any(len(tail) < 2 for tail in tails):
            continue  # a class's own folder
        for home in (base, *((*base, other) for other in sorted(tops - {top}))):
            twins = {file: by_path.get((*home, *tail)) for tail, file in tails.items()}
            if all(twin and twin not in copies and twin not in twins for twin in twins.values()) and all(
                same_bytes(tree, file, twin) for file, twin in twins.items() if twin
            ):
                copies |= set(twins)
                break
    return copies


def same_bytes(tree: FileTree, first: Found, second: Found) -> bool:
    """Whether two files have equal content; it is read only where their sizes are equal."""
    if first.size != second.size:
        return False
    try:
        return tree.read(first) == tree.read(second)
    except OSError:
        return False


def equal_files(tree: FileTree, files: Iterable[Found]) -> list[list[Found]]:
    """Images of equal content, a list for each content that occurs more than once.

    Only files of equal size are read. What is no JPEG or PNG by its bytes (an empty file, a web page) is
    left to the check of all images, which names it.
    """
    by_size: dict[int, list[Found]] = {}
    for file in files:
        by_size.setdefault(file.size, []).append(file)
    by_content: dict[bytes, list[Found]] = {}
    for file in (file for same in by_size.values() if len(same) > 1 for file in same):
        try:
            content = tree.read(file)
        except OSError:
            continue  # the check of all images names it
        if content.startswith(IMAGE_BEGINNINGS):
            by_content.setdefault(hashlib.sha256(content).digest(), []).append(file)
    return [same for same in by_content.values() if len(same) > 1]
