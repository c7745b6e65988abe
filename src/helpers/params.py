"""The parameters of a run: one model, read from YAML, every default the paper's value.

A file may name another by ``extends:`` and then says only what differs. ``--set section.key=value``
overrides one value. Unknown keys are refused with the nearest known name.
"""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from helpers.errors import ParameterError
from helpers.paths import PARAMS

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
UNLIKE_RESULTS = frozenset(
    {
        "description",
        "report.title",
        "data.root",
        "data.external_root",
        "gan.checkpoint_minutes",
        "classifier.checkpoint_minutes",
    }
)
Fraction = Annotated[float, Field(gt=0, lt=1)]
BACKBONE_STAGES = {"resnet50": 5, "efficientnet_lite0": 9}  # of each backbone, that can be frozen
DEEPEST = 50  # levels of YAML; parameters need five


def _path(text: str) -> str:
    """A path that every system call takes: it has no null character, and its ``~name`` is somebody here."""
    if "\0" in text:
        raise ValueError("a path has no null character")
    if text.startswith("~") and os.path.expanduser(text) == text:
        raise ValueError(
            f"'{text}' begins with the home of a user who is not known here; write the path in full"
        )
    return text


PathText = Annotated[str, Field(min_length=1), AfterValidator(_path)]


class Section(BaseModel):
    """A group of parameters: immutable, no unknown keys, ranges checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic takes true for 1."""
        kinds = re.findall(r"\b(bool|int|float)\b", str(cls.model_fields[info.field_name].annotation))
        if (
            kinds
            and "bool" not in kinds
            and any(
                isinstance(item, bool) for item in (value if isinstance(value, list | tuple) else (value,))
            )
        ):
            raise ValueError(
                f"must be {'a whole number' if 'int' in kinds else 'a number'}, not true or false"
            )
        return value


class Split(Section):
    """How images are shared out among training, validation and test."""

    by: Literal["image", "lesion"] = Field(
        "image", description="unit that is shared out; 'lesion' keeps all photographs of a lesion together"
    )
    fractions: tuple[Fraction, Fraction, Fraction] = Field(
        (0.70, 0.15, 0.15), description="training, validation, test; they sum to 1"
    )
    seed: Seed = Field(42, description="seed of the split; the paper's is unknown")

    @field_validator("fractions")
    @classmethod
    def _sum_to_one(cls, fractions: tuple[float, float, float]) -> tuple[float, float, float]:
        if abs(sum(fractions) - 1) > 1e-6:
            raise ValueError(f"the three fractions must sum to 1, not to {sum(fractions):g}")
        return fractions


class Phantom(Section):
    """The drawn lesions, used where data.source is 'phantom'."""

    images: int = Field(1200, ge=150, le=200_000, description="number of drawn images")
    seed: Seed = Field(1, description="seed of the drawing")


class Data(Section):
    """Where the images come from and how they are split."""

    source: Literal["phantom", "ham10000", "folder"] = Field(
        "ham10000",
        description="'phantom': drawn lesions; 'ham10000': the real data set; 'folder': your own images in root",
    )
    root: PathText | None = Field(
        None,
        description="folder of HAM10000 in any known layout (none: fetched from its DOI), or of your own images (a folder per class, or a CSV)",
    )
    columns: dict[Literal["image", "class", "lesion", "age", "sex", "site"], str] = Field(
        default_factory=dict,
        description="source folder: the CSV's columns where their names say too little, such as {class: finding, lesion: case}",
    )
    external_root: PathText | None = Field(
        None, description="folder of a second test set (ISIC 2018 Task 3), never trained on; none: not used"
    )
    target_class: str = Field("mel", description="class that the GAN learns and that the report watches")
    split: Split = Split()
    phantom: Phantom = Phantom()

    @model_validator(mode="after")
    def _own_images_have_a_place(self) -> "Data":
        if self.source == "folder" and self.root is None:
            raise ValueError("source 'folder' needs root, the folder with your images (or --data-root)")
        if self.source == "folder" and self.external_root is not None:
            raise ValueError(
                "external_root is a test set with HAM10000's classes and does not go with source 'folder': leave it out"
            )
        return self


