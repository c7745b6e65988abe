"""Parameters of the rendered page."""

from typing import Literal

from pydantic import Field

from helpers.params.section import Section, mark


class Report(Section):
    """The rendered page."""

    title: str = Field(
        "Synthetic melanoma images and the classifier that learns from them",
        min_length=1,
        max_length=200,
        description="title of the page",
        json_schema_extra=mark(changes_results=False, departs=False),
    )
    real_images: Literal["show", "blur", "omit"] = Field(
        "show", description="whether photographs of the data set may be in the page"
    )
    protocol: str | None = Field(
        None,
        description="parameter file of the study that docs/protocol.md describes; the page then gives the "
        "protocol's date and checksum, and each value in which the run departs from that file",
        json_schema_extra=mark(changes_results=False, departs=False),
    )
