"""Notebook 01: the images, their classes, and the split."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.params import Params
from helpers.report.drawing import set_paddings
from helpers.report.names import row_labels, text_width, wrapped
from helpers.report.paper_values import Paper
from helpers.report.pictures import draw_picture, veil
from helpers.report.style import SMALLEST, SPLITS, styled
from helpers.report.table import Table, of_row
from helpers.report.words import (
    counted,
    part_words,
    percent_of_images,
    times,
)

FEW_CLASSES = 9  # that fit beside one another as columns of a table


def dataset_table(split: pd.DataFrame, names: Mapping[str, str], paper: Paper) -> Table:
    """Images, lesions and share of each class, and the paper's count."""
    grouped = split.groupby("dx")
    frame = pd.DataFrame({"images": grouped.size(), "lesions": grouped["lesion_id"].nunique()}).reset_index(
        names="class"
    )
    if names:
        frame.insert(1, "name", [names.get(name, name) for name in frame["class"]])
    frame["share"] = frame["images"] / len(split)
    frame = frame.sort_values("images", ascending=False, ignore_index=True)
    total = {
        "class": "all",
        **({"name": ""} if names else {}),
        "images": len(split),
        "lesions": split["lesion_id"].nunique(),
        "share": 1.0,
    }
    frame = pd.concat([frame, pd.DataFrame([total])], ignore_index=True)
    if not paper["dataset"].empty:
        known = paper["dataset"].set_index("class")["images"]
        known["all"] = known.sum()
        frame["paper_images"] = pd.array([known.get(name) for name in frame["class"]], dtype="Int64")
    return Table(
        frame,
        {"share": lambda share: percent_of_images(share, len(split))},
        {"share": "share, %", "paper_images": "images in the paper"},
    )


def split_table(split: pd.DataFrame, paper: Paper) -> Table:
    """Images per class and part of the split, with the paper's sizes where they are of this data set.

    A row for each part and a column for each class; the other way round where the classes are many.
    """
    parts = ["train", "validation", "test"]
    frame = pd.crosstab(split["dx"], split["split"]).reindex(columns=parts, fill_value=0)
    frame = frame.loc[frame.sum(axis=1).sort_values(ascending=False).index]
    few = len(frame) <= FEW_CLASSES
    frame.loc["all"] = frame.sum()
    theirs = paper["split"].set_index("split")["images"]
    if not theirs.empty:
        frame.loc["all, in the paper"] = theirs[parts]
    if not few:
        return Table(frame.rename_axis("class").rename_axis(None, axis=1).reset_index())
    turned = frame.T.rename_axis("part").rename_axis(None, axis=1).reset_index()
    return Table(turned, names=tuple(map(str, turned.columns[1:])))


def folds_sentence(params: Params) -> str | None:
    """What the folds are; None for a single split."""
    split = params.data.split
    if not split.folds:
        return None
    gans = " and of a GAN" if params.trains_gan else ""
    deals = "" if split.repeats == 1 else f" This is done {times(split.repeats)}, each time by another draw."
    return (
        f"The lesions are dealt into {split.folds} folds that have the same share of every class. Each fold "
        f"is the test set of classifiers{gans} that are trained on the others, less a share for validation, "
        "so that every image is tested by something that has not seen its lesion."
        f"{deals} A part of the split is one fold as the test set; there are {params.parts}, and each has "
        f"{counted(params.replicates // params.parts, 'replicate')} of every arm."
    )


def folds_table(splits: Sequence[pd.DataFrame], params: Params) -> Table | None:
    """Images that each part of the split trains, validates and tests on; None for a single split."""
    target, folds = params.data.target_class, params.data.split.folds
    if not folds:
        return None
    rows = []
    for number, split in enumerate(splits):
        counts, test = split["split"].value_counts(), split[split["split"] == "test"]
        rows.append(
            {
                "deal": number // folds + 1,
                "fold": number % folds + 1,
                "training": int(counts["train"]),
                "validation": int(counts["validation"]),
                "test": len(test),
                "test_lesions": test["lesion_id"].nunique(),
                "test_target": int((test["dx"] == target).sum()),
            }
        )
    return Table(
        pd.DataFrame(rows),
        headers={"test_lesions": "lesions tested", "test_target": f"images of {target} tested"},
    )


