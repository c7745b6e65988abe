"""Images as features of a pretrained network: extracted once per set of images and kept on disk.

The network is torch-fidelity's Inception, or EfficientNet-Lite0 or -Lite2, whose weights come with pip and
which are registered with torch-fidelity as further extractors. All take uint8 images of any size and see
every image by itself.
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
from helpers.fingerprints import code_fingerprint
from helpers.gan.rows import write_rows
from helpers.paths import from_project
from helpers.pretrained import (
    efficientnet_lite,
    efficientnet_lite_imagenet,
    efficientnet_lite_package,
    fill_weights,
    read_weights,
)
from helpers.progress import Progress

LITE_SIDE = 128  # pixels; the paper's images have this size, smaller ones are enlarged
BATCH = 25  # images per pass; the features do not depend on it
NAMES = {  # torch-fidelity's name, its layer
    "efficientnet_lite0": ("efficientnet-lite0", "pooled"),
    "efficientnet_lite2": ("efficientnet-lite2", "pooled"),
    "inception": ("inception-v3-compat", "2048"),
}


def image_features(
    images: np.ndarray, folder: Path | str, synthesis: params.Synthesis, device: str, label: str = "Features"
) -> np.ndarray:
    """Features (float32, N x D, memory-mapped) of uint8 images (N, R, R, 3).

    They lie in ``folder``/features-<extractor>-<key>.npy and are extracted where that file is missing; the
    key stands for the images' content, the network's weights and this code. Memory does not grow with the
    number of images. Raises UserError where the network's weights are not available.
    """
    key = digest(array_digest(images), _weights_key(synthesis), code_fingerprint("helpers.gan.features"))
    path = Path(folder) / f"features-{synthesis.features}-{key}.npy"
    if open_whole_array(path) is None:
        extractor = build_extractor(synthesis.features, synthesis.feature_weights, device)
        with atomic_path(path) as temporary:
            write_rows(temporary, _extract(images, extractor, device, label), len(images))
        write_json(path.with_suffix(".json"), {"sha256": file_digest(path, length=64)})
    return np.load(path, mmap_mode="r", allow_pickle=False)


def forget_features(folder: Path | str, keep: Sequence[np.ndarray] = ()) -> None:
    """Remove the features in ``folder`` except those of ``keep``, as image_features returned them.

    The others belong to images that no longer exist.
    """
    kept = {Path(str(array.filename)).name for array in keep if isinstance(array, np.memmap)}
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
    """torch-fidelity's feature extractor for ``synthesis.features``.

    Called with uint8 (B, 3, R, R), it returns a tuple of one (B, D) tensor. ``weights``: a file in place of
    the package's weights (EfficientNet-Lite) or the downloaded ones (inception).
    """
    import_torchvision()  # torch-fidelity imports it too
    from torch_fidelity.utils import create_feature_extractor

    name, layer = NAMES[features]
    options = {"cuda": device.startswith("cuda"), "verbose": False}
    if features.startswith("efficientnet_lite"):
        _register_lite(name, features)
        return create_feature_extractor(name, [layer], feature_extractor_weights_path=weights, **options)
    state, origin = _inception_weights(weights)
    with tempfile.TemporaryDirectory() as folder:
        # torch-fidelity unpickles whatever the file holds, so it gets one that was read as tensors only
        path = Path(folder) / "inception.pth"
        torch.save(state, path)
        try:
            return create_feature_extractor(
                name, [layer], feature_extractor_weights_path=str(path), **options
            )
        except RuntimeError as error:
            raise ParameterError(
                f"{origin} does not fit torch-fidelity's Inception ({str(error).splitlines()[0]}): give the "
                "file that torch-fidelity itself downloads."
            ) from None


@cache
def _register_lite(name: str, features: str) -> None:
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase
    from torch_fidelity.registry import register_feature_extractor

    number = int(features[-1])

    class Lite(FeatureExtractorBase):
        """EfficientNet-Lite's 1,280 pooled features of uint8 images (B, 3, R, R), at LITE_SIDE pixels."""

        def __init__(
            self,
            name: str,
            features_list: list[str],
            feature_extractor_weights_path: str | None = None,
            **_: Any,
        ):
            super().__init__(name, features_list)
            self.network = efficientnet_lite(number)
            given = feature_extractor_weights_path
            if given is None:
                state, origin = (
                    efficientnet_lite_imagenet(number),
                    f"the package {efficientnet_lite_package(number)}",
                )
            else:
                state = read_weights(given, "synthesis.feature_weights", "leave it out, or give")
                origin = given
            fill_weights(self.network, state, origin, features)
            self.network.to(memory_format=torch.channels_last)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return (NAMES[features][1],)

        def forward(self, images: Tensor) -> tuple[Tensor]:
            inputs = images.float().div_(127.5).sub_(1)  # mean 0.5 and deviation 0.5 of values in 0..1
            if images.shape[-1] != LITE_SIDE:
                inputs = torch.nn.functional.interpolate(
                    inputs, LITE_SIDE, mode="bilinear", antialias=images.shape[-1] > LITE_SIDE
                )
            return (self.network(inputs.contiguous(memory_format=torch.channels_last)),)

    register_feature_extractor(name, Lite)


def _inception_weights(path: str | None) -> tuple[dict[str, Tensor], str]:
    if path is not None:
        return read_weights(path, "synthesis.feature_weights", "leave it out, or give"), path
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3 as URL

    try:
        state = torch.hub.load_state_dict_from_url(
            URL, progress=False, check_hash=True, map_location="cpu", weights_only=True
        )
    except Exception as error:
        raise UserError(
            f"Inception's weights could not be fetched ({type(error).__name__}: {error}). Without a network, "
            f"fetch {URL} elsewhere and set synthesis.feature_weights to the file's path, or set "
            "synthesis.features to 'efficientnet_lite0'."
        ) from error
    return state, URL


def _weights_key(synthesis: params.Synthesis) -> list[str]:
    given = from_project(synthesis.feature_weights) if synthesis.feature_weights else None
    return [synthesis.features, file_digest(given) if given is not None and given.is_file() else ""]
