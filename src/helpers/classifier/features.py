"""The inputs of the trained stages: the frozen trunk's outputs, computed now or read from the bank."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import pandas as pd
import torch

from helpers.classifier.arms import TrainingSet
from helpers.classifier.arrays import Store
from helpers.classifier.augmentation import Augmentation, augment, plain
from helpers.classifier.bank import Bank, BankMaker
from helpers.classifier.model import Classifier
from helpers.classifier.sampling import bank_variation
from helpers.files import array_digest
from helpers.graphs import on_device
from helpers.params import Classifier as Config

KEPT_FEATURES = 2**30  # largest size, in bytes, of the validation images' outputs kept in memory


class Features(Protocol):
    """The trunk's outputs, (B, C, h, w), of training images and of held-out photographs."""

    def training(self, indices: np.ndarray, passes: np.ndarray, generator: torch.Generator) -> torch.Tensor:
        """Of augmented images at ``indices`` (ascending) of the training set.

        ``passes`` says for each the number of the pass over the training set.
        """

    def held_out(self, part: str) -> Iterator[torch.Tensor]:
        """Of the unchanged 'validation' or 'test' photographs, batch by batch in the split's order."""


def held_out_rows(split: pd.DataFrame) -> dict[str, np.ndarray]:
    """Rows of the validation and of the test photographs."""
    return {part: np.flatnonzero((split["split"] == part).to_numpy()) for part in ("validation", "test")}


class LiveFeatures:
    """Augments and runs the trunk for every batch."""

    def __init__(
        self,
        training_set: TrainingSet,
        split: pd.DataFrame,
        images: np.ndarray,
        model: Classifier,
        config: Config,
        device: str,
        augmentation: Augmentation,
    ):
        self.model, self.config, self.device = model, config, device
        self.trunk = on_device(model.trunk, device) if config.frozen_stages else model.trunk
        self.augmentation = augmentation
        self.rows = held_out_rows(split)
        self.photograph_rows = training_set.photographs
        self.photographs, self.synthetic = Store(images, device), Store(training_set.synthetic, device)
        # The validation images' outputs, which every epoch needs and which never change.
        self.kept: list[torch.Tensor] | None = None

    def training(self, indices: np.ndarray, passes: np.ndarray, generator: torch.Generator) -> torch.Tensor:
        real = np.searchsorted(indices, len(self.photograph_rows))
        images = self.photographs.take(self.photograph_rows[indices[:real]])
        if real < len(indices):
            images = torch.cat([images, self.synthetic.take(indices[real:] - len(self.photograph_rows))])
        return self.trunk(
            augment(images, self.augmentation, generator, self.model.mean, self.model.std, self.device)
        )

    def held_out(self, part: str) -> Iterator[torch.Tensor]:
        if part == "validation" and self.kept is not None:
            yield from self.kept
            return
        rows, size = self.rows[part], self.config.batch_size
        kept: list[torch.Tensor] = []
        for start in range(0, len(rows), size):
            images = self.photographs.take(rows[start : start + size])
            outputs = self.model.trunk(plain(images, self.model.mean, self.model.std, self.device))
            if (
                part == "validation"
                and self.config.frozen_stages
                and outputs[0].nbytes * len(rows) <= KEPT_FEATURES
            ):
                kept.append(outputs)
            yield outputs
        self.kept = kept or self.kept


class BankedFeatures:
    """Reads the outputs from the banks of a run.

    There is one bank of the training photographs, one of the held-out photographs, and one of each GAN's
    synthetic images.
    """

    def __init__(
        self,
        training_set: TrainingSet,
        split: pd.DataFrame,
        images: np.ndarray,
        content: str,
        maker: BankMaker,
        seed: int,
        augmentation: Augmentation,
    ):
        """``content`` is the ``array_digest`` of ``images``.

        ``seed`` is the training's; it decides which augmented variation of an image each epoch takes.
        """
        self.training_set, self.seed, self.batch_size = training_set, seed, maker.config.batch_size
        rows = np.flatnonzero((split["split"] == "train").to_numpy())
        held_out = held_out_rows(split)
        together = np.concatenate(list(held_out.values()))
        self.places = np.searchsorted(rows, training_set.photographs)  # of the photographs in their bank
        self.held_out_places = dict(
            zip(held_out, np.split(np.arange(len(together)), [len(held_out["validation"])]), strict=True)
        )
        self.banks = {"photographs": maker.open("training", images, content, rows, augmentation)}
        self.banks["held out"] = maker.open("held-out", images, content, together, None)
        if len(training_set.synthetic):
            self.banks["synthetic"] = self._synthetic_bank(maker, augmentation)
        self.stores = {name: Store(bank.outputs, maker.device) for name, bank in self.banks.items()}

    def _synthetic_bank(self, maker: BankMaker, augmentation: Augmentation) -> Bank:
        """Of the whole pool, so that arms and replicates that select differently from it share one bank."""
        pool = self.training_set.synthetic if self.training_set.pool is None else self.training_set.pool
        content = array_digest(pool)
        return maker.open(f"synthetic-{content[:8]}", pool, content, np.arange(len(pool)), augmentation)

    def training(self, indices: np.ndarray, passes: np.ndarray, generator: torch.Generator) -> torch.Tensor:
        chosen, photographs = self.training_set, len(self.training_set.photographs)
        copies = self.banks["photographs"].copies
        variation = bank_variation(indices, passes, len(chosen), copies, self.seed)
        real = np.searchsorted(indices, photographs)
        found = [self._take("photographs", self.places[indices[:real]] * copies + variation[:real])]
        if real < len(indices):
            rows = indices[real:] - photographs
            places = rows if chosen.pool_rows is None else chosen.pool_rows[rows]
            found.append(self._take("synthetic", places * copies + variation[real:]))
        return torch.cat(found)

    def held_out(self, part: str) -> Iterator[torch.Tensor]:
        places = self.held_out_places[part]
        for start in range(0, len(places), self.batch_size):
            yield self._take("held out", places[start : start + self.batch_size])

    def _take(self, name: str, rows: np.ndarray) -> torch.Tensor:
        return self.banks[name].decode(self.stores[name].take(rows))

    @property
    def seconds(self) -> float:
        """Spent by this process on building banks."""
        return sum(bank.seconds for bank in self.banks.values())

    @property
    def nbytes(self) -> int:
        """Size on disk of the banks that this training uses."""
        return sum(bank.outputs.nbytes for bank in self.banks.values())
