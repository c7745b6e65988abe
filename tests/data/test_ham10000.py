"""Every layout that people have, and every way in which a data folder is wrong."""

import io
import os
import stat
import zipfile
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers.data import archives
from helpers.data.classes import CLASSES
from helpers.data.dataset import COLUMNS
from helpers.data.ham10000 import open_dataset
from helpers.errors import DataError
from support.project import ROOT
from support.small_data import load_metadata

REAL = ROOT.parent / "shared" / "data" / "ham10000-200x150"
IDS = [f"ISIC_{24306 + i:07d}" for i in range(14)]


def table(ids=IDS):
    return pd.DataFrame(
        {
            "lesion_id": [f"HAM_{i // 2:07d}" for i in range(len(ids))],
            "image_id": ids,
            "dx": [CLASSES[i // 2 % 7] for i in range(len(ids))],
            "dx_type": "histo",
            "age": ["80.0", ""] * (len(ids) // 2) + ["5.0"] * (len(ids) % 2),
            "sex": "male",
            "localization": "back",
        }
    )


def jpeg(image_id="x", side=16):
    buffer = io.BytesIO()
    colour = np.random.default_rng(zlib.crc32(image_id.encode())).integers(0, 255, 3, dtype=np.uint8)
    Image.fromarray(np.broadcast_to(colour, (side, side, 3)).copy()).save(buffer, "JPEG")
    return buffer.getvalue()


def put_images(folder, ids):
    folder.mkdir(parents=True, exist_ok=True)
    for image_id in ids:
        (folder / f"{image_id}.jpg").write_bytes(jpeg(image_id))


def put_zip(path, ids, prefix=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for image_id in ids:
            archive.writestr(f"{prefix}{image_id}.jpg", jpeg(image_id))


def put_metadata(path, rows=None, separator=",", newline="\n", bom=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (table() if rows is None else rows).to_csv(index=False, sep=separator, lineterminator=newline)
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.encode())


def check(root, ids=IDS):
    with open_dataset(root) as dataset:
        assert list(dataset.metadata.columns) == list(COLUMNS)
        assert dataset.metadata["image_id"].tolist() == list(ids)
        assert all(dataset.read(image_id) == jpeg(image_id) for image_id in ids)
        return dataset


def official(root):
    put_zip(root / "HAM10000_images_part_1.zip", IDS[:7])
    put_zip(root / "HAM10000_images_part_2.zip", IDS[7:])
    put_metadata(root / "HAM10000_metadata")


def flat(root):
    put_images(root, IDS)
    put_metadata(root / "HAM10000_metadata.csv")


# --- layouts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "with a space", "br{ac}es [and] %s", "ünï-çødé 皮膚"])
def test_official_zips_unopened(tmp_path, name):
    official(tmp_path / name)
    assert check(tmp_path / name).layout == "zip archives"


def test_zips_one_folder_deeper_and_folders_inside_them(tmp_path):
    put_zip(tmp_path / "dataverse_files" / "HAM10000_images_part_1.zip", IDS[:7], "HAM10000_images_part_1/")
    put_zip(tmp_path / "dataverse_files" / "HAM10000_images_part_2.zip", IDS[7:], "a b/c/")
    put_metadata(tmp_path / "dataverse_files" / "HAM10000_metadata.tab", separator="\t")
    check(tmp_path)


def test_official_zips_beside_the_test_set_and_the_masks(tmp_path):
    official(tmp_path)
    put_zip(tmp_path / "ISIC2018_Task3_Test_Images.zip", ["ISIC_0034524"])
    (tmp_path / "ISIC2018_Task3_Test_GroundTruth.csv").write_text("image_id,dx\nISIC_0034524,nv\n")
    put_zip(tmp_path / "HAM10000_segmentations_lesion_tschandl.zip", ["ISIC_0024306_segmentation"])
    put_images(tmp_path / "__MACOSX", ["._ISIC_0024306"])
    check(tmp_path)


def test_one_archive_with_everything(tmp_path):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for image_id in IDS:
            archive.writestr(f"HAM10000_images_part_1/{image_id}.jpg", jpeg(image_id))
        archive.writestr("HAM10000_metadata.csv", table().to_csv(index=False))
    check(tmp_path)
    check(tmp_path / "archive.zip")


def test_kaggle_folders_twice(tmp_path):
    for part, ids in (("part_1", IDS[:7]), ("part_2", IDS[7:])):
        put_images(tmp_path / f"HAM10000_images_{part}", ids)
        put_images(tmp_path / f"ham10000_images_{part}", ids)
    put_metadata(tmp_path / "HAM10000_metadata.csv")
    (tmp_path / "hmnist_8_8_L.csv").write_text("pixel0000,label\n1,2\n")
    dataset = check(tmp_path)
    assert dataset.layout == "several folders"
    assert dataset.images[IDS[0]].name == f"HAM10000_images_part_1/{IDS[0]}.jpg"


def test_flat_folder_with_upper_case_endings_and_any_table_name(tmp_path):
    put_images(tmp_path, IDS)
    (tmp_path / f"{IDS[0]}.jpg").rename(tmp_path / f"{IDS[0]}.JPG")
    put_metadata(tmp_path / "labels.csv")
    (tmp_path / "README.txt").write_text("no table, just words\nand more\n")
    assert check(tmp_path).layout == "one folder"


def challenge(root, groupings=True):
    put_images(root / "ISIC2018_Task3_Training_Input", IDS)
    put_images(root / "ISIC2018_Task3_Validation_Input", ["ISIC_0034321"])
    (root / "ISIC2018_Task3_Training_Input" / "ATTRIBUTION.txt").write_text("thanks")
    folder = root / "ISIC2018_Task3_Training_GroundTruth"
    folder.mkdir()
    codes = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
    rows = [
        [image_id, *("1.0" if code.lower() == dx else "0.0" for code in codes)]
        for image_id, dx in zip(IDS, table()["dx"], strict=True)
    ]
    pd.DataFrame(rows, columns=["image", *codes]).to_csv(
        folder / "ISIC2018_Task3_Training_GroundTruth.csv", index=False
    )
    if groupings:
        groups = pd.DataFrame(
            {"image": IDS, "lesion_id": table()["lesion_id"], "diagnosis_confirm_type": "histopathology"}
        )
        groups.iloc[::-1].to_csv(root / "ISIC2018_Task3_Training_LesionGroupings.csv", index=False)
    return folder


def test_challenge_layout_with_lesions(tmp_path):
    challenge(tmp_path)
    dataset = check(tmp_path)
    assert dataset.lesions_known and dataset.layout == "ISIC 2018 challenge"
    for column in ("lesion_id", "dx", "dx_type"):
        assert dataset.metadata[column].tolist() == table()[column].tolist()
    assert dataset.metadata["age"].isna().all()


def test_challenge_layout_without_lesions_warns(tmp_path):
    challenge(tmp_path, groupings=False)
    with pytest.warns(UserWarning, match="a split by lesion is impossible"):
        dataset = check(tmp_path)
    assert not dataset.lesions_known
    assert dataset.metadata["lesion_id"].tolist() == IDS


def test_challenge_row_with_two_classes(tmp_path):
    truth = challenge(tmp_path) / "ISIC2018_Task3_Training_GroundTruth.csv"
    truth.write_text(truth.read_text().replace("0.0", "1.0", 1))
    with pytest.raises(DataError, match="marks one of the classes .* with 1 .* unlike line 2"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("ending", ["", ".csv", ".tab", ".tsv", ".txt", ".CSV"])
@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_metadata_with_any_ending_and_separator(tmp_path, ending, separator):
    put_metadata(tmp_path / f"HAM10000_metadata{ending}", separator=separator, newline="\r\n", bom=True)
    metadata = load_metadata(tmp_path)
    expected = table().assign(age=[80.0, np.nan] * 7)
    pd.testing.assert_frame_equal(metadata, expected, check_dtype=False)


def test_metadata_of_later_releases(tmp_path):
    """Another order, one more column, quotes, file names for ids, spaces in the header."""
    rows = table().assign(dataset="vidir_modern", image_id=[f"{image_id}.jpg" for image_id in IDS])[
        ["dataset", *reversed(COLUMNS)]
    ]
    rows.columns = [f" {column.upper()}" if column in COLUMNS else column for column in rows.columns]
    rows.to_csv(tmp_path / "HAM10000_metadata", sep="\t", index=False, quoting=1)
    metadata = load_metadata(tmp_path)
    assert list(metadata.columns) == list(COLUMNS)
    assert metadata["image_id"].tolist() == IDS


def test_two_equal_tables_pass_and_two_different_do_not(tmp_path):
    put_metadata(tmp_path / "HAM10000_metadata.csv")
    put_metadata(tmp_path / "HAM10000_metadata.tab", separator="\t")
    assert len(load_metadata(tmp_path)) == 14
    put_metadata(tmp_path / "HAM10000_metadata.tab", table().assign(sex="female"), separator="\t")
    with pytest.raises(DataError, match="two different tables"):
        load_metadata(tmp_path)


def test_links_are_followed_and_loops_end(tmp_path):
    put_images(tmp_path / "elsewhere", IDS)
    root = tmp_path / "root"
    put_metadata(root / "HAM10000_metadata.csv")
    (root / "images").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (root / "here").symlink_to(".")
    check(root)


def test_any_classes_for_other_data(tmp_path):
    put_images(tmp_path, IDS)
    put_metadata(tmp_path / "metadata.csv", table().assign(dx="SCC"))
    with open_dataset(tmp_path, classes=None) as dataset:
        assert set(dataset.metadata["dx"]) == {"SCC"}


@pytest.mark.skipif(not REAL.is_dir(), reason="HAM10000 is not here")
def test_real_metadata():
    with open_dataset(REAL) as dataset:
        metadata = dataset.metadata
        assert metadata["dx"].value_counts().sort_index().to_dict() == {
            "akiec": 327,
            "bcc": 514,
            "bkl": 1099,
            "df": 115,
            "mel": 1113,
            "nv": 6705,
            "vasc": 142,
        }
        assert metadata["lesion_id"].nunique() == 7470
        assert metadata.loc[metadata["dx"] == "mel", "lesion_id"].nunique() == 614
        assert metadata["age"].isna().sum() == 57
        assert dataset.layout == "zip archives"


# --- faults -----------------------------------------------------------------------------------------


def test_no_folder_no_metadata_no_images(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no metadata"):
        open_dataset(tmp_path)
    put_metadata(tmp_path / "HAM10000_metadata.csv")
    with pytest.raises(DataError, match="no image"):
        open_dataset(tmp_path)


def test_rows_without_images_and_images_without_rows(tmp_path):
    flat(tmp_path)
    (tmp_path / f"{IDS[3]}.jpg").rename(tmp_path / "ISIC_9999999.jpg")
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path)
    assert f"1 row without an image ({IDS[3]}) and 1 image without a row (ISIC_9999999.jpg)" in str(
        caught.value
    )


def test_many_missing_are_counted(tmp_path):
    flat(tmp_path)
    for image_id in IDS[4:]:
        (tmp_path / f"{image_id}.jpg").unlink()
    with pytest.raises(DataError, match=f"10 rows without an image \\({', '.join(IDS[4:9])} and 5 more\\)"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda t: t.assign(dx=["scc", *t["dx"][1:]]),
            f"1 row of an unknown class, 'scc' .{IDS[0]}.; known: akiec",
        ),
        (lambda t: t.assign(image_id=[IDS[1], *IDS[1:]]), f"1 image id more than once: {IDS[1]}"),
        (lambda t: t.drop(columns=["dx", "sex"]), "lacks the column dx, sex"),
        (lambda t: t.assign(lesion_id=["", *t["lesion_id"][1:]]), "no lesion_id in 1 row .line 2"),
        (lambda t: t.assign(age=["old", *t["age"][1:]]), f"not 'old' .{IDS[0]}"),
        (lambda t: t.assign(image_id=["../../etc/passwd", *IDS[1:]]), "without slashes"),
        (lambda t: t[:0], "header and no rows"),
    ],
)
def test_faulty_metadata(tmp_path, change, words):
    flat(tmp_path)
    put_metadata(tmp_path / "HAM10000_metadata.csv", change(table()))
    with pytest.raises(DataError, match=words):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no table"),
        (b"a,b\n1,2,3,4\n", "no table|lacks the column"),
        ("läsion;ä".encode("latin-1"), "not UTF-8"),
        (b"\x00" * 100, "no table|lacks"),
        (b"a" * 140_000, "no table"),
    ],
)
def test_metadata_that_is_no_table(tmp_path, content, words):
    (tmp_path / "HAM10000_metadata.csv").write_bytes(content)
    with pytest.raises(DataError, match=words):
        load_metadata(tmp_path)


def test_row_with_too_many_fields(tmp_path):
    put_metadata(tmp_path / "HAM10000_metadata.csv")
    with open(tmp_path / "HAM10000_metadata.csv", "a") as file:
        file.write("HAM_1,ISIC_1,nv,histo,80,male,back,one,too many\n")
    with pytest.raises(DataError, match="no table"):
        load_metadata(tmp_path)


def test_one_image_under_two_names(tmp_path):
    flat(tmp_path)
    (tmp_path / f"{IDS[0]}.png").write_bytes(b"x")
    with pytest.raises(DataError, match="two file names"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("put", "limit", "words"),
    [
        (flat, "MAX_FILES", "more than 10 files"),
        (official, "MAX_ARCHIVE_BYTES", "it would unpack to 0 GB. Pack the images of the data set alone"),
    ],
)
def test_a_whole_disk_is_refused(tmp_path, monkeypatch, put, limit, words):
    put(tmp_path)
    monkeypatch.setattr(archives, limit, 10)
    with pytest.raises(DataError, match=words):
        open_dataset(tmp_path)


# --- unsafe archives --------------------------------------------------------------------------------


def with_member(root, info, content=b"x", compression=zipfile.ZIP_STORED):
    official(root)
    with zipfile.ZipFile(root / "HAM10000_images_part_2.zip", "a", compression) as archive:
        archive.writestr(info, content, compress_type=compression)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../ISIC_1.jpg", "points outside"),
        ("a/../../b.jpg", "points outside"),
        ("/etc/x.jpg", "absolute"),
        ("C:/x.jpg", "absolute"),
        ("..\\x.jpg", "points outside"),
    ],
)
def test_members_that_point_elsewhere(tmp_path, name, words):
    with_member(tmp_path, name)
    with pytest.raises(DataError, match=words) as caught:
        open_dataset(tmp_path)
    assert "HAM10000_images_part_2.zip" in str(caught.value)


