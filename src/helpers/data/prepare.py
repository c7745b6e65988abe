"""The stage 'eda': every image verified, the data split and described."""

import hashlib

import pandas as pd

from helpers.data.dataset import Dataset
from helpers.data.decoding import decode
from helpers.data.duplicates import Sketch, find_duplicates, joined_lesions, sketch
from helpers.data.manifest import describe_dataset, load_split, part_column
from helpers.data.parallel import in_parallel
from helpers.data.sources import SOURCES, open_source
from helpers.data.splits import JOINED, SPLITS, split_folds, split_metadata
from helpers.data.wording import shown
from helpers.errors import DataError
from helpers.files import json_text, write_if_changed
from helpers.params import Data
from helpers.paths import RunPaths

SPLIT_COLUMNS = ("image_id", "lesion_id", "dx", "dx_type", "age", "sex", "localization", "split")


def prepare_data(run: RunPaths, data: Data) -> pd.DataFrame:
    """Open the data, verify every image, split, and write what was found; returns the split table.

    Written are split.csv, manifest.json and duplicates.csv, the pairs of ``find_duplicates``.
    What is not there yet is drawn or fetched. The table has the columns of SPLIT_COLUMNS, in split.csv one
    more for each further part (``part_column``) and, where pairs are dealt as one lesion, JOINED with the
    names of such lesions; and the order of the metadata. Files whose bytes would not
    change are left untouched. Raises DataError with one sentence that names what is missing or broken.
    """
    with open_source(run, data) as dataset:
        metadata = dataset.metadata
        parts = split_dataset(dataset, data)  # before an image is read: what cannot be split is told at once
        checks, sketches = verify_images(dataset)
        pairs = find_duplicates(metadata, sketches)
        grouped = {}
        if data.duplicates == "group" and data.split.by == "lesion" and len(pairs):
            parts = split_dataset(dataset, data, pairs)
            grouped = {JOINED: joined_lesions(metadata["lesion_id"], pairs)}
        if not dataset.lesions_known:
            # with a lesion of its own for each image, the split would look free of leaks
            again = metadata["lesion_id"].duplicated(keep=False)  # images of equal content
            metadata = metadata.assign(lesion_id=metadata["lesion_id"].where(again, None))
            pairs = pairs.assign(lesion_id="", other_lesion_id="")
        columns = {part_column(number): split for number, split in enumerate(parts)} | grouped
        table = metadata.assign(**columns)[list(dict.fromkeys([*SPLIT_COLUMNS, *columns]))]
        if dataset.survey:
            print(dataset.survey)
        manifest = describe_dataset(data.source, dataset, checks)
    write_if_changed(run.split, table.to_csv(index=False, lineterminator="\n"))
    write_if_changed(run.manifest, json_text(manifest))
    write_if_changed(run.duplicates, pairs.to_csv(index=False, lineterminator="\n"))
    return load_split(run)


def split_dataset(dataset: Dataset, data: Data, joined: pd.DataFrame | None = None) -> list[pd.Series]:
    """What each image is for in every part of the split, as ``data.split`` asks; no image is read.

    Lesions of which ``joined`` (``find_duplicates``'s table) holds a pair are dealt as one lesion. Raises
    DataError where the data do not allow it.
    """
    classes = set(dataset.metadata["dx"])
    if data.target_class not in classes:
        raise DataError(
            f"data.target_class is '{data.target_class}', and the data have no such class; they have "
            f"{', '.join(sorted(classes))}."
        )
    if data.split.by == "lesion" and not dataset.lesions_known:
        raise DataError(
            f"{dataset.root} does not say which images show the same lesion, so data.split.by cannot be "
            f"'lesion': {SOURCES.get(data.source).lesions_way_out}, or split by 'image'."
        )
    split, metadata = data.split, dataset.metadata
    if joined is not None:
        metadata = metadata.assign(lesion_id=joined_lesions(metadata["lesion_id"], joined))
    if split.folds:
        validation = split.fractions[SPLITS.index("validation")]
        return split_folds(metadata, split.folds, split.repeats, validation, split.seed)
    return [split_metadata(metadata, split.by, split.fractions, split.seed)]


def verify_images(dataset: Dataset) -> tuple[pd.DataFrame, list[Sketch]]:
    """Read and decode every image in parallel; one row per image in metadata order, and a sketch of each.

    Columns: image_id, sha256 (of its bytes), width and height (pixels). The sketches are for
    ``find_duplicates``. Raises DataError that names the broken images: empty, cut off, neither JPEG nor PNG,
    too large, too small.
    """
    sketches: dict[str, Sketch] = {}

    def check(image_id: str) -> tuple[str, str, int, int, str]:
        try:
            content = dataset.read(image_id)
            image = decode(content)
            width, height = image.size
            sketches[image_id] = sketch(image)
            return image_id, hashlib.sha256(content).hexdigest(), width, height, ""
        except (OSError, DataError) as error:
            return image_id, "", 0, 0, str(getattr(error, "strerror", None) or error)

    rows = list(in_parallel(check, list(dataset.metadata["image_id"]), "verifying images"))
    broken = [f"{dataset.images[name].name} ({fault})" for name, _, _, _, fault in sorted(rows) if fault]
    if broken:
        verb, them = ("is", "it") if len(broken) == 1 else ("are", "them")
        raise DataError(
            f"{len(broken):,} of {len(rows):,} images {verb} broken: {shown(broken)}. Get {them} anew."
        )
    checks = pd.DataFrame([row[:4] for row in rows], columns=["image_id", "sha256", "width", "height"])
    return checks, [sketches[image_id] for image_id in checks["image_id"]]
