"""The user's own images: a folder per class or a table of classes, and a sentence for every mistake."""

import io
import zipfile
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from helpers import paths
from helpers.data.arrays import load_images
from helpers.data.folders import open_folder
from helpers.data.manifest import load_manifest
from helpers.data.prepare import prepare_data
from helpers.data.splits import split_quality
from helpers.errors import DataError, ParameterError
from helpers.params import Data, load_params, validate
from helpers.paths import RunPaths

COUNTS = {"Spitz naevus": 12, "angioma": 14, "lentigo": 30}
COLOURS = {"Spitz naevus": (60, 40, 70), "angioma": (170, 30, 40), "lentigo": (130, 90, 60)}


def lesion(name, number, side=24, kind="JPEG"):
    """A drawn lesion of a class, encoded."""
    picture = Image.new("RGB", (side + 8, side), (225, 180, 160))
    x = 4 + number % 7
    ImageDraw.Draw(picture).ellipse((x, 4, x + 14, 18), fill=COLOURS.get(name, (90, 90, number % 200)))
    # no two alike to the last byte
    ImageDraw.Draw(picture).rectangle(
        (0, 0, 7, 3), fill=(number * 5 % 256, *zlib.crc32(name.encode()).to_bytes(4)[:2])
    )
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def folders(root, counts=COUNTS):
    """A folder per class; every class has its own 001.jpg."""
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number:03d}.jpg").write_bytes(lesion(name, number))
    return root


def table(root, **columns):
    """One folder of images and a table with other column names; two photographs of each patient.

    ``columns`` replaces or adds columns.
    """
    (root / "photos").mkdir(parents=True)
    rows = []
    for name, count in COUNTS.items():
        for number in range(count):
            file = f"{name.split()[0]}-{number}.png"
            (root / "photos" / file).write_bytes(lesion(name, number, kind="PNG"))
            rows.append(
                {
                    "File Name": file,
                    "Diagnosis": name,
                    "Patient-ID": f"{name[0]}{number // 2}",
                    "gender": "female",
                    "age_approx": 30 + number,
                }
            )
    frame = pd.DataFrame(rows).assign(**columns)
    frame.to_csv(root / "labels.csv", index=False)
    return frame


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path / "artifacts")
    return RunPaths("own")


class TestFolders:
    def test_the_first_folder_is_the_class_and_the_path_the_id(self, tmp_path):
        with open_folder(folders(tmp_path / "mine {1}")) as dataset:
            assert dataset.metadata["dx"].value_counts().to_dict() == COUNTS
            assert not dataset.lesions_known and dataset.layout == "a folder per class"
            assert {"angioma/000", "lentigo/000"} <= set(dataset.metadata["image_id"])
            assert dataset.read("angioma/003") == lesion("angioma", 3)

    def test_deeper_folders_a_folder_around_all_and_zip_archives_will_do(self, tmp_path):
        inner = folders(tmp_path / "data" / "lesions")
        (inner / "angioma" / "more").mkdir()
        (inner / "angioma" / "more" / "000.jpg").write_bytes(lesion("angioma", 99))
        with zipfile.ZipFile(inner / "melanosis.zip", "w") as archive:
            archive.writestr("a.jpg", lesion("melanosis", 1))
        with open_folder(tmp_path / "data") as dataset:
            assert dataset.metadata["dx"].value_counts().to_dict() == COUNTS | {"angioma": 15, "melanosis": 1}

    def test_images_that_differ_in_their_ending_alone_are_two(self, tmp_path):
        (folders(tmp_path / "mine") / "angioma" / "000.png").write_bytes(lesion("angioma", 50, kind="PNG"))
        with open_folder(tmp_path / "mine") as dataset:
            assert {"angioma/000.jpg", "angioma/000.png", "angioma/001"} <= set(dataset.metadata["image_id"])

    def test_class_names_that_a_table_would_read_as_numbers_are_called_classes(self, tmp_path):
        with open_folder(
            folders(tmp_path / "mine", {"0": 2, "1": 2, "True": 2, "all": 2, "naevus": 2})
        ) as dataset:
            assert set(dataset.metadata["dx"]) == {"class 0", "class 1", "class True", "class all", "naevus"}