def first_part_note(params: Params) -> str:
    """What a caption adds that shows one part of a split into folds."""
    if params.parts == 1:
        return ""
    return f" It is one part of the split, {part_words(params.data.split, 0)}; there are {params.parts}."


def leak_table(quality: Mapping[str, Any], target: str) -> Table:
    """Test images whose lesion was also photographed in the training set: all, and of the target class.

    ``quality`` is helpers.data.splits.split_quality's answer.
    """
    rows = [
        {
            "test_images": "all classes",
            "n": quality["test_images"],
            "lesion_also_in_training": quality["test_seen"],
            "share": quality["test_seen_share"],
        },
        {
            "test_images": target,
            "n": quality["target_images"],
            "lesion_also_in_training": quality["target_seen"],
            "share": quality["target_seen_share"],
        },
    ]
    frame = pd.DataFrame(rows)
    return Table(
        frame,
        {"share": of_row(lambda row: percent_of_images(row["share"], row["n"]))},
        {"n": "images", "share": "share, %"},
    )


def imbalance_sentence(manifest: Mapping[str, Any], target: str) -> str:
    """How rare the target class is."""
    counts = manifest["classes"]
    largest = max(counts, key=counts.get)
    own = counts[target]
    return (
        f"The largest class, {largest}, has {counts[largest]:,} images, {target} {own:,}: "
        f"{counts[largest] / own:.1f} to 1. "
        f"{percent_of_images(own / sum(counts.values()), sum(counts.values()))} % of all images are "
        f"{target}."
    )


def leak_sentence(quality: Mapping[str, Any], target: str, by: str) -> str:
    """How many test images show a lesion that was trained on."""
    share = percent_of_images(quality["test_seen_share"], quality["test_images"])
    own = percent_of_images(quality["target_seen_share"], quality["target_images"])
    if not quality.get("lesions_known", True):
        return (
            f"The split is made by {by}, and the data do not say which images show the same lesion: how "
            "many test images show one that was trained on is unknown."
        )
    if quality.get("lesions_named", 1) < 1:
        return (
            f"The split is made by {by}, and of the lesions only copies are known, images of equal content: "
            f"{quality['test_seen']:,} of {quality['test_images']:,} test images and "
            f"{quality['target_seen']:,} of {quality['target_images']:,} of {target} have one in the "
            "training set. How many more show a lesion that was trained on is unknown."
        )
    if not quality["test_seen"]:
        return (
            f"The split is made by {by}: no test image (n = {quality['test_images']:,}) shows a lesion that "
            "is also in the training set."
        )
    return (
        f"The split is made by {by}, and lesions are photographed several times: {share} % of the test "
        f"images (n = {quality['test_images']:,}) and "
        f"{own} % of those of {target} (n = {quality['target_images']:,}) show a lesion that the "
        "training set shows too. Scores on such images "
        "count memory as skill; the evaluation therefore reports seen and unseen lesions apart."
    )


def photograph(dataset: Any, image_id: str, width: int = 160) -> np.ndarray:
    """An image of an opened data set, uint8 (H, W, 3), reduced or enlarged to ``width`` pixels."""
    from PIL import Image

    from helpers.data.decoding import decode

    image = decode(dataset.read(image_id))
    size = (width, max(1, round(width * image.height / image.width)))
    way = Image.Resampling.BOX if image.width >= width else Image.Resampling.BICUBIC
    return np.asarray(image.resize(size, way))


def photographs(
    dataset: Any, split: pd.DataFrame, per_class: int = 4, policy: str = "show", width: int = 160
) -> dict[str, list[np.ndarray]]:
    """The first training images of every class, frequent classes first, reduced and veiled as ``policy``
    says; none where it omits them.

    ``dataset`` is an opened helpers.data.dataset.Dataset; ``split`` has columns image_id, dx, split.
    """
    if policy == "omit":
        return {}
    training = split[split["split"] == "train"]
    firsts = {
        name: training.loc[training["dx"] == name, "image_id"].head(per_class)
        for name in split["dx"].value_counts().index
    }
    return {
        name: veil([photograph(dataset, image_id, width) for image_id in chosen], policy)
        for name, chosen in firsts.items()
    }


