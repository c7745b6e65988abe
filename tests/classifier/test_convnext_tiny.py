"""ConvNeXt-Tiny: torchvision's network and weights, whose pooled features go through a layer norm."""

import hashlib
import http.server
import threading

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from helpers.classifier.model import build_classifier
from helpers.errors import ParameterError, UserError
from helpers.params import Classifier as Config


@pytest.fixture(scope="module")
def whole():
    """torchvision's network with random weights that are unlike its first ones."""
    torch.manual_seed(1)
    network = torchvision.models.convnext_tiny(weights=None).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("layer_scale"):
                value.fill_(0.2)
            elif value.dim() == 1:
                value.add_(0.1 * torch.randn_like(value))
    return network


@pytest.fixture(scope="module")
def file(whole, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "convnext_tiny.safetensors"
    save_file(whole.state_dict(), path)
    return str(path)


def test_its_features_are_those_before_torchvision_s_last_layer(whole, file):
    model = build_classifier("convnext_tiny", file, 3, 16, 0.0, 0).eval()
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = whole.classifier[0](whole.avgpool(whole.features(images))).flatten(1)
        maps = images
        for stage in model.stages.values():
            maps = stage(maps)
        assert torch.allclose(model.after_pooling(maps.mean(dim=(2, 3))), expected, atol=1e-5)
        assert torch.allclose(model(images), model.head(expected), atol=1e-5)


def test_the_norm_after_pooling_is_trained_even_where_all_stages_are_frozen(file):
    model = build_classifier("convnext_tiny", file, 3, 16, 0.5, 5)
    names = {name for name, value in model.named_parameters() if value.requires_grad}
    assert {"after_pooling.weight", "after_pooling.bias"} < names
    assert names == set(model.trained_state())


def test_weights_are_fetched_once_and_checked(whole, tmp_path, monkeypatch):
    """From a server of our own in torchvision's place; torch keeps the file, so that it is fetched once."""
    served, asked = tmp_path / "server", []
    served.mkdir()
    torch.save(whole.state_dict(), served / "weights.pth")
    digest = hashlib.sha256((served / "weights.pth").read_bytes()).hexdigest()[:8]
    (served / "weights.pth").rename(served / f"convnext_tiny-{digest}.pth")
    (served / "convnext_tiny-00000000.pth").write_bytes(b"something else")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, directory=served, **options)

        def log_message(self, *words):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
        weights = torchvision.models.ConvNeXt_Tiny_Weights.IMAGENET1K_V1
        for name, times in ((digest, 2), ("00000000", 1)):
            url = f"{address}/convnext_tiny-{name}.pth"
            monkeypatch.setattr(type(weights), "url", property(lambda self, url=url: url), raising=False)
            for _ in range(times):
                if name == digest:
                    model = build_classifier("convnext_tiny", "imagenet", 3, 16, 0.5, 4)
                else:
                    with pytest.raises(UserError, match="invalid hash value"):
                        build_classifier("convnext_tiny", "imagenet")
        server.shutdown()
    assert asked == [f"/convnext_tiny-{digest}.pth", "/convnext_tiny-00000000.pth"]
    assert torch.equal(model.stages["stage3"].blocks[0].block[0].bias, whole.features[5][0].block[0].bias)


def test_without_a_network_the_way_out_is_said(monkeypatch):
    def offline(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models.ConvNeXt_Tiny_Weights, "get_state_dict", offline)
    with pytest.raises(UserError, match="ConvNeXt-Tiny's ImageNet .* put it at .*convnext_tiny-.*pth"):
        build_classifier("convnext_tiny", "imagenet")


def test_a_file_of_another_network_is_refused(tmp_path):
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "other.pth")
    with pytest.raises(ParameterError, match="does not fit convnext_tiny: it holds 122 tensors"):
        build_classifier("convnext_tiny", str(tmp_path / "other.pth"))


def test_parameters_take_it():
    assert Config(backbone="convnext_tiny", frozen_stages=5).backbone == "convnext_tiny"
    with pytest.raises(ValueError, match="convnext_tiny has 5 stages"):
        Config(backbone="convnext_tiny", frozen_stages=6)
