"""Every backbone of the registry: what it says of itself is true of its network."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from helpers.classifier.backbones import BACKBONES
from helpers.classifier.model import build_classifier
from helpers.errors import ParameterError
from helpers.pretrained import fill_weights


def test_the_folder_is_the_list():
    assert BACKBONES.names() == ("convnext_tiny", "efficientnet_lite0", "efficientnet_lite2", "resnet50")
    with pytest.raises(ParameterError, match="no backbone 'resnet18' .did you mean 'resnet50'"):
        BACKBONES.get("resnet18")


def test_asking_a_backbone_for_its_facts_loads_no_network_library():
    """Parameters ask for the number of stages, and must not take seconds for it."""
    code = (
        "import sys; from helpers.classifier.backbones import BACKBONES; "
        "print([BACKBONES.get(name).stages for name in BACKBONES.names()]); "
        "print([name for name in ('torch', 'torchvision', 'timm', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[5, 9, 9, 5]", "[]"]


@pytest.mark.parametrize("name", BACKBONES.names())
def test_stages_follow_one_another_and_end_in_the_features(name):
    torch.manual_seed(0)
    kind = BACKBONES.get(name)
    model = build_classifier(name, "none", 3, 16, 0.5, 0).eval()
    assert tuple(model.stages) == kind.stage_names and len(model.stages) == kind.stages
    assert (model.mean, model.std) == (kind.mean, kind.std)
    side = kind.smallest_side
    outputs = torch.rand(2, 3, side, side)
    with torch.no_grad():
        for stage in model.stages.values():
            outputs = stage(outputs)
            assert min(outputs.shape[2:]) >= 1
    assert outputs.shape[:2] == (2, kind.features)
    whole = sum(value.numel() for value in kind.build().parameters())
    parts = sum(value.numel() for key, value in model.named_parameters() if not key.startswith("head."))
    assert parts == whole, "no layer of the network is left out"


@pytest.mark.parametrize("name", BACKBONES.names())
def test_frozen_stages_never_change(name):
    """In training mode too, whatever normalises them; dropped paths of residual blocks are off in them."""
    torch.manual_seed(0)
    kind = BACKBONES.get(name)
    model = build_classifier(name, "none", 3, 16, 0.5, kind.stages - 1)
    assert not any(layer.training for stage in model.frozen() for layer in stage.modules())
    assert all(layer.training for stage in model.trained() for layer in stage.modules())
    images = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model.trunk(images), model.trunk(images))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimiser = torch.optim.Adam([value for value in model.parameters() if value.requires_grad], lr=0.01)
    model(images).square().sum().backward()
    optimiser.step()
    trained = model.trained_state()
    last = kind.stage_names[-1]
    assert {key.split(".")[1] for key in trained if key.startswith("stages.")} == {last}
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before.keys() - trained.keys())
    changed = [key for key in trained if not torch.equal(before[key], after[key])]
    assert len(changed) > 0.9 * len(trained)


@pytest.mark.parametrize("name", BACKBONES.names())
def test_prepared_networks_agree_with_the_plain_one(name):
    """Folded batch norms, quick depthwise convolutions and channels-last memory change rounding only."""
    torch.manual_seed(0)
    kind = BACKBONES.get(name)
    model = build_classifier(name, "none", 3, 16, 0.5, kind.stages - 2).eval()
    with torch.no_grad():
        for key, value in model.named_parameters():
            if key.endswith("layer_scale"):
                value.fill_(0.3)  # as if trained: its first value of 1e-6 would hide the blocks
        images = torch.rand(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
        trunk, logits = model.trunk(images), model(images)
        model.prepare("cpu", None)
        assert torch.allclose(model.trunk(images), trunk, atol=1e-4 * trunk.abs().max().item())
        assert torch.allclose(model(images), logits, atol=1e-4)
        model.prepare("cpu", torch.bfloat16)
        half = model.trunk(images)
        assert half.dtype == torch.bfloat16 and half.is_contiguous(memory_format=torch.channels_last)
        assert (half.float() - trunk).abs().max() <= 0.05 * trunk.abs().max()
        assert model(images).dtype == torch.float32
        assert (model(images) - logits).abs().max() <= 0.05 * max(1, logits.abs().max().item())


@pytest.mark.parametrize("name", BACKBONES.names())
def test_a_file_of_its_own_weights_fits(name, tmp_path):
    """Without a classification layer, and with one as the library that made the network names it."""
    torch.manual_seed(0)
    kind = BACKBONES.get(name)
    network = kind.build()
    state = network.state_dict()
    layer = kind.classification_layer[0]
    torch.save(state, tmp_path / "plain.pth")
    torch.save(
        {"state_dict": state | {f"{layer}weight": torch.zeros(1000, kind.features)}}, tmp_path / "whole.pth"
    )
    for file in ("plain.pth", "whole.pth"):
        model = build_classifier(name, str(tmp_path / file), 3, 16, 0.5, kind.stages)
        stage = kind.split(network)[0]
        assert torch.equal(
            nn.utils.parameters_to_vector(model.frozen()[0].parameters()),
            nn.utils.parameters_to_vector(stage.parameters()),
        )


@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_of_equal_names_are_taken_by_name_in_any_order(prefix):
    """A .safetensors file gives its tensors back in an order of its own."""
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3))
    wanted = {key: torch.randn_like(value) for key, value in network.state_dict().items()}
    fill_weights(
        network, {f"{prefix}{key}": wanted[key] for key in sorted(wanted, reverse=True)}, "it", "net"
    )
    for key, value in network.state_dict().items():
        assert torch.equal(value, wanted[key])
    other = {f"other.{key}": value for key, value in wanted.items()}
    with pytest.raises(ParameterError, match="its tensors have other names, and such a file keeps no order"):
        fill_weights(network, other, "it.safetensors", "net")
    fill_weights(network, other, "it.pth", "net")
