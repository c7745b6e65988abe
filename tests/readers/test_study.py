"""A reader study: what is chosen, what the page tells and does not tell, and what is refused."""

import base64
import io
import json
import re
import signal

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from helpers.data.arrays import load_images
from helpers.data.manifest import load_split
from helpers.engine.records import record_path
from helpers.engine.runfile import RunFile
from helpers.engine.stages import Job, outputs
from helpers.errors import MissingStageError, ParameterError, UserError
from helpers.params import load_params
from helpers.paths import RunPaths
from helpers.readers import choice, machine
from helpers.readers.answers import read_readings
from helpers.readers.key import machine_path, read_key
from helpers.readers.page import SIDE
from helpers.readers.study import Draw, make_study
from support.page_checks import parse_errors
from support.reader_run import OVERRIDES, build_reader_run, runs_below, seal
from support.small_data import mistake

DRAW = Draw(20)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A run of two GANs, and the paths that lead to it for this file's tests."""
    folder = tmp_path_factory.mktemp("readers")
    with runs_below(folder):
        handler = signal.getsignal(signal.SIGTERM)  # the front door sets its own
        yield build_reader_run()
        signal.signal(signal.SIGTERM, handler)


@pytest.fixture(autouse=True)
def without_program(request, monkeypatch):
    """The program in a reader's place takes seconds, and one test is about it."""
    if "program" not in request.node.name:
        monkeypatch.setattr(machine, "machine_answers", lambda *_: None)


def made(run, draw=DRAW):
    """A study of the run: its key, and its page."""
    study = make_study(run, draw)
    name = study.key.stem.removeprefix("key-")
    return read_key(run, name), study.page.read_text(encoding="utf-8")


def told(page):
    """What the page's script is told."""
    return json.loads(BeautifulSoup(page, "html.parser").find(id="told").string)


def test_half_are_real_and_each_image_is_what_the_key_says(built):
    run, params = built
    key, _ = made(run)
    kinds = list(key.synthetic.values())
    assert len(kinds) == 20 and sum(kinds) == 10
    rows = {image_id: row for row, image_id in enumerate(load_split(run)["image_id"])}
    real = load_images(run, params.data, params.gan.resolution, params.gan.resize)
    for pixels, origin in zip(key.pixels, key.origins.values(), strict=True):
        if origin["kind"] == "real":
            assert np.array_equal(pixels, real[rows[origin["image_id"]]])
        else:
            images = np.load(run.synthetic(origin["gan_seed"]) / "images.npy")
            assert np.array_equal(pixels, images[origin["index"]]) and origin["kept"]
    seeds = [each["gan_seed"] for each in key.origins.values() if each["kind"] == "synthetic"]
    assert seeds.count(0) == seeds.count(1) == 5


def test_real_images_are_of_the_target_class_held_out_ones_first_and_no_lesion_twice(built):
    run, params = built
    split = load_split(run).set_index("image_id")
    of_class = split[split["dx"] == params.data.target_class]
    held_out = of_class.loc[of_class["split"] != "train", "lesion_id"].nunique()
    key, _ = made(run, Draw(2 * (held_out + 2)))
    chosen = split.loc[[each["image_id"] for each in key.origins.values() if each["kind"] == "real"]]
    assert set(chosen["dx"]) == {params.data.target_class}
    assert (chosen["split"] != "train").sum() == held_out and not chosen["lesion_id"].duplicated().any()


def test_under_folds_only_what_no_gan_learnt_from_is_held_out(place):
    run, params = build_reader_run(overrides=("data.split.by=lesion", "data.split.folds=2", "replicates=2"))
    assert {params.gan_part(seed) for seed in params.gan.seeds} == {0, 1}
    key, _ = made(run)
    splits = [load_split(run, part).set_index("image_id")["split"] for part in (0, 1)]
    for origin in key.origins.values():
        if origin["kind"] == "real":
            learnt = any(split[origin["image_id"]] == "train" for split in splits)
            assert origin["trained"] == learnt


