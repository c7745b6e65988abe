"""Making a reader study: what a run must have for it, the choice of images, the key, and the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.data.manifest import load_manifest
from helpers.data.sources import SOURCES
from helpers.errors import MissingStageError, ParameterError, UserError
from helpers.files import write_json, write_text
from helpers.params import Params
from helpers.paths import RunPaths
from helpers.readers.choice import FEWEST, choose_images
from helpers.readers.key import SYNTHETIC, Chosen, machine_path, study_id, write_key
from helpers.readers.page import study_page
from helpers.report.words import counted

IMAGES = 60  # half of them real


@dataclass(frozen=True)
class Draw:
    """What a study is drawn from: how many images, from which synthetic ones, and the seed of the draw."""

    images: int = IMAGES
    synthetic: str = "top"  # 'top': those that the filter kept; 'all': any
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ParameterError for a number of images that cannot be halved, or too small a one."""
        if self.images < FEWEST or self.images % 2:
            raise ParameterError(
                f"--images {self.images}: half of the images are real and half synthetic, so give an even "
                f"number of at least {FEWEST}."
            )


@dataclass(frozen=True)
class Made:
    """A study that was made: its files, and a sentence on its images."""

    page: Path
    key: Path
    sentence: str


def make_study(run: RunPaths, draw: Draw) -> Made:
    """Write a reader study of a finished run: its page, and its key with the run's files.

    Equal images make an equal study, whose answers remain valid. Raises UserError, a sentence, where
    photographs may not be shown, where the synthetic images are not finished, or where there are too few.
    """
    from helpers.report.pictures import picture_policy

    params = _finished(run)
    if (policy := picture_policy(params)) != "show":
        raise UserError(
            f"A reader study shows photographs of the data set, and the run '{run.run}' says that they may "
            f"not be shown (report.real_images is '{policy}'): where readers may see them, make the run with "
            "--set report.real_images=show."
        )
    images = choose_images(run, params, draw.images, draw.synthetic == "top", draw.seed)
    source, classes = SOURCES.get(params.data.source), sorted(load_manifest(run)["classes"])
    names = {name: source.class_names.get(name, name) for name in classes}
    study = study_id(images, classes)
    described = {"images": draw.images, "from": draw.synthetic, "seed": draw.seed}
    key = write_key(run, images, params.data.target_class, classes, described)
    shown = {image.id: image.pixels for image in images}
    page = write_text(run.reader_study, study_page(study, shown, names, source.drawn))
    told = _let_the_machine_answer(run, params, images, study)
    return Made(page, key, f"{_sentence(study, images, params)} {told}".strip())


def _let_the_machine_answer(run: RunPaths, params: Params, images: Sequence[Chosen], study: str) -> str:
    """Write the answers of the program in a reader's place; a sentence where there are none."""
    from helpers.readers.machine import machine_answers

    path = machine_path(run, study)
    path.unlink(missing_ok=True)
    try:
        answers = machine_answers(run, params, images, study)
    except UserError as error:
        return f"No program answers in a reader's place: {error}"
    if answers is None:
        return "No program answers in a reader's place: the study leaves too few images to learn from."
    write_json(path, answers)
    return ""


def _sentence(study: str, images: Sequence[Chosen], params: Params) -> str:
    """What the study is made of, for the terminal."""
    trained = [image.origin["trained"] for image in images if image.origin["kind"] != SYNTHETIC]
    real, synthetic = f"{len(trained)} real images of {params.data.target_class}", len(images) - len(trained)
    if not params.trains_gan:
        return f"Reader study {study}: {real}, and {synthetic} synthetic ones of synthesis.folder."
    gans = counted(len(params.gan.seeds), "GAN")
    return (
        f"Reader study {study}: {real}, {trained.count(False)} of them unknown to every GAN, and {synthetic} "
        f"synthetic ones of {gans}."
    )


def _finished(run: RunPaths) -> Params:
    """The parameters of a run whose synthetic images are all there, and whole."""
    from helpers.engine.records import elsewhere, faults, read_record
    from helpers.engine.runfile import load_runfile
    from helpers.engine.stages import Job

    params = load_runfile(run).params
    for job in [Job("eda"), *(Job("synthesis", {"seed": seed}) for seed in params.gan.seeds)]:
        record = read_record(run, job)
        if record is None:
            raise MissingStageError(
                f"The run '{run.run}' has not finished '{job.title}', which a reader study needs: "
                f"finish it by python run_all.py --run {run.run} with its parameters (--until synthesis)."
            )
        if broken := faults(run, {job.name: record}):
            path, missing = broken[job.name][0]
            if missing and elsewhere(run, record):
                raise UserError(
                    f"{path.name} of '{job.title}' stayed on another machine: make the study there, or make "
                    f"the images here by python run_all.py --run {run.run} with its parameters and "
                    f"--force {job.stage}."
                )
            raise UserError(
                f"{path.name} of '{job.title}' is missing or damaged: python run_all.py --run {run.run} with "
                "its parameters makes it anew, and then the study can be made."
            )
    return params