class Gan(Section):
    """The generative network and its training."""

    recipe: Literal["paper", "stylegan2"] = Field(
        "paper",
        description="'paper': AdaIN and WGAN-GP; 'stylegan2': weight demodulation, skip generator, residual critic, non-saturating loss with lazy R1",
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
        description="one epoch: images/batch_size generator steps with n_critic fresh critic batches each, or one pass shared by the critic's batches",
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
        description="scale each layer's learning rate by its initial weights (ProGAN's equalised learning rate); the published rates fit plain layers",
    )
    n_critic: int = Field(3, ge=1, le=20, description="critic steps per generator step")
    gradient_penalty: float = Field(
        10.0, ge=0, le=1000, description="recipe paper: weight of the gradient penalty"
    )
    drift_penalty: float = Field(
        0.0,
        ge=0,
        le=1,
        description="recipe paper: weight of mean squared real scores, which anchors the score scale (0: off)",
    )
    ema_decay: float = Field(
        0.9995, ge=0, lt=1, description="decay of the generator's moving average, per generator step"
    )
    spectral_norm: Literal["none", "blocks", "all"] = Field(
        "blocks",
        description="recipe paper: critic layers under spectral normalisation; 'blocks': the convolutions of the five blocks",
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
        (0,), min_length=1, max_length=100, description="one GAN is trained per seed"
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
    checkpoint_minutes: float = Field(5.0, gt=0, le=600, description="minutes between resumable checkpoints")
    log_every: int = Field(
        10,
        ge=1,
        le=10_000,
        description="generator steps between rows of history.csv (a finished training keeps those it has)",
    )
    sample_every: int = Field(
        500,
        ge=1,
        le=1_000_000,
        description="generator steps between sample grids (a finished training keeps those it has)",
    )
    r1_weight: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="recipe stylegan2: weight of the critic's squared gradient at real images, halved in the loss",
    )
    r1_every: int = Field(
        16,
        ge=1,
        le=1000,
        description="recipe stylegan2: critic steps between two R1 penalties, whose weight grows in proportion",
    )
    path_length_weight: float = Field(
        0.0, ge=0, le=1000, description="recipe stylegan2: weight of path-length regularisation (0: off)"
    )
    path_length_every: int = Field(
        8, ge=1, le=1000, description="recipe stylegan2: generator steps between two path-length penalties"
    )
    augment: Literal["none", "differentiable", "adaptive"] = Field(
        "none",
        description="augmentation of what the critic sees, real and fake alike: always, or as often as overfitting asks for",
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
        description="adaptive augmentation: thousands of real images in which its probability can go from 0 to 1",
    )
    min_diversity: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="training stops where the samples differ from one another by less than this share of what real images do (0: never)",
    )
    tensorboard: bool = Field(
        False, description="write TensorBoard scalars and sample grids beside history.csv"
    )
    initial_weights: PathText | None = Field(
        None,
        description="folder of generator.safetensors and discriminator.safetensors to start from (not a resume)",
    )

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("every GAN needs a seed of its own, and one stands twice")
        return seeds


class Synthesis(Section):
    """Generation and filtering of synthetic images."""

    count: int = Field(1000, ge=2, le=1_000_000, description="images generated per GAN")
    keep_fraction: float = Field(0.30, gt=0, le=1, description="share that the critic's filter keeps")
    seed: Seed = Field(0, description="seed of the first image; image i uses seed + i")
    truncation: float = Field(1.0, gt=0, le=1, description="pull of the styles to their mean; 1: none")
    batch_size: int = Field(
        50, ge=1, le=4096, description="images per generator pass; the images do not depend on it"
    )
    export_png: bool = Field(False, description="write every image as a PNG file, too")
    features: Literal["efficientnet_lite0", "inception"] = Field(
        "efficientnet_lite0",
        description="network in whose features fidelity is measured; Inception's weights are downloaded, or read from feature_weights",
    )
    feature_weights: PathText | None = Field(
        None, description="file of the feature network's weights, for machines without a network"
    )
    fidelity_images: int = Field(
        150,
        ge=10,
        le=100_000,
        description="images on either side of a comparison of two sets (fewer where a set has fewer)",
    )
    fidelity_draws: int = Field(
        100, ge=2, le=10_000, description="random draws of that many images, for the interval"
    )


