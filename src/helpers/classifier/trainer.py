"""One epoch of training: Adam or AdamW, the learning rate's schedule, the choice of the best epoch.

Training and evaluation use the same arithmetic, so that one function gives both the validation figure that
picks the weights and the test predictions. Head, loss and probabilities are float32 or better.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from helpers.classifier.arms import TrainingSet
from helpers.classifier.arrays import upload
from helpers.classifier.augmentation import Augmentation
from helpers.classifier.averaging import MovingAverage
from helpers.classifier.backbones import BACKBONES
from helpers.classifier.bank import BankMaker
from helpers.classifier.features import BankedFeatures, Features, LiveFeatures, held_out_rows
from helpers.classifier.model import Classifier, build_classifier
from helpers.classifier.sampling import epoch_order
from helpers.classifier.schedules import make_schedule
from helpers.data.resizing import Way
from helpers.device import resolve_precision
from helpers.errors import UserError
from helpers.files import array_digest, digest
from helpers.fingerprints import code_fingerprint
from helpers.graphs import GraphedStep, on_device
from helpers.params import Classifier as Config
from helpers.params import result_values
from helpers.progress import Progress


@dataclass
class TrainingState:
    """How far a training is, and its best weights so far; all of it is kept in checkpoints."""

    epoch: int = 0  # epochs done
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    since_best: int = 0
    done: bool = False
    seconds: float = 0.0  # of training epochs, summed over all processes that worked on this training
    seen: int = 0  # training images, summed in the same way

    @property
    def best_row(self) -> dict[str, float]:
        """The best epoch's row of the history."""
        return self.history[self.best_epoch - 1]


