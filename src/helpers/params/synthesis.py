"""Parameters of the generation and filtering of synthetic images."""

from typing import Annotated, Literal

from pydantic import Field

from helpers.params.arms import selectors
from helpers.params.section import PathText, Section, Seed, Variants, mark


class Synthesis(Section):
    """Generation and filtering of synthetic images."""

    folder: PathText | None = Field(
        None,
        description="folder or zip archive of images of the target class, JPEG or PNG, by any generator, in "
        "the place of a GAN's images; no GAN is trained",
        json_schema_extra=mark(
            changes_results=False, departs=False
        ),  # what it holds is in the key, not where it lies
    )
    resolution: int | None = Field(
        None,
        ge=8,
        le=1024,
        description="with folder: side in pixels to which its images are brought, and to which blurred "
        "controls are reduced (none: classifier.image_size)",
    )
    count: int = Field(
        1000,
        ge=2,
        le=1_000_000,
        description="images generated per GAN; with folder: how many of its images are used at most, drawn "
        "by seed where it holds more",
    )
    filter: Annotated[str, Variants(selectors, "meaning")] = Field(
        "critic",
        description="what scores, ranks and filters the images; another than 'critic' where gan.recipe has "
        "none, and of a folder's images 'critic' stands for what keep_fraction says",
    )
    keep_fraction: float = Field(
        0.30,
        gt=0,
        le=1,
        description="share that the filter keeps, by the critic's score; without a critic by the baseline "
        "classifier's probability, or by nearness to the real images",
    )
    seed: Seed = Field(0, description="seed of the first image; image i uses seed + i")
    truncation: float = Field(1.0, gt=0, le=1, description="pull of the styles to their mean; 1: none")
    batch_size: int = Field(
        50, ge=1, le=4096, description="images per generator pass; the images do not depend on it"
    )
    export_png: bool = Field(False, description="write every image as a PNG file, too")
    features: Literal["efficientnet_lite0", "efficientnet_lite2", "inception"] = Field(
        "efficientnet_lite0",
        description="network in whose features fidelity is measured; Inception's weights are downloaded, or "
        "read from feature_weights",
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