class TestTable:
    def test_columns_are_recognised_by_their_names(self, tmp_path):
        frame = table(tmp_path / "mine")
        with open_folder(tmp_path / "mine") as dataset:
            found = dataset.metadata
            assert list(found["image_id"]) == [
                "photos/" + file.removesuffix(".png") for file in frame["File Name"]
            ]
            assert list(found["dx"]) == list(frame["Diagnosis"]) and list(found["lesion_id"]) == list(
                frame["Patient-ID"]
            )
            assert (
                set(found["sex"]) == {"female"}
                and set(found["localization"]) == {"unknown"}
                and found["age"].iloc[3] == 33.0
            )
            assert dataset.lesions_known

    def test_columns_of_any_name_are_taken_by_parameter(self, tmp_path):
        frame = table(tmp_path / "mine")
        frame.rename(columns={"Diagnosis": "finding", "Patient-ID": "case"}).to_csv(
            tmp_path / "mine" / "labels.csv", index=False
        )
        with pytest.raises(DataError, match=r"in no class .* labels.csv has the columns File Name, finding"):
            (tmp_path / "mine" / "loose.png").write_bytes(lesion("x", 1, kind="PNG"))
            open_folder(tmp_path / "mine")
        (tmp_path / "mine" / "loose.png").unlink()
        with open_folder(tmp_path / "mine", {"class": "finding", "lesion": "Case"}) as dataset:
            assert list(dataset.metadata["lesion_id"]) == list(frame["Patient-ID"])

    def test_files_may_be_named_with_folders_or_without_an_ending(self, tmp_path):
        frame = table(tmp_path / "mine")
        frame["File Name"] = [
            ("photos\\" if row % 2 else "elsewhere/photos/") + name.removesuffix(".png" if row % 3 else "")
            for row, name in enumerate(frame["File Name"])
        ]
        frame.to_csv(tmp_path / "mine" / "labels.csv", index=False, sep=";")
        with open_folder(tmp_path / "mine") as dataset:
            assert len(dataset.metadata) == len(frame)

    def test_images_that_it_does_not_name_are_left_out_with_a_warning(self, tmp_path):
        table(tmp_path / "mine").iloc[2:].to_csv(tmp_path / "mine" / "labels.csv", index=False)
        with (
            pytest.warns(UserWarning, match="names no class for 2 of 56 images"),
            open_folder(tmp_path / "mine") as dataset,
        ):
            assert len(dataset.metadata) == len(dataset.images) == 54


def rename_to_tif(root):
    folders(root, {"a": 1})
    (root / "a" / "000.jpg").unlink()
    (root / "a" / "000.tif").write_bytes(lesion("a", 0, kind="TIFF"))


def rewrite_table(root, change):
    """A folder with a table, saved again after ``change`` of its frame."""
    change(table(root)).to_csv(root / "labels.csv", index=False)


MISTAKES = {  # each makes a folder with one mistake
    "no images": lambda root: root.mkdir(),
    "another kind": rename_to_tif,
    "one class": lambda root: folders(root, {"naevus": 4}),
    "a split": lambda root: folders(root, {"train": 4, "test": 4}),
    "written twice": lambda root: folders(root, {"naevus": 4, "Naevus": 4}),
    "no value": lambda root: folders(root, {"NA": 4, "naevus": 4}),
    "some of another kind": lambda root: (folders(root) / "angioma" / "scan.tiff").write_bytes(b"II"),
    "two tables": lambda root: table(root).head(9).to_csv(root / "other.csv", index=False),
    "missing files": lambda root: rewrite_table(
        root, lambda frame: frame.replace({"File Name": {"lentigo-3.png": "lentigo-300.png"}})
    ),
    "named twice": lambda root: rewrite_table(root, lambda frame: pd.concat([frame, frame.head(1)])),
    "two classes": lambda root: table(root, label="x"),
    "no patient": lambda root: rewrite_table(
        root, lambda frame: frame.assign(**{"Patient-ID": frame["Patient-ID"].where(frame.index != 4, "")})
    ),
    "an age": lambda root: table(root, age_approx="forty"),
}


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("no images", "holds no image (looked for JPEG and PNG"),
        ("another kind", "1 file of another kind (a/000.tif) cannot be read: convert to JPEG or PNG."),
        (
            "some of another kind",
            "1 file of another kind (angioma/scan.tiff) cannot be read: convert to JPEG or PNG. Or take "
            "them away.",
        ),
        ("one class", "holds images of one class only, 'naevus', and a classifier needs at least two."),
        ("a split", "holds the folders test, train, which look like parts of a split"),
        ("written twice", "the classes 'Naevus' and 'naevus' differ only in how they are written"),
        ("no value", "has images of the class 'NA', which tables read as no value"),
        ("two tables", "holds 2 tables that name images and classes (labels.csv, other.csv): keep one."),
        ("missing files", "labels.csv names 1 image that"),
        ("named twice", "labels.csv names 1 image more than once (photos/Spitz-0): keep one row of each."),
        (
            "two classes",
            "has 2 columns that may be the class (Diagnosis, label): say which by data.columns: "
            "{class: Diagnosis}.",
        ),
        ("no patient", "labels.csv names no lesion in 1 row (line 6)"),
        ("an age", "an age is a number of years, not 'forty'"),
    ],
)
def test_a_mistake_is_a_sentence(tmp_path, what, sentence):
    MISTAKES[what](tmp_path / "mine")
    with pytest.raises(DataError) as told:
        open_folder(tmp_path / "mine")
    assert sentence in str(told.value)