class Classifier(Section):
    """The diagnostic classifier and its training."""

    backbone: Literal["resnet50", "efficientnet_lite0"] = Field(
        "resnet50", description="network under the head"
    )
    weights: PathText = Field("imagenet", description="'imagenet', 'none', or a file of weights")
    image_size: int = Field(224, ge=32, le=1024, description="side of the square input, pixels")
    frozen_stages: int = Field(
        4,
        ge=0,
        le=9,
        description="stages kept as they are: ResNet50's are stem, layer1-4 (the paper's layers 1-5); Lite0's are stem, blocks 0-6, last convolution",
    )
    hidden: int = Field(512, ge=8, le=8192, description="width of the head's hidden layer")
    dropout: float = Field(
        0.5, ge=0, lt=1, description="rate of both dropouts of the head (the paper is silent)"
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's learning rate")
    batch_size: int = Field(64, ge=2, le=4096, description="images per step")
    max_epochs: int = Field(100, ge=1, le=10_000, description="most epochs")
    monitor: Literal["accuracy", "loss"] = Field(
        "accuracy",
        description="validation figure for schedule, stopping and best weights (the paper is silent)",
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
    bank: int = Field(
        0,
        ge=0,
        le=64,
        description="augmented trunk outputs kept per training image and shared by all trainings (0: the trunk runs each time)",
    )
    equal_steps: bool = Field(
        False,
        description="every arm takes as many optimiser steps in an epoch as the real training images alone would",
    )
    seed: Seed = Field(1000, description="seed of replicate 0; replicate r uses seed + r")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="arithmetic of convolutions; weights stay float32"
    )
    threads: int = Field(2, ge=1, le=256, description="CPU threads; part of the result")
    checkpoint_minutes: float = Field(5.0, gt=0, le=600, description="minutes between resumable checkpoints")

    @model_validator(mode="after")
    def _stages_are_there(self) -> "Classifier":
        stages = BACKBONE_STAGES[self.backbone]
        if self.frozen_stages > stages:
            raise ValueError(
                f"frozen_stages is {self.frozen_stages}, and {self.backbone} has {stages} stages; give 0 to {stages}"
            )
        if self.bank and not self.frozen_stages:
            raise ValueError(
                "bank keeps the outputs of frozen stages, and frozen_stages is 0; freeze some, or set bank to 0"
            )
        return self


class SyntheticImages(Section):
    """Synthetic images that an arm adds to the training set."""

    select: Literal["top", "bottom", "random", "all"] | None = Field(
        None, description="which of the generated images, by the critic's score"
    )
    rank: Literal["critic", "classifier", "distance", "diverse"] = Field(
        "critic",
        description="what 'top' and 'bottom' go by: the critic's score, the baseline classifier's probability of the target class, "
        "nearness to the real images in feature space, or variety among the images above a floor of nearness",
    )
    count: int | None = Field(None, ge=1, description="how many (or 'fraction')")
    fraction: float | None = Field(None, gt=0, le=1, description="share of the generated images (or 'count')")
    folder: PathText | None = Field(None, description="a folder of anyone's images, in place of the GAN's")
    class_: str | None = Field(
        None, alias="class", description="class of the folder's images; data.target_class by default"
    )

    @model_validator(mode="after")
    def _one_meaning(self) -> "SyntheticImages":
        if self.count is not None and self.fraction is not None:
            raise ValueError("give 'count' or 'fraction', not both")
        if self.folder is None and self.select is None:
            raise ValueError("say which images: 'select: top | bottom | random | all', or 'folder: path'")
        if self.folder is None and self.class_ is not None:
            raise ValueError("'class' goes with 'folder'; the GAN's images have data.target_class")
        if self.select in ("top", "bottom", "random") and self.count is None and self.fraction is None:
            raise ValueError(f"'select: {self.select}' needs 'count' or 'fraction'")
        if self.select == "all" and (self.count is not None or self.fraction is not None):
            raise ValueError(
                "'select: all' takes every image; drop 'count' and 'fraction', or use 'select: random'"
            )
        return self


class Oversample(Section):
    """Real training images of one class repeated."""

    class_: str = Field("mel", alias="class", description="class to repeat")
    count: int = Field(
        300, ge=1, description="images added, drawn with replacement only where the class is smaller"
    )


class Withhold(Section):
    """Real training images of one class taken away."""

    class_: str = Field("mel", alias="class", description="class to thin out")
    fraction: Fraction = Field(0.5, description="share taken away")


class Arm(Section):
    """One training recipe of the comparison: what differs from the baseline."""

    synthetic: SyntheticImages | None = None
    oversample: Oversample | None = None
    withhold: Withhold | None = None
    loss: Literal["cross_entropy", "balanced"] = Field(
        "cross_entropy", description="'balanced' weighs classes by their inverse frequency"
    )

    @property
    def uses_gan(self) -> bool:
        """Whether the arm needs images of this run's GAN."""
        return self.synthetic is not None and self.synthetic.folder is None


PAPER_ARMS = {
    "baseline": Arm(),
    "filtered": Arm(synthetic=SyntheticImages(select="top", count=300)),
    "all": Arm(synthetic=SyntheticImages(select="all")),
}


class Evaluation(Section):
    """Statistics of the comparison."""

    reference: str = Field("baseline", pattern=NAME, description="arm that the others are compared with")
    confidence: float = Field(0.95, ge=0.5, lt=1, description="level of every interval")
    bootstrap: int = Field(2000, ge=100, le=100_000, description="bootstrap resamples")
    seed: Seed = Field(0, description="seed of the resampling")
    operating_specificity: Fraction = Field(
        0.95,
        description="specificity on validation images that fixes the threshold of the sensitivity beside argmax",
    )
    smallest_effect: float = Field(
        0.02, gt=0, lt=1, description="smallest difference of interest, as a share (0.02: two points)"
    )


class Compute(Section):
    """Where the work runs."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="'auto' takes the GPU where there is one"
    )


class Report(Section):
    """The rendered page."""

    title: str = Field(
        "Synthetic melanoma images and the classifier that learns from them",
        min_length=1,
        max_length=200,
        description="title of the page",
    )
    real_images: Literal["show", "blur", "omit"] = Field(
        "show", description="whether photographs of the data set may be in the page"
    )


class Params(Section):
    """Everything that determines a run."""

    description: str = Field("", max_length=300, description="one line, shown by --list")
    data: Data = Data()
    gan: Gan = Gan()
    synthesis: Synthesis = Synthesis()
    classifier: Classifier = Classifier()
    arms: dict[Annotated[str, Field(pattern=NAME)], Arm] = Field(
        default_factory=lambda: dict(PAPER_ARMS), min_length=1, description="the comparison's arms, by name"
    )
    replicates: int = Field(
        1,
        ge=1,
        le=1000,
        description="trainings per arm; replicate r takes GAN r modulo the number of GAN seeds",
    )
    evaluation: Evaluation = Evaluation()
    compute: Compute = Compute()
    report: Report = Report()

    @model_validator(mode="after")
    def _arms_can_be_served(self) -> "Params":
        if self.evaluation.reference not in self.arms:
            raise ValueError(
                f"evaluation.reference is '{self.evaluation.reference}', and there is no such arm; the arms are {', '.join(self.arms)}"
            )
        for name, arm in self.arms.items():
            wanted = arm.synthetic.count if arm.uses_gan else None
            if wanted is not None and wanted > self.synthesis.count:
                raise ValueError(
                    f"arms.{name} asks for {wanted} synthetic images, and synthesis.count generates only {self.synthesis.count}: lower the one or raise the other"
                )
        if len({name.lower() for name in self.arms}) < len(self.arms):
            raise ValueError(
                "two arms differ only in upper and lower case, and would share a folder on some systems"
            )
        return self

    def gan_seed(self, replicate: int) -> int:
        """Seed of the GAN that supplies the images of ``replicate``."""
        return self.gan.seeds[replicate % len(self.gan.seeds)]

    @property
    def judge(self) -> str | None:
        """Arm whose first classifier tells how melanoma-like a synthetic image is: the reference, unless it needs such images itself."""
        return None if self.arms[self.evaluation.reference].uses_gan else self.evaluation.reference

    def earlier_twins(self, arm: str) -> int:
        """Number of arms before ``arm`` that have the same recipe."""
        names = list(self.arms)
        return sum(self.arms[name] == self.arms[arm] for name in names[: names.index(arm)])

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as YAML, JSON and papermill take them."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=False)


# --- reading ------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice and reads 5e-5 as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise ParameterError(
                    f"line {key_node.start_mark.line + 1}: YAML's '<<' is not read here; name another file by 'extends', or repeat the keys."
                )
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise ParameterError(
                    f"line {key_node.start_mark.line + 1}: the key '{key}' is not a text; write it in quotes."
                )
            if key in seen:
                raise ParameterError(
                    f"line {key_node.start_mark.line + 1}: '{key}' stands twice in one section; keep one."
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d[\d_]*(?:\.[\d_]*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def parse_yaml(text: str, origin: str) -> Any:
    """Parse YAML; raise ParameterError with line and column where it is malformed."""
    try:
        if _depth(text) > DEEPEST:  # Python would run out of stack
            raise ParameterError(f"sections or lists stand in one another more than {DEEPEST} deep.")
        return yaml.load(text, Loader=_Loader)
    except ParameterError as error:
        raise ParameterError(f"{origin}, {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        if "\t" in text:
            where += " (YAML is indented by spaces, and a tab stands in it)"
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise ParameterError(f"{origin} is not valid YAML{where}: {problem}.") from None
    except ValueError as error:  # a date that is none, a number of too many digits
        raise ParameterError(
            f"{origin} holds a value that cannot be read: {str(error).split(';')[0]}."
        ) from None


def _depth(text: str) -> int:
    """How deep the text's sections and lists stand in one another, read off its tokens."""
    depth = deepest = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(
            token,
            yaml.BlockMappingStartToken
            | yaml.BlockSequenceStartToken
            | yaml.FlowMappingStartToken
            | yaml.FlowSequenceStartToken,
        ):
            depth += 1
            deepest = max(deepest, depth)
        elif isinstance(token, yaml.BlockEndToken | yaml.FlowMappingEndToken | yaml.FlowSequenceEndToken):
            depth -= 1
    return deepest


def read_mapping(path: Path, chain: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The mapping in ``path``, merged over what it extends."""
    path = Path(os.path.realpath(path))  # Path.resolve() raises for links in a circle
    if path in chain:
        circle = " -> ".join(p.name for p in (*chain[chain.index(path) :], path))
        raise ParameterError(f"{path.name} extends itself in a circle ({circle}); break it at one 'extends'.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = _nearest(
            path.stem, [p.stem for folder in (path.parent, PARAMS) for p in folder.glob("*.yaml")], ".yaml"
        )
        raise ParameterError(
            f"There is no parameter file {path}{near}; 'python run_all.py --list' shows those there are."
        ) from None
    except OSError as error:
        raise ParameterError(
            f"The parameter file {path} cannot be read: {error.strerror or error}; 'python run_all.py --list' shows those there are."
        ) from None
    except UnicodeDecodeError:
        raise ParameterError(f"The parameter file {path} is not UTF-8 text: save it as such.") from None
    mapping = parse_yaml(text, path.name)
    mapping = {} if mapping is None else mapping
    if not isinstance(mapping, dict):
        raise ParameterError(
            f"{path.name} holds {_kind(mapping)}, not a mapping of sections such as 'gan:' and 'data:'."
        )
    parent = mapping.pop("extends", None)
    if parent is None:
        return mapping
    if not isinstance(parent, str) or not parent or "\0" in parent:
        raise ParameterError(
            f"{path.name}: 'extends' must name one parameter file, such as 'extends: paper.yaml'."
        )
    base = read_mapping(path.parent / parent, (*chain, path))
    base.pop("description", None)
    return merge(base, mapping)


def merge(
    base: Mapping[str, Any], changes: Mapping[str, Any], whole: tuple[str, ...] = ("arms",)
) -> dict[str, Any]:
    """``base`` with ``changes`` laid over it, section by section; sections in ``whole`` are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value, whole) if both and key not in whole else value
    return merged


def load_params(path: Path | str, overrides: Iterable[str] = ()) -> Params:
    """Read a parameter file and lay ``section.key=value`` overrides over it, as a file that extends it would.

    ``gan={steps: 5}`` changes that one value of the section; ``arms={…}`` replaces all arms, and ``arms.x={…}`` adds the arm or replaces it.
    ``path`` may also be the bare name of a file in params/ (``quick``). Raises ParameterError, a
    sentence that names the file, the key, what was expected and the nearest known name.
    """
    path = Path(path)
    if not os.path.exists(path) and path.parent == Path("."):
        known = PARAMS / path.with_suffix(".yaml").name
        path = known if os.path.exists(known) else path
    mapping = read_mapping(path)
    for override in overrides:
        mapping = _lay(mapping, *_override(override))
    return validate(mapping, path.name)


def _override(text: str) -> tuple[list[str], Any]:
    key, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][\w-]*(\.[\w-]+)*", key.strip()):
        raise ParameterError(f"--set takes section.key=value, such as gan.steps=50, not '{shorten(text)}'.")
    return key.strip().split("."), parse_yaml(value, f"--set {key.strip()}")


