"""What the measures of sets of images are called, wherever the report shows them."""

from typing import NamedTuple

from helpers.gan.variety import DIFFERENT


class Measure(NamedTuple):
    """How a measure of helpers.gan.fidelity or helpers.gan.variety is shown."""

    name: str  # as it stands within a sentence
    better: str  # which way: lower or higher
    hint: str  # what it asks, or its best value
    on_inception: str = ""  # its name on that network's features, where that is another one


MEASURE_NAMES = {
    "kernel_distance": Measure("kernel distance", "lower", "0 is best", "KID"),
    "frechet_distance": Measure("Fr\u00e9chet distance", "lower", "0 is best", "FID"),
    "precision": Measure("precision", "higher", "do they look real?"),
    "recall": Measure("recall", "higher", "are they as various?"),
    "density": Measure("density", "higher", "how deep among real ones?"),
    "coverage": Measure("coverage", "higher", "have real ones such neighbours?"),
    DIFFERENT: Measure("different images in a sample", "higher", "how many are no repeats?"),
}


def measure_name(measure: str, features: str) -> str:
    """The name of a measure in these features, within a sentence: KID and FID on Inception's only."""
    shown = MEASURE_NAMES[measure]
    return shown.on_inception or shown.name if features == "inception" else shown.name