class TestStage:
    def test_goes_the_way_of_ham10000(self, tmp_path, run):
        data = Data(source="folder", root=str(folders(tmp_path / "mine")), target_class="lentigo")
        split = prepare_data(run, data)
        assert split.groupby("split")["dx"].nunique().to_dict() == dict.fromkeys(
            ("train", "validation", "test"), 3
        )
        manifest = load_manifest(run)
        assert (manifest["source"], manifest["classes"], manifest["lesions"]) == ("folder", COUNTS, 0)
        assert split_quality(split, split["split"], "lentigo")["lesions_known"] is False
        pixels = load_images(run, data, 32, "area")
        first = np.asarray(
            Image.open(io.BytesIO(lesion("Spitz naevus", 0))).resize((32, 32), Image.Resampling.BOX)
        )
        assert pixels.shape == (56, 32, 32, 3) and (pixels[0] == first).all()

    def test_a_split_by_lesion_keeps_a_patients_images_together(self, tmp_path, run):
        table(tmp_path / "mine")
        split = prepare_data(
            run,
            Data(
                source="folder", root=str(tmp_path / "mine"), target_class="angioma", split={"by": "lesion"}
            ),
        )
        assert (split.groupby("lesion_id")["split"].nunique() == 1).all() and set(split["split"]) == {
            "train",
            "validation",
            "test",
        }

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (
                {},
                "data.target_class is 'mel', and the data have no such class; they have Spitz naevus, "
                "angioma, lentigo.",
            ),
            (
                {"target_class": "lentigo", "split": {"by": "lesion"}},
                "name it, or the patient, in a column lesion_id of a table, or split by 'image'.",
            ),
        ],
    )
    def test_what_the_images_cannot_serve_is_a_sentence(self, tmp_path, run, change, sentence):
        with pytest.raises(DataError) as told:
            prepare_data(run, Data(source="folder", root=str(folders(tmp_path / "mine")), **change))
        assert sentence in str(told.value)

    def test_a_class_too_small_to_split_is_a_sentence(self, tmp_path, run):
        with pytest.raises(
            DataError, match="The class 'rare' has 2 images, too few to be in training, validation and test"
        ):
            prepare_data(
                run,
                Data(
                    source="folder",
                    root=str(folders(tmp_path / "mine", COUNTS | {"rare": 2})),
                    target_class="rare",
                ),
            )

    def test_a_broken_image_is_a_sentence(self, tmp_path, run):
        (folders(tmp_path / "mine") / "angioma" / "005.jpg").write_bytes(lesion("angioma", 5)[:200])
        with pytest.raises(DataError, match=r"1 of 56 images is broken: angioma/005.jpg \(.+\)"):
            prepare_data(run, Data(source="folder", root=str(tmp_path / "mine"), target_class="angioma"))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"source": "folder"}, "source 'folder' needs root"),
        ({"source": "folder", "root": "x", "external_root": "y"}, "does not go with source 'folder'"),
        (
            {"source": "folder", "root": "x", "columns": {"diagnosis": "dx"}},
            "'image', 'class', 'lesion', 'age', 'sex' or 'site'",
        ),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(data, sentence):
    with pytest.raises(ParameterError) as told:
        validate({"data": data})
    assert sentence in str(told.value)


def test_the_front_door_takes_the_folder(tmp_path):
    from helpers.engine import cli

    words = [
        "--data-root",
        str(folders(tmp_path / "mine: #1")),
        "--set",
        "data.source=folder",
        "--set",
        "data.target_class=lentigo",
        "--run",
        "mine",
    ]
    run, params = cli._prepare(cli.parser().parse_args(words))
    assert (run.run, params.data.source, params.data.root) == ("mine", "folder", str(tmp_path / "mine: #1"))


def test_the_columns_make_only_runs_on_own_images_stale():
    from helpers.engine.key_parts import number_parameters
    from helpers.engine.stages import Job

    assert "columns" not in number_parameters(Job("eda"), load_params("quick"))["data"]
    own = load_params("quick", ["data.source=folder", "data.root=x", "data.columns.class=finding"])
    assert number_parameters(Job("eda"), own)["data"]["columns"] == {"class": "finding"}


