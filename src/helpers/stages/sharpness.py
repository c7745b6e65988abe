"""Part of what notebook 05 shows: how sharp an external test set is; no number of the stage depends on it."""

import numpy as np
import pandas as pd

from helpers.data.arrays import load_reduced
from helpers.data.external import load_external
from helpers.data.manifest import load_split
from helpers.data.resizing import Way, resize_images
from helpers.files import row_blocks
from helpers.gan.rows import ROWS
from helpers.gan.sharpness import sharpness
from helpers.params import Params
from helpers.paths import RunPaths
from helpers.stages.photographs import load_photographs

ALL = "all"
COLUMNS = ("images", "class", "number", "lower_quartile", "median", "upper_quartile", "of_own")


def external_sharpness(run: RunPaths, params: Params) -> pd.DataFrame:
    """Quartiles of the sharpness of photographs and synthetic images, as the classifiers see them.

    It is ``helpers.gan.sharpness`` at ``classifier.image_size``. A row for each set of images and class
    (``data.target_class``, and ALL): the run's own photographs, those of the external test set, and of the
    target the own ones reduced as synthetic images are (where not all are), and the synthetic ones of the
    first GAN whose images are here. ``of_own``: the median over that of the own photographs of this class.
    Columns: COLUMNS. Without an external test set there is no row. Raises as ``load_external`` and
    ``load_photographs``.
    """
    size, target = params.classifier.image_size, params.data.target_class
    way = Way.of_all(params) or Way(size, "bilinear")
    external = load_external(run, params.data, way.resolution, way.resize)
    if external is None:
        return pd.DataFrame(columns=COLUMNS)
    is_target = (load_split(run)["dx"] == target).to_numpy()
    own, new = sharpness(load_photographs(run, params)), _enlarged(external.images, size)
    sets = {
        ("photographs of the run", target): own[is_target],
        ("external test set", target): new[(external.table["label"] == target).to_numpy()],
    }
    synthetic = _synthetic(run, params)
    if synthetic is not None:
        if params.data.detail == "full":
            reduced = load_reduced(run, params)[is_target]
            sets["photographs of the run, reduced as synthetic ones", target] = _enlarged(reduced, size)
        sets["synthetic images", target] = _enlarged(synthetic, size)
    sets |= {("photographs of the run", ALL): own, ("external test set", ALL): new}
    return _quartiles({key: values for key, values in sets.items() if len(values)})


def _enlarged(images: np.ndarray, size: int) -> np.ndarray:
    """Sharpness (N,) of images that the classifier brings to ``size`` pixels a side."""
    return np.concatenate([sharpness(resize_images(block, size)) for block in row_blocks(images, ROWS)])


def _synthetic(run: RunPaths, params: Params) -> np.ndarray | None:
    """The first GAN's images of the target; None where it paints none, or they stayed on another machine."""
    names, target = params.gan_classes, params.data.target_class
    found = [run.synthetic(gan) / "images.npy" for gan in params.gans()]
    path = next((path for path in found if path.exists()), None)
    if path is None or target not in names:
        return None
    return np.split(np.load(path, mmap_mode="r"), len(names))[names.index(target)]


def _quartiles(sets: dict[tuple[str, str], np.ndarray]) -> pd.DataFrame:
    first: dict[str, float] = {}
    rows = []
    for (images, name), values in sets.items():
        low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
        own = first.setdefault(name, median)
        rows.append((images, name, len(values), low, median, high, median / own))
    return pd.DataFrame(rows, columns=COLUMNS)
