"""The whole report on a second data set: three drawn classes of other names, from a folder per class."""

import csv
import os
import shutil

import pytest

NAMES = {"nv": "lentigo simplex", "mel": "spitz", "vasc": "angioma"}
TINY = (
    "gan.steps=4",
    "gan.sample_every=4",
    "synthesis.count=12",
    "synthesis.fidelity_draws=3",
    "synthesis.fidelity_images=10",
    "classifier.max_epochs=1",
)


@pytest.fixture(scope="module")
def own(project_copy):
    """A copied project and the finished run 'mine' on images of one's own."""
    from helpers.data.phantom.writing import draw_dataset

    project = project_copy()
    folder = draw_dataset(project.folder / "drawn", images=150, seed=5)
    with open(folder / "HAM10000_metadata.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["dx"] in NAMES]
    images = {path.stem: path for path in folder.rglob("*.jpg")}
    for row in rows:
        home = project.folder / "my images" / NAMES[row["dx"]]
        home.mkdir(parents=True, exist_ok=True)
        os.replace(images[row["image_id"]], home / f"{row['image_id']}.jpg")
    shutil.rmtree(folder)
    words = ["--params", "params/smoke.yaml", "--run", "mine", "--data-root", "my images"]
    for change in ("data.source=folder", "data.target_class=spitz", *TINY):
        words += ["--set", change]
    project.told = project.run(*words).stdout
    return project


@pytest.mark.long
def test_three_classes_of_other_names_go_through_all_stages(own):
    with open(
        own.folder / "artifacts/mine/classifier/all/replicate-0/predictions.csv", encoding="utf-8"
    ) as file:
        assert next(csv.reader(file)) == [
            "image_id",
            "split",
            "label",
            "p_angioma",
            "p_lentigo simplex",
            "p_spitz",
        ]
    page = (own.folder / "reports/mine/report.html").read_text(encoding="utf-8")
    assert "your own images" in own.told and "spitz recall" in own.told
    assert "images of one's own" in page and "lentigo simplex" in page and str(own.folder) not in page
    for absent in ("Drawn lesions", "all, in the paper", "Run less paper", "paper, %", "images in the paper"):
        assert absent not in page, absent
