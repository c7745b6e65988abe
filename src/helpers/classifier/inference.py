"""A trained classifier from its folder, and its probabilities for any images."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from helpers.classifier.augmentation import plain
from helpers.classifier.backbones import BACKBONES
from helpers.classifier.model import Classifier, build_classifier
from helpers.data.resizing import resize_images
from helpers.device import resolve_precision
from helpers.errors import DataError, TrainingError
from helpers.params import Classifier as Config
from helpers.paths import require
from helpers.pretrained import read_weights


def load_classifier(directory: Path | str, config: Config, device: str = "cpu") -> Classifier:
    """The classifier of ``directory``/model.safetensors on ``device``, for ``predict_images``.

    ``config`` must be the one that it was trained with. Raises MissingStageError where there is none yet,
    TrainingError where it does not fit.
    """
    path = require(Path(directory) / "model.safetensors", "classifier")
    state = read_weights(path)
    outputs = state["head.4.bias"] if "head.4.bias" in state else torch.empty(0)
    model = build_classifier(
        config.backbone, "none", len(outputs), config.hidden, config.dropout, config.frozen_stages
    )
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise TrainingError(
            f"{path} does not fit classifier.backbone {config.backbone} and classifier.hidden "
            f"{config.hidden} ({reason}): train it again."
        ) from error
    return model.prepare(device, resolve_precision(config.precision, device)).eval()


def predict_images(
    model: Classifier | Path | str,
    images: np.ndarray | Sequence[np.ndarray],
    config: Config,
    device: str = "cpu",
) -> np.ndarray:
    """Probabilities, float64 (N, classes), of any images, which need not belong to the data.

    The classes are in the order of ``classes`` in summary.json. ``model``: a trained classifier or its folder
    (``RunPaths.classifier(arm, replicate)``). ``images``: uint8 (N, R, R, 3), memory-mapped or not, or a
    sequence of uint8 (H, W, 3) of any sizes. They are resized to squares of ``config.image_size`` as an arm's
    synthetic images are, batch by batch, so that memory does not grow with N. Raises DataError for other
    arrays, and what ``load_classifier`` raises.
    """
    if not isinstance(model, Classifier):
        model = load_classifier(model, config, device)
    model.eval()
    found = np.empty((len(images), model.num_classes), np.float64)
    with torch_threads(config.threads):
        for start in range(0, len(images), config.batch_size):
            batch = resize_images(_checked(images[start : start + config.batch_size]), config.image_size)
            found[start : start + len(batch)] = probabilities(
                model.predict(plain(batch, model.mean, model.std, device))
            )
    return found


def trunk_features(config: Config, images: np.ndarray, device: str = "cpu") -> np.ndarray:
    """What the frozen stages of ``config``, filled with ``config.weights``, make of images.

    It is the mean over positions of their output, float32 (N, D); where no stage is frozen, of all stages.
    Without weights they are the same random ones each time. ``images``: uint8 (N, R, R, 3), resized as in
    ``predict_images``. Raises what ``build_classifier`` raises.
    """
    frozen = config.frozen_stages or BACKBONES.get(config.backbone).stages
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = build_classifier(config.backbone, config.weights, 2, 8, 0.0, frozen)
    model = model.prepare(device, resolve_precision(config.precision, device)).eval()
    found = []
    with torch_threads(config.threads):
        for start in range(0, len(images), config.batch_size):
            batch = resize_images(images[start : start + config.batch_size], config.image_size)
            outputs = model.trunk(plain(batch, model.mean, model.std, device))
            found.append(outputs.float().mean(dim=(2, 3)).cpu().numpy())
    return np.concatenate(found)


def opinion(
    directory: Path | str, images: np.ndarray, config: Config, device: str = "cpu"
) -> tuple[np.ndarray, list[str]]:
    """Probabilities, float64 (N, classes), of images by the classifier in ``directory``, and the classes.

    Raises MissingStageError where it is not trained yet, and what ``predict_images`` raises.
    """
    summary = require(Path(directory) / "summary.json", "classifier")
    classes = json.loads(summary.read_text(encoding="utf-8"))["classes"]
    return predict_images(directory, images, config, device), classes


def probabilities(logits: torch.Tensor) -> np.ndarray:
    """Softmax of logits (n, classes), in float64."""
    return torch.softmax(logits.double(), dim=1).cpu().numpy()


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """``count`` CPU threads for torch, on which the last digits depend; afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _checked(images: np.ndarray | Sequence[np.ndarray]) -> np.ndarray | Sequence[np.ndarray]:
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise DataError(
                "Images to predict are uint8 of height x width x 3, not "
                f"{image.dtype} of {' x '.join(map(str, image.shape))}."
            )
    return images
