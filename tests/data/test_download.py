"""The download by DOI, against a server on loopback that answers like a Dataverse."""

import io
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from helpers.data import download
from helpers.data.download import fetch, is_downloaded
from helpers.errors import DataError
from support import dataverse
from support.dataverse import CONTENTS, DEPOSITED, listing


@pytest.fixture
def server():
    with dataverse.running() as server:
        yield server


def get(server, folder, attempts=1, say=lambda text: None):
    return fetch(folder, server=server.address, attempts=attempts, pause=0.01, say=say)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


WHOLE = ["HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip", "HAM10000_metadata.csv", "download.json"]


def test_download_is_whole_checked_and_done_once(server, tmp_path):
    said = []
    folder = tmp_path / "a folder {with} ümlaut"
    assert get(server, folder, say=said.append) == folder
    assert names(folder) == WHOLE
    for name in WHOLE[:2]:
        assert (folder / name).read_bytes() == CONTENTS[name]
    assert (folder / "HAM10000_metadata.csv").read_bytes() == DEPOSITED
    assert "3 of 3 files, 2.0 MB" in said[0] and str(folder) in said[0]
    assert is_downloaded(folder)
    asked = len(server.asked)
    get(server, folder)
    assert len(server.asked) == asked


def test_a_plain_listing_without_conversion_or_checksums(server, tmp_path):
    for file in server.listing["data"]["latestVersion"]["files"]:
        for key in ("md5", "originalFileFormat", "originalFileName", "originalFileSize"):
            file["dataFile"].pop(key, None)
    get(server, tmp_path)
    assert (tmp_path / "HAM10000_metadata.tab").read_bytes() == CONTENTS["HAM10000_metadata.tab"]


@pytest.mark.parametrize(
    ("faulty", "fault", "words"),
    [
        ("datasets", 404, r"answered 404 .* for its list of files"),
        ("datasets", 503, r"answered 503"),
        ("datasets", "login", r"makes no sense"),
        ("datafile", 404, r"answered 404 .* for HAM10000_images_part_1.zip"),
        ("datafile", 503, r"answered 503"),
        ("datafile", "garbled", r"HAM10000_images_part_1.zip arrived with a wrong checksum"),
        ("datafile", "cut", r"closed in the middle of HAM10000_images_part_1.zip"),
    ],
)
def test_failures_are_sentences_leave_nothing_half_and_pass(server, tmp_path, faulty, fault, words):
    server.faulty, server.faults = faulty, [fault]
    with pytest.raises(DataError, match=words) as caught:
        get(server, tmp_path)
    assert "by hand" in str(caught.value) and "--data-root" in str(caught.value)
    assert names(tmp_path) == ([".partial"] if fault == "cut" else [])
    assert not is_downloaded(tmp_path)
    get(server, tmp_path)
    assert names(tmp_path) == WHOLE


@pytest.mark.parametrize("ranges", [True, False])
def test_half_a_file_goes_on_where_it_was_or_starts_over(server, tmp_path, ranges):
    server.faults, server.ranges, said = ["cut"], ranges, []
    with pytest.raises(DataError):
        get(server, tmp_path)
    first, whole = "HAM10000_images_part_1.zip", len(CONTENTS["HAM10000_images_part_1.zip"])
    arrived = (tmp_path / ".partial" / first).stat().st_size
    assert whole // 2 - download.CHUNK < arrived <= whole // 2
    server.sent.clear()
    get(server, tmp_path, say=said.append)
    assert "1.0 MB to go" in said[0]
    assert [size for path, size in server.sent if "datafile/100" in path] == [
        whole - arrived if ranges else whole
    ]
    assert names(tmp_path) == WHOLE and (tmp_path / first).read_bytes() == CONTENTS[first]


@pytest.mark.parametrize(
    ("left", "fault"),
    [
        (b"of another version" * 1000, None),  # found out by the checksum
        (CONTENTS["HAM10000_images_part_1.zip"], None),  # whole: killed before it was moved
        (b"first" * 10, "other part"),
        (b"first" * 10, "garbled"),
    ],
)
def test_half_a_file_that_does_not_fit_is_thrown_away(server, tmp_path, left, fault):
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / "HAM10000_images_part_1.zip").write_bytes(left)
    server.faults = [fault]
    get(server, tmp_path, attempts=2)
    assert names(tmp_path) == WHOLE
    assert (tmp_path / "HAM10000_images_part_1.zip").read_bytes() == CONTENTS["HAM10000_images_part_1.zip"]


def test_without_a_checksum_nothing_is_joined(server, tmp_path):
    for file in server.listing["data"]["latestVersion"]["files"]:
        file["dataFile"].pop("md5")
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / "HAM10000_images_part_1.zip").write_bytes(b"x" * 1000)
    get(server, tmp_path)
    assert (tmp_path / "HAM10000_images_part_1.zip").read_bytes() == CONTENTS["HAM10000_images_part_1.zip"]


