"""Nearly the same photograph under another lesion id: found, listed, and dealt to one side where asked."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy.ndimage import gaussian_filter

from helpers import paths
from helpers.data.duplicates import COLUMNS, find_duplicates, joined_lesions, pairs_across, sketch
from helpers.data.likeness import TURNS, likeness, structure, turned
from helpers.data.manifest import load_duplicates, load_split
from helpers.data.prepare import prepare_data
from helpers.data.splits import JOINED
from helpers.data.withholding import mark_withheld
from helpers.engine.stages import Job, outputs
from helpers.params import Data, Split, Withhold, load_params
from helpers.paths import RunPaths
from helpers.report.duplicates import duplicates_figure, duplicates_sentence, duplicates_table
from support.project import ROOT

REAL = ROOT.parent / "shared" / "data" / "ham10000-200x150"
PAIRS_OF_HAM10000 = (  # each looked at
    *((30074, 25226), (25387, 29880), (27027, 29036)),
    *((33173, 29152), (27636, 27994), (34248, 34228)),
)
COUNT = 60


def photograph(seed: int) -> Image.Image:
    """A dark spot on textured skin, 200 x 150."""
    rng = np.random.default_rng(seed)
    skin = gaussian_filter(rng.normal(0, 1, (150, 200)), 1.5) * 30
    y, x = np.mgrid[:150, :200]
    spot = 90 / (1 + np.exp((np.hypot(x - 100, y - 75) - rng.uniform(20, 40)) / 3))
    pixels = np.clip(185 + skin - spot, 0, 255)[..., None] * np.array([1, 0.85, 0.8])
    return Image.fromarray(pixels.astype(np.uint8))


COPIES = {
    "flipped": ImageOps.mirror,
    "turned": lambda image: image.rotate(90, expand=True),
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "cropped": lambda image: image.crop((6, 5, 194, 146)).resize((200, 150), Image.Resampling.BICUBIC),
    "recompressed": lambda image: image,
}


def encoded(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixty photographs of sixty lesions, and copies of the first five under ids of their own."""
    root = tmp_path_factory.mktemp("images")
    rows = []
    for number in range(COUNT):
        (root / f"own{number}.jpg").write_bytes(encoded(photograph(number), 90))
        rows.append((f"own{number}.jpg", "mel" if number % 2 else "nv", f"L{number}"))
    for number, (name, change) in enumerate(COPIES.items()):
        (root / f"{name}.jpg").write_bytes(encoded(change(photograph(number)), 60))
        rows.append((f"{name}.jpg", "mel" if number % 2 else "nv", f"copy{number}"))
    pd.DataFrame(rows, columns=["image", "dx", "lesion_id"]).to_csv(root / "table.csv", index=False)
    return root


@pytest.fixture(scope="module")
def finder():
    """``find_duplicates``, which looks through the one data set of these tests once."""
    found: list[pd.DataFrame] = []

    def find(metadata, sketches):
        if not found:
            found.append(find_duplicates(metadata, sketches))
        return found[0]

    return find


@pytest.fixture
def prepare(folder, finder, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)
    monkeypatch.setattr("helpers.data.prepare.find_duplicates", finder)

    def prepared(name: str, **data):
        run = RunPaths(name)
        run.data.mkdir(parents=True)
        values = Data(source="folder", root=str(folder), **data)
        prepare_data(run, values)
        return run, values

    return prepared


LESION = {"by": "lesion", "seed": 0}
FOLDS = {"by": "lesion", "folds": 3, "repeats": 3}


def test_planted_copies_are_found_and_nothing_else(prepare):
    run, _ = prepare("report", split=LESION)
    pairs = load_duplicates(run)
    assert list(pairs) == list(COLUMNS) and run.duplicates in outputs(Job("eda"), run, load_params("quick"))
    found = {frozenset(pair) for pair in zip(pairs["lesion_id"], pairs["other_lesion_id"], strict=True)}
    assert found == {frozenset((f"L{number}", f"copy{number}")) for number in range(len(COPIES))}
    assert (pairs["dx"] == pairs["other_dx"]).all() and pairs["distance"].between(0, 0.43).all()
    assert pairs["distance"].is_monotonic_increasing
    assert set(pairs["found_by"]) <= {"pixels", "features", "both"}


@pytest.mark.parametrize("split", [LESION, FOLDS])
def test_grouped_lesions_are_on_one_side_in_every_part(prepare, split):
    run, data = prepare("grouped", split=split, duplicates="group")
    listed, _ = prepare("listed", split=split)
    pairs, separated = load_duplicates(run), 0
    for part in range(data.split.parts):
        table = load_split(run, part)
        side = table.set_index("lesion_id")["split"]
        assert (side[pairs["lesion_id"]].to_numpy() == side[pairs["other_lesion_id"]].to_numpy()).all()
        assert not pairs_across(pairs, table).any()
        separated += int(pairs_across(pairs, load_split(listed, part)).sum())
        assert table["lesion_id"].tolist() == load_split(listed, part)["lesion_id"].tolist()  # ids stay
    assert separated > 0  # what the grouping mends


@pytest.mark.parametrize("grouped", [True, False])
def test_what_is_withheld_takes_its_near_copies_with_it(prepare, grouped):
    run, _ = prepare("run", split=LESION, duplicates="group" if grouped else "report")
    pairs, split, torn = load_duplicates(run), load_split(run), 0
    assert (JOINED in split) == grouped
    for seed in range(20):
        for name in split["dx"].unique():
            lack = Withhold(**{"class": name, "fraction": 0.5})
            side = mark_withheld(split, lack, seed).set_index("lesion_id")["split"]
            torn += (side[pairs["lesion_id"]].to_numpy() != side[pairs["other_lesion_id"]].to_numpy()).sum()
    assert (torn == 0) == grouped


