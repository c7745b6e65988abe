"""The files of a trained classifier: weights, predictions, history, and what the training was."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from helpers.classifier.inference import probabilities
from helpers.classifier.model import Classifier
from helpers.classifier.trainer import Trainer, TrainingState
from helpers.device import describe_device
from helpers.files import atomic_path, write_json, write_table
from helpers.graphs import how_steps_ran


def write_outputs(
    trainer: Trainer, state: TrainingState, split: pd.DataFrame, identity: dict[str, Any], directory: Path
) -> dict[str, Any]:
    """Write the files of a training whose network holds the best weights; the content of summary.json.

    ``identity`` (arm, replicate, seeds) is recorded there.
    """
    predictions = predict_held_out(trainer, split, trainer.training_set.classes)
    summary = identity | _summary(trainer, state)
    timing = _timing(trainer, state)
    _write_weights(trainer.model, directory / "model.safetensors")
    write_table(directory / "predictions.csv", predictions)
    write_table(directory / "history.csv", pd.DataFrame(state.history))
    write_json(directory / "timing.json", timing)
    write_json(directory / "summary.json", summary)
    return summary


def predict_held_out(trainer: Trainer, split: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """The predictions for every validation and test photograph, and for no synthetic image.

    Columns: image_id, split, label and p_<class> for each class.
    """
    tables = []
    for part, rows in trainer.held_out.items():
        found = probabilities(trainer.logits(part))
        table = split.iloc[rows][["image_id", "split", "dx"]].rename(columns={"dx": "label"})
        columns = {f"p_{name}": found[:, code] for code, name in enumerate(classes)}
        tables.append(table.reset_index(drop=True).assign(**columns))
    predictions = pd.concat(tables, ignore_index=True)
    assert set(predictions["image_id"]) <= set(split["image_id"])
    assert set(predictions["split"]) == {"validation", "test"}
    return predictions


def _summary(trainer: Trainer, state: TrainingState) -> dict[str, Any]:
    parameters = list(trainer.model.parameters())
    return {
        "classes": list(trainer.training_set.classes),
        "training_images": len(trainer.training_set),
        "synthetic_images": trainer.training_set.synthetic_images,
        "images_per_epoch": trainer.draws,
        "steps_per_epoch": trainer.steps,
        "bank": trainer.config.bank,
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "best_validation_accuracy": state.best_row["validation_accuracy"],
        "best_validation_loss": state.best_row["validation_loss"],
        "parameters": sum(parameter.numel() for parameter in parameters),
        "trainable_parameters": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
    }


def _timing(trainer: Trainer, state: TrainingState) -> dict[str, Any]:
    return {
        "seconds": state.seconds,
        "images_per_second": state.seen / state.seconds if state.seconds else None,
        "device": describe_device(trainer.device),
        "threads": trainer.config.threads,
        "precision": str(trainer.precision or torch.float32).removeprefix("torch."),
        "steps_ran": how_steps_ran([trainer.update, getattr(trainer.features, "trunk", trainer.update)]),
        "bank_seconds": getattr(trainer.features, "seconds", 0.0),
        "bank_bytes": getattr(trainer.features, "nbytes", 0),
    }


def _write_weights(model: Classifier, path: Path) -> None:
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()},
            temporary,
            metadata={"backbone": model.backbone},
        )