def test_a_server_that_does_not_stop_is_left(server, tmp_path):
    server.faults = ["endless"]
    with pytest.raises(
        DataError, match=r"HAM10000_images_part_1.zip does not end: it was listed with 2.0 MB"
    ):
        get(server, tmp_path, attempts=3)
    assert len(server.asked) == 2


def test_it_tries_again_by_itself(server, tmp_path):
    said = []
    server.faults = [503, "cut", "garbled"]
    get(server, tmp_path, attempts=4, say=said.append)
    assert names(tmp_path) == WHOLE
    assert [line.split(";")[1].strip() for line in said if "attempt" in line] == [
        f"attempt {n} of 4 in 0 s." for n in (2, 3, 4)
    ]


def test_a_refusal_is_not_tried_again(server, tmp_path):
    server.faulty, server.faults = "datasets", [403, 403]
    with pytest.raises(DataError, match="403"):
        get(server, tmp_path, attempts=4)
    assert len(server.asked) == 1


def test_whole_files_are_kept_and_leftovers_cleared(server, tmp_path):
    server.faulty, server.faults = "datafile/101", [503]
    with pytest.raises(DataError, match="503"):
        get(server, tmp_path)
    assert names(tmp_path) == ["HAM10000_images_part_1.zip"]
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / "tmp-of-a-killed-job").write_bytes(b"half")
    server.asked.clear()
    get(server, tmp_path)
    assert names(tmp_path) == WHOLE
    assert not any("datafile/100" in path for path in server.asked)


def test_a_lost_file_is_fetched_again(server, tmp_path):
    get(server, tmp_path)
    (tmp_path / "HAM10000_images_part_2.zip").write_bytes(b"cut")
    assert not is_downloaded(tmp_path)
    get(server, tmp_path)
    assert (tmp_path / "HAM10000_images_part_2.zip").read_bytes() == CONTENTS["HAM10000_images_part_2.zip"]


def test_a_full_disk_is_said_before(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    with pytest.raises(DataError, match=r"needs 2.0 MB and the disk .* has 0.1 MB free"):
        get(server, tmp_path)
    assert names(tmp_path) == []


def test_a_home_that_changed(server, tmp_path):
    server.listing["data"]["latestVersion"]["files"].pop(0)
    with pytest.raises(DataError, match="lists 2 of the 3 files"):
        get(server, tmp_path)


def test_no_network(tmp_path):
    with pytest.raises(DataError, match=r"no connection .* by hand into .*--data-root"):
        fetch(tmp_path, server="http://127.0.0.1:9", attempts=1, say=lambda text: None)


def test_from_the_parameters_to_the_split(server, tmp_path, monkeypatch):
    """data.source 'ham10000' without a root: downloaded into the project's data folder, opened,
    verified, split; then used without a request.
    """
    from helpers import paths
    from helpers.data.prepare import prepare_data
    from helpers.params import Data

    rng = np.random.default_rng(0)
    rows, parts = [], [io.BytesIO(), io.BytesIO()]
    for part, buffer in enumerate(parts):
        with zipfile.ZipFile(buffer, "w") as archive:
            for i in range(20):
                image = io.BytesIO()
                Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)).save(image, "JPEG")
                archive.writestr(f"ISIC_{part}{i}.jpg", image.getvalue())
                rows.append(f"HAM_{part}{i},ISIC_{part}{i},{'mel' if i % 2 else 'nv'},histo,50.0,male,back")
    table = "\n".join(["lesion_id,image_id,dx,dx_type,age,sex,localization", *rows, ""]).encode()
    server.contents = dict(
        zip(
            ("HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip", "HAM10000_metadata"),
            [*(part.getvalue() for part in parts), table],
            strict=True,
        )
    )
    server.listing = listing(server.contents)
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path / "artifacts")
    monkeypatch.setattr(paths, "DOWNLOADS", tmp_path / "data")
    monkeypatch.setattr(download, "SERVER", server.address)
    for _ in range(2):
        with pytest.warns(UserWarning, match="40 of HAM10000's 10,015 images"):
            split = prepare_data(paths.RunPaths("test"), Data())
        assert split["split"].value_counts().to_dict() == {"train": 28, "validation": 6, "test": 6}
        assert len(server.asked) == 4


def test_two_at_once_download_once(server, tmp_path):
    threads = [threading.Thread(target=get, args=(server, tmp_path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(tmp_path) == WHOLE
    assert sum("datasets" in path for path in server.asked) == 1


def test_a_file_put_there_by_hand_is_checked_too(server, tmp_path):
    first = "HAM10000_images_part_1.zip"
    (tmp_path / first).write_bytes(bytes(len(CONTENTS[first])))
    get(server, tmp_path)
    assert (tmp_path / first).read_bytes() == CONTENTS[first]