class Trainer:
    """Network, optimiser and data of one training; the loop over the epochs is in training.py."""

    def __init__(
        self,
        training_set: TrainingSet,
        split: pd.DataFrame,
        images: np.ndarray,
        config: Config,
        device: str,
        seed: int,
        bank_folder: Path | str,
        way: Way | None = None,
    ):
        self.training_set, self.config, self.device, self.seed = training_set, config, device, seed
        self.image_key = array_digest(images)
        self.held_out = held_out_rows(split)
        if not len(training_set) or not all(map(len, self.held_out.values())):
            raise UserError(
                "Training needs images in each of training, validation and test; the split leaves one of "
                "them empty."
            )
        codes = {name: code for code, name in enumerate(training_set.classes)}
        labels = split["dx"].map(codes).to_numpy(np.int64)[self.held_out["validation"]]
        self.validation_labels = torch.from_numpy(labels)
        self.draws = int((split["split"] == "train").sum()) if config.equal_steps else len(training_set)
        self.steps = max(1, min(-(-self.draws // config.batch_size), self.draws // 2))
        self.precision = resolve_precision(config.precision, device)
        self.model, self.start_key = self._new_model()
        self.optimiser = _optimiser(self.model, config, device)
        self.scheduler = make_schedule(self.optimiser, config, self.steps)
        self.average = MovingAverage(self.model, config.averaging) if config.averaging else None
        weights = training_set.class_weights
        self.class_weights = (
            None if weights is None else torch.tensor(weights, dtype=torch.float32, device=device)
        )
        self.augmentation = Augmentation.of(config, way)
        self.features: Features
        if config.bank:
            maker = BankMaker(bank_folder, self.model, config, device)
            self.features = BankedFeatures(
                training_set, split, images, self.image_key, maker, seed, self.augmentation
            )
        else:
            self.features = LiveFeatures(
                training_set, split, images, self.model, config, device, self.augmentation
            )
        self.update = on_device(self._step, device)

    def _new_model(self) -> tuple[Classifier, str]:
        """The network before training, on the device, and the checksum of its weights."""
        config = self.config
        torch.manual_seed(_torch_seed(self.seed, 0))
        model = build_classifier(
            config.backbone,
            config.weights,
            len(self.training_set.classes),
            config.hidden,
            config.dropout,
            config.frozen_stages,
        )
        key = model.state_digest()
        return model.prepare(self.device, self.precision), key

    def fingerprint(self, split: pd.DataFrame) -> str:
        """Equal for trainings that may continue from each other's checkpoints.

        It covers parameters, images, first weights, code and seed.
        """
        # the validation images decide schedule, stopping and the choice of weights
        part = split.loc[split["split"] == "validation", ["image_id", "dx"]]
        validation = [part["image_id"].tolist(), part["dx"].tolist()]
        training = [self.training_set.digest(), self.image_key, self.start_key, self.draws]
        training.append(asdict(self.augmentation))
        code = code_fingerprint("helpers.classifier.training", BACKBONES.module(self.config.backbone))
        values, device = result_values(self.config), self.device.split(":")[0]
        return digest(values, self.seed, device, training, validation, code)

    # --- one epoch

    def train_epoch(self, epoch: int, progress: Progress) -> dict[str, float]:
        """Train on the epoch's images; their mean loss and accuracy, with augmentation and dropout.

        Batches are of nearly equal size, at most ``batch_size`` (in batches of two one may hold three): a
        batch of one image would spoil the statistics of the batch norms.
        """
        order, passes = epoch_order(len(self.training_set), self.draws, self.seed, epoch)
        generator = torch.Generator().manual_seed(_torch_seed(self.seed, 2 * epoch + 1))
        torch.manual_seed(_torch_seed(self.seed, 2 * epoch + 2))  # of the dropouts
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        self.model.train()
        # ascending: photographs come first, and files are read forwards
        batches = np.array_split(np.arange(self.draws), self.steps)
        batches = [batch[np.argsort(order[batch], kind="stable")] for batch in batches]
        labels = upload(self.training_set.labels[order[np.concatenate(batches)]], self.device)
        began = time.monotonic()
        for step, own in enumerate(labels.split([len(batch) for batch in batches])):
            batch = batches[step]
            features = self.features.training(order[batch], passes[batch], generator)
            self.scheduler.before_step(epoch * self.steps + step)
            loss, correct = self.update(features, own, self._rate())
            if self.average is not None:
                self.average.update()
            total += loss.double() * len(batch)
            right += correct
            if step % 10 == 0 or step == self.steps - 1:
                speed = (step + 1) * len(batch) / (time.monotonic() - began)
                words = f"epoch {epoch + 1}/{self.config.max_epochs}, {speed:.0f} images/s"
                progress.update(epoch * self.steps + step + 1, words)
        mean = total.item() / self.draws
        if not np.isfinite(mean):
            raise UserError(
                f"The classifier's loss was no longer a finite number in epoch {epoch + 1}: lower "
                f"classifier.learning_rate ({self.config.learning_rate:g})."
            )
        rate = self.optimiser.param_groups[0]["lr"]  # of the last step
        return {"learning_rate": rate, "train_loss": mean, "train_accuracy": right.item() / self.draws}

    def _rate(self) -> torch.Tensor | float:
        """The learning rate; for a graph as a tensor, which each of its replays reads anew."""
        rate = self.optimiser.param_groups[0]["lr"]
        if isinstance(self.update, GraphedStep):
            return torch.full((), rate, dtype=torch.float32, device=self.device)
        return rate

    def _step(
        self, features: torch.Tensor, labels: torch.Tensor, rate: torch.Tensor | float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One step of the optimiser; the batch's mean loss and number of right answers, on the device."""
        logits = self.model.tail(features)
        losses = cross_entropy(logits, labels, reduction="none")
        if self.class_weights is not None:
            # their mean over the training set is 1, so that the loss keeps its scale
            losses = losses * self.class_weights[labels]
        loss = losses.mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        with _at_rate(self.optimiser, rate):
            self.optimiser.step()
        return loss.detach(), (logits.argmax(1) == labels).sum()

    # --- evaluation

    @torch.no_grad()
    def logits(self, part: str) -> torch.Tensor:
        """float32 (n, classes) of the validation or test images, without augmentation, in evaluation mode."""
        self.model.eval()
        return torch.cat([self.model.tail(features) for features in self.features.held_out(part)]).cpu()

    def validate(self) -> dict[str, float]:
        """Loss (unweighted) and accuracy of the validation images."""
        logits, labels = self.logits("validation").double(), self.validation_labels
        return {
            "validation_loss": cross_entropy(logits, labels).item(),
            "validation_accuracy": (logits.argmax(1) == labels).double().mean().item(),
        }

    # --- best weights, checkpoints

    @contextmanager
    def weights_to_keep(self) -> Iterator[None]:
        """Inside, the network holds the weights that an epoch is judged by and that are kept: the average.

        Without ``config.averaging`` these are its own.
        """
        if self.average is None:
            yield
            return
        with self.average.in_place():
            yield

    def better(self, row: dict[str, float], state: TrainingState) -> bool:
        """Whether an epoch is strictly better than the best so far; of equal ones the earlier stays."""
        if not state.best_epoch:
            return True
        key = f"validation_{self.config.monitor}"
        change = row[key] - state.best_row[key]
        return change > 0 if self.config.monitor == "accuracy" else change < 0

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs besides its ``TrainingState``."""
        return {
            "model": self.model.trained_state(),
            "optimiser": self.optimiser.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            **({} if self.average is None else {"average": self.average.state()}),
        }

    def resume(self, found: tuple[int, dict[str, Any]] | None) -> TrainingState:
        """The state of a checkpoint, with network, optimiser and schedule restored; else a new state."""
        if found is None:
            return TrainingState()
        _, saved = found
        state = TrainingState(**saved["training"])
        if not state.done:
            self.model.load_trained_state(saved["model"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.scheduler.load_state_dict(saved["scheduler"])
            if self.average is not None:
                self.average.load_state(saved["average"])
        return state


def _optimiser(model: Classifier, config: Config, device: str) -> torch.optim.Optimizer:
    """Adam, or AdamW where weights decay (Loshchilov and Hutter 2019), in a form that a graph can capture."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    kind = torch.optim.AdamW if config.weight_decay else torch.optim.Adam
    return kind(
        parameters,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,
        capturable=device.startswith("cuda"),
    )


@contextmanager
def _at_rate(optimiser: torch.optim.Optimizer, rate: torch.Tensor | float) -> Iterator[None]:
    """Inside, the optimiser's learning rate is ``rate``; the schedule sees its own number afterwards."""
    (group,) = optimiser.param_groups
    kept, group["lr"] = group["lr"], rate
    try:
        yield
    finally:
        group["lr"] = kept


def _torch_seed(seed: int, stream: int) -> int:
    """A 63-bit seed for torch; streams of one seed are independent."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0] >> np.uint64(1))