def _lay(mapping: Mapping[str, Any], parts: list[str], value: Any, whole: bool = False) -> dict[str, Any]:
    """``mapping`` with ``value`` at the key of ``parts``; a section is laid over the one there, what stands below arms replaces it."""
    first, *rest = parts
    whole = whole or first == "arms"
    there = mapping.get(first)
    there = there if isinstance(there, Mapping) else {}
    if rest:
        value = _lay(there, rest, value, whole)
    elif isinstance(value, Mapping) and not whole:
        value = merge(there, value)
    return {**mapping, first: value}


def validate(mapping: Mapping[str, Any], origin: str = "the parameters") -> Params:
    """Make Params of plain values; raise ParameterError with one sentence per fault."""
    try:
        return Params.model_validate(mapping)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # a list with a wrong entry is called too short as well
        deeper = {fault["loc"][:-1] for fault in found}
        faults = [
            _sentence(fault) for fault in found if fault["type"] != "too_short" or fault["loc"] not in deeper
        ]
        raise ParameterError(f"{origin}: " + " ".join(dict.fromkeys(faults))) from None


def validate_sections(sections: Mapping[str, Any]) -> Params:
    """Params of the sections that a notebook was given; the others keep their defaults.

    A notebook that was given no arms gets the reference alone, so that the paper's 300 images are not asked of a run that generates fewer;
    one that was given arms and no evaluation compares nothing, and any of them may be called the reference.
    """
    given = {"arms": {"baseline": {}}} | {key: value for key, value in sections.items() if value is not None}
    if "evaluation" not in given and isinstance(given["arms"], Mapping) and given["arms"]:
        given["evaluation"] = {"reference": next(iter(given["arms"]))}
    return validate(given, "this notebook's parameters")


