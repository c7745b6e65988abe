"""Training of one classifier: Adam, a plateau schedule, early stopping, the best epoch's weights, predictions.

Everything random in an epoch follows from (seed, epoch), so that a training killed and resumed at an epoch's end gives the same
bits on the CPU. Training and evaluation use one arithmetic, so that the validation figure that picks the weights
and the test predictions come from one function; head, loss and probabilities are float32 or better.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from helpers.checkpoints import load_latest, remove_checkpoints, save_checkpoint
from helpers.classifier.arms import TrainingSet
from helpers.classifier.arrays import upload
from helpers.classifier.bank import BankMaker
from helpers.classifier.features import BankedFeatures, Features, LiveFeatures, held_out_rows
from helpers.classifier.inference import probabilities
from helpers.classifier.model import Classifier, build_classifier
from helpers.classifier.sampling import epoch_order
from helpers.device import describe_device, resolve_precision
from helpers.errors import UserError
from helpers.files import array_digest, atomic_path, digest, write_json, write_table
from helpers.fingerprints import source_digest
from helpers.params import Classifier as Config
from helpers.progress import Progress

CODE = ("classifier",)  # what makes a training's numbers


@dataclass
class Course:
    """How far a training is, and its best so far; all of it goes into a checkpoint."""

    epoch: int = 0  # epochs done
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    since_best: int = 0
    done: bool = False
    seconds: float = 0.0  # of training epochs, all sittings together
    seen: int = 0  # training images, all sittings together

    @property
    def best_row(self) -> dict[str, float]:
        return self.history[self.best_epoch - 1]


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
    gan_seed: int | None = None,
    bank_folder: Path | str | None = None,
) -> dict[str, Any]:
    """Train one classifier and write its files to ``directory``; resumes where an earlier call was cut off.

    ``images``: uint8 (N, S, S, 3), rows aligned with ``split`` (columns image_id, dx, split). ``name``, ``replicate`` and ``gan_seed`` are
    recorded. ``bank_folder`` holds the banks that trainings share (default: ``bank`` beside the arms' folders), where ``config.bank`` asks for one.
    Returns summary.json's content. Raises UserError where the loss stops being a number.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config.threads)
    trainer = Trainer(
        training_set, split, images, config, device, seed, bank_folder or directory.parents[1] / "bank"
    )
    fingerprint = trainer.fingerprint(split)
    course = trainer.resume(load_latest(directory, fingerprint, map_location="cpu"))
    _run_epochs(trainer, course, directory, fingerprint, f"{name} {replicate}")
    trainer.model.load_trained_state(course.best)
    predictions = predict_held_out(trainer, split, training_set.classes)
    summary = {"arm": name, "replicate": replicate, "seed": seed, "gan_seed": gan_seed} | _summary(
        trainer, course
    )
    timing = _timing(trainer, course)
    _write_weights(trainer.model, directory / "model.safetensors")
    write_table(directory / "predictions.csv", predictions)
    write_table(directory / "history.csv", pd.DataFrame(course.history))
    write_json(directory / "timing.json", timing)
    write_json(directory / "summary.json", summary)
    return summary


def _run_epochs(trainer: "Trainer", course: Course, directory: Path, fingerprint: str, label: str) -> None:
    """Train until the epochs or the patience are used up, with checkpoints; ends with a slim one of the best weights."""
    config = trainer.config
    last_saved = time.monotonic()
    progress = Progress(f"classifier {label}", total=config.max_epochs * trainer.steps, unit="step")
    while not course.done:
        began = time.monotonic()
        row = trainer.train_epoch(course.epoch, progress)
        course.epoch += 1
        row |= trainer.validate()
        trainer.schedule(row)
        course.history.append({"epoch": course.epoch, **row})
        if trainer.better(row, course):
            course.best_epoch, course.since_best = course.epoch, 0
            course.best = {
                key: value.detach().cpu().clone() for key, value in trainer.model.trained_state().items()
            }
        else:
            course.since_best += 1
        course.seconds += time.monotonic() - began
        course.seen += trainer.draws
        course.done = course.epoch >= config.max_epochs or course.since_best >= config.early_stopping_patience
        if course.done:
            remove_checkpoints(directory)  # the best weights are all that is still needed
            save_checkpoint(directory, course.epoch, {"course": vars(course)}, fingerprint)
        elif time.monotonic() - last_saved >= 60 * config.checkpoint_minutes:
            save_checkpoint(directory, course.epoch, {"course": vars(course), **trainer.state()}, fingerprint)
            last_saved = time.monotonic()
    progress.update(config.max_epochs * trainer.steps)
    progress.close()


class Trainer:
    """Network, optimiser and data of one training; the loop itself is ``_run_epochs``."""

    def __init__(
        self,
        training_set: TrainingSet,
        split: pd.DataFrame,
        images: np.ndarray,
        config: Config,
        device: str,
        seed: int,
        bank_folder: Path | str,
    ):
        self.training_set, self.config, self.device, self.seed = training_set, config, device, seed
        self.image_key = array_digest(images)
        codes = (
            split["dx"].map({name: code for code, name in enumerate(training_set.classes)}).to_numpy(np.int64)
        )
        self.held_out = held_out_rows(split)
        if not len(training_set) or not all(map(len, self.held_out.values())):
            raise UserError(
                "Training needs images in each of training, validation and test; the split leaves one of them empty."
            )
        self.validation_labels = torch.from_numpy(codes[self.held_out["validation"]])
        self.draws = int((split["split"] == "train").sum()) if config.equal_steps else len(training_set)
        self.steps = -(-self.draws // config.batch_size)
        self.precision = resolve_precision(config.precision, device)
        torch.manual_seed(_number(seed, 0))
        model = build_classifier(
            config.backbone,
            config.weights,
            len(training_set.classes),
            config.hidden,
            config.dropout,
            config.frozen_stages,
        )
        self.start_key = model.state_digest()
        self.model: Classifier = model.prepare(device, self.precision)
        self.optimiser, self.scheduler = _optimiser_and_schedule(self.model, config)
        weights = training_set.class_weights
        self.class_weights = (
            None if weights is None else torch.tensor(weights, dtype=torch.float32, device=device)
        )
        self.features: Features
        if config.bank:
            maker = BankMaker(bank_folder, self.model, config, device)
            self.features = BankedFeatures(training_set, split, images, self.image_key, maker, seed)
        else:
            self.features = LiveFeatures(training_set, split, images, self.model, config, device)

    def fingerprint(self, split: pd.DataFrame) -> str:
        """Equal for trainings that may go on from each other's checkpoints: parameters, images, first weights, code, seed."""
        values = self.config.model_dump(mode="json", exclude={"checkpoint_minutes"})
        part = split.loc[
            split["split"] == "validation", ["image_id", "dx"]
        ]  # it steers schedule, stopping and the choice of weights
        validation = [part["image_id"].tolist(), part["dx"].tolist()]
        training = [self.training_set.digest(), self.image_key, self.start_key, self.draws]
        return digest(values, self.seed, self.device.split(":")[0], training, validation, source_digest(CODE))

    # --- one epoch

    def train_epoch(self, epoch: int, progress: Progress) -> dict[str, float]:
        """Train on the epoch's images; their mean loss and accuracy, as augmented and with dropout.

        Batches are of nearly equal size, at most ``batch_size``: a last batch of one image would upset the batch norms.
        """
        order, passes = epoch_order(len(self.training_set), self.draws, self.seed, epoch)
        generator = torch.Generator().manual_seed(_number(self.seed, 2 * epoch + 1))
        torch.manual_seed(_number(self.seed, 2 * epoch + 2))  # the dropouts
        rate = self.optimiser.param_groups[0]["lr"]
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        self.model.train()
        began = time.monotonic()
        for step, batch in enumerate(np.array_split(np.arange(self.draws), self.steps)):
            batch = batch[
                np.argsort(order[batch], kind="stable")
            ]  # ascending: photographs first, and files are read forwards
            features = self.features.training(order[batch], passes[batch], generator)
            labels = upload(self.training_set.labels[order[batch]], self.device)
            loss, correct = self._step(features, labels)
            total += loss.double() * len(batch)
            right += correct
            if step % 10 == 0 or step == self.steps - 1:
                speed = (step + 1) * len(batch) / (time.monotonic() - began)
                progress.update(
                    epoch * self.steps + step + 1,
                    f"epoch {epoch + 1}/{self.config.max_epochs}, {speed:.0f} images/s",
                )
        mean = total.item() / self.draws
        if not np.isfinite(mean):
            raise UserError(
                f"The classifier's loss stopped being a number in epoch {epoch + 1}: lower classifier.learning_rate ({self.config.learning_rate:g})."
            )
        return {"learning_rate": rate, "train_loss": mean, "train_accuracy": right.item() / self.draws}

    def _step(self, features: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One step of Adam; the batch's mean loss and its number of right answers, left on the device."""
        logits = self.model.tail(features)
        losses = cross_entropy(logits, labels, reduction="none")
        if self.class_weights is not None:
            losses = (
                losses * self.class_weights[labels]
            )  # mean 1 over the training set, so the loss keeps its scale
        loss = losses.mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach(), (logits.argmax(1) == labels).sum()

    # --- evaluation

    @torch.no_grad()
    def logits(self, part: str) -> torch.Tensor:
        """float32 (n, classes) of the validation or test images, unvaried, in evaluation mode."""
        self.model.eval()
        return torch.cat([self.model.tail(features) for features in self.features.held_out(part)]).cpu()

    def validate(self) -> dict[str, float]:
        """Loss (unweighted) and accuracy of the validation images."""
        logits, labels = self.logits("validation").double(), self.validation_labels
        return {
            "validation_loss": cross_entropy(logits, labels).item(),
            "validation_accuracy": (logits.argmax(1) == labels).double().mean().item(),
        }

    # --- schedule, best weights, checkpoints

    def schedule(self, row: dict[str, float]) -> None:
        """Let the learning rate fall where the monitored figure has stalled."""
        self.scheduler.step(row[f"validation_{self.config.monitor}"])

    def better(self, row: dict[str, float], course: Course) -> bool:
        """Whether an epoch beats the best so far, strictly: of equals the earlier stays."""
        if not course.best_epoch:
            return True
        key = f"validation_{self.config.monitor}"
        change = row[key] - course.best_row[key]
        return change > 0 if self.config.monitor == "accuracy" else change < 0

    def state(self) -> dict[str, Any]:
        """What a resumed training needs beside its course."""
        return {
            "model": self.model.trained_state(),
            "optimiser": self.optimiser.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }

    def resume(self, found: tuple[int, dict[str, Any]] | None) -> Course:
        """The course of a checkpoint, with network, optimiser and schedule put back; a new one without a checkpoint."""
        if found is None:
            return Course()
        _, state = found
        course = Course(**state["course"])
        if not course.done:
            self.model.load_trained_state(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.scheduler.load_state_dict(state["scheduler"])
        return course


def _optimiser_and_schedule(
    model: Classifier, config: Config
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.ReduceLROnPlateau]:
    optimiser = torch.optim.Adam(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=config.learning_rate,
        fused=True,
    )
    mode = "max" if config.monitor == "accuracy" else "min"
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
    return optimiser, plateau(
        optimiser, mode=mode, patience=config.scheduler_patience, factor=config.scheduler_factor
    )


def _number(seed: int, stream: int) -> int:
    """A 63-bit seed for torch; streams of one seed are independent."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def predict_held_out(trainer: Trainer, split: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """image_id, split, label and p_<class> of every validation and test photograph; no synthetic image is among them."""
    tables = []
    for part, rows in trainer.held_out.items():
        found = probabilities(trainer.logits(part))
        table = (
            split.iloc[rows][["image_id", "split", "dx"]]
            .rename(columns={"dx": "label"})
            .reset_index(drop=True)
        )
        tables.append(table.assign(**{f"p_{name}": found[:, code] for code, name in enumerate(classes)}))
    predictions = pd.concat(tables, ignore_index=True)
    assert set(predictions["image_id"]) <= set(split["image_id"]) and set(predictions["split"]) == {
        "validation",
        "test",
    }
    return predictions


def _summary(trainer: Trainer, course: Course) -> dict[str, Any]:
    parameters = list(trainer.model.parameters())
    return {
        "classes": list(trainer.training_set.classes),
        "training_images": len(trainer.training_set),
        "synthetic_images": trainer.training_set.synthetic_images,
        "images_per_epoch": trainer.draws,
        "steps_per_epoch": trainer.steps,
        "bank": trainer.config.bank,
        "epochs": course.epoch,
        "best_epoch": course.best_epoch,
        "best_validation_accuracy": course.best_row["validation_accuracy"],
        "best_validation_loss": course.best_row["validation_loss"],
        "parameters": sum(parameter.numel() for parameter in parameters),
        "trainable_parameters": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
    }


def _timing(trainer: Trainer, course: Course) -> dict[str, Any]:
    return {
        "seconds": course.seconds,
        "images_per_second": course.seen / course.seconds if course.seconds else None,
        "device": describe_device(trainer.device),
        "threads": trainer.config.threads,
        "precision": str(trainer.precision or torch.float32).removeprefix("torch."),
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
