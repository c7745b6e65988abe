"""Parameters of the statistics."""

from pydantic import Field

from helpers.params.section import NAME, Fraction, Section, Seed


class Evaluation(Section):
    """Statistics of the comparison."""

    reference: str = Field("baseline", pattern=NAME, description="arm that the others are compared with")
    confidence: float = Field(0.95, ge=0.5, lt=1, description="level of every interval")
    bootstrap: int = Field(2000, ge=100, le=100_000, description="bootstrap resamples")
    seed: Seed = Field(0, description="seed of the resampling")
    operating_specificity: Fraction = Field(
        0.95,
        description="specificity on validation images that fixes the threshold of the sensitivity beside "
        "argmax",
    )
    smallest_effect: float = Field(
        0.02, gt=0, lt=1, description="smallest difference of interest, as a share (0.02: two points)"
    )