def shorten(text: str, most: int = 80) -> str:
    """``text`` for a sentence: its beginning, where it is long."""
    return text if len(text) <= most else f"{text[:most]}…"


def _kind(value: Any) -> str:
    """What a value is, in the words of a parameter file."""
    kinds = {
        dict: "a mapping",
        list: "a list",
        tuple: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return "nothing" if value is None else kinds.get(type(value), f"a {type(value).__name__}")


def _nearest(name: str, known: Iterable[str], ending: str = "") -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean '{near[0]}{ending}'?)" if near else ""


def _section_at(location: tuple) -> type[Section] | None:
    """The model that stands at a location such as ('data', 'split')."""
    model: Any = Params
    for part in location:
        if isinstance(model, type) and issubclass(model, BaseModel):
            fields = {(f.alias or name): f for name, f in model.model_fields.items()}
            model = fields[part].annotation if part in fields else None
        elif get_origin(model) is dict:
            model = get_args(model)[1]
        if get_origin(model) is Union or type(model).__name__ == "UnionType":
            model = next(
                (a for a in get_args(model) if isinstance(a, type) and issubclass(a, BaseModel)), model
            )
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _sentence(fault: Mapping[str, Any]) -> str:
    """One validation fault as a sentence with the key, what stands there and what may stand there."""
    location = tuple(part for part in fault["loc"] if part != "[key]")
    key = ".".join(str(part) for part in location)
    kind, context, value = fault["type"], fault.get("ctx", {}), fault.get("input")
    if kind == "extra_forbidden":
        return _unknown_key(location)
    if kind == "value_error":
        words = str(context.get("error", fault["msg"])).rstrip(".")
        return f"{key}{'' if words.startswith('must') else ':'} {words}." if key else f"{words}."
    if kind == "string_pattern_mismatch":
        return f"{key}: '{shorten(value)}' is not a name; use letters, digits, dashes and underscores, at most 40."
    if kind == "missing":
        return f"{key} is missing: give a value."
    if kind in ("too_short", "too_long"):
        limit = context["min_length"] if kind == "too_short" else context["max_length"]
        words = (
            f"at {'least' if kind == 'too_short' else 'most'} {limit} {'value' if limit == 1 else 'values'}"
        )
        return f"{key} must hold {words}, not {context['actual_length']}."
    context = {key: f"{bound:g}" if isinstance(bound, float) else bound for key, bound in context.items()}
    expected = {
        "literal_error": f"one of {context.get('expected')}",
        "greater_than_equal": f"at least {context.get('ge')}",
        "greater_than": f"more than {context.get('gt')}",
        "less_than_equal": f"at most {context.get('le')}",
        "less_than": f"less than {context.get('lt')}",
        "string_too_short": "a text of at least 1 character",
        "string_too_long": f"a text of at most {context.get('max_length')} characters",
        "finite_number": "a finite number",
    }.get(kind)
    if expected is None:
        noun = {
            "int": "a whole number",
            "float": "a number",
            "bool": "true or false",
            "string": "a text",
            "dict": "a mapping",
            "tuple": "a list such as [0, 1]",
            "model": "a section with keys of its own",
        }
        expected = next(
            (words for start, words in noun.items() if kind.startswith(start)), fault["msg"].lower()
        )
    shown = (
        str(value).lower()
        if isinstance(value, bool)
        else shorten(repr(value))
        if isinstance(value, str | int | float)
        else _kind(value)
    )
    way_out = (
        " (a text with a colon stands in quotes)"
        if kind.startswith("string") and isinstance(value, Mapping)
        else ""
    )
    return f"{key} must be {expected}, not {shown}{way_out}."