def test_the_draw_is_repeated_by_its_seed_and_all_reaches_what_the_critic_left_out(built):
    run, _ = built
    first, again = made(run)[0], made(run)[0]
    assert first.study == again.study and first.origins == again.origins
    assert made(run, Draw(20, seed=1))[0].origins != first.origins
    every = made(run, Draw(20, "all"))[0]
    assert not all(each["kept"] for each in every.origins.values() if each["kind"] == "synthetic")
    assert every.draw == {"images": 20, "from": "all", "seed": 0}


def test_the_page_does_not_hold_the_key(built):
    run, params = built
    key, page = made(run)
    assert set(told(page)) == {"study", "images"} and list(told(page)["images"]) == sorted(key.origins)
    text = re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", page)
    split = load_split(run)
    for name in [*split["image_id"], *split["lesion_id"], "gan_seed", "image_id"]:
        assert name not in text, name
    text = re.sub(r"(?s)<style>.*?</style>|<script>.*?</script>", "", text)
    assert not re.search(r"\b(real|synthetic|origin|index|train|test|validation)\b", text)
    # of all images being of one class nothing is said, and each class stands there once
    names = BeautifulSoup(page, "html.parser").select("input[name=diagnosis]")
    assert sorted(each["value"] for each in names) == sorted(set(split["dx"]))
    assert text.count(f'"{params.data.target_class}"') == 1


def test_every_picture_takes_one_way_and_leaves_the_same_traces(built):
    run, _ = built
    key, page = made(run)
    traces = set()
    for pixels, (name, address) in zip(key.pixels, sorted(told(page)["images"].items()), strict=True):
        raw = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
        picture = Image.open(io.BytesIO(raw))
        traces.add((picture.format, picture.mode, picture.size, str(picture.quantization), str(picture.info)))
        whole = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        difference = np.asarray(picture, int) - np.asarray(whole, int)
        assert name in key.origins and np.abs(difference).mean() < 4
    assert len(traces) == 1


def test_the_file_is_valid_and_asks_for_nothing(built):
    _, page = made(built[0])
    soup = BeautifulSoup(page, "html.parser")
    assert parse_errors(page) == [] and not soup.find_all("link", rel="stylesheet")
    policy = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'") and "http" not in policy and "unsafe-eval" not in policy
    assert "http://" not in page and "https://" not in page and "url(" not in page
    assert not [tag for tag in soup.find_all(True) for name in tag.attrs if name.startswith("on")]


def test_a_class_that_is_code_stays_a_text():
    from helpers.readers.page import study_page

    evil = "</script><script>document.title='broken'</script>"
    page = study_page(
        "0" * 10, {"a" * 12: np.zeros((8, 8, 3), np.uint8)}, {evil: evil, "nv": "naevus"}, False
    )
    assert evil not in page and len(BeautifulSoup(page, "html.parser").find_all("script")) == 2


def test_a_program_answers_on_images_whose_like_it_has_not_seen(built, monkeypatch):
    """The made-up synthetic images are noise, which every feature tells from a lesion."""
    from helpers.gan import features

    run, params = built
    extracted = []
    real = features.image_features
    monkeypatch.setattr(
        features, "image_features", lambda pixels, *rest: extracted.append(pixels) or real(pixels, *rest)
    )
    key, page = made(run)
    answers = json.loads(machine_path(run, key.study).read_text())
    right = [each["computed"] == key.synthetic[each["image"]] for each in answers["answers"]]
    assert len(right) == 20 and np.mean(right) >= 0.9
    learnt = answers["learnt_from"]
    pool = extracted[0][: sum(learnt.values())]
    shown = {pixels.tobytes() for pixels in key.pixels}
    assert not shown & {pixels.tobytes() for pixels in pool}
    split = load_split(run)
    of_class = split[split["dx"] == params.data.target_class]
    chosen = [each["image_id"] for each in key.origins.values() if each["kind"] == "real"]
    lesions = of_class.loc[of_class["image_id"].isin(chosen), "lesion_id"]
    assert learnt["real"] == (~of_class["lesion_id"].isin(lesions)).sum()
    assert learnt["synthetic"] == 2 * 40 - 10
    assert "machine" not in re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert read_readings(run) is None  # it is shown beside readers alone


