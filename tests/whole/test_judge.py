"""A folder of anyone's images in the place of a GAN's: read, refused, judged, and told of without a GAN."""

import io
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from helpers.data.given_images import check_given, folder_digest, take_images
from helpers.engine.keys import Keys
from helpers.engine.stages import Job, jobs, outputs, upstream
from helpers.errors import DataError, ParameterError
from helpers.gan.filtering import scored_by, without_critic
from helpers.gan.memorisation import closer_share, relative_nearness
from helpers.gan.sharpness import sharpness
from helpers.params import Params, Synthesis, load_params, public_parameters
from helpers.paths import RunPaths
from helpers.report.page.reproduction import reproduction_command
from helpers.report.synthesis import given, scored
from helpers.stages.gan import train
from helpers.stages.given import compare_sharpness, nearness_to_held_out

RANKED = "arms.filtered={synthetic: {select: top, rank: classifier, fraction: 0.5}}"
OURS = re.compile(
    r"(?<!Code: )\bGANs?\b(?!\.)|\bcritic|StyleGAN|generative network|discriminator|adversarial",
    re.IGNORECASE,
)


def parameters(folder, *changes: str) -> Params:
    return load_params("smoke", [f"synthesis.folder={folder}", RANKED, *changes])


def picture(number: int, size=(40, 30), kind="JPEG", mode="RGB", **how) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).convert(mode).save(buffer, kind, **how)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Six images of several kinds and sizes, and a note."""
    found = tmp_path / "theirs"
    (found / "more").mkdir(parents=True)
    for number in range(3):
        (found / f"{number}.jpg").write_bytes(picture(number))
    (found / "grey.png").write_bytes(picture(3, (64, 64), "PNG", "L"))
    (found / "png.jpg").write_bytes(picture(4, (30, 90), "PNG"))  # by its bytes, not by its name
    (found / "more" / "5").write_bytes(picture(5, (200, 200)))
    (found / "note.txt").write_text("made on Monday")
    return found


# --- reading --------------------------------------------------------------------------------------


def test_images_of_all_kinds_and_sizes_are_read(folder, tmp_path):
    params = parameters(folder)
    files = take_images(params, tmp_path / "images.npy")
    images = np.load(tmp_path / "images.npy")
    side = params.classifier.image_size
    assert images.shape == (6, side, side, 3) and images.dtype == np.uint8
    assert files["file"].tolist() == ["0.jpg", "1.jpg", "2.jpg", "grey.png", "more/5", "png.jpg"]
    assert files["width"].tolist()[3:] == [64, 200, 30] and set(files["found"]) == {6}
    assert np.ptp(images[3].astype(int), axis=-1).max() == 0  # grey stays grey


def test_a_turned_image_stands_upright(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    tag = Image.Exif()
    tag[0x0112] = 6
    (theirs / "a.jpg").write_bytes(picture(1, (40, 30), quality=95))
    (theirs / "b.jpg").write_bytes(picture(1, (40, 30), quality=95, exif=tag))
    files = take_images(parameters(theirs), tmp_path / "images.npy")
    straight, turned = np.load(tmp_path / "images.npy").astype(int)
    assert files[["width", "height"]].to_numpy().tolist() == [[40, 30], [30, 40]]
    assert np.abs(np.rot90(straight, -1) - turned).mean() < 3


def test_a_zip_archive_reads_like_its_folder(folder, tmp_path):
    archive = tmp_path / "theirs.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            file.write(path, path.relative_to(folder))
    take_images(parameters(folder), tmp_path / "a.npy")
    take_images(parameters(archive), tmp_path / "b.npy")
    first, second = (np.load(tmp_path / name) for name in ("a.npy", "b.npy"))
    assert sorted(image.tobytes() for image in first) == sorted(image.tobytes() for image in second)


def test_of_more_images_than_count_a_seed_draws(folder, tmp_path):
    drawn = [take_images(parameters(folder, "synthesis.count=3", f"synthesis.seed={seed}", "arms.all={}"),
                         tmp_path / "images.npy")["file"].tolist() for seed in (0, 0, 1, 2)]  # fmt: skip
    assert len(drawn[0]) == 3 and drawn[0] == drawn[1] and len({tuple(each) for each in drawn}) > 1


def test_the_digest_is_of_images_alone(folder):
    def now() -> str:
        folder_digest.cache_clear()
        return folder_digest(folder)

    before = now()
    (folder / "note.txt").write_text("made on Tuesday")
    (folder / ".hidden.png").write_bytes(picture(9, kind="PNG"))
    assert now() == before != ""
    (folder / "0.jpg").write_bytes(picture(7))
    assert now() != before


# --- mistakes -------------------------------------------------------------------------------------


def refused(params: Params, kind: type[Exception] = ParameterError) -> str:
    with pytest.raises(kind) as found:
        check_given(params)
    return str(found.value)


def test_mistakes_are_sentences(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "does not exist" in refused(parameters(tmp_path / "none"))
    assert "holds no image (looked for JPEG and PNG)" in refused(parameters(tmp_path / "empty"), DataError)
    (tmp_path / "empty" / "a.webp").write_bytes(b"RIFF")
    assert "convert to JPEG or PNG" in refused(parameters(tmp_path / "empty"), DataError)
    many = "arms.random={synthetic: {select: random, count: 9}}"
    assert "arms.random asks for 9" in refused(parameters(folder, many))
    check_given(parameters(folder))
    (folder / "a.jpg").write_bytes(b"no image")
    assert "a.jpg (neither JPEG nor PNG)" in refused(parameters(folder), DataError)


@pytest.mark.parametrize("root", [".", "..", "more"])
def test_the_data_and_the_folder_share_nothing(folder, root):
    params = parameters(folder, "data.source=folder", f"data.root={folder / root}", "data.target_class=a")
    assert "share files" in refused(params)


@pytest.mark.parametrize(
    "change, said",
    [
        ("arms.filtered={synthetic: {select: top, count: 2}}", "come without a critic"),
        ("arms.worst={synthetic: {select: bottom, count: 2, rank: critic}}", "come without a critic"),
        ("gan.seeds=[0, 1]", "write gan.seeds: [0]"),
        ("arms.restored={withhold: {}, synthetic: {select: all}}", "may have seen them"),
        ("arms.blurred={oversample: {count: 2, through: synthesis}}", "set synthesis.resolution"),
        ("data.detail=gan", "set synthesis.resolution"),
    ],
)
def test_what_a_folder_cannot_serve_is_refused(change, said):
    with pytest.raises(ParameterError, match=re.escape(said)):
        parameters("theirs", change)
    with pytest.raises(ParameterError, match="goes with synthesis.folder"):
        load_params("smoke", ["synthesis.resolution=32"])


def test_with_their_real_size_blurred_controls_are_possible():
    params = parameters(
        "theirs", "synthesis.resolution=32", "arms.blurred={oversample: {count: 2, through: synthesis}}"
    )
    assert params.synthetic_side == 32


# --- jobs and keys --------------------------------------------------------------------------------


def test_no_gan_is_planned_and_the_images_are_in_the_key(folder, tmp_path):
    params, run = parameters(folder), RunPaths("judged")
    assert not params.trains_gan and not params.has_critic
    assert "gan" not in {job.stage for job in jobs(params)}
    job = Job("synthesis", {"seed": 0})
    assert {other.stage for other in upstream(job, params)} == {"eda", "classifier"}
    assert "held-out.csv" in {path.name for path in outputs(job, run, params)}
    before = Keys(run, params).key(job)
    (folder / "0.jpg").write_bytes(picture(7))
    folder_digest.cache_clear()
    assert Keys(run, params).key(job) != before
    with pytest.raises(ParameterError, match="No GAN is trained in this run"):
        train(run, params, 0)


def test_no_page_tells_where_the_folder_lies(folder):
    params = parameters(folder)
    assert str(folder) not in str(public_parameters(params))
    command = reproduction_command("judged", params)
    assert str(folder) not in command and "synthesis.folder=FOLDER_OF_SYNTHETIC_IMAGES" in command


def test_judge_yaml_trains_no_gan_and_compares_what_needs_none():
    params = load_params("judge")
    assert not params.trains_gan and params.data.split.by == "lesion"
    assert {"baseline", "all", "filtered", "random", "oversampled", "again"} <= set(params.arms)


# --- measures -------------------------------------------------------------------------------------


def test_without_a_critic_another_selector_leads():
    table = pd.DataFrame({"index": range(4), "distance": [4.0, 1, 3, 2], "rank_distance": [4, 1, 3, 2]})
    half = Synthesis(keep_fraction=0.5)
    led = without_critic(table, half)
    assert led["selected"].tolist() == [0, 1, 0, 1] and scored_by(led) == "distance"
    judged = table.assign(probability=[0.9, 0.1, 0.2, 0.8], rank_classifier=[1, 4, 3, 2])
    led = without_critic(judged, half)
    assert led["selected"].tolist() == [1, 0, 0, 1] and led["rank"].tolist() == [1, 4, 3, 2]
    assert scored.best(led, "2") == "the best 2 by the baseline's probability"
    assert scored.best(pd.DataFrame({"score": [1.0]}), "2") == "the critic's best 2"


def test_blur_lowers_sharpness_and_contrast_does_not():
    rng = np.random.default_rng(0)
    sharp = [Image.fromarray(rng.integers(60, 190, (32, 32, 3), dtype=np.uint8)) for _ in range(30)]
    blurred = np.stack([np.asarray(image.filter(ImageFilter.GaussianBlur(1))) for image in sharp])
    sharp = np.stack([np.asarray(image) for image in sharp])
    assert (sharpness(blurred) < 0.7 * sharpness(sharp)).all()
    np.testing.assert_allclose(sharpness(sharp // 2), sharpness(sharp), rtol=0.02)
    assert sharpness(np.full((1, 16, 16, 3), 7, np.uint8)).tolist() == [0]
    table = compare_sharpness(sharpness(blurred), sharpness(sharp), 0).set_index("side")
    assert table.at["blurrier", "low"] > 0.05 and table.at["sharper", "share"] == 0


def test_copies_of_held_out_photographs_are_a_leak():
    rng = np.random.default_rng(2)
    held_out, trained, new = (rng.integers(0, 255, (40, 8, 8, 3), dtype=np.uint8) for _ in range(3))
    spaces = {"leak": held_out, "none": new}
    flat = {name: part.reshape(40, -1).astype(np.float32) for name, part in spaces.items()}
    real = held_out.reshape(40, -1).astype(np.float32), trained.reshape(40, -1).astype(np.float32)
    told = {
        name: given.held_out_sentence(
            {
                "held-out": nearness_to_held_out(
                    {"inception": (flat[name], *real), "pixels": (part, held_out, trained)}, 0
                )
            }
        )
        for name, part in spaces.items()
    }
    assert "a leak.**" in told["leak"] and "no sign of a leak" in told["none"]


def test_blurred_images_are_near_to_all_photographs_and_copy_none():
    rng = np.random.default_rng(3)
    real = rng.normal(size=(40, 64)).astype(np.float32)
    new = rng.normal(size=(60, 64)).astype(np.float32)
    copies = real[:20] + 0.1 * new[:20]
    plain, dull, copied = (relative_nearness("inception", part, real) for part in (new, 0.3 * new, copies))
    assert dull.min() > np.quantile(plain, 0.01) and copied.max() < plain.min()


# --- words ----------------------------------------------------------------------------------------


def tables(far=0.0, near=0.0, leak=0.0, blur=0.0, called=20) -> dict[str, pd.DataFrame]:
    """What is known of 100 images of which a share comes too near, or is blurred."""
    rng = np.random.default_rng(0)
    distances = rng.normal(10, 1, 100)

    def shares(share: float) -> dict[str, float]:
        moved = np.where(np.arange(100) < 100 * share, 1, distances)
        return closer_share(moved, rng.normal(10, 1, 100)) | {"level": 0.99}

    spaces = [{"space": name, "photographs": 40} for name in ("inception", "pixels")]
    floor = {"measure": "kernel_distance", "low": 0.1, "high": 0.3, "value": 0.2}
    sides = {"blurrier": blur, "sharper": 0.0}
    return {
        "source-files": pd.DataFrame({"file": ["a"], "width": [64], "height": [80], "found": [1]}),
        "fidelity": pd.DataFrame([floor | {"set": "real"}, floor | {"set": "random", "low": 0.1 + far}]),
        "memorisation": pd.DataFrame([row | shares(near) for row in spaces]),
        "held-out": pd.DataFrame([row | shares(leak) for row in spaces]),
        "sharpness": pd.DataFrame([{"side": side, **shares(share)} for side, share in sides.items()]),
        "called-as": pd.DataFrame(
            [
                ("mel", called, 100, 8, 40, 0.001 if called < 5 else 0.6),
                ("nv", 100 - called, 100, 32, 40, 0.5),
            ],
            columns=["class", "synthetic", "synthetic_images", "photographs", "held_out_images", "p"],
        ),
    }  # fmt: skip


@pytest.mark.parametrize(
    "what, said",
    [
        ({"far": 1.0}, "lie farther from the training images"),
        ({"near": 0.5}, "repeat training photographs"),
        ({"leak": 0.5}, "A leak"),
        ({"blur": 0.5}, "blurrier"),
        ({"called": 2}, "calls only 2.0 % of 100 images mel"),
    ],
)
def test_each_alarm_is_raised_by_its_own_fault_alone(what, said):
    text = given.alarms_sentence(tables(**what), "mel")
    assert text.startswith("**1 alarm.**") and said in text and not OURS.search(text)


def test_without_a_fault_there_is_no_alarm():
    assert given.alarms_sentence(tables(), "mel").startswith("**No alarm.**")
    assert "cannot be known here" in given.source_sentence(tables())
    of_gan = {name: table for name, table in tables().items() if name in ("fidelity", "memorisation")}
    assert given.alarms_sentence(of_gan, "mel") is given.source_sentence(of_gan) is None


# --- the whole ------------------------------------------------------------------------------------


@pytest.mark.long
def test_the_page_judges_and_does_not_speak_of_a_gan(project_copy, tmp_path):
    from bs4 import BeautifulSoup

    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for number in range(20):
        (theirs / f"{number:02d}.png").write_bytes(picture(number, (90, 60), "PNG"))
    project = project_copy()
    project.run("--params", "params/smoke.yaml", "--set", f"synthesis.folder={theirs}", "--set", RANKED)
    page = (project.folder / "reports/smoke/report.html").read_text(encoding="utf-8")
    assert not (project.folder / "artifacts/smoke/gan").exists() and str(theirs) not in page
    soup = BeautifulSoup(page, "html.parser")
    for hidden in soup(["script", "style", "pre", "code"]):
        hidden.decompose()
    words = soup.get_text(" ") + " ".join(tag["aria-label"] for tag in soup.select("[aria-label]"))
    assert [words[found.start() - 60 : found.end() + 60] for found in OURS.finditer(words)] == []
    assert "cannot be known here" in words and "alarm" in words and "held-out photographs" in words
