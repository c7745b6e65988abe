"""What weights were trained on, written beside them, so that nothing is tested on what its weights saw."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.data.wording import shown
from helpers.errors import DataError
from helpers.files import write_json
from helpers.paths import as_typed, require

if TYPE_CHECKING:
    from pandas import DataFrame

TRAINED_ON = "trained-on.json"
WITHHELD = "withheld"  # in a split, in the place of "train": what some weights must not see
COLUMNS = {"lesion": "lesion_id", "image": "image_id"}  # what the split's ``by`` keeps apart


def record_training(directory: Path, split: "DataFrame", by: str) -> Path:
    """Write the training images of ``split`` into trained-on.json in ``directory``.

    ``split`` has columns image_id, lesion_id and split. ``by`` is that of the split: the ids of lesions are
    recorded, or those of images where the split goes by image, because it puts photographs of one lesion on
    both sides by design.
    """
    ids = split.loc[split["split"] == "train", COLUMNS[by]].dropna()
    return write_json(directory / TRAINED_ON, {"by": by, "ids": sorted(ids.unique())})


def refuse_leak(directory: Path, stage: str, split: "DataFrame") -> None:
    """Raise DataError where the weights in ``directory`` were trained on what ``split`` holds out.

    Images of validation and test are held out, and those that are 'withheld'. ``stage`` is the one that
    trained the weights. Raises MissingStageError where they have no trained-on.json.
    """
    record = json.loads(require(directory / TRAINED_ON, stage).read_text(encoding="utf-8"))
    held_out = split.loc[split["split"] != "train", COLUMNS[record["by"]]].dropna()
    leaked = sorted(set(held_out) & set(record["ids"]))
    if leaked:
        withheld = " or are withheld" if (split["split"] == WITHHELD).any() else ""
        raise DataError(
            f"{as_typed(directory)} was trained on {len(leaked):,} of the {held_out.nunique():,} "
            f"{record['by']}s that validate or test here{withheld} ({shown(leaked)}), so that its knowledge "
            f"would flatter the test: train it anew on this split (python run_all.py --force {stage})."
        )
