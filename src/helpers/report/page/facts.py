"""What was run, in pairs of label and value, for the head of the page."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from helpers.classifier.backbones import BACKBONES
from helpers.gan.recipes import RECIPES
from helpers.params import Params
from helpers.report.page.protocol import protocol_words
from helpers.report.page.provenance import devices
from helpers.report.page.results import Results
from helpers.report.words import counted, duration, listed, times

WEIGHTS = {"imagenet": "ImageNet weights", "none": "random weights"}
PARTS = {"train": "training", "validation": "validation", "test": "test"}


def facts(results: Results) -> list[tuple[str, str]]:
    """What was run: images, split, trainings, networks, device, time; pairs without a value are left out."""
    params = results.params
    arms = f"{counted(len(params.arms), 'arm')} ({listed(results.arms)})"
    rows = [
        ("Images", _images(results)),
        ("Split", _split(results)),
        ("Trainings", f"{arms}, {counted(params.replicates, 'replicate')} each"),
        ("Classifier", _classifier(results)),
        _generator(params),
        ("Device", "; ".join(devices(results.run, params)) or "not recorded"),
        ("When", _when(results)),
        ("Protocol", protocol_words(params)),
    ]
    return [(label, value) for label, value in rows if value]


def facts_html(rows: Iterable[tuple[str, str]]) -> Markup:
    """``facts`` as a list of terms."""
    pairs = (Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*row) for row in rows)
    return Markup('<dl class="facts">{}</dl>').format(Markup("\n").join(pairs))


def _generator(params: Params) -> tuple[str, str]:
    """Where the synthetic images come from."""
    if not params.trains_gan:
        return "Synthetic images", f"given in a folder, compared at {_square(params.synthetic_side)}"
    gan = params.gan
    return "GAN", f"{RECIPES.get(gan.recipe).title}, {_square(gan.resolution)}, {_gans(params)}"


def _gans(params: Params) -> str:
    """How many GANs were trained, those apart that lack what arms withhold."""
    more = len(params.gans()) - len(params.gan.seeds)
    without = f", and {more} more without what an arm withholds" if more else ""
    return counted(len(params.gan.seeds), "seed") + without


def backbone_name(results: Results) -> str:
    """The classifier's backbone as readers know it."""
    return BACKBONES.get(results.params.classifier.backbone).title


def part_sizes(results: Results) -> dict[str, int]:
    """Images in each part of the split, by the part's plain name; empty where the split is not known."""
    if "split" not in results.split:
        return {}
    counts = results.split["split"].value_counts()
    return {name: int(counts[part]) for part, name in PARTS.items() if part in counts}


def detail_sentence(params: Params) -> str:
    """That every photograph was reduced, where it was; empty otherwise."""
    if params.data.detail == "full":
        return ""
    return (
        f"Every photograph, of the tests too, was first reduced to {_square(params.synthetic_side)} as "
        "synthetic images are, so that no image is sharper than another."
    )


def last_day(results: Results) -> datetime | None:
    """When the last job ended; None where no job's record says it."""
    return max(_moments(results, "finished"), key=lambda at: at.timestamp(), default=None)


def _images(results: Results) -> str:
    total, source = results.manifest.get("images"), results.source.title
    return f"{total:,}, {source}" if isinstance(total, int) else source


def _split(results: Results) -> str:
    split = results.params.data.split
    by_image = split.by == "image"
    how = "each image by itself, as in the paper" if by_image else "whole lesions together"
    sizes = listed([f"{count:,} {part}" for part, count in part_sizes(results).items()])
    if split.folds:
        sizes = f"{sizes} in the first part" if sizes else ""
        deals = f" {times(split.repeats)}" if split.repeats > 1 else ""
        how += f", dealt{deals} into {split.folds} folds, each of which is the test set in turn"
    return f"{sizes}; {how}" if sizes else how


def _classifier(results: Results) -> str:
    classifier = results.params.classifier
    weights = WEIGHTS.get(classifier.weights, "weights from a file")
    square = _square(classifier.image_size)
    name, paper = backbone_name(results), BACKBONES.get(Params().classifier.backbone).title
    name += f" in place of the paper's {paper}" if results.source.beside_paper and name != paper else ""
    return f"{name}, {weights}{trunk_words(results.params)}, {square}"


def trunk_words(params: Params) -> str:
    """That the trunk was adapted, after the classifier's name or weights; empty where it was not."""
    if not params.classifier.adapt.epochs:
        return ""
    return ", its trunk adapted to the training photographs and then frozen"


def _square(side: int) -> str:
    return f"{side} \u00d7 {side} pixels"


def _when(results: Results) -> str:
    """Date of the last job, the time from first to last, and the work of all jobs."""
    starts, ends = _moments(results, "started"), _moments(results, "finished")
    seconds = [record.get("seconds") for record in results.records]
    work = sum(value for value in seconds if isinstance(value, (int, float)))
    parts = []
    if last := last_day(results):
        parts.append(f"{last.day} {last:%B %Y}")
    if starts and ends:
        span = max(at.timestamp() for at in ends) - min(at.timestamp() for at in starts)
        # where only some jobs of a run were done again on another day, the span says nothing
        at_once = 0 < span <= max(2 * work, 60)
        parts.append(f"{duration(span)} from first to last job" if at_once else "on several occasions")
    if work:
        parts.append(f"{duration(work)} of work in {counted(len(results.records), 'job')}")
    return ", ".join(parts)


def _moments(results: Results, key: str) -> list[datetime]:
    return [at for record in results.records if (at := _moment(record.get(key)))]


def _moment(value: Any) -> datetime | None:
    """A time of a job's record, written as ISO text or seconds since 1970."""
    try:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(float(value), UTC)
        return datetime.fromisoformat(str(value))
    except (TypeError, ValueError, OSError):
        return None