def test_member_that_is_a_link(tmp_path):
    info = zipfile.ZipInfo("ISIC_1.jpg")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with_member(tmp_path, info, b"/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        open_dataset(tmp_path)


def test_zip_bomb(tmp_path, monkeypatch):
    with_member(tmp_path, "ISIC_1.jpg", b"\0" * 3_000_000, zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="times smaller"):
        open_dataset(tmp_path)
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 2_000_000)
    with pytest.raises(DataError, match="unpack to 3 MB"):
        open_dataset(tmp_path)
    monkeypatch.setattr(archives, "MAX_FILES", 5)
    with pytest.raises(DataError, match="lists 7 members.* Pack the images of the data set alone"):
        open_dataset(tmp_path)


def test_archive_cut_off(tmp_path):
    official(tmp_path)
    path = tmp_path / "HAM10000_images_part_2.zip"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DataError, match="HAM10000_images_part_2.zip is not a whole zip archive"):
        open_dataset(tmp_path)


def test_member_damaged(tmp_path):
    official(tmp_path)
    path = tmp_path / "HAM10000_images_part_1.zip"
    content = bytearray(path.read_bytes())
    content[200] ^= 255
    path.write_bytes(content)
    with open_dataset(tmp_path) as dataset, pytest.raises(OSError, match="damaged inside the archive"):
        dataset.read(IDS[0])


def test_zip_in_a_zip(tmp_path):
    official(tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "dataverse_files.zip", "w") as archive:
        archive.write(tmp_path / "in" / "HAM10000_images_part_1.zip", "HAM10000_images_part_1.zip")
    with pytest.raises(DataError, match="unpack the outer one"):
        open_dataset(tmp_path / "dataverse_files.zip")


def test_thumbnails_beside_the_photographs_are_not_taken_for_them(tmp_path):
    flat(tmp_path)
    (tmp_path / "64px").mkdir()
    (tmp_path / "64px" / f"{IDS[0]}.jpg").write_bytes(jpeg(IDS[0], side=64))
    with pytest.raises(DataError, match="1 image is there twice, in files of different size: .*64px/"):
        open_dataset(tmp_path)
