"""Images as features of a pretrained network: extracted once per set of images, kept on disk, compared in blocks.

The network is torch-fidelity's Inception, or EfficientNet-Lite0, whose weights come with pip, registered with torch-fidelity
as one more extractor. Both take uint8 images of any size and see every image by itself.
"""

import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers import params
from helpers.device import import_torchvision
from helpers.errors import ParameterError, UserError
from helpers.files import (
    array_digest,
    atomic_path,
    digest,
    file_digest,
    open_whole_array,
    row_blocks,
    write_json,
)
from helpers.fingerprints import source_digest
from helpers.paths import from_project
from helpers.pretrained import (
    efficientnet_lite,
    efficientnet_lite_imagenet,
    efficientnet_lite_package,
    fill_weights,
    read_weights,
)
from helpers.progress import Progress

LITE0_SIDE = 128  # pixels; the paper's images are taken as they are, smaller ones are enlarged
BATCH = 25  # images per pass; the features do not depend on it
ROWS = 512  # rows of a block of distances
NAMES = {
    "efficientnet_lite0": ("efficientnet-lite0", "pooled"),
    "inception": ("inception-v3-compat", "2048"),
}  # torch-fidelity's name, its layer
CODE = ("gan/features.py", "pretrained.py")


def image_features(
    images: np.ndarray, folder: Path | str, synthesis: params.Synthesis, device: str, label: str = "Features"
) -> np.ndarray:
    """Features (float32, N x D, memory-mapped) of uint8 images (N, R, R, 3), from ``folder``/features-<extractor>-<key>.npy.

    They are extracted where that file is missing; its key stands for the images' content, the network's weights and this code.
    Memory stays small however many images there are. Raises UserError where the network's weights cannot be had.
    """
    key = digest(array_digest(images), _weights_key(synthesis), source_digest(CODE))
    path = Path(folder) / f"features-{synthesis.features}-{key}.npy"
    if open_whole_array(path) is None:
        extractor = build_extractor(synthesis.features, synthesis.feature_weights, device)
        with atomic_path(path) as temporary:
            write_rows(temporary, _extract(images, extractor, device, label), len(images))
        write_json(path.with_suffix(".json"), {"sha256": file_digest(path, length=64)})
    return np.load(path, mmap_mode="r", allow_pickle=False)


def forget_features(folder: Path | str, keep: Sequence[np.ndarray] = ()) -> None:
    """Remove the features in ``folder`` but those of ``keep`` (as image_features returned them): of images that are gone."""
    kept = {Path(array.filename).name for array in keep}
    for path in Path(folder).glob("features-*.npy"):
        if path.name not in kept:
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)


@torch.no_grad()
def _extract(images: np.ndarray, extractor: Any, device: str, label: str) -> Iterator[np.ndarray]:
    progress = Progress(label, len(images), "image")
    done = 0
    for block in row_blocks(images, BATCH):
        features = extractor(torch.from_numpy(block).permute(0, 3, 1, 2).to(device))[0]
        yield features.float().cpu().numpy()
        done += len(block)
        progress.update(done)
    progress.close()


# --- networks -----------------------------------------------------------------------------------


def build_extractor(features: str, weights: str | None, device: str) -> Any:
    """torch-fidelity's feature extractor for ``synthesis.features``; called with uint8 (B, 3, R, R) it returns a tuple of one (B, D) tensor.

    ``weights``: a file in place of the package's (efficientnet_lite0) or the download's (inception).
    """
    import_torchvision()  # torch-fidelity imports it too
    from torch_fidelity.utils import create_feature_extractor

    name, layer = NAMES[features]
    if features == "efficientnet_lite0":
        _register_lite0(name)
        return create_feature_extractor(
            name,
            [layer],
            cuda=device.startswith("cuda"),
            verbose=False,
            feature_extractor_weights_path=weights,
        )
    state, origin = _inception_weights(weights)
    with tempfile.TemporaryDirectory() as folder:
        # torch-fidelity unpickles whatever the file holds, so it gets one that was read as tensors only
        path = Path(folder) / "inception.pth"
        torch.save(state, path)
        try:
            return create_feature_extractor(
                name,
                [layer],
                cuda=device.startswith("cuda"),
                verbose=False,
                feature_extractor_weights_path=str(path),
            )
        except RuntimeError as error:
            raise ParameterError(
                f"{origin} does not fit torch-fidelity's Inception ({str(error).splitlines()[0]}): give the file that torch-fidelity itself downloads."
            ) from None


