"""Files below a folder and in its zip archives: found safely, read one at a time, never unpacked to disk."""

import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from helpers.errors import DataError

IMAGE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".png")
IMAGE_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # of JPEG and PNG, whatever a file is called
UNREAD_ENDINGS = (".bmp", ".dcm", ".gif", ".heic", ".jp2", ".tif", ".tiff", ".webp")
TABLE_ENDINGS = (".csv", ".tab", ".tsv", ".txt")
ARCHIVE_ENDINGS = (".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip")
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
MAX_DEPTH = 5  # folders below the root; HAM10000's layouts need two
MAX_FILES = 500_000  # more than this is somebody's whole disk
MAX_MEMBER_BYTES = 256 * 2**20  # of one zip member, unpacked
MAX_ARCHIVE_BYTES = 200 * 2**30  # of all members of one archive, unpacked
MAX_RATIO = 200  # unpacked to packed, for members above a mebibyte
CLUTTER = (  # what systems, file managers and network drives lay beside the files of people
    r"^\.|^__MACOSX$|^lost\+found$|^found\.\d{3}$|^@eaDir$|^@?#?recycle(\.bin)?$|^\$recycle\.bin$|^recycler$"
    r"|^system volume information$|^thumbs\.db|^ehthumbs|^desktop\.ini$|^~\$|^network trash folder$"
    r"|^temporary items$"
)
IGNORED = re.compile(rf"{CLUTTER}|^ISIC2018_Task3_(Test|Validation)|segmentation", re.IGNORECASE)
PACKINGS = {9: "Deflate64, as Windows does above 2 GB", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ"}
UNPACK = "Unpack the archive into a folder, and take the archive away (or name the folder by data.root)."
TOO_DEEP = f"folders more than {MAX_DEPTH} levels deep, which are not searched"
NOWHERE = "links that lead nowhere"
TOO_LARGE = "too large for images"
ANEW = "Get the archive anew from where the data come from, or pack the images again."


def without_image_ending(name: str) -> str:
    """``name`` without .jpg, .png and the like; other endings stay."""
    ending = PurePosixPath(name).suffix
    return name.removesuffix(ending) if ending.lower() in IMAGE_ENDINGS else name


@dataclass(frozen=True)
class Found:
    """A file in a folder, or a member of a zip archive."""

    name: str  # path below the root, in NFC and with slashes; 'part_1.zip/a.jpg' for a member
    path: Path  # the file, or the archive
    member: str | None  # the member's name inside the archive
    size: int  # bytes, unpacked

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @property
    def ending(self) -> str:
        return PurePosixPath(self.name).suffix.lower()


class FileTree:
    """All files below ``root``, which is a folder or one zip archive.

    Files in folders come first, then those in zip archives, each in the order of their names. Symbolic links
    are followed, each folder once. Hidden files, segmentations and the challenge's test and validation parts
    are passed over; ``ignored`` replaces that choice of names. What cannot be reached is noted, by reason.
    Reading is safe from several threads. Raises DataError for a missing root, a folder too full, and an
    archive that is damaged, encrypted or unsafe.
    """

    def __init__(self, root: Path | str, ignored: re.Pattern[str] = IGNORED):
        self.root = Path(root).expanduser()
        self.ignored = ignored
        if not self.root.exists():
            raise DataError(f"The data folder {self.root} does not exist: check data.root (or --data-root).")
        self._archives: dict[Path, zipfile.ZipFile] = {}
        self._images: dict[Found, bool] = {}
        self.skipped: list[str] = []  # names that were passed over, without hidden ones
        self.unreached: dict[str, list[str]] = {}  # names by reason
        try:
            plain = (
                [Found(_plain_name(self.root.name), self.root, None, 0)]
                if self.root.is_file()
                else list(_walk(self.root, self._is_ignored, self._note_unreached))
            )
            self.files = [file for file in plain if file.ending != ".zip"]
            for file in plain:
                if file.ending == ".zip":
                    self.files += self._members(file)
        except BaseException:
            self.close()
            raise

    def _members(self, file: Found) -> list[Found]:
        archive = _open_archive(file)
        self._archives[file.path] = archive
        _check_members(file, archive.infolist())
        found = []
        for member in archive.infolist():
            name = _member_name(member)
            if name.endswith("/") or any(map(self._is_ignored, PurePosixPath(name).parts)):
                continue
            if _outsized(member):
                self._note_unreached(TOO_LARGE, f"{file.name}/{name}")
            else:
                found.append(Found(f"{file.name}/{name}", file.path, member.filename, member.file_size))
        return sorted(found, key=lambda each: each.name)

    def _is_ignored(self, name: str) -> bool:
        """Whether a file or folder of this name is passed over; it is noted."""
        ignored = self.ignored.search(name) is not None
        if ignored and not name.startswith(".") and name not in self.skipped:
            self.skipped.append(name)
        return ignored

    def _note_unreached(self, reason: str, name: str) -> None:
        self.unreached.setdefault(reason, []).append(name)

    def is_image(self, file: Found) -> bool:
        """Whether ``file`` is an image by its ending, or else JPEG or PNG by its first bytes."""
        if file.ending in IMAGE_ENDINGS:
            return True
        if file.ending in (*TABLE_ENDINGS, *ARCHIVE_ENDINGS):
            return False
        if file not in self._images:
            self._images[file] = self._beginning(file).startswith(IMAGE_BEGINNINGS)
        return self._images[file]

    def _beginning(self, file: Found) -> bytes:
        try:
            with (
                open(file.path, "rb") if file.member is None else self._archives[file.path].open(file.member)
            ) as stream:
                return stream.read(8)
        except (OSError, *DAMAGE):
            return b""

    def read(self, file: Found) -> bytes:
        """The bytes of ``file``. Raises OSError where they cannot be had (a damaged member included)."""
        if file.member is None:
            if file.path.stat().st_size > MAX_MEMBER_BYTES:
                raise OSError(f"larger than {MAX_MEMBER_BYTES // 2**20} MB")
            return file.path.read_bytes()
        try:
            return self._archives[file.path].read(file.member)
        except DAMAGE as error:
            raise OSError(f"damaged inside the archive ({error})") from None

    def close(self) -> None:
        """Close the archives."""
        for archive in self._archives.values():
            archive.close()
        self._archives.clear()


def _plain_name(name: str) -> str:
    """One form of the same letters: macOS takes accents apart, other systems do not.

    Bytes that are no UTF-8, of an older system, are read as Western European letters.
    """
    with suppress(UnicodeError):
        name.encode("utf-8")
        return unicodedata.normalize("NFC", name)
    name = os.fsencode(name).decode("cp1252", "backslashreplace")
    return unicodedata.normalize("NFC", name)


def _member_name(member: zipfile.ZipInfo) -> str:
    """A member's name with slashes: PowerShell writes backslashes, and macOS does not mark UTF-8 as such."""
    name = member.filename.replace("\\", "/")
    if not member.flag_bits & 0x800 and not name.isascii():
        with suppress(UnicodeError):  # an older archive, in the signs of its system
            name = name.encode("cp437").decode("utf-8")
    return _plain_name(name)


def _walk(
    root: Path, ignored: Callable[[str], bool], unreached: Callable[[str, str], None]
) -> Iterator[Found]:
    """Files below ``root``, folder by folder in name order.

    A folder that is met again through a link is skipped. ``unreached`` is told the reason and the name of
    what cannot be reached.
    """
    met: set[tuple[int, int]] = set()
    count = 0
    pending = [(root, "", 0)]
    while pending:
        folder, prefix, depth = pending.pop()
        try:
            state = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(f"The folder {folder} cannot be read: {error.strerror or error}.") from None
        if (state.st_dev, state.st_ino) in met:
            continue
        met.add((state.st_dev, state.st_ino))
        folders = []
        for entry in entries:
            if ignored(entry.name):
                continue
            count += 1
            if count > MAX_FILES:
                raise DataError(
                    f"{root} holds more than {MAX_FILES:,} files, which is no image data set: name its "
                    "folder itself."
                )
            name, (kind, size) = f"{prefix}{entry.name}", _kind(entry)
            if kind == "folder" and depth < MAX_DEPTH:
                folders.append((Path(entry.path), f"{name}/", depth + 1))
            elif kind == "folder":
                unreached(TOO_DEEP, f"{_plain_name(name)}/")
            elif kind == "file":
                yield Found(_plain_name(name), Path(entry.path), None, size)
            elif entry.is_symlink():
                unreached(NOWHERE, _plain_name(name))
        pending += reversed(folders)


def _kind(entry: "os.DirEntry[str]") -> tuple[str, int]:
    """What an entry is, through links, and a file's size; neither for a link in a loop, or what is gone."""
    with suppress(OSError):
        if entry.is_dir():
            return "folder", 0
        if entry.is_file():
            return "file", entry.stat().st_size
    return "", 0


def _open_archive(file: Found) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file.path)
    except PermissionError as error:
        raise DataError(f"{file.name} cannot be read: {error.strerror}.") from None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError(
            f"{file.name} is not a whole zip archive ({error}): download it again, or take it away."
        ) from None


