import pytest
import torch
from torch import nn

from helpers.classifier.model import build_classifier
from helpers.classifier.pointwise import QuickPointwise, quicken_pointwise


@pytest.mark.parametrize(("stride", "bias"), [(1, True), (1, False), (2, True), ((2, 1), False)])
def test_output_and_gradients_are_the_convolution_s(stride, bias):
    torch.manual_seed(0)
    layer = nn.Conv2d(64, 96, 1, stride, bias=bias).double()
    holder = nn.Sequential(nn.Sequential(layer))
    quicken_pointwise(holder)
    quick = holder[0][0]
    assert isinstance(quick, QuickPointwise) and quick.state_dict().keys() == layer.state_dict().keys()
    inputs = torch.randn(3, 64, 5, 7, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    inputs.requires_grad_()
    out = [layer(inputs), quick(inputs)]
    assert out[1].is_contiguous(memory_format=torch.channels_last)
    weights = torch.randn_like(out[0])
    found = [torch.autograd.grad((each * weights).sum(), [inputs, *layer.parameters()]) for each in out]
    assert torch.allclose(*out)
    for one, two in zip(*found, strict=True):
        assert torch.allclose(one, two) and one.abs().max() > 0


@pytest.mark.parametrize(
    "options", [{"kernel_size": 3}, {"padding": 1}, {"groups": 2}, {"in_channels": 32}, {"out_channels": 32}]
)
def test_what_gains_nothing_stays(options):
    holder = nn.Sequential(nn.Conv2d(**{"in_channels": 64, "out_channels": 64, "kernel_size": 1, **options}))
    quicken_pointwise(holder)
    assert type(holder[0]) is nn.Conv2d


def test_a_prepared_network_learns_the_same_as_a_plain_one():
    """All that ``prepare`` changes on a CPU: outputs and the gradients of a training step agree."""
    torch.manual_seed(0)
    models = [build_classifier("efficientnet_lite0", "imagenet", 3, 16, 0.0, 6) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    models[1].prepare("cpu", None)
    assert any(isinstance(layer, QuickPointwise) for layer in models[1].modules())
    images = torch.rand(6, 3, 64, 64)
    outputs = [model(images) for model in models]
    assert torch.allclose(*outputs, rtol=1e-3, atol=1e-4)
    for each in outputs:
        each.square().mean().backward()
    found = dict(models[1].named_parameters())
    wanted = {name: each.grad for name, each in models[0].named_parameters() if each.requires_grad}
    length = torch.linalg.vector_norm
    largest = max(length(gradient) for gradient in wanted.values())
    for name, gradient in wanted.items():  # by their lengths: processors round single elements otherwise
        assert length(found[name].grad - gradient) < 5e-3 * length(gradient) + 1e-5 * largest, name
