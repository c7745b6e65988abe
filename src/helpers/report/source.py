"""What the images of a run are, in words."""

from collections.abc import Mapping
from typing import Any


def data_sentence(manifest: Mapping[str, Any]) -> str:
    """What the images are."""
    images, lesions, classes = manifest["images"], manifest["lesions"], len(manifest["classes"])
    counted = (
        f"{images:,} images of {f'{lesions:,}' if lesions else 'an unknown number of'} lesions in {classes} "
        "classes"
    )
    if manifest["source"] == "phantom":
        return (
            f"**This run uses drawn lesions: {counted}, painted by the project itself.** They show that "
            "the whole chain works and what its "
            "figures look like. They are no photographs, and nothing here has a clinical meaning; the "
            "real data set takes one parameter, `data.source: ham10000`."
        )
    if manifest["source"] == "folder":
        return (
            f"This run uses images of one's own: {counted}. They are not the paper's, so none of the "
            "paper's results stand beside them; "
            "what the paper did and claims is told, and its claims are tested here, on these images."
        )
    return f"This run uses the photographs of HAM10000: {counted}."
