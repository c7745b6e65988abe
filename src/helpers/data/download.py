"""HAM10000 from its official home, a Dataverse, found by its DOI.

The size is announced before anything is fetched, checksums are verified and recorded, and a file gets its
final name only when it is whole.
"""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.errors import DataError
from helpers.files import locked, write_json
from helpers.progress import Progress

DOI = "10.7910/DVN/DBW86T"
SERVER = "https://dataverse.harvard.edu"
WANTED = (
    r"HAM10000_images_part_?1\.zip",
    r"HAM10000_images_part_?2\.zip",
    r"HAM10000_metadata(\.(csv|tab|tsv|txt))?",
)
RECORD = "download.json"  # written last: with it, the download is whole
TIMEOUT = 60  # seconds without a byte
CHUNK = 2**16  # bytes; the last piece is lost when a connection breaks
MARGIN = 2**24  # bytes by which a file may be longer than listed: the size of a converted table may be wrong


@dataclass(frozen=True)
class RemoteFile:
    """A file of the Dataverse listing."""

    name: str  # under which it is kept
    url: str
    size: int  # bytes
    checksum: str | None  # 'md5:…', as the server gives it


class _Unreachable(Exception):
    """A failure that may pass: no connection, a busy server, damaged bytes."""


class _Refused(_Unreachable):
    """A failure that another attempt will not mend."""


def is_downloaded(folder: Path | str) -> bool:
    """Whether ``folder`` holds a finished download: its record, and every file that it lists at its size."""
    import json

    folder = Path(folder)
    try:
        files = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return bool(files) and all((folder / file["name"]).stat().st_size == file["size"] for file in files)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def official_folder() -> Path | None:
    """The folder below data/ that holds HAM10000's official files; None where there is none.

    The files may have been fetched, or put there by hand.
    """
    for folder in (paths.DOWNLOADS / "ham10000", paths.DOWNLOADS):
        if _holds_official_files(folder):
            return folder
    return None


def placed_by_hand() -> Path | None:
    """The official files below data/ where this project did not fetch them itself, with checksums."""
    folder = official_folder()
    return None if folder is None or is_downloaded(folder) else folder


def _holds_official_files(folder: Path) -> bool:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    # folders count too: a zip archive may have been unpacked and removed
    wanted = [pattern.replace(r"\.zip", r"(\.zip)?") for pattern in WANTED]
    return all(any(re.fullmatch(pattern, name, re.IGNORECASE) for name in names) for pattern in wanted)


def fetch(
    folder: Path | str,
    server: str | None = None,
    doi: str = DOI,
    attempts: int = 4,
    pause: float = 5.0,
    say: Callable[[str], None] = print,
) -> Path:
    """Download HAM10000's images and metadata into ``folder`` and return the folder.

    Where that was done before, nothing is fetched. Files that arrived whole are kept. A file that was
    interrupted is resumed, if the server supports that and gives a checksum. ``server`` is the address of
    the Dataverse, ``attempts`` the tries per request, ``pause`` the seconds after the first (doubled each
    time), ``say`` takes lines for the user. Raises DataError with the way out: no network, a full disk, a
    server's refusal, a wrong checksum.
    """
    folder, server = Path(folder), (server or SERVER).rstrip("/")
    if is_downloaded(folder):
        return folder
    by_hand = (
        "Or download HAM10000_images_part_1.zip, HAM10000_images_part_2.zip and HAM10000_metadata from "
        f"https://doi.org/{doi} by hand into {folder}, or into a folder that you name with --data-root; the "
        "zip files stay as they are."
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):  # a second job waits and finds it done
            if not is_downloaded(folder):
                _fetch(folder, server, doi, attempts, pause, say)
    except _Unreachable as error:
        raise DataError(
            f"HAM10000 could not be downloaded from {server}: {error}. Try again later: files that arrived "
            f"whole are kept. {by_hand}"
        ) from None
    except OSError as error:
        raise DataError(
            f"HAM10000 cannot be kept in {folder}: {error.strerror or error}. {by_hand}"
        ) from None
    return folder


