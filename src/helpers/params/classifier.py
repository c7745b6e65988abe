"""Parameters of the diagnostic classifier and its training."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from helpers.params.section import PathText, Section, Seed, Variants, mark
from helpers.registry import Registry


def _backbones() -> Registry[Any]:
    from helpers.classifier.backbones import BACKBONES

    return BACKBONES


class Adapt(Section):
    """Fine-tuning of the whole network, once for each part of the split, before its stages are frozen."""

    epochs: int = Field(
        0,
        ge=0,
        le=10_000,
        description="epochs in which all stages learn from the real training photographs, before the arms "
        "train new heads on the stages that are frozen then; the epoch of least validation loss is kept (0: "
        "none)",
    )
    learning_rate: float = Field(
        5e-4, gt=0, le=1, description="highest rate of this fine-tuning, which follows a cosine to 0"
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="decay of the weights in it, by AdamW")
    warmup_epochs: float = Field(
        1.0, ge=0, le=1000, description="epochs of it over which the rate rises, before it follows the cosine"
    )

    @model_validator(mode="after")
    def _warmup_fits(self) -> "Adapt":
        if 0 < self.epochs <= self.warmup_epochs:
            raise ValueError(
                f"warmup_epochs is {self.warmup_epochs:g} of {self.epochs} epochs; "
                "give fewer, so that the rate can fall again"
            )
        return self


class Classifier(Section):
    """The diagnostic classifier and its training."""

    backbone: Annotated[str, Variants(_backbones, "title")] = Field(
        "resnet50", description="network under the head"
    )
    weights: PathText = Field("imagenet", description="'imagenet', 'none', or a file of weights")
    image_size: int = Field(224, ge=32, le=1024, description="side of the square input, pixels")
    frozen_stages: int = Field(
        4,
        ge=0,
        description="stages kept as they are, from the input on: ResNet50 has 5, the stem and layer1-4 (the "
        "paper's layers 1-5); EfficientNet-Lite has 9, the stem, blocks 0-6 and the last convolution",
    )
    hidden: int = Field(512, ge=8, le=8192, description="width of the head's hidden layer")
    dropout: float = Field(
        0.5, ge=0, lt=1, description="rate of both dropouts of the head (the paper is silent)"
    )
    learning_rate: float = Field(
        1e-3, gt=0, le=1, description="Adam's learning rate; the highest one, where it follows a cosine"
    )
    weight_decay: float = Field(
        0.0, ge=0, le=1, description="decay of the weights in each step, by AdamW (0: Adam, as the paper)"
    )
    averaging: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share that a step leaves of a moving average of the weights; the average is validated, "
        "tested and kept in place of the last weights (0: none, as the paper)",
    )
    batch_size: int = Field(64, ge=2, le=4096, description="images per step")
    max_epochs: int = Field(100, ge=1, le=10_000, description="most epochs")
    monitor: Literal["accuracy", "loss"] = Field(
        "accuracy",
        description="validation figure for schedule, stopping and best weights (the paper is silent)",
    )
    schedule: Literal["plateau", "cosine"] = Field(
        "plateau",
        description="of the learning rate: it falls where the monitored figure no longer improves (the "
        "paper's), or along a cosine to 0 in the last epoch",
    )
    warmup_epochs: float = Field(
        0.0, ge=0, le=1000, description="epochs over which the rate rises, before it follows the cosine"
    )
    scheduler_patience: int = Field(
        5, ge=0, le=1000, description="epochs without progress before the rate falls"
    )
    scheduler_factor: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="factor on the learning rate then (PyTorch's default; the paper is silent)",
    )
    early_stopping_patience: int = Field(
        15, ge=1, le=1000, description="epochs without progress before training stops"
    )
    flips: Literal["none", "horizontal", "both"] = Field("both", description="random mirroring")
    rotation: float = Field(20.0, ge=0, le=180, description="largest random rotation, degrees")
    jitter: float = Field(
        0.2,
        ge=0,
        le=1,
        description="brightness, contrast and saturation jitter (the paper is silent on its size)",
    )
    hue: float = Field(0.02, ge=0, le=0.5, description="hue jitter, as a share of the colour circle")
    detail_jitter: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the training images that lose detail at random: reduced as gan.resize says, to "
        "a size between gan.resolution and image_size, and enlarged again (0: none)",
    )
    bank: int = Field(
        0,
        ge=0,
        le=64,
        description="augmented trunk outputs kept per training image and shared by all trainings "
        "(0: the trunk runs each time)",
    )
    equal_steps: bool = Field(
        False,
        description="every arm takes as many optimiser steps in an epoch as the real training images alone "
        "would",
    )
    adapt: Adapt = Adapt()
    seed: Seed = Field(1000, description="seed of replicate 0; replicate r uses seed + r")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="arithmetic of convolutions; weights stay float32"
    )
    threads: int = Field(2, ge=1, le=256, description="CPU threads; part of the result")
    checkpoint_minutes: float = Field(
        5.0,
        gt=0,
        le=600,
        description="minutes between resumable checkpoints",
        json_schema_extra=mark(changes_results=False, departs=False),
    )

    @model_validator(mode="after")
    def _warmup_fits(self) -> "Classifier":
        if self.warmup_epochs and self.schedule != "cosine":
            raise ValueError(
                "warmup_epochs belongs to the cosine schedule; "
                "set schedule to 'cosine', or warmup_epochs to 0"
            )
        if self.warmup_epochs >= self.max_epochs:
            raise ValueError(
                f"warmup_epochs is {self.warmup_epochs:g}, and there are {self.max_epochs} epochs at most; "
                "give fewer, so that the rate can fall again"
            )
        return self

    @model_validator(mode="after")
    def _stages_are_there(self) -> "Classifier":
        stages = _backbones().get(self.backbone).stages
        if self.frozen_stages > stages:
            raise ValueError(
                f"frozen_stages is {self.frozen_stages}, and {self.backbone} has {stages} stages; "
                f"give 0 to {stages}"
            )
        if self.bank and not self.frozen_stages:
            raise ValueError(
                "bank keeps the outputs of frozen stages, and frozen_stages is 0; "
                "freeze some, or set bank to 0"
            )
        if self.adapt.epochs and not self.frozen_stages:
            raise ValueError(
                "adapt fine-tunes the stages that are frozen afterwards, and frozen_stages is 0; "
                "freeze some, or set adapt.epochs to 0"
            )
        return self

    def adapting(self) -> "Classifier":
        """The parameters of the training that adapts the trunk: this network, and all of it is trained."""
        own = self.adapt
        changed = {
            "frozen_stages": 0,
            "bank": 0,
            "equal_steps": False,
            "learning_rate": own.learning_rate,
            "weight_decay": own.weight_decay,
            "max_epochs": own.epochs,
            "early_stopping_patience": own.epochs,
            "monitor": "loss",
            "schedule": "cosine",
            "warmup_epochs": own.warmup_epochs,
            "adapt": Adapt(),
        }
        return self.model_copy(update=changed)
