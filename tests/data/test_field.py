"""Folders, names, pixels and tables as people have them: taken as meant, or a sentence with a way out."""

import csv
import io
import os
import sys
import unicodedata
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers import paths
from helpers.data.decoding import decode
from helpers.data.folders import open_folder
from helpers.data.ham10000 import open_dataset
from helpers.data.manifest import load_manifest
from helpers.data.prepare import prepare_data
from helpers.data.splits import split_metadata, split_quality
from helpers.engine.data import _listing
from helpers.errors import DataError
from helpers.params import Data, load_params
from helpers.paths import RunPaths


def encoded(text, kind="PNG", mode="RGB", **options):
    """A small image; no two texts give the same bytes."""
    pixels = np.random.default_rng(zlib.crc32(text.encode())).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def lay(root, *names, content=None):
    """Files of these names below ``root``."""
    for name in names:
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(name) if content is None else content)
    return root


def labels(root, rows, header=("image", "diagnosis"), name="labels.csv"):
    root.mkdir(parents=True, exist_ok=True)
    with open(root / name, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return root


def classes_of(root, **options):
    with open_folder(root, **options) as dataset:
        return dataset.metadata["dx"].value_counts().to_dict(), dataset.survey


# --- what lies in a real folder -----------------------------------------------------------------------


class TestMasks:
    @pytest.mark.parametrize(
        ("photograph", "mask"),
        [
            ("{c}/images/{n}.png", "{c}/masks/{n}.png"),
            ("{c}/{n}.png", "{c}/masks/{n}.png"),
            ("{c}/x ({n}).png", "{c}/x ({n})_mask.png"),
            ("{c}/x ({n}).png", "{c}/x ({n})_mask_1.png"),
            ("{c}/{n}.jpg", "{c}/{n}_superpixels.png"),
            ("{c}/{n}.jpg", "{c}/mask_{n}.png"),
            ("images/{c}/{n}.jpg", "masks/{c}/{n}_mask.png"),
            ("{c}/Images/{n}.jpg", "{c}/GroundTruth/{n}.png"),
        ],
    )
    def test_masks_beside_photographs_are_passed_over_and_told(self, tmp_path, photograph, mask):
        for name in ("a", "b"):
            for number in range(3):
                lay(tmp_path, photograph.format(c=name, n=number), mask.format(c=name, n=number))
        counts, told = classes_of(tmp_path)
        assert counts == {"a": 3, "b": 3}
        assert told.startswith("Found 12 files: 6 images are taken") and "6 masks, known by" in told

    def test_a_class_that_is_called_a_mask_stays(self, tmp_path):
        lay(tmp_path, "mask/1.jpg", "mask/2.jpg", "no mask/1.jpg", "no mask/face_mask.jpg")
        assert classes_of(tmp_path)[0] == {"mask": 2, "no mask": 2}

    def test_masks_without_photographs_are_asked_for(self, tmp_path):
        lay(tmp_path, "a/1.png", "a/masks/x.png", "b/2.png")
        with pytest.raises(DataError, match=r"a/masks looks like .* say data.leave_out: \['a/masks'\]"):
            open_folder(tmp_path)
        counts, told = classes_of(tmp_path, leave_out=["*/masks"])
        assert counts == {"a": 1, "b": 1} and "1 left out by data.leave_out (a/masks/)" in told

    @pytest.mark.parametrize("pattern", ["nosuch", "../a", "[", "a/2.png"])
    def test_a_pattern_that_fits_nothing_is_refused(self, tmp_path, pattern):
        lay(tmp_path, "a/1.png", "b/2.png", "b/3.png", "old.csv", content=b"x,y\n")
        with pytest.raises(DataError, match="fits no file or folder in .*Write paths from that folder"):
            open_folder(tmp_path, leave_out=["b/3.png", pattern])


class TestCopies:
    def test_a_folder_that_repeats_the_classes_is_passed_over(self, tmp_path):
        names = [f"{name}/{n}.png" for name in ("yes", "no") for n in range(4)]
        lay(tmp_path, *names)
        for name in names:
            lay(tmp_path, f"all/{name}", content=encoded(name))
        counts, told = classes_of(tmp_path)
        assert counts == {"yes": 4, "no": 4} and "8 copies of images that lie elsewhere too" in told

    def test_an_archive_beside_what_was_unpacked_from_it_is_passed_over(self, tmp_path):
        names = [f"{name}/{n}.png" for name in ("a", "b") for n in range(3)]
        for name in names:
            lay(tmp_path, f"derm/{name}", content=encoded(name))
        with zipfile.ZipFile(tmp_path / "derm.zip", "w") as archive:
            for name in names:
                archive.writestr(name, encoded(name))
        counts, told = classes_of(tmp_path, target="a")
        assert counts == {"a": 3, "b": 3} and "6 copies" in told and "derm.zip/" in told

    def test_a_folder_of_the_classes_with_other_images_is_asked_for(self, tmp_path):
        lay(tmp_path, "yes/1.png", "no/2.png", "all/yes/1.png", "all/no/2.png")
        with pytest.raises(DataError, match=r"folder all holds folders of these names.*leave_out: \['all'\]"):
            open_folder(tmp_path)
        assert classes_of(tmp_path, leave_out=["all"])[0] == {"yes": 1, "no": 1}

    def test_equal_bytes_in_two_classes_are_refused_by_name(self, tmp_path):
        lay(tmp_path, "benign/1.png", "malignant/2.png")
        lay(tmp_path, "malignant/other.png", content=encoded("benign/1.png"))
        with pytest.raises(
            DataError, match=r"1 photograph in two classes.*benign/1.png .*malignant/other.png"
        ):
            open_folder(tmp_path)
        counts, _ = classes_of(tmp_path, leave_out=["malignant/other.png"])
        assert counts == {"benign": 1, "malignant": 1}

    def test_what_is_no_image_is_no_equal_photograph(self, tmp_path):
        """Files that a cloud has not brought, a download that ended in a web page: the check names them."""
        for content in (b"", b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1"):
            lay(tmp_path, "a/1.jpg", "b/2.jpg", content=content)
            assert classes_of(tmp_path)[0] == {"a": 1, "b": 1}
        with pytest.raises(DataError, match="neither JPEG nor PNG, but a pointer of Git LFS"):
            decode(content)

    def test_equal_bytes_are_one_lesion(self, tmp_path):
        lay(tmp_path, "a.png", "b.png", "c.png", "d.png")
        lay(tmp_path, "again.png", content=encoded("b.png"))
        rows = [("a.png", "x", "1"), ("b.png", "x", "1"), ("again.png", "x", "2"), ("c.png", "x", "2")]
        labels(tmp_path, [*rows, ("d.png", "y", "3")], ("image", "class", "patient"))
        with open_folder(tmp_path) as dataset:
            assert dataset.metadata["lesion_id"].nunique() == 2

    def test_copies_across_a_split_by_image_count_as_a_leak(self, tmp_path, monkeypatch):
        monkeypatch.setattr(paths, "ARTIFACTS", tmp_path / "artifacts")
        root = tmp_path / "mine"
        for name in ("a", "b"):
            for number in range(20):
                file = f"{name}/{number}.png"
                lay(root, file)
                lay(root, f"{name}/{number} (copy).png", content=encoded(file))
        run = RunPaths("own")
        table = prepare_data(run, Data(source="folder", root=str(root), target_class="a"))
        quality = split_quality(table, table["split"], "a")
        assert quality["test_seen"] > 0 and load_manifest(run)["lesions"] == 0
        lay(root, "a/single.png")
        table = prepare_data(run, Data(source="folder", root=str(root), target_class="a"))
        assert table.set_index("image_id")["lesion_id"].isna().sum() == 1
        assert split_quality(table, table["split"], "a")["lesions_named"] == pytest.approx(80 / 81)


class TestOtherFiles:
    CLUTTER = (
        "Thumbs.db",
        "desktop.ini",
        ".DS_Store",
        "._1.jpg",
        "~$labels.docx",
        "notes.docx",
        "README.txt",
    )
    FOLDERS = ("@eaDir", "$RECYCLE.BIN", "#recycle", "@Recycle", "__MACOSX", "System Volume Information")

    def test_what_systems_leave_is_passed_over_and_changes_no_fingerprint(self, tmp_path):
        lay(tmp_path, "a/1.jpg", "b/2.jpg")
        before = _fingerprint(tmp_path)
        lay(tmp_path, *(f"a/{name}" for name in self.CLUTTER), content=b"x")
        lay(tmp_path, *(f"{folder}/a/thumb.jpg" for folder in self.FOLDERS))
        counts, told = classes_of(tmp_path)
        assert counts == {"a": 1, "b": 1} and "9 kept by systems" in told and "2 other files" in told
        assert _fingerprint(tmp_path) == before

    def test_an_image_or_a_table_of_images_changes_the_fingerprint(self, tmp_path):
        lay(tmp_path, "a/1.jpg", "b/2.jpg")
        found = {_fingerprint(tmp_path)}
        lay(tmp_path, "a/3.jpg")
        found.add(_fingerprint(tmp_path))
        labels(tmp_path, [("1.jpg", "a"), ("2.jpg", "b")])
        found.add(_fingerprint(tmp_path))
        labels(tmp_path, [("1.jpg", "b"), ("2.jpg", "a")])
        assert len(found | {_fingerprint(tmp_path)}) == 4

    def test_what_cannot_be_reached_is_told(self, tmp_path):
        lay(tmp_path, "a/1.jpg", "b/2.jpg", "b/1/2/3/4/5/6.jpg", "b/more.tar.gz")
        (tmp_path / "a" / "gone.jpg").symlink_to(tmp_path / "not there.jpg")
        (tmp_path / "a" / "loop.jpg").symlink_to("loop.jpg")
        with zipfile.ZipFile(tmp_path / "a" / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.zip", b"")
            archive.writestr("film.mp4", b"0" * 2**22)
        counts, told = classes_of(tmp_path)
        assert counts == {"a": 1, "b": 1}
        assert "2 archives that are not opened (unpack them) (b/, a/all.zip/)" in told
        assert "1 folders more than 5 levels deep, which are not searched" in told
        assert "2 links that lead nowhere (a/)" in told and "1 too large for images (a/all.zip/)" in told

    def test_a_folder_without_an_image_says_what_was_not_reached(self, tmp_path):
        lay(tmp_path, "1/2/3/4/5/6/a.jpg", "derm.tar.gz", "derm.rar")
        (tmp_path / "a.jpg").symlink_to("not there")
        wanted = r"kinds than zip .*derm.rar, derm.tar.gz.*: unpack them.*levels deep.*1/2/3/4/5/6/.*"
        with pytest.raises(DataError, match=wanted + r"links that lead nowhere \(a.jpg\): get the files"):
            open_folder(tmp_path)
        with pytest.raises(DataError, match="no metadata.*derm.rar, derm.tar.gz.*: unpack them"):
            open_dataset(tmp_path)
        header = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
        with pytest.raises(DataError, match="no image .*derm.rar, derm.tar.gz.*: unpack them"):
            open_dataset(labels(tmp_path, [("1", "2", "nv", "histo", "60", "male", "back")], header))

    def test_two_images_of_one_name_are_refused(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            for form in ("NFC", "NFD"):
                archive.writestr(f"a/{unicodedata.normalize(form, 'é')}.jpg", encoded(form))
        with pytest.raises(DataError, match=r"two images of one name.* \(all.zip/a/é.jpg\): rename one"):
            open_folder(tmp_path)

    @pytest.mark.skipif(sys.platform == "darwin", reason="its file systems hold names in UTF-8 alone")
    def test_names_of_an_older_system_are_read(self, tmp_path):
        lay(tmp_path, "spitz/1.jpg")
        lay(tmp_path, os.fsdecode("nävus/größe.jpg".encode("latin-1")), content=encoded("größe"))
        with open_folder(tmp_path, target="nävus") as dataset:
            assert set(dataset.metadata["image_id"]) == {"spitz/1", "nävus/größe"}
            assert dataset.read("nävus/größe")

    def test_a_split_that_the_folders_make_is_given_up_and_told(self, tmp_path):
        lay(tmp_path, *(f"{part}/{name}/{part}.jpg" for part in ("train", "val") for name in ("a", "b")))
        counts, told = classes_of(tmp_path)
        assert counts == {"a": 2, "b": 2}
        assert told.endswith("The folders train, val are taken together, and the run splits anew.")

    def test_a_loose_picture_beside_the_classes_is_asked_for(self, tmp_path):
        lay(tmp_path, "all/a/1.jpg", "all/b/2.jpg", "all/overview.png")
        with pytest.raises(DataError, match=r"1 image in no class \(all/overview.png\)"):
            open_folder(tmp_path)
        assert classes_of(tmp_path, leave_out=["overview.png"])[0] == {"a": 1, "b": 1}

    @pytest.mark.parametrize(("kind", "named"), [("WEBP", "WebP"), ("GIF", "GIF"), ("TIFF", "TIFF")])
    def test_another_kind_under_a_wrong_ending_is_named(self, kind, named):
        with pytest.raises(DataError, match=f"neither JPEG nor PNG, but {named}"):
            decode(encoded("x", kind))

    def test_jpeg_and_png_are_known_by_their_bytes(self, tmp_path):
        for number, ending in enumerate((".jfif", ".jpe", "", ".JPG", ".jpg_large", ".bmp")):
            lay(tmp_path, f"a/{number}{ending}", content=encoded(f"a{number}", "JPEG"))
        lay(tmp_path, "b/1", "b/2.png")
        counts, told = classes_of(tmp_path)
        assert counts == {"a": 6, "b": 2} and "1 .jfif" in told

    @pytest.mark.parametrize("pattern", ["part{}", "train_{}", "images-{}"])
    def test_archives_that_are_parts_of_a_download_are_no_classes(self, tmp_path, pattern):
        for part in (1, 2):
            with zipfile.ZipFile(tmp_path / f"{pattern.format(part)}.zip", "w") as archive:
                for name in ("naevus", "spitz"):
                    archive.writestr(f"{name}\\{part}.png", encoded(f"{name}{part}"))
        assert classes_of(tmp_path)[0] == {"naevus": 2, "spitz": 2}

    def test_the_target_class_tells_which_folder_is_the_class(self, tmp_path):
        lay(tmp_path, "clinic A/naevus/1.png", "clinic A/spitz/2.png", "clinic B/naevus/3.png")
        assert classes_of(tmp_path, target="spitz")[0] == {"naevus": 2, "spitz": 1}
        assert classes_of(tmp_path, target="clinic A")[0] == {"clinic A": 2, "clinic B": 1}


def _fingerprint(root):
    from helpers.data.archives import IGNORED

    return _listing.__wrapped__(root, IGNORED)


# --- pixels -------------------------------------------------------------------------------------------


class TestPixels:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_an_image_is_the_way_up_that_its_tag_says(self, orientation, kind):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encoded("x", kind, exif=exif)
        stored = np.asarray(Image.open(io.BytesIO(content)))
        mirrored = stored.swapaxes(0, 1)
        upright = {  # as the EXIF standard numbers them
            1: stored,
            2: stored[:, ::-1],
            3: stored[::-1, ::-1],
            4: stored[::-1],
            5: mirrored,
            6: np.rot90(stored, -1),
            7: mirrored[::-1, ::-1],
            8: np.rot90(stored),
        }
        np.testing.assert_array_equal(np.asarray(decode(content)), upright[orientation])

    def test_a_broken_tag_is_no_tag(self):
        content = encoded("x", "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
        assert decode(content).size == (16, 12)

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK"])
    def test_every_mode_keeps_its_range(self, mode):
        kind = "JPEG" if mode == "CMYK" else "PNG"
        if mode == "PA":
            pytest.skip("no format that is read stores it")
        pixels = np.asarray(decode(encoded("x", kind, mode)))
        assert pixels.shape == (12, 16, 3) and pixels.min() < 60 and pixels.max() > 190

    @pytest.mark.parametrize("bits", [8, 12, 16])
    def test_deep_grey_is_scaled_by_the_range_in_use(self, bits):
        values = np.linspace(0, 2**bits - 1, 120).astype(np.uint16).reshape(10, 12)
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, "PNG")
        pixels = np.asarray(decode(buffer.getvalue()))[..., 0]
        np.testing.assert_array_equal(pixels, values >> (bits - 8))

    def test_fractions_are_scaled_or_refused(self):
        def tiff(values):
            buffer = io.BytesIO()
            Image.fromarray(values.astype(np.float32).reshape(10, 10)).save(buffer, "TIFF")
            return decode(buffer.getvalue(), ("TIFF",))

        ramp = np.linspace(0, 1, 100)
        for top in (1, 255):
            assert np.asarray(tiff(ramp * top)).max() == 255
        for wrong in (ramp - 1, ramp * 1e9, ramp * np.nan):
            with pytest.raises(DataError, match="of no known range"):
                tiff(wrong)


# --- names that another machine wrote -----------------------------------------------------------------


class TestNames:
    @pytest.mark.parametrize(
        ("file", "written"),
        [
            ("img/a1.JPG", "a1.jpg"),
            ("img/a1.png", "a1.jpg"),
            ("img/a1.jpeg", "A1.JPG"),
            ("img/a1.jpg", "/content/drive/MyDrive/img/a1.jpg"),
            ("img/a1.jpg", "C:\\Users\\me\\img\\a1.jpg"),
            ("img/a1.jpg", "./img//a1"),
            ("img/00000012.jpg", "12"),
            ("img/00000012.jpg", "12.0"),
            ("img/ISIC_1_downsampled.jpg", "ISIC_1"),
            ("img/ISIC_1.jpg", "ISIC_1_downsampled"),
            (unicodedata.normalize("NFD", "img/nävus.jpg"), unicodedata.normalize("NFC", "nävus.jpg")),
            (unicodedata.normalize("NFC", "img/nävus.jpg"), unicodedata.normalize("NFD", "nävus.jpg")),
        ],
    )
    def test_a_row_finds_its_file(self, tmp_path, file, written):
        lay(tmp_path, file, "img/other.jpg")
        labels(tmp_path, [(written, "a"), ("other.jpg", "b")])
        assert classes_of(tmp_path)[0] == {"a": 1, "b": 1}

    @pytest.mark.parametrize("prefix", ["", "/content/derm/", "C:\\Users\\me\\"])
    def test_the_longest_matching_end_decides(self, tmp_path, prefix):
        lay(tmp_path, "naevus/001.jpg", "spitz/001.jpg", "001.jpg")
        sign = "\\" if "\\" in prefix else "/"
        labels(tmp_path, [(f"{prefix}{name}{sign}001.jpg", name) for name in ("naevus", "spitz")])
        with pytest.warns(UserWarning, match="no class for 1 of 3"), open_folder(tmp_path) as dataset:
            assert list(dataset.metadata["image_id"]) == ["naevus/001", "spitz/001"]

    def test_a_name_that_may_be_two_files_is_refused(self, tmp_path):
        lay(tmp_path, "x/1.jpg", "y/1.jpg")
        labels(tmp_path, [("1.jpg", "a"), ("2.jpg", "b")][:1])
        with pytest.raises(DataError, match="may be more than one file"):
            open_folder(tmp_path)

    def test_archives_of_other_systems(self, tmp_path):
        path = tmp_path / "derm.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("nävus", "spitz"):
                for file, content in ((f"{name}\\", b""), (f"{name}\\1.png", encoded(name))):
                    info = zipfile.ZipInfo("x")
                    info.filename = file
                    archive.writestr(info, content)
        content = bytearray(path.read_bytes())
        for mark, offset in ((b"PK\3\4", 7), (b"PK\1\2", 9)):  # names in UTF-8 are no longer marked as such
            place = content.find(mark)
            while place >= 0:
                content[place + offset] &= ~8
                place = content.find(mark, place + 4)
        path.write_bytes(content)
        with open_folder(tmp_path) as dataset:
            assert sorted(dataset.metadata["dx"]) == ["nävus", "spitz"]
            assert dataset.read("derm.zip/nävus/1") == encoded("nävus")

    def test_packings_that_are_not_read_have_a_way_out(self, tmp_path):
        for number, packing in ((9, "Deflate64"), (14, "LZMA"), (12, "bzip2")):
            path = tmp_path / f"{number}.zip"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a/1.png", encoded("x"))
            content = bytearray(path.read_bytes())
            for mark, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
                content[content.index(mark) + offset] = number
            path.write_bytes(content)
            with pytest.raises(DataError, match=f"packed by {packing}.*Unpack the archive into a folder"):
                open_folder(path)

    def test_archives_in_an_archive_are_told(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            archive.writestr("a.zip", b"")
        with pytest.raises(DataError, match="archives inside a zip archive .*unpack the outer one"):
            open_folder(tmp_path)


# --- tables -------------------------------------------------------------------------------------------

ROWS = ["image;diagnosis", "a1.jpg;naevus", "a2.jpg;spitz", "a3.jpg;spitz"]


class TestTables:
    @pytest.mark.parametrize(
        "content",
        [
            "\n".join(["sep=;", *ROWS]).encode(),
            "\n".join(['"sep=;"', *ROWS]).encode(),
            "\r\n".join([*ROWS, ";", ";", ""]).encode(),
            "\n".join(["Clinic, export of 2024;", *ROWS]).encode(),
            "\n".join(["Clinic, export of 2024", "", *ROWS]).encode(),
            "\n".join(ROWS).encode("utf-16"),
            "\n".join(ROWS).encode("utf-8-sig"),
            "\n".join(ROWS).replace(";", "\t").encode(),
            "\n".join(ROWS).replace(";", "|").encode(),
        ],
    )
    def test_what_excel_writes_is_read(self, tmp_path, content):
        lay(tmp_path, "img/a1.jpg", "img/a2.jpg", "img/a3.jpg")
        (tmp_path / "labels.csv").write_bytes(content)
        assert classes_of(tmp_path)[0] == {"naevus": 1, "spitz": 2}

    def test_a_decimal_comma_is_a_number(self, tmp_path):
        lay(tmp_path, "a1.jpg", "a2.jpg")
        (tmp_path / "t.csv").write_text("image;class;age\na1;x;45,5\na2;y;50\n", encoding="utf-8")
        with open_folder(tmp_path) as dataset:
            assert list(dataset.metadata["age"]) == [45.5, 50.0]

    def test_of_two_columns_the_one_that_names_files_is_taken(self, tmp_path):
        lay(tmp_path, "a1.jpg", "a2.jpg")
        labels(tmp_path, [("1", "a1.jpg", "a"), ("2", "a2.jpg", "b")], ("image_id", "image_path", "label"))
        assert classes_of(tmp_path)[0] == {"a": 1, "b": 1}

    def test_a_table_of_unknown_columns_is_named_with_the_parameter(self, tmp_path):
        lay(tmp_path, "images/1.jpg", "images/2.jpg")
        labels(tmp_path, [("1.jpg", "a"), ("2.jpg", "b")], ("Image Index", "Finding"))
        said = r"labels.csv has the columns Image Index, Finding.*data.columns: \{image: …, class: …\}"
        with pytest.raises(DataError, match=said):
            open_folder(tmp_path)
        assert classes_of(tmp_path, columns={"image": "Image Index", "class": "Finding"})[0] == {
            "a": 1,
            "b": 1,
        }

    def test_a_table_in_other_letters_says_so(self, tmp_path):
        lay(tmp_path, "a1.jpg", "a2.jpg")
        (tmp_path / "t.csv").write_bytes("image;class\na1;nävus\na2;x\n".encode("cp1252"))
        with pytest.raises(
            DataError, match=r"in no class .* t.csv is not UTF-8 text: save it as CSV in UTF-8"
        ):
            open_folder(tmp_path)

    def test_a_missing_image_names_the_table_and_the_parameters(self, tmp_path):
        lay(tmp_path, "img/a1.jpg")
        labels(tmp_path, [("a1.jpg", "a"), ("zz.jpg", "b")])
        with pytest.raises(DataError, match=r"labels.csv names 1 image .*zz.jpg.*data.root.*data.columns"):
            open_folder(tmp_path)


KNOWN = {  # header, three rows, and what they say: classes, lesions
    "ISIC": (
        ("isic_id", "age_approx", "benign_malignant", "diagnosis", "lesion_id", "patient_id", "sex"),
        [
            ("{0}", "45", "benign", "nevus", "IL_1", "IP_1", "male"),
            ("{1}", "", "", "nevus", "", "IP_2", ""),
            ("{2}", "50", "malignant", "melanoma", "", "", "female"),
        ],
        (["nevus", "nevus", "melanoma"], ["IL_1", "IP_2", "i2"]),
    ),
    "ISIC, newer": (
        ("isic_id", "diagnosis_1", "diagnosis_2", "diagnosis_3"),
        [
            ("{0}", "Benign", "", "Nevus"),
            ("{1}", "Benign", "", ""),
            ("{2}", "Malignant", "", "Melanoma"),
        ],
        (["Nevus", "Benign", "Melanoma"], None),
    ),
    "BCN20000": (
        (
            "bcn_filename",
            "age_approx",
            "anatom_site_general",
            "diagnosis",
            "lesion_id",
            "capture_date",
            "sex",
        ),
        [
            ("{0}.jpg", "55.0", "head/neck", "MEL", "BCN_1", "", "male"),
            ("{1}.jpg", "50.0", "", "NV", "BCN_2", "", "male"),
            ("{2}.jpg", "5.0", "", "NV", "BCN_2", "", ""),
        ],
        (["MEL", "NV", "NV"], ["BCN_1", "BCN_2", "BCN_2"]),
    ),
    "PAD-UFES-20": (
        ("patient_id", "lesion_id", "age", "gender", "region", "diagnostic", "img_id", "biopsed"),
        [
            ("PAT_1", "7", "8", "FEMALE", "ARM", "NEV", "{0}.png", "False"),
            ("PAT_1", "8", "8", "", "NECK", "BCC", "{1}.png", "True"),
            ("PAT_2", "9", "77", "", "FACE", "BCC", "{2}.png", "True"),
        ],
        (["NEV", "BCC", "BCC"], ["7", "8", "9"]),
    ),
    "Derm7pt": (
        ("case_num", "diagnosis", "location", "sex", "clinic", "derm", "case_id"),
        [
            ("1", "clark nevus", "back", "male", "NEL/c0.jpg", "{0}.jpg", ""),
            ("2", "melanoma (0.76 to 1.5 mm)", "back", "male", "NEL/c1.jpg", "{1}.jpg", ""),
            ("3", "clark nevus", "back", "male", "NEL/c2.jpg", "{2}.jpg", ""),
        ],
        (["clark nevus", "melanoma (0.76 to 1.5 mm)", "clark nevus"], ["1", "2", "3"]),
    ),
    "SIIM": (
        ("image_name", "patient_id", "sex", "age_approx", "anatom_site_general_challenge", "diagnosis")
        + ("benign_malignant", "target"),
        [
            ("{0}", "IP_1", "male", "45.0", "head/neck", "unknown", "benign", "0"),
            ("{1}", "IP_1", "male", "45.0", "", "melanoma", "malignant", "1"),
            ("{2}", "IP_2", "", "", "torso", "nevus", "benign", "0"),
        ],
        (["unknown", "melanoma", "nevus"], ["IP_1", "IP_1", "IP_2"]),
    ),
    "ISIC 2019": (
        ("image", "MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"),
        [
            ("{0}", "0.0", "1.0", *["0.0"] * 7),
            ("{1}_downsampled", "1.0", *["0.0"] * 8),
            ("{2}", *["0.0"] * 7, "1.0", "0.0"),
        ],
        (["nv", "mel", "scc"], ["L1", "L1", "i2"]),
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_well_known_tables_are_read_as_they_come(tmp_path, name):
    header, rows, (classes, lesions) = KNOWN[name]
    lay(tmp_path, *(f"imgs/i{number}.jpg" for number in range(3)))
    labels(
        tmp_path, [[cell.format("i0", "i1", "i2") for cell in row] for row in rows], header, "metadata.csv"
    )
    if name == "ISIC 2019":
        more = [("i0", "55", "L1"), ("i1_downsampled", "", "L1"), ("i2", "", "")]
        labels(tmp_path, more, ("image", "age_approx", "lesion_id"), "ISIC_2019_Training_Metadata.csv")
    with open_folder(tmp_path) as dataset:
        assert list(dataset.metadata["dx"]) == classes
        assert dataset.lesions_known == (lesions is not None)
        if lesions is not None:
            assert list(dataset.metadata["lesion_id"]) == lesions


def test_rows_without_a_class_in_a_well_known_table_are_passed_over_and_told(tmp_path):
    lay(tmp_path, "i0.jpg", "i1.jpg", "i2.jpg")
    labels(tmp_path, [("i0", "a"), ("i1", "b"), ("i2", "")], ("isic_id", "diagnosis"))
    with pytest.warns(UserWarning, match="no class for 1 of 3"):
        counts, told = classes_of(tmp_path)
    assert counts == {"a": 1, "b": 1} and "1 rows of labels.csv without a class" in told


# --- patients with several diagnoses, and targets that are not 'mel' ------------------------------------


def patients(melanomas, photographs=4):
    rows = [
        (f"i{patient}-{photo}", f"p{patient}", "melanoma" if patient in melanomas and not photo else "nevus")
        for patient in range(60)
        for photo in range(photographs)
    ]
    return pd.DataFrame(rows, columns=["image_id", "lesion_id", "dx"])


@pytest.mark.parametrize("seed", [1, 2, 3, 42])
def test_a_rare_class_among_patients_keeps_its_share(seed):
    for melanomas in ((3, 17, 29, 41), (1, 2, 3), tuple(range(0, 60, 2))):
        metadata = patients(melanomas)
        split = split_metadata(metadata, "lesion", (0.7, 0.15, 0.15), seed)
        counts = pd.crosstab(metadata["dx"], split)
        expected = len(melanomas) * np.array([0.7, 0.15, 0.15])
        found = counts.loc["melanoma", ["train", "validation", "test"]]
        assert (np.abs(found - np.maximum(expected, 1)) <= 1.5).all() and found.min() >= 1
        assert counts["train"].sum() == pytest.approx(0.7 * len(metadata), abs=8)
        assert metadata.assign(split=split).groupby("lesion_id")["split"].nunique().max() == 1


def test_a_class_too_rare_is_the_one_that_is_named():
    with pytest.raises(DataError, match="The class 'melanoma' has 2 lesions, too few"):
        split_metadata(patients((3, 17)), "lesion", (0.7, 0.15, 0.15), seed=42)


@pytest.mark.parametrize("name", ["rigorous", "laptop-rigorous", "fullsize-rigorous"])
def test_the_arms_of_the_study_follow_the_target(name):
    params = load_params(name, ["data.target_class=spitz"])
    parts = [part for arm in params.arms.values() for part in (arm.oversample, arm.withhold) if part]
    assert parts and {part.class_ for part in parts} == {"spitz"}
    assert {arm.withhold.class_ for arm in load_params(name).arms.values() if arm.withhold} == {"mel"}


def test_yes_and_no_are_names_of_classes():
    assert load_params("quick", ["data.target_class=yes"]).data.target_class == "yes"
