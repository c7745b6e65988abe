"""The stage 'eda' and the arrays: verified, written once, mapped, built again where anything changed."""

import io
import json
import os
import subprocess
import sys
import time
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers import paths
from helpers.data import arrays, download
from helpers.data.arrays import load_images
from helpers.data.classes import CLASSES
from helpers.data.decoding import decode, resize_image
from helpers.data.ham10000 import open_dataset
from helpers.data.manifest import load_duplicates, load_manifest, load_split
from helpers.data.prepare import prepare_data, verify_images
from helpers.errors import DataError, MissingStageError, ParameterError
from helpers.files import write_if_changed
from helpers.params import Data
from helpers.paths import RunPaths

COUNT = 140  # twenty of each class, two photographs of a lesion


def encoded(seed, width=40, height=30, kind="JPEG"):
    pixels = np.random.default_rng(seed).integers(0, 255, (height // 5, width // 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.repeat(5, axis=0).repeat(5, axis=1)).save(buffer, kind)
    return buffer.getvalue()


def make_data(folder):
    folder.mkdir()
    ids = [f"ISIC_{24306 + i:07d}" for i in range(COUNT)]
    with zipfile.ZipFile(folder / "HAM10000_images_part_1.zip", "w") as archive:
        for i, image_id in enumerate(ids):
            archive.writestr(f"{image_id}.jpg", encoded(i))
    rows = [
        (
            f"HAM_{i // 2:07d}",
            image_id,
            CLASSES[i // 2 % 7],
            "histo",
            "" if i % 5 == 0 else "55.0",
            "male",
            "back",
        )
        for i, image_id in enumerate(ids)
    ]
    rows = [rows[i] for i in np.random.default_rng(0).permutation(COUNT)]  # file order is not id order
    pd.DataFrame(
        rows, columns=["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]
    ).to_csv(folder / "HAM10000_metadata.csv", index=False)
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path / "artifacts")
    return RunPaths("test")


@pytest.fixture
def root(tmp_path):
    return make_data(tmp_path / "the {data} här")


@pytest.fixture
def data(root):
    return Data(root=str(root))


def rewrite(root, change):
    """Write the archive again.

    ``change`` maps (position, bytes) to bytes, or to None to leave the image out.
    """
    path = root / "HAM10000_images_part_1.zip"
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for i, (name, content) in enumerate(contents.items()):
            changed = change(i, content)
            if changed is not None:
                archive.writestr(name, changed)


pytestmark = pytest.mark.filterwarnings("ignore:.*of HAM10000's 10,015 images")


# --- the stage --------------------------------------------------------------------------------------


def test_prepare_writes_split_and_manifest(run, data, root):
    table = prepare_data(run, data)
    assert list(table.columns) == [
        "image_id",
        "lesion_id",
        "dx",
        "dx_type",
        "age",
        "sex",
        "localization",
        "split",
    ]
    assert table["image_id"].tolist() == pd.read_csv(root / "HAM10000_metadata.csv")["image_id"].tolist()
    assert table["split"].value_counts().to_dict() == {"train": 98, "validation": 21, "test": 21}
    assert table["age"].isna().sum() == COUNT // 5
    pd.testing.assert_frame_equal(table, load_split(run))
    manifest = load_manifest(run)
    assert manifest | {"checksum": ""} == {
        "source": "ham10000",
        "layout": "zip archives",
        "images": COUNT,
        "lesions": COUNT // 2,
        "classes": dict.fromkeys(CLASSES, 20),
        "checksum": "",
        "image_width": 40,
        "image_height": 30,
    }
    assert len(manifest["checksum"]) == 64


def test_a_second_time_touches_nothing_and_a_change_is_seen(run, data, root):
    prepare_data(run, data)
    times = run.split.stat().st_mtime_ns, run.manifest.stat().st_mtime_ns
    checksum = load_manifest(run)["checksum"]
    prepare_data(run, data)
    assert times == (run.split.stat().st_mtime_ns, run.manifest.stat().st_mtime_ns)
    rewrite(root, lambda i, content: encoded(999) if i == 7 else content)
    prepare_data(run, data)
    assert load_manifest(run)["checksum"] != checksum
    assert times[0] == run.split.stat().st_mtime_ns


def test_the_checksum_is_of_the_data_not_of_the_layout(run, data, root, tmp_path):
    prepare_data(run, data)
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(root / "HAM10000_images_part_1.zip") as archive:
        archive.extractall(unpacked)
    os.rename(root / "HAM10000_metadata.csv", unpacked / "HAM10000_metadata.csv")
    other = RunPaths("other")
    prepare_data(other, Data(root=str(unpacked)))
    assert load_manifest(other)["checksum"] == load_manifest(run)["checksum"]
    assert load_manifest(other)["layout"] == "one folder"


def test_broken_images_are_named_together(run, data, root):
    faults = {3: b"", 5: encoded(5)[: len(encoded(5)) // 2], 8: b"GIF89a nothing", 11: encoded(1, 5, 5)}
    rewrite(root, lambda i, content: faults.get(i, content))
    with pytest.raises(DataError) as caught:
        prepare_data(run, data)
    text = str(caught.value)
    assert text.startswith("4 of 140 images are broken: ")
    words = {3: "empty)", 5: "cut off)", 8: "neither JPEG nor PNG, but GIF)", 11: "only 5 x 5 pixels)"}
    positions = [text.index(f"ISIC_{24306 + i:07d}.jpg ({fault}") for i, fault in words.items()]
    assert positions == sorted(positions)
    assert not run.split.exists() and not run.manifest.exists()


def test_missing_images_and_classes_are_refused_before_reading(run, data, root):
    with pytest.raises(DataError, match="'scc', and the data have no such class; they have akiec, bcc"):
        prepare_data(run, data.model_copy(update={"target_class": "scc"}))
    rewrite(root, lambda i, content: None if i == 2 else content)
    with pytest.raises(DataError, match="1 row without an image .ISIC_0024308"):
        prepare_data(run, data)


def test_split_by_lesion_needs_lesions(run, tmp_path):
    folder = tmp_path / "challenge"
    folder.mkdir()
    for i in range(20):
        (folder / f"I{i}.jpg").write_bytes(encoded(i))
    rows = [(f"I{i}", int(i % 2 == 0), int(i % 2)) for i in range(20)]
    pd.DataFrame(rows, columns=["image", "MEL", "NV"]).to_csv(
        folder / "ISIC2018_Task3_Training_GroundTruth.csv", index=False
    )
    with (
        pytest.warns(UserWarning, match="split by lesion"),
        pytest.raises(DataError, match="LesionGroupings"),
    ):
        prepare_data(run, Data(root=str(folder), split={"by": "lesion"}))
    with pytest.warns(UserWarning, match="split by lesion"):
        assert len(prepare_data(run, Data(root=str(folder)))) == 20


def test_nothing_before_the_stage(run, data):
    for act in (
        lambda: load_split(run),
        lambda: load_manifest(run),
        lambda: load_images(run, data, 16, "area"),
    ):
        with pytest.raises(MissingStageError, match="eda"):
            act()


def test_source_without_a_root(run, tmp_path, monkeypatch):
    """Zips put under the project's data folder by hand are used; with nothing there, the download starts."""
    monkeypatch.setattr(paths, "DOWNLOADS", tmp_path / "data")
    monkeypatch.setattr(download, "SERVER", "http://127.0.0.1:9")
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    with pytest.raises(DataError, match="by hand"):
        prepare_data(run, Data())
    made = make_data(tmp_path / "made")
    with zipfile.ZipFile(made / "HAM10000_images_part_2.zip", "w"):
        pass
    for path in made.iterdir():
        path.rename(tmp_path / "data" / "ham10000" / path.name)
    assert len(prepare_data(run, Data())) == COUNT


def test_write_if_changed(tmp_path):
    path = write_if_changed(tmp_path / "a" / "b.txt", "one")
    before = path.stat().st_mtime_ns
    time.sleep(0.01)
    write_if_changed(path, "one")
    assert path.stat().st_mtime_ns == before
    write_if_changed(path, "two")
    assert path.read_text() == "two" and path.stat().st_mtime_ns != before


# --- decoding ---------------------------------------------------------------------------------------


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_decode_converts_to_rgb():
    grey = Image.new("L", (10, 10), 77)
    assert np.unique(np.asarray(decode(saved(grey, "PNG")))).tolist() == [77]
    assert np.asarray(decode(saved(Image.new("RGBA", (9, 9), (1, 2, 3, 0)), "PNG")))[0, 0].tolist() == [
        1,
        2,
        3,
    ]
    assert decode(saved(Image.new("CMYK", (10, 10), (0, 255, 255, 0)), "JPEG")).mode == "RGB"
    deep = np.linspace(0, 65535, 100).astype(np.uint16).reshape(10, 10)
    np.testing.assert_array_equal(np.asarray(decode(saved(Image.fromarray(deep), "PNG")))[..., 0], deep >> 8)
    assert np.asarray(decode(saved(Image.new("1", (10, 10), 1), "PNG"))).min() == 255


def test_decode_refuses(monkeypatch):
    with pytest.raises(DataError, match="empty"):
        decode(b"")
    with pytest.raises(DataError, match="neither JPEG nor PNG"):
        decode(saved(Image.new("RGB", (9, 9)), "BMP"))
    with pytest.raises(DataError, match="9000 x 9000 pixels, more than the 50 million"):
        decode(saved(Image.new("1", (9000, 9000)), "PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with pytest.raises(DataError, match="more than the 50 million"):
        decode(saved(Image.new("1", (10, 10)), "PNG"))
    for cut in (30, 300, 600):
        with pytest.raises(DataError, match="cut off|damaged|neither"):
            decode(encoded(1)[:cut])


def test_resizes_against_closed_forms():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 24, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    area = resize_image(image, 4, "area")
    # PIL rounds once per direction
    assert np.abs(area - pixels.reshape(4, 3, 4, 6, 3).mean(axis=(1, 3))).max() <= 1
    np.testing.assert_array_equal(resize_image(image, 4, "nearest"), pixels[1::3, 3::6])
    assert np.unique(
        resize_image(Image.new("RGB", (31, 17), (9, 8, 7)), 5, "bilinear").reshape(-1, 3), axis=0
    ).tolist() == [[9, 8, 7]]
    with pytest.raises(ParameterError, match="'cubic'"):
        resize_image(image, 4, "cubic")


def test_png_in_disguise_is_read(run, data, root):
    rewrite(root, lambda i, content: encoded(i, kind="PNG") if i == 0 else content)
    prepare_data(run, data)
    expected = resize_image(decode(encoded(0, kind="PNG")), 16, "area")
    row = load_split(run)["image_id"].tolist().index("ISIC_0024306")
    np.testing.assert_array_equal(load_images(run, data, 16, "area")[row], expected)


# --- arrays -----------------------------------------------------------------------------------------


def decodings(monkeypatch):
    """A list that grows by one each time an array is built."""
    built, real = [], arrays._decode_own
    monkeypatch.setattr(arrays, "_decode_own", lambda *arguments: built.append(1) or real(*arguments))
    return built


def test_arrays_are_built_once_in_the_order_of_the_split(run, data, monkeypatch):
    table = prepare_data(run, data)
    built = decodings(monkeypatch)
    array = load_images(run, data, 16, "bilinear")
    assert isinstance(array, np.memmap) and not array.flags.writeable
    assert array.shape == (COUNT, 16, 16, 3) and array.dtype == np.uint8
    for row, image_id in enumerate(table["image_id"]):
        expected = resize_image(decode(encoded(int(image_id[5:]) - 24306)), 16, "bilinear")
        np.testing.assert_array_equal(array[row], expected)
    load_images(run, data, 16, "bilinear")
    assert len(built) == 1
    load_images(run, data, 8, "bilinear")
    load_images(run, data, 16, "nearest")
    assert len(built) == 3
    assert sorted(path.name for path in run.data.glob("images-*")) == [
        f"images-{name}.{end}"
        for name in ("16-bilinear", "16-nearest", "8-bilinear")
        for end in ("json", "npy")
    ]


@pytest.mark.parametrize("fault", ["cut", "flipped", "no sidecar", "wrong key", "not an array", "version"])
def test_arrays_are_built_again_where_they_are_not_whole(run, data, monkeypatch, fault):
    prepare_data(run, data)
    good = np.array(load_images(run, data, 16, "area"))
    path = run.data / "images-16-area.npy"
    sidecar = path.with_suffix(".json")
    whole, said = path.read_bytes(), sidecar.read_bytes()
    if fault == "cut":
        os.truncate(path, len(whole) // 2)
    elif fault == "flipped":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif fault == "no sidecar":
        sidecar.unlink()
    elif fault == "wrong key":
        sidecar.write_text(json.dumps(json.loads(said) | {"key": "another"}))
    elif fault == "not an array":
        path.write_bytes(b"")
    else:
        monkeypatch.setattr(arrays, "code_fingerprint", lambda names: "other code")
    built = decodings(monkeypatch)
    np.testing.assert_array_equal(load_images(run, data, 16, "area"), good)
    assert len(built) == 1
    assert path.read_bytes() == whole
    assert (sidecar.read_bytes() == said) == (fault != "version")


def test_a_copied_array_is_checked_and_kept(run, data, monkeypatch):
    prepare_data(run, data)
    load_images(run, data, 16, "area")
    os.utime(run.data / "images-16-area.npy")  # younger than its sidecar, as after a copy
    built = decodings(monkeypatch)
    load_images(run, data, 16, "area")
    assert not built


def test_leftovers_of_a_killed_job_go(run, data):
    prepare_data(run, data)
    (run.data / ".images-16-area.12345.tmp.npy").write_bytes(b"half")
    load_images(run, data, 16, "area")
    assert not list(run.data.glob(".images-16-area*.tmp.npy"))


def test_data_that_changed_after_the_stage(run, data, root):
    prepare_data(run, data)
    load_images(run, data, 8, "area")
    rewrite(root, lambda i, content: encoded(999) if i == 0 else content)
    with pytest.raises(DataError, match="have changed since the stage 'eda'"):
        load_images(run, data, 16, "area")
    assert not list(run.data.glob("images-16-area*"))
    rewrite(root, lambda i, content: b"" if i == 0 else content)
    with pytest.raises(DataError, match=r"ISIC_0024306.jpg is broken \(empty\)"):
        load_images(run, data, 16, "area")
    prepare = prepare_data
    rewrite(root, lambda i, content: encoded(0) if i == 0 else content)
    assert len(prepare(run, data)) == COUNT
    load_images(run, data, 16, "area")


def test_unknown_resize(run, data):
    prepare_data(run, data)
    with pytest.raises(ParameterError, match="nearest, area, bilinear"):
        load_images(run, data, 16, "lanczos")


def test_three_jobs_at_once_build_one_array(run, data, tmp_path):
    prepare_data(run, data)
    program = (
        "import sys, pathlib, warnings; warnings.simplefilter('ignore')\n"
        "from helpers import paths; paths.ARTIFACTS = pathlib.Path(sys.argv[1])\n"
        "from helpers.data import arrays; from helpers.params import Data; import hashlib\n"
        "real = arrays._decode_own\n"
        "arrays._decode_own = lambda *a: print('built') or real(*a)\n"
        "print(hashlib.sha256(arrays.load_images(paths.RunPaths('test'), Data(root=sys.argv[2]), 32, "
        "'area').tobytes()).hexdigest())\n"
        "assert 'torch' not in sys.modules\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "artifacts"), data.root]
    jobs = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(3)
    ]
    said = [job.communicate(timeout=60)[0].split() for job in jobs]
    assert all(job.returncode == 0 for job in jobs)
    assert sum("built" in words for words in said) == 1
    assert len({words[-1] for words in said}) == 1


def test_verification_reports_sizes_and_hashes(root):
    import hashlib

    with open_dataset(root) as dataset:
        checks, sketches = verify_images(dataset)
        assert len(sketches) == len(checks) and sketches[0].grey.shape == (72, 72)
        assert checks["image_id"].tolist() == dataset.metadata["image_id"].tolist()
        assert (
            checks["sha256"].iloc[0] == hashlib.sha256(dataset.read(checks["image_id"].iloc[0])).hexdigest()
        )
    assert set(checks["width"]) == {40} and set(checks["height"]) == {30}


def test_drawn_lesions_go_the_same_way(run):
    data = Data(source="phantom", phantom={"images": 150, "seed": 3})
    table = prepare_data(run, data)
    assert load_duplicates(run).empty
    assert load_manifest(run)["source"] == "phantom" and load_manifest(run)["images"] == len(table) == 150
    assert load_images(run, data, 32, "area").shape == (150, 32, 32, 3)
