"""Sums and products along rows: the plain expressions to the bit, whatever the layout and the precision."""

import pytest
import torch

from helpers.gan import channelwise
from helpers.gan.channelwise import FEW_CHANNELS, minus, plus_pixels, scale_and_shift
from helpers.gan.networks import minibatch_standard_deviation
from helpers.gan.slopes import activate, halve, spread

SIZES = [(3, 8, 16, 16), (2, 24, 4, 4), (1, 5, 3, 7), (2, 1, 4, 4), (2, 3, 1, 1)]
LAYOUTS = ("channels-last", "contiguous", "one image for all")
KINDS = [
    (size, layout, dtype) for size in SIZES for layout in LAYOUTS for dtype in (torch.bfloat16, torch.float32)
]


@pytest.fixture(params=KINDS, ids=str)
def x(request):
    size, layout, dtype = request.param
    x = torch.randn(size).to(dtype)
    if layout == "channels-last":
        return x.contiguous(memory_format=torch.channels_last)
    return x[:1].expand(3, -1, -1, -1) if layout == "one image for all" else x


def per_channel(x):
    return torch.randn(*x.shape[:2], 1, 1).to(x.dtype)


def test_minus(x):
    values = per_channel(x)
    assert torch.equal(minus(x, values), x - values)


def test_scale_and_shift(x):
    scale, shift, image = per_channel(x), per_channel(x), torch.randn_like(x)
    assert torch.equal(scale_and_shift(x, scale, shift), torch.addcmul(shift, x, scale))
    assert torch.equal(scale_and_shift(x, scale, image), torch.addcmul(image, x, scale))


def test_plus_pixels_and_its_gradients(x):
    values = torch.randn(len(x), 1, *x.shape[2:]).to(x.dtype)
    found = []
    for add in (plus_pixels, torch.add):
        inputs = [x.detach().requires_grad_(), values.clone().requires_grad_()]
        y = add(*inputs)
        gradients = torch.autograd.grad(y.square().sum(), inputs, create_graph=True)
        again = torch.autograd.grad(sum(each.square().sum() for each in gradients), inputs)
        found.append([y, *gradients, *again])
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(*found, strict=True))


def test_one_image_takes_every_images_pixels():
    x, values = torch.randn(1, 8, 4, 4).bfloat16(), torch.randn(3, 1, 4, 4).bfloat16()
    x = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(plus_pixels(x, values), x + values)


def test_rows_are_taken_where_they_are_quicker(monkeypatch):
    """And there alone: a generator's images in bfloat16, of few channels, channels-last."""
    taken = []
    rows = channelwise._rows
    monkeypatch.setattr(channelwise, "_rows", lambda x: taken.append(x.shape) or rows(x))
    x = torch.randn(2, FEW_CHANNELS - 8, 4, 4).bfloat16().contiguous(memory_format=torch.channels_last)
    wide = torch.randn(2, FEW_CHANNELS, 4, 4).bfloat16().contiguous(memory_format=torch.channels_last)
    minus(x, per_channel(x))
    assert taken
    taken.clear()
    for other in (x.float(), x.contiguous(), wide):
        minus(other, per_channel(other))
    assert not taken


def test_activation_overwrites():
    x = torch.randn(8)
    assert activate(x) is x and (x > -1).all()


def test_the_features_keep_their_layout_beside_the_deviation():
    x = torch.randn(4, 8, 4, 4).contiguous(memory_format=torch.channels_last)
    assert minibatch_standard_deviation(x).is_contiguous(memory_format=torch.channels_last)


def test_images_stay_channels_last():
    x = torch.randn(2, 8, 4, 4).bfloat16().contiguous(memory_format=torch.channels_last)
    pixels = torch.randn(2, 1, 4, 4).bfloat16()
    gradient = torch.randn(2, 8, 2, 2).bfloat16()
    for y in (
        minus(x, per_channel(x)),
        scale_and_shift(x, per_channel(x), per_channel(x)),
        plus_pixels(x, pixels),
        halve(x),
        spread(gradient),
    ):
        assert y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_gradient_of_halving_is_pytorchs(dtype):
    x, weights = torch.randn(2, 8, 6, 6).to(dtype), torch.randn(2, 8, 3, 3).to(dtype)
    found = []
    for halved in (halve, lambda given: torch.nn.functional.avg_pool2d(given, 2)):
        given = x.clone().requires_grad_()
        y = halved(given)
        found.append([y, torch.autograd.grad((y * weights).sum(), given)[0]])
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(*found, strict=True))