@pytest.mark.parametrize(("images", "words"), [(21, "even"), (8, "at least 10")])
def test_a_number_that_cannot_be_halved_is_refused(images, words):
    with pytest.raises(ParameterError, match=words):
        Draw(images)


def test_too_few_images_are_said_with_the_way_out(built):
    run, params = built
    split = load_split(run)
    real = int((split["dx"] == params.data.target_class).sum())
    with pytest.raises(UserError, match=f"has {real}: ask for fewer by --images {2 * real}"):
        make_study(run, Draw(2 * real + 2, "all"))
    with pytest.raises(UserError, match="has 20: ask for fewer by --images 40; --from all draws from all"):
        make_study(run, Draw(42))


@pytest.mark.parametrize("there, said", [(5, "--images 10"), (4, "smallest study of 10"), (0, "smallest")])
def test_no_study_below_the_minimum_is_proposed(there, said):
    told = str(choice._too_few("real images of mel", there, 20, "choose a run with more of them"))
    assert f"this run has {there}" in told and said in told
    assert ("--images" in told) == ("choose a run with more of them" not in told) == (there == 5)


def test_equal_synthetic_images_count_once(place):
    run, params = build_reader_run()
    for seed in params.gan.seeds:
        np.save(run.synthetic(seed) / "images.npy", np.zeros((40, 32, 32, 3), np.uint8))
        record_path(run, Job("synthesis", {"seed": seed})).unlink()
        seal(run, params, Job("synthesis", {"seed": seed}))
    with pytest.raises(UserError, match="needs 5 different synthetic images, and this run has 1"):
        make_study(run, Draw(10, "all"))


def test_photographs_that_may_not_be_shown_are_not(place):
    run = RunPaths("private")
    overrides = [*OVERRIDES, "data.source=ham10000", "report.real_images=omit"]
    RunFile(run, load_params("smoke", overrides), {}, []).save()
    params = load_params("smoke", overrides)
    for job in (Job("eda"), *(Job("synthesis", {"seed": seed}) for seed in params.gan.seeds)):
        for path in outputs(job, run, params):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("made up")
        seal(run, params, job)
    with pytest.raises(UserError, match="report.real_images is 'omit'.*--set report.real_images=show"):
        make_study(run, DRAW)
    assert not run.reader_study.exists() and not run.readers.exists()


def test_an_unfinished_run_names_its_job(place):
    run, params = build_reader_run()
    (run.synthetic(1) / "scores.csv").write_text("damaged")
    with pytest.raises(UserError, match="scores.csv of 'synthesis seed 1' is missing or damaged"):
        make_study(run, DRAW)
    record_path(run, Job("synthesis", {"seed": 1})).unlink()
    with pytest.raises(MissingStageError, match="has not finished 'synthesis seed 1'"):
        make_study(run, DRAW)


class TestCommand:
    def test_it_says_where_everything_is(self, built, capsys):
        from helpers.engine import cli

        assert cli.main(["--reader-study", "study", "--images", "12", "--from", "all", "--draw", "3"]) == 0
        out = capsys.readouterr().out
        assert "6 real images of mel, 6 of them unknown to every GAN, and 6 synthetic ones of 2 GANs" in out
        assert "reader-study.html" in out and "readers/key-" in out and "readers/answers" in out

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--images", "20"], "--images belongs to a reader study: give --reader-study RUN with it."),
            (["--from", "all"], "--from belongs to a reader study"),
            (["--reader-study", "nobody"], "There is no run 'nobody' in"),
            (["--reader-study", "../x"], "cannot name a run"),
            (["--reader-study", "study", "--images", "7"], "--images 7: half of the images are real"),
            (["--reader-study", "study", "--from", "best"], "invalid choice: 'best'"),
        ],
    )
    def test_a_mistake_is_a_sentence(self, built, capsys, words, sentence):
        assert sentence in mistake(capsys, *words)
