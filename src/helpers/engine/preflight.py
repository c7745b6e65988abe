"""What can be known before the first job starts: mistakes in the data and in the files that parameters name.

Only what costs little is looked at. Every stage looks again, and the first one decodes every image, before
anything is trained.
"""

import csv
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from helpers.classifier.backbones import BACKBONES
from helpers.data.sources import SOURCES
from helpers.data.wording import plural, shown
from helpers.device import check_pair, pick_device
from helpers.engine.cards import count_gpus
from helpers.errors import DataError, ParameterError
from helpers.evaluation.roles import roles, unlike_in_number
from helpers.gan.recipes import require_package
from helpers.params import Params, load_params
from helpers.paths import RunPaths, from_project


def check(
    run: RunPaths, params: Params, stages: Collection[str], verified: bool, elsewhere: bool = False
) -> None:
    """Raise UserError for what would stop one of ``stages`` later.

    ``verified``: the run's first stage has read these data already. ``elsewhere``: the jobs run on other
    machines.
    """
    if not elsewhere:
        check_pair()
        if params.compute.device == "cuda" and not count_gpus():
            pick_device(params.compute)
    classes, images = _classes(run, params, verified)
    if classes:  # a split that cannot be read is for the jobs to report
        params.require_gan_classes(classes)
    if "classifier" in stages:
        _check_arms(params, classes)
        if params.data.external_root is not None:
            _check_external(params.data.external_root, classes, images)
    if "evaluation" in stages:
        _check_contrasts(params)
    if "report" in stages and params.report.protocol is not None:
        _check_protocol(params.report.protocol)
    if params.synthesis.folder is not None and "synthesis" in stages:
        from helpers.data.given_images import check_given

        check_given(params)
    _check_recipe(params, stages)
    _check_weights(params, stages)


def _check_protocol(planned: str) -> None:
    try:
        load_params(planned)
    except ParameterError as error:
        raise ParameterError(f"report.protocol names no parameter file that can be read: {error}") from None


