"""Data sources: each in a file of its own, and a new one needs no more than its file."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.data.classes import CLASSES
from helpers.data.sources import SOURCES
from helpers.errors import ParameterError
from helpers.params import Data, choices
from helpers.paths import ROOT
from support.code import imported_modules

NEW_SOURCE = '''
"""Squares of one colour."""
import io, zipfile
import numpy as np
from PIL import Image
from helpers.data.sources import Source

def _open(run, data):
    from helpers.data.folders import open_folder
    run.data.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(run.data / "squares.zip", "w") as archive:
        for number in range(60):
            buffer = io.BytesIO()
            Image.fromarray(np.full((12, 12, 3), 4 * number, np.uint8)).save(buffer, "PNG")
            archive.writestr(f"{'dark' if number < 30 else 'bright'}/{number}.png", buffer.getvalue())
    return open_folder(run.data / "squares.zip")

SOURCE = Source(
    open=_open, title="squares", phrase="squares", short_phrase="squares",
    sentence="This run uses squares: {counted}.", folder_of="images", lesions_way_out="", private=False,
)
'''
USE_IT = """
import sys, pathlib
from helpers import paths
paths.ARTIFACTS = pathlib.Path(sys.argv[1])
from helpers.data.arrays import load_images
from helpers.data.manifest import load_manifest
from helpers.data.prepare import prepare_data
from helpers.params import choices, validate
from helpers.report.pictures import picture_policy
from helpers.report.source import data_sentence

params = validate({"data": {"source": "squares", "target_class": "dark"}})
run = paths.RunPaths("new")
split = prepare_data(run, params.data)
pixels = load_images(run, params.data, 8, "area")
assert pixels.shape == (60, 8, 8, 3) and sorted(set(pixels.reshape(60, -1)[:, 0])) == list(range(0, 240, 4))
assert choices("data.source") == ("folder", "ham10000", "phantom", "squares")
assert picture_policy(params) == "show"
print(data_sentence(load_manifest(run)))
"""


def test_a_new_source_is_one_file(tmp_path):
    copy = tmp_path / "src"
    shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "helpers/data/sources/squares.py").write_text(NEW_SOURCE)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", USE_IT, str(tmp_path / "artifacts")],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(copy)},
    )
    assert done.returncode == 0, done.stderr
    said = "This run uses squares: 60 images of an unknown number of lesions in 2 classes."
    survey = "Found 60 files: 60 images are taken (60 .png). Nothing was passed over."
    assert done.stdout.splitlines() == [survey, f"{said} {survey}"]


def test_the_files_of_the_folder_are_the_choices():
    files = {path.stem for path in Path(ROOT / "src/helpers/data/sources").glob("[!_]*.py")}
    assert set(SOURCES.names()) == files == set(choices("data.source")) == {"folder", "ham10000", "phantom"}
    with pytest.raises(ParameterError, match="There is no data source 'ham1000' .did you mean 'ham10000'"):
        SOURCES.get("ham1000")


def test_what_is_said_of_each():
    drawn, official, own = (SOURCES.get(name) for name in ("phantom", "ham10000", "folder"))
    assert [source.beside_paper for source in (drawn, official, own)] == [True, True, False]
    assert [source.private for source in (drawn, official, own)] == [False, True, True]
    assert [source.drawn for source in (drawn, official, own)] == [True, False, False]
    assert [source.takes_folder for source in (drawn, official, own)] == [False, True, True]
    assert tuple(drawn.class_names) == tuple(official.class_names) == CLASSES and not own.class_names
    assert drawn.seeds(Data(source="phantom", phantom={"seed": 5})) == {"drawing": 5}
    assert official.seeds(Data()) == own.seeds(Data()) == {}
    assert all("{counted}" in source.sentence for source in (drawn, official, own))


def test_where_the_users_files_are(tmp_path):
    assert SOURCES.get("phantom").folder(Data(source="phantom", root=str(tmp_path))) is None
    for name in ("ham10000", "folder"):
        assert SOURCES.get(name).folder(Data(source=name, root=str(tmp_path))) == tmp_path


def test_parameters_know_the_sources_without_opening_any():
    """Reading parameters takes no second: no table library, no image library."""
    program = (
        "import sys; from helpers.params import validate\n"
        "for name in ('phantom', 'ham10000', 'folder'): validate({'data': {'source': name, 'root': '.'}})\n"
        "print(sorted({'pandas', 'PIL', 'scipy', 'sklearn', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_a_gan_is_made_by_knows_no_external_test_set():
    found = imported_modules("helpers.gan.training", "helpers.data.arrays", "helpers.data.manifest")
    assert "helpers.data.decoding" in found
    assert not {"helpers.data.external", "helpers.data.download", "helpers.data.folders"} & set(found)
    assert not [name for name in found if name.startswith(("helpers.data.sources.", "helpers.data.phantom"))]
