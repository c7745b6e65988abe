"""The drawn data set: its layout, its counts, its bytes, and that its classes look as they should."""

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers.data.phantom import writing
from helpers.data.phantom.facts import FACTS
from helpers.data.phantom.photograph import draw_photograph
from helpers.data.phantom.plan import class_counts, lesion_sizes, plan_dataset
from helpers.data.phantom.plane import HEIGHT, WIDTH
from helpers.data.phantom.writing import draw_dataset
from helpers.errors import DataError

COLUMNS = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("data") / "drawn lesions", images=60, seed=3, workers=1)


@pytest.fixture
def quick(monkeypatch) -> None:
    """Plain patches in place of lesions, for tests of what happens around the drawing."""

    def patch(dx: str, seed: int, lesion: int, photo: int) -> np.ndarray:
        return np.full((HEIGHT, WIDTH, 3), (40 * seed, lesion % 256, photo), np.uint8)

    monkeypatch.setattr(writing, "draw_photograph", patch)


def test_layout_and_metadata(drawn):
    metadata = pd.read_csv(drawn / "HAM10000_metadata.csv")
    assert list(metadata.columns) == COLUMNS
    assert len(metadata) == 60 and metadata.image_id.is_unique
    assert sorted(metadata.image_id) == [f"ISIC_{number:07d}" for number in range(24306, 24366)]
    assert metadata.lesion_id.str.fullmatch(r"HAM_\d{7}").all()
    parts = [sorted(path.stem for path in (drawn / part).iterdir()) for part in writing.PARTS]
    assert parts[0] + parts[1] == sorted(metadata.image_id) and len(parts[0]) == 30
    assert set(metadata.dx) == set(FACTS) and metadata.dx.value_counts().min() == 8


def test_images_are_small_jpegs_in_colour(drawn):
    for path in drawn.glob("*/*.jpg"):
        with Image.open(path) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (WIDTH, HEIGHT), "RGB")
            assert np.asarray(image).std() > 5


def test_same_seed_same_bytes_whatever_the_workers(drawn, tmp_path):
    again = draw_dataset(tmp_path / "again", images=60, seed=3, workers=2)
    assert contents(again) == contents(drawn)
    assert multiprocessing.active_children() == []


def test_another_seed_draws_other_lesions():
    for name in FACTS:
        assert not np.array_equal(draw_photograph(name, 3, 0, 0), draw_photograph(name, 4, 0, 0))
    assert not plan_dataset(60, 3).equals(plan_dataset(60, 4))


def test_a_second_call_draws_nothing_and_changes_nothing(drawn, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in drawn.rglob("*")}
    monkeypatch.setattr(writing, "draw_photograph", lambda *arguments: pytest.fail("drawn again"))
    assert draw_dataset(drawn, images=60, seed=3) == drawn
    assert {path: path.stat().st_mtime_ns for path in drawn.rglob("*")} == before


def test_progress_counts_up_to_the_total(tmp_path, quick):
    seen: list[int] = []
    draw_dataset(tmp_path / "drawn", images=56, seed=1, progress=seen.append, workers=1)
    assert seen == sorted(seen) and seen[-1] == 56


def test_a_missing_file_or_other_arguments_draw_anew(tmp_path, quick):
    folder = draw_dataset(tmp_path / "drawn", images=56, seed=1, workers=1)
    whole = contents(folder)
    next(folder.glob("*/*.jpg")).unlink()
    assert contents(draw_dataset(folder, images=56, seed=1, workers=1)) == whole
    assert contents(draw_dataset(folder, images=56, seed=2, workers=1)) != whole


def test_an_interrupted_draw_leaves_nothing_under_the_name(tmp_path, monkeypatch):
    calls = []

    def fail_late(*arguments):
        calls.append(arguments)
        if len(calls) > 20:
            raise KeyboardInterrupt
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    monkeypatch.setattr(writing, "draw_photograph", fail_late)
    with pytest.raises(KeyboardInterrupt):
        draw_dataset(tmp_path / "drawn", images=56, seed=1, workers=1)
    assert not (tmp_path / "drawn").exists() and not (tmp_path / ".drawn.drawing").exists()


def test_what_a_killed_draw_left_is_cleared(tmp_path, quick):
    (tmp_path / ".drawn.drawing" / writing.PARTS[0]).mkdir(parents=True)
    (tmp_path / ".drawn.drawing" / writing.PARTS[0] / "ISIC_9999999.jpg").write_bytes(b"half")
    folder = draw_dataset(tmp_path / "drawn", images=56, seed=1, workers=1)
    assert not list(folder.rglob("ISIC_9999999.jpg"))


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(DataError, match="not drawn here"):
        draw_dataset(tmp_path, images=56)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(DataError, match="is a file"):
        draw_dataset(tmp_path / "thesis.tex", images=56)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    # a file in the way fails for every user, root too, unlike a missing permission
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        draw_dataset(tmp_path / "file" / "drawn", images=56)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="cannot be written"):
        draw_dataset(tmp_path / "drawn", images=56)