def _fetch(
    folder: Path, server: str, doi: str, attempts: int, pause: float, say: Callable[[str], None]
) -> None:
    """Fetch the files that are missing in ``folder``, then write the record of the whole download."""
    unfinished = folder / ".partial"
    files = _patiently(lambda: _listing(server, doi), attempts, pause, say)
    missing = [file for file in files if not _whole(folder / file.name, file)]
    arrived = sum(
        (unfinished / file.name).stat().st_size
        for file in missing
        if file.checksum and (unfinished / file.name).exists()
    )
    size = max(0, sum(file.size for file in missing) - arrived)
    say(
        f"Downloading HAM10000 (doi:{doi}, CC BY-NC 4.0): {len(missing)} of {len(files)} files, "
        f"{_bytes(size)}{' to go' if arrived else ''}, into {folder}."
    )
    free = shutil.disk_usage(folder).free
    if free < size * 1.05:
        raise DataError(
            f"The download needs {_bytes(size)} and the disk of {folder} has {_bytes(free)} free: make "
            "room, or name another folder with --data-root."
        )
    unfinished.mkdir(exist_ok=True)
    try:
        for file in missing:
            _patiently(partial(_fetch_file, file, unfinished, folder), attempts, pause, say)
        shutil.rmtree(unfinished, ignore_errors=True)
    finally:
        with suppress(OSError):  # it is not empty where a download can be resumed from it
            unfinished.rmdir()
    kept = [
        {"name": file.name, "size": (folder / file.name).stat().st_size, "checksum": file.checksum}
        for file in files
    ]
    write_json(folder / RECORD, {"doi": doi, "licence": "CC BY-NC 4.0", "files": kept})


def _patiently(act: Callable[[], Any], attempts: int, pause: float, say: Callable[[str], None]) -> Any:
    """What ``act`` returns, tried again after failures that may pass."""
    for attempt in range(1, attempts + 1):
        try:
            return act()
        except _Unreachable as error:
            if attempt == attempts or isinstance(error, _Refused):
                raise
            say(
                f"{str(error)[0].upper()}{str(error)[1:]}; attempt {attempt + 1} of {attempts} in "
                f"{pause:.0f} s."
            )
            time.sleep(pause)
            pause *= 2


def _listing(server: str, doi: str) -> list[RemoteFile]:
    """The wanted files, from the Dataverse's JSON listing of the data set."""
    import requests

    with _failures("its list of files"):
        response = requests.get(
            f"{server}/api/datasets/:persistentId", params={"persistentId": f"doi:{doi}"}, timeout=TIMEOUT
        )
        response.raise_for_status()
        try:
            entries = [entry["dataFile"] for entry in response.json()["data"]["latestVersion"]["files"]]
            found = [
                _remote(server, entry, pattern)
                for pattern in WANTED
                for entry in entries
                if _named(entry, pattern)
            ]
        except (ValueError, KeyError, TypeError):
            raise _Unreachable(
                "its list of files makes no sense (is a proxy or a login page in the way?)"
            ) from None
    if len(found) != len(WANTED):
        raise DataError(
            f"The data set doi:{doi} at {server} lists {len(found)} of the {len(WANTED)} files that "
            "HAM10000 consists of: its home has changed. Look for HAM10000_images_part_1.zip, "
            f"HAM10000_images_part_2.zip and HAM10000_metadata at https://doi.org/{doi}, download them by "
            "hand into a folder, and name it with --data-root; the zip files stay as they are."
        )
    return found


def _named(entry: dict[str, Any], pattern: str) -> bool:
    return re.fullmatch(pattern, entry["filename"], re.IGNORECASE) is not None