@styled
def sample_images(
    images: Mapping[str, Sequence[np.ndarray]], names: Mapping[str, str] | None = None
) -> Figure | None:
    """The paper's Figure 1: a column per class with a few of its images; many classes in bands, with fewer
    images of each.

    ``images`` maps a class to uint8 arrays (H, W, 3); ``names`` maps it to a plain name. None where there are
    no images.
    """
    if not images:
        return None
    names, classes = names or {}, list(images)
    columns, rows = _sample_grid(classes, max(len(column) for column in images.values()))
    bands = [classes[start : start + columns] for start in range(0, len(classes), columns)]
    height, width = next(iter(images.values()))[0].shape[:2]
    tile = 9 / columns * 0.97
    titles = {name: _sample_title(name, names.get(name, ""), max(8, int(tile * 11))) for name in classes}
    room = [0.15 * (1 + max(titles[name].count("\n") for name in band)) + 0.2 for band in bands]
    tall = [rows * tile * height / width + extra for extra in room]
    figure = Figure(figsize=(9, sum(tall) + 0.1))
    set_paddings(figure, w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)
    parts = figure.subfigures(len(bands), 1, squeeze=False, height_ratios=tall)[:, 0]
    for part, band in zip(parts, bands, strict=True):
        grid = part.subplots(rows, columns, squeeze=False)
        for axes in grid[:, len(band) :].flat:
            axes.set_axis_off()
        for column, name in enumerate(band):
            for row in range(rows):
                pictures = images[name]
                draw_picture(grid[row, column], pictures[row] if row < len(pictures) else None)
            grid[0, column].set_title(
                titles[name], fontsize=SMALLEST, fontweight="normal", loc="center", pad=4
            )
    return figure


def _sample_grid(classes: Sequence[str], most: int) -> tuple[int, int]:
    """Columns of a band of sample images, and rows of images: of ``most`` that there are of a class, fewer
    where the classes are many.
    """
    long = max(map(text_width, classes)) > 30
    columns = 5 if long else max(len(classes), 5) if len(classes) <= 10 else 8  # a few are no giants
    return columns, min(most, 4 if len(classes) <= 10 else 2 if len(classes) <= 30 else 1)


def _sample_title(name: str, plain: str, width: int) -> str:
    shown = wrapped(name, width)
    return f"{shown}\n{wrapped(plain, width)}" if plain and plain != name else shown


@styled
def class_distribution(split: pd.DataFrame, target: str, names: Mapping[str, str] | None = None) -> Figure:
    """The paper's Figure 2: images per class, stacked by part of the split, from zero.

    ``split`` has columns dx and split.
    """
    names = names or {}
    counts = pd.crosstab(split["dx"], split["split"]).reindex(columns=list(SPLITS), fill_value=0)
    counts = counts.loc[counts.sum(axis=1).sort_values().index]
    totals = counts.sum(axis=1)
    labels, room = row_labels([f"{names[name]} ({name})" if name in names else name for name in counts.index])
    figure = Figure(figsize=(9, 1.1 + (0.27 + room) * len(counts)))
    axes = figure.subplots()
    left = np.zeros(len(counts))
    for part, colour in SPLITS.items():
        axes.barh(range(len(counts)), counts[part], left=left, color=colour, label=part, height=0.68)
        left += counts[part].to_numpy()
    for row, total in enumerate(totals):
        axes.annotate(
            f"{total:,}  ({total / totals.sum():.1%})",
            (total, row),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALLEST,
        )
    axes.set_yticks(range(len(counts)), labels)
    axes.set_ylim(-0.6, len(counts) - 0.4)
    for label, name in zip(axes.get_yticklabels(), counts.index, strict=True):
        label.set_fontweight("bold" if name == target else "normal")
    axes.set_xlim(0, totals.max() * 1.2)
    axes.set_xlabel("images")
    axes.grid(False, axis="y")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    figure.legend(loc="outside lower center", ncols=3)  # beside the bars one may lie on the lowest
    return figure