@pytest.mark.parametrize("images, seed, said", [(55, 1, "too few"), (60, -1, "negative")])
def test_impossible_arguments_are_sentences(tmp_path, images, seed, said):
    with pytest.raises(DataError, match=said):
        draw_dataset(tmp_path / "drawn", images=images, seed=seed)


def test_counts_follow_ham10000_with_a_floor():
    assert class_counts(1200) == {
        "bkl": 132,
        "nv": 794,
        "df": 20,
        "mel": 133,
        "vasc": 20,
        "bcc": 62,
        "akiec": 39,
    }
    assert class_counts(10015) == {name: facts.images for name, facts in FACTS.items()}
    for images in (56, 57, 100, 150, 333, 999, 5000):
        counts = class_counts(images)
        assert sum(counts.values()) == images and min(counts.values()) >= 8


@pytest.mark.parametrize("name, mean", [("mel", 1.81), ("nv", 1.24), ("bcc", 1.57), ("df", 1.58)])
def test_lesions_are_photographed_as_often_as_in_ham10000(name, mean):
    sizes = lesion_sizes(np.random.default_rng(0), 400, FACTS[name].multiplicity)
    assert sizes.sum() == 400 and sizes.min() >= 1 and sizes.max() <= 6
    assert sizes.mean() == pytest.approx(mean, abs=0.05)


def test_plan_is_plausible():
    plan = plan_dataset(1200, 1)
    lesions = plan.groupby("lesion_id")
    assert 1200 / lesions.ngroups == pytest.approx(1.34, abs=0.06)
    assert 4 <= lesions.size().max() <= 6
    assert (lesions[["dx", "dx_type", "sex", "localization", "number"]].nunique() == 1).all(axis=None)
    assert (
        plan.age.isna().sum() in range(1, 40)
        and plan.age.dropna().between(0, 85).all()
        and (plan.age.dropna() % 5 == 0).all()
    )
    assert plan[plan.dx == "nv"].age.mean() + 8 < plan[plan.dx == "mel"].age.mean()
    assert set(plan.sex) == {"male", "female", "unknown"}
    assert set(plan[plan.dx == "mel"].dx_type) == {"histo"}
    # neither id tells the class
    assert abs(plan.image_id.str[5:].astype(int).corr((plan.dx == "nv").astype(int))) < 0.1


def centres(name: str, count: int = 16) -> np.ndarray:
    """Mean colour (count, 3) of the lesions' middles, in units of the skin's at the frame's edge."""
    images = np.stack([draw_photograph(name, 5, lesion, 0) for lesion in range(count)]).astype(float)
    skin = np.median(images[:, [3, 4, 5, -6, -5, -4], 40:90].reshape(count, -1, 3), axis=1)
    return images[:, 36:60, 48:80].mean(axis=(1, 2)) / skin


def test_classes_differ_in_colour_as_dermatologists_say():
    colours = {name: centres(name) for name in FACTS}
    redness = {name: (colour[:, 0] / colour[:, 1]).mean() for name, colour in colours.items()}
    blueness = {name: (colour[:, 2] / colour[:, 0]).mean() for name, colour in colours.items()}
    brightness = {name: colour.mean() for name, colour in colours.items()}
    assert redness["vasc"] > redness["nv"] > redness["df"]
    assert blueness["mel"] > blueness["nv"]
    assert min(brightness["df"], brightness["bcc"], brightness["akiec"]) > brightness["mel"]
    assert all(value < 0.97 for value in brightness.values())


def test_melanomas_have_more_colours_than_nevi():
    def spread_of_hue(name: str) -> float:
        images = [draw_photograph(name, 5, lesion, 0).astype(float)[30:66, 44:84] for lesion in range(30)]
        return float(np.mean([(image[..., 2] / (image[..., 0] + 10)).std() for image in images]))

    assert spread_of_hue("mel") > 1.3 * spread_of_hue("nv")


def test_photographs_of_one_lesion_resemble_each_other():
    def colour(lesion: int, photo: int) -> np.ndarray:
        image = draw_photograph("mel", 5, lesion, photo).astype(float)
        return image[30:66, 44:84].mean(axis=(0, 1)) / np.median(image[:6, 40:90].reshape(-1, 3), axis=0)

    first, second = (np.stack([colour(lesion, photo) for lesion in range(24)]) for photo in (0, 1))
    same = np.linalg.norm(first - second, axis=1).mean()
    other = np.linalg.norm(first - np.roll(second, 1, axis=0), axis=1).mean()
    assert same < 0.7 * other
    assert not np.array_equal(draw_photograph("mel", 5, 0, 0), draw_photograph("mel", 5, 0, 1))