def _remote(server: str, entry: dict[str, Any], pattern: str) -> RemoteFile:
    """A listed file.

    A table that the Dataverse has converted is fetched as it was deposited: only that form has the listed
    checksum.
    """
    converted = bool(entry.get("originalFileFormat"))
    name = (entry.get("originalFileName") or entry["filename"]) if converted else entry["filename"]
    name = name if re.fullmatch(pattern, name, re.IGNORECASE) else entry["filename"]
    checksum = entry.get("checksum") or {}
    kind, value = (
        str(checksum.get("type", "MD5")).lower().replace("-", ""),
        entry.get("md5") or checksum.get("value"),
    )
    size = int((entry.get("originalFileSize") if converted else None) or entry["filesize"])
    url = f"{server}/api/access/datafile/{int(entry['id'])}{'?format=original' if converted else ''}"
    kind = "md5" if entry.get("md5") else kind
    return RemoteFile(
        name, url, size, f"{kind}:{value}" if value and kind in ("md5", "sha1", "sha256", "sha512") else None
    )


def _whole(path: Path, file: RemoteFile) -> bool:
    """Whether ``path`` is there with the listed size and checksum; a file may be put there by hand."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    return file.checksum is None or _checksum(path, file.checksum) == file.checksum


def _fetch_file(file: RemoteFile, partial: Path, folder: Path) -> None:
    """Download one file beside its place, check it, and move it there.

    What arrived before an interruption stays for the next attempt.
    """
    path = partial / file.name
    if file.checksum is None:
        path.unlink(missing_ok=True)  # nothing could show whether two pieces belong together
    with _failures(file.name):
        _receive(file, path)
    got = path.stat().st_size
    if file.checksum is None and got != file.size:
        raise _Unreachable(f"{file.name} came with {got:,} bytes in place of {file.size:,}")
    if file.checksum is not None and _checksum(path, file.checksum) != file.checksum:
        path.unlink()
        raise _Unreachable(f"{file.name} arrived with a wrong checksum")
    with open(path, "rb") as written:
        os.fsync(written.fileno())
    os.replace(path, folder / file.name)


def _receive(file: RemoteFile, path: Path) -> None:
    """Append to ``path`` what is missing of the file.

    A server that cannot send a part sends the whole file.
    """
    import requests

    there = path.stat().st_size if path.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    with requests.get(file.url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # nothing follows: the checksum tells whether it is whole
            return
        response.raise_for_status()
        goes_on = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
            f"bytes {there}-"
        )
        if response.status_code == 206 and not goes_on:
            path.unlink()
            raise _Unreachable(f"the server sent another part of {file.name} than was asked for")
        done, progress = (
            there if goes_on else 0,
            Progress(file.name, total=max(1, round(file.size / 1e6)), unit="MB"),
        )
        try:
            with open(path, "ab" if goes_on else "wb") as target:
                for piece in response.iter_content(CHUNK):
                    target.write(piece)
                    done += len(piece)
                    if done > file.size + MARGIN:
                        raise _Refused(f"{file.name} does not end: it was listed with {_bytes(file.size)}")
                    progress.update(round(min(done, file.size) / 1e6))
        finally:
            progress.close()


def _checksum(path: Path, like: str) -> str:
    """The file's checksum of the kind that ``like`` ('md5:…') has."""
    kind = like.partition(":")[0]
    with open(path, "rb") as file:
        return f"{kind}:{hashlib.file_digest(file, kind).hexdigest()}"


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """Turn the network's exceptions into one that may pass, or into a DataError."""
    import requests

    try:
        yield
    except requests.HTTPError as error:
        answer = error.response
        assert answer is not None  # raise_for_status hands it over
        refused = 400 <= answer.status_code < 500 and answer.status_code not in (408, 429)
        kind = _Refused if refused else _Unreachable
        raise kind(f"the server answered {answer.status_code} ({answer.reason}) for {what}") from None
    except requests.Timeout:
        raise _Unreachable(f"no answer within {TIMEOUT} s for {what}") from None
    except requests.exceptions.ChunkedEncodingError:
        raise _Unreachable(f"the connection was closed in the middle of {what}") from None
    except requests.ConnectionError:
        raise _Unreachable(f"no connection for {what} (is there a network?)") from None
    except requests.RequestException as error:
        raise _Unreachable(f"{what} failed ({type(error).__name__})") from None


def _bytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.1f} MB"