def _check_members(file: Found, members: list[zipfile.ZipInfo]) -> None:
    """Raise DataError for members that an honest image archive does not have."""
    if len(members) > MAX_FILES:
        raise DataError(
            f"{file.name} lists {len(members):,} members, more than the {MAX_FILES:,} that an image archive "
            "may have. Pack the images of the data set alone, and take this archive away."
        )
    total = 0
    for member in members:
        fault = _fault(member)
        if fault:
            way_out = UNPACK if member.flag_bits & 1 or not _is_deflated(member) else ANEW
            raise DataError(f"{file.name} is refused: its member '{member.orig_filename}' {fault}. {way_out}")
        total += member.file_size
    if total > MAX_ARCHIVE_BYTES:
        raise DataError(
            f"{file.name} is refused: it would unpack to {total / 1e9:,.0f} GB. Pack the images of the data "
            "set alone, and take this archive away."
        )


def _is_deflated(member: zipfile.ZipInfo) -> bool:
    return member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def _fault(member: zipfile.ZipInfo) -> str:
    name = member.orig_filename.replace("\\", "/")
    if not member.filename:
        return "has no name"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in name.split("/"):
        return "points outside the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.flag_bits & 1:
        return "is encrypted"
    if not _is_deflated(member):
        packing = PACKINGS.get(member.compress_type, f"method {member.compress_type}")
        return f"is packed by {packing}, and only deflate is read"
    ending = PurePosixPath(name).suffix.lower()
    return _outsized(member) if ending in (*IMAGE_ENDINGS, *TABLE_ENDINGS) else ""


def _outsized(member: zipfile.ZipInfo) -> str:
    """What is wrong with the size of a member, unpacked; empty where nothing is."""
    if member.file_size > MAX_MEMBER_BYTES:
        return f"would unpack to {member.file_size / 1e6:,.0f} MB"
    if member.file_size > 2**20 and member.file_size > MAX_RATIO * max(member.compress_size, 1):
        times = member.file_size / max(member.compress_size, 1)
        return f"is packed {times:,.0f} times smaller than it is, as no photograph can be"
    return ""
