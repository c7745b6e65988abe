"""What the images of a run are, in words."""

from collections.abc import Mapping
from typing import Any

from helpers.data.sources import SOURCES


def data_sentence(manifest: Mapping[str, Any]) -> str:
    """What the images are."""
    images, lesions, classes = manifest["images"], manifest["lesions"], len(manifest["classes"])
    counted = (
        f"{images:,} images of {f'{lesions:,}' if lesions else 'an unknown number of'} lesions in {classes} "
        "classes"
    )
    sentence = SOURCES.get(manifest["source"]).sentence.format(counted=counted)
    return f"{sentence} {manifest['survey']}" if manifest.get("survey") else sentence
