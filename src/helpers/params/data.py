"""Parameters of the images and their split."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from helpers.params.section import Fraction, PathText, Section, Seed, Variants, mark
from helpers.registry import Registry


def sources() -> Registry[Any]:
    """The kinds of data set."""
    from helpers.data.sources import SOURCES

    return SOURCES


class Split(Section):
    """How images are shared out among training, validation and test."""

    by: Literal["image", "lesion"] = Field(
        "image", description="unit that is shared out; 'lesion' keeps all photographs of a lesion together"
    )
    fractions: tuple[Fraction, Fraction, Fraction] = Field(
        (0.70, 0.15, 0.15),
        description="training, validation, test; they sum to 1 (with folds only the validation counts: a "
        "fold is tested, and the rest is trained on)",
    )
    seed: Seed = Field(42, description="seed of the split; the paper's is unknown")
    folds: int = Field(
        0,
        ge=0,
        le=20,
        description="by lesion: parts that the lesions are dealt into, each tested by trainings of its own, "
        "so that every image is tested (0: a single split)",
    )
    repeats: int = Field(1, ge=1, le=20, description="with folds: how often the lesions are dealt anew")

    @field_validator("fractions")
    @classmethod
    def _sum_to_one(cls, fractions: tuple[float, float, float]) -> tuple[float, float, float]:
        if abs(sum(fractions) - 1) > 1e-6:
            raise ValueError(f"the three fractions must sum to 1, not to {sum(fractions):g}")
        return fractions

    @field_validator("folds")
    @classmethod
    def _at_least_two(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("one fold leaves nothing to train on: write 0 for a single split, or 2 and more")
        return folds

    @model_validator(mode="after")
    def _folds_can_be_dealt(self) -> "Split":
        if self.folds and self.by != "lesion":
            raise ValueError(
                "folds keep the photographs of a lesion together: write data.split.by: lesion beside them"
            )
        if self.repeats > 1 and not self.folds:
            raise ValueError("a single split is not repeated: give data.split.folds too, such as 5")
        if self.folds and self.fractions[1] + 1 / self.folds >= 1:
            raise ValueError(
                f"a fold of 1/{self.folds} for the test and {self.fractions[1]:g} for validation leave "
                "nothing to train on: lower the second of data.split.fractions or deal more folds"
            )
        return self

    @property
    def parts(self) -> int:
        """How often the images are shared out: once, or for every fold of every deal."""
        return max(1, self.folds * self.repeats)

    @property
    def tested_per_trained(self) -> float:
        """Lesions that a fold tests per lesion that it is trained on; 0 for a single split."""
        tested = 1 / self.folds if self.folds else 0.0
        return tested / (1 - tested - self.fractions[1])


class Phantom(Section):
    """The drawn lesions, used where data.source is 'phantom'."""

    images: int = Field(1200, ge=150, le=200_000, description="number of drawn images")
    seed: Seed = Field(1, description="seed of the drawing")


class Data(Section):
    """Where the images come from and how they are split."""

    source: Annotated[str, Variants(sources, "short_phrase")] = Field(
        "ham10000", description="where the images come from"
    )
    root: PathText | None = Field(
        None,
        description="folder of HAM10000 in any known layout (none: fetched from its DOI), or of your own "
        "images (a folder per class, or a CSV)",
        json_schema_extra=mark(changes_results=False, departs=False),
    )
    columns: dict[Literal["image", "class", "lesion", "age", "sex", "site"], str] = Field(
        default_factory=dict,
        description="source folder: the CSV's columns where their names say too little, such as "
        "{class: finding, lesion: case}",
    )
    leave_out: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list,
        description="source folder: files and folders that are passed over, by name or path, with * and ?, "
        "such as ['*/masks', 'old.csv']",
        examples=[["masks"]],
    )
    external_root: PathText | None = Field(
        None,
        description="folder of a second test set (ISIC 2018 Task 3), never trained on; none: not used",
        json_schema_extra=mark(changes_results=False, departs=False),
    )
    target_class: str = Field("mel", description="class that the GAN learns and that the report watches")
    detail: Literal["full", "gan"] = Field(
        "full",
        description="what the classifier sees of a photograph, in training and in tests: 'full', all that "
        "its input size holds, or 'gan', as much as a synthetic image has (reduced as gan.resize says to "
        "gan.resolution and enlarged again), so that no image is sharper than another",
    )
    duplicates: Literal["report", "group"] = Field(
        "report",
        description="photographs that are nearly the same under different lesion ids: 'report', they are "
        "listed only, or 'group', a split by lesion deals such lesions together (a split by image moves "
        "nothing, and counts them)",
    )
    split: Split = Split()
    phantom: Phantom = Phantom()

    @field_validator("columns", "leave_out")
    @classmethod
    def _is_read_by_the_source(cls, value: Any, info: ValidationInfo) -> Any:
        """What one source alone reads is refused beside another, which would pass it over in silence."""
        source, registry = info.data.get("source"), sources()
        readers = [name for name in registry.names() if info.field_name in registry.get(name).own_parameters]
        if value and source is not None and readers and source not in readers:
            raise ValueError(
                f"is read by source '{readers[0]}' alone, and the source here is '{source}': leave it out"
            )
        return value

    @model_validator(mode="after")
    def _suits_the_source(self) -> "Data":
        sources().get(self.source).refuse(self)
        return self
