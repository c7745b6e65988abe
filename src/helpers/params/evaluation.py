"""Parameters of the statistics."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from helpers.params.section import NAME, Fraction, Section, Seed

CONTRAST = f"{NAME.removesuffix('$')} - {NAME.removeprefix('^')}"


def _contrast(text: str) -> str:
    """Two arms with a minus between them; raises ValueError where it is none."""
    if not re.fullmatch(CONTRAST, text):
        raise ValueError(
            f"'{text:.90}' is no contrast; write two arms with a minus between them and a space on either "
            "side of it, such as 'filtered - baseline'"
        )
    arm, other = text.split(" - ")
    if arm == other:
        raise ValueError(f"'{text}' compares an arm with itself; name two arms, or leave it out")
    return text


class Evaluation(Section):
    """Statistics of the comparison."""

    reference: str = Field("baseline", pattern=NAME, description="arm that the others are compared with")
    primary_contrasts: list[Annotated[str, AfterValidator(_contrast)]] = Field(
        ["filtered - baseline", "filtered - random", "all - baseline"],
        description="differences of two arms that were named before any result was seen; with "
        "primary_metrics one family of tests, adjusted by Holm's rule",
        examples=[["filtered - baseline"]],
    )
    primary_metrics: list[str] = Field(
        ["target_recall"],
        description="metrics of the primary contrasts ([]: they are computed, and none of them is primary)",
    )
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

    @field_validator("primary_metrics")
    @classmethod
    def _metrics_are_known(cls, metrics: list[str]) -> list[str]:
        from helpers.evaluation.metrics import COMPARED

        for name in metrics:
            if name not in COMPARED:
                raise ValueError(f"there is no metric '{name}'; the metrics are {', '.join(COMPARED)}")
        return metrics