# --- the page and the tables: none of the paper's results beside another data set's ------------------


def own_params(**changes):
    from support.report_run import fake_params

    return fake_params(
        data={"source": "folder", "root": "/home/someone/images", "target_class": "lentigo"}, **changes
    )


def test_the_page_sets_no_result_of_the_paper_beside_other_images(tmp_path, monkeypatch):
    from bs4 import BeautifulSoup

    from helpers.report.page.render import render_report
    from support.report_run import build_run

    folder = build_run(tmp_path, monkeypatch, params=own_params())
    manifest = folder / "data" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"phantom"', '"folder"'))
    page = render_report("fake").read_text(encoding="utf-8")
    soup = BeautifulSoup(page, "html.parser")
    assert soup.find("h1").get_text() == "Synthetic lentigo images and the classifier that learns from them"
    headline = soup.find("figure", attrs={"data-name": "headline"})
    assert soup.find(id="contrasts") and not soup.select("#contrasts .paper, #contrasts .theirs")
    assert (
        "Paper, %" not in headline.get_text()
        and "Run less paper" not in headline.get_text()
        and "Recall of lentigo" in headline.get_text()
    )
    opening = "".join(soup.select_one(part).get_text() for part in (".done", ".abstract", ".facts"))
    assert "images of one's own" in opening and "one's own, not the paper's" in opening
    assert "HAM10000" not in opening and "the paper, from one training" not in opening
    assert (
        "/home/someone" not in page
        and "--data-root FOLDER_OF_IMAGES" in page
        and "FOLDER_OF_HAM10000" not in page
    )
    assert "Your own images" in (tmp_path / "reports" / "index.html").read_text()


def test_tables_leave_the_papers_columns_away():
    from helpers.evaluation.paper import published, published_beside
    from helpers.evaluation.paper.tables import RESULTS
    from helpers.report import eda, paper_values, results

    own, drawn = published_beside("folder"), published_beside("phantom")
    assert set(own) == set(published()) and all(own[name].empty == (name in RESULTS) for name in own)
    assert all(drawn[name].equals(published()[name]) for name in drawn)
    split = pd.DataFrame(
        {
            "dx": ["a", "a", "a", "b", "b", "b"],
            "split": ["train", "validation", "test"] * 2,
            "lesion_id": np.nan,
            "image_id": list("uvwxyz"),
        }
    )
    assert list(eda.dataset_table(split, {}, own).frame) == ["class", "images", "lesions", "share"]
    assert list(eda.split_table(split, own).frame) == ["part", "a", "b", "all"]
    metrics = pd.DataFrame({"arm": ["baseline", "filtered"], "accuracy": [0.5, 0.6]})
    assert not {"paper", "difference"} & set(
        results.metrics.performance_table(metrics, own, ["accuracy"], 40).frame
    )
    recall = pd.DataFrame(
        {"arm": ["baseline", "filtered"], "class": ["a", "a"], "recall": [0.5, 0.6], "support": [10, 10]}
    ).assign(replicate=0)
    assert "filtered_paper" not in results.classes.recall_change_table(recall, "baseline", own).frame
    summaries = pd.DataFrame(
        [
            {
                "arm": "all",
                "training_images": 9,
                "synthetic_images": 2,
                "epochs": 3,
                "best_epoch": 2,
                "best_validation_accuracy": 0.5,
            }
        ]
    )
    assert "paper" not in results.dynamics.dynamics_table(summaries, 40, own).frame
    theirs = paper_values.paper_metrics(own)
    assert theirs.empty and "paper" not in results.metrics.metrics_caption(
        "Metrics.", theirs
    ) + results.metrics.metrics_alt("overall", theirs)


def test_claims_are_judged_on_other_images_without_the_papers_numbers():
    from helpers.evaluation.paper import claims
    from helpers.report import results

    contrasts = pd.DataFrame(columns=["contrast", "metric", "difference", "low", "high", "replicates"])
    found = claims({"contrasts": contrasts}, target="lentigo", source="folder")
    assert found["claim"].str.contains("lentigo").any() and (found[["paper", "paper_test_set"]] == "").all(
        axis=None
    )
    assert not {"Paper", "Paper test set"} & set(results.claims.claims_table(found).shown)
    assert {"Paper", "Paper test set"} <= set(
        results.claims.claims_table(claims({"contrasts": contrasts})).shown
    )