def _unknown_key(location: tuple) -> str:
    """A key that is none of the model's, with the one that may be meant."""
    key, name = ".".join(map(str, location)), str(location[-1])
    if ":" in name:
        return f"'{key}' is not a parameter (YAML wants a space after each colon)."
    if home := _home_of(name):
        return f"'{key}' is not a parameter (did you mean '{home}'?)."
    section = _section_at(location[:-1])
    known = [field.alias or name for name, field in section.model_fields.items()] if section else []
    return f"'{key}' is not a parameter{_nearest(name, known) or '; known here: ' + ', '.join(known)}."


def _home_of(name: str) -> str:
    """The full key of a parameter that exists, but in another section."""
    full = [
        f"{section}.{field}"
        for section, info in Params.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
        for field in info.annotation.model_fields
    ]
    return next((key for key in full if key.split(".")[1] == name), "")


# --- what a run is made of ----------------------------------------------------------------------


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values as ``{'gan.steps': 50, …}``; an arm is one value."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        deeper = isinstance(value, Mapping) and prefix != "arms."
        flat.update(flatten(value, f"{prefix}{key}.") if deeper else {f"{prefix}{key}": value})
    return flat


def departures(params: Params) -> list[dict[str, Any]]:
    """Every parameter that differs from the paper: key, what it means, the paper's value, this run's value."""
    ours, paper = flatten(params.as_dict()), flatten(Params().as_dict())
    keys = [
        key
        for key in (*paper, *(k for k in ours if k not in paper))
        if key not in UNLIKE_RESULTS and ours.get(key) != paper.get(key)
    ]
    return [
        {"parameter": key, "meaning": describe(key), "paper": paper.get(key), "this_run": ours.get(key)}
        for key in keys
    ]


def describe(key: str) -> str:
    """What a parameter such as 'gan.steps' means."""
    parts = key.split(".")
    section = _section_at(tuple(parts[:-1]))
    if section is None or parts[0] == "arms":
        return "an arm of the comparison" if parts[0] == "arms" else ""
    info = section.model_fields.get(parts[-1]) or next(
        (f for f in section.model_fields.values() if f.alias == parts[-1]), None
    )
    return (info.description or "") if info else ""


def choices(key: str) -> tuple[str, ...]:
    """The words that a parameter such as 'gan.flips' may be; empty where it is no choice of words."""
    *parts, name = key.split(".")
    section = _section_at(tuple(parts))
    info = section.model_fields.get(name) if section else None
    return (
        tuple(get_args(info.annotation))
        if info and get_origin(info.annotation) is Literal and isinstance(get_args(info.annotation)[0], str)
        else ()
    )
