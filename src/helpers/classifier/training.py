"""Training of one classifier: Adam, a plateau schedule, early stopping, the best epoch's weights, predictions.

Everything random in an epoch follows from (seed, epoch), so that a training killed and resumed at an epoch's end gives the same
bits on the CPU. Convolutions run in ``precision`` in training and evaluation alike, so that the validation
figure that picks the weights and the test predictions come from one function; head, loss and probabilities are float32 or better.
On a CPU a trained tail with depthwise convolutions stays in float32, for their gradients take four times as long in bfloat16 there.
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
from helpers.classifier.augmentation import Augmentation, augment, normalise, to_float
from helpers.classifier.model import Classifier, build_classifier
from helpers.device import describe_device, resolve_precision
from helpers.errors import UserError
from helpers.files import atomic_path, digest, write_json, write_table
from helpers.params import Arm
from helpers.params import Classifier as Config
from helpers.progress import Progress

KEPT_FEATURES = 2**30  # bytes of the validation images' trunk outputs that may be kept in memory
ON_DEVICE = 0.25  # share of a GPU's free memory that the photographs may take


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
    arm: Arm,
    directory: Path | str,
    device: str = "cpu",
    seed: int = 1000,
    name: str = "baseline",
    replicate: int = 0,
    gan_seed: int | None = None,
    image_key: str = "",
    code: str = "",
) -> dict[str, Any]:
    """Train one classifier and write its files to ``directory``; resumes where an earlier call was cut off.

    ``images``: uint8 (N, S, S, 3), rows aligned with ``split`` (columns image_id, dx, split). ``name``, ``replicate`` and ``gan_seed`` are
    recorded; ``image_key`` (a checksum of ``images``) and ``code`` tell apart data and versions of the code in the checkpoints' fingerprint.
    Returns summary.json's content. Raises UserError where the loss stops being a number.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config.threads)
    trainer = Trainer(training_set, split, images, config, device, seed)
    fingerprint = digest(
        config.model_dump(mode="json", exclude={"checkpoint_minutes"}),
        arm.model_dump(mode="json"),
        seed,
        device.split(":")[0],
        training_set.digest(),
        _validation_digest(split),
        list(images.shape),
        image_key,
        code,
    )
    course = trainer.resume(load_latest(directory, fingerprint, map_location="cpu"))
    _run_epochs(trainer, course, directory, fingerprint, f"{name} {replicate}")
    trainer.model.load_trained_state(course.best)
    predictions = predict_held_out(trainer, split, training_set.classes)
    summary = _summary(trainer, course, name, replicate, seed, gan_seed)
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
            course.best = {key: value.detach().cpu().clone() for key, value in trainer.model.trained_state().items()}
        else:
            course.since_best += 1
        course.seconds += time.monotonic() - began
        course.seen += len(trainer.training_set)
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

    def __init__(self, training_set: TrainingSet, split: pd.DataFrame, images: np.ndarray, config: Config, device: str, seed: int):
        self.training_set, self.config, self.device, self.seed = training_set, config, device, seed
        codes = split["dx"].map({name: code for code, name in enumerate(training_set.classes)}).to_numpy(np.int64)
        self.held_out = {part: np.flatnonzero((split["split"] == part).to_numpy()) for part in ("validation", "test")}
        if not len(training_set) or not all(map(len, self.held_out.values())):
            raise UserError("Training needs images in each of training, validation and test; the split leaves one of them empty.")
        self.codes, self.images = codes, images
        self.precision = resolve_precision(config.precision, device)
        torch.manual_seed(_number(seed, 0))
        model = build_classifier(config.backbone, config.weights, len(training_set.classes), config.hidden, config.dropout, config.frozen_stages)
        self.model: Classifier = model.to(device=device, memory_format=torch.channels_last)
        if config.frozen_stages:
            self.model.prepare_trunk(self.precision)
        self.tail_precision = None if device == "cpu" and self.model.trains_depthwise() else self.precision
        trainable = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.Adam(trainable, lr=config.learning_rate, fused=True)
        mode = "max" if config.monitor == "accuracy" else "min"
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, mode=mode, patience=config.scheduler_patience, factor=config.scheduler_factor
        )
        weights = training_set.class_weights
        self.class_weights = None if weights is None else torch.tensor(weights, dtype=torch.float32, device=device)
        self.augmentation = Augmentation(config.flips, config.rotation, config.jitter, config.hue)
        self.steps = -(-len(training_set) // config.batch_size)
        self.resident = self._resident()
        self.features: list[torch.Tensor] | None = None  # of the validation images, once computed

    # --- data

    def _resident(self) -> torch.Tensor | None:
        """All photographs on the GPU, where they take a small share of its memory."""
        if not self.device.startswith("cuda") or self.images.nbytes > ON_DEVICE * torch.cuda.mem_get_info()[0]:
            return None
        return torch.from_numpy(np.ascontiguousarray(self.images)).to(self.device)

    def photographs(self, rows: np.ndarray) -> torch.Tensor:
        """uint8 (n, S, S, 3) of rows of the split."""
        if self.resident is not None:
            return self.resident[torch.from_numpy(rows).to(self.device)]
        return torch.from_numpy(np.ascontiguousarray(self.images[rows]))

    def training_batch(self, indices: np.ndarray) -> torch.Tensor:
        """uint8 (n, S, S, 3) of the training set."""
        real = len(self.training_set.sources)
        if self.resident is not None and (indices < real).all():
            return self.photographs(self.training_set.sources[indices])
        return torch.from_numpy(self.training_set.batch(self.images, indices))

    # --- one epoch

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=self.tail_precision is not None)

    def train_epoch(self, epoch: int, progress: Progress) -> dict[str, float]:
        """One pass over the training set; its mean loss and accuracy, on the augmented images and with dropout.

        Batches are of nearly equal size, at most ``batch_size``: a last batch of one image would upset the batch norms.
        """
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.training_set))
        generator = torch.Generator().manual_seed(_number(self.seed, 2 * epoch + 1))
        torch.manual_seed(_number(self.seed, 2 * epoch + 2))  # the dropouts
        rate = self.optimiser.param_groups[0]["lr"]
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        self.model.train()
        began = time.monotonic()
        for step, indices in enumerate(np.array_split(order, self.steps)):
            loss, correct = self._step(indices, generator)
            total += loss.double() * len(indices)
            right += correct
            if step % 10 == 0 or step == self.steps - 1:
                speed = (step + 1) * len(indices) / (time.monotonic() - began)
                progress.update(epoch * self.steps + step + 1, f"epoch {epoch + 1}/{self.config.max_epochs}, {speed:.0f} images/s")
        mean = total.item() / len(order)
        if not np.isfinite(mean):
            raise UserError(
                f"The classifier's loss stopped being a number in epoch {epoch + 1}: lower classifier.learning_rate ({self.config.learning_rate:g})."
            )
        return {"learning_rate": rate, "train_loss": mean, "train_accuracy": right.item() / len(order)}

    def _step(self, indices: np.ndarray, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """One step of Adam; the batch's mean loss and its number of right answers."""
        labels = torch.from_numpy(self.training_set.labels[indices]).to(self.device)
        inputs = augment(self.training_batch(indices), self.augmentation, generator, self.model.mean, self.model.std, self.device)
        with self.autocast():
            logits = self.model(inputs)
        losses = cross_entropy(logits, labels, reduction="none")
        if self.class_weights is not None:
            losses = losses * self.class_weights[labels]  # mean 1 over the training set, so the loss keeps its scale
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
        with self.autocast():
            found = [self.model.tail(features) for features in self._features(part)]
        return torch.cat(found).cpu()

    def _features(self, part: str) -> Any:
        """The trunk's outputs batch by batch; those of validation, which comes every epoch, are kept where they fit."""
        if part == "validation" and self.features is not None:
            yield from self.features
            return
        rows = self.held_out[part]
        kept: list[torch.Tensor] | None = [] if part == "validation" and self.config.frozen_stages else None
        size = self.config.batch_size
        for start in range(0, len(rows), size):
            inputs = normalise(to_float(self.photographs(rows[start : start + size]), self.device), self.model.mean, self.model.std)
            features = self.model.trunk(inputs.contiguous(memory_format=torch.channels_last))
            if kept is not None and features[0].nbytes * len(rows) <= KEPT_FEATURES:
                kept.append(features)
            yield features
        if kept:
            self.features = kept

    def validate(self) -> dict[str, float]:
        """Loss (unweighted) and accuracy of the validation images."""
        logits, labels = self.logits("validation").double(), torch.from_numpy(self.codes[self.held_out["validation"]])
        return {"validation_loss": cross_entropy(logits, labels).item(), "validation_accuracy": (logits.argmax(1) == labels).double().mean().item()}

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
        return {"model": self.model.trained_state(), "optimiser": self.optimiser.state_dict(), "scheduler": self.scheduler.state_dict()}

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


def _number(seed: int, stream: int) -> int:
    """A 63-bit seed for torch; streams of one seed are independent."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _validation_digest(split: pd.DataFrame) -> str:
    """A fingerprint of the validation images: they steer schedule, stopping and the choice of weights."""
    part = split.loc[split["split"] == "validation", ["image_id", "dx"]]
    return digest(part["image_id"].tolist(), part["dx"].tolist())


def predict_held_out(trainer: Trainer, split: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """image_id, split, label and p_<class> of every validation and test photograph; no synthetic image is among them."""
    tables = []
    for part, rows in trainer.held_out.items():
        probabilities = torch.softmax(trainer.logits(part).double(), dim=1).numpy()
        table = split.iloc[rows][["image_id", "split", "dx"]].rename(columns={"dx": "label"}).reset_index(drop=True)
        tables.append(table.assign(**{f"p_{name}": probabilities[:, code] for code, name in enumerate(classes)}))
    predictions = pd.concat(tables, ignore_index=True)
    assert set(predictions["image_id"]) <= set(split["image_id"]) and set(predictions["split"]) == {"validation", "test"}
    return predictions


def _summary(trainer: Trainer, course: Course, name: str, replicate: int, seed: int, gan_seed: int | None) -> dict[str, Any]:
    parameters = list(trainer.model.parameters())
    return {
        "arm": name,
        "replicate": replicate,
        "seed": seed,
        "gan_seed": gan_seed,
        "training_images": len(trainer.training_set),
        "synthetic_images": trainer.training_set.synthetic_images,
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
    }


def _write_weights(model: Classifier, path: Path) -> None:
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        save_file({key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}, temporary, metadata={"backbone": model.backbone})
