"""What later stages read of the stage 'eda': split.csv, a row per image, and manifest.json about all data."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import pandas as pd

from helpers.data.dataset import COLUMNS, Dataset
from helpers.data.splits import JOINED
from helpers.errors import DataError
from helpers.paths import RunPaths, require

TEXT_COLUMNS = ("lesion_id", JOINED, "image_id", "dx", "dx_type", "sex", "localization", "split")


def part_column(part: int) -> str:
    """The column of split.csv that says who trains, validates and tests in a part of the split."""
    return f"split_{part}" if part else "split"


def load_split(run: RunPaths, part: int = 0) -> pd.DataFrame:
    """The table that prepare_data wrote, with ``split`` as it is in one part of the split.

    Raises MissingStageError before that, and DataError for a part that was not dealt.
    """
    table = pd.read_csv(
        require(run.split, "eda"),
        dtype=dict.fromkeys(TEXT_COLUMNS, str),
        keep_default_na=False,
        na_values={"age": [""], "lesion_id": [""]},
    )
    if part_column(part) not in table:
        raise DataError(
            f"split.csv has no part {part}: run the stage 'eda' again (python run_all.py --force eda)."
        )
    of_part = table[part_column(part)]
    others = [name for name in table if name.startswith("split_")]
    return table.drop(columns=others).assign(split=of_part)


def load_manifest(run: RunPaths) -> dict[str, Any]:
    """The manifest that prepare_data wrote. Raises MissingStageError before that."""
    return json.loads(require(run.manifest, "eda").read_text(encoding="utf-8"))


def load_duplicates(run: RunPaths) -> pd.DataFrame:
    """The pairs that prepare_data found: ``duplicates.COLUMNS``, and a row for each pair.

    Raises MissingStageError before that.
    """
    table = pd.read_csv(require(run.duplicates, "eda"), dtype=str, keep_default_na=False)
    return table.astype({"distance": float})


def describe_dataset(source: str, dataset: Dataset, checks: pd.DataFrame) -> dict[str, Any]:
    """The content of manifest.json; ``checks`` has the columns image_id, sha256, width, height (pixels)."""
    metadata = dataset.metadata
    sizes = checks.groupby(["width", "height"]).size()
    width, height = max(sizes.index, key=lambda size: (sizes[size], size))  # of most images
    counts = metadata["dx"].value_counts().sort_index()
    return {
        "source": source,
        "layout": dataset.layout,
        **({"survey": dataset.survey} if dataset.survey else {}),
        "images": len(metadata),
        "lesions": int(metadata["lesion_id"].nunique()) if dataset.lesions_known else 0,  # 0: unknown
        "classes": {str(name): int(count) for name, count in counts.items()},
        "checksum": data_checksum(metadata, zip(checks["image_id"], checks["sha256"], strict=True)),
        "image_width": int(width),
        "image_height": int(height),
    }


def data_checksum(metadata: pd.DataFrame, hashes: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over the metadata in file order and every image's own SHA-256.

    The same data in another layout have the same checksum. ``hashes`` are pairs of image id and SHA-256 in
    hexadecimal digits, in any order.
    """
    whole = hashlib.sha256(metadata[list(COLUMNS)].to_csv(index=False, lineterminator="\n").encode())
    for image_id, sha256 in sorted(hashes):
        whole.update(f"{image_id} {sha256}\n".encode())
    return whole.hexdigest()