def test_a_split_by_image_moves_nothing(prepare):
    listed, _ = prepare("listed", split={"by": "image"})
    grouped, _ = prepare("grouped", split={"by": "image"}, duplicates="group")
    assert listed.split.read_bytes() == grouped.split.read_bytes()
    assert listed.duplicates.read_bytes() == grouped.duplicates.read_bytes()


def test_the_split_that_is_only_reported_is_that_of_the_lesions_alone(prepare):
    from helpers.data.splits import split_metadata

    run, _ = prepare("report", split=LESION)
    table = load_split(run)
    split = Split(**LESION)
    dealt = split_metadata(table, split.by, split.fractions, split.seed)
    assert dealt.tolist() == table["split"].tolist()


def test_copies_of_one_lesion_are_no_pair():
    sketches = [sketch(photograph(number // 2)) for number in range(20)]
    table = pd.DataFrame({"image_id": [f"I{n}" for n in range(20)], "dx": "nv"})
    same = table.assign(lesion_id=[f"L{n // 2}" for n in range(20)])
    assert find_duplicates(same, sketches).empty
    unknown = find_duplicates(table.assign(lesion_id=None), sketches)
    assert len(unknown) == 10 and unknown["distance"].max() < 0.01


@pytest.mark.long
@pytest.mark.skipif(not REAL.is_dir(), reason="HAM10000 is not here")
def test_the_six_pairs_of_ham10000():
    from helpers.data.decoding import decode
    from helpers.data.ham10000 import open_dataset

    with open_dataset(REAL) as dataset:
        sketches = [sketch(decode(dataset.read(name))) for name in dataset.metadata["image_id"]]
        pairs = find_duplicates(dataset.metadata, sketches)
    found = {frozenset(pair) for pair in zip(pairs["image_id"], pairs["other_image_id"], strict=True)}
    assert found == {frozenset(f"ISIC_{number:07d}" for number in pair) for pair in PAIRS_OF_HAM10000}
    assert (pairs["dx"] == pairs["other_dx"]).all()


def test_likeness_of_plain_areas_and_of_one_image():
    image = sketch(photograph(1)).grey
    versions = [turned(image[None], turn)[0] for turn in TURNS]
    other, plain = sketch(photograph(2)).grey, np.full((72, 72), 128, dtype=np.uint8)
    images = np.stack([image, *versions, np.roll(image, 3, axis=0), other, plain])
    found = likeness(images, np.array([(0, n) for n in range(1, len(images))]))
    assert found[: len(TURNS)] == pytest.approx(1, abs=1e-5)
    assert found[-3] > 0.8 and found[-2] < 0.4 and found[-1] == 0
    assert (structure(plain[None]) == 0).all()


def test_chains_of_pairs_join_all_their_lesions():
    pairs = pd.DataFrame({"lesion_id": ["c", "b", "x"], "other_lesion_id": ["b", "a", "y"]})
    joined = joined_lesions(pd.Series(["a", "b", "c", "d", "x", "y"]), pairs)
    assert joined.tolist() == ["a", "a", "a", "d", "x", "x"]


def test_pairs_of_different_diagnoses_are_dealt_together_too(folder, prepare):
    pairs = pd.DataFrame({"lesion_id": ["L0"], "other_lesion_id": ["L1"]})
    from helpers.data.prepare import split_dataset
    from helpers.data.sources import open_source

    data = Data(source="folder", root=str(folder), split=FOLDS, duplicates="group")
    with open_source(RunPaths("dealt"), data) as dataset:
        for part in split_dataset(dataset, data, pairs):
            side = dict(zip(dataset.metadata["lesion_id"], part, strict=True))
            assert side["L0"] == side["L1"]


def test_what_the_notebook_shows():
    pairs = pd.DataFrame(
        [("a", "b", "A", "B", "nv", "nv", 0.07, "both"), ("a", "c", "A", "C", "nv", "mel", 0.4, "pixels")],
        columns=list(COLUMNS),
    )
    split = pd.DataFrame({"image_id": ["a", "b", "c"], "split": ["train", "test", "train"]})
    by_lesion = load_params("quick", ["data.split.by=lesion"])
    said = duplicates_sentence(pairs, split, by_lesion)
    assert "2 pairs of photographs, of which 1 with different diagnoses" in said and "listed only" in said
    assert "held out: 1 pair, a leak" in said
    grouped = load_params("quick", ["data.split.by=lesion", "data.duplicates=group"])
    assert "deals the lesions of a pair together" in duplicates_sentence(pairs, split, grouped)
    study = load_params("study")
    assert "held out in the first part of the split: 1 pair" in duplicates_sentence(pairs, split, study)
    by_image = load_params("quick", ["data.duplicates=group"])
    assert "'group' has no effect" in duplicates_sentence(pairs, split, by_image)
    assert "No two photographs" in duplicates_sentence(pairs.head(0), split, by_lesion)
    shown = duplicates_table(pairs, split).as_shown()
    assert shown.rows == 2 and shown.columns[-1].texts == ("yes", "no")
    assert duplicates_table(pairs.head(0), split) is None
    assert duplicates_figure(None, pairs, "blur") is None and duplicates_figure(None, pairs, "omit") is None


def test_the_figure_shows_both_photographs_of_each_pair(folder, prepare):
    from helpers.data.sources import open_source

    run, data = prepare("report", split=LESION)
    with open_source(run, data) as dataset:
        figure = duplicates_figure(dataset, load_duplicates(run), "show")
        single = duplicates_figure(dataset, load_duplicates(run).head(1), "show")
    assert sum(len(axes.images) for axes in figure.axes) == 2 * len(COPIES)
    assert single.get_figheight() < 5  # inches