@cache
def _register_lite0(name: str) -> None:
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase
    from torch_fidelity.registry import register_feature_extractor

    class Lite0(FeatureExtractorBase):
        """EfficientNet-Lite0's 1,280 pooled features of uint8 images (B, 3, R, R), brought to LITE0_SIDE pixels bilinearly."""

        def __init__(
            self,
            name: str,
            features_list: list[str],
            feature_extractor_weights_path: str | None = None,
            **_: Any,
        ):
            super().__init__(name, features_list)
            self.network = efficientnet_lite(0)
            given = feature_extractor_weights_path
            if given is None:
                state, origin = efficientnet_lite_imagenet(0), f"the package {efficientnet_lite_package(0)}"
            else:
                state = read_weights(given, "synthesis.feature_weights", "leave it out, or give")
                origin = given
            fill_weights(self.network, state, origin, "efficientnet_lite0")
            self.network.to(memory_format=torch.channels_last)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return (NAMES["efficientnet_lite0"][1],)

        def forward(self, images: Tensor) -> tuple[Tensor]:
            inputs = images.float().div_(127.5).sub_(1)  # mean 0.5 and deviation 0.5 of values in 0..1
            if images.shape[-1] != LITE0_SIDE:
                inputs = torch.nn.functional.interpolate(
                    inputs, LITE0_SIDE, mode="bilinear", antialias=images.shape[-1] > LITE0_SIDE
                )
            return (self.network(inputs.contiguous(memory_format=torch.channels_last)),)

    register_feature_extractor(name, Lite0)


def _inception_weights(path: str | None) -> tuple[dict[str, Tensor], str]:
    if path is not None:
        return read_weights(path, "synthesis.feature_weights", "leave it out, or give"), path
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3 as URL

    try:
        return torch.hub.load_state_dict_from_url(
            URL, progress=False, check_hash=True, map_location="cpu", weights_only=True
        ), URL
    except Exception as error:
        raise UserError(
            f"Inception's weights could not be fetched ({type(error).__name__}: {error}). Without a network, fetch {URL} elsewhere and set "
            "synthesis.feature_weights to the file's path, or set synthesis.features to 'efficientnet_lite0'."
        ) from error


def _weights_key(synthesis: params.Synthesis) -> list[str]:
    given = from_project(synthesis.feature_weights) if synthesis.feature_weights else None
    return [synthesis.features, file_digest(given) if given is not None and given.is_file() else ""]


# --- rows and distances -------------------------------------------------------------------------


def take_rows(array: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """``array[indices]`` for distinct indices, read block by block: only what is taken stays in memory."""
    places = np.full(len(array), -1)
    places[indices] = np.arange(len(indices))
    taken = np.empty((len(indices), *array.shape[1:]), array.dtype)
    start = 0
    for block in row_blocks(array, ROWS):
        place = places[start : start + len(block)]
        taken[place[place >= 0]] = block[place >= 0]
        start += len(block)
    return taken


def write_rows(path: Path, blocks: Iterator[np.ndarray], count: int) -> None:
    """Write blocks of rows, ``count`` together, as one .npy file, as they come."""
    with open(path, "wb") as file:
        for number, block in enumerate(blocks):
            if number == 0:
                header = {
                    "descr": np.lib.format.dtype_to_descr(block.dtype),
                    "fortran_order": False,
                    "shape": (count, *block.shape[1:]),
                }
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(block))


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Euclidean distances (float64, N x M) of the rows of two arrays (N, D) and (M, D)."""
    # float64: the squares of two nearly equal rows cancel
    first, second = first.astype(np.float64), second.astype(np.float64)
    squares = np.square(first).sum(1)[:, None] + np.square(second).sum(1)[None] - 2 * first @ second.T
    return np.sqrt(np.maximum(squares, 0))


def nearest(
    vectors: Iterator[np.ndarray] | Sequence[np.ndarray], real: np.ndarray, neighbours: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Of every row of the blocks ``vectors`` (n, D): mean distance to its ``neighbours`` nearest rows of ``real`` (M, D), and the nearest's index."""
    means, indices = [], []
    neighbours = min(neighbours, len(real))
    for block in vectors:
        among = distances(block, real)
        indices.append(among.argmin(1))
        means.append(np.partition(among, neighbours - 1, axis=1)[:, :neighbours].mean(1))
    return np.concatenate(means), np.concatenate(indices)
