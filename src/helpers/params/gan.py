"""Parameters of the generative network and its training."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from helpers.params.arms import TARGET
from helpers.params.section import PathText, Section, Seed, Variants, mark
from helpers.registry import Registry


def recipes() -> Registry[Any]:
    """The networks and what they descend."""
    from helpers.gan.recipes import RECIPES

    return RECIPES


MOST_CLASSES = 12  # so that every class has two samples at least in a sample grid


class Diffusion(Section):
    """The recipe diffusion: its noise, its loss and its sampler."""

    steps: int = Field(
        1000, ge=2, le=10_000, description="noise levels, from an image to pure noise, on the cosine schedule"
    )
    prediction: Literal["v", "epsilon"] = Field(
        "v",
        description="what the network predicts of a noisy image: 'epsilon', its noise, or 'v', a mix of "
        "noise and image that is learnt at every level",
    )
    min_snr: float = Field(
        5.0,
        ge=0,
        le=1000,
        description="the signal-to-noise ratio up to which a level's weight in the loss grows (0: all "
        "levels weigh alike)",
    )
    sampler: Literal["dpm", "ddim"] = Field(
        "dpm", description="'dpm': DPM-Solver++ of second order; 'ddim': DDIM without its random part"
    )
    sampling_steps: int = Field(
        25, ge=1, le=1000, description="passes of the network from pure noise to an image"
    )

    @model_validator(mode="after")
    def _samples_at_levels(self) -> "Diffusion":
        if self.sampling_steps > self.steps:
            raise ValueError(
                f"there are {self.steps} noise levels (steps), and an image cannot be painted in more passes "
                f"(sampling_steps, {self.sampling_steps}): lower the one or raise the other"
            )
        if self.sampler == "ddim" and self.steps % self.sampling_steps:
            # the scheduler of diffusers would step by whole levels, to other ones than the network is told
            raise ValueError(
                f"with sampler ddim the passes (sampling_steps, {self.sampling_steps}) must divide the noise "
                f"levels (steps, {self.steps}): change one of them, or take sampler dpm"
            )
        return self


class Gan(Section):
    """The generative network and its training."""

    recipe: Annotated[str, Variants(recipes, "meaning")] = Field(
        "paper", description="the networks and what they descend"
    )
    classes: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (TARGET,),
        min_length=1,
        max_length=MOST_CLASSES,
        description="classes that get synthetic images; 'target': data.target_class",
        examples=[[TARGET, "nv"]],
    )
    conditional: bool = Field(
        False,
        description="several classes: one GAN for all of them, which is told the class of every image and "
        "learns from each class equally often; false: a GAN for each, trained on its class alone",
    )
    resolution: Literal[32, 64, 128] = Field(128, description="side of the square images, pixels")
    channel_scale: float = Field(
        1.0, gt=0, le=2, description="factor on every channel count of both networks"
    )
    resize: Literal["nearest", "area"] = Field(
        "nearest", description="how photographs are reduced; 'nearest' aliases skin texture"
    )
    flips: Literal["none", "horizontal", "both"] = Field(
        "none", description="random mirroring of real images while training"
    )
    epochs: int = Field(600, ge=1, le=100_000, description="passes, as 'epoch' counts them")
    epoch: Literal["generator_steps", "data_passes"] = Field(
        "generator_steps",
        description="one epoch: images/batch_size generator steps with n_critic fresh critic batches each, "
        "or one pass shared by the critic's batches",
    )
    steps: int | None = Field(
        None, ge=1, le=10_000_000, description="generator steps; given, it replaces epochs"
    )
    batch_size: int = Field(16, ge=2, le=1024, description="images per step")
    lr_generator: float = Field(5e-5, gt=0, le=0.1, description="Adam's learning rate of the generator")
    lr_discriminator: float = Field(8e-5, gt=0, le=0.1, description="Adam's learning rate of the critic")
    adam_betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.0, 0.9), description="Adam's moment decays (WGAN-GP's own choice; the paper is silent)"
    )
    equalised: bool = Field(
        False,
        description="scale each layer's learning rate by its initial weights (ProGAN's equalised learning "
        "rate); the published rates fit plain layers",
    )
    n_critic: int = Field(3, ge=1, le=20, description="critic steps per generator step")
    gradient_penalty: float = Field(
        10.0, ge=0, le=1000, description="recipe paper: weight of the gradient penalty"
    )
    penalty_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="recipe paper: share of a batch at whose mixed images the gradient penalty is taken, one "
        "image at least; fewer cost less and make the penalty noisier",
        json_schema_extra=mark(default_in_key=False),
    )
    drift_penalty: float = Field(
        0.0,
        ge=0,
        le=1,
        description="recipe paper: weight of mean squared real scores, which anchors the score scale (0: "
        "off)",
    )
    ema_decay: float = Field(
        0.9995, ge=0, lt=1, description="decay of the generator's moving average, per generator step"
    )
    spectral_norm: Literal["none", "blocks", "all"] = Field(
        "blocks",
        description="recipe paper: critic layers under spectral normalisation; 'blocks': the convolutions "
        "of the five blocks",
    )
    style_order: Literal["noise_activation_adain", "noise_adain_activation"] = Field(
        "noise_activation_adain",
        description="recipe paper: order within a layer; the first StyleGAN's by default",
    )
    rgb: Literal["skip", "last"] = Field(
        "skip",
        description="recipe paper: image is the sum of every block's upsampled RGB, or the last block's RGB",
    )
    seeds: tuple[Seed, ...] = Field(
        (0,),
        min_length=1,
        max_length=100,
        description="one GAN is trained per seed",
        examples=[[0, 1]],
        json_schema_extra=mark(changes_results=False),
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="arithmetic of the convolutions; weights stay float32"
    )
    threads: int = Field(
        2,
        ge=1,
        le=256,
        description="CPU threads; part of the result, for one and two threads round differently",
    )
    checkpoint_minutes: float = Field(
        5.0,
        gt=0,
        le=600,
        description="minutes between resumable checkpoints",
        json_schema_extra=mark(changes_results=False, departs=False),
    )
    log_every: int = Field(
        10,
        ge=1,
        le=10_000,
        description="generator steps between rows of history.csv (a finished training keeps those it has)",
        json_schema_extra=mark(changes_results=False),
    )
    sample_every: int = Field(
        500,
        ge=1,
        le=1_000_000,
        description="generator steps between sample grids (a finished training keeps those it has)",
        json_schema_extra=mark(changes_results=False),
    )
    r1_weight: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="recipe stylegan2: weight of the critic's squared gradient at real images, halved in "
        "the loss",
    )
    r1_every: int = Field(
        16,
        ge=1,
        le=1000,
        description="recipe stylegan2: critic steps between two R1 penalties, whose weight grows in "
        "proportion",
    )
    path_length_weight: float = Field(
        0.0, ge=0, le=1000, description="recipe stylegan2: weight of path-length regularisation (0: off)"
    )
    path_length_every: int = Field(
        8, ge=1, le=1000, description="recipe stylegan2: generator steps between two path-length penalties"
    )
    augment: Literal["none", "differentiable", "adaptive"] = Field(
        "none",
        description="augmentation of what the critic sees, real and fake alike: always, or as often as "
        "overfitting asks for",
    )
    augment_target: float = Field(
        0.6,
        gt=0,
        lt=1,
        description="adaptive augmentation: mean sign of the critic's real scores that it steers to",
    )
    augment_kimg: float = Field(
        100.0,
        gt=0,
        le=10_000,
        description="adaptive augmentation: thousands of real images in which its probability can go from 0 "
        "to 1",
    )
    diffusion: Diffusion = Field(
        default_factory=Diffusion, description="recipe diffusion: its noise, its loss and its sampler"
    )
    min_diversity: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="training stops where the samples differ from one another by less than this share of "
        "what real images do (0: never)",
        json_schema_extra=mark(changes_results=False),
    )
    tensorboard: bool = Field(
        False,
        description="write TensorBoard scalars and sample grids beside history.csv",
        json_schema_extra=mark(changes_results=False),
    )
    initial_weights: PathText | None = Field(
        None,
        description="folder of generator.safetensors and discriminator.safetensors to start from (not a "
        "resume)",
    )

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("every GAN needs a seed of its own, and one stands twice")
        return seeds

    @model_validator(mode="after")
    def _classes_fit(self) -> "Gan":
        if self.conditional and len(self.classes) < 2:
            raise ValueError(
                f"gan.conditional is true, and gan.classes names {self.classes[0]} alone: name at least two "
                "classes, or set gan.conditional to false"
            )
        return self

    @property
    def one_each(self) -> bool:
        """Whether each of several classes has a GAN of its own."""
        return len(self.classes) > 1 and not self.conditional

    @property
    def label_count(self) -> int:
        """Classes that the networks are told apart; 0 for a GAN that is told none."""
        return len(self.classes) if self.conditional else 0
