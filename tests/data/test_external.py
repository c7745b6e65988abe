"""The external test set in every layout that people have.

It is never mixed with the run's own data, and it is scored with the ISIC metric.
"""

import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers import paths
from helpers.data.classes import CLASSES
from helpers.data.decoding import decode, resize_image
from helpers.data.external import load_external, open_external, write_external_predictions
from helpers.data.ham10000 import open_dataset
from helpers.data.phantom.writing import draw_dataset
from helpers.errors import DataError
from helpers.params import Data
from helpers.paths import RunPaths

TRUTH = "ISIC2018_Task3_Test_GroundTruth"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A few drawn lesions of every class under the test set's numbers.

    Returns the table (image_id, dx) and the encoded images.
    """
    with open_dataset(draw_dataset(tmp_path_factory.mktemp("drawn"), images=150, seed=7)) as dataset:
        rows = dataset.metadata.groupby("dx").head(3)[["image_id", "dx"]].reset_index(drop=True)
        content = {f"ISIC_{34524 + i:07d}": dataset.read(name) for i, name in enumerate(rows["image_id"])}
    return rows.assign(image_id=list(content)), content


def one_hot(table):
    columns = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
    return pd.concat(
        [
            table[["image_id"]].set_axis(["image"], axis=1),
            pd.DataFrame({c: (table["dx"] == c.lower()).astype(float) for c in columns}),
        ],
        axis=1,
    )


def put(folder, drawn, form="one-hot", layout="challenge"):
    """Write the test set in one of its layouts."""
    table, content = drawn
    folder.mkdir(parents=True, exist_ok=True)
    truth = one_hot(table) if form == "one-hot" else table.assign(dx=table["dx"].str.upper())
    home = folder / TRUTH if layout == "challenge" else folder
    home.mkdir(exist_ok=True)
    truth.to_csv(home / f"{TRUTH}.csv", index=False, sep="\t" if layout == "flat" else ",")
    images = folder / "ISIC2018_Task3_Test_Input" if layout == "challenge" else folder
    images.mkdir(exist_ok=True)
    if layout == "zip":
        with zipfile.ZipFile(folder / "ISIC2018_Task3_Test_Images.zip", "w") as archive:
            for name, data in content.items():
                archive.writestr(f"ISIC2018_Task3_Test_Images/{name}.jpg", data)
    else:
        for name, data in content.items():
            (images / f"{name}.jpg").write_bytes(data)
    return folder


@pytest.mark.parametrize("layout", ["challenge", "flat", "zip"])
@pytest.mark.parametrize("form", ["one-hot", "names"])
def test_both_forms_of_the_ground_truth_in_every_layout(tmp_path, drawn, form, layout):
    folder = put(tmp_path / "isic", drawn, form, layout)
    with open_external(folder) as dataset:
        assert dataset.metadata[["image_id", "dx"]].equals(drawn[0])
        assert set(dataset.metadata["dx"]) == set(CLASSES) and not dataset.lesions_known
        assert all(dataset.read(name) == data for name, data in drawn[1].items())


def test_a_folder_that_also_holds_the_training_data_gives_the_test_set_alone(tmp_path, drawn):
    folder = put(tmp_path / "all", drawn)
    own = drawn[0].assign(image_id=[f"ISIC_{24306 + i:07d}" for i in range(len(drawn[0]))])
    text = dict.fromkeys(["lesion_id", "dx_type", "age", "sex", "localization"], "1")
    own.assign(**text).to_csv(folder / "HAM10000_metadata.csv", index=False)
    for name, data in zip(own["image_id"], drawn[1].values(), strict=True):
        (folder / f"{name}.jpg").write_bytes(data)
    with open_external(folder) as dataset:
        assert len(dataset.metadata) == len(drawn[0])


def test_what_is_wrong_is_said_in_a_sentence(tmp_path, drawn):
    with pytest.raises(DataError, match="does not exist: check data.external_root"):
        open_external(tmp_path / "nowhere")
    folder = put(tmp_path / "isic", drawn)
    (folder / "ISIC2018_Task3_Test_Input" / f"{drawn[0]['image_id'].iloc[4]}.jpg").unlink()
    with pytest.raises(DataError, match=f"lacks 1 of the {len(drawn[0])} images .*: add them, or"):
        open_external(folder)
    truth = folder / TRUTH / f"{TRUTH}.csv"
    with pytest.raises(DataError, match="unknown class, 'vasc'"):
        open_external(folder, [name for name in CLASSES if name != "vasc"])
    truth.write_text(truth.read_text().replace("1.0", "0.5", 1))
    with pytest.raises(DataError, match="marks one of the classes .* with 1"):
        open_external(folder)
    put(tmp_path / "isic", drawn)
    drawn[0].iloc[:-1].to_csv(folder / "a-test-groundtruth.csv", index=False)
    with pytest.raises(DataError, match="2 tables that could be the ground truth"):
        open_external(folder)
    for file in (truth, folder / "a-test-groundtruth.csv"):
        file.unlink()
    with pytest.raises(DataError, match="holds no ground truth"):
        open_external(folder)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path / "artifacts")
    run = RunPaths("made-up")
    run.data.mkdir(parents=True)
    names = [f"ISIC_{24306 + i:07d}" for i in range(14)]
    text = dict.fromkeys(["dx_type", "sex", "localization"], "x")
    pd.DataFrame(
        {"image_id": names, "lesion_id": names, "dx": list(CLASSES) * 2, "split": "train", "age": 40.0} | text
    ).to_csv(run.split, index=False)
    return run


def test_images_are_squashed_as_the_runs_own_and_kept(run, tmp_path, drawn):
    data = Data(source="phantom", external_root=str(put(tmp_path / "isic", drawn)))
    external = load_external(run, data, 40)
    assert external.images.shape == (len(drawn[0]), 40, 40, 3) and external.images.dtype == np.uint8
    for row, name in enumerate(external.table["image_id"]):
        assert np.array_equal(external.images[row], resize_image(decode(drawn[1][name]), 40, "bilinear"))
    assert external.table["label"].tolist() == drawn[0]["dx"].tolist()
    path = run.data / "external-40-bilinear.npy"
    whole, made = path.read_bytes(), path.stat().st_mtime_ns
    load_external(run, data, 40)
    assert path.stat().st_mtime_ns == made and path.read_bytes() == whole
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    load_external(run, data, 40)
    assert path.read_bytes() == whole
    assert [file.name for file in run.data.glob("external-40-*.npy")] == [path.name]


def test_another_set_of_the_same_names_is_decoded_anew(run, tmp_path, drawn):
    folder = put(tmp_path / "isic", drawn)
    data = Data(source="phantom", external_root=str(folder))
    before = np.array(load_external(run, data, 24).images)
    table, content = drawn
    turned = dict(zip(content, [*list(content.values())[1:], next(iter(content.values()))], strict=True))
    put(folder, (table, turned))
    assert np.array_equal(load_external(run, data, 24).images, np.roll(before, -1, axis=0))


def test_jobs_at_once_decode_the_set_once(run, tmp_path, drawn):
    folder = put(tmp_path / "isic", drawn)
    program = (
        "import sys, pathlib, warnings; warnings.simplefilter('ignore')\n"
        "from helpers import paths; paths.ARTIFACTS = pathlib.Path(sys.argv[1])\n"
        "from helpers.data import external; from helpers.params import Data; import hashlib\n"
        "real = external.write_decoded\n"
        "external.write_decoded = lambda *a: print('built') or real(*a)\n"
        "set_ = external.load_external(paths.RunPaths('made-up'), Data(external_root=sys.argv[2]), 24)\n"
        "print(hashlib.sha256(set_.images.tobytes()).hexdigest())\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "artifacts"), str(folder)]
    jobs = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [job.communicate()[0].split() for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0]
    assert sum("built" in words for words in said) == 1 and said[0][-1] == said[1][-1]


def test_other_sizes_of_the_photographs_are_no_fault(run, tmp_path, drawn):
    folder = put(tmp_path / "isic", drawn)
    for number, file in enumerate(sorted((folder / "ISIC2018_Task3_Test_Input").iterdir())):
        with Image.open(file) as image:
            image.resize((50 + 7 * (number % 3), 40)).save(file)
    assert load_external(run, Data(external_root=str(folder)), 32).images.shape == (len(drawn[0]), 32, 32, 3)
    shutil.copy(file, file.with_name("broken.jpg"))
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DataError, match=f"{file.name} of the external test set is broken"):
        load_external(run, Data(external_root=str(folder)), 32)


def test_an_image_of_the_runs_own_data_is_refused(run, tmp_path, drawn):
    table, content = drawn
    names = dict.fromkeys(table["image_id"]) | {table["image_id"].iloc[0]: "ISIC_0024306"}
    renamed = (
        table.replace({"image_id": {old: new for old, new in names.items() if new}}),
        {names[old] or old: data for old, data in content.items()},
    )
    with pytest.raises(DataError, match="holds 1 images of the run's own data .ISIC_0024306"):
        load_external(run, Data(external_root=str(put(tmp_path / "isic", renamed))), 32)


def test_no_folder_is_no_test_set(run, tmp_path):
    assert load_external(run, Data(), 32) is None
    (tmp_path / "predictions-external.csv").write_text("old")
    assert write_external_predictions(tmp_path, None, lambda images: None) is None
    assert not (tmp_path / "predictions-external.csv").exists()


def test_predictions_stand_in_the_order_of_the_classifiers_own(run, tmp_path, drawn):
    external = load_external(run, Data(external_root=str(put(tmp_path / "isic", drawn))), 32)
    columns = [f"p_{name}" for name in CLASSES]
    pd.DataFrame(
        [["a", "test", "mel", *[1 / 7] * 7]], columns=["image_id", "split", "label", *columns]
    ).to_csv(tmp_path / "predictions.csv", index=False)
    path = write_external_predictions(
        tmp_path, external, lambda images: np.eye(7)[np.arange(len(images)) % 7]
    )
    written = pd.read_csv(path)
    assert (
        list(written.columns) == ["image_id", "label", *columns]
        and written["image_id"].tolist() == drawn[0]["image_id"].tolist()
    )
    assert (written[columns].to_numpy().argmax(axis=1) == np.arange(len(written)) % 7).all()
    with pytest.raises(ValueError, match="7 classes were to be predicted"):
        write_external_predictions(tmp_path, external, lambda images: np.zeros((len(images), 3)))


def test_a_ground_truth_with_decimal_commas_and_small_letters(tmp_path, drawn):
    folder = put(tmp_path / "isic", drawn)
    truth = one_hot(drawn[0]).rename(columns=str.lower)
    truth.to_csv(folder / TRUTH / f"{TRUTH}.csv", index=False, sep=";", decimal=",")
    with open_external(folder) as dataset:
        assert dataset.metadata["dx"].tolist() == drawn[0]["dx"].tolist()


def test_two_unlike_files_of_one_image_are_refused(tmp_path, drawn):
    folder = put(tmp_path / "isic", drawn)
    first, second = list(drawn[1])[:2]
    (folder / "more").mkdir()
    (folder / "more" / f"{first}.jpg").write_bytes(drawn[1][second] + b"more")
    with pytest.raises(DataError, match="1 image is there twice"):
        open_external(folder)
    for side in ("64px", "more"):
        (folder / side).mkdir(exist_ok=True)
        (folder / side / "another.jpg").write_bytes(drawn[1][first] + side.encode())
    (folder / "more" / f"{first}.jpg").unlink()
    with open_external(folder) as dataset:  # nobody asks for the image of two sizes
        assert len(dataset.metadata) == len(drawn[0])
