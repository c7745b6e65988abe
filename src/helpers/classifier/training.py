"""Training of one classifier from its first epoch to its files; one epoch is in trainer.py.

Everything random in an epoch follows from (seed, epoch), so that a training that was killed and resumed at an
epoch's end gives the same bits on the CPU.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from helpers.checkpoints import load_latest, remove_checkpoints, save_checkpoint
from helpers.classifier.arms import TrainingSet
from helpers.classifier.outputs import write_outputs
from helpers.classifier.trainer import Trainer, TrainingState
from helpers.data.resizing import Way
from helpers.device import quickest_convolutions
from helpers.files import write_table
from helpers.params import Classifier as Config
from helpers.progress import Progress


def train_classifier(
    training_set: TrainingSet,
    split: pd.DataFrame,
    images: np.ndarray,
    config: Config,
    directory: Path | str,
    device: str = "cpu",
    seed: int = 1000,
    name: str = "baseline",
    replicate: int = 0,
    gan_seed: int | str | None = None,
    bank_folder: Path | str | None = None,
    way: Way | None = None,
) -> dict[str, Any]:
    """Train one classifier and write its files to ``directory``; resumes where an earlier call was cut off.

    ``images``: uint8 (N, S, S, 3), rows aligned with ``split`` (columns image_id, dx, split). ``name``,
    ``replicate`` and ``gan_seed`` are recorded. ``bank_folder`` holds the banks that trainings share
    (default: ``bank`` beside the arms' folders), where ``config.bank`` asks for one. ``way`` of synthetic
    images is needed where ``config.detail_jitter`` takes detail away. Returns the content of
    summary.json. Raises UserError where the loss is no longer a finite number.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config.threads)
    bank_folder = bank_folder or directory.parents[1] / "bank"
    with quickest_convolutions(device):
        trainer = Trainer(training_set, split, images, config, device, seed, bank_folder, way)
        fingerprint = trainer.fingerprint(split)
        state = trainer.resume(load_latest(directory, fingerprint, map_location="cpu"))
        _run_epochs(trainer, state, directory, fingerprint, f"{name} {replicate}")
        trainer.model.load_trained_state(state.best)
        identity = {"arm": name, "replicate": replicate, "seed": seed, "gan_seed": gan_seed}
        return write_outputs(trainer, state, split, identity, directory)


def _run_epochs(
    trainer: Trainer, state: TrainingState, directory: Path, fingerprint: str, label: str
) -> None:
    """Train until the epochs or the patience are used up, with checkpoints and the history so far.

    The last checkpoint is a small one, of the best weights only.
    """
    config = trainer.config
    last_saved = time.monotonic()
    progress = Progress(f"classifier {label}", config.max_epochs * trainer.steps, "step", whole=True)
    while not state.done:
        began = time.monotonic()
        row = trainer.train_epoch(state.epoch, progress)
        state.epoch += 1
        with trainer.weights_to_keep():
            row |= trainer.validate()
            if trainer.better(row, state):
                state.best_epoch, state.since_best = state.epoch, 0
                weights = trainer.model.trained_state().items()
                state.best = {key: value.detach().cpu().clone() for key, value in weights}
            else:
                state.since_best += 1
        trainer.scheduler.after_epoch(row)
        state.history.append({"epoch": state.epoch, **row})
        state.seconds += time.monotonic() - began
        state.seen += trainer.draws
        state.done = state.epoch >= config.max_epochs or state.since_best >= config.early_stopping_patience
        if state.done:
            remove_checkpoints(directory)  # nothing but the best weights is needed from here on
            save_checkpoint(directory, state.epoch, {"training": vars(state)}, fingerprint)
        elif time.monotonic() - last_saved >= 60 * config.checkpoint_minutes:
            write_table(directory / "history.csv", pd.DataFrame(state.history))
            save_checkpoint(
                directory, state.epoch, {"training": vars(state), **trainer.state_dict()}, fingerprint
            )
            last_saved = time.monotonic()
    progress.update(config.max_epochs * trainer.steps)
    progress.close()
