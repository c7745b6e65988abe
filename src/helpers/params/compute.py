"""Parameters of the machine that does the work."""

from typing import Literal

from pydantic import Field

from helpers.params.section import Section


class Compute(Section):
    """Where the work runs."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="'auto' takes the GPU where there is one"
    )
