"""Parameters of the generation and filtering of synthetic images."""

from typing import Literal

from pydantic import Field

from helpers.params.section import PathText, Section, Seed


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
