"""The training loop of the textbooks, to measure the project's own against: PIL, torchvision transforms,
DataLoader, float32, one network.

It trains the same network with the same frozen stages, augmentation, batches and optimiser.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from helpers.classifier.model import build_classifier
from helpers.device import import_torchvision
from helpers.params import Classifier as Config


class Photographs(Dataset):
    """Image files and their classes, decoded, varied and normalised one by one."""

    def __init__(
        self,
        files: Sequence[Path],
        labels: Sequence[int],
        config: Config,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ):
        transforms = import_torchvision().transforms
        steps = [transforms.Resize((config.image_size, config.image_size))]
        steps += [transforms.RandomHorizontalFlip()] if config.flips != "none" else []
        steps += [transforms.RandomVerticalFlip()] if config.flips == "both" else []
        steps += [
            transforms.RandomRotation(config.rotation),
            transforms.ColorJitter(config.jitter, config.jitter, config.jitter, config.hue),
        ]
        self.transform = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(mean, std)])
        self.files, self.labels = files, labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.files[index]) as image:
            return self.transform(image.convert("RGB")), self.labels[index]


class Textbook:
    """Network, loader and optimiser; ``epoch()`` is one pass over the photographs."""

    def __init__(
        self, files: Sequence[Path], labels: Sequence[int], config: Config, device: str, workers: int
    ):
        classifier = build_classifier(
            config.backbone,
            config.weights,
            max(labels) + 1,
            config.hidden,
            config.dropout,
            config.frozen_stages,
        )
        self.frozen, self.device = classifier.frozen(), device
        self.model = nn.Sequential(
            *classifier.stages.values(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            classifier.after_pooling,
            classifier.head,
        ).to(device)
        self.optimiser = torch.optim.Adam(
            [parameter for parameter in self.model.parameters() if parameter.requires_grad],
            lr=config.learning_rate,
        )
        photographs = Photographs(files, labels, config, classifier.mean, classifier.std)
        self.loader = DataLoader(
            photographs,
            config.batch_size,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=device.startswith("cuda"),
        )

    def epoch(self) -> float:
        """Train on every photograph once; the mean of the batches' losses."""
        self.model.train()
        for stage in self.frozen:
            stage.eval()  # the frozen stages' statistics stay, as in the project's own training
        losses = []
        for images, labels in self.loader:
            images, labels = images.to(self.device), labels.to(self.device)
            loss = nn.functional.cross_entropy(self.model(images), labels)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)
