"""Parameters of the comparison's arms: what each trains on."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from helpers.params.section import Fraction, PathText, Section, Variants
from helpers.registry import Registry

if TYPE_CHECKING:
    from helpers.gan.selectors import Selector

TARGET = "target"  # as a class: the run's data.target_class


def selectors() -> "Registry[Selector]":
    """The ways to rank synthetic images."""
    from helpers.gan.selectors import SELECTORS

    return SELECTORS


AMOUNTS = ("count", "counts", "fraction", "share")  # of which an arm gives at most one


class SyntheticImages(Section):
    """Synthetic images that an arm adds to the training set."""

    select: Literal["top", "bottom", "random", "all"] | None = Field(
        None, description="which of the generated images, best or worst as 'rank' says"
    )
    rank: Annotated[str, Variants(selectors, "meaning")] = Field(
        "critic", description="what 'top' and 'bottom' go by"
    )
    count: int | None = Field(None, ge=1, description="how many, of each class (or 'fraction')")
    counts: dict[str, Annotated[int, Field(ge=1)]] | None = Field(
        None, min_length=1, description="how many of which of gan.classes, such as {mel: 300, df: 200}"
    )
    fraction: float | None = Field(None, gt=0, le=1, description="share of the generated images (or 'count')")
    share: Fraction | None = Field(
        None,
        description="share of synthetic images among the arm's training images, the same in every one of "
        "gan.classes",
    )
    folder: PathText | None = Field(None, description="a folder of anyone's images, in place of the GAN's")
    class_: str | None = Field(
        None, alias="class", description="class of the folder's images; data.target_class by default"
    )

    @model_validator(mode="after")
    def _one_meaning(self) -> "SyntheticImages":
        given = [name for name in AMOUNTS if getattr(self, name) is not None]
        if len(given) > 1:
            also = "not both" if len(given) == 2 else "and no more than one of them"
            raise ValueError(f"give {' or '.join(map(repr, given))}, {also}")
        if self.folder is not None and (self.counts is not None or self.share is not None):
            raise ValueError(
                f"'{given[0]}' goes with the GAN's images, whose classes are gan.classes; the images of a "
                "folder have one class, so give 'count' or 'fraction'"
            )
        if self.folder is None and self.select is None:
            raise ValueError("say which images: 'select: top | bottom | random | all', or 'folder: path'")
        if self.folder is None and self.class_ is not None:
            raise ValueError("'class' goes with 'folder'; the GAN's images have the classes of gan.classes")
        if self.select in ("top", "bottom", "random") and not given:
            raise ValueError(f"'select: {self.select}' needs 'count', 'counts', 'fraction' or 'share'")
        if self.select == "all" and given:
            raise ValueError(f"'select: all' takes every image; drop '{given[0]}', or use 'select: random'")
        return self

    @property
    def selector(self) -> "Selector":
        """The way of ranking that ``rank`` names."""
        return selectors().get(self.rank)

    def with_target(self, target_class: str) -> "SyntheticImages":
        """The images with ``target_class`` where 'target' stands for it."""
        counts = self.counts and {
            target_class if name == TARGET else name: count for name, count in self.counts.items()
        }
        own = target_class if self.class_ == TARGET else self.class_
        return self.model_copy(update={"counts": counts, "class_": own})


class Oversample(Section):
    """Real training images of one class repeated."""

    class_: str = Field(TARGET, alias="class", description="class to repeat; 'target': data.target_class")
    count: int = Field(
        300,
        ge=1,
        description="images added; of a smaller class all, as often as they fit, the rest at random",
    )
    through: Literal["synthesis"] | None = Field(
        None,
        description="'synthesis': they take the way of synthetic images, reduced as gan.resize says to "
        "gan.resolution and enlarged again, so that sharpness tells nothing that synthesis does not",
    )


class Withhold(Section):
    """Real training images of one class taken away, all photographs of a lesion together."""

    class_: str = Field(TARGET, alias="class", description="class to thin out; 'target': data.target_class")
    fraction: Fraction = Field(
        0.5,
        description="share of the images taken away, by whole lesions, drawn anew in each replicate, or once "
        "for all that share a GAN or a trunk which must not see them",
    )


class Arm(Section):
    """One training recipe of the comparison: what differs from the baseline."""

    synthetic: SyntheticImages | None = None
    oversample: Oversample | None = None
    withhold: Withhold | None = None
    loss: Literal["cross_entropy", "balanced"] = Field(
        "cross_entropy", description="'balanced' weighs classes by their inverse frequency"
    )

    @model_validator(mode="after")
    def _one_kind_of_small_images(self) -> "Arm":
        if self.blurs and self.synthetic is not None:
            raise ValueError(
                "'oversample: {through: synthesis}' and 'synthetic' do not go together: give each an arm"
            )
        return self

    def with_target(self, target_class: str) -> "Arm":
        """The arm with ``target_class`` where its parts say 'target'."""
        parts = {"oversample": self.oversample, "withhold": self.withhold}
        changed: dict[str, Section] = {
            key: part.model_copy(update={"class_": target_class})
            for key, part in parts.items()
            if part is not None and part.class_ == TARGET
        }
        if self.synthetic is not None:
            changed["synthetic"] = self.synthetic.with_target(target_class)
        return self.model_copy(update=changed) if changed else self

    @property
    def blurs(self) -> bool:
        """Whether the arm repeats photographs that took the way of synthetic images."""
        return self.oversample is not None and self.oversample.through == "synthesis"

    @property
    def uses_gan(self) -> bool:
        """Whether the arm needs images of this run's GAN."""
        return self.synthetic is not None and self.synthetic.folder is None


PAPER_ARMS = {
    "baseline": Arm(),
    "filtered": Arm(synthetic=SyntheticImages(select="top", count=300)),
    "all": Arm(synthetic=SyntheticImages(select="all")),
}

# what contrasts may name whatever the run's arms are called, and though it may lack them
PAPER_ROLES = (*PAPER_ARMS, "random")