def _classes(run: RunPaths, params: Params, verified: bool) -> tuple[list[str], set[str]]:
    """The classes of the data, and the ids of their images, where data are there.

    They are read from the split where the data are verified; otherwise the data are split for a trial.
    """
    data = params.data
    if run.split.exists() and verified:
        classes, images = set(), set()
        with open(run.split, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                classes.add(row["dx"])
                images.add(row["image_id"])
        return sorted(classes), images
    source = SOURCES.get(data.source)
    if source.folder(data) is not None or not source.class_names:
        return _classes_of_data(run, params)
    if data.target_class not in source.class_names:  # lesions to be drawn or downloaded
        raise DataError(
            f"data.target_class is '{data.target_class}', and the data have no such class; "
            f"they have {', '.join(source.class_names)}."
        )
    return list(source.class_names), set()


def _classes_of_data(run: RunPaths, params: Params) -> tuple[list[str], set[str]]:
    from helpers.data.prepare import split_dataset
    from helpers.data.sources import open_source

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first notebook shows them
        with open_source(run, params.data) as dataset:
            if dataset.survey:
                print(dataset.survey)
            split_dataset(dataset, params.data)
            return sorted(dataset.metadata["dx"].unique()), set(dataset.metadata["image_id"])


def _check_arms(params: Params, classes: Sequence[str]) -> None:
    for name, arm in params.arms.items():
        for key, part in (
            ("oversample", arm.oversample),
            ("withhold", arm.withhold),
            ("synthetic", arm.synthetic),
        ):
            if part is not None and part.class_ is not None and part.class_ not in classes:
                raise ParameterError(
                    f"arms.{name}.{key}.class is '{part.class_}', and the data hold no such class; "
                    f"the classes are {', '.join(classes)}."
                )
        if arm.synthetic is not None and arm.synthetic.folder is not None:
            from helpers.classifier.folder_images import FORMATS, folder_files
            from helpers.data.given_images import refuse_overlap

            parameter, files = f"arms.{name}.synthetic.folder", folder_files(arm.synthetic)
            refuse_overlap(from_project(arm.synthetic.folder), params, parameter)
            _check_headers(parameter, ((path, path.name) for path in files), FORMATS)


def _check_contrasts(params: Params) -> None:
    """See whether the names of the primary contrasts are each of one arm, and no two of one pair of arms."""
    playing = roles(params)
    known: dict[frozenset[str], str] = {}
    for contrast in params.evaluation.primary_contrasts:
        names = contrast.split(" - ")
        for name in names:
            if name in params.arms and playing.get(name, name) != name:
                raise ParameterError(
                    f"evaluation.primary_contrasts has '{contrast}', and '{name}' can be the arm of that "
                    f"name or the arm '{playing[name]}', whose recipe is that of the paper's arm {name}: "
                    f"give the arm '{name}' another name."
                )
        pair = frozenset(playing.get(name, name) for name in names)
        if pair in known:
            raise ParameterError(
                f"evaluation.primary_contrasts has '{known[pair]}' and '{contrast}', which compare the same "
                "two arms here: leave one of them out."
            )
        known[pair] = contrast
        if pair == {"filtered", "random"} and unlike_in_number(params):
            raise ParameterError(
                f"evaluation.primary_contrasts has '{contrast}', and here these two arms add different "
                "numbers of images, so that quality and number could not be told apart: give both the same "
                "number, or leave the contrast out."
            )


def _check_external(root: str, classes: Sequence[str], own: set[str]) -> None:
    from helpers.data.decoding import FORMATS
    from helpers.data.external import open_external

    with open_external(root, classes) as dataset:
        shared = own & set(dataset.metadata["image_id"])
        if shared:
            raise DataError(
                f"data.external_root: {dataset.root} holds {len(shared):,} images of the run's own data "
                f"({shown(sorted(shared))}): an external test set must have none. Name another folder, or "
                "leave the parameter out."
            )
        _check_headers(
            "data.external_root",
            ((file.path, file.name) for file in dataset.images.values() if file.member is None),
            FORMATS,
        )


def _check_headers(parameter: str, files: Iterable[tuple[Path, str]], formats: tuple[str, ...]) -> None:
    """Raise DataError that names the images whose first bytes already tell that they are none."""
    from helpers.data.decoding import check_header

    broken = []
    for path, name in files:
        try:
            check_header(path, formats)
        except (OSError, DataError) as error:
            broken.append(f"{name} ({getattr(error, 'strerror', None) or error})")
    if broken:
        raise DataError(
            f"{plural(broken, 'image')} of {parameter} cannot be used: {shown(broken)}. Replace or remove "
            "them."
        )


def fetch_weights(params: Params, stages: Collection[str]) -> None:
    """Fetch the ImageNet weights that a job of these ``stages`` would fetch, before hours of other work.

    They then lie in torch's cache, where jobs find them, also those on machines without the internet. Raises
    UserError where they cannot be fetched. Nothing is done for weights that came with the installation.
    """
    for _, fetch in _weights_to_fetch(params, stages):
        fetch()


def downloads(params: Params, stages: Collection[str]) -> list[str]:
    """What a start downloads for jobs of ``stages`` where it is not at hand yet, in words.

    Weights in torch's cache are not looked for, since that needs torch.
    """
    wanted = [what for what, _ in _weights_to_fetch(params, stages)]
    if "eda" in stages and params.data.source == "ham10000" and params.data.root is None:
        from helpers.data.download import DOI, official_folder

        if official_folder() is None:
            wanted.insert(0, f"the photographs of HAM10000 (doi:{DOI})")
    return wanted


def _weights_to_fetch(params: Params, stages: Collection[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """ImageNet weights that do not come with the installation: what they are, and what fetches them."""
    backbone = BACKBONES.get(params.classifier.backbone)
    reads = {"trunk", "synthesis", "classifier"} & set(stages)
    if reads and params.classifier.weights == "imagenet" and "torchvision" in backbone.imagenet_source:
        yield f"the ImageNet weights of {backbone.title} ({backbone.imagenet_source})", backbone.imagenet
    fetched = params.synthesis.features == "inception" and params.synthesis.feature_weights is None
    if fetched and "synthesis" in stages:
        yield "the weights of torch-fidelity's Inception network", _fetch_inception


def _fetch_inception() -> None:
    from helpers.gan.features import build_extractor

    build_extractor("inception", None, "cpu")


def _check_recipe(params: Params, stages: Collection[str]) -> None:
    """See whether what the GAN's recipe needs is installed."""
    if params.trains_gan and ("gan" in stages or "synthesis" in stages):
        require_package(params.gan.recipe)


def _check_weights(params: Params, stages: Collection[str]) -> None:
    """Read the files of weights that parameters name, where they name any: torch takes seconds to load."""
    if params.gan.initial_weights is not None and "gan" in stages:
        from helpers.gan.weights import build_networks

        build_networks(params.gan, 0, "cpu")
    if params.synthesis.feature_weights is not None and "synthesis" in stages:
        from helpers.gan.features import build_extractor

        build_extractor(params.synthesis.features, params.synthesis.feature_weights, "cpu")
    if params.classifier.weights not in ("imagenet", "none") and "classifier" in stages:
        from helpers.classifier.model import build_classifier

        build_classifier(
            params.classifier.backbone,
            params.classifier.weights,
            frozen_stages=params.classifier.frozen_stages,
        )
