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
