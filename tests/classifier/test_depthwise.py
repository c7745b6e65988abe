import pytest
import torch
from torch import nn

from helpers.classifier.depthwise import QuickDepthwise, quicken_depthwise, weight_gradient
from helpers.classifier.model import build_classifier


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [(3, 5, 1, 2), (9, 5, 2, 0), (4, 3, 1, 1), (1, 5, 1, 2), (7, 5, 3, 2), (6, 7, 2, 3)],
)
def test_the_gradient_is_that_of_torch(size, kernel, stride, padding):
    torch.manual_seed(0)
    inputs = torch.randn(3, 8, size, size, dtype=torch.float64)
    weight = torch.randn(8, 1, kernel, kernel, dtype=torch.float64, requires_grad=True)
    out = nn.functional.conv2d(inputs, weight, None, stride, padding, 1, 8)
    gradient = torch.randn_like(out)
    (expected,) = torch.autograd.grad(out, weight, gradient)
    assert torch.allclose(weight_gradient(inputs, gradient, kernel, stride, padding), expected, atol=1e-12)


def test_a_quickened_network_computes_and_learns_the_same():
    torch.manual_seed(0)
    models = [build_classifier("efficientnet_lite0", "imagenet", 3, 16, 0.0, 6) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    for stage in models[1].trained():
        quicken_depthwise(stage)
    assert sum(isinstance(layer, QuickDepthwise) for layer in models[1].modules()) == 4
    assert models[0].state_dict().keys() == models[1].state_dict().keys()
    images = torch.rand(6, 3, 64, 64)
    for model in models:
        model(images).square().mean().backward()
    for (name, one), two in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        if one.requires_grad:
            assert torch.allclose(one.grad, two.grad, rtol=1e-3, atol=1e-4 * one.grad.abs().max().item()), (
                name
            )


@pytest.mark.parametrize(
    ("kernel", "stride", "size", "side_out"), [(7, 1, 4, 4), (5, 2, 7, 4), (7, 1, 9, 9), (7, 4, 12, 3)]
)
def test_a_bias_is_carried(kernel, stride, size, side_out):
    """Output and all gradients, on few positions and on many (where torch's own convolution runs)."""
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 6, kernel, stride, kernel // 2, groups=6)
    holder = nn.Sequential(nn.Sequential(layer))
    quicken_depthwise(holder)
    quick = holder[0][0]
    assert isinstance(quick, QuickDepthwise) and set(quick.state_dict()) == {"weight", "bias"}
    found = []
    for module in (layer, quick):
        inputs = torch.randn(3, 6, size, size, generator=torch.Generator().manual_seed(1)).requires_grad_()
        out = module(inputs)
        assert out.shape[-1] == side_out
        weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(2))
        found.append([out, *torch.autograd.grad((out * weights).sum(), [inputs, *layer.parameters()])])
    assert len(found[0]) == 4
    for one, two in zip(*found, strict=True):
        assert torch.allclose(one, two, rtol=1e-4, atol=1e-5)
    assert found[0][3].abs().min() > 0


@pytest.mark.parametrize(
    "options",
    [
        {"dilation": 2},
        {"padding": "same"},
        {"padding": (2, 0)},
        {"stride": (1, 2)},
        {"kernel_size": (5, 7)},
        {"kernel_size": 3},
        {"padding_mode": "reflect", "padding": 2},
        {"groups": 4},
        {"out_channels": 16},
    ],
)
def test_what_it_does_not_know_it_leaves_alone(options):
    values = {"in_channels": 8, "out_channels": 8, "kernel_size": 5, "groups": 8, **options}
    holder = nn.Sequential(nn.Conv2d(**values))
    quicken_depthwise(holder)
    assert type(holder[0]) is nn.Conv2d


def test_a_convolution_of_another_kind_stays():
    class Other(nn.Conv2d):
        pass

    holder = nn.Sequential(Other(8, 8, 5, groups=8))
    quicken_depthwise(holder)
    assert type(holder[0]) is Other
