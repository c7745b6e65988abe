"""The images of a reader study: as many real ones of the target class as synthetic ones, all at the GAN's
size.
"""

from collections.abc import Iterator

import numpy as np

from helpers.data.arrays import load_reduced
from helpers.data.by_class import rows_of_class
from helpers.data.manifest import load_split
from helpers.errors import UserError
from helpers.files import read_table
from helpers.params import Params
from helpers.paths import RunPaths, require
from helpers.readers.key import REAL, SYNTHETIC, Chosen

FEWEST = 10  # images of a study


def choose_images(run: RunPaths, params: Params, count: int, kept: bool, seed: int) -> list[Chosen]:
    """``count`` images, half of them real and half synthetic, in the order of their ids.

    ``kept`` says whether only the synthetic images that the filter kept are drawn from; ``seed`` decides the
    draw. No two of the images have the same pixels. Raises UserError where there are too few, and
    MissingStageError where a stage before is not finished.
    """
    random = np.random.default_rng(seed)
    found = {image.id: image for image in _first(_real(run, params, random), count // 2)}
    if len(found) < count // 2:
        target = params.data.target_class
        more = f"choose a run whose data hold more images of {target}"
        raise _too_few(f"real images of {target}", len(found), count, more)
    drawn = (image for image in _synthetic(run, params, kept, random) if image.id not in found)
    synthetic = list(_first(drawn, count // 2))
    if len(synthetic) < count // 2:
        words = "different synthetic images that the filter kept" if kept else "different synthetic images"
        many = "a higher synthesis.count" if params.trains_gan else "more images in synthesis.folder"
        more = f"choose a run with {many}{' or a higher synthesis.keep_fraction' if kept else ''}"
        raise _too_few(words, len(synthetic), count, more, "; --from all draws from all" if kept else "")
    found |= {image.id: image for image in synthetic}
    return [found[name] for name in sorted(found)]


def _too_few(what: str, there: int, count: int, more: str, way_out: str = "") -> UserError:
    """``more`` is what helps where even the smallest study needs more images, ``way_out`` what may help."""
    told = f"A study of {count} images needs {count // 2} {what}, and this run has {there}"
    if 2 * there >= FEWEST:
        return UserError(f"{told}: ask for fewer by --images {2 * there}{way_out}.")
    return UserError(f"{told}, too few for the smallest study of {FEWEST} images: {more}{way_out}.")


def _first(images: Iterator[Chosen], count: int) -> Iterator[Chosen]:
    """The first ``count`` images that differ from those before."""
    seen: set[str] = set()
    for image in images:
        if len(seen) == count:
            return
        if image.id not in seen:
            seen.add(image.id)
            yield image


def _real(run: RunPaths, params: Params, random: np.random.Generator) -> Iterator[Chosen]:
    """Real images of the target class, reduced as synthetic ones are.

    Each lesion comes once before any comes a second time; of what is left, the images that no GAN of the run
    learnt from (validation and test part) come first, and chance decides the rest.
    """
    split = load_split(run)
    parts = {params.gan_part(seed) for seed in params.gan.seeds}
    trained = np.any([load_split(run, part)["split"] == "train" for part in sorted(parts)], axis=0)
    split = split.assign(trained=trained)
    pixels = load_reduced(run, params)
    table = split[split["dx"] == params.data.target_class]
    table = table.iloc[random.permutation(len(table))]
    table = table.sort_values("trained", kind="stable")
    table = table.assign(again=table["lesion_id"].notna() & table.duplicated("lesion_id"))
    for row in table.sort_values("again", kind="stable").itertuples():
        origin = {"kind": REAL, "image_id": row.image_id, "trained": bool(row.trained)}
        yield Chosen(np.array(pixels[row.Index]), origin)


def _synthetic(run: RunPaths, params: Params, kept: bool, random: np.random.Generator) -> Iterator[Chosen]:
    """Synthetic images of the target of all GANs of the run, one of each GAN in turn, drawn at random."""
    target = params.data.target_class
    if target not in params.gan_classes:
        raise UserError(
            f"The reader study shows images of {target} (data.target_class), and the GANs of the run learned "
            f"{', '.join(params.gan_classes)} (gan.classes): study a run whose GAN learned {target}."
        )
    drawn = []
    for seed in params.gan.seeds:
        folder = run.synthetic(seed)
        images = np.load(require(folder / "images.npy", "synthesis"), mmap_mode="r")
        scores = rows_of_class(read_table(folder / "scores.csv"), target)
        rows = scores[scores["selected"] == 1] if kept else scores
        rows = rows.iloc[random.permutation(len(rows))]
        chosen = zip(rows["index"], rows["selected"], strict=True)
        drawn.append([(seed, images, int(index), bool(selected)) for index, selected in chosen])
    for turn in range(max(map(len, drawn))):
        for seed, images, index, selected in (each[turn] for each in drawn if turn < len(each)):
            origin = {"kind": SYNTHETIC, "gan_seed": seed, "index": index, "kept": selected}
            yield Chosen(np.array(images[index]), origin)
